//! `[xmpp.server]`.

use std::path::Path;

use super::{HOUR, MINUTE, SECOND, jid_domain, partner, tls};
use crate::config::section::Section;
use crate::config::server::Server;
use crate::config::value::{Bad, Listen, Transport};
use crate::xmpp::federation::locate::PORT;
use crate::xmpp::xep::contacts::PURPOSES;

/// What `[xmpp.server]` gave, with its table for lines.
pub(in crate::config) struct ReadServer<'d> {
    /// The table.
    pub(in crate::config) section: Section<'d>,
    /// The `[[xmpp.partner]]`s, in the order of the file.
    pub(in crate::config) partners: Vec<partner::ReadPartner<'d>>,
    /// Its domains, as far as they could be read.
    pub(in crate::config) domains: Vec<String>,
    /// Whether all of them could.
    pub(in crate::config) all_domains: bool,
    /// The whole, if nothing necessary is missing.
    pub(in crate::config) part: Option<Server>,
}

/// `[xmpp.server]`, if the file has it, with `[[xmpp.partner]]`. Paths that are not absolute start at `dir`.
pub(in crate::config) fn server<'d>(xmpp: &Section<'d>, dir: &Path) -> Option<ReadServer<'d>> {
    let section = xmpp.section("server");
    let partners = partner::partners(xmpp);
    if !section.exists() {
        if let Some(first) = partners.first() {
            let todo = "add [xmpp.server] with domains and listen, or remove it";
            first.section.error("", "means nothing without [xmpp.server]", todo);
        }
        return None;
    }
    let domains = domains(&section);
    let listen = listen(&section);
    let tls = tls::of_server(&section, dir);
    let contacts = contacts(&section.section("contacts"));
    let defaults = Server::default();
    let part = Server {
        connect_timeout: section.duration("connect_timeout", SECOND..=10 * MINUTE, defaults.connect_timeout),
        ping_every: section.duration("ping_every", SECOND..=24 * HOUR, defaults.ping_every),
        ping_timeout: section.duration("ping_timeout", SECOND..=10 * MINUTE, defaults.ping_timeout),
        idle: section.duration("idle", SECOND..=24 * HOUR, defaults.idle),
        queue: section.number("queue", 1..=10_000, defaults.queue),
        queue_timeout: section.duration("queue_timeout", SECOND..=10 * MINUTE, defaults.queue_timeout),
        connections: section.number("connections", 1..=1_000_000, defaults.connections),
        connections_per_source: section.number(
            "connections_per_source",
            1..=1_000_000,
            defaults.connections_per_source,
        ),
        posh: section.boolean("posh", defaults.posh),
        partners: partner::table(&partners),
        domains: domains.clone(),
        listen,
        tls,
        contacts,
    };
    let all_domains = section.len_of("domains") == domains.len();
    let complete = all_domains && !part.domains.is_empty() && !part.listen.is_empty();
    Some(ReadServer { partners, all_domains, domains, part: complete.then_some(part), section })
}

fn domains(section: &Section<'_>) -> Vec<String> {
    const TODO: &str = "write the domains that stox serves itself, such as [\"sip.example\"]";
    told_if_none(section, "domains", TODO);
    let domains = section.list("domains", jid_domain);
    told_twice(section, "domains", &domains);
    domains
}

fn listen(section: &Section<'_>) -> Vec<Listen> {
    told_if_none(section, "listen", &format!("write listen = [\"tcp:IP:{PORT}\"]; 0.0.0.0 or [::] is every address"));
    let sockets = section.list("listen", |text| {
        let todo = || format!("write \"tcp:IP:{PORT}\", or \"tls:IP:PORT\" for TLS from the first byte");
        let socket = Listen::read(text).map_err(|bad| Bad { todo: todo(), ..bad })?;
        match socket.transport {
            Transport::Tcp | Transport::Tls => Ok(socket),
            Transport::Udp | Transport::Ws | Transport::Wss => {
                Err(Bad { what: "is no socket that XMPP servers use".to_owned(), todo: todo() })
            }
        }
    });
    told_twice(section, "listen", &sockets);
    for (at, socket) in sockets.iter().enumerate() {
        if sockets.iter().take(at).any(|other| other != socket && other.addr == socket.addr) {
            section.error("listen", format!("has {} twice", socket.addr), "give tcp and tls a port each");
        }
    }
    sockets
}

fn told_if_none(section: &Section<'_>, key: &str, todo: &str) {
    if !section.has(key) {
        section.error(key, "is missing", todo);
    } else if section.is_empty_list(key) {
        section.error(key, "is empty", todo);
    }
}

fn told_twice<T: PartialEq + std::fmt::Display>(section: &Section<'_>, key: &str, items: &[T]) {
    for (at, item) in items.iter().enumerate() {
        if items.iter().take(at).any(|other| other == item) {
            section.error(key, format!("{item} is there twice"), "keep one of the two");
        }
    }
}

/// `[xmpp.server.contacts]`: the purposes that XEP-0157 knows.
fn contacts(section: &Section<'_>) -> Vec<(String, Vec<String>)> {
    let of = |kind: &str| (kind.to_owned(), section.list(kind, uri));
    PURPOSES.into_iter().map(of).filter(|(_, addresses)| !addresses.is_empty()).collect()
}

/// An absolute URI, as XEP-0157 wants addresses to be.
fn uri(text: &str) -> Result<String, Bad> {
    let scheme = text.split_once(':').filter(|(_, rest)| !rest.is_empty()).map(|(scheme, _)| scheme);
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    if scheme.is_some_and(is_scheme) && !text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Ok(text.to_owned());
    }
    let todo = "write \"mailto:ADDRESS\", \"xmpp:JID\" or \"https://…\"".to_owned();
    Err(Bad { what: "is no URI".to_owned(), todo })
}
