//! Where the servers of a domain are (RFC 6120 section 3.2, XEP-0368 section 2.2), as questions and answers.
//!
//! ```text
//!  given host --------------------------------> A, AAAA --> targets
//!  domain --> SRV _xmpp-server, _xmpps-server -> A, AAAA --> targets, both services mixed by priority and weight
//!                `- neither has records -------> A, AAAA of the domain, port 5269
//! ```
//! [`search`] keeps nothing: it is run again from the start with every answer. A domain with SRV records is looked for
//! nowhere else, even if none of them leads anywhere (RFC 6120 section 3.2.1, item 8).

mod explain;

use std::net::{IpAddr, SocketAddr};

use super::{Host, Unreachable};
use crate::dns::{self, Answer, Dice, Query, Srv};
pub use explain::explain;

/// The port for streams between servers (RFC 6120 section 14.7).
pub const PORT: u16 = 5269;

/// SRV records that are looked at, lowest priorities first: each may be a question of its own, and large providers publish
/// about half as many.
const SRV_RECORDS: usize = 16;

/// Addresses of one host that are tried; a name with more is a mistake or an attack on our patience.
const ADDRESSES: usize = 8;

/// Targets that one attempt may try: each may take seconds, and stanzas wait.
const TARGETS: usize = 8;

/// One place to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The host as DNS or the configuration names it (A-labels, or an IP address); DANE asks for it (RFC 7673 section 3).
    pub host: String,
    /// Where it is.
    pub addr: SocketAddr,
    /// TLS from the first byte.
    pub direct_tls: bool,
    /// Whether every answer that led here was proven by DNSSEC.
    pub secure: bool,
}

/// An answer that is known, and whether DNSSEC proves it.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The answer.
    pub answer: &'a Answer,
    /// Whether every record of it was proven.
    pub secure: bool,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// These have to be known first. Never empty; there are two rounds of them at most, or three with the fallback.
    Ask(Vec<Query>),
    /// Try these, in this order. Never empty.
    Found(Vec<Target>),
    /// There is no server to try.
    NotFound(Unreachable),
}

/// Looks for the servers of `domain`, which are at `host` if that is given, with what is `known` of DNS. `dice` decide among
/// equals; they have to fall the same in each round of one search.
pub fn search<'a>(
    domain: &str,
    host: Option<&Host>,
    known: impl Fn(&Query) -> Option<Known<'a>>,
    mut dice: Dice,
) -> Step {
    let mut walk = Walk { known, missing: Vec::new(), silent: false };
    let found = match host {
        Some(host) => walk.at(&host.name, host.port.unwrap_or(PORT), host.direct_tls),
        None => walk.of_domain(domain, &mut dice),
    };
    match found {
        _ if !walk.missing.is_empty() => Step::Ask(walk.missing),
        Err(why) => Step::NotFound(why),
        Ok(mut targets) if !targets.is_empty() => {
            targets.truncate(TARGETS);
            Step::Found(targets)
        }
        // Something might have been found, had DNS said more.
        Ok(_) if walk.silent => Step::NotFound(Unreachable::NoAnswer("DNS does not answer now".to_owned())),
        Ok(_) => Step::NotFound(Unreachable::NotFound("DNS knows no address of its servers".to_owned())),
    }
}

/// A record of either service.
struct Record<'a> {
    srv: &'a Srv,
    direct_tls: bool,
    secure: bool,
}

/// One run over what is known.
struct Walk<F> {
    known: F,
    missing: Vec<Query>,
    /// Whether an answer that was needed could not be had.
    silent: bool,
}

