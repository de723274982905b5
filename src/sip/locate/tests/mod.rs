//! Searches in zones written down as text, and the tables that hang on them.

mod finder;
mod plan;
mod rest;
mod search;

use std::collections::HashMap;
use std::time::Duration;

use super::search::{Step, search};
use super::{Answer, Destination, Naptr, Plan, Query, Reason, Srv, Target, Transport, Transports};

/// Seconds.
pub(super) const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// `sip:host`, `sip:host:port;transport=tcp`, `sips:host`.
pub(super) fn to(uri: &str) -> Destination {
    let (scheme, rest) = uri.split_once(':').expect("a scheme");
    let (host, transport) = rest.split_once(";transport=").map_or((rest, None), |(host, token)| (host, Some(token)));
    let port = host.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
    let (host, port) = port.map_or((host, None), |(host, port)| (host, Some(port.parse().expect("a port"))));
    Destination {
        host: host.to_owned(),
        port,
        transport: transport.map(|token| Transport::from_token(token).expect("a transport")),
        secure: scheme == "sips",
    }
}

pub(super) fn all() -> Transports {
    [Transport::Udp, Transport::Tcp, Transport::Tls].into_iter().collect()
}

/// `udp 192.0.2.1:5060`
pub(super) fn target(text: &str) -> Target {
    let (transport, addr) = text.split_once(' ').expect("a transport and an address");
    Target {
        transport: Transport::from_token(transport).expect("a transport"),
        addr: addr.parse().expect("an address"),
    }
}

pub(super) fn targets(texts: &[&str]) -> Vec<Target> {
    texts.iter().map(|text| target(text)).collect()
}

/// Records by question. What is not there is a name without such records.
#[derive(Default)]
pub(super) struct Zone {
    answers: HashMap<Query, (Answer, Duration)>,
}

impl Zone {
    /// A record a line: `NAME A IP`, `NAME SRV PRIORITY WEIGHT PORT HOST`, `NAME NAPTR ORDER PREFERENCE FLAGS SERVICES
    /// REGEXP NAME` (`-` for nothing), `NAME KIND silent`. All for 60 s.
    pub(super) fn new(text: &str) -> Self {
        let mut zone = Self::default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            zone.record(line);
        }
        zone
    }

    fn record(&mut self, line: &str) {
        let words: Vec<_> = line.split_whitespace().collect();
        let (name, kind, data) = (words[0].to_owned(), words[1], &words[2..]);
        let text = |at: usize| if data[at] == "-" { String::new() } else { data[at].to_owned() };
        let number = |at: usize| data[at].parse().expect("a number");
        let (query, empty) = match kind {
            "A" => (Query::Addresses { name }, Answer::Addresses(Vec::new())),
            "SRV" => (Query::Srv { name }, Answer::Srv(Vec::new())),
            _ => (Query::Naptr { name }, Answer::Naptr(Vec::new())),
        };
        let (answer, _) = self.answers.entry(query).or_insert((empty, s(60)));
        match answer {
            _ if data[0] == "silent" => *answer = Answer::Unavailable,
            Answer::Addresses(found) => found.push(data[0].parse().expect("an address")),
            Answer::Srv(found) => {
                found.push(Srv { priority: number(0), weight: number(1), port: number(2), target: text(3) });
            }
            Answer::Naptr(found) => found.push(Naptr {
                order: number(0),
                preference: number(1),
                flags: text(2),
                services: text(3),
                regexp: text(4),
                replacement: text(5),
            }),
            Answer::NoSuchName | Answer::Unavailable => {}
        }
    }

    /// The answer to a question and how long it holds.
    pub(super) fn answer(&self, query: &Query) -> (Answer, Duration) {
        let empty = match query {
            Query::Naptr { .. } => Answer::Naptr(Vec::new()),
            Query::Srv { .. } => Answer::Srv(Vec::new()),
            Query::Addresses { .. } => Answer::NoSuchName,
        };
        self.answers.get(query).cloned().unwrap_or((empty, s(60)))
    }

    /// Searches to the end: what is found, and what was asked on the way, a list for each round.
    pub(super) fn search(&self, uri: &str, have: Transports) -> (Result<Plan, Reason>, Vec<Vec<Query>>) {
        let (mut known, mut rounds) = (HashMap::new(), Vec::new());
        loop {
            let look = |query: &Query| known.get(query).map(|(answer, ttl): &(Answer, Duration)| (answer, *ttl));
            match search(&to(uri), have, look) {
                Step::Found(plan, _) => return (Ok(plan), rounds),
                Step::NotFound(reason, _) => return (Err(reason), rounds),
                Step::Ask(queries) => {
                    assert!(!queries.is_empty());
                    let fresh = queries.iter().map(|query| (query.clone(), self.answer(query)));
                    let fresh: Vec<_> = fresh.filter(|(query, _)| !known.contains_key(query)).collect();
                    assert_eq!(fresh.len(), queries.len(), "something was asked twice");
                    known.extend(fresh);
                    rounds.push(queries);
                }
            }
        }
    }
}
