//! Bytes from a SIP peer become an input, or nothing.
//!
//! Peers are read, and what of them cannot be read is answered as its RFC says (RFC 4475). Strangers cost as little as can
//! be and get as little, so that a flood of theirs starves nobody, and we are no mirror to aim at somebody else:
//!
//! | from | is |
//! |---|---|
//! | a peer | read |
//! | a stranger, `unknown_source = "drop"` | dropped, unread |
//! | a stranger, `unknown_source = "refuse"` | read and refused so many times a second ([`ANSWERS`], and [`ANSWERS_PER_NETWORK`]), dropped, unread, beyond; over UDP the answer is no longer than the request |
//! | somebody who might prove an account | read so many times a second ([`LOGINS`]); the gateway asks for the proof |
//! | a response of somebody we have sent a request to | read: the next hops that DNS names are no peers by address |
//!
//! None of these waits in the shard's queue, except what is read. Everything refused is named in the log
//! ([`crate::gateway::refused`]).
//!
//! Trust and limits are the gateway's own types; this is only the place where they cost least. The rates are counted
//! with the rim's clock.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tracing::debug;

use super::Clock;
use crate::gateway::Input;
use crate::gateway::rate::{Limiter, Limiters, Rate};
use crate::gateway::refused::{Reason, Refusals, network};
use crate::gateway::trust::{Source, Standing, Stranger, Trust};
use crate::sip::endpoint::{Flow, Inbound};
use crate::sip::locate::Transport;
use crate::sip::message::{Message, Method, ParseError, Response, Status, wire};

/// Answers to strangers, all together: an administrator who forgot an entry sees why at once, and a flood gets a trickle.
const ANSWERS: Rate = Rate { per_second: 50, burst: 100 };

/// Answers to strangers of one address, or of one /64: what a person trying things needs.
const ANSWERS_PER_NETWORK: Rate = Rate { per_second: 5, burst: 10 };

/// Requests of those who might prove an account, from one address or /64: each account that is a PBX has a
/// `[[sip.peer]]` with its networks if it needs more. Passwords are guessed no faster.
const LOGINS: Rate = Rate { per_second: 20, burst: 40 };

/// The same, all together: what the digests of a flood may cost.
const LOGINS_IN_ALL: Rate = Rate { per_second: 500, burst: 500 };

/// Connections of strangers, from one address or /64.
const CONNECTIONS: Rate = Rate { per_second: 5, burst: 20 };

/// Networks whose rates are counted, 64 bytes each.
const NETWORKS: usize = 16_384;

/// Addresses that we have sent requests to: next hops, of which there are few. Beyond it they are collected anew.
const EXPECTED: usize = 4_096;

/// The longest message of a stranger that is read, bytes: all that a request without a body needs.
const STRANGERS_MESSAGE: usize = 4_096;

/// What is yet to be added to an answer, bytes, over IPv4 and IPv6: `received`, the number of `rport`, and a To tag.
const ANSWER_OVERHEAD: (usize, usize) = (64, 88);

/// How often lines that found no room in the log are offered again.
const LOG_AGAIN: Duration = Duration::from_millis(500);

/// What all SIP sockets share.
pub struct Intake {
    trust: ArcSwap<Trust>,
    clock: Clock,
    doors: Mutex<Doors>,
    expected: Mutex<HashSet<IpAddr>>,
    /// What was not let in.
    pub refused: Refused,
}

/// The rates of strangers.
struct Doors {
    answers: Limiter,
    answers_per_network: Limiters<IpAddr>,
    logins: Limiter,
    logins_per_network: Limiters<IpAddr>,
    connections: Limiters<IpAddr>,
    refusals: Refusals,
}

/// Counts of what was not let in.
#[derive(Debug, Default)]
pub struct Refused {
    /// Messages that could not be read and were answered.
    pub answered: AtomicU64,
    /// Messages that could not be read, nor answered.
    pub unreadable: AtomicU64,
    /// Messages from unknown sources, refused or not read.
    pub strangers: AtomicU64,
    /// Connections refused because there are too many.
    pub connections: AtomicU64,
}

/// What becomes of a message.
#[derive(Debug)]
pub(super) enum Taken {
    /// The gateway hears of it.
    Input(Input),
    /// Its sender gets this answer and nothing more: a connection is closed behind it.
    Refused(Response),
    /// Nothing, and a connection is closed.
    Closed,
    /// Nothing.
    Nothing,
}

