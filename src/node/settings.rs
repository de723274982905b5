//! From the configuration to what the gateway and its endpoint want.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{Error, Node};
use crate::config::{self, Config, HostPort, Large, NextHop, Transport};
use crate::gateway::people::User;
use crate::gateway::register::Register;
use crate::gateway::trust::Trust;
use crate::gateway::{Gateway, Route, Settings, Size};
use crate::ids::Ids;
use crate::mapping::{Home, Mapping};
use crate::net::{DnsSetup, Dnssec, Udp};
use crate::sip::auth::server::ServerConfig;
use crate::sip::endpoint::{self, EndpointConfig, SentBy};
use crate::sip::locate::{self, Destination, Transports};
use crate::sip::transaction::timers::Timing;

/// The number of the only shard.
const SHARD: u8 = 0;

impl Node {
    pub(super) fn gateway(&self, trust: Trust, udp: &[Udp]) -> Result<Gateway, Error> {
        let mapping = Mapping::new(self.config.mappings()).map_err(|conflicts| {
            Error::Mapping(conflicts.first().map(|conflict| conflict.text.clone()).unwrap_or_default())
        })?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|_| Error::Random)?;
        let settings = Settings {
            links: self.link_domains(),
            components: self.config.components.len(),
            routes: self.routes(),
            trust,
            accounts: accounts(&self.config.sip),
            confirm_within: self.config.message.confirm_within,
            connect_within: self.config.server.as_ref().map_or(Duration::ZERO, |server| server.connect_timeout),
            queue_per_pair: self.config.message.queue_per_pair,
            messages_to_sip: self.config.limits.messages_to_sip,
            messages_to_xmpp: self.config.limits.messages_to_xmpp,
            presence: self.config.presence.clone(),
            version: env!("CARGO_PKG_VERSION"),
            contacts: self.config.server.as_ref().map(|server| server.contacts.clone()).unwrap_or_default(),
            ..Settings::default()
        };
        Ok(Gateway::new(Arc::new(mapping), settings, self.endpoint(udp), Ids::new(seed, SHARD)))
    }

    /// The domain of each link, by number.
    fn link_domains(&self) -> Vec<String> {
        let components = self.config.components.iter().map(|component| component.domain.clone());
        let served = self.config.server.iter().flat_map(|server| server.domains.iter().cloned());
        components.chain(served).collect()
    }

    fn routes(&self) -> Vec<(String, Route)> {
        let of_sip = self.config.domains.iter().filter(|domain| domain.mapping.home == Home::Sip);
        let route = |domain: &crate::config::Domain| {
            let next_hop = destination(&domain.target());
            let large = match domain.large {
                Large::Tcp => Size::Tcp,
                Large::Refuse => Size::Refuse,
            };
            let tls_name = tls_name(domain.tls_name.as_deref(), &next_hop.host, &domain.mapping.sip_host);
            (
                domain.mapping.xmpp.clone(),
                Route {
                    max_message: domain.max_message,
                    max_body: domain.max_body,
                    options_every: domain.options_every,
                    forward: domain.forward,
                    large,
                    tls_name: Some(tls_name),
                    credentials: domain.credentials.clone(),
                    register: domain.register.as_ref().map(register),
                    users: domain.users.iter().map(user).collect(),
                    presence: domain.presence.clone(),
                    ..Route::to(next_hop)
                },
            )
        };
        of_sip.map(route).collect()
    }

    pub(super) fn dns(&self) -> DnsSetup {
        let dns = &self.config.dns;
        let dnssec = if dns.dnssec { Dnssec::Root } else { Dnssec::Off };
        DnsSetup { servers: dns.servers.clone(), timeout: dns.timeout, attempts: dns.attempts, dnssec }
    }

    fn endpoint(&self, udp: &[Udp]) -> EndpointConfig {
        let limits = endpoint::Limits {
            server: self.config.limits.messages_to_xmpp,
            client: self.config.limits.messages_to_sip,
            completed: self.config.limits.server_transactions,
            ..endpoint::Limits::default()
        };
        let own = |transport: Transport| {
            let listen = self.config.sip.listen.iter().find(|listen| listen.transport == transport);
            self.config
                .sip
                .advertise
                .as_ref()
                .map(sent_by)
                .or_else(|| listen.map(|listen| sent_by_address(listen.addr)))
        };
        let any = own(Transport::Udp).or_else(|| udp.first().map(|socket| sent_by_address(socket.local())));
        let mut sent_by = Vec::new();
        if !udp.is_empty() {
            sent_by.extend(any.clone().map(|sent_by| (locate::Transport::Udp, sent_by)));
        }
        sent_by.extend(own(Transport::Tcp).or(any.clone()).map(|sent_by| (locate::Transport::Tcp, sent_by)));
        sent_by.extend(self.sent_by_tls(any).map(|sent_by| (locate::Transport::Tls, sent_by)));
        let mut config = EndpointConfig::new(SentBy { host: String::new(), port: None });
        config.sent_by = sent_by;
        config.timing = Timing { t1: self.config.sip.t1, ..Timing::default() };
        config.limits = limits;
        config
    }

    /// What Via says over TLS: the port there is another than that of the other transports, also where the host is one
    /// for all. `any`: what it says elsewhere.
    fn sent_by_tls(&self, any: Option<SentBy>) -> Option<SentBy> {
        let listen = self.config.sip.listen.iter().find(|listen| listen.transport == Transport::Tls);
        match (&self.config.sip.advertise, listen) {
            (None, Some(listen)) => Some(sent_by_address(listen.addr)),
            (Some(host), listen) => Some(SentBy { port: listen.map(|listen| listen.addr.port()), ..sent_by(host) }),
            // Nobody can call us by TLS; answers come by the connection that we opened.
            (None, None) => {
                let own = || self.config.sip.listen.first().map(|listen| sent_by_address(listen.addr));
                any.or_else(own).map(|any| SentBy { port: None, ..any })
            }
        }
    }
}

