//! When a connection has been silent, stuck or dead for too long, and when it is to be probed. Times are those of
//! [`Clock::now`](crate::net::Clock::now).

use std::time::Duration;

use super::ConnectionLimits;

/// How long an answer to our ping may take (RFC 5626 section 4.4.1).
const PONG: Duration = Duration::from_secs(10);

/// How long the peer may take to close its end after the last words, so that it has read them.
const LINGER: Duration = Duration::from_secs(2);

/// The times of one connection.
pub(super) struct Clocks {
    limits: ConnectionLimits,
    ours: bool,
    known: bool,
    /// When it began; until its handshake is done nothing else counts.
    began: Duration,
    shaking_hands: bool,
    /// When a message last passed, and when anything was last heard and said.
    used: Duration,
    heard: Duration,
    said: Duration,
    /// Since when a message has been incomplete.
    partial: Option<Duration>,
    /// Since when the peer has taken nothing of what waits for it.
    blocked: Option<Duration>,
    /// When we last asked whether the peer is there, if it has not answered, and whether it ever did.
    asked: Option<Duration>,
    answers: bool,
    closing: Option<Duration>,
}

/// What a time brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Ask the peer whether it is there.
    Ask,
    /// The connection is over.
    Over(&'static str),
}

impl Clocks {
    /// Of a connection that begins now. `ours`: we opened it. `known`: the peer is configured.
    pub(super) fn new(limits: ConnectionLimits, ours: bool, known: bool, shaking_hands: bool, now: Duration) -> Self {
        Self {
            limits,
            ours,
            known,
            began: now,
            shaking_hands,
            used: now,
            heard: now,
            said: now,
            partial: None,
            blocked: None,
            asked: None,
            answers: false,
            closing: None,
        }
    }

    /// The handshake is done.
    pub(super) fn shook_hands(&mut self) {
        self.shaking_hands = false;
    }

    /// Bytes came; `whole`: at least one message was in them; `partial`: one is not complete yet.
    pub(super) fn heard(&mut self, whole: bool, partial: bool, now: Duration) {
        self.heard = now;
        self.asked = None;
        if whole {
            self.used = now;
        }
        self.partial = match (partial, self.partial) {
            (false, _) => None,
            (true, Some(since)) if !whole => Some(since),
            (true, _) => Some(now),
        };
    }

    /// An answer to a ping came.
    pub(super) fn answered(&mut self) {
        self.answers |= self.ours;
    }

    /// Something waits to be written; `message`: and it is a message.
    pub(super) fn waits(&mut self, message: bool, now: Duration) {
        if message {
            self.used = now;
        }
        self.blocked = self.blocked.or(Some(now));
    }

    /// The peer took some of what waits; `all`: nothing waits any more.
    pub(super) fn said(&mut self, all: bool, now: Duration) {
        self.said = now;
        self.blocked = (!all).then_some(now);
    }

    /// Nothing more is taken from the peer.
    pub(super) fn closes(&mut self, now: Duration) {
        self.closing = self.closing.or(Some(now));
    }

    /// When to look next.
    pub(super) fn next(&self) -> Duration {
        self.deadlines().map(|(at, _)| at).min().unwrap_or(self.began)
    }

    /// What is due now, if anything.
    pub(super) fn due(&mut self, now: Duration) -> Option<Due> {
        let (at, due) = self.deadlines().min_by_key(|(at, _)| *at)?;
        if at > now {
            return None;
        }
        if due == Due::Ask {
            self.said = now;
            // Who never answered may not know how (RFC 5626 is not everybody's): then silence proves nothing.
            self.asked = self.answers.then_some(now);
        }
        Some(due)
    }

