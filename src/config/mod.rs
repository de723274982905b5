//! The configuration: one struct, complete and checked before anything starts.
//!
//! The file is TOML; `config/stox.toml` is its reference, with every key and its default, and a test holds it equal
//! to this module. [`Config::load`] reads and checks a file and tells every mistake at once, each with its line, its
//! key and what to do about it. What comes out needs no second look: addresses are parsed, durations are
//! [`Duration`]s, secrets are read from their files and never printed.
//!
//! Sizes are bytes, counts are pieces, times are [`Duration`]s.

pub mod accounts;
mod check;
mod keys;
mod peer;
mod problem;
mod read;
mod secret;
mod section;
mod server;
mod value;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeTable;

use crate::gateway::trust::Network;
use crate::gateway::{PresenceLimits, PresenceRules};
use crate::mapping::preset::Preset;
use crate::mapping::{DomainMapping, Home};
use crate::sip::auth::Account;
use crate::store::Place;
use crate::tls;

pub use accounts::{Auth, Register, SipAccount, User};
pub use keys::known_keys;
pub use peer::Peer;
pub use problem::{Problem, Severity};
pub use secret::Secret;
use section::{Document, Section};
pub use server::Server;
pub use value::{HostPort, Listen, NextHop, Transport};

/// Where the configuration is looked for when the command line names no file.
pub const DEFAULT_PATH: &str = "/etc/stox/stox.toml";

/// Everything an administrator decides.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it was read from; for messages.
    pub file: PathBuf,
    /// `[[xmpp.component]]`: the links to XMPP servers, no domain twice.
    pub components: Vec<Component>,
    /// `[xmpp.server]`: what stox serves itself; absent: nothing, and then there is a component. Every domain with
    /// `home = "sip"` is in one of the two.
    pub server: Option<Server>,
    /// `[sip]`: the SIP side's sockets and timing.
    pub sip: Sip,
    /// Who may send SIP requests to us, and in whose name: every `[[sip.peer]]`, then one entry for each `[[sip.account]]`
    /// that none of them names, then one for each `[[domain]]`
    /// with `home = "sip"`, made of its `next_hop` (or of its `sip` host) and its `source`.
    pub peers: Vec<Peer>,
    /// `[admin]`: the HTTP side door; absent: off.
    pub admin: Option<Admin>,
    /// `[[domain]]`: which domains are bridged, in the order of the file; at least one of each home.
    pub domains: Vec<Domain>,
    /// `[message]`: how long a message is waited for, how many wait.
    pub message: Message,
    /// `[dns]`: who is asked for names.
    pub dns: Dns,
    /// `[store]`: where subscriptions are kept; absent: where systemd says, or nowhere.
    pub store: Option<Place>,
    /// `[limits]`: what bounds memory.
    pub limits: Limits,
    /// `[presence]`: what bounds presence.
    pub presence: PresenceLimits,
    /// `[log]`: what is written to standard error.
    pub log: Log,
    /// What somebody should look at although stox starts.
    pub warnings: Vec<Problem>,
}

impl Config {
    /// Reads and checks a file. Every mistake in it is told, in the order of the file.
    pub fn load(file: &Path) -> Result<Config, Vec<Problem>> {
        let whole = |what: String, todo: &str| {
            let (key, todo) = (String::new(), todo.to_owned());
            vec![Problem { file: file.to_owned(), line: 0, key, what, todo, severity: Severity::Error }]
        };
        let bytes = std::fs::read(file)
            .map_err(|error| whole(format!("cannot be read ({error})"), "name another with --config FILE"))?;
        let text = String::from_utf8(bytes).map_err(|_| whole("is not UTF-8".to_owned(), "save it as UTF-8"))?;
        let mut config = Config::parse(file, &text)?;
        if text.lines().any(holds_secret) && read::readable_by_all(file) {
            let told = whole("holds a secret and can be read by everybody".to_owned(), "chmod 640 it");
            config.warnings.extend(told.into_iter().map(|p| Problem { severity: Severity::Warning, ..p }));
        }
        Ok(config)
    }

    /// The mappings of all domains, in the order of the file. [`Mapping::new`](crate::mapping::Mapping::new) finds no
    /// conflict in them, because reading the configuration has looked for it.
    pub fn mappings(&self) -> Vec<DomainMapping> {
        self.domains.iter().map(|d| d.mapping.clone()).collect()
    }

