//! `[[sip.peer]]`.

use crate::config::accounts::SipAccount;
use crate::config::peer::{Peer, range};
use crate::config::section::Section;
use crate::config::value::{self, Bad};
use crate::gateway::rate::Rate;
use crate::gateway::trust;
use crate::sip::message::Method;

/// Requests a second at most: more than a core serves.
const MOST: usize = 1_000_000;

/// One entry; its domains are those of its account where it has none. Whether `all` accounts could be read decides
/// whether one that is not there is a mistake here, too.
pub(in crate::config) fn peer(section: &Section<'_>, accounts: &[SipAccount], all: bool) -> Peer {
    let name = section.required("name", "write a name for logs and metrics").unwrap_or_default().to_owned();
    let account = account(section, accounts, all);
    let proven = section.has("tls_name") || section.has("account");
    for (key, needed, todo) in [
        ("source", !proven, "write the networks it sends from, such as [\"192.0.2.0/24\"], or tls_name, or account"),
        ("domains", account.is_none(), "write the SIP domains it may use in From, such as [\"pbx.example\"]"),
    ] {
        if section.is_empty_list(key) {
            section.error(key, "is empty", todo);
        } else if needed && !section.has(key) && !section.has("account") {
            section.error(key, "is missing", todo);
        }
    }
    let mut domains = section.list("domains", super::from_domain);
    if !section.has("domains")
        && let Some(account) = account
    {
        domains.clone_from(&account.domains);
    }
    let known = trust::Peer {
        name,
        ranges: section.list("source", range),
        tls_name: section.parsed("tls_name", tls_name),
        account: account.map(|account| account.username.clone()),
        domains,
        asserted_identity: section.boolean("asserted_identity", false),
        accept: section.list("accept", method),
        rate: rate(section, "rate", "burst"),
        user_rate: rate(section, "user_rate", "user_burst"),
    };
    Peer { known, hosts: Vec::new() }
}

fn account<'a>(section: &Section<'_>, accounts: &'a [SipAccount], all: bool) -> Option<&'a SipAccount> {
    let name = section.string("account")?;
    let found = accounts.iter().find(|account| account.username == name);
    if found.is_none() && all {
        let what = format!("no [[sip.account]] has username = \"{name}\"");
        section.error("account", what, "add one with its password, or correct the name");
    }
    found
}

fn tls_name(text: &str) -> Result<String, Bad> {
    if text.contains('*') {
        let what = "has a wildcard, and no SIP certificate is believed one (RFC 5922 section 7.2)".to_owned();
        return Err(Bad { what, todo: "write the whole name, such as pbx.example".to_owned() });
    }
    value::host_name(text)
}

fn method(text: &str) -> Result<Method, Bad> {
    const TODO: &str = "write methods in capitals, such as [\"MESSAGE\", \"OPTIONS\"]";
    match Method::parse(text.as_bytes()) {
        Some(Method::Other(_)) | None => Err(Bad { what: "is no method of SIP".to_owned(), todo: TODO.to_owned() }),
        Some(method) => Ok(method),
    }
}

/// So many a second; at once, twice as many where nothing is written.
fn rate(section: &Section<'_>, rate: &str, burst: &str) -> Option<Rate> {
    if !section.has(rate) {
        if section.has(burst) {
            section.error(burst, format!("means nothing without {rate}"), format!("write {rate}, or remove {burst}"));
        }
        return None;
    }
    let per_second = section.number(rate, 1..=MOST, 1);
    let burst = section.number(burst, 1..=MOST, per_second.saturating_mul(2));
    let narrow = |number| u32::try_from(number).unwrap_or(u32::MAX);
    Some(Rate { per_second: narrow(per_second), burst: narrow(burst) })
}
