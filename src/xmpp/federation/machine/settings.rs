//! How a federation works, what it wants done, and what it counts.

use std::sync::Arc;
use std::time::Duration;

use super::super::{Command, Dial, Partners, StreamId};
use crate::xmpp::stanza::Stanza;

/// What a federation is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What is demanded of whom.
    pub partners: Arc<Partners>,
    /// How long a stanza waits for its pair to be proven before it bounces: as long as people wait for a failure, and longer
    /// than one server that does not answer takes before the next is tried.
    pub queue_for: Duration,
    /// Stanzas that wait for one pair.
    pub queue_per_pair: usize,
    /// Stanzas that wait for all pairs together.
    pub queued: usize,
    /// Bytes that those take.
    pub queued_bytes: usize,
    /// From opening a stream, or asking for one more pair on it, to the proof.
    pub prove_within: Duration,
    /// From a dialback key to its answer (XEP-0220 section 2.1.1: deadlocks end by it).
    pub verify_within: Duration,
    /// Silence after which a stream that nothing waits for is ended. It is for those who carry the streams:
    /// [`Report::Idle`](super::super::Report::Idle).
    pub idle: Duration,
    /// Streams in all, of both directions: what the memory of a process carries.
    pub streams: usize,
    /// Pairs proven on one stream, each direction: what one peer may make us remember.
    pub pairs_per_stream: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            partners: Arc::default(),
            queue_for: Duration::from_secs(30),
            queue_per_pair: 1_000,
            queued: 20_000,
            queued_bytes: 64 << 20,
            prove_within: Duration::from_secs(60),
            verify_within: Duration::from_secs(20),
            idle: Duration::from_secs(600),
            streams: 20_000,
            pairs_per_stream: 1_000,
        }
    }
}

/// Something is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Open a stream. Its end is told by [`Report::Unreachable`](super::super::Report::Unreachable) or
    /// [`Report::Closed`](super::super::Report::Closed), whatever happens.
    Open(Dial),
    /// Tell this stream. It takes its orders in the order in which they are given.
    Order(StreamId, Command),
    /// Give this error back to the local domain that is its `to`: it comes from the addressee of a stanza that could not be
    /// delivered (RFC 6120 section 10.4).
    Bounce(Stanza),
    /// Stanzas from `local` to `remote` were on a stream that broke, and nobody knows whether they arrived.
    DomainDown {
        /// Our domain.
        local: Arc<str>,
        /// The domain whose server they were for.
        remote: Arc<str>,
    },
    /// `remote` can be reached from `local` again. Since it could last, presence was lost, or may have been, of which nobody
    /// is told otherwise.
    DomainUp {
        /// Our domain.
        local: Arc<str>,
        /// The domain whose server is there.
        remote: Arc<str>,
    },
}

/// What has happened, and how it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Streams that we opened, and that are open or being opened.
    pub streams_out: usize,
    /// Streams that were opened to us.
    pub streams_in: usize,
    /// Pairs proven on all streams together, by direction: out.
    pub pairs_out: usize,
    /// Pairs proven in.
    pub pairs_in: usize,
    /// The most pairs proven on one stream that is open now.
    pub pairs_on_one_stream: usize,
    /// Stanzas that wait for their pair.
    pub queued: usize,
    /// Bytes of those.
    pub queued_bytes: usize,
    /// Stanzas given to streams.
    pub sent: u64,
    /// Stanzas given to another stream after theirs ended without taking them.
    pub sent_again: u64,
    /// Stanzas that came back as errors, by cause.
    pub bounced: Bounced,
    /// Errors, results and plain presence that could not be delivered: nobody may be told (RFC 6120 section 8.3.1).
    pub dropped: u64,
    /// Dialback keys that peers gave us: right.
    pub keys_valid: u64,
    /// Wrong.
    pub keys_invalid: u64,
    /// Nobody could say.
    pub keys_unanswered: u64,
    /// Answers about keys that nobody had asked for (XEP-0220 section 3.1).
    pub unsolicited: u64,
    /// Streams that could not be opened or did not come to prove their pair.
    pub failed: u64,
    /// Streams that went on over another connection.
    pub resumed: u64,
}

/// Stanzas that came back, by why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bounced {
    /// There is no such server.
    pub not_found: u64,
    /// It did not answer, or broke off.
    pub no_answer: u64,
    /// It is not what it should be, or does not believe us.
    pub not_trusted: u64,
    /// They waited too long.
    pub timeout: u64,
    /// Too many waited, or there are too many streams.
    pub full: u64,
    /// The partner is blocked here.
    pub blocked: u64,
    /// The process ends.
    pub stopped: u64,
}
