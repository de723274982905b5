//! How messages to an address would find their server, and what is demanded of it. Nothing is asked.

use super::settings::{destination, transports};
use crate::config::{Config, Domain, Server, User};
use crate::mapping::Home;
use crate::mapping::explain::Explanation;
use crate::sip::locate;
use crate::sip::uri::Uri;
use crate::xmpp::federation::locate as servers;
use crate::xmpp::federation::{Authentication, Partner};
use crate::xmpp::jid::Jid;

/// A sentence for each step on the way to an address: to the next hop of a SIP user, or to the server of an XMPP user; and
/// whose account it is (`[[domain.user]]`).
#[must_use]
pub fn way(config: &Config, explanation: &Explanation) -> Vec<String> {
    let jid = explanation.jid.as_deref().and_then(|jid| Jid::parse(jid).ok());
    let uri = explanation.uri.as_deref().and_then(|uri| Uri::parse(uri).ok());
    let of = |domain: &&Domain| Some(&domain.mapping.xmpp) == explanation.domain.as_ref();
    let mut steps = Vec::new();
    match (config.domains.iter().find(of), &jid) {
        (Some(domain), _) if domain.mapping.home == Home::Sip => to_sip(config, domain, &mut steps),
        (Some(_), Some(jid)) => to_xmpp(config, jid.domain(), &mut steps),
        _ => {}
    }
    accounts(config, jid.as_ref(), uri.as_ref(), &mut steps);
    steps
}

fn to_sip(config: &Config, domain: &Domain, steps: &mut Vec<String>) {
    let hop = domain.target();
    let asked = locate::explain(&destination(&hop), transports(config));
    let asked = std::iter::once(format!("requests go to {hop}")).chain(asked);
    steps.extend(asked.map(|step| format!("on the way (RFC 3263): {step}")));
    let name = &domain.mapping.xmpp;
    if config.server.as_ref().is_some_and(|server| server.domains.contains(name)) {
        let asked = servers::explain(name, None);
        steps.extend(asked.into_iter().map(|step| format!("other servers look for {name} (RFC 6120): {step}")));
    }
}

/// Each of our domains has its own way there: a component's is through its server.
fn to_xmpp(config: &Config, remote: &str, steps: &mut Vec<String>) {
    for component in &config.components {
        steps.push(format!("from {}: by the XMPP server at {}", component.domain, component.server));
    }
    let Some(server) = &config.server else { return };
    steps.push(format!("from {}: to the server of {remote}", server.domains.join(", ")));
    let partner = server.partners.of(remote);
    let entry = match server.partners.entry(remote) {
        Some(name) => format!("[[xmpp.partner]] \"{name}\""),
        None => "no [[xmpp.partner]], so by default".to_owned(),
    };
    if !partner.allowed {
        steps.push(format!("partner ({entry}): not allowed, so nothing crosses"));
        return;
    }
    steps.push(format!("partner ({entry}): {}", demanded(config, server, partner, remote)));
    let asked = servers::explain(remote, partner.host.as_ref());
    steps.extend(asked.into_iter().map(|step| format!("on the way (RFC 6120): {step}")));
}

/// What its server must do to be believed.
fn demanded(config: &Config, server: &Server, partner: &Partner, remote: &str) -> String {
    let posh = if server.posh { ", or that it vouches for over HTTPS" } else { "" };
    let dane = if config.dns.dnssec { ", or in DNS" } else { "" };
    let certificate = format!("TLS, with a certificate that names {remote}{posh}{dane}");
    match partner.authentication {
        Authentication::Certificate => certificate,
        Authentication::DialbackTls => format!("{certificate}; or TLS and dialback"),
        Authentication::Dialback => "dialback, with TLS if it has that".to_owned(),
    }
}

/// `[[domain.user]]`s who have this address, on either side.
fn accounts(config: &Config, jid: Option<&Jid>, uri: Option<&Uri>, steps: &mut Vec<String>) {
    let is_it =
        |user: &&User| jid.is_some_and(|jid| jid.bare() == user.jid) || uri.is_some_and(|uri| uri.same(&user.aor));
    for domain in &config.domains {
        for user in domain.users.iter().filter(is_it) {
            let (aor, name, jid) = (user.aor.as_str(), &domain.mapping.xmpp, &user.jid);
            steps.push(format!("[[domain.user]]: what {jid} writes to {name} comes from {aor}"));
            if user.register {
                steps.push(format!("[[domain.user]]: what {} sends to {aor} goes to {jid}", domain.mapping.sip_host));
            }
        }
    }
}
