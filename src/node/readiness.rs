//! Whether messages can cross: what `/ready` and systemd are told.

use std::sync::Arc;
use std::time::Duration;

use tracing::info;

use super::{Sources, certificates};
use crate::admin::{Part, Readiness};
use crate::config::{Component, Config};
use crate::gateway::Condition;
use crate::gateway::register::Standing;
use crate::net::LinkBoard;
use crate::sip::registration::State;
use crate::store::{Place, View};

/// Says once that both sides are up, to people and to systemd.
pub(super) async fn announce(config: Config, sources: Arc<Sources>) {
    while !now(&config, &sources).ready {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let listen: Vec<String> = config.sip.listen.iter().map(ToString::to_string).collect();
    let links: Vec<&str> = config.components.iter().map(|component| component.domain.as_str()).collect();
    let served: Vec<&str> = config.server.iter().flat_map(|server| &server.domains).map(String::as_str).collect();
    info!(components = links.join(", "), server_of = served.join(", "), sip = listen.join(", "), "ready");
    notify(&[sd_notify::NotifyState::Ready]);
}

/// Tells systemd, where it started us.
pub(super) fn notify(states: &[sd_notify::NotifyState<'_>]) {
    // Without systemd there is nobody to tell.
    let _ = sd_notify::notify(states);
}

/// Whether both sides are up now, and the state of each part.
pub(super) fn now(config: &Config, sources: &Sources) -> Readiness {
    let link = |(component, board): (&Component, &Arc<LinkBoard>)| {
        let view = board.view();
        let detail = match (view.ready, view.trouble.is_empty()) {
            (true, _) => format!("connected to {}", component.server),
            (false, true) => format!("connecting to {}", component.server),
            (false, false) => view.trouble,
        };
        Part { name: format!("xmpp {}", component.domain), up: view.ready, detail }
    };
    let mut parts: Vec<Part> = config.components.iter().zip(&sources.boards).map(link).collect();
    parts.extend(servers(config, sources));
    parts.extend(config.sip.listen.iter().map(|listen| Part {
        name: format!("sip {listen}"),
        up: true,
        detail: "listening".to_owned(),
    }));
    let certificate = sources.certificates.detail();
    parts.extend(certificate.map(|detail| Part { name: "sip certificate".to_owned(), up: true, detail }));
    parts.push(store(&(sources.store)()));
    let ready = parts.iter().all(|part| part.up);
    // A SIP server that is silent does not make stox unready: to start it anew would help nobody, messages for others
    // still cross, and those for it are refused with a reason. The same holds for a registration that is not there.
    if let Ok(told) = sources.published.lock() {
        let part = |told: &Condition| Part { name: told.name.clone(), up: told.up, detail: told.detail.clone() };
        parts.extend(told.conditions.iter().map(part));
        parts.extend(registrations(&told.registrations));
    }
    Readiness { ready, parts }
}

/// The domains that stox serves itself. They are up while others can connect: a server of somebody else that cannot be
/// reached is no fault of ours.
fn servers(config: &Config, sources: &Sources) -> Vec<Part> {
    let (Some(server), Some(servers)) = (&config.server, &sources.servers) else { return Vec::new() };
    let stats = servers.federated.view().stats;
    let listen: Vec<String> = server.listen.iter().map(ToString::to_string).collect();
    let detail = format!(
        "listening at {}; {} streams in and {} out, for all domains",
        listen.join(", "),
        stats.streams_in,
        stats.streams_out
    );
    let part = |domain: &String| Part { name: format!("xmpp server {domain}"), up: true, detail: detail.clone() };
    let mut parts: Vec<Part> = server.domains.iter().map(part).collect();
    let trouble = servers.tls.trouble();
    let certificate = servers.tls.validity().into_iter().map(|own| (own.file.display().to_string(), own.not_after));
    parts.extend(certificate.map(|(file, end)| Part {
        name: format!("xmpp server certificate {file}"),
        up: true,
        detail: certificates::state(end, trouble.as_deref()),
    }));
    parts
}

/// A commit that has taken longer means that the store does not answer.
const SLOW_COMMIT: u64 = 1_000;

/// Where subscriptions are kept. While it is away messages cross, and subscriptions wait.
fn store(view: &View) -> Part {
    let slow = view.waiting_millis >= SLOW_COMMIT;
    let detail = match (view.trouble.as_str(), slow) {
        ("", false) if view.place == Place::Memory.to_string() => {
            "subscriptions are forgotten when stox ends".to_owned()
        }
        ("", false) => format!("{}: {}", view.place, view.counts),
        ("", true) => format!("{} has not answered for {} s", view.place, view.waiting_millis / 1_000),
        (trouble, _) => format!("{trouble} ({} steps wait)", view.pending),
    };
    Part { name: "store".to_owned(), up: view.trouble.is_empty() && !slow, detail }
}

/// Users who are not registered and are named one by one; of more there is only the number.
const NAMED_USERS: usize = 20;

/// How our registrations stand.
fn registrations(standings: &[Standing]) -> Vec<Part> {
    let up = |standing: &&Standing| standing.state == State::Registered;
    let part = |standing: &Standing| {
        let of_user = standing.user.as_ref().map(|jid| format!(" of {jid}")).unwrap_or_default();
        let detail = match (standing.state.name(), standing.trouble.as_str()) {
            (state, "") => state.to_owned(),
            (state, trouble) => format!("{state}: {trouble}"),
        };
        Part { name: format!("registration {}{of_user}", standing.aor), up: up(&standing), detail }
    };
    let (users, domains): (Vec<_>, Vec<_>) = standings.iter().partition(|standing| standing.user.is_some());
    let mut parts: Vec<Part> = domains.into_iter().map(part).collect();
    if !users.is_empty() {
        let registered = users.iter().filter(|standing| up(standing)).count();
        parts.push(Part {
            name: "registrations of users".to_owned(),
            up: registered == users.len(),
            detail: format!("{registered} of {} registered", users.len()),
        });
        parts.extend(users.into_iter().filter(|standing| !up(standing)).take(NAMED_USERS).map(part));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(user: Option<&str>, state: State, trouble: &str) -> Standing {
        Standing {
            domain: "sip.example".to_owned(),
            aor: "sip:stox@pbx.example".to_owned(),
            user: user.map(str::to_owned),
            state,
            trouble: trouble.to_owned(),
        }
    }

    #[test]
    fn domains_are_shown_each_and_users_as_far_as_they_are_in_trouble() {
        let mut standings = vec![standing(None, State::Refused, "403 Forbidden")];
        standings.extend((0..100).map(|_| standing(Some("juliet@xmpp.example"), State::Failing, "no answer")));
        standings.push(standing(Some("nurse@xmpp.example"), State::Registered, ""));
        let told: Vec<_> = registrations(&standings)
            .iter()
            .map(|part| format!("{}: {} {}", part.name, part.up, part.detail))
            .collect();
        assert_eq!(told[0], "registration sip:stox@pbx.example: false refused: 403 Forbidden");
        assert_eq!(told[1], "registrations of users: false 1 of 101 registered");
        assert_eq!(told[2], "registration sip:stox@pbx.example of juliet@xmpp.example: false failing: no answer");
        assert_eq!(told.len(), 2 + NAMED_USERS);
        assert!(registrations(&[]).is_empty());
    }
}
