//! What outlives a stream: who has handled how much, and what was not acknowledged.

use std::collections::VecDeque;
use std::time::Duration;

use super::super::{StreamError, StreamErrorKind};
use crate::xml::{Element, ns};
use crate::xmpp::federation::Pair;
use crate::xmpp::stanza::Stanza;

/// A session of acknowledged stanzas (XEP-0198), of one stream after another.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// For which pair its streams are opened.
    pub(super) pair: Pair,
    /// The peer opened it, and it is the peer's to come back.
    pub(super) theirs: bool,
    /// Its name, if it may be resumed.
    pub(super) id: Option<String>,
    pub(super) within: Duration,
    /// Stanzas that we took, modulo 2^32, as are all counts here (section 4).
    pub(super) handled: u32,
    /// Of those we sent, as many were acknowledged.
    acked: u32,
    /// Stanzas that we sent.
    sent: u32,
    /// Those not acknowledged, in order.
    queue: VecDeque<Held>,
    /// As many at the end of the queue were never sent.
    unsent: usize,
    bytes: usize,
}

#[derive(Debug, Clone, PartialEq)]
struct Held {
    /// What `sent` was once it was sent.
    number: u32,
    /// Its text's length.
    bytes: usize,
    stanza: Stanza,
}

impl Session {
    pub(super) fn new(pair: Pair, theirs: bool) -> Self {
        let queue = VecDeque::new();
        let (id, within) = (None, Duration::ZERO);
        Self { pair, theirs, id, within, handled: 0, acked: 0, sent: 0, queue, unsent: 0, bytes: 0 }
    }

    /// For which pair its streams are opened.
    #[must_use]
    pub fn pair(&self) -> &Pair {
        &self.pair
    }

    /// By which name the peer knows it; `None` if it cannot be resumed.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Whether the peer opens its streams.
    #[must_use]
    pub fn is_theirs(&self) -> bool {
        self.theirs
    }

    /// For how long both have promised to keep it.
    #[must_use]
    pub fn within(&self) -> Duration {
        self.within
    }

    /// Bytes of text in the stanzas that are not acknowledged.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Stanzas that are not acknowledged.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether everything was acknowledged.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// What was not acknowledged: the session is over.
    #[must_use]
    pub fn into_rest(self) -> Rest {
        let written = self.queue.len() - self.unsent;
        let mut stanzas = self.queue.into_iter().map(|held| held.stanza);
        let doubtful = stanzas.by_ref().take(written).collect();
        Rest { session: None, doubtful, unsent: stanzas.collect() }
    }

    /// Keeps a stanza that `write` has just written, or, if it may not be written yet, `bytes` says how long it will be.
    pub(super) fn push(&mut self, stanza: Stanza, bytes: usize, written: bool) {
        if written {
            self.sent = self.sent.wrapping_add(1);
        } else {
            self.unsent += 1;
        }
        self.bytes += bytes;
        self.queue.push_back(Held { number: self.sent, bytes, stanza });
    }

    /// The peer has `h` of our stanzas (section 4). A count that it had passed before says nothing new.
    pub(super) fn acknowledge(&mut self, h: u32) -> Result<(), StreamError> {
        let (more, most) = (h.wrapping_sub(self.acked), self.sent.wrapping_sub(self.acked));
        if more > most {
            let passed = self.acked.wrapping_sub(h) < 1 << 31;
            return if passed { Ok(()) } else { Err(too_high(h, self.sent)) };
        }
        while self.queue.len() > self.unsent
            && let Some(held) = self.queue.pop_front_if(|held| held.number.wrapping_sub(self.acked) <= more)
        {
            self.bytes -= held.bytes;
        }
        self.acked = h;
        // One burst is not to be paid for as long as the stream lives.
        if self.queue.capacity() > 64 && self.queue.len() < self.queue.capacity() / 8 {
            self.queue.shrink_to(self.queue.len() * 2);
        }
        Ok(())
    }

