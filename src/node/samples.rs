//! Every counter and gauge, as `/metrics` shows them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::admin;
use crate::config::Config;
use crate::gateway::stats;
use crate::net::{Intake, LinkBoard, LinkView, Refused, Tcp};

/// All of them, as they are now.
pub(super) fn all(
    published: &Mutex<Vec<stats::Sample>>,
    config: &Config,
    boards: &[Arc<LinkBoard>],
    intake: &Intake,
    tcp: &Tcp,
) -> Vec<admin::Sample> {
    let told = published.lock().map(|published| published.clone()).unwrap_or_default();
    let of_gateway = told.into_iter().map(|told| sample(told.name, told.help, told.counter, told.labels, told.value));
    let mut samples: Vec<admin::Sample> = of_gateway.collect();
    samples.extend(link_samples(config, boards));
    let open = u64::try_from(tcp.open()).unwrap_or(u64::MAX);
    samples.push(sample("stox_sip_connections", "SIP connections open over TCP.", false, Vec::new(), open));
    samples.extend(refused_samples(&intake.refused));
    samples
}

fn sample(
    name: &'static str,
    help: &'static str,
    counter: bool,
    labels: Vec<(&'static str, String)>,
    value: u64,
) -> admin::Sample {
    let kind = if counter { admin::Kind::Counter } else { admin::Kind::Gauge };
    #[expect(clippy::cast_precision_loss, reason = "counts above 2^53 do not occur")]
    let value = value as f64;
    admin::Sample { name, help, kind, labels, value }
}

fn link_samples(config: &Config, boards: &[Arc<LinkBoard>]) -> Vec<admin::Sample> {
    let views: Vec<_> =
        config.components.iter().zip(boards).map(|(c, board)| (c.domain.clone(), board.view())).collect();
    let per_link = |name, help, counter, value: fn(&LinkView) -> u64| {
        let one = |(domain, view): &(String, LinkView)| {
            sample(name, help, counter, vec![("component", domain.clone())], value(view))
        };
        views.iter().map(one).collect::<Vec<_>>()
    };
    let mut samples = per_link("stox_link_up", "Whether the XMPP link is ready.", false, |view| u64::from(view.ready));
    samples
        .extend(per_link("stox_link_connections", "Times the XMPP link became ready.", true, |view| view.connections));
    samples
        .extend(per_link("stox_link_queued_bytes", "Bytes that wait for the XMPP server.", false, |view| view.queued));
    samples.extend(per_link("stox_link_unusable", "Stanzas that could not be used.", true, |view| view.unusable));
    samples
}

fn refused_samples(refused: &Refused) -> Vec<admin::Sample> {
    let counts = [
        ("stox_sip_malformed", "SIP messages answered because they could not be read.", &refused.answered),
        ("stox_sip_unreadable", "SIP messages that could neither be read nor answered.", &refused.unreadable),
        ("stox_sip_strangers", "SIP messages from unknown sources that were not read.", &refused.strangers),
        ("stox_sip_connections_refused", "SIP connections refused because there were too many.", &refused.connections),
    ];
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    counts.map(|(name, help, count)| sample(name, help, true, Vec::new(), read(count))).into()
}
