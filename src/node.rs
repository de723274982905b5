//! Running the gateway: everything is built in order, and stopped in the reverse of it.
//!
//! ```text
//!  sockets -> shard (gateway) -> links        then: ready
//!  stop: take nothing new, let what is open end, end the streams, end the process: within five seconds
//! ```

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use crate::admin::{self, Part, Readiness};
use crate::config::{Config, HostPort, Large, Transport, UnknownSource};
use crate::gateway::trust::{Network, Peer, Stranger, Trust};
use crate::gateway::{Gateway, Input, Route, Settings, Size};
use crate::ids::Ids;
use crate::mapping::{Home, Mapping};
use crate::net::{Clock, Dns, Intake, LinkBoard, LinkSetup, Net, SHARD_QUEUE, Tcp, TcpLimits, ToShard, Udp, XmppLink};
use crate::shard::{Published, Shard};
use crate::sip::endpoint::{self, EndpointConfig, SentBy};
use crate::sip::locate::{self, Destination};
use crate::sip::transaction::timers::Timing;
use crate::xml;
use crate::xmpp::jid::BareJid;
use crate::xmpp::stream::{ComponentConfig, StreamConfig};

/// The number of the only shard.
const SHARD: u8 = 0;

/// How long the streams may take to end properly after the shard has.
const CLOSE: Duration = Duration::from_millis(1_500);

/// How often the addresses of peers that are configured by name are looked up again.
const PEERS_AGAIN: Duration = Duration::from_secs(60);

/// How long a TCP connection to a SIP peer may take: half the patience of a transaction, so that another target can be
/// tried.
const SIP_CONNECT: Duration = Duration::from_secs(10);

/// Why a run ended that should not have.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The runtime could not be set up.
    #[error("the runtime could not be started")]
    Runtime(#[source] io::Error),
    /// A socket could not be bound.
    #[error("cannot listen on {what}{}", remedy(.source))]
    Listen {
        /// The socket, as in the configuration.
        what: String,
        /// What the system says.
        source: io::Error,
    },
    /// The configuration names a domain that cannot be one.
    #[error("\"{domain}\" cannot be a domain")]
    Domain {
        /// The domain.
        domain: String,
    },
    /// The mappings contradict each other.
    #[error("the domain mappings contradict each other: {0}")]
    Mapping(String),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
}

/// What may help when a socket cannot be bound.
fn remedy(error: &io::Error) -> &'static str {
    const REMEDIES: [(io::ErrorKind, &str); 3] = [
        (io::ErrorKind::AddrInUse, " (another program is there)"),
        (io::ErrorKind::AddrNotAvailable, " (this machine has no such address)"),
        (io::ErrorKind::PermissionDenied, " (ports below 1024 need CAP_NET_BIND_SERVICE)"),
    ];
    REMEDIES.iter().find(|(kind, _)| *kind == error.kind()).map_or("", |(_, text)| text)
}

/// Runs the gateway until SIGTERM or SIGINT.
///
/// # Errors
/// What kept it from starting.
pub fn run(config: Config) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)?;
    runtime.block_on(Node { config, clock: Clock::start() }.run())
}

struct Node {
    config: Config,
    clock: Clock,
}

impl Node {
    async fn run(self) -> Result<(), Error> {
        let (shard_queue, inputs) = mpsc::channel(SHARD_QUEUE);
        let (stop_shard, shard_stops) = watch::channel(false);
        let (stop_links, links_stop) = watch::channel(false);
        let (trust, stranger) = (self.trust().await, self.stranger());
        let intake = Arc::new(Intake::new(trust.clone(), stranger));

        let udp = self.bind_udp()?;
        let tcp = Tcp::new(self.tcp_limits(), self.clock, shard_queue.clone(), Arc::clone(&intake));
        self.listen_tcp(&tcp)?;
        let gateway = self.gateway(trust, &udp)?;
        let links = self.start_links(&shard_queue, &links_stop)?;
        let boards: Vec<Arc<LinkBoard>> = links.iter().map(XmppLink::board).collect();
        for socket in &udp {
            socket.start(Arc::clone(&intake), shard_queue.clone());
        }
        let published = Published::default();
        self.start_admin(&boards, &published, &intake, &tcp).await?;

        let net = Net { links, udp, tcp, dns: Dns::system(shard_queue.clone()) };
        let shard = Shard::new(gateway, net, inputs, self.clock, published);
        let shard = tokio::spawn(shard.run(shard_stops));
        tokio::spawn(announce(self.config.clone(), boards.clone()));
        tokio::spawn(Self { config: self.config.clone(), clock: self.clock }.look_up_peers(intake, shard_queue));

        wait_for_signal().await;
        notify(&[sd_notify::NotifyState::Stopping]);
        info!("stopping: nothing new is taken, what is open may end");
        let _ = stop_shard.send(true);
        let _ = shard.await;
        let _ = stop_links.send(true);
        close_links(&boards).await;
        info!("stopped");
        Ok(())
    }