    /// The peer, which has `h` of our stanzas, goes on: what it does not have is written again, and what came since
    /// (section 5).
    pub(super) fn resume(&mut self, h: u32, out: &mut Vec<u8>) -> Result<(), StreamError> {
        self.acknowledge(h)?;
        self.restart_at(h, out);
        Ok(())
    }

    /// The peer, which had `h` of our stanzas if it says so (section 5), does not know the session any more: whether any
    /// stanza is in doubt for good by that.
    pub(super) fn is_forgotten(&mut self, h: Option<u32>) -> bool {
        // A count that cannot be is as good as none.
        let _ = h.is_some_and(|h| self.acknowledge(h).is_ok());
        self.queue.len() > self.unsent
    }

    /// A new session begins with what came since the old one broke.
    pub(super) fn start_over(&mut self, out: &mut Vec<u8>) {
        self.id = None;
        self.handled = 0;
        self.restart_at(0, out);
    }

    fn restart_at(&mut self, number: u32, out: &mut Vec<u8>) {
        (self.acked, self.sent, self.unsent, self.bytes) = (number, number, 0, 0);
        for held in &mut self.queue {
            self.sent = self.sent.wrapping_add(1);
            held.number = self.sent;
            let start = out.len();
            held.stanza.write(ns::SERVER, out);
            held.bytes = out.len() - start;
            self.bytes += held.bytes;
        }
    }

    /// Takes out what is of other pairs: a stream that goes on with the session speaks for its own pair alone, and theirs
    /// need not wait for it.
    pub(super) fn take_others(&mut self) -> Rest {
        let (pair, first_unsent) = (&self.pair, self.queue.len() - self.unsent);
        let (mut own, mut others) = (VecDeque::new(), Rest::default());
        for (index, held) in std::mem::take(&mut self.queue).into_iter().enumerate() {
            if is_of(pair, &held.stanza) {
                own.push_back(held);
                continue;
            }
            self.bytes -= held.bytes;
            if index < first_unsent {
                others.doubtful.push(held.stanza);
            } else {
                self.unsent -= 1;
                others.unsent.push(held.stanza);
            }
        }
        self.queue = own;
        others
    }

    /// Only for those written last: forgets that they were kept, because the peer will not acknowledge anything.
    pub(super) fn forget(&mut self) {
        self.queue = VecDeque::new();
        (self.bytes, self.unsent) = (0, 0);
    }
}

/// What is left at the end of a stream or session, each in the order in which it was given.
#[derive(Debug, Default, PartialEq)]
pub struct Rest {
    /// What the next stream may go on with.
    pub session: Option<Box<Session>>,
    /// Written and never acknowledged: nobody knows whether the peer has them.
    pub doubtful: Vec<Stanza>,
    /// Never written.
    pub unsent: Vec<Stanza>,
}

#[cfg(test)]
impl Session {
    pub(super) fn count_from(&mut self, number: u32) {
        (self.acked, self.sent, self.handled) = (number, number, number);
    }

    pub(super) fn capacity(&self) -> usize {
        self.queue.capacity()
    }
}

fn is_of(pair: &Pair, stanza: &Stanza) -> bool {
    let is = |address: Option<&crate::xmpp::jid::Jid>, domain: &str| address.is_some_and(|jid| jid.domain() == domain);
    is(stanza.from(), &pair.local) && is(stanza.to(), &pair.remote)
}

/// Section 6.
fn too_high(h: u32, sent: u32) -> StreamError {
    let detail = Element::new(ns::SM, "handled-count-too-high")
        .with_attr("h", h.to_string())
        .with_attr("send-count", sent.to_string());
    let text = format!("{h} stanzas are acknowledged, but only {sent} were sent");
    StreamError { detail: Some(Box::new(detail)), ..StreamError::new(StreamErrorKind::UndefinedCondition, &text) }
}
