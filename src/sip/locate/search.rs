//! The search itself: from what is known of DNS either to a [`Plan`] or to the questions that are still open.
//!
//! [`search`] keeps nothing. It is run again from the start with every answer, so a search that others have partly done
//! already asks only for the rest, and there is no half-done search to get out of step with.
//!
//! ```text
//!  IP address ----------------------------------------------> target
//!  name and port -----------------------------> A, AAAA ----> targets
//!  name and transport ------------> SRV ------> A, AAAA ----> targets, by priority and weight
//!  name -----------> NAPTR -------> SRV ------> A, AAAA ----> targets, by preference, priority and weight
//!                      `- none ---> SRV for each transport we have
//!                                    `- none -> A, AAAA of the name, default port
//! ```

use std::time::Duration;

use super::plan::{Hop, Plan};
use super::{Answer, Destination, Naptr, Query, Reason, Srv, Target, Transport, Transports, limits, numeric};

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// These have to be known first. Never empty; the number of all that one search asks is bounded.
    Ask(Vec<Query>),
    /// Try these. Never empty. They hold until this time.
    Found(Plan, Duration),
    /// There is no such place. That holds until this time.
    NotFound(Reason, Duration),
}

/// Looks for `destination` over the transports that we `have`, with what `known` says of DNS: an answer and until when
/// it holds, or `None` for a question that nobody has asked.
pub fn search<'a>(
    destination: &Destination,
    have: Transports,
    known: impl Fn(&Query) -> Option<(&'a Answer, Duration)>,
) -> Step {
    let ways = match ways(destination, have) {
        Ok(ways) => ways,
        Err(reason) => return Step::NotFound(reason, Duration::MAX),
    };
    let mut walk = Walk { known, until: Duration::MAX, missing: Vec::new(), unavailable: false };
    let hops = walk.run(destination, have, &ways);
    if !walk.missing.is_empty() {
        return Step::Ask(walk.missing);
    }
    match hops {
        Ok(hops) if !hops.is_empty() => Step::Found(Plan::new(hops), walk.until),
        // Something might have been found, had DNS said more.
        Ok(_) | Err(_) if walk.unavailable => Step::NotFound(Reason::Unavailable, walk.until),
        Ok(_) => Step::NotFound(Reason::NoAddress, walk.until),
        Err(reason) => Step::NotFound(reason, walk.until),
    }
}

/// The transports that may be used, the one of RFC 3263 section 4.1 for a name without any records first.
fn ways(destination: &Destination, have: Transports) -> Result<Vec<Transport>, Reason> {
    let wanted: &[Transport] = match (destination.secure, destination.transport) {
        // RFC 3261 section 26.2.2: a sips URI goes over TLS, and TLS needs a connection.
        (true, Some(Transport::Udp)) => return Err(Reason::Insecure),
        (true, Some(Transport::Tcp | Transport::Tls) | None) | (false, Some(Transport::Tls)) => &[Transport::Tls],
        (false, Some(Transport::Udp)) => &[Transport::Udp],
        (false, Some(Transport::Tcp)) => &[Transport::Tcp],
        (false, None) => &[Transport::Udp, Transport::Tcp],
        // RFC 7118 section 5: clients come to us over WebSocket; there is nobody to be found by it.
        (_, Some(Transport::Ws | Transport::Wss)) => return Err(Reason::NoTransport),
    };
    let ways: Vec<_> = wanted.iter().copied().filter(|transport| have.has(*transport)).collect();
    if ways.is_empty() { Err(Reason::NoTransport) } else { Ok(ways) }
}

/// A name to ask for SRV records and the transport that they are for.
struct Service {
    transport: Transport,
    name: String,
}

/// One run over what is known.
struct Walk<F> {
    known: F,
    /// When the first answer that was used ends.
    until: Duration,
    missing: Vec<Query>,
    /// Whether an answer that was needed could not be had.
    unavailable: bool,
}

