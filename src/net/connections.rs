//! SIP over connections: TCP, TLS and WebSocket. A task for each connection, whoever made it.
//!
//! ```text
//!  accept --+-- TCP ------------------------+
//!           +-- TLS handshake --+-----------+--> Carrier (bytes) x Codec (messages) = Connection
//!  dial  ---+-- TLS handshake --+           |
//!                               +-- HTTP ---+   (WebSocket: its handshake is the codec's)
//! ```
//! A response goes by the connection its request came on while that is open, else by a new one (RFC 3261 section 18.2.2);
//! a request goes by a connection to its target, else by a new one (section 18.1.1). Over TLS the connection must have
//! proven the domain of the request: one of ours was opened for it, one of the peer's shows a certificate that names it
//! (RFC 5923 sections 8 and 9).

mod accept;
mod clocks;
mod codec;
mod connection;
mod dial;
mod handshake;
mod table;
mod websocket;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::sync::mpsc;

use super::intake::Intake;
use super::{Clock, ToShard, undelivered};
use crate::gateway::Input;
use crate::gateway::rate::{Limiter, Rate};
use crate::sip::endpoint::{Flow, Transmit, Undelivered};
use crate::sip::locate::Transport;
use crate::tls::Store;
use connection::Connection;
use table::{Place, Table};

/// What bounds the connections.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Connections in all; half of them are kept for peers that are known.
    pub connections: usize,
    /// Connections from or to one address; of IPv6, from or to one /64.
    pub per_source: usize,
    /// How long making one may take.
    pub connect_within: Duration,
    /// How long the handshake of TLS may take, and that of WebSocket.
    pub handshake_within: Duration,
    /// Without traffic for so long, one is closed.
    pub idle: Duration,
    /// The same for a connection of nobody we know; keep-alives do not count.
    pub idle_strangers: Duration,
    /// How often a connection of ours that is quiet is probed (RFC 5626 section 4.4.1).
    pub keepalive: Duration,
    /// A message begun must be complete within this time, and one that is written must be taken.
    pub stall: Duration,
    /// Bytes that may wait to be written to one.
    pub output: usize,
    /// Bytes that may wait to be written to all of them.
    pub output_in_all: usize,
    /// The largest body, bytes.
    pub message: usize,
}

/// All connections.
#[derive(Clone)]
pub struct Connections {
    shared: Arc<Shared>,
}

/// How it stands with the connections, for the metrics page.
#[derive(Clone, Debug)]
pub struct ConnectionsView {
    /// Each transport with the connections open now and those opened so far.
    pub transports: Vec<(Transport, usize, u64)>,
    /// Connections open now of nobody we know.
    pub strangers: usize,
    /// Bytes that wait to be written.
    pub waiting: usize,
    /// TLS and WebSocket handshakes that failed.
    pub failed_handshakes: u64,
}

struct Shared {
    limits: ConnectionLimits,
    clock: Clock,
    shard: ToShard,
    intake: Arc<Intake>,
    tls: Arc<Store>,
    table: Mutex<Table>,
    /// Bytes that wait for all connections together.
    waiting: AtomicUsize,
    failed_handshakes: AtomicU64,
    /// Lines about peers that TLS refused.
    lines: Limiter,
}

/// So many are written: enough to see what is wrong, and no more than a log bears.
const LINES: Rate = Rate { per_second: 10, burst: 50 };

