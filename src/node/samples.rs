//! Every counter and gauge, as `/metrics` shows them.

mod servers;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Sources;
use crate::admin;
use crate::config::Config;
use crate::net::{ConnectionsView, LinkBoard, LinkView, Refused};
use crate::sip::locate::Transport;
use crate::store::View;

/// All of them, as they are now.
pub(super) fn all(config: &Config, sources: &Sources) -> Vec<admin::Sample> {
    let told = sources.published.lock().map(|published| published.samples.clone()).unwrap_or_default();
    let of_gateway = told.into_iter().map(|told| sample(told.name, told.help, told.counter, told.labels, told.value));
    let mut samples: Vec<admin::Sample> = of_gateway.collect();
    samples.extend(link_samples(config, &sources.boards));
    samples.extend(sources.servers.iter().flat_map(servers::samples));
    samples.extend(connection_samples(&sources.connections.view()));
    samples.extend(sources.certificates.samples());
    samples.extend(refused_samples(&sources.intake.refused));
    samples.extend(store_samples(&(sources.store)()));
    samples
}

fn connection_samples(view: &ConnectionsView) -> Vec<admin::Sample> {
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let each = |name, help, counter, value: &dyn Fn(&(Transport, usize, u64)) -> u64| {
        let label = |transport: Transport| vec![("transport", transport.token().to_ascii_lowercase())];
        view.transports.iter().map(|row| sample(name, help, counter, label(row.0), value(row))).collect::<Vec<_>>()
    };
    let mut samples = each("stox_sip_connections", "SIP connections open.", false, &|row| count(row.1));
    samples.extend(each("stox_sip_connections_opened", "SIP connections opened.", true, &|row| row.2));
    for (name, help, counter, value) in [
        ("stox_sip_connections_strangers", "SIP connections of unknown sources.", false, count(view.strangers)),
        ("stox_sip_output_bytes", "Bytes that wait for SIP peers.", false, count(view.waiting)),
        ("stox_sip_handshakes_failed", "TLS handshakes that failed.", true, view.failed_handshakes),
    ] {
        samples.push(sample(name, help, counter, Vec::new(), value));
    }
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
        ("stox_sip_strangers", "SIP messages from unknown sources, refused or not read.", &refused.strangers),
        ("stox_sip_connections_refused", "SIP connections refused because there were too many.", &refused.connections),
    ];
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    counts.map(|(name, help, count)| sample(name, help, true, Vec::new(), read(count))).into()
}

fn store_samples(view: &View) -> Vec<admin::Sample> {
    let rows = [
        ("authorization", view.counts.authorizations),
        ("dialog", view.counts.dialogs),
        ("publication", view.counts.publications),
    ];
    let row = |(kind, count): (&str, u64)| {
        sample("stox_store_records", "Records that are kept.", false, vec![("kind", kind.to_owned())], count)
    };
    let mut samples: Vec<admin::Sample> = rows.into_iter().map(row).collect();
    for (name, help, counter, value) in [
        ("stox_store_up", "Whether commits succeed.", false, u64::from(view.trouble.is_empty())),
        ("stox_store_pending_steps", "Steps whose writes are not committed yet.", false, view.pending),
        ("stox_store_commits", "Commits, each of all that waited.", true, view.commits),
        ("stox_store_changes", "Changes of records that were committed.", true, view.changes),
        ("stox_store_commit_microseconds", "Time that commits took.", true, view.micros),
        ("stox_store_slowest_commit_microseconds", "Time that the slowest commit took.", false, view.slowest_micros),
        ("stox_store_commits_failed", "Commits that failed and were tried again.", true, view.failed),
    ] {
        samples.push(sample(name, help, counter, Vec::new(), value));
    }
    samples
}