impl<'a, F: Fn(&Query) -> Option<(&'a Answer, Duration)>> Walk<F> {
    fn run(&mut self, to: &Destination, have: Transports, ways: &[Transport]) -> Result<Vec<Hop>, Reason> {
        let first = ways.first().copied().unwrap_or(Transport::Udp);
        if let Some(ip) = numeric(&to.host) {
            let addr = (ip, to.port.unwrap_or(first.default_port())).into();
            return Ok(vec![Hop { rank: 0, weight: 0, targets: vec![Target { transport: first, addr }] }]);
        }
        if let Some(port) = to.port {
            return Ok(self.direct(to, first, port));
        }
        let tiers = if to.transport.is_none() { self.naptr(to, have) } else { Vec::new() };
        if !self.missing.is_empty() {
            return Ok(Vec::new());
        }
        if tiers.is_empty() {
            return self.by_srv(to, &[own_services(to, ways)], first);
        }
        let first = tiers.first().and_then(|tier| tier.first()).map_or(first, |service| service.transport);
        self.by_srv(to, &tiers, first)
    }

    /// The SRV records of the first tier that leads anywhere; without any SRV record the addresses of the domain itself.
    fn by_srv(&mut self, to: &Destination, tiers: &[Vec<Service>], first: Transport) -> Result<Vec<Hop>, Reason> {
        let (mut declined, mut any) = (false, false);
        for tier in tiers {
            let (records, refused) = self.services(tier);
            declined |= refused;
            any |= !records.is_empty();
            let hops = self.addresses(&records);
            // A domain whose records cannot be read now is not looked for at its web server instead, nor by a
            // transport that it likes less.
            if !hops.is_empty() || !self.missing.is_empty() || self.unavailable {
                return Ok(hops);
            }
        }
        match (any, declined) {
            (true, _) => Ok(Vec::new()),
            (false, true) => Err(Reason::NoService),
            (false, false) => Ok(self.direct(to, first, first.default_port())),
        }
    }

    /// The addresses of the domain itself.
    fn direct(&mut self, to: &Destination, transport: Transport, port: u16) -> Vec<Hop> {
        self.addresses(&[(0, transport, Srv { priority: 0, weight: 0, port, target: to.host.clone() })])
    }

    /// The services that NAPTR records name. Those of one order are a tier: beyond the first order that serves, none is
    /// considered (RFC 3403 section 4.1).
    fn naptr(&mut self, to: &Destination, have: Transports) -> Vec<Vec<Service>> {
        match self.ask(Query::Naptr { name: to.host.clone() }) {
            Some(Answer::Naptr(records)) => by_order(records, to.secure, have),
            // Without an answer the search goes on all the same, for there are resolvers that do not know NAPTR; what it
            // finds holds no longer than the silence.
            Some(Answer::Unavailable | Answer::NoSuchName | Answer::Srv(_) | Answer::Addresses(_)) | None => Vec::new(),
        }
    }

    /// The records of all services of a tier with their places in the order, and whether one says that there is no
    /// such service (RFC 2782: a target of ".").
    fn services(&mut self, tier: &[Service]) -> (Vec<(u32, Transport, Srv)>, bool) {
        let (mut found, mut declined) = (Vec::new(), false);
        let mut silent = false;
        for (place, service) in (0_u32..).zip(tier) {
            match self.ask(Query::Srv { name: service.name.clone() }) {
                Some(Answer::Srv(records)) => {
                    let mut usable: Vec<_> = records.iter().filter(|record| !record.is_refusal()).collect();
                    declined |= usable.len() < records.len();
                    usable.sort_by_key(|record| record.priority);
                    let rank = |record: &Srv| place << 16 | u32::from(record.priority);
                    let usable = usable.into_iter().take(limits::SRV_RECORDS);
                    found.extend(usable.map(|record| (rank(record), service.transport, record.clone())));
                }
                Some(Answer::Unavailable) => silent = true,
                Some(Answer::Naptr(_) | Answer::Addresses(_) | Answer::NoSuchName) | None => {}
            }
        }
        self.unavailable |= silent && found.is_empty();
        (found, declined)
    }

