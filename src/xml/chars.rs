//! Which characters XML 1.0 (fifth edition) allows where.

use super::Error;

/// `bytes` as text, if it is UTF-8 and holds only characters that XML allows (section 2.2).
pub(super) fn text(bytes: &[u8]) -> Result<&str, Error> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Error::new(super::ErrorKind::Encoding, "not UTF-8 (RFC 6120 section 11.6)"))?;
    // Folding over all bytes instead of stopping at the first lets the compiler do many at once.
    let control = |byte: &u8| *byte < 0x20 && !matches!(*byte, b'\t' | b'\n' | b'\r');
    let bad = bytes.iter().fold(false, |bad, byte| bad | control(byte));
    if bad || (!text.is_ascii() && (text.contains('\u{FFFE}') || text.contains('\u{FFFF}'))) {
        return Err(Error::malformed("a character that XML does not allow"));
    }
    Ok(text)
}

/// XML's white space (section 2.3).
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Whether XML allows `char` (section 2.2); Rust excludes surrogates already.
pub(super) fn is_allowed(char: char) -> bool {
    matches!(char, '\t' | '\n' | '\r' | '\u{20}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Whether `text` is a name without a colon (Namespaces in XML 1.0 section 3).
pub(super) fn is_ncname(text: &str) -> bool {
    let mut bytes = text.bytes();
    let plain_start = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if bytes.next().is_some_and(plain_start) && bytes.all(plain) {
        return true;
    }
    let mut chars = text.chars();
    chars.next().is_some_and(is_name_start) && chars.all(is_name)
}

fn is_name_start(char: char) -> bool {
    matches!(char,
        'A'..='Z' | '_' | 'a'..='z' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}'
        | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}'
        | '\u{10000}'..='\u{EFFFF}')
}

fn is_name(char: char) -> bool {
    is_name_start(char)
        || matches!(char, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_no_colon_and_no_digit_in_front() {
        for good in ["a", "_", "message", "é-1", "a.b"] {
            assert!(is_ncname(good), "{good}");
        }
        for bad in ["", "1a", "-a", "a:b", "a<b", "a b", "×", "a\u{d7}"] {
            assert!(!is_ncname(bad), "{bad}");
        }
    }

    #[test]
    fn every_scalar_value_is_judged_as_by_the_production() {
        for char in (0..=0x10_FFFF).filter_map(char::from_u32) {
            let allowed = text(char.encode_utf8(&mut [0; 4]).as_bytes()).is_ok();
            assert_eq!(allowed, is_allowed(char), "{char:?}");
        }
    }
}
