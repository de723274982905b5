//! What must hold between the parts: names that must be there on both sides, and names that must not be there twice.

mod accounts;
mod server;

use std::net::{IpAddr, SocketAddr};

use super::read::{Read, ReadServer, tls};
use super::section::Section;
use super::value::{HostPort, Listen};
use super::{Component, Domain, Peer, Sip, SipAccount};
use crate::gateway::trust::{self, Network, Range};
use crate::mapping::{DomainMapping, Home, domain};
use crate::tls::audit;
pub(super) use accounts::{users, with_accounts};
pub(super) use server::{server, sockets};

/// Components: no domain twice, and each used by a `[[domain]]`.
pub(super) fn components(components: &[Read<'_, Component>], domains: &[Read<'_, Domain>]) {
    for (at, component) in components.iter().enumerate() {
        let (section, Some(name)) = (&component.section, &component.domain) else { continue };
        if let Some(first) = components.iter().take(at).find(|c| c.domain.as_ref() == Some(name)) {
            let what = format!("\"{name}\" is there twice, first on line {}", first.section.line_of("domain"));
            section.error("domain", what, "keep one of the two: one link serves a domain");
        }
        if !domains.iter().any(|d| d.domain.as_ref() == Some(name)) {
            let what = format!("no [[domain]] has xmpp = \"{name}\", so this component serves nobody");
            section.warn("domain", what, "add a [[domain]] with home = \"sip\" for it, or remove the component");
        }
    }
}