    /// Asks for the addresses of all targets at once.
    fn addresses(&mut self, records: &[(u32, Transport, Srv)]) -> Vec<Hop> {
        let mut hops = Vec::with_capacity(records.len());
        let mut silent = false;
        for (rank, transport, record) in records.iter().take(limits::SRV_RECORDS) {
            let target = |ip| Target { transport: *transport, addr: (ip, record.port).into() };
            let targets: Vec<_> = match self.host(&record.target) {
                Some(Answer::Addresses(found)) => found.iter().take(limits::ADDRESSES).map(|ip| target(*ip)).collect(),
                Some(Answer::Unavailable) => {
                    silent = true;
                    continue;
                }
                Some(Answer::Naptr(_) | Answer::Srv(_) | Answer::NoSuchName) | None => continue,
            };
            if !targets.is_empty() {
                hops.push(Hop { rank: *rank, weight: record.weight, targets });
            }
        }
        self.unavailable |= silent && hops.is_empty();
        hops
    }

    fn host(&mut self, name: &str) -> Option<&'a Answer> {
        self.ask(Query::Addresses { name: name.to_owned() })
    }

    fn ask(&mut self, query: Query) -> Option<&'a Answer> {
        match (self.known)(&query) {
            Some((answer, until)) => {
                self.until = self.until.min(until);
                Some(answer)
            }
            None => {
                if !self.missing.contains(&query) {
                    self.missing.push(query);
                }
                None
            }
        }
    }
}

/// The services to ask for where no NAPTR record names any.
fn own_services(to: &Destination, ways: &[Transport]) -> Vec<Service> {
    let service = |transport: &Transport| {
        let prefix = match transport {
            Transport::Tls => "_sips._tcp.",
            Transport::Tcp => "_sip._tcp.",
            Transport::Udp | Transport::Ws | Transport::Wss => "_sip._udp.",
        };
        Service { transport: *transport, name: format!("{prefix}{}", to.host) }
    };
    let mut services: Vec<_> = ways.iter().map(service).collect();
    // RFC 3428 section 8: a transport with congestion control where there is the choice.
    services.sort_by_key(|service| !service.transport.is_reliable());
    services
}

/// The usable records, those of one order together (RFC 3263 section 4.1: services that we have, an empty regular
/// expression, an SRV record as replacement; SIPS alone for a `sips:` URI).
fn by_order(records: &[Naptr], secure: bool, have: Transports) -> Vec<Vec<Service>> {
    let transport = |record: &Naptr| {
        let transport = transport_of(record)?;
        let terminal = record.flags.eq_ignore_ascii_case("s") && record.regexp.is_empty();
        let named = !record.replacement.is_empty() && record.replacement != ".";
        (terminal && named && have.has(transport) && (!secure || transport == Transport::Tls)).then_some(transport)
    };
    let mut usable: Vec<_> = records.iter().filter_map(|record| Some((record, transport(record)?))).collect();
    // What the domain leaves open goes by RFC 3428 section 8, like above.
    usable.sort_by_key(|(record, transport)| (record.order, record.preference, *transport == Transport::Udp));
    let mut tiers: Vec<(u16, Vec<Service>)> = Vec::new();
    for (record, transport) in usable.into_iter().take(limits::NAPTR_RECORDS) {
        let service = Service { transport, name: record.replacement.clone() };
        match tiers.last_mut() {
            Some((order, tier)) if *order == record.order => tier.push(service),
            _ => tiers.push((record.order, vec![service])),
        }
    }
    tiers.into_iter().map(|(_, tier)| tier).collect()
}

/// The transport that a record is about (RFC 3263 section 4.1); `None` for SCTP, for `SIP+D2W` (RFC 7118 section 6.2:
/// servers do not look for clients), and for other applications.
fn transport_of(record: &Naptr) -> Option<Transport> {
    let services = [("SIP+D2U", Transport::Udp), ("SIP+D2T", Transport::Tcp), ("SIPS+D2T", Transport::Tls)];
    services.into_iter().find(|(token, _)| record.services.eq_ignore_ascii_case(token)).map(|(_, found)| found)
}
