//! From the file's tables to the parts of [`Config`](super::Config). A part with a mistake in it is told and left
//! out; what is still known of it stays for the checks across parts, so that one mistake is not told twice.

pub(super) mod accounts;
mod dns;
mod numbers;
mod partner;
pub(super) mod peer;
mod presence;
mod server;
mod store;
pub(super) mod tls;

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::section::Section;
use super::value::{self, Bad, HostPort, Listen, NextHop};
use super::{Admin, Component, Domain, Large, Limits, Log, LogFormat, Message, Secret, Sip, UnknownSource};
use crate::mapping::preset::{self, Preset};
use crate::mapping::{DomainMapping, Home, RegexRule, Typing, UriForm, UserRule};
use crate::model::Address;
use crate::xmpp::escape::unescape_local;
use crate::xmpp::jid::Jid;

pub(super) use dns::dns;
pub(super) use presence::limits as presence_limits;
pub(super) use server::{ReadServer, server};
pub(super) use store::store;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// What one `[[…]]` table gave: the whole part, or only what names it.
pub(super) struct Read<'d, T> {
    /// The table, for lines.
    pub(super) section: Section<'d>,
    /// The domain it is about, if that could be read.
    pub(super) domain: Option<String>,
    /// The part, if nothing necessary is missing or wrong.
    pub(super) part: Option<T>,
    /// The tables of its rules, in the order of the part's rules.
    pub(super) rules: Vec<Section<'d>>,
}

/// `[[xmpp.component]]`.
pub(super) fn component<'d>(section: Section<'d>, dir: &Path) -> Read<'d, Component> {
    if !section.has("domain") {
        section.error("domain", "is missing", "write the domain that the XMPP server knows the component by");
    }
    let domain = section.parsed("domain", jid_domain);
    if !section.has("server") {
        section.error("server", "is missing", "write the server's component address, such as \"127.0.0.1:5347\"");
    }
    let server = section.parsed("server", component_server);
    let secret = secret(&section, dir);
    let defaults = Component::new("", HostPort { host: String::new(), port: None }, Secret::new(""));
    let options = Component {
        stanza_size: section.number("stanza_size", 10_000..=16 << 20, defaults.stanza_size),
        connect_timeout: section.duration("connect_timeout", SECOND..=10 * MINUTE, defaults.connect_timeout),
        ping_every: section.duration("ping_every", SECOND..=24 * HOUR, defaults.ping_every),
        ping_timeout: section.duration("ping_timeout", SECOND..=10 * MINUTE, defaults.ping_timeout),
        ..defaults
    };
    let part = match (&domain, server, secret) {
        (Some(domain), Some(server), Some(secret)) => {
            Some(Component { domain: domain.clone(), server, secret, ..options })
        }
        _ => None,
    };
    Read { section, domain, part, rules: Vec::new() }
}

fn component_server(text: &str) -> Result<HostPort, Bad> {
    let server = HostPort::read(text)?;
    if server.port.is_none() {
        return Err(Bad {
            what: "has no port".to_owned(),
            todo: format!("write the server's component port too, such as \"{text}:5347\""),
        });
    }
    Ok(server)
}

fn secret(section: &Section<'_>, dir: &Path) -> Option<Secret> {
    let secret = match (section.has("secret"), section.has("secret_file")) {
        (true, true) => {
            section.error("secret_file", "is given and so is secret", "keep one of the two");
            return None;
        }
        (false, false) => {
            section.error("secret", "is missing", "write secret = \"…\", or secret_file = \"…\" with a path");
            return None;
        }
        (true, false) => section.string("secret")?.to_owned(),
        (false, true) => secret_file(section, "secret_file", dir)?,
    };
    if secret.is_empty() {
        let key = if section.has("secret") { "secret" } else { "secret_file" };
        section.error(key, "is empty", "write the secret that the XMPP server has for this component");
        return None;
    }
    Some(Secret::new(secret))
}

/// The first line of the file; a path that is not absolute starts where the configuration file lies.
fn secret_file(section: &Section<'_>, key: &str, dir: &Path) -> Option<String> {
    let path = dir.join(section.string(key)?);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            let todo = "create it, readable by the user that stox runs as";
            section.error(key, format!("{} cannot be read ({error})", path.display()), todo);
            return None;
        }
    };
    if readable_by_all(&path) {
        section.warn(key, format!("{} can be read by everybody", path.display()), "chmod 640 it");
    }
    Some(text.lines().next().unwrap_or_default().to_owned())
}

/// Whether the file's mode lets every user of the machine read it.
pub(super) fn readable_by_all(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|m| m.permissions().mode() & 0o004 != 0)
}

