//! Rules of dialback.

use super::Input::{Repeated, Stolen, Text};
use super::Stage::{Offered, OneWay, Proven, Secured, Verifying};
use super::{Row, Theft, ends, goes_on};

pub(super) const ROWS: &[Row] = &[
    goes_on("(nothing: the right dialback key)", Secured, Stolen(Theft::None), "dialback: valid"),
    goes_on(
        "dialback key before TLS",
        Offered,
        Text("<db:result from='peer.example' to='us.example'>1</db:result>"),
        "dialback error policy-violation",
    ),
    goes_on(
        "question about a dialback key before TLS",
        Offered,
        Text("<db:verify from='peer.example' to='us.example' id='1'>1</db:verify>"),
        "dialback error policy-violation",
    ),
    ends(
        "dialback key forged",
        Secured,
        Text("<db:result from='other.example' to='us.example'>0123456789abcdef</db:result>"),
        "dialback: invalid",
    ),
    ends("dialback key replayed on another stream", Secured, Stolen(Theft::OtherStream), "dialback: invalid"),
    ends("dialback key for another pair", Secured, Stolen(Theft::OtherPair), "dialback: invalid"),
    ends("dialback key of another domain", Secured, Stolen(Theft::OtherDomain), "dialback: invalid"),
    goes_on("dialback key forged on a stream in use", Proven, Stolen(Theft::OtherPair), "dialback error forbidden"),
    goes_on(
        "dialback key without a key",
        Secured,
        Text("<db:result from='other.example' to='us.example'/>"),
        "dialback error not-acceptable",
    ),
    goes_on(
        "dialback key of a thousand digits",
        Secured,
        Repeated {
            head: "<db:result from='other.example' to='us.example'>",
            unit: "f",
            times: 1000,
            tail: "</db:result>",
        },
        "dialback error not-acceptable",
    ),
    ends(
        "dialback key without from",
        Secured,
        Text("<db:result to='us.example'>1</db:result>"),
        "stream error improper-addressing",
    ),
    goes_on(
        "dialback key for a domain that is not served",
        Secured,
        Text("<db:result from='other.example' to='nosuch.example'>1</db:result>"),
        "dialback error item-not-found",
    ),
    goes_on(
        "dialback key of a blocked domain",
        Secured,
        Text("<db:result from='blocked.example' to='us.example'>1</db:result>"),
        "dialback error policy-violation",
    ),
    goes_on(
        "question about a domain that is not served",
        Secured,
        Text("<db:verify from='other.example' to='nosuch.example' id='1'>1</db:verify>"),
        "dialback error item-not-found",
    ),
    goes_on(
        "question about a key that we never made",
        Secured,
        Text("<db:verify from='other.example' to='us.example' id='1'>1</db:verify>"),
        "dialback: invalid",
    ),
    ends("an unknown dialback element", Secured, Text("<db:foo/>"), "stream error unsupported-stanza-type"),
    goes_on(
        "a result that nobody asked for",
        Secured,
        Text("<db:result from='peer.example' to='us.example' type='valid'/>"),
        "nothing",
    ),
    ends(
        "a stanza after a result that nobody asked for",
        Secured,
        Text(
            "<db:result from='peer.example' to='us.example' type='valid'/>\
             <message from='a@peer.example' to='b@us.example'/>",
        ),
        "stream error not-authorized",
    ),
    goes_on(
        "an authoritative server that lies about another domain",
        Verifying,
        Text("<db:verify from='bank.example' to='us.example' id='17' type='valid'/>"),
        "nothing",
    ),
    goes_on(
        "an authoritative server that answers for another stream",
        Verifying,
        Text("<db:verify from='peer.example' to='us.example' id='18' type='valid'/>"),
        "nothing",
    ),
    goes_on(
        "an authoritative server that answers twice",
        Verifying,
        Text(
            "<db:verify from='peer.example' to='us.example' id='17' type='invalid'/>\
             <db:verify from='peer.example' to='us.example' id='17' type='valid'/>",
        ),
        "(one answer taken)",
    ),
    ends(
        "a key on a stream that goes one way",
        OneWay,
        Text("<db:result from='other.example' to='us.example'>1</db:result>"),
        "stream error policy-violation",
    ),
];
