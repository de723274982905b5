//! Deadlines, signs of life, idleness.

use std::time::Duration;

use super::config::WHITE_SPACE_EVERY;
use super::{Role, ServerStream, Step};
use crate::time::Now;
use crate::xml::ns;
use crate::xmpp::federation::{Report, Way};
use crate::xmpp::jid::Jid;
use crate::xmpp::stanza::{Iq, Stanza};
use crate::xmpp::stream::core::Life;
use crate::xmpp::stream::{Cause, StreamError, StreamErrorKind};

/// What is due next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// The negotiation takes too long, or nothing is proven.
    Negotiation,
    /// The peer does not close.
    Close,
    /// What was sent is to be acknowledged.
    Acks,
    /// Nothing was heard; the peer is asked.
    Ping,
    /// It did not answer.
    Death,
    /// A stream on which nobody can be asked: white space, which fails if the connection is gone.
    WhiteSpace,
    /// Nothing was carried for long.
    Idle,
}

impl ServerStream {
    /// When [`Self::handle_timeout`] has something to do.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        self.due().map(|(at, _)| at)
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Now) {
        let Some((_, due)) = self.due().filter(|(at, _)| *at <= now.mono) else { return };
        let late = |what| StreamError::new(StreamErrorKind::ConnectionTimeout, what);
        match due {
            // A peer that opens a stream to ask about a key (XEP-0220 section 2.1.2) has done nothing wrong.
            Due::Negotiation if self.dialback.was_asked() => self.core.close(now),
            Due::Negotiation => self.fail(late("the negotiation took too long")),
            Due::Death => self.fail(late("no answer to a ping")),
            Due::Close => self.finish(Cause::Closed),
            Due::Idle => {
                self.busy = now.mono;
                self.report(Report::Idle);
            }
            Due::Acks => self.acks.handle_timeout(now, &mut self.core.output),
            Due::Ping => self.send_ping(now),
            Due::WhiteSpace => {
                self.core.write(" ");
                self.said = now.mono;
            }
        }
    }

    fn due(&self) -> Option<(Duration, Due)> {
        let config = &self.core.config;
        match self.core.life {
            Life::Closed => None,
            Life::Closing => Some((self.core.since + config.close_within, Due::Close)),
            Life::Open if !self.is_settled() => Some((self.core.since + config.negotiate_within, Due::Negotiation)),
            Life::Open => {
                let silence = match (self.may_ping(), self.asked()) {
                    (true, Some(at)) => (at + config.ping_timeout, Due::Death),
                    (true, None) => (self.core.heard + config.ping_every, Due::Ping),
                    (false, _) => (self.said + config.ping_every.max(WHITE_SPACE_EVERY), Due::WhiteSpace),
                };
                let idle = self.config.idle_after.map(|after| (self.busy + after, Due::Idle));
                let acks = self.acks.next_timeout().map(|at| (at, Due::Acks));
                let others = idle.into_iter().chain(acks).min_by_key(|(at, _)| *at);
                others.filter(|other| other.0 < silence.0).or(Some(silence))
            }
        }
    }

    /// Whether no deadline of the negotiation holds: on an initiating stream once it is open, on an accepting one while it
    /// carries something, or we owe the peer an answer.
    fn is_settled(&self) -> bool {
        self.step == Step::Open
            && match self.role {
                Role::Initiating(_) => true,
                Role::Accepting(_) => self.pairs.len() > 0 || self.dialback.owes_answers(),
            }
    }

    /// Since when the peer owes a sign of life: it was asked for one, or for an acknowledgement, and has said nothing since.
    fn asked(&self) -> Option<Duration> {
        self.core.pinged.or_else(|| self.acks.asked().map(|at| at.max(self.core.heard)))
    }

    /// With acknowledgements always. Without, on a stream that goes one way the answer would have to come by another, and say nothing about this one.
    fn may_ping(&self) -> bool {
        self.acks.is_on() || self.bidi && self.pairs.any(Way::Out).is_some()
    }

    fn send_ping(&mut self, now: Now) {
        if self.acks.request(now, &mut self.core.output) {
            (self.core.pinged, self.said) = (Some(now.mono), now.mono);
            return;
        }
        let address = |domain: &str| Jid::parse_peer(domain).ok();
        let pair = self.pairs.any(Way::Out).and_then(|pair| address(&pair.local).zip(address(&pair.remote)));
        let Some((from, to)) = pair else { return };
        self.core.pings += 1;
        let ping = Stanza::Iq(Iq::ping(from, to, format!("alive-{}", self.core.pings)));
        ping.write(ns::SERVER, &mut self.core.output);
        self.core.pinged = Some(now.mono);
        self.said = now.mono;
    }
}
