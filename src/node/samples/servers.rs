//! The streams between this server and others.

use super::sample;
use crate::admin::Sample;
use crate::net::federation::FederationView;
use crate::node::federation::Servers;
use crate::xmpp::federation::{Stats, Way};

pub(super) fn samples(servers: &Servers) -> Vec<Sample> {
    let view = servers.federated.view();
    let mut samples = levels(&view.stats);
    samples.extend(stanzas(&view.stats));
    samples.extend(proofs(&view));
    samples.extend(handshakes(&view));
    samples
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn levels(stats: &Stats) -> Vec<Sample> {
    let both = |name, help, (out, into): (usize, usize)| {
        let one = |direction: &str, value| sample(name, help, false, vec![("direction", direction.to_owned())], value);
        [one("out", count(out)), one("in", count(into))]
    };
    let mut samples = Vec::new();
    samples.extend(both(
        "stox_s2s_streams",
        "Streams to and from other servers, by who opened them.",
        (stats.streams_out, stats.streams_in),
    ));
    samples.extend(both(
        "stox_s2s_pairs",
        "Pairs of domains proven on all streams together.",
        (stats.pairs_out, stats.pairs_in),
    ));
    for (name, help, value) in [
        ("stox_s2s_pairs_on_one_stream", "The most pairs proven on one stream.", stats.pairs_on_one_stream),
        ("stox_s2s_queued", "Stanzas that wait for a stream.", stats.queued),
        ("stox_s2s_queued_bytes", "Bytes of stanzas that wait for a stream.", stats.queued_bytes),
    ] {
        samples.push(sample(name, help, false, Vec::new(), count(value)));
    }
    samples
}

fn stanzas(stats: &Stats) -> Vec<Sample> {
    let of = |name, help, label: &'static str, rows: &[(&str, u64)]| {
        let row = |(word, value): &(&str, u64)| sample(name, help, true, vec![(label, (*word).to_owned())], *value);
        rows.iter().map(row).collect::<Vec<_>>()
    };
    let bounced = stats.bounced;
    let causes = [
        ("not_found", bounced.not_found),
        ("no_answer", bounced.no_answer),
        ("not_trusted", bounced.not_trusted),
        ("timeout", bounced.timeout),
        ("full", bounced.full),
        ("blocked", bounced.blocked),
        ("stopped", bounced.stopped),
    ];
    let keys = [("valid", stats.keys_valid), ("invalid", stats.keys_invalid), ("unanswered", stats.keys_unanswered)];
    let mut samples = of("stox_s2s_bounced", "Stanzas that came back as errors.", "cause", &causes);
    samples.extend(of("stox_s2s_keys", "Dialback keys that peers gave us.", "verdict", &keys));
    for (name, help, value) in [
        ("stox_s2s_sent", "Stanzas given to streams.", stats.sent),
        ("stox_s2s_sent_again", "Stanzas given to another stream after theirs had ended.", stats.sent_again),
        ("stox_s2s_dropped", "Stanzas that could not be delivered and of which nobody may be told.", stats.dropped),
        ("stox_s2s_unsolicited", "Answers to dialback keys that nobody had asked for.", stats.unsolicited),
        ("stox_s2s_failed", "Streams that did not come to prove their pair.", stats.failed),
        ("stox_s2s_resumed", "Streams that went on over another connection.", stats.resumed),
    ] {
        samples.push(sample(name, help, true, Vec::new(), value));
    }
    samples
}

fn proofs(view: &FederationView) -> Vec<Sample> {
    let each = view.proofs.iter().map(|(by, way, value)| {
        let direction = match way {
            Way::Out => "out",
            Way::In => "in",
        };
        let labels = vec![("by", by.name().to_owned()), ("direction", direction.to_owned())];
        sample("stox_s2s_proofs", "Pairs of domains that were proven, by what.", true, labels, *value)
    });
    each.collect()
}

fn handshakes(view: &FederationView) -> Vec<Sample> {
    let (done, resumed, old) = view.handshakes;
    let tls = |version: &str, value| {
        let labels = vec![("version", version.to_owned())];
        sample("stox_s2s_handshakes", "TLS handshakes with other servers.", true, labels, value)
    };
    let mut samples = vec![tls("TLSv1.2", old), tls("TLSv1.3", done.saturating_sub(old))];
    for (name, help, value) in [
        ("stox_s2s_handshakes_resumed", "TLS handshakes that resumed a session.", resumed),
        ("stox_s2s_handshakes_failed", "TLS handshakes with other servers that failed.", view.failed_handshakes),
        ("stox_s2s_connections_refused", "Connections not taken because there were too many.", view.refused),
        ("stox_s2s_unusable", "Stanzas of other servers that could not be used.", view.unusable),
    ] {
        samples.push(sample(name, help, true, Vec::new(), value));
    }
    samples
}
