//! Rules of stream headers and of the XML of streams.

use super::Input::{BytePerSecond, Bytes, Repeated, Silence, Text};
use super::Stage::{Answered, Connected, Dialled, Encrypted, Offered};
use super::{HEADER, Row, ends, stream};

pub(super) const ROWS: &[Row] = &[
    ends(
        "wrong stream namespace",
        Connected,
        Text("<stream:stream xmlns='jabber:server' xmlns:stream='urn:other' to='us.example' version='1.0'>"),
        "stream error invalid-namespace",
    ),
    ends(
        "content namespace of clients",
        Connected,
        Text(stream!("xmlns='jabber:client' from='peer.example' to='us.example' version='1.0'")),
        "stream error invalid-namespace",
    ),
    ends(
        "no content namespace",
        Connected,
        Text(stream!("to='us.example' version='1.0'")),
        "stream error invalid-namespace",
    ),
    ends(
        "prefix of the stream not bound",
        Connected,
        Text("<foo:stream xmlns='jabber:server' to='us.example' version='1.0'>"),
        "stream error bad-namespace-prefix",
    ),
    ends(
        "no prefix",
        Connected,
        Text("<stream xmlns='http://etherx.jabber.org/streams' to='us.example' version='1.0'>"),
        "stream error bad-namespace-prefix",
    ),
    ends(
        "another element of that namespace",
        Connected,
        Text("<stream:strom xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:server' to='us.example'>"),
        "stream error bad-format",
    ),
    ends(
        "version 2.0",
        Connected,
        Text(stream!("xmlns='jabber:server' from='peer.example' to='us.example' version='2.0'")),
        "stream error unsupported-version",
    ),
    ends(
        "version 11.0",
        Connected,
        Text(stream!("xmlns='jabber:server' from='peer.example' to='us.example' version='11.0'")),
        "stream error unsupported-version",
    ),
    ends(
        "a version that is no number",
        Connected,
        Text(stream!("xmlns='jabber:server' from='peer.example' to='us.example' version='one'")),
        "stream error unsupported-version",
    ),
    ends(
        "missing to",
        Connected,
        Text(stream!("xmlns='jabber:server' from='peer.example' version='1.0'")),
        "stream error improper-addressing",
    ),
    ends(
        "empty to",
        Connected,
        Text(stream!("xmlns='jabber:server' from='peer.example' to='' version='1.0'")),
        "stream error improper-addressing",
    ),
    ends(
        "to is a user",
        Connected,
        Text(stream!("xmlns='jabber:server' from='peer.example' to='a@us.example' version='1.0'")),
        "stream error improper-addressing",
    ),
    ends(
        "to is not served",
        Connected,
        Text(stream!("xmlns='jabber:server' from='peer.example' to='nosuch.example' version='1.0'")),
        "stream error host-unknown",
    ),
    ends(
        "from is no domain",
        Connected,
        Text(stream!("xmlns='jabber:server' from='a b' to='us.example' version='1.0'")),
        "stream error improper-addressing",
    ),
    ends(
        "from is blocked",
        Connected,
        Text(stream!("xmlns='jabber:server' from='blocked.example' to='us.example' version='1.0'")),
        "stream error policy-violation",
    ),
    ends(
        "missing from over TLS",
        Encrypted,
        Text(stream!("xmlns='jabber:server' to='us.example' version='1.0'")),
        "stream error improper-addressing",
    ),
    ends("HTTP", Connected, Text("GET / HTTP/1.1\r\nHost: us.example\r\n\r\n"), "stream error not-well-formed"),
    ends(
        "a stanza instead of a header",
        Connected,
        Text("<message xmlns='jabber:server'>"),
        "stream error invalid-namespace",
    ),
    ends("an end instead of a header", Connected, Text("</stream:stream>"), "stream error not-well-formed"),
    ends("an empty stream", Encrypted, Text("<stream:stream/>"), "stream error bad-namespace-prefix"),
    ends("UTF-16", Connected, Bytes(b"\xff\xfe<\0?\0x\0m\0l\0"), "stream error unsupported-encoding"),
    ends(
        "another encoding declared",
        Connected,
        Text("<?xml version='1.0' encoding='ISO-8859-1'?><stream:stream>"),
        "stream error unsupported-encoding",
    ),
    ends(
        "TLS where none was agreed",
        Connected,
        Bytes(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"),
        "stream error not-well-formed",
    ),
    ends("a document type", Connected, Text("<!DOCTYPE stream [<!ENTITY a 'b'>]>"), "stream error restricted-xml"),
    ends(
        "a comment before the header",
        Connected,
        Text("<!-- hello --><stream:stream>"),
        "stream error restricted-xml",
    ),
    ends(
        "a header of a million bytes",
        Connected,
        Repeated { head: "<stream:stream a='", unit: "0123456789", times: 100_000, tail: "'>" },
        "stream error policy-violation",
    ),
    ends("one byte a second", Connected, BytePerSecond(HEADER), "stream error connection-timeout"),
    ends("a connection that never speaks", Connected, Silence, "stream error connection-timeout"),
    ends("a peer that stops after its header", Offered, Silence, "stream error connection-timeout"),
    ends("a server that never answers", Dialled, Silence, "stream error connection-timeout"),
    ends("a server that never answers over TLS", Answered, Silence, "stream error connection-timeout"),
    ends(
        "a server that answers as one of clients",
        Dialled,
        Text(stream!("xmlns='jabber:client' from='peer.example' id='1' version='1.0'")),
        "stream error invalid-namespace",
    ),
    ends(
        "a server of version 2.0",
        Dialled,
        Text(stream!("xmlns='jabber:server' from='peer.example' id='1' version='2.0'")),
        "stream error unsupported-version",
    ),
    ends("restart without need", Offered, Text(HEADER), "stream error bad-format"),
    ends(
        "restart without need, with a declaration",
        Offered,
        Text("<?xml version='1.0'?>"),
        "stream error restricted-xml",
    ),
    ends("features from the end that is offered them", Offered, Text("<stream:features/>"), "stream error bad-format"),
];