    fn deadlines(&self) -> impl Iterator<Item = (Duration, Due)> {
        let limits = &self.limits;
        let handshake = self.shaking_hands.then_some(self.began + limits.handshake_within);
        let idle = match (self.known, self.ours) {
            // A ping is not use: a connection nobody needs is let go.
            (true, true) => self.used + limits.idle,
            (true, false) => self.used.max(self.heard) + limits.idle,
            (false, _) => self.used + limits.idle_strangers,
        };
        let ask = (self.ours && self.asked.is_none()).then(|| self.heard.max(self.said) + limits.keepalive);
        let over = |at: Option<Duration>, why| at.map(|at| (at, Due::Over(why)));
        let all = [
            over(handshake, "its handshake took too long"),
            over(self.partial.map(|since| since + limits.stall), "a message was never finished"),
            over(self.blocked.map(|since| since + limits.stall), "it does not read"),
            over(self.asked.map(|at| at + PONG), "it does not answer any more"),
            over(self.closing.map(|since| since + LINGER), "the last words were said"),
            over(Some(idle), "it was idle"),
            ask.map(|at| (at, Due::Ask)),
        ];
        all.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ConnectionLimits = ConnectionLimits {
        connections: 1,
        per_source: 1,
        connect_within: Duration::from_secs(10),
        handshake_within: Duration::from_secs(10),
        idle: Duration::from_secs(600),
        idle_strangers: Duration::from_secs(32),
        keepalive: Duration::from_secs(120),
        stall: Duration::from_secs(10),
        output: 1,
        output_in_all: 1,
        message: 1,
    };

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Every ping that is due until the end, and the end.
    fn play(mut clocks: Clocks) -> (Vec<u64>, u64, &'static str) {
        let mut pings = Vec::new();
        loop {
            let now = clocks.next();
            match clocks.due(now) {
                Some(Due::Ask) => pings.push(now.as_secs()),
                Some(Due::Over(why)) => return (pings, now.as_secs(), why),
                None => panic!("nothing was due at {now:?}"),
            }
        }
    }

    #[test]
    fn a_stranger_is_let_go_sooner_and_its_pings_keep_nothing_open() {
        let mut stranger = Clocks::new(LIMITS, false, false, false, s(0));
        stranger.heard(false, false, s(30));
        assert_eq!(play(stranger), (vec![], 32, "it was idle"));
        let mut peer = Clocks::new(LIMITS, false, true, false, s(0));
        peer.heard(false, false, s(30));
        assert_eq!(play(peer), (vec![], 630, "it was idle"));
    }

    #[test]
    fn a_connection_of_ours_is_probed_while_it_was_used_lately() {
        let ours = Clocks::new(LIMITS, true, true, false, s(0));
        assert_eq!(play(ours), (vec![120, 240, 360, 480], 600, "it was idle"));
    }

    #[test]
    fn a_peer_that_answered_pings_and_stops_is_dead_and_one_that_never_did_is_not() {
        let mut ours = Clocks::new(LIMITS, true, true, false, s(0));
        assert_eq!(ours.due(s(120)), Some(Due::Ask));
        ours.heard(false, false, s(121));
        ours.answered();
        assert_eq!(play(ours), (vec![241], 251, "it does not answer any more"));
    }

    #[test]
    fn a_message_must_be_finished_and_a_byte_now_and_then_does_not_help() {
        let mut clocks = Clocks::new(LIMITS, false, true, false, s(0));
        for second in 1..9 {
            clocks.heard(false, true, s(second));
        }
        assert_eq!(play(clocks), (vec![], 11, "a message was never finished"));
    }

    #[test]
    fn a_peer_that_reads_nothing_is_let_go_and_one_that_reads_slowly_is_not() {
        let mut clocks = Clocks::new(LIMITS, false, true, false, s(0));
        clocks.waits(true, s(1));
        clocks.said(false, s(5));
        clocks.waits(true, s(6));
        assert_eq!(play(clocks), (vec![], 15, "it does not read"));
        let mut clocks = Clocks::new(LIMITS, false, true, false, s(0));
        clocks.waits(true, s(1));
        clocks.said(true, s(5));
        assert_eq!(play(clocks), (vec![], 601, "it was idle"));
    }

    #[test]
    fn a_handshake_and_last_words_have_their_time() {
        let clocks = Clocks::new(LIMITS, false, true, true, s(0));
        assert_eq!(play(clocks), (vec![], 10, "its handshake took too long"));
        let mut clocks = Clocks::new(LIMITS, false, true, true, s(0));
        clocks.shook_hands();
        clocks.closes(s(3));
        clocks.closes(s(4));
        assert_eq!(play(clocks), (vec![], 5, "the last words were said"));
    }
}
