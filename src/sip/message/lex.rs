//! The lexical ground of header values (RFC 3261 section 25.1): tokens, quoted strings, white space with folds.
//!
//! Values come with their folds in them. The reader has refused every CR and LF that is not part of a fold, so here
//! both are simply white space.

use std::borrow::Cow;

const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let marks = b"-.!%*_+`'~";
    let mut at = 0;
    while at < marks.len() {
        table[marks[at] as usize] = true;
        at += 1;
    }
    table
};

pub(crate) fn is_token_byte(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

/// `token` of RFC 3261 section 25.1.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| is_token_byte(*byte))
}

pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

pub(crate) fn trim(text: &[u8]) -> &[u8] {
    trim_start(trim_end(text))
}

pub(crate) fn trim_start(mut text: &[u8]) -> &[u8] {
    while let Some((first, rest)) = text.split_first()
        && is_space(*first)
    {
        text = rest;
    }
    text
}

pub(crate) fn trim_end(mut text: &[u8]) -> &[u8] {
    while let Some((last, rest)) = text.split_last()
        && is_space(*last)
    {
        text = rest;
    }
    text
}

/// Replaces each fold and its white space by one space.
pub(crate) fn unfold(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\n', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut flat = Vec::with_capacity(text.len());
    for line in text.split(|byte| *byte == b'\n') {
        if !flat.is_empty() {
            flat.push(b' ');
        }
        flat.extend_from_slice(trim(line));
    }
    Cow::Owned(flat)
}

/// Where `wanted` first stands outside quotes, and outside angle brackets if `brackets`. An open quote or bracket
/// hides the rest, and the reader of that rest finds it malformed.
pub(crate) fn find_outside(text: &[u8], wanted: u8, brackets: bool) -> Option<usize> {
    let first = memchr::memchr(wanted, text)?;
    let before = &text[..first];
    let hidden = if brackets { memchr::memchr2(b'"', b'<', before) } else { memchr::memchr(b'"', before) };
    if hidden.is_none() {
        return Some(first);
    }
    let mut at = 0;
    let mut in_quotes = false;
    let mut in_brackets = false;
    while let Some(byte) = text.get(at) {
        match *byte {
            b'\\' if in_quotes => at += 1,
            b'"' if !in_brackets => in_quotes = !in_quotes,
            byte if in_quotes || (in_brackets && byte != b'>') => {}
            byte if byte == wanted => return Some(at),
            b'<' if brackets => in_brackets = true,
            b'>' if brackets => in_brackets = false,
            _ => {}
        }
        at += 1;
    }
    None
}

/// The elements of a comma list, trimmed; commas inside quotes and angle brackets do not separate. Elements that are
/// empty are given as such: some headers allow them, in the others the typed reader refuses.
pub(crate) fn elements(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let now = rest?;
        if let Some(at) = find_outside(now, b',', true) {
            rest = Some(&now[at + 1..]);
            Some(trim(&now[..at]))
        } else {
            rest = None;
            Some(trim(now))
        }
    })
}

/// The length of the quoted string, quotes included, that `text` begins with; `None` if there is none or it does not
/// end.
pub(crate) fn quoted_len(text: &[u8]) -> Option<usize> {
    if text.first() != Some(&b'"') {
        return None;
    }
    let mut at = 1;
    loop {
        match text.get(at)? {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
}

/// What a quoted string says: without quotes and backslashes. Anything else is given as it is.
pub(crate) fn unquote(text: &[u8]) -> Cow<'_, [u8]> {
    if text.len() < 2 || quoted_len(text) != Some(text.len()) {
        return Cow::Borrowed(text);
    }
    let inside = &text[1..text.len() - 1];
    if memchr::memchr(b'\\', inside).is_none() {
        return Cow::Borrowed(inside);
    }
    let mut plain = Vec::with_capacity(inside.len());
    let mut escaped = false;
    for byte in inside {
        if *byte == b'\\' && !escaped {
            escaped = true;
        } else {
            plain.push(*byte);
            escaped = false;
        }
    }
    Cow::Owned(plain)
}

/// Appends `text` as a quoted string; line breaks and NUL, which cannot be quoted, become spaces.
pub(crate) fn push_quoted(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\r' | b'\n' | 0 => out.push(b' '),
            byte => out.push(*byte),
        }
    }
    out.push(b'"');
}

/// Appends `text` with line breaks and NUL, which would end or forge a header, replaced by spaces.
pub(crate) fn push_safe(text: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(text);
    for byte in &mut out[start..] {
        if matches!(byte, b'\r' | b'\n' | 0) {
            *byte = b' ';
        }
    }
}

/// A number of digits only; saturates where the grammar knows no upper end.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'))))
}

/// Appends a number in decimal.
pub(crate) fn push_number(number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_quotes_and_brackets_do_not_separate() {
        let list = br#""Bell, A \" , x" <sip:a,b@c> ;q=1 , <sip:d@e>,,"#;
        let parts: Vec<_> = elements(list).map(String::from_utf8_lossy).collect();
        assert_eq!(parts, [r#""Bell, A \" , x" <sip:a,b@c> ;q=1"#, "<sip:d@e>", "", ""]);
    }

    #[test]
    fn quoted_strings_come_back() {
        let mut out = Vec::new();
        push_quoted(b"a \"b\" \\ c\r\nd", &mut out);
        assert_eq!(out, br#""a \"b\" \\ c  d""#);
        assert_eq!(unquote(&out).as_ref(), br#"a "b" \ c  d"#);
        assert_eq!(unquote(br#""open"#).as_ref(), br#""open"#);
        assert_eq!(quoted_len(br#""a\"#), None);
    }

    #[test]
    fn folds_become_single_spaces() {
        assert_eq!(unfold(b"a\r\n\t b \r\n c").as_ref(), b"a b c");
    }

    #[test]
    fn numbers_saturate_and_print() {
        assert_eq!(number(b"0068"), Some(68));
        assert_eq!(number(b"99999999999999999999999"), Some(u64::MAX));
        assert_eq!(number(b"+1"), None);
        let mut out = Vec::new();
        push_number(0, &mut out);
        push_number(1234, &mut out);
        assert_eq!(out, b"01234");
    }
}
