//! Rules of stanzas, and of XML inside of a stream.

use super::Input::{BytePerSecond, Bytes, Nested, Reads, Repeated, Text};
use super::Stage::Proven;
use super::{Row, ends, goes_on};

/// A message of the proven peer, without its end.
macro_rules! message {
    ($($inside:literal),*) => {
        concat!("<message from='a@peer.example' to='b@us.example'>", $($inside),*)
    };
}

pub(super) const ROWS: &[Row] = &[
    ends(
        "from not proven",
        Proven,
        Text("<message from='a@other.example' to='b@us.example'/>"),
        "stream error invalid-from",
    ),
    ends(
        "from of a subdomain",
        Proven,
        Text("<message from='a@sub.peer.example' to='b@us.example'/>"),
        "stream error invalid-from",
    ),
    ends(
        "from one of ours",
        Proven,
        Text("<message from='a@us.example' to='b@us.example'/>"),
        "stream error invalid-from",
    ),
    ends(
        "to another domain of ours, not proven with it",
        Proven,
        Text("<message from='a@peer.example' to='b@chat.us.example'/>"),
        "stream error invalid-from",
    ),
    ends(
        "to not served",
        Proven,
        Text("<message from='a@peer.example' to='b@nosuch.example'/>"),
        "stream error host-unknown",
    ),
    ends("stanza without to", Proven, Text("<message from='a@peer.example'/>"), "stream error improper-addressing"),
    ends("stanza without from", Proven, Text("<message to='b@us.example'/>"), "stream error improper-addressing"),
    ends("stanza without both", Proven, Text("<presence/>"), "stream error improper-addressing"),
    ends("empty to", Proven, Text("<message from='a@peer.example' to=''/>"), "stream error improper-addressing"),
    ends(
        "from is no address",
        Proven,
        Text("<message from='@peer.example' to='b@us.example'/>"),
        "stream error improper-addressing",
    ),
    ends(
        "domain of to is none",
        Proven,
        Text("<message from='a@peer.example' to='b@'/>"),
        "stream error improper-addressing",
    ),
    goes_on(
        "localpart of to is none",
        Proven,
        Text("<message from='a@peer.example' to='@us.example'/>"),
        "stanza error jid-malformed",
    ),
    ends(
        "localpart of to is none, from not proven",
        Proven,
        Text("<message from='a@other.example' to='@us.example'/>"),
        "stream error invalid-from",
    ),
    goes_on(
        "iq without id",
        Proven,
        Text("<iq type='get' from='a@peer.example' to='us.example'><q xmlns='u'/></iq>"),
        "stanza error bad-request",
    ),
    goes_on(
        "iq without child",
        Proven,
        Text("<iq type='get' id='1' from='a@peer.example' to='us.example'/>"),
        "stanza error bad-request",
    ),
    goes_on(
        "iq with two children",
        Proven,
        Text("<iq type='set' id='1' from='a@peer.example' to='us.example'><q xmlns='u'/><q xmlns='v'/></iq>"),
        "stanza error bad-request",
    ),
    ends(
        "iq without id, from not proven",
        Proven,
        Text("<iq type='get' from='a@other.example' to='us.example'><q xmlns='u'/></iq>"),
        "stream error invalid-from",
    ),
    goes_on(
        "presence of unknown type",
        Proven,
        Text("<presence type='odd' from='a@peer.example' to='us.example'/>"),
        "(no answer)",
    ),
    ends("unknown element", Proven, Text("<foo xmlns='urn:foo'/>"), "stream error unsupported-stanza-type"),
    ends(
        "unknown stanza",
        Proven,
        Text("<pubsub from='a@peer.example' to='us.example'/>"),
        "stream error unsupported-stanza-type",
    ),
    ends("unknown element of streams", Proven, Text("<stream:foo/>"), "stream error bad-format"),
    goes_on(
        "10 MB stanza",
        Proven,
        Repeated { head: message!("<body>"), unit: "0123456789", times: 1_000_000, tail: "</body></message>" },
        "stanza error policy-violation",
    ),
    ends(
        "20 MB stanza",
        Proven,
        Repeated { head: message!("<body>"), unit: "0123456789", times: 2_000_000, tail: "</body></message>" },
        "stream error policy-violation",
    ),
    ends(
        "10 MB stanza, from not proven",
        Proven,
        Repeated {
            head: "<message from='a@other.example' to='b@us.example'><body>",
            unit: "0123456789",
            times: 1_000_000,
            tail: "</body></message>",
        },
        "stream error invalid-from",
    ),
    ends(
        "a start tag of 10 MB",
        Proven,
        Repeated {
            head: "<message from='a@peer.example' to='b@us.example' id='",
            unit: "0123456789",
            times: 1_000_000,
            tail: "'/>",
        },
        "stream error policy-violation",
    ),
    goes_on(
        "1000 elements inside one another",
        Proven,
        Nested { head: message!(), open: "<a>", close: "</a>", times: 1000, tail: "</message>" },
        "stanza error policy-violation",
    ),
    goes_on(
        "100,000 elements beside one another",
        Proven,
        Repeated { head: message!(), unit: "<a/>", times: 100_000, tail: "</message>" },
        "stanza error policy-violation",
    ),
    goes_on(
        "1000 attributes",
        Proven,
        Repeated { head: message!("<a"), unit: " b='1'", times: 1000, tail: "/></message>" },
        "stanza error policy-violation",
    ),
    ends("a comment", Proven, Text("<message><!-- hello --></message>"), "stream error restricted-xml"),
    ends("a processing instruction", Proven, Text("<?xml-stylesheet href='a'?>"), "stream error restricted-xml"),
    ends(
        "a processing instruction in a stanza",
        Proven,
        Text("<message><?php evil() ?></message>"),
        "stream error restricted-xml",
    ),
    ends("a document type", Proven, Text("<!DOCTYPE a>"), "stream error restricted-xml"),
    ends("an entity", Proven, Text("<message><body>&lol;</body></message>"), "stream error restricted-xml"),
    ends("tags that do not match", Proven, Text("<message><body></message></body>"), "stream error not-well-formed"),
    ends("a bare &", Proven, Text("<message><body>a & b</body></message>"), "stream error not-well-formed"),
    ends("an attribute twice", Proven, Text("<message to='a' to='b'/>"), "stream error not-well-formed"),
    ends("a prefix that is not bound", Proven, Text("<x:message/>"), "stream error not-well-formed"),
    ends("a control character", Proven, Text("<message><body>\u{1}</body></message>"), "stream error not-well-formed"),
    ends("text between stanzas", Proven, Text("hello"), "stream error bad-format"),
    ends("an end tag that ends nothing", Proven, Text("</message>"), "stream error not-well-formed"),
    ends(
        "bytes that are no UTF-8",
        Proven,
        Bytes(b"<message><body>\xff</body></message>"),
        "stream error unsupported-encoding",
    ),
    ends(
        "half a character, and then another",
        Proven,
        Reads(&[b"<message><body>\xc3", b"x</body></message>"]),
        "stream error unsupported-encoding",
    ),
    goes_on(
        "half a character at the end of a read",
        Proven,
        Reads(&[b"<message from='a@peer.example' to='b@us.example'><body>\xc3", b"\xbc</body></message>"]),
        "(stanza taken)",
    ),
    goes_on("one byte a second", Proven, BytePerSecond(message!("<body>slow</body></message>")), "(stanza taken)"),
    goes_on("white space between stanzas", Proven, Text(" \r\n\t"), "nothing"),
    ends("something behind the end", Proven, Text("</stream:stream><message/>"), "nothing"),
];
