//! The table. What the peer sees is written as [`super::victim::Victim::seen`] writes it.

mod dialback;
mod headers;
mod negotiation;
mod stanzas;

/// How far a stream has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// A peer has connected, and said nothing yet.
    Connected,
    /// TLS was offered to it, and is demanded.
    Offered,
    /// We have no certificate and demand nothing.
    Plain,
    /// TLS from the first byte; nothing said yet.
    Encrypted,
    /// TLS, and the peer's certificate is its own: features were sent.
    Secured,
    /// TLS, and the certificate is somebody else's.
    Unproven,
    /// The same where certificates are demanded; nothing said yet.
    Certified,
    /// EXTERNAL has proven the peer, both ways.
    Proven,
    /// We have connected and sent our header; TLS is demanded.
    Dialled,
    /// The same where certificates are demanded.
    Asking,
    /// We have asked for TLS.
    Asked,
    /// We have connected by TLS and sent our header.
    Answered,
    /// EXTERNAL has proven us; stanzas go out.
    OneWay,
    /// The same, both ways.
    Bidi,
    /// We have asked about a dialback key.
    Verifying,
}

impl Stage {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Connected => "to us, at once",
            Self::Offered => "to us, TLS offered",
            Self::Plain => "to us, without TLS",
            Self::Encrypted => "to us, over TLS, at once",
            Self::Secured => "to us, over TLS",
            Self::Unproven => "to us, over TLS, wrong certificate",
            Self::Certified => "to us, over TLS, wrong certificate, right one demanded",
            Self::Proven => "to us, proven",
            Self::Dialled => "from us, at once",
            Self::Asking => "from us, certificate demanded, at once",
            Self::Asked => "from us, TLS asked for",
            Self::Answered => "from us, over TLS, at once",
            Self::OneWay => "from us, proven, one way",
            Self::Bidi => "from us, proven, both ways",
            Self::Verifying => "from us, a key asked about",
        }
    }
}

/// What the peer sends.
#[derive(Clone, Copy)]
pub(super) enum Input {
    Text(&'static str),
    Bytes(&'static [u8]),
    Repeated {
        head: &'static str,
        unit: &'static str,
        times: usize,
        tail: &'static str,
    },
    Nested {
        head: &'static str,
        open: &'static str,
        close: &'static str,
        times: usize,
        tail: &'static str,
    },
    /// In these pieces.
    Reads(&'static [&'static [u8]]),
    /// One byte every second.
    BytePerSecond(&'static str),
    Silence,
    /// A dialback key of `other.example`.
    Stolen(Theft),
}

/// For what the key was made.
#[derive(Clone, Copy)]
pub(super) enum Theft {
    None,
    OtherStream,
    OtherPair,
    OtherDomain,
}

pub(super) struct Row {
    pub(super) broken: &'static str,
    pub(super) stage: Stage,
    pub(super) input: Input,
    pub(super) sees: &'static str,
    pub(super) goes_on: bool,
}

const fn ends(broken: &'static str, stage: Stage, input: Input, sees: &'static str) -> Row {
    Row { broken, stage, input, sees, goes_on: false }
}

const fn goes_on(broken: &'static str, stage: Stage, input: Input, sees: &'static str) -> Row {
    Row { broken, stage, input, sees, goes_on: true }
}

macro_rules! stream {
    ($($attributes:literal),*) => {
        concat!("<stream:stream xmlns:stream='http://etherx.jabber.org/streams'", $(" ", $attributes,)* ">")
    };
}
use stream;

/// A good header to us.
pub(super) const HEADER: &str = stream!(
    "xmlns='jabber:server' xmlns:db='jabber:server:dialback' from='peer.example' to='us.example' version='1.0'"
);
/// A good answer to ours.
pub(super) const RESPONSE: &str = stream!(
    "xmlns='jabber:server' xmlns:db='jabber:server:dialback' from='peer.example' to='us.example' id='s1' version='1.0'"
);
/// What a good peer offers over TLS.
pub(super) const FEATURES: &str = "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism>\
     </mechanisms><dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback><bidi xmlns='urn:xmpp:features:bidi'/>";
pub(super) const SUCCESS: &str = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>";

/// All rows.
pub(super) fn rows() -> impl Iterator<Item = &'static Row> {
    [headers::ROWS, negotiation::ROWS, dialback::ROWS, stanzas::ROWS].into_iter().flatten()
}
