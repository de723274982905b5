//! Methods: an open set, so an unknown one is a value that the gateway answers with 501, not an error.

use super::lex;
use std::fmt;

/// The method of a request (RFC 3261 section 7.1). Case-sensitive: `message` is some other method.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// RFC 3261 section 13.
    Invite,
    /// RFC 3261 section 13.
    Ack,
    /// RFC 3261 section 15.
    Bye,
    /// RFC 3261 section 9.
    Cancel,
    /// RFC 3261 section 10.
    Register,
    /// RFC 3261 section 11.
    Options,
    /// RFC 3428.
    Message,
    /// RFC 6665.
    Subscribe,
    /// RFC 6665.
    Notify,
    /// RFC 3903.
    Publish,
    /// RFC 3515.
    Refer,
    /// RFC 6086.
    Info,
    /// RFC 3311.
    Update,
    /// RFC 3262.
    Prack,
    /// Any other token; see [`Method::parse`].
    Other(Box<str>),
}

const KNOWN: [(&str, Method); 14] = [
    ("INVITE", Method::Invite),
    ("ACK", Method::Ack),
    ("BYE", Method::Bye),
    ("CANCEL", Method::Cancel),
    ("REGISTER", Method::Register),
    ("OPTIONS", Method::Options),
    ("MESSAGE", Method::Message),
    ("SUBSCRIBE", Method::Subscribe),
    ("NOTIFY", Method::Notify),
    ("PUBLISH", Method::Publish),
    ("REFER", Method::Refer),
    ("INFO", Method::Info),
    ("UPDATE", Method::Update),
    ("PRACK", Method::Prack),
];

impl Method {
    /// Reads a method; `None` if it is not a token.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        if let Some((_, method)) = KNOWN.iter().find(|(name, _)| name.as_bytes() == text) {
            return Some(method.clone());
        }
        if !lex::is_token(text) {
            return None;
        }
        std::str::from_utf8(text).ok().map(|text| Method::Other(text.into()))
    }

    /// The method as it stands in a message.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Method::Invite => "INVITE",
            Method::Ack => "ACK",
            Method::Bye => "BYE",
            Method::Cancel => "CANCEL",
            Method::Register => "REGISTER",
            Method::Options => "OPTIONS",
            Method::Message => "MESSAGE",
            Method::Subscribe => "SUBSCRIBE",
            Method::Notify => "NOTIFY",
            Method::Publish => "PUBLISH",
            Method::Refer => "REFER",
            Method::Info => "INFO",
            Method::Update => "UPDATE",
            Method::Prack => "PRACK",
            Method::Other(name) => name,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_method_is_read_back() {
        for (name, method) in KNOWN {
            assert_eq!(method.as_str(), name);
            assert_eq!(Method::parse(name.as_bytes()), Some(method));
        }
    }

    #[test]
    fn case_matters_and_other_tokens_are_values() {
        assert_eq!(Method::parse(b"message"), Some(Method::Other("message".into())));
        assert_eq!(
            Method::parse(b"!interesting-Method0123456789_*+`.%indeed'~").map(|m| m.to_string()).as_deref(),
            Some("!interesting-Method0123456789_*+`.%indeed'~")
        );
        assert_eq!(Method::parse(b"A B"), None);
        assert_eq!(Method::parse(b""), None);
    }
}