    /// Checks the text of a file; `file` serves for messages and as the place that relative paths start from.
    pub fn parse(file: &Path, text: &str) -> Result<Config, Vec<Problem>> {
        let doc = Document::new(file, text);
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let line = error.span().map_or(0, |span| doc.line(span.start));
            doc.broken(line, &one_line(error.message()));
        }
        let config = read_all(&doc, table.get_ref());
        match (doc.into_problems(), config) {
            ((errors, warnings), Some(config)) if errors.is_empty() => Ok(Config { warnings, ..config }),
            ((errors, _), _) => Err(errors),
        }
    }
}

/// Whether a line gives a secret itself and not a file with one.
fn holds_secret(line: &str) -> bool {
    let rest = |key| line.trim_start().strip_prefix(key).map(str::trim_start);
    let database = || rest("url").is_some_and(|rest| rest.starts_with('=') && rest.contains('@'));
    ["secret", "password", "ha1"].into_iter().filter_map(rest).any(|rest| rest.starts_with('=')) || database()
}

/// A parser's message without its line breaks.
fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The configuration, or `None` where a part is missing; then a problem has been noted.
fn read_all<'d>(doc: &'d Document<'d>, table: &'d DeTable<'d>) -> Option<Config> {
    let top = Section::top(doc, table);
    let xmpp = top.section("xmpp");
    let dir = doc.file().parent().unwrap_or(Path::new(""));
    let components: Vec<_> =
        xmpp.sections("component").into_iter().map(|section| read::component(section, dir)).collect();
    let server = read::server(&xmpp, dir);
    if components.is_empty() && server.is_none() {
        let todo = "add [[xmpp.component]] with domain, server and secret, or [xmpp.server] with domains and listen";
        top.error("xmpp", "has no component, and no server", todo);
    }
    let domains: Vec<_> = top.sections("domain").into_iter().map(read::domain).collect();
    check::components(&components, &domains);
    check::domains(&top, &domains, &components, server.as_ref());
    if let Some(server) = &server {
        check::server(server, &domains, &components);
    }
    check::conflicts(&domains);
    check::users(&domains);

    let section = top.section("sip");
    let sip = read::sip(&section, dir).map(|sip| check::with_accounts(sip, &section, &domains));
    let peers = peers(&section, sip.as_ref(), &domains);
    if let Some(sip) = &sip {
        check::advertised(&section, sip);
        check::certificate(&section, sip, &domains);
        check::next_hops(&domains, sip);
        if let Some(server) = &server {
            check::sockets(server, sip);
        }
    }
    check::senders(&domains, &peers);

    Some(Config {
        file: doc.file().to_owned(),
        components: components.into_iter().map(|c| c.part).collect::<Option<_>>()?,
        server: server.map(|server| server.part.ok_or(())).transpose().ok()?,
        sip: sip?,
        peers,
        admin: read::admin(&top.section("admin")),
        domains: domains.into_iter().map(|d| d.part).collect::<Option<_>>()?,
        message: read::message(&top.section("message")),
        dns: read::dns(&top.section("dns")),
        presence: read::presence_limits(&top.section("presence")),
        store: read::store(&top.section("store"), dir),
        limits: read::limits(&top.section("limits")),
        log: read::log(&top.section("log")),
        warnings: Vec::new(),
    })
}

/// Who may send: the entries, then what accounts and domains imply.
fn peers(section: &Section<'_>, sip: Option<&Sip>, domains: &[read::Read<'_, Domain>]) -> Vec<Peer> {
    let accounts = sip.map_or(&[][..], |sip| &sip.accounts);
    let all_accounts = accounts.len() == section.sections("account").len();
    let entry = |section: Section<'_>| {
        let peer = read::peer::peer(&section, accounts, all_accounts);
        check::peer(&section, &peer.known.domains, domains);
        check::open_peer(&section, &peer);
        peer
    };
    let mut peers: Vec<Peer> = section.sections("peer").into_iter().map(entry).collect();
    peers.extend(check::accounts_without_peer(accounts, &peers));
    let of_sip = domains.iter().filter_map(|read| read.part.as_ref()).filter(|part| part.mapping.home == Home::Sip);
    peers.extend(of_sip.map(check::implied_peer));
    peers
}

/// `[[xmpp.component]]`: one XEP-0114 link to one XMPP server.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// The component's domain, spelt as JIDs have it: JIDs in it are SIP users.
    pub domain: String,
    /// Where the server takes component connections.
    pub server: HostPort,
    /// The shared secret of the handshake, from `secret` or from the file of `secret_file`.
    pub secret: Secret,
    /// The largest stanza taken from the server, bytes. RFC 6120 section 13.12: never below 10,000.
    pub stanza_size: usize,
    /// How long a connection attempt, handshake included, may take.
    pub connect_timeout: Duration,
    /// Silence after which the server is pinged (XEP-0199).
    pub ping_every: Duration,
    /// How long a ping may stay unanswered before the link counts as dead.
    pub ping_timeout: Duration,
}

