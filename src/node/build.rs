//! What opens something: sockets, links, the admin page.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::warn;

use super::{Error, Node, Sources, readiness, samples};
use crate::admin;
use crate::config::Transport;
use crate::gateway::{Input, Reply};
use crate::net::{ConnectionLimits, Connections, LinkSetup, ToShard, Udp, XmppLink};
use crate::tls::{ClientCertificates, Files, Store};
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

    /// What `[sip.tls]` names, as it is now.
    pub(super) fn certificates(&self) -> Result<Arc<Store>, Error> {
        let tls = self.config.sip.tls.clone();
        let (files, clients) =
            tls.map_or((Files::default(), ClientCertificates::Ask), |tls| (tls.files, tls.client_certificates));
        Ok(Arc::new(Store::open(files, clients)?))
    }

    pub(super) fn listen(&self, connections: &Connections) -> Result<(), Error> {
        for listen in self.config.sip.listen.iter().filter(|listen| listen.transport != Transport::Udp) {
            connections
                .listen(listen.transport.sip(), listen.addr)
                .map_err(|source| Error::Listen { what: listen.to_string(), source })?;
        }
        Ok(())
    }

    pub(super) fn connection_limits(&self) -> ConnectionLimits {
        let limits = &self.config.limits;
        ConnectionLimits {
            connections: limits.tcp_connections,
            per_source: limits.tcp_connections_per_source,
            connect_within: SIP_CONNECT,
            handshake_within: limits.tcp_handshake,
            idle: limits.tcp_idle,
            idle_strangers: limits.tcp_idle_strangers,
            keepalive: limits.tcp_keepalive,
            stall: limits.tcp_stall,
            output: limits.tcp_output,
            output_in_all: limits.tcp_output_in_all,
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

    pub(super) async fn start_admin(&self, sources: Arc<Sources>, shard: ToShard) -> Result<(), Error> {
        let Some(admin) = &self.config.admin else { return Ok(()) };
        let listener = TcpListener::bind(admin.listen)
            .await
            .map_err(|source| Error::Listen { what: format!("{} ([admin] listen)", admin.listen), source })?;
        let config = self.config.clone();
        let for_readiness = (self.config.clone(), Arc::clone(&sources));
        let sources = admin::Sources {
            samples: Box::new(move || samples::all(&config, &sources)),
            readiness: Box::new(move || readiness::now(&for_readiness.0, &for_readiness.1)),
            explain: Box::new(move |one, other| Box::pin(explained(shard.clone(), one, other))),
        };
        tokio::spawn(async move {
            if let Err(error) = admin::serve(listener, sources, std::future::pending()).await {
                warn!(%error, "the admin socket is gone");
            }
        });
        Ok(())
    }
}

/// Asks the shard how the subscriptions between two people stand.
async fn explained(shard: ToShard, one: String, other: String) -> Option<Vec<String>> {
    let (sender, answer) = tokio::sync::oneshot::channel();
    let reply = Reply(Box::new(move |lines| {
        // Whoever asked may have gone.
        let _ = sender.send(lines);
    }));
    shard.send(vec![Input::Explain(one, other, reply)]).await.ok()?;
    answer.await.ok()
}
