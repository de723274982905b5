//! Streams that other servers open.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, warn};

use super::Shared;
use super::stream::Carried;
use crate::gateway::rate::{Limiter, Limiters, Rate};
use crate::gateway::refused::network;
use crate::net::Batch;
use crate::net::carrier::Carrier;
use crate::tls::xmpp::Start;
use crate::xmpp::stream::ServerStream;

/// How long to wait when the system gives no connection, most likely for want of descriptors: others may end.
const PAUSE: Duration = Duration::from_millis(100);

/// Connections taken a second, and at once: what one core shakes hands with and still carries stanzas. More wait in the
/// kernel.
const TAKEN: Rate = Rate { per_second: 500, burst: 1_000 };

/// Networks whose connections are counted at once.
const NETWORKS: usize = 10_000;

/// Who has a place among the streams that others open.
pub(super) struct Doors {
    taken: Limiter,
    /// So many in all.
    most: usize,
    per_network: usize,
    open: usize,
    networks: HashMap<IpAddr, usize>,
    /// A network that closes and opens all its places again and again.
    turns: Limiters<IpAddr>,
}

impl Doors {
    pub(super) fn new(most: usize, per_network: usize) -> Self {
        let burst = u32::try_from(per_network).unwrap_or(u32::MAX).saturating_mul(2);
        let turns = Limiters::new(Rate { per_second: burst.div_ceil(4), burst }, NETWORKS);
        Self { taken: Limiter::new(TAKEN), most, per_network, open: 0, networks: HashMap::new(), turns }
    }

    fn enter(&mut self, network: IpAddr, now: Duration) -> Result<(), &'static str> {
        if self.open >= self.most {
            return Err("there are too many streams");
        }
        if self.networks.get(&network).is_some_and(|count| *count >= self.per_network) {
            return Err("there are too many streams of this network");
        }
        self.turns.take(&network, now).map_err(|_| "this network connects too often")?;
        self.open += 1;
        *self.networks.entry(network).or_default() += 1;
        Ok(())
    }

    fn leave(&mut self, network: &IpAddr) {
        self.open = self.open.saturating_sub(1);
        if let Some(count) = self.networks.get_mut(network) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.networks.remove(network);
            }
        }
    }
}

/// The place of one stream; free again when it is dropped.
pub(super) struct Seat {
    shared: Arc<Shared>,
    network: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.shared.doors().leave(&self.network);
    }
}

/// Takes connections for ever.
pub(super) async fn accept(shared: Arc<Shared>, start: Start, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((socket, remote)) => {
                loop {
                    let turn = shared.doors().taken.take(shared.clock.now().mono);
                    let Err(too_much) = turn else { break };
                    tokio::time::sleep(too_much.wait).await;
                }
                take(&shared, start, socket, remote);
            }
            Err(error) => {
                warn!(%error, "an XMPP connection could not be taken");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn take(shared: &Arc<Shared>, start: Start, socket: TcpStream, remote: SocketAddr) {
    let network = network(remote.ip());
    let entered = shared.doors().enter(network, shared.clock.now().mono);
    if let Err(why) = entered {
        shared.refused.fetch_add(1, Ordering::Relaxed);
        shared.teller.refused(remote.ip(), why, shared.clock.now().mono);
        return;
    }
    let seat = Seat { shared: Arc::clone(shared), network };
    tokio::spawn(open(Arc::clone(shared), start, socket, remote, seat));
}

async fn open(shared: Arc<Shared>, start: Start, socket: TcpStream, remote: SocketAddr, seat: Seat) {
    let _ = socket.set_nodelay(true);
    let (carrier, secured) = match start {
        Start::Starttls => (Carrier::Plain(socket), None),
        Start::Direct => match shared.answer(socket, None, start, shared.connect_within).await {
            Ok(agreed) => (agreed.carrier, Some(agreed.secured)),
            Err(why) => return debug!(%remote, "no stream: {why}"),
        },
    };
    let mut back = Batch::new();
    let Some((id, line)) = shared.accepted(&mut back) else {
        shared.refused.fetch_add(1, Ordering::Relaxed);
        return;
    };
    let now = shared.clock.now();
    let stream = ServerStream::accepting(Arc::clone(&shared.config), shared.fork_ids(), secured, now);
    let carried = Carried::new(Arc::clone(&shared), (id, false), line, stream, back, remote);
    carried.run(carrier).await;
    drop(seat);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn so_many_streams_in_all_and_of_one_network_and_places_come_free() {
        let mut doors = Doors::new(3, 2);
        let (one, other): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "2001:db8::".parse().unwrap());
        let now = Duration::ZERO;
        assert_eq!(doors.enter(one, now), Ok(()));
        assert_eq!(doors.enter(one, now), Ok(()));
        assert!(doors.enter(one, now).is_err());
        assert_eq!(doors.enter(other, now), Ok(()));
        assert!(doors.enter(other, now).is_err());
        doors.leave(&one);
        assert_eq!(doors.enter(one, now), Ok(()));
        doors.leave(&one);
        doors.leave(&one);
        doors.leave(&other);
        assert!(doors.networks.is_empty());
    }

    #[test]
    fn who_comes_and_goes_without_end_is_slowed_down() {
        let mut doors = Doors::new(100, 10);
        let one: IpAddr = "192.0.2.1".parse().unwrap();
        let taken = (0..10_000).filter(|turn| {
            let entered = doors.enter(one, Duration::from_millis(*turn)).is_ok();
            if entered {
                doors.leave(&one);
            }
            entered
        });
        // 20 at once and 5 a second.
        assert!((65..75).contains(&taken.count()));
    }
}
