//! What a body is, and what a peer can read (RFC 3261 sections 20.1 and 20.15).

use super::{BadHeader, Header, Params};
use crate::sip::message::{Name, lex};

/// `type/subtype;params`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Media {
    text: String,
    params: Params,
}

impl Media {
    fn read(value: &[u8]) -> Option<Self> {
        let end = memchr::memchr(b';', value).unwrap_or(value.len());
        let head = &value[..end];
        let slash = memchr::memchr(b'/', head)?;
        let (kind, subtype) = (lex::trim(&head[..slash]), lex::trim(&head[slash + 1..]));
        if !lex::is_token(kind) || !lex::is_token(subtype) {
            return None;
        }
        let mut text = String::with_capacity(end);
        for part in [kind, b"/", subtype] {
            text.push_str(std::str::from_utf8(part).ok()?);
        }
        text.make_ascii_lowercase();
        Some(Self { text, params: Params::parse(&value[end..])? })
    }
}

macro_rules! media_headers {
    ($($(#[$doc:meta])* $type:ident = $name:ident, list $list:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $type(Media);

        impl $type {
            /// `type/subtype` in lower case.
            #[must_use]
            pub fn media(&self) -> &str {
                &self.0.text
            }

            /// What follows it, `charset` for one.
            #[must_use]
            pub fn params(&self) -> &Params {
                &self.0.params
            }
        }

        impl Header for $type {
            const NAME: Name<'static> = Name::$name;
            const LIST: bool = $list;

            fn parse(value: &[u8]) -> Result<Self, BadHeader> {
                Media::read(value).map(Self).ok_or(BadHeader(Self::NAME))
            }

            fn print(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self.0.text.as_bytes());
                self.0.params.print(out);
            }
        }
    )*};
}

media_headers! {
    /// What the body is.
    ContentType = CONTENT_TYPE, list false;
    /// One kind of body that its sender can read; `*/*` and `text/*` are possible.
    Accept = ACCEPT, list true;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn type_and_parameters_come_apart() {
        let content = ContentType::parse(b"Text / Plain ; charset=\"UTF-8\"").unwrap();
        assert_eq!(content.media(), "text/plain");
        assert_eq!(content.params().unquoted("Charset").unwrap(), "UTF-8");
        assert_eq!(Accept::parse(b"*/*;q=0.1").unwrap().media(), "*/*");
        for text in [&b"text"[..], b"", b"text/", b"text/plain charset=utf-8"] {
            assert!(ContentType::parse(text).is_err());
        }
    }
}
