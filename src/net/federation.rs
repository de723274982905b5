//! Server-to-server streams: what of them needs sockets.
//!
//! ```text
//!  shard --> Federated --> hub (the federation) --> line --> task of a stream <--> peer
//!    ^                        |  ^---- reports ------------------'  |
//!    `------ bounces ---------'                                      |
//!    `------ stanzas ------------------------------------------------'
//! ```
//! | file | what |
//! |---|---|
//! | `hub` | the federation, and where its wishes go |
//! | `line` | commands on their way to one stream |
//! | `accept` | streams that others open, and how many |
//! | `dial` | streams that we open: locate, connect |
//! | `handshake` | TLS in both roles |
//! | `stream` | one stream while it is open |
//! | `pace` | how fast it is read |
//! | `tell` | the log |
//! | `expiry` | until when the peer's certificate is good |
//! | `view` | counts for the metrics page |
//! | `associate` | whether a certificate is that of a domain's server, if need be by asking the domain (RFC 7712) |
//! | `posh` | what a domain says of it over HTTPS (RFC 7711) |

mod accept;
pub mod associate;
mod dial;
mod expiry;
mod handshake;
mod hub;
mod line;
mod pace;
pub mod posh;
mod stream;
mod tell;
mod view;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::sync::Notify;

use super::{Batch, Clock, Dns, ToShard};
use crate::gateway::{Input, Link};
use crate::ids::Ids;
use crate::tls::xmpp::{Start, Store};
use crate::xmpp::federation::{self, Federation};
use crate::xmpp::stanza::Stanza;
use crate::xmpp::stream::ServerConfig;
use associate::Associations;
use hub::Hub;

pub use view::FederationView;

/// How the domains that stox serves itself reach others.
pub struct FederationSetup {
    /// The domains, spelled as JIDs have them, with the numbers of their links.
    pub domains: Vec<(String, Link)>,
    /// Every stream.
    pub stream: ServerConfig,
    /// All of them together.
    pub federation: federation::Settings,
    /// Our certificates.
    pub tls: Arc<Store>,
    /// Who judges those of others.
    pub associations: Associations,
    /// How long one connection may take, and one TLS handshake.
    pub connect_within: Duration,
    /// Streams that others may have open to us, all together.
    pub connections: usize,
    /// The same of one address; of IPv6, one /64.
    pub per_source: usize,
    /// Ids of streams, and chance.
    pub ids: Ids,
}

/// All streams between this server and others; clones are the same.
#[derive(Clone)]
pub struct Federated {
    shared: Arc<Shared>,
}

struct Shared {
    links: HashMap<String, Link>,
    config: Arc<ServerConfig>,
    tls: Arc<Store>,
    associations: Associations,
    connect_within: Duration,
    clock: Clock,
    shard: ToShard,
    dns: Dns,
    hub: Mutex<Hub>,
    /// The clock of the federation has to ring sooner than it was told.
    sooner: Notify,
    doors: Mutex<accept::Doors>,
    ids: Mutex<Ids>,
    teller: tell::Teller,
    handshakes: handshake::Handshakes,
    proofs: view::Proofs,
    /// Connections that were not taken.
    refused: AtomicU64,
    /// Stanzas that could not be used.
    unusable: AtomicU64,
    /// Messages that came when nobody was there any more to take or refuse them.
    late: AtomicU64,
}

impl Federated {
    /// No streams yet. The domains are up at once: whatever is sent finds its way or comes back.
    #[must_use]
    pub fn start(setup: FederationSetup, clock: Clock, shard: ToShard, dns: Dns) -> Self {
        let FederationSetup { mut ids, .. } = setup;
        let shared = Arc::new(Shared {
            links: setup.domains.into_iter().collect(),
            config: Arc::new(setup.stream),
            tls: setup.tls,
            associations: setup.associations,
            connect_within: setup.connect_within,
            clock,
            shard,
            dns,
            hub: Mutex::new(Hub::new(Federation::new(setup.federation, ids.fork()))),
            sooner: Notify::new(),
            doors: Mutex::new(accept::Doors::new(setup.connections, setup.per_source)),
            ids: Mutex::new(ids),
            teller: tell::Teller::new(),
            handshakes: handshake::Handshakes::default(),
            proofs: view::Proofs::default(),
            refused: AtomicU64::new(0),
            unusable: AtomicU64::new(0),
            late: AtomicU64::new(0),
        });
        tokio::spawn(Arc::clone(&shared).keep_time());
        let mut up: Batch = shared.links.values().map(|link| Input::LinkUp(*link)).collect();
        let first = Arc::clone(&shared);
        tokio::spawn(async move { first.hand_over(&mut up).await });
        Self { shared }
    }

    /// Takes streams at `addr` from now on; `start`: whether TLS begins with the first byte. Gives the address that was
    /// bound.
    ///
    /// # Errors
    /// What the system says: in use, not ours, not allowed.
    pub fn listen(&self, start: Start, addr: SocketAddr) -> io::Result<SocketAddr> {
        let socket = socket2::Socket::new(socket2::Domain::for_address(addr), socket2::Type::STREAM, None)?;
        if addr.is_ipv6() {
            // As with SIP: [::] is every address of IPv6 and of nothing else.
            socket.set_only_v6(true)?;
        }
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&addr.into())?;
        let listener = TcpSocket::from_std_stream(socket.into()).listen(1_024)?;
        let local = listener.local_addr()?;
        tokio::spawn(accept::accept(Arc::clone(&self.shared), start, listener));
        Ok(local)
    }

    /// Messages that came while the streams were being closed, too late for the shard, and of which their servers have not
    /// been told that they were not taken.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.shared.late.load(Ordering::Relaxed)
    }

    /// Whether no stream is left, once the shard has ended all of them.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.shared.hub().federation.is_over()
    }

    /// The link of one domain.
    #[must_use]
    pub fn link(&self) -> FederatedLink {
        FederatedLink { shared: Arc::clone(&self.shared), waiting: Vec::new() }
    }
}

/// The shard's end of the link of one domain.
pub struct FederatedLink {
    shared: Arc<Shared>,
    waiting: Vec<Stanza>,
}

impl FederatedLink {
    /// Adds a stanza to the next [`flush`](Self::flush).
    pub(super) fn push(&mut self, stanza: Stanza) {
        self.waiting.push(stanza);
    }

    /// Sends the stanzas; what comes back at once goes to `back`.
    pub(super) fn flush(&mut self, back: &mut Batch) {
        if !self.waiting.is_empty() {
            self.shared.send(self.waiting.drain(..), back);
        }
    }

    /// Nothing new is taken, of any domain: [`Federation::drain`]. The shard is woken when [`Self::is_drained`].
    pub(super) fn drain(&self, back: &mut Batch) {
        self.shared.drain(back);
    }

    /// Whether everything has come that streams may bring which take nothing new, and is in the shard's queue.
    pub(super) fn is_drained(&self) -> bool {
        self.shared.hub().federation.is_drained()
    }

    /// Every stream of every domain ends; what waits comes back.
    pub(super) fn stop(&self, back: &mut Batch) {
        self.shared.stop(back);
    }
}

impl Shared {
    fn hub(&self) -> MutexGuard<'_, Hub> {
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn doors(&self) -> MutexGuard<'_, accept::Doors> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fork_ids(&self) -> Ids {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).fork()
    }

    fn count_unusable(&self) {
        self.unusable.fetch_add(1, Ordering::Relaxed);
    }
}
