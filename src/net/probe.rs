//! Is anybody there? Datagrams to a server that has ended vanish without a word, unless one asks by a socket that is
//! connected: then the host's ICMP answer comes back as an error. So a request that has to be sent again is accompanied
//! by a blank datagram, which SIP servers take for a keepalive (RFC 5626 section 4.4.1), from a socket of its own. An error is a
//! transport failure as RFC 3263 section 4.3 means it: another server is tried at once and not after 32 s.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::UdpSocket;

use super::{ToShard, undelivered};
use crate::sip::endpoint::{Origin, Undelivered};

/// Servers asked about at once, a socket each. Requests to others wait for their next retransmission.
const AT_ONCE: usize = 64;

/// Requests that one answer may stand for. More of them are found out about with their next retransmission.
const WAITING: usize = 65_536;

/// The answer of a host comes in a round trip, or never.
const WITHIN: Duration = Duration::from_millis(400);

/// Asks about servers that do not answer.
#[derive(Clone)]
pub struct Probe {
    /// Who waits for the answer, by server.
    asked: Arc<Mutex<HashMap<SocketAddr, Vec<Origin>>>>,
    shard: ToShard,
}

impl Probe {
    /// Tells `shard` of those who are not there.
    #[must_use]
    pub fn new(shard: ToShard) -> Self {
        Self { asked: Arc::default(), shard }
    }

    /// Finds out whether something listens at `remote`, where the request of `origin` has been sent again.
    pub fn ask(&self, remote: SocketAddr, origin: Origin) {
        let mut asked = self.asked();
        if let Some(waiting) = asked.get_mut(&remote) {
            if waiting.len() < WAITING {
                waiting.push(origin);
            }
            return;
        }
        if asked.len() >= AT_ONCE {
            return;
        }
        asked.insert(remote, vec![origin]);
        drop(asked);
        let this = self.clone();
        tokio::spawn(async move {
            let absent = tokio::time::timeout(WITHIN, refused(remote)).await.unwrap_or(false);
            let waiting = this.asked().remove(&remote).unwrap_or_default();
            if absent {
                tracing::debug!(%remote, requests = waiting.len(), "nobody listens at a SIP server's UDP port");
                // A shard that is gone has told their senders.
                let _ = this.shard.send(undelivered(waiting, Undelivered::Absent)).await;
            }
        });
    }

    fn asked(&self) -> MutexGuard<'_, HashMap<SocketAddr, Vec<Origin>>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the host says that nobody listens there. Waits for as long as it says nothing.
async fn refused(remote: SocketAddr) -> bool {
    let any = if remote.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    match ask(any, remote).await {
        Ok(()) => false,
        Err(error) => error.kind() == io::ErrorKind::ConnectionRefused,
    }
}

async fn ask(any: SocketAddr, remote: SocketAddr) -> io::Result<()> {
    let socket = UdpSocket::bind(any).await?;
    socket.connect(remote).await?;
    socket.send(b"\r\n\r\n").await?;
    socket.recv(&mut [0; 64]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::sync::mpsc;

    use super::*;
    use crate::gateway::Input;

    #[tokio::test]
    async fn a_port_where_nobody_listens_is_told_for_all_who_ask_and_a_silent_one_is_not() {
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let gone = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let (shard, mut told) = mpsc::channel(4);
        let probe = Probe::new(shard);
        probe.ask(silent.local_addr().unwrap(), Origin::Stateless);
        probe.ask(gone, Origin::Stateless);
        probe.ask(gone, Origin::Stateless);
        let batch = told.recv().await.unwrap();
        let absent = |input: &Input| matches!(input, Input::Undelivered(_, Undelivered::Absent));
        assert_eq!((batch.len(), batch.iter().all(absent)), (2, true));
        let mut buffer = [0; 64];
        let (length, _) = silent.recv_from(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..length], b"\r\n\r\n");
    }
}
