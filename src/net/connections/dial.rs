//! Connections that we open.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::net::{TcpSocket, TcpStream};
use tracing::debug;

use super::table::{Place, Wanted};
use super::{Outgoing, Shared, handshake};
use crate::net::carrier::Carrier;
use crate::sip::endpoint::{Flow, Undelivered};
use crate::sip::locate::Transport;

/// Begins to open a connection; `message` is the first that goes by it.
pub(super) fn dial(
    shared: &Arc<Shared>,
    transport: Transport,
    remote: SocketAddr,
    domain: Option<Arc<str>>,
    message: Outgoing,
) -> Result<(), Undelivered> {
    // Whom we call is configured, or was found under a name that is.
    let wanted = Wanted { transport, remote, ours: true, domain: domain.clone(), known: true };
    let (place, own) = {
        let mut table = shared.table();
        let place = table.take(wanted, &shared.limits).map_err(|why| {
            debug!(%remote, "not called: {why}");
            Undelivered::QueueFull
        })?;
        let queue = table.find(Some(place.id), transport, remote, None).map(|entry| entry.queue.clone());
        let Some(queue) = queue else { return Err(Undelivered::Closed) };
        if let Err(why) = shared.enqueue(&queue, &place.queued, message) {
            table.remove(place.id);
            return Err(why);
        }
        (place, table.own_address(remote))
    };
    tokio::spawn(open(Arc::clone(shared), transport, remote, domain, place, own));
    Ok(())
}

async fn open(
    shared: Arc<Shared>,
    transport: Transport,
    remote: SocketAddr,
    domain: Option<Arc<str>>,
    mut place: Place,
    own: Option<IpAddr>,
) {
    let flow = |socket: &TcpStream| {
        let local = socket.local_addr().unwrap_or(remote);
        Flow { transport, local, remote, id: place.id }
    };
    let attempt = tokio::time::timeout(shared.limits.connect_within, connect_from(own, remote)).await;
    let socket = match attempt {
        Ok(Ok(socket)) => socket,
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            return shared.close(&mut place, None, Undelivered::Refused).await;
        }
        Ok(Err(_)) | Err(_) => return shared.close(&mut place, None, Undelivered::Unreachable).await,
    };
    let _ = socket.set_nodelay(true);
    let flow = flow(&socket);
    match domain.filter(|_| transport == Transport::Tls) {
        None => shared.carry(Carrier::Plain(socket), flow, Arc::from([]), place).await,
        Some(domain) => match handshake::connect(&shared, socket, remote, &domain).await {
            Ok((stream, names)) => shared.carry(Carrier::Tls(stream), flow, names, place).await,
            Err(why) => shared.close(&mut place, None, Undelivered::Tls(why)).await,
        },
    }
}

async fn connect_from(own: Option<IpAddr>, remote: SocketAddr) -> io::Result<TcpStream> {
    let Some(own) = own else { return TcpStream::connect(remote).await };
    let socket = if own.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(SocketAddr::new(own, 0))?;
    socket.connect(remote).await
}
