//! JID escaping (XEP-0106): ten characters that a localpart cannot hold, each as a backslash and two digits.

const SEQUENCES: [(char, &str); 10] = [
    (' ', "20"),
    ('"', "22"),
    ('&', "26"),
    ('\'', "27"),
    ('/', "2f"),
    (':', "3a"),
    ('<', "3c"),
    ('>', "3e"),
    ('@', "40"),
    ('\\', "5c"),
];

/// What a person typed, as a localpart can hold it, or `None` where a space is first or last, which XEP-0106
/// section 4.1 forbids.
///
/// A backslash is escaped only where what follows would read as one of the ten sequences (section 4.2), in either case of
/// letters: preparing the localpart makes them lower case.
#[must_use]
pub fn escape_local(text: &str) -> Option<String> {
    if text.starts_with(' ') || text.ends_with(' ') {
        return None;
    }
    let mut escaped = String::with_capacity(text.len());
    for (at, char) in text.char_indices() {
        let sequence = SEQUENCES.iter().find(|(plain, _)| *plain == char).map(|(_, digits)| *digits);
        match sequence {
            Some("5c") if !reads_as_sequence(&text[at + 1..]) => escaped.push('\\'),
            Some(digits) => {
                escaped.push('\\');
                escaped.push_str(digits);
            }
            None => escaped.push(char),
        }
    }
    Some(escaped)
}

/// What a person reads for a localpart: the inverse of [`escape_local`]. Other backslashes stay as they are, and so does
/// `\20` first or last, which nothing can have been escaped to.
#[must_use]
pub fn unescape_local(local: &str) -> String {
    let mut text = String::with_capacity(local.len());
    let mut rest = local;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let edge = rest.len() == local.len() && at == 0 || after.len() == 2;
        match sequence_at(after) {
            Some(char) if !(char == ' ' && edge) => {
                text.push(char);
                rest = &after[2..];
            }
            _ => {
                text.push('\\');
                rest = after;
            }
        }
    }
    text.push_str(rest);
    text
}

fn reads_as_sequence(after_backslash: &str) -> bool {
    after_backslash.get(..2).is_some_and(|digits| SEQUENCES.iter().any(|(_, known)| known.eq_ignore_ascii_case(digits)))
}

fn sequence_at(after_backslash: &str) -> Option<char> {
    let digits = after_backslash.get(..2)?;
    SEQUENCES.iter().find(|(_, known)| *known == digits).map(|(plain, _)| *plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn all_ten_characters_are_escaped() {
        assert_eq!(escape_local(r#"a "&'/:<>@\5cz"#).as_deref(), Some(r"a\20\22\26\27\2f\3a\3c\3e\40\5c5cz"));
    }

    #[test]
    fn a_space_may_not_be_first_or_last() {
        assert_eq!((escape_local(" a"), escape_local("a ")), (None, None));
        assert_eq!(unescape_local(r"\20a\20"), r"\20a\20");
        assert_eq!(unescape_local(r"a\20b"), "a b");
    }

    #[test]
    fn capital_digits_do_not_become_another_user() {
        let escaped = escape_local(r"a\2Fb").unwrap_or_default();
        assert_eq!(unescape_local(&escaped.to_ascii_lowercase()), r"a\2fb");
    }

    proptest! {
        #[test]
        fn unescaping_undoes_escaping(text in r#"[a-f0-9 "&'/:<>@\\é2345]{0,12}"#) {
            if let Some(escaped) = escape_local(&text) {
                prop_assert_eq!(unescape_local(&escaped), text);
                prop_assert!(!escaped.contains([' ', '"', '&', '\'', '/', ':', '<', '>', '@']));
            }
        }
    }
}
