//! Whether messages can cross: what `/ready` and systemd are told.

use std::sync::Arc;
use std::time::Duration;

use tracing::info;

use super::{Sources, certificates};
use crate::admin::{Part, Readiness};
use crate::config::{Component, Config};
use crate::net::LinkBoard;

/// Says once that both sides are up, to people and to systemd.
pub(super) async fn announce(config: Config, sources: Arc<Sources>) {
    while !now(&config, &sources).ready {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let listen: Vec<String> = config.sip.listen.iter().map(ToString::to_string).collect();
    let links: Vec<&str> = config.components.iter().map(|component| component.domain.as_str()).collect();
    info!(components = links.join(", "), sip = listen.join(", "), "ready");
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
    parts.extend(config.sip.listen.iter().map(|listen| Part {
        name: format!("sip {listen}"),
        up: true,
        detail: "listening".to_owned(),
    }));
    let certificate = certificates::detail(&sources.tls);
    parts.extend(certificate.map(|detail| Part { name: "sip certificate".to_owned(), up: true, detail }));
    let ready = parts.iter().all(|part| part.up);
    // A SIP server that is silent does not make stox unready: to start it anew would help nobody, messages for others
    // still cross, and those for it are refused with a reason.
    let told = sources.published.lock().map(|told| told.conditions.clone()).unwrap_or_default();
    parts.extend(told.into_iter().map(|told| Part { name: told.name, up: told.up, detail: told.detail }));
    Readiness { ready, parts }
}
