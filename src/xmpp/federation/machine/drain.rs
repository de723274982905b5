//! The process ends, in two steps: first nothing new is taken while answers still go out, then everything ends.

use super::super::{Command, Pair, StreamId};
use super::stream::Phase;
use super::{Federation, Output, Why};

impl Federation {
    /// The process will end: streams on which only peers send are closed from our side, so that the last of what they carry
    /// comes in and can be answered (RFC 6120 section 4.4). Streams on which we send stay open for these answers, and new
    /// ones may be opened for them. Peers prove nothing any more, except by a certificate, and the stream is closed then;
    /// they may still open streams to ask about our keys. [`is_drained`](Self::is_drained) says when that is done.
    pub fn drain(&mut self) {
        self.draining = true;
        for id in self.streams.keys().copied().collect::<Vec<_>>() {
            self.drain_one(id);
        }
    }

    /// Whether no stream that was closed by [`drain`](Self::drain) may bring anything yet, and nothing waits to be sent.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.draining && self.room.stanzas == 0 && !self.streams.values().any(|stream| stream.draining)
    }

    /// The process ends: everything that waits bounces, and so does what comes after; every stream is closed. The streams are
    /// over when [`is_over`](Self::is_over) says so.
    pub fn stop(&mut self) {
        self.draining = true;
        self.stopped = true;
        self.give_up_all();
        let mut pairs: Vec<Pair> = self.routes.keys().cloned().collect();
        pairs.sort_unstable();
        for pair in pairs {
            self.empty(&pair, &Why::Stopped);
        }
        for id in self.streams.keys().copied().collect::<Vec<_>>() {
            self.close(id, None);
        }
    }

    /// Whether no stream is left.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.streams.is_empty()
    }

    /// Closes our side of a stream on which a peer sends and we do not. What has proven nothing may be there to ask about a
    /// key of ours; what goes both ways is needed for answers.
    pub(super) fn drain_one(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let one_way = stream.dialed.is_none() && stream.out.is_empty() && !stream.inward.is_empty();
        if one_way && !stream.draining && stream.phase != Phase::Closing {
            stream.draining = true;
            self.outputs.push(Output::Order(id, Command::Drain));
        }
    }
}
