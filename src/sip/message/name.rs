//! Header names: one spelling to look them up by, whatever case or compact form a peer prefers.

use super::lex;

/// The name of a header (RFC 3261 section 7.3). Names compare without regard to case, and a compact form is its long
/// one.
#[derive(Clone, Copy, Debug, Eq)]
pub enum Name<'a> {
    /// A name of the table below; written `Name::VIA` and so on.
    Known(Known),
    /// Any other token.
    Other(&'a str),
}

/// A name that this crate knows by heart: an index into the table of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Known(u8);

macro_rules! names {
    ($($constant:ident = $long:literal $($compact:literal)?;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        #[repr(u8)]
        enum Index { $($constant),* }

        const LONG: &[&str] = &[$($long),*];

        const COMPACT: [u8; 26] = {
            let mut table = [OTHER; 26];
            $($(table[($compact - b'a') as usize] = Index::$constant as u8;)?)*
            table
        };

        impl Name<'static> {
            $(#[doc = concat!("`", $long, "`.")] pub const $constant: Name<'static> = Name::Known(Known(Index::$constant as u8));)*
        }
    };
}

/// Not an index of the table.
const OTHER: u8 = u8::MAX;

/// Some of the names of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct NameSet(u128);

impl NameSet {
    /// Those of `names` that are in the table.
    pub(super) const fn of(names: &[Name<'static>]) -> Self {
        assert!(LONG.len() <= u128::BITS as usize, "each name of the table has its bit");
        let (mut bits, mut at) = (0, 0);
        while at < names.len() {
            if let Name::Known(known) = names[at] {
                bits |= 1 << known.0;
            }
            at += 1;
        }
        Self(bits)
    }

    /// Takes `known` out; whether it was in.
    pub(super) fn take(&mut self, known: Known) -> bool {
        let bit = 1 << known.0;
        let was_in = self.0 & bit != 0;
        self.0 &= !bit;
        was_in
    }

    /// Whether it has `known`.
    pub(super) fn has(self, known: Known) -> bool {
        self.0 & (1 << known.0) != 0
    }
}

names! {
    VIA = "Via" b'v';
    FROM = "From" b'f';
    TO = "To" b't';
    CALL_ID = "Call-ID" b'i';
    CSEQ = "CSeq";
    MAX_FORWARDS = "Max-Forwards";
    CONTACT = "Contact" b'm';
    ROUTE = "Route";
    RECORD_ROUTE = "Record-Route";
    CONTENT_TYPE = "Content-Type" b'c';
    CONTENT_LENGTH = "Content-Length" b'l';
    CONTENT_ENCODING = "Content-Encoding" b'e';
    CONTENT_LANGUAGE = "Content-Language";
    CONTENT_DISPOSITION = "Content-Disposition";
    CONTENT_ID = "Content-ID";
    EXPIRES = "Expires";
    MIN_EXPIRES = "Min-Expires";
    RETRY_AFTER = "Retry-After";
    SUBJECT = "Subject" b's';
    DATE = "Date";
    EVENT = "Event" b'o';
    SUBSCRIPTION_STATE = "Subscription-State";
    ALLOW_EVENTS = "Allow-Events" b'u';
    ALLOW = "Allow";
    SUPPORTED = "Supported" b'k';
    UNSUPPORTED = "Unsupported";
    REQUIRE = "Require";
    PROXY_REQUIRE = "Proxy-Require";
    ACCEPT = "Accept";
    ACCEPT_ENCODING = "Accept-Encoding";
    ACCEPT_LANGUAGE = "Accept-Language";
    ACCEPT_CONTACT = "Accept-Contact" b'a';
    REJECT_CONTACT = "Reject-Contact" b'j';
    REQUEST_DISPOSITION = "Request-Disposition" b'd';
    REFER_TO = "Refer-To" b'r';
    REFERRED_BY = "Referred-By" b'b';
    SESSION_EXPIRES = "Session-Expires" b'x';
    MIN_SE = "Min-SE";
    IDENTITY = "Identity" b'y';
    USER_AGENT = "User-Agent";
    SERVER = "Server";
    WARNING = "Warning";
    REASON = "Reason";
    PRIORITY = "Priority";
    ORGANIZATION = "Organization";
    IN_REPLY_TO = "In-Reply-To";
    REPLY_TO = "Reply-To";
    REPLACES = "Replaces";
    MIME_VERSION = "MIME-Version";
    TIMESTAMP = "Timestamp";
    AUTHORIZATION = "Authorization";
    AUTHENTICATION_INFO = "Authentication-Info";
    PROXY_AUTHORIZATION = "Proxy-Authorization";
    PROXY_AUTHENTICATE = "Proxy-Authenticate";
    WWW_AUTHENTICATE = "WWW-Authenticate";
    P_ASSERTED_IDENTITY = "P-Asserted-Identity";
    P_PREFERRED_IDENTITY = "P-Preferred-Identity";
    PRIVACY = "Privacy";
    PATH = "Path";
    SERVICE_ROUTE = "Service-Route";
    SIP_ETAG = "SIP-ETag";
    SIP_IF_MATCH = "SIP-If-Match";
    HISTORY_INFO = "History-Info";
    MAX_BREADTH = "Max-Breadth";
    ERROR_INFO = "Error-Info";
    ALERT_INFO = "Alert-Info";
    CALL_INFO = "Call-Info";
}

const BUCKETS: usize = 256;

/// Open addressing over all long names, filled by the compiler.
const TABLE: [u8; BUCKETS] = {
    let mut table = [OTHER; BUCKETS];
    let mut index = 0;
    while index < LONG.len() {
        let mut bucket = hash(LONG[index].as_bytes());
        while table[bucket] != OTHER {
            bucket = (bucket + 1) % BUCKETS;
        }
        table[bucket] = index as u8;
        index += 1;
    }
    table
};

/// Of a name that is not empty.
const fn hash(name: &[u8]) -> usize {
    let first = (name[0] | 0x20) as usize;
    let middle = (name[name.len() / 2] | 0x20) as usize;
    let last = (name[name.len() - 1] | 0x20) as usize;
    (name.len() * 7 + first * 31 + middle * 17 + last * 5) % BUCKETS
}

fn lookup(name: &[u8]) -> Option<Known> {
    let index = match name {
        [] => OTHER,
        [letter] => COMPACT.get(usize::from((letter | 0x20).wrapping_sub(b'a'))).copied().unwrap_or(OTHER),
        name => {
            let mut bucket = hash(name);
            loop {
                let index = TABLE[bucket];
                if index == OTHER {
                    break index;
                }
                let long = LONG[usize::from(index)].as_bytes();
                // Most peers spell names as the RFCs do.
                if long == name || long.eq_ignore_ascii_case(name) {
                    break index;
                }
                bucket = (bucket + 1) % BUCKETS;
            }
        }
    };
    (index != OTHER).then_some(Known(index))
}

impl<'a> Name<'a> {
    /// The name that `text` spells; `None` if it is not a token.
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        if let Some(known) = lookup(text) {
            return Some(Name::Known(known));
        }
        let text = std::str::from_utf8(text).ok()?;
        lex::is_token(text.as_bytes()).then_some(Name::Other(text))
    }

    /// The usual long spelling; of an unknown name its own.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        match self {
            Name::Known(known) => LONG[usize::from(known.0)],
            Name::Other(text) => text,
        }
    }
}

