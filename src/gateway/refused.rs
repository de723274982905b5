//! One line in the log for each source that is refused, in a form that programs such as fail2ban read:
//!
//! ```text
//! refused source=203.0.113.9 reason=unknown method=OPTIONS count=1
//! ```
//! It has a tracing target of its own, [`TARGET`]. `count` is how many refusals of this source the line stands for. A
//! flood from one source makes one line a second; floods from many sources make [`LINES`] a second in all, and a source
//! that has had no line yet comes before those that had. So a flood fills no disk, and no source stays unnamed unless
//! more of them come than fit into the table.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use super::rate::{Limiter, Rate};

/// The tracing target of the lines.
pub const TARGET: &str = "stox::refused";

/// Lines in all: a hundred megabytes a day at the very worst.
pub const LINES: Rate = Rate { per_second: 10, burst: 50 };

/// A source gets its next line no earlier.
const AGAIN: Duration = Duration::from_secs(1);

/// Sources remembered, about half a megabyte. Beyond it those that had their line are forgotten, and those whose line
/// waits are only counted.
const MOST: usize = 4_096;

/// How often sources that are only counted are told of.
const TELL_UNNAMED: Duration = Duration::from_secs(10);

/// The longest method that is written.
const METHOD: usize = 16;

/// Why something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The source is no peer.
    Unknown,
    /// The source is a peer that may not speak for this domain.
    Domain,
    /// A peer that this method is not taken from.
    Method,
    /// A password was wrong, or the account does not exist.
    Digest,
    /// It could not be read.
    Malformed,
    /// Too many connections.
    Connections,
    /// A peer that sent more than its rate.
    Rate,
    /// More requests that would have to prove an account than anybody needs.
    Attempts,
    /// TLS proved nothing, or the wrong name.
    Tls,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::Domain => "domain",
            Self::Method => "method",
            Self::Digest => "digest",
            Self::Malformed => "malformed",
            Self::Connections => "connections",
            Self::Rate => "rate",
            Self::Attempts => "attempts",
            Self::Tls => "tls",
        })
    }
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A source, and what was last refused of it.
    Source {
        /// Its address.
        ip: IpAddr,
        /// Why.
        reason: Reason,
        /// Of which method, if that was looked at.
        method: Option<Box<str>>,
        /// How many refusals the line stands for.
        count: u64,
    },
    /// So many refusals were of sources that found no room in the table.
    Unnamed(u64),
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source { ip, reason, method, count } => {
                let method = method.as_deref().unwrap_or("-");
                write!(f, "refused source={} reason={reason} method={method} count={count}", ip.to_canonical())
            }
            Self::Unnamed(count) => write!(f, "refused count={count} from more sources than can be named"),
        }
    }
}

/// The sources refused of late, and which of them still wait for their line.
#[derive(Debug)]
pub struct Refusals {
    sources: HashMap<IpAddr, Source>,
    /// Those that never had a line, then those that have earned another.
    first: VecDeque<IpAddr>,
    again: VecDeque<IpAddr>,
    /// When each had its last line; some have had another since.
    said: VecDeque<(Duration, IpAddr)>,
    budget: Limiter,
    unnamed: u64,
    unnamed_told: Option<Duration>,
}

#[derive(Debug)]
struct Source {
    ip: IpAddr,
    reason: Reason,
    method: Option<Box<str>>,
    count: u64,
    /// When it had its last line.
    said: Option<Duration>,
    waits: bool,
}

impl Default for Refusals {
    fn default() -> Self {
        Self {
            sources: HashMap::new(),
            first: VecDeque::new(),
            again: VecDeque::new(),
            said: VecDeque::new(),
            budget: Limiter::new(LINES),
            unnamed: 0,
            unnamed_told: None,
        }
    }
}

impl Refusals {
    /// Something from `ip` was refused; `method` is written only if it is a short word.
    pub fn note(&mut self, ip: IpAddr, reason: Reason, method: Option<&str>, now: Duration) {
        let key = network(ip);
        if let Some(source) = self.sources.get_mut(&key) {
            if source.count == 0 {
                (source.ip, source.reason, source.method) = (ip, reason, word(method));
            }
            source.count += 1;
            if !source.waits && source.said.is_none_or(|said| now >= said + AGAIN) {
                source.waits = true;
                self.again.push_back(key);
            }
            return;
        }
        if self.sources.len() >= MOST && !self.forget_one() {
            self.unnamed += 1;
            return;
        }
        let source = Source { ip, reason, method: word(method), count: 1, said: None, waits: true };
        self.sources.insert(key, source);
        self.first.push_back(key);
    }

    /// The next line to write, if there is one and the log has room for it.
    pub fn next(&mut self, now: Duration) -> Option<Line> {
        if self.unnamed > 0 && self.unnamed_told.is_none_or(|told| now >= told + TELL_UNNAMED) {
            self.unnamed_told = Some(now);
            return Some(Line::Unnamed(std::mem::take(&mut self.unnamed)));
        }
        if (self.first.is_empty() && self.again.is_empty()) || self.budget.take(now).is_err() {
            return None;
        }
        let key = self.first.pop_front().or_else(|| self.again.pop_front())?;
        let source = self.sources.get_mut(&key)?;
        (source.waits, source.said) = (false, Some(now));
        self.said.push_back((now, key));
        let count = std::mem::take(&mut source.count);
        Some(Line::Source { ip: source.ip, reason: source.reason, method: source.method.take(), count })
    }

