//! Rules of STARTTLS, stream features, SASL and bidirectional streams.

use super::Input::{Repeated, Silence, Text};
use super::Stage::{
    Answered, Asked, Asking, Bidi, Certified, Dialled, Offered, OneWay, Plain, Proven, Secured, Unproven,
};
use super::{HEADER, Row, ends, goes_on, stream};

pub(super) const ROWS: &[Row] = &[
    ends(
        "stanza before TLS",
        Offered,
        Text("<message from='a@peer.example' to='b@us.example'/>"),
        "stream error not-authorized",
    ),
    goes_on(
        "SASL before TLS",
        Offered,
        Text("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>"),
        "SASL failure encryption-required",
    ),
    ends("bidi before TLS", Offered, Text("<bidi xmlns='urn:xmpp:bidi'/>"), "stream error policy-violation"),
    ends(
        "bytes injected behind <starttls/>",
        Offered,
        Text("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><message from='a@peer.example' to='b@us.example'/>"),
        "nothing",
    ),
    ends(
        "TLS where there is no certificate",
        Plain,
        Text("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
        "TLS failure",
    ),
    ends("TLS twice", Secured, Text("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"), "TLS failure"),
    ends(
        "bytes injected behind <proceed/>",
        Asked,
        Text("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><stream:features/>"),
        "nothing",
    ),
    ends(
        "TLS stripped, and refused when asked for",
        Dialled,
        Text(concat!(
            stream!("xmlns='jabber:server' xmlns:db='jabber:server:dialback' from='peer.example' id='1' version='1.0'"),
            "<stream:features><dialback xmlns='urn:xmpp:features:dialback'/></stream:features>",
            "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>"
        )),
        "(not trusted)",
    ),
    ends(
        "TLS stripped by taking the version away",
        Dialled,
        Text(stream!("xmlns='jabber:server' xmlns:db='jabber:server:dialback' from='peer.example' id='1'")),
        "stream error policy-violation, (not trusted)",
    ),
    ends(
        "a server that offers no TLS where its certificate is demanded",
        Asking,
        Text(concat!(
            stream!("xmlns='jabber:server' from='peer.example' id='1' version='1.0'"),
            "<stream:features/></stream:stream>"
        )),
        "(not trusted)",
    ),
    ends(
        "<proceed/> to nobody",
        Answered,
        Text(concat!(
            stream!("xmlns='jabber:server' from='peer.example' id='1' version='1.0'"),
            "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
        )),
        "stream error bad-format",
    ),
    ends(
        "an unknown feature that is required",
        Answered,
        Text(concat!(
            stream!("xmlns='jabber:server' from='peer.example' id='1' version='1.0'"),
            "<stream:features><moon xmlns='urn:moon'><required/></moon></stream:features>"
        )),
        "stream error unsupported-feature",
    ),
    ends(
        "no way to authenticate",
        Answered,
        Text(concat!(
            stream!("xmlns='jabber:server' from='peer.example' id='1' version='1.0'"),
            "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms>",
            "</stream:features>"
        )),
        "stream error unsupported-feature",
    ),
    ends(
        "sent elsewhere without TLS",
        Dialled,
        Text(concat!(
            stream!("xmlns='jabber:server' from='peer.example' id='1' version='1.0'"),
            "<stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>evil.example</see-other-host>",
            "</stream:error></stream:stream>"
        )),
        "nothing",
    ),
    ends(
        "certificate of another domain, the right one demanded",
        Certified,
        Text(HEADER),
        "stream error not-authorized",
    ),
    goes_on(
        "EXTERNAL with the certificate of another domain",
        Unproven,
        Text("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>"),
        "SASL failure invalid-mechanism",
    ),
    ends(
        "stanza before authentication",
        Secured,
        Text("<message from='a@peer.example' to='b@us.example'/>"),
        "stream error not-authorized",
    ),
    ends(
        "10 MB before authentication",
        Secured,
        Repeated { head: "<message>", unit: "0123456789", times: 1_000_000, tail: "</message>" },
        "stream error policy-violation",
    ),
    goes_on(
        "EXTERNAL as another domain",
        Secured,
        Text("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>b3RoZXIuZXhhbXBsZQ==</auth>"),
        "SASL failure invalid-authzid",
    ),
    goes_on(
        "base64 that begins with =",
        Secured,
        Text("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=AAA</auth>"),
        "SASL failure incorrect-encoding",
    ),
    goes_on(
        "a mechanism that was not offered",
        Secured,
        Text("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>"),
        "SASL failure invalid-mechanism",
    ),
    goes_on(
        "a response to no challenge",
        Secured,
        Text("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>=</response>"),
        "SASL failure malformed-request",
    ),
    goes_on("giving up", Secured, Text("<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"), "SASL failure aborted"),
    ends(
        "five failed authentications",
        Secured,
        Repeated {
            head: "",
            unit: "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>=</auth>",
            times: 5,
            tail: "",
        },
        "SASL failure invalid-mechanism, SASL failure invalid-mechanism, SASL failure invalid-mechanism, \
         SASL failure invalid-mechanism, SASL failure invalid-mechanism, stream error policy-violation",
    ),
    ends(
        "another from after authentication",
        Secured,
        Text(concat!(
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>",
            stream!("xmlns='jabber:server' from='other.example' to='us.example' version='1.0'")
        )),
        "stream error invalid-from",
    ),
    ends(
        "authentication twice",
        Proven,
        Text("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>"),
        "stream error policy-violation",
    ),
    ends("bidi too late", Proven, Text("<bidi xmlns='urn:xmpp:bidi'/>"), "stream error policy-violation"),
    ends(
        "<success/> to nobody",
        OneWay,
        Text("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"),
        "stream error bad-format",
    ),
    ends(
        "stanza on a stream that goes one way",
        OneWay,
        Text("<message from='a@peer.example' to='b@us.example'/>"),
        "stream error not-authorized",
    ),
    ends(
        "stanza of a domain that was not dialled",
        Bidi,
        Text("<message from='a@other.example' to='b@us.example'/>"),
        "stream error invalid-from",
    ),
    ends("silence where a ping was to be answered", Bidi, Silence, "stream error connection-timeout"),
];
