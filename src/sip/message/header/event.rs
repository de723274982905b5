//! Event and Subscription-State (RFC 6665 section 8.2).

use super::{BadHeader, Header, Params};
use crate::sip::message::{Name, lex};

macro_rules! token_headers {
    ($($(#[$doc:meta])* $type:ident { $(#[$field_doc:meta])* $field:ident } = $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $type {
            $(#[$field_doc])*
            pub $field: String,
            /// What follows it.
            pub params: Params,
        }

        impl Header for $type {
            const NAME: Name<'static> = Name::$name;

            fn parse(value: &[u8]) -> Result<Self, BadHeader> {
                let read = || {
                    let end = memchr::memchr(b';', value).unwrap_or(value.len());
                    let token = lex::trim(&value[..end]);
                    let token = lex::is_token(token).then(|| std::str::from_utf8(token).ok()).flatten()?;
                    Some(Self { $field: token.to_owned(), params: Params::parse(&value[end..])? })
                };
                read().ok_or(BadHeader(Name::$name))
            }

            fn print(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self.$field.as_bytes());
                self.params.print(out);
            }
        }
    )*};
}

token_headers! {
    /// What a subscription is about.
    Event {
        /// The package, `presence` for one, with its templates; case-sensitive.
        package
    } = EVENT;
    /// How a subscription stands.
    SubscriptionState {
        /// `active`, `pending`, `terminated` or another word.
        state
    } = SUBSCRIPTION_STATE;
}

macro_rules! entity_tags {
    ($($(#[$doc:meta])* $type:ident = $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $type(pub String);

        impl Header for $type {
            const NAME: Name<'static> = Name::$name;

            fn parse(value: &[u8]) -> Result<Self, BadHeader> {
                let tag = lex::is_token(value).then(|| std::str::from_utf8(value).ok()).flatten();
                tag.map(|tag| Self(tag.to_owned())).ok_or(BadHeader(Name::$name))
            }

            fn print(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self.0.as_bytes());
            }
        }
    )*};
}

entity_tags! {
    /// The entity tag that a server gave a publication (RFC 3903 section 11.3.1).
    SipEtag = SIP_ETAG;
    /// The publication that is refreshed, changed or removed (RFC 3903 section 11.3.2).
    SipIfMatch = SIP_IF_MATCH;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn word_and_parameters_come_apart() {
        let event = Event::parse(b"presence.winfo ; id=7").unwrap();
        assert_eq!((event.package.as_str(), event.params.get("id")), ("presence.winfo", Some("7")));
        let state = SubscriptionState::parse(b"terminated;reason=rejected;retry-after=5").unwrap();
        assert_eq!((state.state.as_str(), state.params.get("reason")), ("terminated", Some("rejected")));
        assert!(Event::parse(b"").is_err() && Event::parse(b"a b").is_err());
    }

    #[test]
    fn an_entity_tag_is_a_token() {
        assert_eq!(SipEtag::parse(b"dx200xyz"), Ok(SipEtag("dx200xyz".to_owned())));
        for text in [&b""[..], b"a b", b"\"a\"", b"a;b"] {
            assert_eq!(SipIfMatch::parse(text), Err(BadHeader(Name::SIP_IF_MATCH)));
        }
    }
}