    /// Writes what there is to write.
    pub fn log(&mut self, now: Duration) {
        while let Some(line) = self.next(now) {
            tracing::info!(target: TARGET, "{line}");
        }
    }

    /// Whether a line waits for room in the log.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.unnamed > 0 || !self.first.is_empty() || !self.again.is_empty()
    }

    /// Forgets the source whose last line is longest ago. `false`: they all wait for one.
    fn forget_one(&mut self) -> bool {
        while let Some((at, key)) = self.said.pop_front() {
            if self.sources.get(&key).is_some_and(|source| !source.waits && source.said == Some(at)) {
                self.sources.remove(&key);
                return true;
            }
        }
        false
    }
}

/// Who holds one IPv6 address holds its /64.
#[must_use]
pub fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX))),
    }
}

/// A method, if it is one: nothing that could look like another part of the line.
fn word(method: Option<&str>) -> Option<Box<str>> {
    let method = method.filter(|method| !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase()))?;
    method.get(..method.len().min(METHOD)).map(Box::from)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(10_000 + millis)
    }

    fn ip(number: u32) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::from_bits((203 << 24) + number))
    }

    fn lines(refusals: &mut Refusals, now: Duration) -> Vec<String> {
        std::iter::from_fn(|| refusals.next(now)).map(|line| line.to_string()).collect()
    }

    #[test]
    fn a_source_is_named_at_once_and_then_once_a_second() {
        let mut refusals = Refusals::default();
        let own = "203.0.113.9".parse().unwrap();
        let mut said = Vec::new();
        for millis in 0..2_500 {
            refusals.note(own, Reason::Unknown, Some("OPTIONS"), at(millis));
            said.extend(lines(&mut refusals, at(millis)));
        }
        assert_eq!(
            said,
            [
                "refused source=203.0.113.9 reason=unknown method=OPTIONS count=1",
                "refused source=203.0.113.9 reason=unknown method=OPTIONS count=1000",
                "refused source=203.0.113.9 reason=unknown method=OPTIONS count=1000",
            ]
        );
    }

    #[test]
    fn a_flood_from_many_sources_is_bounded_and_each_is_named_in_the_end() {
        let mut refusals = Refusals::default();
        for number in 0..1_000 {
            refusals.note(ip(number), Reason::Unknown, None, at(0));
            refusals.note(ip(number), Reason::Unknown, None, at(0));
        }
        let mut said = lines(&mut refusals, at(0));
        assert_eq!(said.len(), 50, "the burst");
        for second in 1..=100 {
            refusals.note(ip(0), Reason::Unknown, None, at(second * 1_000));
            let more = lines(&mut refusals, at(second * 1_000));
            assert!(more.len() <= 10, "{}", more.len());
            said.extend(more);
        }
        let named: std::collections::HashSet<_> = said.iter().map(|line| line.split(' ').nth(1).unwrap()).collect();
        assert_eq!(named.len(), 1_000);
    }

    #[test]
    fn more_sources_than_fit_are_counted() {
        let mut refusals = Refusals::default();
        for number in 0..100_000 {
            refusals.note(ip(number), Reason::Malformed, None, at(0));
        }
        assert!(refusals.sources.len() <= MOST);
        let said = lines(&mut refusals, at(1));
        assert!(said.iter().any(|line| line.contains(&format!("count={}", 100_000 - MOST))), "{:?}", said.first());
        // Who has had a line makes room.
        refusals.note(ip(200_000), Reason::Unknown, None, at(2));
        assert!(refusals.sources.contains_key(&ip(200_000)) && refusals.sources.len() <= MOST);
    }

    #[test]
    fn nothing_in_a_line_is_the_senders_choice() {
        let mut refusals = Refusals::default();
        for (number, method) in ["A source=192.0.2.1", "X\nrefused source=192.0.2.1", "", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
            .into_iter()
            .enumerate()
        {
            refusals.note(ip(u32::try_from(number).unwrap()), Reason::Unknown, Some(method), at(0));
        }
        let said = lines(&mut refusals, at(0));
        assert_eq!(said[0], "refused source=203.0.0.0 reason=unknown method=- count=1");
        assert!(said[..3].iter().all(|line| line.contains("method=- ")), "{said:?}");
        assert!(said[3].contains("method=ABCDEFGHIJKLMNOP count"), "{said:?}");
    }

    #[test]
    fn a_network_of_ipv6_is_one_source() {
        let mut refusals = Refusals::default();
        for host in 1..=100 {
            let ip = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, host));
            refusals.note(ip, Reason::Unknown, None, at(0));
        }
        assert_eq!(lines(&mut refusals, at(0)), ["refused source=2001:db8:0:1::1 reason=unknown method=- count=100"]);
        let mapped = "::ffff:203.0.113.9".parse().unwrap();
        refusals.note(mapped, Reason::Digest, None, at(0));
        assert!(lines(&mut refusals, at(0))[0].contains("source=203.0.113.9 reason=digest"));
    }
}