    fn bind_udp(&self) -> Result<Vec<Udp>, Error> {
        let listen = self.config.sip.listen.iter().filter(|listen| listen.transport == Transport::Udp);
        listen
            .map(|listen| Udp::bind(listen.addr).map_err(|source| Error::Listen { what: listen.to_string(), source }))
            .collect()
    }

    fn listen_tcp(&self, tcp: &Tcp) -> Result<(), Error> {
        for listen in self.config.sip.listen.iter().filter(|listen| listen.transport == Transport::Tcp) {
            tcp.listen(listen.addr).map_err(|source| Error::Listen { what: listen.to_string(), source })?;
        }
        Ok(())
    }

    fn tcp_limits(&self) -> TcpLimits {
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

    fn gateway(&self, trust: Trust, udp: &[Udp]) -> Result<Gateway, Error> {
        let mapping = Mapping::new(self.config.mappings()).map_err(|conflicts| {
            Error::Mapping(conflicts.first().map(|conflict| conflict.text.clone()).unwrap_or_default())
        })?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|_| Error::Random)?;
        let settings = Settings {
            links: self.config.components.iter().map(|component| component.domain.clone()).collect(),
            routes: self.routes(),
            trust,
            confirm_within: self.config.message.confirm_within,
            queue_per_pair: self.config.message.queue_per_pair,
            messages_to_sip: self.config.limits.messages_to_sip,
            messages_to_xmpp: self.config.limits.messages_to_xmpp,
            version: env!("CARGO_PKG_VERSION"),
        };
        Ok(Gateway::new(Arc::new(mapping), settings, self.endpoint(udp), Ids::new(seed, SHARD)))
    }

    fn routes(&self) -> Vec<(String, Route)> {
        let of_sip = self.config.domains.iter().filter(|domain| domain.mapping.home == Home::Sip);
        let route = |domain: &crate::config::Domain| {
            let target = domain.target();
            let next_hop = Destination {
                host: target.host.host,
                port: target.host.port,
                transport: target.transport.map(|transport| match transport {
                    Transport::Udp => locate::Transport::Udp,
                    Transport::Tcp => locate::Transport::Tcp,
                }),
                secure: false,
            };
            let large = match domain.large {
                Large::Tcp => Size::Tcp,
                Large::Refuse => Size::Refuse,
            };
            (domain.mapping.xmpp.clone(), Route { next_hop, max_message: domain.max_message, large })
        };
        of_sip.map(route).collect()
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
        sent_by.extend(own(Transport::Tcp).or(any).map(|sent_by| (locate::Transport::Tcp, sent_by)));
        let mut config = EndpointConfig::new(SentBy { host: String::new(), port: None });
        config.sent_by = sent_by;
        config.timing = Timing { t1: self.config.sip.t1, ..Timing::default() };
        config.limits = limits;
        config
    }

    fn start_links(&self, shard: &ToShard, stop: &watch::Receiver<bool>) -> Result<Vec<XmppLink>, Error> {
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

    async fn start_admin(
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
            samples: Box::new(move || samples(&published, &samples_config, &boards_for_samples, &intake, &tcp)),
            readiness: Box::new(move || readiness(&config, &boards)),
        };
        tokio::spawn(async move {
            if let Err(error) = admin::serve(listener, sources, std::future::pending()).await {
                warn!(%error, "the admin socket is gone");
            }
        });
        Ok(())
    }

    fn stranger(&self) -> Stranger {
        match self.config.sip.unknown_source {
            UnknownSource::Refuse => Stranger::Refuse,
            UnknownSource::Drop => Stranger::Drop,
        }
    }

    /// The peers with the addresses that their names have now.
    async fn trust(&self) -> Trust {
        let mut peers = Vec::new();
        for peer in &self.config.peers {
            let mut networks: Vec<Network> =
                peer.source.iter().map(|cidr| Network { first: cidr.network, bits: cidr.bits }).collect();
            for host in &peer.hosts {
                match tokio::net::lookup_host((host.as_str(), 0)).await {
                    Ok(found) => networks.extend(found.map(host_network)),
                    Err(error) => warn!(peer = peer.name, host, %error, "the peer's address was not found"),
                }
            }
            peers.push(Peer { name: peer.name.clone(), networks, domains: peer.domains.clone() });
        }
        Trust::new(peers, self.stranger())
    }

    async fn look_up_peers(self, intake: Arc<Intake>, shard: ToShard) {
        if self.config.peers.iter().all(|peer| peer.hosts.is_empty()) {
            return;
        }
        loop {
            tokio::time::sleep(PEERS_AGAIN).await;
            let trust = self.trust().await;
            intake.trust(trust.clone());
            if shard.send(vec![Input::Trust(trust)]).await.is_err() {
                return;
            }
        }
    }
}

