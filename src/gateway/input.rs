//! What goes into a gateway and what comes out.

use std::sync::Arc;
use std::time::Duration;

use crate::sip::endpoint::{Flow, Inbound, Origin, Transmit, Undelivered};
use crate::sip::locate::{Answer, Query};
use crate::sip::message::Response;
use crate::xmpp::stanza::{IqKind, Stanza};

/// An XMPP link by its number: the position of its domain in [`Settings::links`](super::Settings::links). It is the stream
/// of a component to its one server, or all streams by which a domain that stox serves itself reaches others.
pub type Link = usize;

/// Something happened.
#[derive(Debug)]
pub enum Input {
    /// A stanza came on a link; the link has checked that it is addressed to the link's domain.
    Stanza(Link, Stanza),
    /// A SIP message came.
    Sip(Inbound),
    /// A SIP request came that cannot be read; this is the answer, along the way it came.
    Unreadable(Response, Flow),
    /// A SIP connection was opened on which the peer has proven these names by its certificate (RFC 5922 section 7.1); comes
    /// before anything that came on it.
    FlowOpened(Flow, Arc<[String]>),
    /// A SIP connection is over; nothing more comes on it. Told once for each address by which requests went to it.
    FlowClosed(Flow),
    /// A link is ready for stanzas.
    LinkUp(Link),
    /// A link broke, or ended. Whatever was not confirmed on it may be lost.
    LinkDown(Link),
    /// On a link to many servers, the way to this domain broke. Whatever was not confirmed on it may be lost; the link
    /// itself is still up.
    DomainDown(Link, String),
    /// On a link to many servers, the way to this domain is there again, and presence that was sent to it since it was there
    /// last is lost, or may be.
    DomainUp(Link, String),
    /// A stanza could not be put on its link: the link is down or its queue is full.
    Unsent(Link, Stanza),
    /// A SIP message could not be sent.
    Undelivered(Origin, Undelivered),
    /// DNS answered; the answer holds for so long.
    Located(LookupId, Answer, Duration),
    /// Take nothing new: the process is ending.
    Drain,
    /// Nothing more can be waited for: whatever is open fails now, and its senders are told.
    GiveUp,
    /// The peers' addresses were looked up anew.
    Trust(super::trust::Trust),
    /// An operator asks how the subscriptions between two people, bare JIDs, stand.
    Explain(String, String, Reply),
}

/// What is done with the answer to an operator: lines of words.
pub struct Reply(pub Box<dyn FnOnce(Vec<String>) + Send>);

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reply")
    }
}

/// A question to DNS that waits for its answer.
pub type LookupId = u64;

/// Something is to be done.
#[derive(Debug)]
pub enum Output {
    /// Put this stanza on this link.
    Stanza(Link, Stanza),
    /// Send these bytes.
    Transmit(Transmit),
    /// Ask DNS; the answer comes back as [`Input::Located`].
    Locate(LookupId, Query),
}

impl Output {
    /// Whether it may speak of a record: presence, and what carries it in SIP. A question of ours over XMPP is the
    /// confirmation of what was sent before it, so it must not overtake that.
    #[must_use]
    pub fn depends_on_records(&self) -> bool {
        match self {
            Self::Stanza(_, Stanza::Presence(_)) => true,
            Self::Stanza(_, Stanza::Message(_)) | Self::Locate(..) => false,
            Self::Stanza(_, Stanza::Iq(iq)) => match iq.kind {
                IqKind::Get(_) | IqKind::Set(_) => true,
                IqKind::Result(_) | IqKind::Error(_) => false,
            },
            Self::Transmit(transmit) => [&b"SUBSCRIBE"[..], b"NOTIFY", b"PUBLISH"].contains(&method(&transmit.bytes)),
        }
    }

    /// Whether it has been sent before and is sent again, because nothing came back.
    #[must_use]
    pub fn is_repetition(&self) -> bool {
        match self {
            Self::Transmit(transmit) => transmit.again,
            Self::Stanza(..) | Self::Locate(..) => false,
        }
    }
}

/// The method of a SIP message of ours: of a request its first word, of a response the last of its CSeq.
fn method(message: &[u8]) -> &[u8] {
    let first = message.split(|byte| *byte == b' ').next().unwrap_or_default();
    if first != b"SIP/2.0" {
        return first;
    }
    let mut lines = message.split(|byte| *byte == b'\n').take_while(|line| !line.trim_ascii().is_empty());
    let cseq = lines.find(|line| line.get(..5).is_some_and(|name| name.eq_ignore_ascii_case(b"cseq:")));
    let last = cseq.and_then(|line| line.trim_ascii().rsplit(|byte| *byte == b' ').next());
    last.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sip::locate::Transport;
    use crate::xmpp::jid::Jid;
    use crate::xmpp::stanza::{Iq, Message, Presence, PresenceKind};

    fn sip(bytes: &str, again: bool) -> Output {
        Output::Transmit(Transmit {
            transport: Transport::Udp,
            local: None,
            remote: "192.0.2.1:5060".parse().unwrap(),
            flow: None,
            domain: None,
            bytes: bytes.as_bytes().to_vec(),
            origin: Origin::Stateless,
            again,
        })
    }

    #[test]
    fn only_presence_and_what_confirms_it_depends_on_records() {
        let (from, to) = (Jid::parse("a@x").unwrap(), Jid::parse("b@y").unwrap());
        let presence = Presence::new(from.clone(), to.clone(), PresenceKind::Subscribed);
        let ping = Iq::ping(from, to, "1");
        let answer = Iq { kind: IqKind::Result(None), ..ping.clone() };
        for (output, depends) in [
            (Output::Stanza(0, Stanza::Presence(presence)), true),
            (Output::Stanza(0, Stanza::Message(Message::default())), false),
            (Output::Stanza(0, Stanza::Iq(ping)), true),
            (Output::Stanza(0, Stanza::Iq(answer)), false),
            (sip("SUBSCRIBE sip:a@b SIP/2.0\r\nCSeq: 1 MESSAGE\r\n\r\n", false), true),
            (sip("NOTIFY sip:a@b SIP/2.0\r\n\r\n", false), true),
            (sip("PUBLISH sip:a@b SIP/2.0\r\n\r\n", false), true),
            (sip("MESSAGE sip:a@b SIP/2.0\r\n\r\nNOTIFY", false), false),
            (sip("SIP/2.0 200 OK\r\nVia: x\r\ncseq: 4 NOTIFY \r\n\r\nCSeq: 1 MESSAGE", false), true),
            (sip("SIP/2.0 202 Accepted\r\nCSeq: 4 MESSAGE\r\n\r\nCSeq: 4 NOTIFY", false), false),
            (sip("SIP/2.0 202 Accepted\r\n\r\nCSeq: 4 NOTIFY", false), false),
            (sip("", false), false),
        ] {
            assert_eq!(output.depends_on_records(), depends, "{output:?}");
        }
        assert!(sip("NOTIFY", true).is_repetition() && !sip("NOTIFY", false).is_repetition());
    }
}
