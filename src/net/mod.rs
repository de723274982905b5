//! Sockets: what comes in becomes an [`Input`] of the shard, what the shard wants sent goes out.
//!
//! Only readers wait: a socket that finds the shard's queue full stops reading, and its peer feels that. The shard never
//! waits for a socket: [`Net::deliver`] hands a thing over or gives it back.
//!
//! | file | what |
//! |---|---|
//! | `carrier` | a socket, or TLS on it |
//! | `xmpp` | a task for each component link: connect, negotiate, carry, connect again |
//! | `udp` | a task for each socket |
//! | `probe` | whether somebody is there who does not answer over UDP |
//! | `connections` | a task for each connection of TCP, TLS or WebSocket, taken or made |
//! | `dns` | addresses of next hops |
//! | `federation` | streams between servers |

mod carrier;
mod connections;
mod dns;
pub mod federation;
mod intake;
mod probe;
mod udp;
mod xmpp;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;

use crate::gateway::{Input, Link, Output};
use crate::sip::endpoint::{Origin, Transmit, Undelivered};
use crate::sip::locate::Transport;
use crate::time::{Now, Timestamp};
use crate::xmpp::stanza::Stanza;

pub use connections::{ConnectionLimits, Connections, ConnectionsView};
pub use dns::{Dns, DnsSetup, Dnssec, Found};
pub use federation::FederatedLink;
pub use intake::{Intake, Refused};
pub use probe::Probe;
pub use udp::Udp;
pub use xmpp::{LinkBoard, LinkSetup, LinkView, XmppLink};

/// Inputs on their way to the shard, some at a time.
pub type Batch = Vec<Input>;

/// Batches that may wait for the shard. With up to 64 inputs each, a quarter of a second of full load; beyond it the
/// sockets stop reading and the peers feel the wait.
pub const SHARD_QUEUE: usize = 256;

/// Reads both clocks. The only place that does.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = Timestamp(i64::try_from(wall.as_millis()).unwrap_or(i64::MAX));
        Now { mono: self.start.elapsed(), wall }
    }

    /// The instant of a deadline, for sleeping until it.
    #[must_use]
    pub fn instant(&self, mono: Duration) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.start + mono)
    }
}

/// The shard's end of a link.
pub enum NetLink {
    /// The stream of a component to its server.
    Component(XmppLink),
    /// All streams of a domain that stox serves itself.
    Federated(FederatedLink),
}

impl NetLink {
    /// Hands over what was pushed. What finds no place comes back as an input.
    fn flush(&mut self, number: Link, back: &mut Batch) {
        match self {
            Self::Component(link) => {
                back.extend(link.flush().into_iter().map(|stanza| Input::Unsent(number, stanza)));
            }
            Self::Federated(link) => link.flush(back),
        }
    }
}

/// Where the shard's outputs go.
pub struct Net {
    /// The links, by number.
    pub links: Vec<NetLink>,
    /// The UDP sockets.
    pub udp: Vec<Udp>,
    /// Who asks whether a silent server is there at all.
    pub probe: Probe,
    /// All connections.
    pub connections: Connections,
    /// The resolver.
    pub dns: Dns,
    /// Who is let in: whoever we ask may answer.
    pub intake: Arc<Intake>,
}

impl Net {
    /// Hands everything over. What cannot be handed over comes back in `back`.
    pub fn deliver(&mut self, outputs: &mut Vec<Output>, back: &mut Batch) {
        for output in outputs.drain(..) {
            match output {
                Output::Stanza(link, stanza) => self.stanza(link, stanza, back),
                Output::Transmit(transmit) => self.transmit(transmit, back),
                Output::Locate(lookup, query) => self.dns.ask(lookup, query),
            }
        }
        for (number, link) in self.links.iter_mut().enumerate() {
            link.flush(number, back);
        }
    }

    /// Nothing new is to come from other servers: streams between servers that only bring something are closed. What comes
    /// back at once is added to `back`.
    pub fn drain(&self, back: &mut Batch) {
        self.federated().for_each(|link| link.drain(back));
    }

    /// Whether that is done: all that those streams brought is in the shard's queue, and nothing waits for a stream.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.federated().all(FederatedLink::is_drained)
    }

    /// Ends every stream between servers, behind what was sent on it; none is opened any more. What waits for one comes back
    /// in `back`.
    pub fn end_streams(&self, back: &mut Batch) {
        self.federated().for_each(|link| link.stop(back));
    }

    /// Any of them stands for all: they share their streams.
    fn federated(&self) -> impl Iterator<Item = &FederatedLink> {
        let federated = self.links.iter().filter_map(|link| match link {
            NetLink::Federated(link) => Some(link),
            NetLink::Component(_) => None,
        });
        federated.take(1)
    }

    fn stanza(&mut self, number: Link, stanza: Stanza, back: &mut Batch) {
        match self.links.get_mut(number) {
            Some(NetLink::Component(link)) => link.push(stanza),
            Some(NetLink::Federated(link)) => link.push(stanza),
            None => back.push(Input::Unsent(number, stanza)),
        }
    }

    fn transmit(&mut self, transmit: Transmit, back: &mut Batch) {
        let origin = transmit.origin;
        if matches!(transmit.origin, Origin::Client(..)) {
            self.intake.expect(transmit.remote.ip());
        }
        let sent = match transmit.transport {
            Transport::Udp => match udp_for(&self.udp, transmit.local, transmit.remote) {
                Some(socket) => {
                    if transmit.again {
                        self.probe.ask(transmit.remote, origin);
                    }
                    socket.send(&transmit.bytes, transmit.remote)
                }
                None => Err(Undelivered::Unreachable),
            },
            Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => self.connections.send(transmit),
        };
        if let Err(why) = sent {
            back.push(Input::Undelivered(origin, why));
        }
    }
}

/// The socket to send from: the one the request came to, else one that can reach `remote` at all, else none.
fn udp_for(sockets: &[Udp], local: Option<SocketAddr>, remote: SocketAddr) -> Option<&Udp> {
    let own = local.and_then(|local| sockets.iter().find(|socket| socket.local() == local));
    let loopback = remote.ip().to_canonical().is_loopback();
    let family = |socket: &&Udp| socket.local().is_ipv4() == remote.is_ipv4();
    let same_scope =
        |socket: &&Udp| socket.local().ip().is_unspecified() || socket.local().ip().is_loopback() == loopback;
    own.or_else(|| sockets.iter().filter(family).find(same_scope)).or_else(|| sockets.iter().find(family))
}

/// A sender into the shard's queue.
pub type ToShard = mpsc::Sender<Batch>;

/// Says of something sent on a connection that it did not get there.
pub(crate) fn undelivered(origins: impl IntoIterator<Item = Origin>, why: Undelivered) -> Batch {
    origins.into_iter().map(|origin| Input::Undelivered(origin, why)).collect()
}
