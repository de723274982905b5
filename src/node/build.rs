//! What opens something: sockets, links, the admin page.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::warn;

use super::{Error, Node, readiness, samples};
use crate::admin;
use crate::config::Transport;
use crate::net::{Intake, LinkBoard, LinkSetup, Tcp, TcpLimits, ToShard, Udp, XmppLink};
use crate::shard::Published;
use crate::xml;
use crate::xmpp::jid::BareJid;
use crate::xmpp::stream::{ComponentConfig, StreamConfig};

/// How long a TCP connection to a SIP peer may take: half the patience of a transaction, so that another target can be
/// tried.
const SIP_CONNECT: Duration = Duration::from_secs(10);

impl Node {
    pub(super) fn bind_udp(&self) -> Result<Vec<Udp>, Error> {
        let listen = self.config.sip.listen.iter().filter(|listen| listen.transport == Transport::Udp);
        listen
            .map(|listen| Udp::bind(listen.addr).map_err(|source| Error::Listen { what: listen.to_string(), source }))
            .collect()
    }

    pub(super) fn listen_tcp(&self, tcp: &Tcp) -> Result<(), Error> {
        for listen in self.config.sip.listen.iter().filter(|listen| listen.transport == Transport::Tcp) {
            tcp.listen(listen.addr).map_err(|source| Error::Listen { what: listen.to_string(), source })?;
        }
        Ok(())
    }

    pub(super) fn tcp_limits(&self) -> TcpLimits {
        let limits = &self.config.limits;
        TcpLimits {
            connections: limits.tcp_connections,
            per_address: limits.tcp_connections_per_source,
            connect_within: SIP_CONNECT,
            idle: limits.tcp_idle,
            stall: limits.tcp_stall,
            output: limits.tcp_output,
            message: limits.sip_message,
        }
    }

    pub(super) fn start_links(&self, shard: &ToShard, stop: &watch::Receiver<bool>) -> Result<Vec<XmppLink>, Error> {
        let mut links = Vec::new();
        for (link, component) in self.config.components.iter().enumerate() {
            let domain =
                BareJid::parse(&component.domain).map_err(|_| Error::Domain { domain: component.domain.clone() })?;
            let stream = ComponentConfig {
                domain,
                secret: component.secret.reveal().to_owned(),
                server: None,
                stream: StreamConfig {
                    limits: xml::Limits { stanza: component.stanza_size, ..StreamConfig::default().limits },
                    max_queued: self.config.limits.xmpp_output,
                    negotiate_within: component.connect_timeout,
                    ping_every: component.ping_every,
                    ping_timeout: component.ping_timeout,
                    ..StreamConfig::default()
                },
            };
            let server = (component.server.host.clone(), component.server.port.unwrap_or(5347));
            let setup = LinkSetup { link, server, connect_within: component.connect_timeout, stream };
            links.push(XmppLink::start(setup, self.clock, shard.clone(), stop.clone()));
        }
        Ok(links)
    }

    pub(super) async fn start_admin(
        &self,
        boards: &[Arc<LinkBoard>],
        published: &Published,
        intake: &Arc<Intake>,
        tcp: &Tcp,
    ) -> Result<(), Error> {
        let Some(admin) = &self.config.admin else { return Ok(()) };
        let listener = TcpListener::bind(admin.listen)
            .await
            .map_err(|source| Error::Listen { what: format!("{} ([admin] listen)", admin.listen), source })?;
        let (config, boards_for_samples) = (self.config.clone(), boards.to_vec());
        let boards = boards.to_vec();
        let (published, intake, tcp) = (Arc::clone(published), Arc::clone(intake), tcp.clone());
        let samples_config = self.config.clone();
        let sources = admin::Sources {
            samples: Box::new(move || samples::all(&published, &samples_config, &boards_for_samples, &intake, &tcp)),
            readiness: Box::new(move || readiness::now(&config, &boards)),
        };
        tokio::spawn(async move {
            if let Err(error) = admin::serve(listener, sources, std::future::pending()).await {
                warn!(%error, "the admin socket is gone");
            }
        });
        Ok(())
    }
}
