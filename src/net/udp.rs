//! SIP over UDP: a task that reads each socket; the shard writes to it directly.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::UdpSocket;
use tracing::{debug, error};

use super::intake::{Intake, Taken};
use super::{Batch, ToShard};
use crate::gateway::Input;
use crate::sip::endpoint::{Flow, Undelivered};
use crate::sip::locate::Transport;

/// Datagrams read before the shard hears of them: enough to share the cost of waking it, few enough to stay in cache.
const BATCH: usize = 64;

/// The largest datagram (RFC 768).
const DATAGRAM: usize = 65_535;

/// What the kernel may keep for us, bytes: a quarter of a second of full load. The system's own limit may be lower.
const KERNEL_BUFFER: usize = 4 << 20;

/// One socket, as the shard sees it.
#[derive(Clone)]
pub struct Udp {
    socket: Arc<UdpSocket>,
    local: SocketAddr,
}

impl Udp {
    /// Binds `addr`.
    ///
    /// # Errors
    /// What the system says: in use, not ours, not allowed.
    pub fn bind(addr: SocketAddr) -> io::Result<Self> {
        let socket = socket2::Socket::new(socket2::Domain::for_address(addr), socket2::Type::DGRAM, None)?;
        if addr.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_recv_buffer_size(KERNEL_BUFFER)?;
        socket.set_send_buffer_size(KERNEL_BUFFER)?;
        socket.set_nonblocking(true)?;
        socket.bind(&addr.into())?;
        let socket = UdpSocket::from_std(socket.into())?;
        let local = socket.local_addr()?;
        Ok(Self { socket: Arc::new(socket), local })
    }

    /// The address it is bound to.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Starts reading.
    pub fn start(&self, intake: Arc<Intake>, shard: ToShard) {
        let this = self.clone();
        tokio::spawn(async move { this.read(&intake, &shard).await });
    }

    /// Sends a datagram, or says why not. Never waits: a full buffer is a lost datagram, which UDP allows and which the
    /// transaction layer repairs.
    ///
    /// # Errors
    /// What the peer's host or our own said.
    pub fn send(&self, bytes: &[u8], remote: SocketAddr) -> Result<(), Undelivered> {
        match self.socket.try_send_to(bytes, remote) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            // An answer of ICMP to an earlier datagram, whose transaction will time out by itself if that was no passing
            // trouble: a peer that restarts must not lose what comes meanwhile.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
            Err(error) => {
                debug!(%remote, %error, "a datagram could not be sent");
                Err(Undelivered::Unreachable)
            }
        }
    }

    async fn read(&self, intake: &Intake, shard: &ToShard) {
        let mut buffer = vec![0; DATAGRAM];
        loop {
            if self.socket.readable().await.is_err() {
                error!(socket = %self.local, "the UDP socket is gone");
                return;
            }
            let mut batch: Batch = Vec::new();
            // What is dropped counts too: a flood of it must not keep this task from letting others run.
            for _ in 0..BATCH {
                match self.socket.try_recv_from(&mut buffer) {
                    Ok((length, remote)) => batch.extend(self.take(intake, &buffer[..length], remote)),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // ICMP about something we sent; there may be more to read behind it.
                    Err(_) => {}
                }
            }
            // While the shard is busy the kernel keeps what comes, and drops what it cannot: senders repeat.
            if !batch.is_empty() && shard.send(batch).await.is_err() {
                return;
            }
        }
    }

    fn take(&self, intake: &Intake, bytes: &[u8], remote: SocketAddr) -> Option<Input> {
        // RFC 5626 section 4.4.1 and common practice: blank datagrams keep a NAT binding alive.
        if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0 | b' ')) {
            return None;
        }
        let flow = Flow { transport: Transport::Udp, local: self.local, remote, id: 0 };
        match intake.take(bytes, flow, &[]) {
            Taken::Input(input) => Some(input),
            Taken::Refused(response) => Some(Input::Unreadable(response, flow)),
            Taken::Closed | Taken::Nothing => None,
        }
    }
}