impl Intake {
    /// Lets in what `trust` says.
    #[must_use]
    pub fn new(trust: Trust, clock: Clock) -> Self {
        let doors = Doors {
            answers: Limiter::new(ANSWERS),
            answers_per_network: Limiters::new(ANSWERS_PER_NETWORK, NETWORKS),
            logins: Limiter::new(LOGINS_IN_ALL),
            logins_per_network: Limiters::new(LOGINS, NETWORKS),
            connections: Limiters::new(CONNECTIONS, NETWORKS),
            refusals: Refusals::default(),
        };
        Self {
            trust: ArcSwap::from_pointee(trust),
            clock,
            doors: Mutex::new(doors),
            expected: Mutex::default(),
            refused: Refused::default(),
        }
    }

    /// The peers' addresses were looked up anew.
    pub fn trust(&self, trust: Trust) {
        self.trust.store(Arc::new(trust));
    }

    /// Writes the lines of refused sources that the log has had no room for, for as long as the process runs.
    pub async fn tend(&self) {
        loop {
            tokio::time::sleep(LOG_AGAIN).await;
            let now = self.clock.now().mono;
            let mut doors = self.doors();
            if doors.refusals.waits() {
                doors.refusals.log(now);
            }
        }
    }

    /// A request of ours goes to `ip`, so its responses are to be read.
    pub(super) fn expect(&self, ip: IpAddr) {
        let mut expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
        if !expected.contains(&ip) {
            if expected.len() >= EXPECTED {
                expected.clear();
            }
            expected.insert(ip);
        }
    }

    /// Whether a connection that `flow` describes is taken. Before anything came on it, only the address is known, and
    /// what TLS may prove yet is taken for proven.
    pub(super) fn admits(&self, flow: &Flow) -> bool {
        let admitted = match self.trust.load().standing_of_connection(&Source::of(flow, &[])) {
            Standing::Peer => return true,
            Standing::Stranger(Stranger::Drop) => Err(Reason::Unknown),
            Standing::Unproven | Standing::Stranger(Stranger::Refuse) => {
                let now = self.clock.now().mono;
                self.doors().connections.take(&network(flow.remote.ip()), now).map_err(|_| Reason::Connections)
            }
        };
        if let Err(reason) = admitted {
            let count = if reason == Reason::Unknown { &self.refused.strangers } else { &self.refused.connections };
            count.fetch_add(1, Ordering::Relaxed);
            self.note(flow.remote.ip(), reason, None);
        }
        admitted.is_ok()
    }

    /// Whether the other end of a connection is nobody yet, so that it has no claim to the places kept for peers.
    pub(super) fn is_stranger(&self, flow: &Flow) -> bool {
        self.trust.load().standing_of_connection(&Source::of(flow, &[])) != Standing::Peer
    }

    /// Whether the other end of `flow`, which has proven `names`, is a peer, so that a place is kept for its connection.
    pub(super) fn is_peer(&self, flow: &Flow, names: &[String]) -> bool {
        self.trust.load().standing(&Source::of(flow, names)) == Standing::Peer
    }

    /// Names a source in the log: its connection, or what it sent, was refused.
    pub(super) fn note(&self, source: IpAddr, reason: Reason, method: Option<&str>) {
        let now = self.clock.now().mono;
        let mut doors = self.doors();
        doors.refusals.note(source, reason, method, now);
        doors.refusals.log(now);
    }

    /// Reads one message that came by `flow`, whose other end has proven `names`.
    pub(super) fn take(&self, bytes: &[u8], flow: Flow, names: &[String]) -> Taken {
        let standing = self.trust.load().standing(&Source::of(&flow, names));
        let is_next_hop = standing != Standing::Peer && self.expects(flow.remote.ip());
        if is_next_hop && is_response(bytes) {
            return self.read(bytes, flow);
        }
        let taken = match standing {
            Standing::Peer => self.read(bytes, flow),
            Standing::Unproven => self.take_unproven(bytes, flow),
            Standing::Stranger(Stranger::Drop) => self.drop(bytes, &flow, Reason::Unknown),
            Standing::Stranger(Stranger::Refuse) => self.refuse(bytes, flow),
        };
        match taken {
            // Our own requests may be on that connection.
            Taken::Refused(response) if is_next_hop => Taken::Input(Input::Unreadable(response, flow)),
            Taken::Closed if is_next_hop => Taken::Nothing,
            taken @ (Taken::Input(_) | Taken::Refused(_) | Taken::Closed | Taken::Nothing) => taken,
        }
    }