/// Domains: both homes present, nothing twice, every SIP home reachable from XMPP, no key that means nothing.
pub(super) fn domains(
    top: &Section<'_>,
    domains: &[Read<'_, Domain>],
    components: &[Read<'_, Component>],
    server: Option<&ReadServer<'_>>,
) {
    let parts = || domains.iter().filter_map(|d| d.part.as_ref().map(|part| (&d.section, part)));
    if domains.iter().all(|d| d.part.is_some()) {
        for (home, word) in [(Home::Sip, "sip"), (Home::Xmpp, "xmpp")] {
            if !parts().any(|(_, d)| d.mapping.home == home) {
                let todo = "add one: a message needs a domain to come from and one to go to";
                top.error("domain", format!("none has home = \"{word}\""), todo);
            }
        }
    }
    for (at, read) in domains.iter().enumerate() {
        twice(read, domains.get(..at).unwrap_or_default());
        let Some(domain) = &read.part else { continue };
        open_to_all(&read.section, &domain.source);
        match domain.mapping.home {
            Home::Sip => sip_home(&read.section, domain, components, server),
            Home::Xmpp => xmpp_home(&read.section, domain, components, server),
        }
    }
}

fn twice(read: &Read<'_, Domain>, before: &[Read<'_, Domain>]) {
    let Some(name) = &read.domain else { return };
    if let Some(first) = before.iter().find(|d| d.domain.as_ref() == Some(name)) {
        let what = format!("\"{name}\" is there twice, first on line {}", first.section.line_of("xmpp"));
        let todo = if name == "*" { "keep one wildcard: it already takes every domain" } else { "keep one of the two" };
        read.section.error("xmpp", what, todo);
    }
    let Some(mapping) = read.part.as_ref().map(|part| &part.mapping) else { return };
    let same = |other: &DomainMapping| {
        // RFC 3261 section 19.1.2: no port is 5060.
        other.sip_host == mapping.sip_host && other.sip_port.unwrap_or(5060) == mapping.sip_port.unwrap_or(5060)
    };
    if let Some(first) = before.iter().find(|d| d.part.as_ref().is_some_and(|part| same(&part.mapping))) {
        let what = format!("\"{}\" is there twice, first on line {}", sip_name(mapping), first.section.line_of("sip"));
        read.section.error("sip", what, "give each domain its own host, or its own port");
    }
}

fn sip_name(mapping: &DomainMapping) -> String {
    match mapping.sip_port {
        Some(port) => format!("{}:{port}", mapping.sip_host),
        None => mapping.sip_host.clone(),
    }
}

/// What the mapping itself finds irreversible: names and rules.
pub(super) fn conflicts(domains: &[Read<'_, Domain>]) {
    let read: Vec<_> = domains.iter().filter_map(|d| Some((d, d.part.as_ref()?.mapping.clone()))).collect();
    let mappings: Vec<_> = read.iter().map(|(_, mapping)| mapping.clone()).collect();
    for conflict in domain::check(&mappings) {
        let Some((read, _)) = read.get(conflict.domain) else { continue };
        let (what, todo) = conflict.text.rsplit_once("; ").unwrap_or((&conflict.text, "change one of the two"));
        match conflict.rule.and_then(|rule| read.rules.get(rule)) {
            Some(rule) => rule.error("", what, todo),
            // What is wrong with a number plan was told where it was read, with its key.
            None if conflict.text.starts_with("numbers.") => {}
            // Two domains of one name were told above, by line.
            None if read.section.has_error("xmpp") || read.section.has_error("sip") => {}
            None => read.section.error("", what, todo),
        }
    }
}

fn sip_home(
    section: &Section<'_>,
    domain: &Domain,
    components: &[Read<'_, Component>],
    server: Option<&ReadServer<'_>>,
) {
    let name = &domain.mapping.xmpp;
    if section.has("gruu") {
        let todo = "move it to the [[domain]] with home = \"xmpp\" whose users' devices it is about, or remove it";
        section.warn("gruu", "means nothing with home = \"sip\"", todo);
    }
    if name == "*" {
        let todo = "write the domain of a component or of [xmpp.server]: only home = \"xmpp\" can have every domain";
        return section.error("xmpp", "\"*\" is not possible with home = \"sip\"", todo);
    }
    if server.is_some_and(|server| !server.all_domains || server.domains.contains(name)) {
        return;
    }
    if components.iter().all(|c| c.domain.as_ref().is_some_and(|served| served != name)) {
        let what = format!("no [[xmpp.component]] serves \"{name}\", so XMPP users cannot reach it");
        let todo = match server {
            Some(_) => format!("add \"{name}\" to domains of [xmpp.server], or a [[xmpp.component]] for it"),
            None => format!("add [[xmpp.component]] with domain = \"{name}\""),
        };
        section.error("xmpp", what, todo);
    }
}

fn xmpp_home(
    section: &Section<'_>,
    domain: &Domain,
    components: &[Read<'_, Component>],
    server: Option<&ReadServer<'_>>,
) {
    const PEER_KEYS: &[&str] = &[
        "next_hop",
        "tls_name",
        "source",
        "peer",
        "max_message",
        "max_body",
        "options_every",
        "large",
        "forward",
        "pager_as_chat",
        "call_id_as_thread",
        "typing",
        "xhtml_im",
        "global_failures",
        "anonymous",
        "credentials",
        "register",
        "user",
        "presence",
    ];
    for key in PEER_KEYS.iter().filter(|key| section.has(key)) {
        let todo = "move it to the [[domain]] with home = \"sip\" whose peer it is about, or remove it";
        section.warn(key, "means nothing with home = \"xmpp\"", todo);
    }
    let name = &domain.mapping.xmpp;
    if components.iter().any(|c| c.domain.as_ref() == Some(name)) {
        let what = format!("\"{name}\" is a component, so its users live on the SIP side");
        section.error("home", what, "write home = \"sip\", or name the server's own domain in xmpp");
    }
    if server.is_some_and(|server| server.domains.contains(name)) {
        let what = format!("stox serves \"{name}\" itself ([xmpp.server]), so its users live on the SIP side");
        section.error("home", what, "write home = \"sip\", or name the other server's domain in xmpp");
    }
}

/// A peer that is everybody, unless something else has to be proven.
pub(super) fn open_peer(section: &Section<'_>, peer: &Peer) {
    if peer.known.tls_name.is_none() && peer.known.account.is_none() {
        let networks: Vec<Network> = peer.known.ranges.iter().map(|range| range.network).collect();
        open_to_all(section, &networks);
    }
}

/// The peers that accounts imply which no entry names: from anywhere, for the domains of the account.
pub(super) fn accounts_without_peer(accounts: &[SipAccount], peers: &[Peer]) -> Vec<Peer> {
    let named = |account: &&SipAccount| peers.iter().any(|peer| peer.known.account.as_ref() == Some(&account.username));
    let implied = |account: &SipAccount| {
        let (name, domains) = (account.username.clone(), account.domains.clone());
        let known = trust::Peer { account: Some(name.clone()), name, domains, ..trust::Peer::default() };
        Peer { known, hosts: Vec::new() }
    };
    accounts.iter().filter(|account| !named(account)).map(implied).collect()
}

/// A source that is everybody.
pub(super) fn open_to_all(section: &Section<'_>, source: &[Network]) {
    if let Some(all) = source.iter().find(|net| net.bits == 0) {
        let what = format!("{all} is every address there is, so anybody may send in the name of these domains");
        section.warn("source", what, "name the networks of the peer");
    }
}

/// Peers: each domain they assert is bridged and lives on the SIP side.
pub(super) fn peer(section: &Section<'_>, asserted: &[String], domains: &[Read<'_, Domain>]) {
    if domains.iter().any(|d| d.part.is_none()) {
        return;
    }
    for name in asserted {
        let mappings = || domains.iter().filter_map(|d| d.part.as_ref()).map(|d| &d.mapping);
        let homes = || mappings().filter(|m| m.sip_host == *name).map(|m| m.home);
        if homes().any(|home| home == Home::Sip) {
            continue;
        }
        if homes().any(|home| home == Home::Xmpp) {
            let what = format!("\"{name}\" is the SIP name of XMPP users, and a SIP peer must not speak for them");
            section.error("domains", what, "remove it");
        } else {
            let what = format!("no [[domain]] has sip = \"{name}\"");
            section.error("domains", what, "add a [[domain]] with home = \"sip\" for it, or remove it");
        }
    }
}

/// The peer that a `home = "sip"` domain implies: whoever its requests go to may also send for it.
pub(super) fn implied_peer(domain: &Domain) -> Peer {
    let hop = domain.target();
    let mut ranges: Vec<Range> = domain.source.iter().copied().map(Range::from).collect();
    let mut hosts = Vec::new();
    match hop.host.ip() {
        Some(ip) => ranges.push(Network::host(ip).into()),
        None => hosts.push(hop),
    }
    let domains = vec![domain.mapping.sip_host.clone()];
    let known = trust::Peer { name: sip_name(&domain.mapping), ranges, domains, ..trust::Peer::default() };
    Peer { known, hosts }
}

/// Sending: no next hop is stox itself, and somebody may send for each domain.
pub(super) fn next_hops(domains: &[Read<'_, Domain>], sip: &Sip) {
    for read in domains {
        let Some(hop) = read.part.as_ref().and_then(|d| d.next_hop.as_ref()) else { continue };
        let Some(ip) = hop.host.ip() else { continue };
        let target = SocketAddr::new(ip, hop.host.port.unwrap_or(if hop.is_secure() { 5061 } else { 5060 }));
        let own = |listen: &&Listen| {
            hop.transport.is_none_or(|t| t == listen.transport)
                && hop.is_secure() == listen.transport.needs_certificate()
                && listen.addr.port() == target.port()
                && (listen.addr.ip() == ip || (listen.addr.ip().is_unspecified() && ip.is_loopback()))
        };
        if let Some(own) = sip.listen.iter().find(own) {
            let what = format!("{hop} is stox itself (it listens on {own})");
            read.section.error("next_hop", what, "write the address of the SIP server");
        }
    }
}

/// A domain that nobody may send for: its implied peer has only names, and no entry gives networks.
pub(super) fn senders(domains: &[Read<'_, Domain>], peers: &[Peer]) {
    for read in domains {
        let Some(domain) = read.part.as_ref().filter(|d| d.mapping.home == Home::Sip && d.next_hop.is_none()) else {
            continue;
        };
        let host = &domain.mapping.sip_host;
        if !peers.iter().any(|peer| {
            peer.known.domains.contains(host)
                && (!peer.known.ranges.is_empty() || peer.known.tls_name.is_some() || peer.known.account.is_some())
        }) {
            let what = format!(
                "is missing and no peer is allowed to send for \"{host}\": only the addresses that DNS gives for that \
                 name may"
            );
            read.section.warn("next_hop", what, "write next_hop, source, or a [[sip.peer]], unless that is meant");
        }
    }
}

/// Sockets inside TLS: there is a certificate to show, and it names what SIP peers look for: the host by which stox is
/// reached, or each domain of XMPP users (RFC 5922 section 7.2).
pub(super) fn certificate(section: &Section<'_>, sip: &Sip, domains: &[Read<'_, Domain>]) {
    let files = sip.tls.as_ref().map(|tls| &tls.files);
    let needs = sip.listen.iter().find(|listen| listen.transport.needs_certificate());
    let Some(listen) = needs else { return };
    let Some(certificate) = files.and_then(|files| files.certificate.as_deref()) else {
        let what = format!("{listen} needs a certificate, and there is none");
        return section.error("listen", what, "add [sip.tls] with certificate and key");
    };
    let own = files.and_then(|files| files.key.as_deref()).map(|key| (certificate, key));
    let users = domains.iter().filter_map(|read| read.part.as_ref()).filter(|domain| domain.mapping.home == Home::Xmpp);
    let mut names: Vec<String> = users.map(|domain| domain.mapping.sip_host.clone()).collect();
    names.dedup();
    for examined in tls::examined(own.into_iter()) {
        let advertised = sip.advertise.iter().map(|advertise| advertise.host.clone()).collect::<Vec<_>>();
        if advertised.is_empty() || !audit::sip_names(&examined, &advertised).is_empty() {
            tls::tell(&section.section("tls"), audit::sip_names(&examined, &names));
        }
    }
}

/// A host that every interface answers to, for messages.
pub(super) fn advertised(section: &Section<'_>, sip: &Sip) {
    let unspecified = |advertise: &HostPort| advertise.ip().is_some_and(|ip: IpAddr| ip.is_unspecified());
    if sip.advertise.as_ref().is_some_and(unspecified) {
        section.error("advertise", "names no host", "write the name or address that peers reach stox by");
    }
}
