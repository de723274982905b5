//! Connections that peers open.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, warn};

use super::table::{Place, Wanted};
use super::{Shared, handshake};
use crate::gateway::refused::Reason;
use crate::net::carrier::Carrier;
use crate::sip::endpoint::{Flow, Undelivered};
use crate::sip::locate::Transport;

/// How long to wait when the system gives no connection, most likely for want of descriptors: others may end.
const PAUSE: Duration = Duration::from_millis(100);

/// Takes connections for ever.
pub(super) async fn accept(shared: Arc<Shared>, transport: Transport, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((socket, remote)) => take(&shared, transport, socket, remote),
            Err(error) => {
                warn!(%error, "a SIP connection could not be taken");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn take(shared: &Arc<Shared>, transport: Transport, socket: TcpStream, remote: SocketAddr) {
    let Ok(local) = socket.local_addr() else { return };
    let flow = Flow { transport, local, remote, id: 0 };
    if !shared.intake.admits(&flow) {
        return;
    }
    let known = shared.intake.is_peer(&flow, &[]);
    let wanted = Wanted { transport, remote, ours: false, domain: None, known };
    let place = shared.table().take(wanted, &shared.limits);
    match place {
        Ok(place) => {
            tokio::spawn(open(Arc::clone(shared), socket, Flow { id: place.id, ..flow }, place));
        }
        Err(why) => {
            shared.intake.refused.connections.fetch_add(1, Ordering::Relaxed);
            if shared.intake.is_stranger(&flow) {
                shared.intake.note(remote.ip(), Reason::Connections, None);
            }
            debug!(%remote, "refused: {why}");
        }
    }
}

async fn open(shared: Arc<Shared>, socket: TcpStream, flow: Flow, mut place: Place) {
    let _ = socket.set_nodelay(true);
    match flow.transport {
        Transport::Tls | Transport::Wss => match handshake::accept(&shared, socket, &flow).await {
            Ok((stream, names)) => shared.carry(Carrier::Tls(stream), flow, names, place).await,
            Err(why) => shared.close(&mut place, None, Undelivered::Tls(why)).await,
        },
        Transport::Udp | Transport::Tcp | Transport::Ws => {
            shared.carry(Carrier::Plain(socket), flow, Arc::from([]), place).await;
        }
    }
}