    /// The answer to something that could not be framed, if there may be one.
    pub(super) fn refusal(&self, error: &ParseError, flow: &Flow, names: &[String]) -> Option<Response> {
        if self.trust.load().standing(&Source::of(flow, names)) != Standing::Peer {
            self.note(flow.remote.ip(), Reason::Malformed, None);
        }
        self.count_unreadable(error)
    }

    fn read(&self, bytes: &[u8], flow: Flow) -> Taken {
        match wire::parse(bytes) {
            Ok(message) => Taken::Input(Input::Sip(Inbound { message, flow })),
            Err(error) => {
                debug!(source = %flow.remote, %error, "a SIP message could not be read");
                self.count_unreadable(&error)
                    .map_or(Taken::Nothing, |response| Taken::Input(Input::Unreadable(response, flow)))
            }
        }
    }

    fn take_unproven(&self, bytes: &[u8], flow: Flow) -> Taken {
        let (ip, now) = (flow.remote.ip(), self.clock.now().mono);
        let allowed = {
            let mut doors = self.doors();
            doors.logins_per_network.take(&network(ip), now).is_ok() && doors.logins.take(now).is_ok()
        };
        if !allowed {
            return self.drop(bytes, &flow, Reason::Attempts);
        }
        if let Err(error) = wire::parse(bytes) {
            return self.refuse_unreadable(&error, bytes, flow);
        }
        self.read(bytes, flow)
    }

    /// 403 to a stranger, if there is one left.
    fn refuse(&self, bytes: &[u8], flow: Flow) -> Taken {
        if bytes.len() > STRANGERS_MESSAGE || !self.may_answer(flow.remote.ip()) {
            return self.drop(bytes, &flow, Reason::Unknown);
        }
        let request = match wire::parse(bytes) {
            Ok(Message::Request(request)) => request,
            // A response to nothing that we remember: perhaps of a next hop with several addresses.
            Ok(message @ Message::Response(_)) => return Taken::Input(Input::Sip(Inbound { message, flow })),
            Err(error) => return self.refuse_unreadable(&error, bytes, flow),
        };
        self.refused.strangers.fetch_add(1, Ordering::Relaxed);
        self.note(flow.remote.ip(), Reason::Unknown, Some(request.method.as_str()));
        if request.method == Method::Ack {
            return Taken::Nothing;
        }
        answer(request.response(Status::FORBIDDEN), bytes, flow)
    }

    fn refuse_unreadable(&self, error: &ParseError, bytes: &[u8], flow: Flow) -> Taken {
        self.note(flow.remote.ip(), Reason::Malformed, method_of(bytes));
        match self.count_unreadable(error) {
            Some(response) => answer(response, bytes, flow),
            None => Taken::Closed,
        }
    }

    fn drop(&self, bytes: &[u8], flow: &Flow, reason: Reason) -> Taken {
        self.refused.strangers.fetch_add(1, Ordering::Relaxed);
        self.note(flow.remote.ip(), reason, method_of(bytes));
        Taken::Closed
    }

    fn may_answer(&self, ip: IpAddr) -> bool {
        let now = self.clock.now().mono;
        let mut doors = self.doors();
        doors.answers_per_network.take(&network(ip), now).is_ok() && doors.answers.take(now).is_ok()
    }

    fn count_unreadable(&self, error: &ParseError) -> Option<Response> {
        let response = error.response();
        let count = if response.is_some() { &self.refused.answered } else { &self.refused.unreadable };
        count.fetch_add(1, Ordering::Relaxed);
        response
    }

    fn expects(&self, ip: IpAddr) -> bool {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner).contains(&ip)
    }

    fn doors(&self) -> MutexGuard<'_, Doors> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer to a stranger. Over UDP, where its source may be forged, it is no longer than what it answers.
fn answer(response: Response, request: &[u8], flow: Flow) -> Taken {
    if flow.transport != Transport::Udp {
        return Taken::Refused(response);
    }
    let mut printed = Vec::with_capacity(request.len());
    response.print(&mut printed);
    let overhead = if flow.remote.is_ipv4() { ANSWER_OVERHEAD.0 } else { ANSWER_OVERHEAD.1 };
    if printed.len() + overhead > request.len() {
        return Taken::Nothing;
    }
    Taken::Input(Input::Unreadable(response, flow))
}

fn is_response(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_start();
    text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/"))
}

/// The first word, if it looks like a method; for the log, of what is not read.
fn method_of(bytes: &[u8]) -> Option<&str> {
    let text = bytes.get(..bytes.len().min(32))?.trim_ascii_start();
    let end = text.iter().position(|byte| *byte == b' ')?;
    std::str::from_utf8(&text[..end]).ok()
}

#[cfg(test)]
mod tests;
