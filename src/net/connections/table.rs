//! Which connections are open, who is at the other end, and whether there may be one more.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use tokio::sync::mpsc;

use super::{ConnectionLimits, Outgoing};
use crate::sip::locate::Transport;
use crate::tls::names;

/// Messages that may wait for one connection: more than `tcp_output` holds of the smallest, so that it is the bytes that
/// bound. An answer that finds no room is lost, because over a connection nobody asks again.
const CONNECTION_QUEUE: usize = 65_536;

#[derive(Default)]
pub(super) struct Table {
    open: HashMap<u64, Entry>,
    /// Connections by which requests to an address may go.
    by_remote: HashMap<(Transport, SocketAddr), Vec<u64>>,
    per_source: HashMap<IpAddr, usize>,
    strangers: usize,
    listening: Vec<IpAddr>,
    count: u64,
    opened: [u64; TRANSPORTS.len()],
}

const TRANSPORTS: [Transport; 4] = [Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];

/// One connection, from the moment its place is taken.
pub(super) struct Entry {
    transport: Transport,
    remote: SocketAddr,
    /// Whether we opened it, and for which domain.
    ours: bool,
    domain: Option<Arc<str>>,
    /// What the peer has proven.
    names: Arc<[String]>,
    /// Where else requests by it may be meant for (RFC 5923 section 8.2).
    alias: Option<SocketAddr>,
    known: bool,
    /// Nothing more may go by it.
    retired: bool,
    pub(super) queue: mpsc::Sender<Outgoing>,
    pub(super) queued: Arc<AtomicUsize>,
}

/// The place of one connection among all.
pub(super) struct Place {
    pub(super) id: u64,
    pub(super) ours: bool,
    /// Whether the peer is one that is configured.
    pub(super) known: bool,
    pub(super) messages: mpsc::Receiver<Outgoing>,
    pub(super) queued: Arc<AtomicUsize>,
}

/// Why there is no place for one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum TooMany {
    #[error("too many SIP connections")]
    All,
    #[error("too many SIP connections of this source")]
    Source,
    #[error("too many SIP connections of strangers")]
    Strangers,
}

/// A connection that wants a place.
pub(super) struct Wanted {
    pub(super) transport: Transport,
    pub(super) remote: SocketAddr,
    pub(super) ours: bool,
    pub(super) domain: Option<Arc<str>>,
    pub(super) known: bool,
}

impl Table {
    /// A place for one more connection.
    pub(super) fn take(&mut self, wanted: Wanted, limits: &ConnectionLimits) -> Result<Place, TooMany> {
        let Wanted { transport, remote, ours, domain, known } = wanted;
        let source = source(remote.ip());
        if self.open.len() >= limits.connections {
            return Err(TooMany::All);
        }
        if self.per_source.get(&source).is_some_and(|here| *here >= limits.per_source) {
            return Err(TooMany::Source);
        }
        if !known && self.strangers >= limits.connections.div_ceil(2) {
            return Err(TooMany::Strangers);
        }
        let (queue, messages) = mpsc::channel(CONNECTION_QUEUE);
        let queued = Arc::new(AtomicUsize::new(0));
        self.count += 1;
        let id = self.count;
        let names = Arc::from([]);
        let (alias, retired, counted) = (None, false, Arc::clone(&queued));
        let entry = Entry { transport, remote, ours, domain, names, alias, known, retired, queue, queued: counted };
        self.open.insert(id, entry);
        self.strangers += usize::from(!known);
        *self.per_source.entry(source).or_default() += 1;
        // Who came by WebSocket is reached by that connection or not at all (RFC 7118 section 5).
        if transport.can_be_dialled() {
            self.by_remote.entry((transport, remote)).or_default().push(id);
        }
        Ok(Place { id, ours, known, messages, queued })
    }

    /// The connection to send by: `flow` while it is open, else one to `remote` that has proven `domain`.
    pub(super) fn find(
        &self,
        flow: Option<u64>,
        transport: Transport,
        remote: SocketAddr,
        domain: Option<&str>,
    ) -> Option<&Entry> {
        if let Some(entry) = flow.and_then(|flow| self.open.get(&flow)).filter(|entry| !entry.retired) {
            return Some(entry);
        }
        let there = self.by_remote.get(&(transport, remote))?;
        there.iter().rev().filter_map(|id| self.open.get(id)).find(|entry| entry.serves(domain))
    }

    /// Nothing more goes by this connection: it is being closed.
    pub(super) fn retire(&mut self, id: u64) {
        if let Some(entry) = self.open.get_mut(&id) {
            entry.retired = true;
        }
    }

    /// The peer has proven these names.
    pub(super) fn proved(&mut self, id: u64, names: Arc<[String]>, known: bool) {
        let Some(entry) = self.open.get_mut(&id) else { return };
        entry.names = names;
        if known && !entry.known {
            entry.known = true;
            self.strangers -= 1;
        }
    }

