//! SIP over TCP: a task for each connection, whoever made it.
//!
//! A response goes by the connection its request came on while that is open, else by a new one (RFC 3261 section 18.2.2);
//! a request goes by any connection to its target, else by a new one (section 18.1.1).

mod connection;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::intake::Intake;
use super::{Clock, ToShard, undelivered};
use crate::gateway::refused::Reason;
use crate::sip::endpoint::{Flow, Origin, Undelivered};
use crate::sip::locate::Transport;
use connection::{Connection, Outgoing};

/// Messages that may wait for one connection: more than `tcp_output` holds of the smallest, so that it is the bytes that
/// bound. An answer that finds no room is lost, because over TCP nobody asks again.
const CONNECTION_QUEUE: usize = 65_536;

/// What bounds the connections.
#[derive(Clone, Copy, Debug)]
pub struct TcpLimits {
    /// Connections in all.
    pub connections: usize,
    /// Connections from or to one address.
    pub per_address: usize,
    /// How long making one may take.
    pub connect_within: Duration,
    /// Without traffic for so long, one is closed.
    pub idle: Duration,
    /// A message begun must be complete within this time.
    pub stall: Duration,
    /// Bytes that may wait to be written to one.
    pub output: usize,
    /// The largest body, bytes.
    pub message: usize,
}

/// All TCP connections.
#[derive(Clone)]
pub struct Tcp {
    shared: Arc<Shared>,
}

struct Shared {
    limits: TcpLimits,
    clock: Clock,
    shard: ToShard,
    intake: Arc<Intake>,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    open: HashMap<u64, Entry>,
    by_remote: HashMap<SocketAddr, u64>,
    per_address: HashMap<IpAddr, usize>,
    listening: Vec<IpAddr>,
    count: u64,
}

struct Entry {
    remote: SocketAddr,
    queue: mpsc::Sender<Outgoing>,
    queued: Arc<AtomicUsize>,
}

impl Tcp {
    /// No connections yet.
    #[must_use]
    pub fn new(limits: TcpLimits, clock: Clock, shard: ToShard, intake: Arc<Intake>) -> Self {
        Self { shared: Arc::new(Shared { limits, clock, shard, intake, table: Mutex::default() }) }
    }

    /// Listens at `addr` and takes connections from then on; gives the address that was bound.
    ///
    /// # Errors
    /// What the system says: in use, not ours, not allowed.
    pub fn listen(&self, addr: SocketAddr) -> io::Result<SocketAddr> {
        let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        let listener = socket.listen(1_024)?;
        let local = listener.local_addr()?;
        self.table().listening.push(local.ip());
        let this = self.clone();
        tokio::spawn(async move { this.accept(listener).await });
        Ok(local)
    }

    async fn accept(&self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((socket, remote)) => self.take(socket, remote),
                // Out of descriptors, most likely: let others end before trying again.
                Err(error) => {
                    warn!(%error, "a SIP connection could not be taken");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// The address to connect to `remote` from: one we listen at, since that is how peers know us; `None`: the system's
    /// choice.
    fn own_address(&self, remote: SocketAddr) -> Option<IpAddr> {
        let reaches = |own: &&IpAddr| {
            !own.is_unspecified() && own.is_ipv4() == remote.is_ipv4() && own.is_loopback() == remote.ip().is_loopback()
        };
        self.table().listening.iter().find(reaches).copied()
    }

    fn take(&self, socket: TcpStream, remote: SocketAddr) {
        let Ok(local) = socket.local_addr() else { return };
        let flow = Flow { transport: Transport::Tcp, local, remote, id: 0 };
        if !self.shared.intake.admits(&flow) {
            return;
        }
        let Some((id, queue, queued)) = self.register(remote) else {
            self.shared.intake.refused.connections.fetch_add(1, Ordering::Relaxed);
            if self.shared.intake.is_stranger(&flow) {
                self.shared.intake.note(remote.ip(), Reason::Connections, None);
            }
            debug!(%remote, "too many SIP connections");
            return;
        };
        let this = self.clone();
        tokio::spawn(async move {
            this.carry(id, socket, remote, queue, queued).await;
        });
    }

    /// Sends `bytes` by connection `flow` while that is open, else by any to `remote`, which is made if there is none.
    ///
    /// # Errors
    /// Too many connections, or too much waits for this one.
    pub fn send(
        &self,
        flow: Option<u64>,
        remote: SocketAddr,
        bytes: Vec<u8>,
        origin: Origin,
    ) -> Result<(), Undelivered> {
        let open = {
            let table = self.table();
            let id = flow.filter(|id| table.open.contains_key(id)).or_else(|| table.by_remote.get(&remote).copied());
            id.and_then(|id| table.open.get(&id)).map(|entry| (entry.queue.clone(), Arc::clone(&entry.queued)))
        };
        let (queue, queued) = match open {
            Some(open) => open,
            None => self.connect(remote)?,
        };
        if queued.load(Ordering::Relaxed) >= self.shared.limits.output {
            return Err(Undelivered::QueueFull);
        }
        let length = bytes.len();
        match queue.try_send(Outgoing { bytes, origin }) {
            Ok(()) => {
                queued.fetch_add(length, Ordering::Relaxed);
                Ok(())
            }
            Err(mpsc::error::TrySendError::Full(_)) => Err(Undelivered::QueueFull),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Undelivered::Closed),
        }
    }

    /// How many are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.table().open.len()
    }