impl<'a, F: Fn(&Query) -> Option<Known<'a>>> Walk<F> {
    fn of_domain(&mut self, domain: &str, dice: &mut Dice) -> Result<Vec<Target>, Unreachable> {
        let no_such = |what: &str| Err(Unreachable::NotFound(what.to_owned()));
        if numeric(domain).is_some() {
            return self.at(domain, PORT, false);
        }
        let Some(domain) = a_labels(domain) else { return no_such("DNS cannot have such a name") };
        let (mut records, mut refused) = (Vec::new(), false);
        for (service, direct_tls) in [("_xmpp-server._tcp.", false), ("_xmpps-server._tcp.", true)] {
            let Some(Known { answer, secure }) = self.ask(Query::Srv { name: format!("{service}{domain}") }) else {
                continue;
            };
            let Answer::Srv(found) = answer else { continue };
            refused |= found.iter().any(Srv::is_refusal);
            let usable = found.iter().filter(|record| !record.is_refusal());
            records.extend(usable.map(|srv| Record { srv, direct_tls, secure }));
        }
        match (self.missing.is_empty(), records.is_empty(), refused) {
            (false, _, _) => Ok(Vec::new()),
            (true, false, _) => Ok(self.hosts(records, dice)),
            // RFC 2782; XEP-0368 section 2.3: the domain knows SRV records, so there is nothing to fall back to.
            (true, true, true) => no_such("the domain says that it has no XMPP server"),
            (true, true, false) => self.at(&domain, PORT, false),
        }
    }

    /// The addresses of all records, in the order in which to try them.
    fn hosts(&mut self, mut records: Vec<Record<'a>>, dice: &mut Dice) -> Vec<Target> {
        records.sort_by_key(|record| (record.srv.priority, record.srv.weight != 0));
        records.truncate(SRV_RECORDS);
        let mut targets = Vec::new();
        for group in records.chunk_by(|one, other| one.srv.priority == other.srv.priority) {
            for record in dns::draw(group, |record| record.srv.weight, dice) {
                let found = self.addresses(&record.srv.target, record.srv.port, record.direct_tls);
                targets
                    .extend(found.into_iter().map(|found| Target { secure: found.secure && record.secure, ..found }));
            }
        }
        targets
    }

    /// The addresses of one host.
    fn at(&mut self, host: &str, port: u16, direct_tls: bool) -> Result<Vec<Target>, Unreachable> {
        if let Some(ip) = numeric(host) {
            let addr = SocketAddr::new(ip, port);
            return Ok(vec![Target { host: ip.to_string(), addr, direct_tls, secure: false }]);
        }
        Ok(self.addresses(host, port, direct_tls))
    }

    fn addresses(&mut self, host: &str, port: u16, direct_tls: bool) -> Vec<Target> {
        let known = self.ask(Query::Addresses { name: host.to_owned() });
        let Some(Known { answer: Answer::Addresses(found), secure }) = known else { return Vec::new() };
        let target = |ip: IpAddr| Target { host: host.to_owned(), addr: SocketAddr::new(ip, port), direct_tls, secure };
        alternating(found).take(ADDRESSES).map(target).collect()
    }

    fn ask(&mut self, query: Query) -> Option<Known<'a>> {
        let known = (self.known)(&query);
        match known {
            Some(known) => self.silent |= *known.answer == Answer::Unavailable,
            None if self.missing.contains(&query) => {}
            None => self.missing.push(query),
        }
        known
    }
}

/// IPv6 and IPv4 in turn, so that a machine where one of them leads nowhere soon tries the other (RFC 8305 section 4).
fn alternating(addresses: &[IpAddr]) -> impl Iterator<Item = IpAddr> {
    let of = |six: bool| addresses.iter().copied().filter(move |ip| ip.is_ipv6() == six);
    let (mut these, mut others) = (of(true), of(false));
    let mut turn = false;
    std::iter::from_fn(move || {
        turn = !turn;
        if turn { these.next().or_else(|| others.next()) } else { others.next().or_else(|| these.next()) }
    })
}

/// An address as a domain may be one (RFC 7622 section 3.2): IPv6 in brackets.
fn numeric(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}

/// A domain as DNS spells it.
fn a_labels(domain: &str) -> Option<String> {
    if domain.is_ascii() {
        return (!domain.is_empty()).then(|| domain.to_owned());
    }
    idna::domain_to_ascii(domain).ok()
}

#[cfg(test)]
mod tests;