impl Connections {
    /// No connections yet.
    #[must_use]
    pub fn new(limits: ConnectionLimits, clock: Clock, shard: ToShard, intake: Arc<Intake>, tls: Arc<Store>) -> Self {
        let shared = Shared {
            limits,
            clock,
            shard,
            intake,
            tls,
            table: Mutex::default(),
            waiting: AtomicUsize::new(0),
            failed_handshakes: AtomicU64::new(0),
            lines: Limiter::new(LINES),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Listens at `addr` and takes connections from then on; gives the address that was bound.
    ///
    /// # Errors
    /// What the system says: in use, not ours, not allowed.
    pub fn listen(&self, transport: Transport, addr: SocketAddr) -> io::Result<SocketAddr> {
        let socket = socket2::Socket::new(socket2::Domain::for_address(addr), socket2::Type::STREAM, None)?;
        if addr.is_ipv6() {
            // As over UDP: [::] is every address of IPv6 and of nothing else.
            socket.set_only_v6(true)?;
        }
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&addr.into())?;
        let listener = TcpSocket::from_std_stream(socket.into()).listen(1_024)?;
        let local = listener.local_addr()?;
        self.shared.table().listens_at(local.ip());
        tokio::spawn(accept::accept(Arc::clone(&self.shared), transport, listener));
        Ok(local)
    }

    /// Sends by the connection `flow` while that is open, else by one to `remote`, which is made if there is none.
    ///
    /// # Errors
    /// Too many connections, too much waits for this one or for all, or there is no way to open one.
    pub fn send(&self, transmit: Transmit) -> Result<(), Undelivered> {
        let shared = &self.shared;
        if shared.waiting.load(Ordering::Relaxed) >= shared.limits.output_in_all {
            return Err(Undelivered::QueueFull);
        }
        let message = Outgoing { bytes: transmit.bytes, origin: transmit.origin };
        {
            let table = shared.table();
            let domain = transmit.domain.as_deref();
            if let Some(entry) = table.find(transmit.flow, transmit.transport, transmit.remote, domain) {
                return shared.enqueue(&entry.queue, &entry.queued, message);
            }
        }
        if !transmit.transport.can_be_dialled() {
            return Err(Undelivered::Closed);
        }
        if transmit.transport == Transport::Tls && transmit.domain.is_none() {
            // Nobody is known that the certificate would have to name.
            return Err(Undelivered::Closed);
        }
        dial::dial(shared, transmit.transport, transmit.remote, transmit.domain, message)
    }

    /// How it stands now.
    #[must_use]
    pub fn view(&self) -> ConnectionsView {
        let table = self.shared.table();
        ConnectionsView {
            transports: table.counts(),
            strangers: table.strangers(),
            waiting: self.shared.waiting.load(Ordering::Relaxed),
            failed_handshakes: self.shared.failed_handshakes.load(Ordering::Relaxed),
        }
    }
}

/// A message for the peer.
struct Outgoing {
    bytes: Vec<u8>,
    origin: crate::sip::endpoint::Origin,
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the log has room for another line about a peer that TLS refused.
    fn may_tell(&self) -> bool {
        self.lines.take(self.clock.now().mono).is_ok()
    }

    fn enqueue(
        &self,
        queue: &mpsc::Sender<Outgoing>,
        queued: &AtomicUsize,
        message: Outgoing,
    ) -> Result<(), Undelivered> {
        if queued.load(Ordering::Relaxed) >= self.limits.output {
            return Err(Undelivered::QueueFull);
        }
        let length = message.bytes.len();
        match queue.try_send(message) {
            Ok(()) => {
                queued.fetch_add(length, Ordering::Relaxed);
                self.waiting.fetch_add(length, Ordering::Relaxed);
                Ok(())
            }
            Err(mpsc::error::TrySendError::Full(_)) => Err(Undelivered::QueueFull),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Undelivered::Closed),
        }
    }

    /// Bytes that no longer wait, because they were written.
    fn written(&self, queued: &AtomicUsize, bytes: usize) {
        queued.fetch_sub(bytes, Ordering::Relaxed);
        self.waiting.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// The connection is over, or was never made; what still waited for it is told so.
    async fn close(&self, place: &mut Place, flow: Option<Flow>, why: Undelivered) {
        let alias = self.table().remove(place.id);
        place.messages.close();
        let mut origins = Vec::new();
        while let Ok(message) = place.messages.try_recv() {
            origins.push(message.origin);
        }
        self.waiting.fetch_sub(place.queued.swap(0, Ordering::Relaxed), Ordering::Relaxed);
        let mut batch = undelivered(origins, why);
        // Requests that went by its other address (RFC 5923) are told of under that.
        let alias = flow.zip(alias).map(|(flow, remote)| Flow { remote, ..flow });
        batch.extend(flow.into_iter().chain(alias).map(Input::FlowClosed));
        if !batch.is_empty() {
            let _ = self.shard.send(batch).await;
        }
    }

    /// Carries one connection until it ends.
    async fn carry(&self, carrier: super::carrier::Carrier, flow: Flow, names: Arc<[String]>, mut place: Place) {
        if !names.is_empty() {
            place.known |= self.intake.is_peer(&flow, &names);
            self.table().proved(place.id, Arc::clone(&names), place.known);
            if !place.known {
                let first: Vec<&str> = names.iter().take(5).map(String::as_str).collect();
                tracing::info!(remote = %flow.remote, "TLS proves {}, and no peer is known by that", first.join(", "));
            }
            // Nobody hears it only when nobody is there any more; then the connection ends by itself.
            let _ = self.shard.send(vec![Input::FlowOpened(flow, Arc::clone(&names))]).await;
        }
        self.table().opened(flow.transport);
        let connection = Connection::new(carrier, flow, names, &place, self);
        connection.run(&mut place.messages, self).await;
        self.close(&mut place, Some(flow), Undelivered::Closed).await;
    }
}
