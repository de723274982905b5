//! Running the gateway: everything is built in order, and stopped in the reverse of it.
//!
//! ```text
//!  sockets -> shard (gateway) -> links        then: ready
//!  stop: take nothing new, let what is open end, end the streams, end the process: within five seconds
//!        streams of other servers that only bring something are closed first, and what they still bring is refused;
//!        those by which answers go are closed last
//! ```
//!
//! | file | what |
//! |---|---|
//! | `build` | sockets, links, admin page: what opens something |
//! | `federation` | the domains that stox serves itself, and their streams |
//! | `settings` | from the configuration to what the gateway and its endpoint want |
//! | `peers` | who may send, with the addresses that their names have now |
//! | `certificates` | looked at again and again, for new ones are put in their place |
//! | `readiness` | whether messages can cross, for `/ready` and systemd |
//! | `samples` | every counter and gauge, for `/metrics` |
//! | `keep` | where subscriptions are kept, and what was kept there |
//! | `signals` | waiting for the order to stop |
//! | `way` | how messages to an address would find their server, for `stox explain` |

mod build;
mod certificates;
mod federation;
mod keep;
mod peers;
mod readiness;
mod samples;
mod settings;
mod signals;
mod way;

pub use keep::place;
pub use way::way;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::config::Config;
use crate::net::{Clock, Connections, Dns, Intake, LinkBoard, Net, Probe, SHARD_QUEUE, XmppLink};
use crate::shard::{Published, Shard};
use crate::store::{self, View};
use certificates::Certificates;
use federation::Servers;

/// How long the streams may take to end properly after the shard has.
const CLOSE: Duration = Duration::from_millis(1_500);

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
    /// A certificate, key or trust anchor cannot be used.
    #[error(transparent)]
    Tls(#[from] crate::tls::StoreError),
    /// The same, of `[xmpp.server]`.
    #[error(transparent)]
    ServerTls(#[from] crate::tls::xmpp::Trouble),
    /// The mappings contradict each other.
    #[error("the domain mappings contradict each other: {0}")]
    Mapping(String),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
    /// What is kept cannot be used, or no longer.
    #[error(transparent)]
    Store(#[from] store::Error),
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

/// What the operators' pages are made of.
struct Sources {
    published: Published,
    boards: Vec<Arc<LinkBoard>>,
    intake: Arc<Intake>,
    connections: Connections,
    certificates: Certificates,
    servers: Option<Servers>,
    store: Box<dyn Fn() -> View + Send + Sync>,
}

impl Node {
    async fn run(self) -> Result<(), Error> {
        let (shard_queue, inputs) = mpsc::channel(SHARD_QUEUE);
        let (stop_shard, shard_stops) = watch::channel(false);
        let (stop_links, links_stop) = watch::channel(false);
        let dns = Dns::new(&self.dns(), shard_queue.clone());
        let mut names = self.names(dns.clone());
        let trust = self.trust(&mut names).await;
        let intake = Arc::new(Intake::new(trust.clone(), self.clock));

        let udp = self.bind_udp()?;
        let tls = self.certificates()?;
        let (limits, queue) = (self.connection_limits(), shard_queue.clone());
        let connections = Connections::new(limits, self.clock, queue, Arc::clone(&intake), Arc::clone(&tls));
        self.listen(&connections)?;
        let mut gateway = self.gateway(trust, &udp)?;
        let store = keep::open(&self.config).await?;
        keep::restore(&store, &mut gateway, self.clock).await?;
        let links = self.start_links(&shard_queue, &links_stop)?;
        let boards: Vec<Arc<LinkBoard>> = links.iter().map(XmppLink::board).collect();
        let servers = self.federate(&dns, &shard_queue)?;
        let links = self.all_links(links, servers.as_ref());
        for socket in &udp {
            socket.start(Arc::clone(&intake), shard_queue.clone());
        }
        let certificates = Certificates { sip: tls, xmpp: servers.as_ref().map(|servers| Arc::clone(&servers.tls)) };
        let published = Published::default();
        let sources = Arc::new(Sources {
            published: Arc::clone(&published),
            boards: boards.clone(),
            intake: Arc::clone(&intake),
            connections: connections.clone(),
            certificates: certificates.clone(),
            servers: servers.clone(),
            store: Box::new(store.viewer()),
        });
        self.start_admin(Arc::clone(&sources), shard_queue.clone()).await?;

        let probe = Probe::new(shard_queue.clone());
        let net = Net { links, udp, probe, connections, dns, intake: Arc::clone(&intake) };
        let shard = Shard::new(gateway, net, inputs, self.clock, published, store);
        let shard = tokio::spawn(shard.run(shard_stops));
        servers.iter().try_for_each(|servers| self.listen_to_servers(servers))?;
        tokio::spawn(readiness::announce(self.config.clone(), sources));
        let tended = Arc::clone(&intake);
        tokio::spawn(async move { tended.tend().await });
        tokio::spawn(certificates.clone().watch());
        tokio::spawn(Self { config: self.config.clone(), clock: self.clock }.look_up_peers(names, intake, shard_queue));

        let ended = until_stopped(shard, &stop_shard, &certificates).await;
        let _ = stop_links.send(true);
        close_links(&boards, servers.as_ref()).await;
        info!("stopped");
        Ok(ended?)
    }
}

/// Waits for the order to stop and then for the shard, or for a shard that ends by itself, which has a reason.
async fn until_stopped(
    mut shard: JoinHandle<Result<(), store::Error>>,
    stop: &watch::Sender<bool>,
    certificates: &Certificates,
) -> Result<(), store::Error> {
    let ended = tokio::select! {
        () = signals::wait(|| certificates.reload()) => None,
        ended = &mut shard => Some(ended),
    };
    readiness::notify(&[sd_notify::NotifyState::Stopping]);
    let ended = match ended {
        Some(ended) => ended,
        None => {
            info!("stopping: nothing new is taken, what is open may end");
            let _ = stop.send(true);
            shard.await
        }
    };
    // A shard that panicked has said so.
    ended.unwrap_or(Ok(()))
}

/// Waits until the streams have ended, but no longer than [`CLOSE`].
async fn close_links(boards: &[Arc<LinkBoard>], servers: Option<&Servers>) {
    let until = tokio::time::Instant::now() + CLOSE;
    let open =
        || boards.iter().any(|board| board.view().ready) || servers.is_some_and(|servers| !servers.federated.is_over());
    while open() && tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let late = servers.map_or(0, |servers| servers.federated.late());
    if late > 0 {
        warn!(messages = late, "came while the streams were being closed; their senders are not told");
    }
}