impl Component {
    /// A component with every optional key at its default.
    pub fn new(domain: &str, server: HostPort, secret: Secret) -> Component {
        Component {
            domain: domain.to_owned(),
            server,
            secret,
            stanza_size: 262_144,
            connect_timeout: Duration::from_secs(10),
            ping_every: Duration::from_secs(60),
            ping_timeout: Duration::from_secs(20),
        }
    }
}

/// `[sip]`: the SIP side's sockets and timing.
#[derive(Clone, Debug, PartialEq)]
pub struct Sip {
    /// Sockets to listen on, at least one, none twice.
    pub listen: Vec<Listen>,
    /// Host, and port if it differs, that peers reach us by: goes into Via and Contact. `None`: the address of the
    /// listening socket, or for an unspecified one the address the system would send from.
    pub advertise: Option<HostPort>,
    /// RFC 3261 Timer T1, the estimate of a round trip.
    pub t1: Duration,
    /// What a request gets whose source no peer entry allows to speak for its From domain.
    pub unknown_source: UnknownSource,
    /// `[sip.auth]`: how those are challenged who have an account.
    pub auth: Auth,
    /// `[[sip.account]]`: who proves by digest who he is.
    pub accounts: Vec<SipAccount>,
    /// `[sip.tls]`: certificates. Without it stox takes no TLS connection and believes the system's trust anchors.
    pub tls: Option<Tls>,
}

/// `[sip.tls]`: our certificate, and whose certificates count.
#[derive(Clone, Debug, PartialEq)]
pub struct Tls {
    /// `certificate`, `key` and `trust`; they could be read when the configuration was.
    pub files: tls::Files,
    /// Whether peers that connect to us show a certificate.
    pub client_certificates: tls::ClientCertificates,
}

impl Default for Sip {
    fn default() -> Sip {
        Sip {
            listen: Vec::new(),
            advertise: None,
            t1: Duration::from_millis(500),
            unknown_source: UnknownSource::Refuse,
            auth: Auth::default(),
            accounts: Vec::new(),
            tls: None,
        }
    }
}

/// What to do with a request from a source that no entry allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownSource {
    /// Answer 403 (`"refuse"`).
    Refuse,
    /// Say nothing, count it (`"drop"`): a scanner learns nothing.
    Drop,
}

/// `[admin]`: where `/metrics`, `/health` and `/ready` are served.
#[derive(Clone, Debug, PartialEq)]
pub struct Admin {
    /// The HTTP socket. There is no authentication, so it belongs on loopback or a management network.
    pub listen: SocketAddr,
}

/// `[[domain]]`: one domain, as each side spells it, and the SIP server it belongs to.
#[derive(Clone, Debug)]
pub struct Domain {
    /// Its names, its rules and how its messages are written.
    pub mapping: DomainMapping,
    /// Where its SIP requests go (`home = "sip"`); `None`: the addresses of the SIP host.
    pub next_hop: Option<NextHop>,
    /// The SIP domain that the next hop's certificate must name; `None`: the host of the next hop, or where that is an
    /// address the host of `sip`.
    pub tls_name: Option<String>,
    /// Networks, besides the next hop, that may send in this domain's name (`home = "sip"`).
    pub source: Vec<Network>,
    /// The largest request sent over UDP, bytes, the whole request counted (RFC 3261 section 18.1.1, RFC 3428
    /// section 8).
    pub max_message: usize,
    /// What happens to a larger one.
    pub large: Large,
    /// Whether requests for it that come from SIP are sent on to its next hop (`home = "sip"`; RFC 3261 section 16).
    pub forward: bool,
    /// What answers the challenges of its SIP server, one for each realm (`home = "sip"`).
    pub credentials: Vec<Account>,
    /// As what stox registers there.
    pub register: Option<Register>,
    /// XMPP users with accounts of their own there.
    pub users: Vec<User>,
    /// The longest text, bytes; a longer one is refused. `usize::MAX`: the peer passes on any.
    pub max_body: usize,
    /// How often the next hop is asked whether it is there; `None`: never.
    pub options_every: Option<Duration>,
    /// How presence crosses (`home = "sip"`).
    pub presence: PresenceRules,
    /// The product whose habits are the defaults.
    pub peer: Option<&'static Preset>,
}