/// `[sip]`, without its peers.
pub(super) fn sip(section: &Section<'_>, dir: &Path) -> Option<Sip> {
    const TODO: &str = "write listen = [\"udp:IP:PORT\", \"tcp:IP:PORT\"]";
    let defaults = Sip::default();
    if !section.has("listen") {
        section.error("listen", "is missing", TODO);
    }
    let sockets = section.list("listen", Listen::read);
    for (at, socket) in sockets.iter().enumerate() {
        if sockets.iter().take(at).any(|other| other == socket) {
            section.error("listen", format!("{socket} is there twice"), "keep one of the two");
        }
    }
    let sip = Sip {
        listen: sockets,
        advertise: section.parsed("advertise", HostPort::read),
        t1: section.duration("t1", 50 * MILLISECOND..=5 * SECOND, defaults.t1),
        unknown_source: section
            .choice("unknown_source", &[("refuse", UnknownSource::Refuse), ("drop", UnknownSource::Drop)])
            .unwrap_or(defaults.unknown_source),
        auth: accounts::auth(&section.section("auth")),
        accounts: Vec::new(),
        tls: tls::tls(&section.section("tls"), dir),
    };
    if sip.listen.is_empty() && section.is_empty_list("listen") {
        section.error("listen", "is empty", TODO);
    }
    (!sip.listen.is_empty()).then_some(sip)
}

/// A SIP host as [`DomainMapping::sip_host`] spells it.
fn from_domain(text: &str) -> Result<String, Bad> {
    let read = HostPort::read(text)?;
    match read.port {
        None => Ok(DomainMapping::new(Home::Sip, "", &read.host, None).sip_host),
        Some(_) => Err(Bad { what: "has a port".to_owned(), todo: format!("write the host alone: \"{}\"", read.host) }),
    }
}

/// `[admin]`, if the file has it.
pub(super) fn admin(section: &Section<'_>) -> Option<Admin> {
    const TODO: &str = "write \"IP:PORT\", such as \"127.0.0.1:9480\"";
    if !section.exists() {
        return None;
    }
    if !section.has("listen") {
        section.error("listen", "is missing", TODO);
    }
    let listen = section.parsed("listen", |text| value::socket(text, TODO))?;
    if !listen.ip().is_loopback() {
        let what = format!("{listen} is no loopback address, and there is no authentication");
        section.warn("listen", what, "listen on 127.0.0.1, or let a firewall keep strangers out");
    }
    Some(Admin { listen })
}

/// `[[domain]]`.
pub(super) fn domain<'d>(section: Section<'d>) -> Read<'d, Domain> {
    for (key, todo) in [
        ("home", "write home = \"sip\" or home = \"xmpp\": where the domain's users live"),
        ("xmpp", "write the domain of its JIDs"),
        ("sip", "write the host of its SIP URIs"),
    ] {
        if !section.has(key) {
            section.error(key, "is missing", todo);
        }
    }
    let home = section.choice("home", &[("sip", Home::Sip), ("xmpp", Home::Xmpp)]);
    let xmpp = section.parsed("xmpp", |text| if text == "*" { Ok(text.to_owned()) } else { jid_domain(text) });
    let sip = section.parsed("sip", HostPort::read);
    let (rules, tables): (Vec<_>, Vec<_>) =
        section.sections("rule").into_iter().filter_map(|table| Some((rule(&table)?, table))).unzip();
    let preset = peer_named(&section);
    let switch = |key, default| section.boolean(key, preset.and_then(|peer| peer.boolean(key)).unwrap_or(default));
    let bytes =
        |key, range, default| section.number(key, range, preset.and_then(|peer| peer.number(key)).unwrap_or(default));
    let part = |home, xmpp: &str, sip: HostPort| Domain {
        mapping: DomainMapping {
            rules,
            form: section.choice("uri", &[("sip", UriForm::Sip), ("im", UriForm::Im)]).unwrap_or_default(),
            pager_as_chat: switch("pager_as_chat", false),
            call_id_as_thread: switch("call_id_as_thread", true),
            gruu: section.boolean("gruu", true),
            typing: typing(&section, preset),
            xhtml_im: section.boolean("xhtml_im", false),
            global_failures: switch("global_failures", true),
            anonymous: section.parsed("anonymous", bare_jid),
            numbers: numbers::numbers(&section.section("numbers")),
            ..DomainMapping::new(home, xmpp, &sip.host, sip.port)
        },
        next_hop: section.parsed("next_hop", NextHop::read),
        tls_name: section.parsed("tls_name", |text| HostPort::read(text).map(|name| name.host)),
        source: section.list("source", value::network),
        max_message: bytes("max_message", 500..=65_000, Domain::MAX_MESSAGE),
        max_body: bytes("max_body", 100..=16 << 20, usize::MAX),
        options_every: options_every(&section),
        peer: preset,
        large: section.choice("large", &[("tcp", Large::Tcp), ("refuse", Large::Refuse)]).unwrap_or(Large::Tcp),
        forward: section.boolean("forward", false),
        credentials: section.sections("credentials").iter().filter_map(accounts::credentials).collect(),
        register: accounts::register(&section.section("register")),
        users: section.sections("user").iter().filter_map(accounts::user).collect(),
        presence: presence::rules(&section.section("presence"), preset),
    };
    // The rest is read even where this is only a stand-in, so that its mistakes are told too.
    let complete = home.is_some() && xmpp.is_some() && sip.is_some();
    let stand_in = || HostPort { host: "stand-in.invalid".to_owned(), port: None };
    let read = part(home.unwrap_or(Home::Sip), xmpp.as_deref().unwrap_or(""), sip.unwrap_or_else(stand_in));
    Read { domain: xmpp, part: complete.then_some(read), rules: tables, section }
}

