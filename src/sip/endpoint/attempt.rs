//! One try at one target: its branch and Via, its bytes, and how responses find it.

use std::sync::Arc;

use super::client::{Client, Machine};
use super::{Alarm, ClientId, Endpoint, EndpointConfig, Origin, SentBy, Target, Transmit, Transport, sent_by};
use crate::ids::MAGIC_COOKIE;
use crate::sip::message::header::Via;
use crate::sip::message::{Method, lex};
use crate::sip::transaction::key::mark_text;
use crate::time::Now;

/// The length of a branch of ours: the cookie and a token.
const BRANCH_LEN: usize = MAGIC_COOKIE.len() + 26;

impl Endpoint {
    /// No response to this attempt means anything any more.
    pub(super) fn end_attempt(&mut self, id: ClientId) {
        let Some(client) = self.clients.get(&id) else { return };
        self.client_keys.remove(&client.key);
        if client.target.transport.is_reliable()
            && let Some(count) = self.connections.get_mut(&client.target)
        {
            *count -= 1;
            if *count == 0 {
                self.connections.remove(&client.target);
            }
        }
    }

    /// Starts the attempt at the next target, if there is one.
    pub(super) fn go_on(&mut self, id: ClientId, now: Now) -> bool {
        let Some((target, switched)) = self.clients.get_mut(&id).and_then(|client| client.more.as_mut()?.rest.next())
        else {
            return false;
        };
        let Some(mut client) = self.clients.remove(&id) else { return false };
        self.stats.failovers += 1;
        client.target = target;
        client.switched = switched;
        client.attempt += 1;
        client.machine = Machine::start(&client.method, &self.config.timing, target.transport.is_reliable(), now);
        let printed = std::mem::take(&mut client.bytes);
        self.start_attempt(id, &mut client, &printed, now);
        self.clients.insert(id, client);
        true
    }

    /// Puts a new Via into the request and sends it. RFC 3261 section 8.1.2: each try is a new transaction.
    pub(super) fn start_attempt(&mut self, id: ClientId, client: &mut Client, printed: &[u8], now: Now) {
        let transport = client.target.transport;
        let more = client.more.as_deref();
        let branch = self.branch(more.and_then(|more| more.mark));
        let is_last = more.is_none_or(|more| more.rest.len() == 0);
        let line = self.via_line(transport, &branch);
        let (start, end) = (client.via.0 as usize, client.via.1 as usize);
        let bytes = with_line(printed, (start, end), &line);
        client.via.1 = narrow(start + line.len());
        client.key = self.keys.client(branch.as_bytes(), client.method.as_str().as_bytes());
        self.open_attempt(id, client, now);
        if client.method == Method::Invite || !(transport.is_reliable() && is_last) {
            client.bytes = Box::from(bytes.as_slice());
        }
        let origin = Origin::Client(id, client.attempt);
        let flow = client.more.as_ref().and_then(|more| more.flow).filter(|_| client.attempt == 0);
        self.transmits.push_back(Transmit { flow, ..transmit(client.target, client.domain.clone(), origin, bytes) });
    }

    /// From now on a response to `client` is found, and its clock runs.
    pub(super) fn open_attempt(&mut self, id: ClientId, client: &mut Client, now: Now) {
        self.client_keys.insert(client.key, id);
        if client.target.transport.is_reliable() {
            *self.connections.entry(client.target).or_default() += 1;
        }
        client.alarm = client.alarm.wrapping_add(1);
        if let Some(at) = client.machine.next_timeout() {
            self.alarms.set(Alarm::Client(id, client.alarm), at, now);
        }
    }

    pub(super) fn branch(&mut self, mark: Option<u64>) -> String {
        let mut branch = self.ids.branch();
        if let Some(mark) = mark {
            branch.push('.');
            branch.push_str(&mark_text(mark));
        }
        branch
    }

    /// `rport` only means something over UDP (RFC 3581 section 3).
    pub(super) fn via_line(&self, transport: Transport, branch: &str) -> Vec<u8> {
        let mut line = Vec::with_capacity(80 + BRANCH_LEN);
        line.extend_from_slice(b"Via: SIP/2.0/");
        line.extend_from_slice(transport.token().as_bytes());
        line.push(b' ');
        if let Some(SentBy { host, port }) = self.sent_by(transport) {
            line.extend_from_slice(host.as_bytes());
            if let Some(port) = port {
                line.push(b':');
                lex::push_number(u64::from(*port), &mut line);
            }
        }
        line.extend_from_slice(b";branch=");
        line.extend_from_slice(branch.as_bytes());
        if transport == Transport::Udp {
            line.extend_from_slice(b";rport");
        }
        line.extend_from_slice(b"\r\n");
        line
    }

    pub(super) fn via_len(&self, transport: Transport) -> usize {
        self.via_line(transport, "").len() + BRANCH_LEN
    }

    /// RFC 3261 section 18.1.2: a response whose top Via is not ours was not meant for us.
    pub(super) fn is_ours(&self, top: &Via) -> bool {
        self.config.sent_by.iter().any(|(transport, sent_by)| {
            let default = transport.default_port();
            top.host_text().eq_ignore_ascii_case(&sent_by.host)
                && top.port.unwrap_or(default) == sent_by.port.unwrap_or(default)
        })
    }
}

/// The targets that can be tried and whether each was switched from UDP to TCP. With `open` the first is a connection that is
/// there already.
pub(super) fn usable(config: &EndpointConfig, targets: Vec<Target>, to_tcp: bool, open: bool) -> Vec<(Target, bool)> {
    let switch = |target: Target| match target.transport {
        Transport::Udp if to_tcp => (Target { transport: Transport::Tcp, ..target }, true),
        Transport::Udp | Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => (target, false),
    };
    let mut usable: Vec<(Target, bool)> = Vec::with_capacity(targets.len());
    for (target, switched) in targets.into_iter().map(switch) {
        let known = usable.iter().any(|(other, _)| *other == target);
        let reached = target.transport.can_be_dialled() || (open && usable.is_empty());
        let possible = reached && sent_by(config, target.transport).is_some();
        if possible && !known {
            usable.push((target, switched));
        }
    }
    usable
}

/// `printed` with `line` in the place of what is at `old`.
pub(super) fn with_line(printed: &[u8], old: (usize, usize), line: &[u8]) -> Vec<u8> {
    let before = printed.get(..old.0).unwrap_or(printed);
    let after = printed.get(old.1..).unwrap_or_default();
    let mut bytes = Vec::with_capacity(before.len() + line.len() + after.len());
    bytes.extend_from_slice(before);
    bytes.extend_from_slice(line);
    bytes.extend_from_slice(after);
    bytes
}

pub(super) fn transmit(target: Target, domain: Option<Arc<str>>, origin: Origin, bytes: Vec<u8>) -> Transmit {
    let Target { transport, addr: remote } = target;
    Transmit { transport, local: None, remote, flow: None, domain, bytes, origin, again: false }
}

/// Offsets fit: no message is 4 GiB long.
pub(super) fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}