    /// Requests to `addr` may go by this connection too, which its peer has opened and on which it has proven a name.
    pub(super) fn alias(&mut self, id: u64, addr: SocketAddr) {
        let Some(entry) = self.open.get_mut(&id) else { return };
        if entry.ours || entry.transport != Transport::Tls || entry.names.is_empty() || entry.alias == Some(addr) {
            return;
        }
        let (transport, remote, old) = (entry.transport, entry.remote, entry.alias.replace(addr));
        // Its own address stays its own whatever it was called by.
        if let Some(old) = old
            && old != remote
        {
            self.forget(id, transport, old);
        }
        if addr != remote {
            self.by_remote.entry((transport, addr)).or_default().push(id);
        }
    }

    /// Gives the other address by which requests went to it, if there was one.
    pub(super) fn remove(&mut self, id: u64) -> Option<SocketAddr> {
        let entry = self.open.remove(&id)?;
        self.forget(id, entry.transport, entry.remote);
        if let Some(alias) = entry.alias {
            self.forget(id, entry.transport, alias);
        }
        self.strangers -= usize::from(!entry.known);
        let source = source(entry.remote.ip());
        if let Some(here) = self.per_source.get_mut(&source) {
            *here -= 1;
            if *here == 0 {
                self.per_source.remove(&source);
            }
        }
        entry.alias
    }

    fn forget(&mut self, id: u64, transport: Transport, addr: SocketAddr) {
        if let Some(there) = self.by_remote.get_mut(&(transport, addr)) {
            there.retain(|other| *other != id);
            if there.is_empty() {
                self.by_remote.remove(&(transport, addr));
            }
        }
    }

    pub(super) fn opened(&mut self, transport: Transport) {
        if let Some(at) = TRANSPORTS.iter().position(|other| *other == transport) {
            self.opened[at] += 1;
        }
    }

    /// Each transport with its connections open now, and those opened so far.
    pub(super) fn counts(&self) -> Vec<(Transport, usize, u64)> {
        let open = |transport| self.open.values().filter(|entry| entry.transport == transport).count();
        TRANSPORTS.iter().zip(self.opened).map(|(transport, opened)| (*transport, open(*transport), opened)).collect()
    }

    pub(super) fn strangers(&self) -> usize {
        self.strangers
    }

    pub(super) fn listens_at(&mut self, ip: IpAddr) {
        self.listening.push(ip);
    }

    /// The address to connect to `remote` from: one we listen at, since that is how peers know us; `None`: the system's
    /// choice.
    pub(super) fn own_address(&self, remote: SocketAddr) -> Option<IpAddr> {
        let reaches = |own: &&IpAddr| {
            !own.is_unspecified() && own.is_ipv4() == remote.is_ipv4() && own.is_loopback() == remote.ip().is_loopback()
        };
        self.listening.iter().find(reaches).copied()
    }
}

impl Entry {
    /// Whether a request that needs `domain` proven may go by it.
    fn serves(&self, domain: Option<&str>) -> bool {
        !self.retired && self.has_proven(domain)
    }

    fn has_proven(&self, domain: Option<&str>) -> bool {
        match (self.transport, domain) {
            (Transport::Tls, Some(domain)) if self.ours => {
                self.domain.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(domain))
            }
            (Transport::Tls, Some(domain)) => names::has(&self.names, domain),
            (Transport::Tls, None) => false,
            (Transport::Udp | Transport::Tcp | Transport::Ws | Transport::Wss, _) => true,
        }
    }
}