impl Domain {
    /// The default of `max_message`, bytes: RFC 3261 section 18.1.1.
    pub const MAX_MESSAGE: usize = 1_300;
    /// The default of `options_every`.
    pub const OPTIONS_EVERY: Duration = Duration::from_secs(60);

    /// Where its requests go: the next hop, or else the host and port of its SIP URIs.
    pub fn target(&self) -> NextHop {
        let own = || NextHop {
            host: HostPort {
                host: self.mapping.sip_host.trim_matches(['[', ']']).to_owned(),
                port: self.mapping.sip_port,
            },
            transport: None,
            secure: false,
        };
        self.next_hop.clone().unwrap_or_else(own)
    }
}

/// What happens to a request too large for UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Large {
    /// It goes over TCP.
    Tcp,
    /// It is refused with an error that says so: the peer has no TCP.
    Refuse,
}

/// `[message]`: how single messages are carried.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// How long the answer to a SIP MESSAGE waits for the XMPP server's confirmation before it is 202.
    pub confirm_within: Duration,
    /// Messages that may wait behind the one pending between two people.
    pub queue_per_pair: usize,
}

impl Default for Message {
    fn default() -> Message {
        Message { confirm_within: Duration::from_secs(1), queue_per_pair: 256 }
    }
}

/// `[dns]`: who is asked for names, and how patiently.
#[derive(Clone, Debug, PartialEq)]
pub struct Dns {
    /// Name servers; none: the system's.
    pub servers: Vec<SocketAddr>,
    /// How long one try may take.
    pub timeout: Duration,
    /// Tries for one question, at least one.
    pub attempts: usize,
    /// Whether the name servers' word that an answer is signed counts (DNSSEC): only then are TLSA records believed.
    pub dnssec: bool,
}

impl Default for Dns {
    fn default() -> Dns {
        Dns { servers: Vec::new(), timeout: Duration::from_secs(2), attempts: 3, dnssec: false }
    }
}

/// `[limits]`: what bounds memory, whatever the peers do.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Messages on their way to SIP or waiting for it, all pairs together.
    pub messages_to_sip: usize,
    /// Messages on their way to XMPP whose confirmation is awaited, all pairs together.
    pub messages_to_xmpp: usize,
    /// SIP server transactions kept to answer retransmissions; at 50,000 requests/s and 32 s each, 1.6 million.
    pub server_transactions: usize,
    /// The largest SIP message taken from a connection, bytes.
    pub sip_message: usize,
    /// Open SIP connections over TCP, TLS and WebSocket; strangers get half of them at most.
    pub tcp_connections: usize,
    /// Open SIP connections from one address; of IPv6, from one /64.
    pub tcp_connections_per_source: usize,
    /// How long the handshake of TLS or WebSocket may take.
    pub tcp_handshake: Duration,
    /// A connection without traffic for so long is closed.
    pub tcp_idle: Duration,
    /// The same for connections of sources that no peer entry knows.
    pub tcp_idle_strangers: Duration,
    /// How often a quiet connection of ours is probed (RFC 5626 section 4.4.1).
    pub tcp_keepalive: Duration,
    /// A peer that has begun a SIP message must finish it within this time; one that is being written to must read.
    pub tcp_stall: Duration,
    /// Bytes that may wait for a SIP peer that does not read.
    pub tcp_output: usize,
    /// Bytes that may wait for all SIP peers together.
    pub tcp_output_in_all: usize,
    /// Bytes that may wait for an XMPP server that does not read.
    pub xmpp_output: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            messages_to_sip: 100_000,
            messages_to_xmpp: 100_000,
            server_transactions: 2_000_000,
            sip_message: 65_536,
            tcp_connections: 1_024,
            tcp_connections_per_source: 64,
            tcp_handshake: Duration::from_secs(10),
            tcp_idle: Duration::from_secs(600),
            tcp_idle_strangers: Duration::from_secs(32),
            tcp_keepalive: Duration::from_secs(120),
            tcp_stall: Duration::from_secs(10),
            tcp_output: 4 << 20,
            tcp_output_in_all: 128 << 20,
            xmpp_output: 16 << 20,
        }
    }
}

/// `[log]`: what is written to standard error. Message bodies and secrets never are.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// The form of a line.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or several with commas, each but the first for
    /// one part: `info,stox::net=debug`. Addresses of people
    /// appear at `debug` and below only.
    pub level: String,
}

impl Default for Log {
    fn default() -> Log {
        Log { format: LogFormat::Human, level: "info".to_owned() }
    }
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}
