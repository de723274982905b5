//! `[xmpp.server]` and the partners: names that fit the domains, and nothing that lets in more than it says.

use crate::config::read::{Read, ReadServer, tls};
use crate::config::{Component, Domain, Listen, Server, Sip, Transport};
use crate::mapping::Home;
use crate::tls::audit;
use crate::xmpp::federation::{Authentication, Partner};

/// What must hold between `[xmpp.server]`, its partners, and the rest.
pub(in crate::config) fn server(
    server: &ReadServer<'_>,
    domains: &[Read<'_, Domain>],
    components: &[Read<'_, Component>],
) {
    for name in &server.domains {
        served(server, name, domains, components);
    }
    partners(server);
    if let Some(part) = &server.part {
        certificate(server, part);
        reachable(server, part, domains);
    }
}

/// A domain of ours: the XMPP name of SIP users, and no component's.
fn served(server: &ReadServer<'_>, name: &str, domains: &[Read<'_, Domain>], components: &[Read<'_, Component>]) {
    let section = &server.section;
    if let Some(component) = components.iter().find(|component| component.domain.as_deref() == Some(name)) {
        let line = component.section.line_of("domain");
        let what = format!("\"{name}\" is a component, too (line {line})");
        section.error("domains", what, "keep one of the two: the XMPP server beside stox federates for its components");
    }
    if !domains.iter().any(|domain| domain.domain.as_deref() == Some(name)) {
        let todo = "add a [[domain]] with home = \"sip\" for it, or remove it";
        section.error("domains", format!("no [[domain]] has xmpp = \"{name}\""), todo);
    }
}

fn partners(server: &ReadServer<'_>) {
    for entry in &server.partners {
        let Some(domain) = entry.domain.as_deref() else { continue };
        if server.domains.iter().any(|own| own == domain) {
            let what = format!("\"{domain}\" is a domain of [xmpp.server], and stox is no partner of itself");
            entry.section.error("domain", what, "remove the entry");
        }
        if domain == "*" && entry.partner.allowed && entry.partner.authentication == Authentication::Dialback {
            let what = "\"dialback\" lets every server in without TLS, so that anybody on the way can read and change \
                        what crosses";
            let todo = "write \"tls\" here, and an entry of its own for the server that has no TLS";
            entry.section.warn("authentication", what, todo);
        }
    }
}

/// Without a certificate nobody can come by TLS, and one names the domains.
fn certificate(server: &ReadServer<'_>, part: &Server) {
    let section = &server.section;
    if !part.tls.certificates.is_empty() || section.has("certificate") || section.has("key") {
        let pairs = part.tls.certificates.iter().map(|pair| (pair.certificate.as_path(), pair.key.as_path()));
        let examined = tls::examined(pairs);
        // What cannot be read might have named it.
        if examined.len() == part.tls.certificates.len() {
            tls::tell(section, audit::xmpp_names(&examined, &part.domains));
        }
        return;
    }
    let todo = "write certificate and key: PEM files with the names of these domains";
    if let Some(socket) = part.listen.iter().find(|socket| socket.transport.needs_certificate()) {
        section.error("listen", format!("{socket} needs a certificate, and there is none"), todo);
    }
    let wants_tls = |partner: &Partner| partner.allowed && partner.authentication != Authentication::Dialback;
    if part.partners.all().any(wants_tls) {
        section.error("certificate", "is missing, and TLS is demanded of other servers", todo);
    }
}

/// Sockets that the SIP side has already.
pub(in crate::config) fn sockets(server: &ReadServer<'_>, sip: &Sip) {
    for socket in server.part.iter().flat_map(|part| &part.listen) {
        let same = |other: &&Listen| other.transport != Transport::Udp && other.addr == socket.addr;
        if let Some(other) = sip.listen.iter().find(same) {
            let what = format!("{socket} is the socket of {other} in [sip], too");
            server.section.error("listen", what, "write another port, such as 5269");
        }
    }
}

/// Partners that are let in at all, and XMPP domains that are.
fn reachable(server: &ReadServer<'_>, part: &Server, domains: &[Read<'_, Domain>]) {
    if part.partners.all().all(|partner| !partner.allowed)
        && let Some(others) = server.partners.iter().find(|entry| entry.domain.as_deref() == Some("*"))
    {
        let todo = "add an entry for each domain that may, or remove this one";
        others.section.warn("allow", "no other server may connect, nor is connected to", todo);
    }
    let all_federated = domains
        .iter()
        .filter_map(|read| read.part.as_ref())
        .all(|domain| domain.mapping.home == Home::Xmpp || server.domains.contains(&domain.mapping.xmpp));
    for read in domains.iter().filter(|_| all_federated) {
        let Some(domain) = read.part.as_ref().filter(|domain| domain.mapping.home == Home::Xmpp) else { continue };
        if !domain.mapping.is_wildcard() && !part.partners.of(&domain.mapping.xmpp).allowed {
            let what =
                format!("[[xmpp.partner]] does not allow \"{}\", so nobody reaches its users", domain.mapping.xmpp);
            read.section.warn("xmpp", what, "add a [[xmpp.partner]] for it, with allow = true");
        }
    }
}