fn host_network(addr: SocketAddr) -> Network {
    let ip = addr.ip().to_canonical();
    Network { first: ip, bits: if ip.is_ipv4() { 32 } else { 128 } }
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

async fn wait_for_signal() {
    let heard = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup()));
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) = heard else {
        warn!("signals cannot be heard; the process ends only when it is killed");
        return std::future::pending().await;
    };
    loop {
        tokio::select! {
            _ = terminate.recv() => return,
            _ = interrupt.recv() => return,
            _ = hangup.recv() => warn!("SIGHUP: the configuration is only read at the start; restart to change it"),
        }
    }
}

/// Waits until the streams have ended, but no longer than [`CLOSE`].
async fn close_links(boards: &[Arc<LinkBoard>]) {
    let until = tokio::time::Instant::now() + CLOSE;
    while boards.iter().any(|board| board.view().ready) && tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Says once that both sides are up, to people and to systemd.
async fn announce(config: Config, boards: Vec<Arc<LinkBoard>>) {
    while !readiness(&config, &boards).ready {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let listen: Vec<String> = config.sip.listen.iter().map(ToString::to_string).collect();
    let links: Vec<&str> = config.components.iter().map(|component| component.domain.as_str()).collect();
    info!(components = links.join(", "), sip = listen.join(", "), "ready");
    notify(&[sd_notify::NotifyState::Ready]);
}

fn notify(states: &[sd_notify::NotifyState<'_>]) {
    // Without systemd there is nobody to tell.
    let _ = sd_notify::notify(states);
}

fn readiness(config: &Config, boards: &[Arc<LinkBoard>]) -> Readiness {
    let link = |(component, board): (&crate::config::Component, &Arc<LinkBoard>)| {
        let view = board.view();
        let detail = match (view.ready, view.trouble.is_empty()) {
            (true, _) => format!("connected to {}", component.server),
            (false, true) => format!("connecting to {}", component.server),
            (false, false) => view.trouble,
        };
        Part { name: format!("xmpp {}", component.domain), up: view.ready, detail }
    };
    let mut parts: Vec<Part> = config.components.iter().zip(boards).map(link).collect();
    parts.extend(config.sip.listen.iter().map(|listen| Part {
        name: format!("sip {listen}"),
        up: true,
        detail: "listening".to_owned(),
    }));
    Readiness { ready: parts.iter().all(|part| part.up), parts }
}

fn samples(
    published: &Mutex<Vec<crate::gateway::stats::Sample>>,
    config: &Config,
    boards: &[Arc<LinkBoard>],
    intake: &Intake,
    tcp: &Tcp,
) -> Vec<admin::Sample> {
    let told = published.lock().map(|published| published.clone()).unwrap_or_default();
    let of_gateway = told.into_iter().map(|told| sample(told.name, told.help, told.counter, told.labels, told.value));
    let mut samples: Vec<admin::Sample> = of_gateway.collect();
    samples.extend(link_samples(config, boards));
    let open = u64::try_from(tcp.open()).unwrap_or(u64::MAX);
    samples.push(sample("stox_sip_connections", "SIP connections open over TCP.", false, Vec::new(), open));
    samples.extend(refused_samples(&intake.refused));
    samples
}

fn sample(
    name: &'static str,
    help: &'static str,
    counter: bool,
    labels: Vec<(&'static str, String)>,
    value: u64,
) -> admin::Sample {
    let kind = if counter { admin::Kind::Counter } else { admin::Kind::Gauge };
    #[expect(clippy::cast_precision_loss, reason = "counts above 2^53 do not occur")]
    let value = value as f64;
    admin::Sample { name, help, kind, labels, value }
}

fn link_samples(config: &Config, boards: &[Arc<LinkBoard>]) -> Vec<admin::Sample> {
    let views: Vec<_> =
        config.components.iter().zip(boards).map(|(c, board)| (c.domain.clone(), board.view())).collect();
    let per_link = |name, help, counter, value: fn(&crate::net::LinkView) -> u64| {
        let one = |(domain, view): &(String, crate::net::LinkView)| {
            sample(name, help, counter, vec![("component", domain.clone())], value(view))
        };
        views.iter().map(one).collect::<Vec<_>>()
    };
    let mut samples = per_link("stox_link_up", "Whether the XMPP link is ready.", false, |view| u64::from(view.ready));
    samples
        .extend(per_link("stox_link_connections", "Times the XMPP link became ready.", true, |view| view.connections));
    samples
        .extend(per_link("stox_link_queued_bytes", "Bytes that wait for the XMPP server.", false, |view| view.queued));
    samples.extend(per_link("stox_link_unusable", "Stanzas that could not be used.", true, |view| view.unusable));
    samples
}

fn refused_samples(refused: &crate::net::Refused) -> Vec<admin::Sample> {
    let counts = [
        ("stox_sip_malformed", "SIP messages answered because they could not be read.", &refused.answered),
        ("stox_sip_unreadable", "SIP messages that could neither be read nor answered.", &refused.unreadable),
        ("stox_sip_strangers", "SIP messages from unknown sources that were not read.", &refused.strangers),
        ("stox_sip_connections_refused", "SIP connections refused because there were too many.", &refused.connections),
    ];
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    counts.map(|(name, help, count)| sample(name, help, true, Vec::new(), read(count))).into()
}