impl<'a> From<&'a str> for Name<'a> {
    /// For names that code writes down; a text that is not a token matches nothing and is never printed.
    fn from(text: &'a str) -> Self {
        lookup(text.as_bytes()).map_or(Name::Other(text), Name::Known)
    }
}

impl PartialEq<Name<'_>> for Name<'_> {
    fn eq(&self, other: &Name<'_>) -> bool {
        match (self, other) {
            (Name::Known(one), Name::Known(two)) => one == two,
            (Name::Other(one), Name::Other(two)) => one.eq_ignore_ascii_case(two),
            (Name::Known(_) | Name::Other(_), _) => false,
        }
    }
}

impl std::fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_compact_forms_do_not_matter() {
        for (spelled, name) in [
            ("v", Name::VIA),
            ("VIA", Name::VIA),
            ("K", Name::SUPPORTED),
            ("call-id", Name::CALL_ID),
            ("O", Name::EVENT),
        ] {
            assert_eq!(Name::from(spelled), name, "{spelled}");
        }
        assert_eq!(Name::from("X-Thing"), Name::from("x-thing"));
        assert_ne!(Name::from("z"), Name::VIA);
    }

    #[test]
    fn every_name_of_the_table_finds_itself() {
        for (index, long) in LONG.iter().enumerate() {
            assert_eq!(lookup(long.as_bytes()).map(|known| usize::from(known.0)), Some(index), "{long}");
        }
    }

    #[test]
    fn only_tokens_are_names() {
        assert_eq!(Name::parse(b"a b"), None);
        assert_eq!(Name::parse(b""), None);
        assert_eq!(Name::parse(b"a\r\nb"), None);
        assert!(Name::parse(b"P-Charging.Vector!").is_some());
    }
}
