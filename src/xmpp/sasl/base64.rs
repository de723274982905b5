//! Base64 as RFC 6120 section 13.9.1 demands it: every character belongs to the alphabet, padding is whole and stands
//! last, and its bits are zero. Data that are there but empty are `=` (section 6.4.2).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Condition, MAX_MESSAGE};

/// What the text of an element says; an empty text is no data, not empty data.
pub fn decode(text: &str) -> Result<Option<Vec<u8>>, Condition> {
    match text {
        "" => Ok(None),
        "=" => Ok(Some(Vec::new())),
        _ if text.len() > MAX_MESSAGE.div_ceil(3) * 4 => Err(Condition::MalformedRequest),
        _ => STANDARD.decode(text).map(Some).map_err(|_| Condition::IncorrectEncoding),
    }
}

/// The text of an element with these data.
#[must_use]
pub fn encode(data: &[u8]) -> String {
    if data.is_empty() { "=".to_owned() } else { STANDARD.encode(data) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_and_empty_differ() {
        assert_eq!((decode(""), decode("=")), (Ok(None), Ok(Some(vec![]))));
        assert_eq!((encode(b""), encode(b"a")), ("=".to_owned(), "YQ==".to_owned()));
    }

    #[test]
    fn whatever_is_not_exactly_base64_is_refused() {
        let bad = [
            "=AAA",
            "BBBB=CCC",
            "==",
            "YQ",
            "YQ=",
            "YQ===",
            "YQ==YQ==",
            "YR==",
            "YQ= =",
            "YQ==\n",
            " YQ==",
            "YQ\u{3d}\u{ff1d}",
            "_-8=",
            "A",
            "é===",
        ];
        for bad in bad {
            assert_eq!(decode(bad), Err(Condition::IncorrectEncoding), "{bad:?}");
        }
        assert_eq!(decode(&"A".repeat(MAX_MESSAGE * 2)), Err(Condition::MalformedRequest));
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding_and_nothing_else_decodes_to_the_same(data in any::<Vec<u8>>(), other in "[A-Za-z0-9+/=]{0,8}") {
            prop_assert_eq!(decode(&encode(&data)), Ok(Some(data)));
            if let Ok(Some(decoded)) = decode(&other) {
                prop_assert_eq!(encode(&decoded), other);
            }
        }
    }
}