/// Without a word of the file or of the preset: to those who have shown that they take typing states.
fn typing(section: &Section<'_>, preset: Option<&Preset>) -> Typing {
    let known = preset.and_then(|peer| peer.boolean("typing"));
    match (section.has("typing").then(|| section.boolean("typing", false))).or(known) {
        None => Typing::Shown,
        Some(true) => Typing::Always,
        Some(false) => Typing::Never,
    }
}

/// The preset that `peer` names.
fn peer_named(section: &Section<'_>) -> Option<&'static Preset> {
    section.parsed("peer", |name| {
        let known = preset::names().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        preset::find(name).ok_or_else(|| Bad {
            what: "is no product that is known".to_owned(),
            todo: format!("write one of {known}, or remove it: everything works without"),
        })
    })
}

/// A duration, or "off".
fn options_every(section: &Section<'_>) -> Option<Duration> {
    if section.string("options_every") == Some("off") {
        return None;
    }
    Some(section.duration("options_every", SECOND..=24 * HOUR, Domain::OPTIONS_EVERY))
}

/// `[[domain.rule]]`.
fn rule(section: &Section<'_>) -> Option<UserRule> {
    #[derive(Clone, Copy)]
    enum Kind {
        Table,
        Prefix,
        Regex,
    }
    let kinds = [("table", Kind::Table), ("prefix", Kind::Prefix), ("regex", Kind::Regex)];
    if !section.has("kind") {
        section.error("kind", "is missing", "write kind = \"table\", \"prefix\" or \"regex\"");
    }
    let kind = section.choice("kind", &kinds)?;
    let keys: &[&str] = match kind {
        Kind::Table => &["kind", "pairs"],
        Kind::Prefix => &["kind", "sip", "xmpp"],
        Kind::Regex => &["kind", "sip", "to_xmpp", "xmpp", "to_sip"],
    };
    section.allow_only(keys, "this kind of rule");
    match kind {
        Kind::Table => {
            if !section.has("pairs") {
                section.error("pairs", "is missing", "write pairs = { \"101\" = \"juliet\" }: SIP user, XMPP user");
            }
            Some(UserRule::Table(section.pairs("pairs")))
        }
        Kind::Prefix => {
            let sip = section.required("sip", "write the prefix on the SIP side, \"\" for none");
            let xmpp = section.required("xmpp", "write the prefix on the XMPP side, \"\" for none");
            Some(UserRule::Prefix { sip: sip?.to_owned(), xmpp: xmpp?.to_owned() })
        }
        Kind::Regex => regex_rule(section),
    }
}

fn regex_rule(section: &Section<'_>) -> Option<UserRule> {
    let sip = section.required("sip", "write the expression that SIP users match as a whole");
    let to_xmpp = section.required("to_xmpp", "write what they become, \"${1}\" for the first group");
    let xmpp = section.required("xmpp", "write the expression that XMPP users match as a whole");
    let to_sip = section.required("to_sip", "write what they become, \"${1}\" for the first group");
    let told = |key, pattern: &str| match RegexRule::new(pattern, "", "", "") {
        Ok(_) => true,
        Err(why) => {
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            section.error(key, format!("\"{pattern}\" is no regular expression ({why})"), "mend it, in single quotes");
            false
        }
    };
    let (sip, xmpp) = (sip?, xmpp?);
    if !(told("sip", sip) & told("xmpp", xmpp)) {
        return None;
    }
    RegexRule::new(sip, to_xmpp?, xmpp, to_sip?).ok().map(Box::new).map(UserRule::Regex)
}

/// A domain as JIDs have it: a host name, lower case, without a port.
fn jid_domain(text: &str) -> Result<String, Bad> {
    const TODO: &str = "write the domain alone, such as sip.example";
    if text.contains(['@', '/']) {
        return Err(Bad { what: "is a JID, not a domain".to_owned(), todo: TODO.to_owned() });
    }
    if text.contains(':') {
        return Err(Bad { what: "has a port, and JIDs have none".to_owned(), todo: TODO.to_owned() });
    }
    let name = value::host_name(text)?;
    match Jid::new(None, &name, None) {
        Ok(jid) => Ok(jid.domain().to_owned()),
        Err(error) => Err(Bad { what: format!("is no domain of a JID ({error})"), todo: TODO.to_owned() }),
    }
}

fn bare_jid(text: &str) -> Result<Address, Bad> {
    let bad = |what: String| Bad { what, todo: "write a bare JID, such as a.user@sip.example".to_owned() };
    let jid = Jid::parse(text).map_err(|error| bad(format!("is no JID ({error})")))?;
    if jid.resource().is_some() {
        return Err(bad("has a resource".to_owned()));
    }
    let user = jid.local().map(|local| unescape_local(local).to_string());
    Ok(Address { user, domain: jid.domain().to_owned(), instance: None })
}

/// `[message]`.
pub(super) fn message(section: &Section<'_>) -> Message {
    let defaults = Message::default();
    Message {
        confirm_within: section.duration("confirm_within", 10 * MILLISECOND..=20 * SECOND, defaults.confirm_within),
        queue_per_pair: section.number("queue_per_pair", 1..=10_000, defaults.queue_per_pair),
    }
}

/// `[limits]`.
pub(super) fn limits(section: &Section<'_>) -> Limits {
    const MANY: usize = 100_000_000;
    const GIGABYTE: usize = 1 << 30;
    let defaults = Limits::default();
    let number = |key, range, default| section.number(key, range, default);
    Limits {
        messages_to_sip: number("messages_to_sip", 1..=MANY, defaults.messages_to_sip),
        messages_to_xmpp: number("messages_to_xmpp", 1..=MANY, defaults.messages_to_xmpp),
        server_transactions: number("server_transactions", 1_000..=MANY, defaults.server_transactions),
        sip_message: number("sip_message", 4_096..=16 << 20, defaults.sip_message),
        tcp_connections: number("tcp_connections", 1..=1_000_000, defaults.tcp_connections),
        tcp_connections_per_source: number(
            "tcp_connections_per_source",
            1..=1_000_000,
            defaults.tcp_connections_per_source,
        ),
        tcp_handshake: section.duration("tcp_handshake", SECOND..=10 * MINUTE, defaults.tcp_handshake),
        tcp_idle: section.duration("tcp_idle", SECOND..=24 * HOUR, defaults.tcp_idle),
        tcp_idle_strangers: section.duration("tcp_idle_strangers", SECOND..=24 * HOUR, defaults.tcp_idle_strangers),
        tcp_keepalive: section.duration("tcp_keepalive", SECOND..=24 * HOUR, defaults.tcp_keepalive),
        tcp_stall: section.duration("tcp_stall", SECOND..=10 * MINUTE, defaults.tcp_stall),
        tcp_output: number("tcp_output", 65_536..=GIGABYTE, defaults.tcp_output),
        tcp_output_in_all: number("tcp_output_in_all", 65_536..=16 * GIGABYTE, defaults.tcp_output_in_all),
        xmpp_output: number("xmpp_output", 65_536..=GIGABYTE, defaults.xmpp_output),
    }
}

/// `[log]`.
pub(super) fn log(section: &Section<'_>) -> Log {
    let defaults = Log::default();
    let level = section.parsed("level", log_level);
    Log {
        format: section
            .choice("format", &[("human", LogFormat::Human), ("json", LogFormat::Json)])
            .unwrap_or(defaults.format),
        level: level.unwrap_or(defaults.level),
    }
}

/// `LEVEL` or `PART=LEVEL`, several with commas. Stricter than the filter it is for, which takes any word for a part.
fn log_level(text: &str) -> Result<String, Bad> {
    let level = |word: &str| ["error", "warn", "info", "debug", "trace", "off"].contains(&word);
    let part = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "_:".contains(c));
    let fits = |directive: &str| match directive.split_once('=') {
        Some((name, word)) => part(name) && level(word),
        None => level(directive),
    };
    if text.split(',').all(fits) {
        return Ok(text.to_owned());
    }
    Err(Bad {
        what: "is no log level".to_owned(),
        todo: "write error, warn, info, debug or trace, and for single parts \"info,stox::net=debug\"".to_owned(),
    })
}