/// The transports that requests of ours can go by.
pub(super) fn transports(config: &Config) -> Transports {
    let udp = config.sip.listen.iter().any(|listen| listen.transport == Transport::Udp);
    let always = [locate::Transport::Tcp, locate::Transport::Tls].into_iter();
    always.chain(udp.then_some(locate::Transport::Udp)).collect()
}

/// As [`locate`] has it.
pub(super) fn destination(hop: &NextHop) -> Destination {
    Destination {
        host: hop.host.host.clone(),
        port: hop.host.port,
        transport: hop.transport.map(Transport::sip),
        secure: hop.secure,
    }
}

fn accounts(sip: &config::Sip) -> Option<ServerConfig> {
    let accounts: Vec<_> = sip.accounts.iter().map(|account| (account.username.clone(), account.key.clone())).collect();
    let config::Auth { realm, algorithms, nonce_life } = sip.auth.clone();
    (!accounts.is_empty()).then_some(ServerConfig { realm, algorithms, life: nonce_life, accounts })
}

fn register(wanted: &config::Register) -> Register {
    Register { aor: wanted.aor.clone(), contact: wanted.contact.clone(), expires: whole_seconds(wanted.expires) }
}

fn user(user: &config::User) -> User {
    User {
        jid: user.jid.clone(),
        aor: user.aor.clone(),
        account: user.account.clone(),
        register: user.register.then(|| whole_seconds(user.expires)),
        voicemail: user.voicemail,
        watchers: user.watchers,
    }
}

fn whole_seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}

fn sent_by(host: &HostPort) -> SentBy {
    let name = if host.host.contains(':') { format!("[{}]", host.host) } else { host.host.clone() };
    SentBy { host: name, port: host.port }
}

/// For an unspecified address nobody could answer to, the address the system would send from.
fn sent_by_address(addr: SocketAddr) -> SentBy {
    let ip = if addr.ip().is_unspecified() { own_address(addr).unwrap_or(addr.ip()) } else { addr.ip() };
    let host = if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() };
    SentBy { host, port: Some(addr.port()) }
}

/// Asks the routing table, without sending anything (RFC 5737, RFC 3849: addresses that exist nowhere).
fn own_address(addr: SocketAddr) -> Option<std::net::IpAddr> {
    let (any, nowhere) = if addr.is_ipv4() { ("0.0.0.0:0", "192.0.2.1:9") } else { ("[::]:0", "[2001:db8::1]:9") };
    let socket = std::net::UdpSocket::bind(any).ok()?;
    socket.connect(nowhere).ok()?;
    socket.local_addr().ok().map(|local| local.ip())
}

/// The SIP domain that the next hop's certificate must name: the one that is configured, else the name that DNS is asked
/// for (RFC 5922 section 7.3); a bare address stands for the domain whose next hop it is, if that has a name.
fn tls_name(configured: Option<&str>, next_hop: &str, sip_host: &str) -> Arc<str> {
    let named = [next_hop, sip_host].into_iter().find(|host| locate::numeric(host).is_none());
    Arc::from(configured.or(named).unwrap_or(next_hop))
}