    fn connect(&self, remote: SocketAddr) -> Result<(mpsc::Sender<Outgoing>, Arc<AtomicUsize>), Undelivered> {
        let Some((id, mut messages, queued)) = self.register(remote) else { return Err(Undelivered::QueueFull) };
        let queue = {
            let table = self.table();
            table.open.get(&id).map(|entry| entry.queue.clone())
        };
        let Some(queue) = queue else { return Err(Undelivered::Closed) };
        let (this, counter) = (self.clone(), Arc::clone(&queued));
        let own = self.own_address(remote);
        tokio::spawn(async move {
            let attempt = tokio::time::timeout(this.shared.limits.connect_within, connect_from(own, remote)).await;
            match attempt {
                Ok(Ok(socket)) => this.carry(id, socket, remote, messages, counter).await,
                Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    this.fail(id, &mut messages, Undelivered::Refused).await;
                }
                Ok(Err(_)) | Err(_) => this.fail(id, &mut messages, Undelivered::Unreachable).await,
            }
        });
        Ok((queue, queued))
    }

    async fn carry(
        &self,
        id: u64,
        socket: TcpStream,
        remote: SocketAddr,
        mut messages: mpsc::Receiver<Outgoing>,
        queued: Arc<AtomicUsize>,
    ) {
        let _ = socket.set_nodelay(true);
        if let Ok(local) = socket.local_addr() {
            let connection = Connection::new(id, socket, local, remote, self.shared.limits, queued);
            connection.run(&mut messages, &self.shared.intake, &self.shared.shard, self.shared.clock).await;
        }
        self.fail(id, &mut messages, Undelivered::Closed).await;
    }

    /// The connection is over; what still waited for it is told so.
    async fn fail(&self, id: u64, messages: &mut mpsc::Receiver<Outgoing>, why: Undelivered) {
        self.unregister(id);
        messages.close();
        let mut origins = Vec::new();
        while let Ok(message) = messages.try_recv() {
            origins.push(message.origin);
        }
        if !origins.is_empty() {
            let _ = self.shared.shard.send(undelivered(origins, why)).await;
        }
    }

    fn register(&self, remote: SocketAddr) -> Option<(u64, mpsc::Receiver<Outgoing>, Arc<AtomicUsize>)> {
        let limits = self.shared.limits;
        let mut table = self.table();
        let here = table.per_address.get(&remote.ip()).copied().unwrap_or(0);
        if table.open.len() >= limits.connections || here >= limits.per_address {
            return None;
        }
        let (queue, messages) = mpsc::channel(CONNECTION_QUEUE);
        let queued = Arc::new(AtomicUsize::new(0));
        table.count += 1;
        let id = table.count;
        table.open.insert(id, Entry { remote, queue, queued: Arc::clone(&queued) });
        table.by_remote.insert(remote, id);
        *table.per_address.entry(remote.ip()).or_default() += 1;
        Some((id, messages, queued))
    }

    fn unregister(&self, id: u64) {
        let mut table = self.table();
        let Some(entry) = table.open.remove(&id) else { return };
        if table.by_remote.get(&entry.remote) == Some(&id) {
            table.by_remote.remove(&entry.remote);
        }
        if let Some(here) = table.per_address.get_mut(&entry.remote.ip()) {
            *here -= 1;
            if *here == 0 {
                table.per_address.remove(&entry.remote.ip());
            }
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.shared.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn connect_from(own: Option<IpAddr>, remote: SocketAddr) -> io::Result<TcpStream> {
    let Some(own) = own else { return TcpStream::connect(remote).await };
    let socket = if own.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(SocketAddr::new(own, 0))?;
    socket.connect(remote).await
}
