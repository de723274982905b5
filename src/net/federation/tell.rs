//! What people are told of streams: each change once, and no more lines than a log bears, whoever knocks.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tracing::{debug, info, warn};

use crate::gateway::rate::{Limiter, Rate};
use crate::net::xmpp::describe;
use crate::xmpp::federation::{Association, Pair, Unreachable, Way};
use crate::xmpp::stream::{Cause, ServerStream};

/// Lines about streams: enough to see what is wrong.
const LINES: Rate = Rate { per_second: 10, burst: 50 };

/// Lines about connections that came to nothing, which anybody can cause without end: enough to see that it happens, and
/// never at the cost of the others.
const VAIN: Rate = Rate { per_second: 1, burst: 20 };

/// Domains whose last trouble is remembered.
const TROUBLES: usize = 1_024;

pub(super) struct Teller {
    lines: Limiter,
    vain: Limiter,
    /// Lines that `vain` kept back since the last one that it let through.
    unsaid: AtomicU64,
    troubles: Mutex<HashMap<Box<str>, String>>,
}

/// `info!`, or `debug!` where the log has had enough.
macro_rules! say {
    ($teller:expr, $now:expr, $level:ident, $($said:tt)*) => {
        if $teller.lines.take($now).is_ok() { $level!($($said)*) } else { debug!($($said)*) }
    };
}

/// The same of what came to nothing; the next line that is said tells how many were not.
macro_rules! say_vain {
    ($teller:expr, $now:expr, $($said:tt)*) => {
        match $teller.may_say_vain($now) {
            Some(0) => info!($($said)*),
            Some(unsaid) => info!(unsaid, $($said)*),
            None => debug!($($said)*),
        }
    };
}

impl Teller {
    pub(super) fn new() -> Self {
        let (lines, vain) = (Limiter::new(LINES), Limiter::new(VAIN));
        Self { lines, vain, unsaid: AtomicU64::new(0), troubles: Mutex::default() }
    }

    /// Whether one more line about what came to nothing may be said, and how many were not before it.
    fn may_say_vain(&self, now: Duration) -> Option<u64> {
        if self.vain.take(now).is_ok() {
            return Some(self.unsaid.swap(0, Ordering::Relaxed));
        }
        self.unsaid.fetch_add(1, Ordering::Relaxed);
        None
    }

    /// The first pair of a stream is proven.
    pub(super) fn up(&self, stream: &ServerStream, pair: &Pair, (way, by): (Way, Association), now: Duration) {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).remove(&*pair.remote);
        let tls = stream.tls().map_or("none", |tls| tls.version);
        let resumed = stream.tls().is_some_and(|tls| tls.resumed);
        let direction = direction(way);
        say!(self, now, info, local = %pair.local, remote = %pair.remote, direction, tls, resumed, by = by.name(),
            both_ways = stream.is_bidi(), "XMPP stream is up");
    }

    /// One more pair is proven.
    pub(super) fn proven(&self, pair: &Pair, (way, by): (Way, Association)) {
        debug!(local = %pair.local, remote = %pair.remote, direction = direction(way), by = by.name(), "pair proven");
    }

    /// A stream that was up is over.
    pub(super) fn down(&self, domain: &str, addr: SocketAddr, pairs: usize, cause: &Cause, now: Duration) {
        let why = describe(cause);
        say!(self, now, info, remote = domain, %addr, pairs, "XMPP stream has ended: {why}");
    }

    /// A stream is over and has proven nothing. `domain`: as far as is known.
    pub(super) fn vain(&self, domain: Option<&str>, addr: SocketAddr, cause: &Cause, now: Duration) {
        let why = describe(cause);
        match (domain, cause) {
            // Such streams serve to verify keys (XEP-0220 section 2.1.2), and then end.
            (Some(domain), Cause::Closed | Cause::PeerClosed) => {
                debug!(remote = domain, %addr, "XMPP stream has ended")
            }
            (Some(domain), Cause::PeerError(_) | Cause::OurError(_) | Cause::Disconnected) => {
                say_vain!(self, now, remote = domain, %addr, "XMPP stream came to nothing: {why}")
            }
            (None, _) => debug!(%addr, "somebody came and did not say who: {why}"),
        }
    }

    /// There is no stream to a domain.
    pub(super) fn unreachable(&self, domain: &str, why: &Unreachable, now: Duration) {
        let (Unreachable::NotFound(text) | Unreachable::NoAnswer(text) | Unreachable::NotTrusted(text)) = why;
        let text = one_line(text);
        let news = {
            let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
            if troubles.len() >= TROUBLES {
                troubles.clear();
            }
            troubles.insert(domain.into(), text.clone()).as_ref() != Some(&text)
        };
        if news {
            say!(self, now, warn, remote = domain, "no XMPP stream: {text}");
        } else {
            debug!(remote = domain, "still no XMPP stream: {text}");
        }
    }

    /// A connection was not taken.
    pub(super) fn refused(&self, source: IpAddr, why: &str, now: Duration) {
        say_vain!(self, now, %source, "XMPP connection refused: {why}");
    }
}

fn direction(way: Way) -> &'static str {
    match way {
        Way::Out => "out",
        Way::In => "in",
    }
}

/// For a log: one line, and no longer than a person reads.
fn one_line(text: &str) -> String {
    text.chars().take(300).map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_streams_that_come_to_nothing_are_a_few_lines_and_a_number() {
        let teller = Teller::new();
        let said = (0..10_000).filter(|turn| teller.may_say_vain(Duration::from_millis(*turn)).is_some());
        assert!((29..=30).contains(&said.count()));
        assert!(teller.lines.take(Duration::from_secs(10)).is_ok());
        assert!(teller.may_say_vain(Duration::from_secs(60)).is_some_and(|unsaid| unsaid > 0));
        assert_eq!(teller.may_say_vain(Duration::from_secs(60)), Some(0));
    }
}
