//! `[xmpp.server]`: the domains that stox serves itself.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Error, Node};
use crate::config::{Server, Transport};
use crate::gateway::surface;
use crate::ids::Ids;
use crate::net::federation::associate::Associations;
use crate::net::federation::posh::Posh;
use crate::net::federation::{Federated, FederationSetup};
use crate::net::{Dns, NetLink, ToShard, XmppLink};
use crate::tls::xmpp::{Start, Store};
use crate::xml;
use crate::xmpp::federation::dialback::Keys;
use crate::xmpp::federation::{Partners, Settings};
use crate::xmpp::stream::manage::ManageConfig;
use crate::xmpp::stream::{ServerConfig, StreamConfig};

/// The streams of `[xmpp.server]`, and the certificates that they show.
#[derive(Clone)]
pub(super) struct Servers {
    pub(super) federated: Federated,
    pub(super) tls: Arc<Store>,
}

impl Node {
    /// Starts what `[xmpp.server]` says. Sockets are bound by [`Node::listen_to_servers`].
    pub(super) fn federate(&self, dns: &Dns, shard: &ToShard) -> Result<Option<Servers>, Error> {
        let Some(server) = &self.config.server else { return Ok(None) };
        let tls = Arc::new(Store::open(server.tls.clone())?);
        let random = || -> Result<[u8; 32], Error> {
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes).map_err(|_| Error::Random)?;
            Ok(bytes)
        };
        let partners = Arc::new(server.partners.clone());
        let domains: HashSet<String> = server.domains.iter().cloned().collect();
        let setup = FederationSetup {
            domains: server.domains.iter().cloned().zip(self.config.components.len()..).collect(),
            stream: ServerConfig {
                stream: self.server_stream(server),
                hosts: Arc::new(move |domain| domains.contains(domain)),
                partners: Arc::clone(&partners),
                keys: Arc::new(Keys::new(&random()?)),
                tls: tls.has_certificate(),
                bidi: true,
                manage: Some(ManageConfig::default()),
                caps: Some(capabilities(server)),
                idle_after: Some(server.idle),
            },
            federation: federation(server, partners),
            tls: Arc::clone(&tls),
            associations: self.associations(&tls, dns, server),
            connect_within: server.connect_timeout,
            connections: server.connections,
            per_source: server.connections_per_source,
            ids: Ids::new(random()?, 0),
        };
        let federated = Federated::start(setup, self.clock, shard.clone(), dns.clone());
        Ok(Some(Servers { federated, tls }))
    }

    /// By what certificates are believed.
    fn associations(&self, tls: &Arc<Store>, dns: &Dns, server: &Server) -> Associations {
        let mut associations = Associations::new(Arc::clone(tls), self.clock);
        if self.config.dns.dnssec {
            associations = associations.with_dane(dns.clone());
        }
        if server.posh {
            associations = associations.with_posh(Posh::new(dns.clone()));
        }
        associations
    }

    /// Links by number: those of the components, then one for each domain of `[xmpp.server]`.
    pub(super) fn all_links(&self, components: Vec<XmppLink>, servers: Option<&Servers>) -> Vec<NetLink> {
        let domains = self.config.server.as_ref().map_or(0, |server| server.domains.len());
        let of_domains = servers.into_iter().flat_map(|servers| (0..domains).map(|_| servers.federated.link()));
        components.into_iter().map(NetLink::Component).chain(of_domains.map(NetLink::Federated)).collect()
    }

    fn server_stream(&self, server: &Server) -> StreamConfig {
        let largest = server.partners.all().map(|partner| partner.limits.stanza_size).max();
        let default = StreamConfig::default();
        StreamConfig {
            limits: xml::Limits { stanza: largest.unwrap_or(default.limits.stanza), ..default.limits },
            max_queued: self.config.limits.xmpp_output,
            negotiate_within: server.connect_timeout,
            ping_every: server.ping_every,
            ping_timeout: server.ping_timeout,
            ..default
        }
    }

    pub(super) fn listen_to_servers(&self, servers: &Servers) -> Result<(), Error> {
        for listen in self.config.server.iter().flat_map(|server| &server.listen) {
            let start = if listen.transport == Transport::Tls { Start::Direct } else { Start::Starttls };
            let bound = servers.federated.listen(start, listen.addr);
            bound.map_err(|source| Error::Listen { what: format!("{listen} ([xmpp.server] listen)"), source })?;
        }
        Ok(())
    }
}

/// `<c/>` of our domains.
fn capabilities(server: &Server) -> Arc<str> {
    let mut out = Vec::new();
    xml::writer::write(&surface::capabilities(&server.contacts), "", &mut out);
    String::from_utf8_lossy(&out).into()
}

fn federation(server: &Server, partners: Arc<Partners>) -> Settings {
    Settings {
        partners,
        queue_for: server.queue_timeout,
        queue_per_pair: server.queue,
        idle: server.idle,
        streams: server.connections,
        ..Settings::default()
    }
}