/// What counts as one source: an IPv4 address; of IPv6 the /64, which is what one customer has.
fn source(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::time::Duration;

    const LIMITS: ConnectionLimits = ConnectionLimits {
        connections: 7,
        per_source: 3,
        connect_within: Duration::ZERO,
        handshake_within: Duration::ZERO,
        idle: Duration::ZERO,
        idle_strangers: Duration::ZERO,
        keepalive: Duration::ZERO,
        stall: Duration::ZERO,
        output: 1,
        output_in_all: 1,
        message: 1,
    };

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn take(table: &mut Table, transport: Transport, remote: &str, known: bool) -> Result<u64, TooMany> {
        let wanted = Wanted { transport, remote: addr(remote), ours: false, domain: None, known };
        table.take(wanted, &LIMITS).map(|place| place.id)
    }

    fn names(of: &[&str]) -> Arc<[String]> {
        of.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn strangers_get_half_of_the_places_and_a_source_its_share() {
        let mut table = Table::default();
        let tcp = |table: &mut Table, remote: &str, known| take(table, Transport::Tcp, remote, known);
        for n in 0..3 {
            assert!(tcp(&mut table, &format!("192.0.2.1:{}", 1000 + n), false).is_ok());
        }
        assert_eq!(tcp(&mut table, "192.0.2.1:2000", false), Err(TooMany::Source));
        assert_eq!(
            tcp(&mut table, "[::ffff:192.0.2.1]:2000", false),
            Err(TooMany::Source),
            "the same in other clothes"
        );
        let fourth = tcp(&mut table, "192.0.2.2:1000", false).unwrap();
        assert_eq!(tcp(&mut table, "192.0.2.3:1000", false), Err(TooMany::Strangers));
        for n in 0..3 {
            assert!(tcp(&mut table, &format!("192.0.2.9:{}", 1000 + n), true).is_ok());
        }
        assert_eq!(tcp(&mut table, "192.0.2.10:1000", true), Err(TooMany::All));
        table.remove(fourth);
        table.remove(fourth);
        assert!(tcp(&mut table, "192.0.2.3:1000", false).is_ok());
    }

    #[test]
    fn addresses_of_one_64_are_one_source() {
        let mut table = Table::default();
        for n in 0..3 {
            assert!(take(&mut table, Transport::Tcp, &format!("[2001:db8::{n}]:5060"), true).is_ok());
        }
        assert_eq!(take(&mut table, Transport::Tcp, "[2001:db8::ffff:1]:5060", true), Err(TooMany::Source));
        assert!(take(&mut table, Transport::Tcp, "[2001:db8:0:1::1]:5060", true).is_ok());
    }

    #[test]
    fn who_proves_a_name_stops_being_a_stranger() {
        let mut table = Table::default();
        let id = take(&mut table, Transport::Tls, "192.0.2.1:1000", false).unwrap();
        assert_eq!(table.strangers(), 1);
        table.proved(id, names(&["pbx.example"]), true);
        table.proved(id, names(&["pbx.example"]), true);
        assert_eq!(table.strangers(), 0);
        table.remove(id);
        assert_eq!((table.strangers(), table.counts()[1]), (0, (Transport::Tls, 0, 0)));
    }

    #[test]
    fn requests_go_by_tls_only_where_their_domain_is_proven() {
        let mut table = Table::default();
        let (source, listens) = (addr("192.0.2.1:40000"), addr("192.0.2.1:5061"));
        let there = |table: &Table, remote, domain| table.find(None, Transport::Tls, remote, domain).is_some();
        let id = take(&mut table, Transport::Tls, "192.0.2.1:40000", true).unwrap();
        table.alias(id, listens);
        assert!(!there(&table, listens, Some("pbx.example")), "nothing is proven");
        table.proved(id, names(&["pbx.example"]), true);
        table.alias(id, listens);
        assert!(there(&table, listens, Some("PBX.example")) && there(&table, source, Some("pbx.example")));
        assert!(!there(&table, listens, Some("other.example")), "RFC 5923 section 9.3: another virtual server");
        assert!(!there(&table, listens, None));
        assert!(table.find(Some(id), Transport::Tls, listens, None).is_some(), "an answer goes back the way it came");
        table.alias(id, addr("192.0.2.1:5999"));
        assert!(!there(&table, listens, Some("pbx.example")), "one at a time");
        table.alias(id, source);
        table.alias(id, addr("192.0.2.1:5999"));
        assert!(there(&table, source, Some("pbx.example")), "its own address stays its own");
        table.retire(id);
        assert!(table.find(Some(id), Transport::Tls, listens, None).is_none());
        assert_eq!(table.remove(id), Some(addr("192.0.2.1:5999")));
        assert!(table.by_remote.is_empty() && table.per_source.is_empty());
    }

    #[test]
    fn a_connection_of_ours_serves_the_domain_it_was_opened_for() {
        let mut table = Table::default();
        let remote = addr("192.0.2.1:5061");
        let wanted =
            Wanted { transport: Transport::Tls, remote, ours: true, domain: Some(Arc::from("a.example")), known: true };
        let place = table.take(wanted, &LIMITS).unwrap();
        table.proved(place.id, names(&["a.example", "b.example"]), true);
        assert!(table.find(None, Transport::Tls, remote, Some("a.example")).is_some());
        assert!(table.find(None, Transport::Tls, remote, Some("b.example")).is_none());
        assert!(table.find(None, Transport::Tcp, remote, None).is_none());
    }

    #[test]
    fn who_came_by_websocket_is_only_reached_by_that_connection() {
        let mut table = Table::default();
        let id = take(&mut table, Transport::Wss, "192.0.2.1:40000", true).unwrap();
        assert!(table.find(None, Transport::Wss, addr("192.0.2.1:40000"), None).is_none());
        assert!(table.find(Some(id), Transport::Wss, addr("192.0.2.1:40000"), None).is_some());
    }
}
