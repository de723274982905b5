//! No domain takes what is there for all of them.

use super::bench::Bench;
use super::serve::{Phone, SECOND, said};
use crate::gateway::PresenceLimits;
use crate::sip::message::{Method, Request};
use crate::xmpp::stanza::{Condition, Stanza};

fn with_presence(change: impl FnOnce(&mut PresenceLimits)) -> Bench {
    Bench::with(|settings| change(&mut settings.presence))
}

fn of(requests: Vec<Request>, method: Method) -> usize {
    requests.iter().filter(|request| request.method == method).count()
}

/// The SUBSCRIBEs that follow when so many users of `domain` say `kind` to a SIP user, another each.
fn asks(bench: &mut Bench, domain: &str, kind: &str, users: u32) -> usize {
    for user in 0..users {
        bench
            .stanza(&format!("<presence from='u{user}@{domain}' to='t{user}@sip.example' type='{kind}' id='{user}'/>"));
    }
    of(bench.requests(), Method::Subscribe)
}

#[test]
fn an_xmpp_domain_has_its_share_of_the_subscriptions_and_others_have_theirs() {
    let mut bench = with_presence(|limits| (limits.subscriptions, limits.per_domain) = (5, 3));
    assert_eq!(asks(&mut bench, "xmpp.example", "subscribe", 4), 3);
    let refused: Vec<_> = bench.told();
    let [Stanza::Presence(refused)] = refused.as_slice() else { panic!("{refused:?}") };
    let error = refused.error().unwrap();
    assert_eq!((refused.id.as_deref(), error.condition), (Some("3"), Condition::ResourceConstraint));
    assert_eq!(asks(&mut bench, "other.example", "subscribe", 4), 2, "which fills the table");
    bench.stanza("<presence from='u1@xmpp.example' to='t1@sip.example' type='unsubscribe'/>");
    bench.stanza("<presence from='tybalt@xmpp.example' to='romeo@sip.example' type='subscribe'/>");
    assert_eq!(of(bench.requests(), Method::Subscribe), 1, "who goes makes room");
}

#[test]
fn an_xmpp_domain_has_its_share_of_the_polls() {
    let mut bench = Bench::new();
    assert_eq!(asks(&mut bench, "xmpp.example", "probe", 5_001), 5_000);
    assert_eq!(asks(&mut bench, "other.example", "probe", 10), 10);
    let unanswered = bench.gateway.samples().into_iter().find(|sample| sample.name == "stox_probes_unanswered");
    assert_eq!(unanswered.map(|sample| sample.value), Some(1));
    bench.pass(SECOND * 40);
    bench.requests();
    assert_eq!(asks(&mut bench, "another.example", "probe", 10), 10, "those that nobody answered are over");
}

#[test]
fn a_sip_domain_has_its_share_of_the_dialogs() {
    let mut bench = with_presence(|limits| limits.per_domain = 2);
    let watches = |bench: &mut Bench, call: &str| {
        Phone::watching(call, &format!("{call}@xmpp.example")).subscribe(bench, "").status()
    };
    assert_eq!(["c1", "c2", "c3"].map(|call| watches(&mut bench, call)), [Some(200), Some(200), Some(503)]);
}

/// So many users of `domain` let the gateway see them; the PUBLISHes that follow at once.
fn shown(bench: &mut Bench, domain: &str, users: u32) -> usize {
    for user in 0..users {
        bench.stanza(&format!("<presence from='u{user}@{domain}/a' to='sip.example'/>"));
    }
    of(bench.requests(), Method::Publish)
}

fn publishing(change: impl FnOnce(&mut PresenceLimits)) -> Bench {
    Bench::with(|settings| {
        settings.routes[0].1.presence.publish = true;
        change(&mut settings.presence);
    })
}

#[test]
fn an_xmpp_domain_has_its_share_of_the_publications() {
    let mut bench = publishing(|limits| limits.per_domain = 3);
    assert_eq!(shown(&mut bench, "xmpp.example", 5), 3);
    assert_eq!(shown(&mut bench, "other.example", 2), 2);
    let refused = bench.gateway.samples().into_iter().find(|sample| sample.name == "stox_publications_refused");
    assert_eq!(refused.map(|sample| sample.value), Some(2));
}

#[test]
fn users_who_are_made_up_are_published_at_a_pace_and_nobody_is_forgotten() {
    let mut bench = publishing(|_| {});
    assert_eq!(shown(&mut bench, "xmpp.example", 2_600), 2_001);
    assert_eq!(shown(&mut bench, "other.example", 1), 1, "others do not wait for them");
    let mut first = 0;
    for _ in 0..4 {
        bench.pass(SECOND);
        let sent = bench.transmits().into_iter().filter(|transmit| !transmit.again);
        first += sent.filter(|transmit| transmit.bytes.starts_with(b"PUBLISH ")).count();
        assert!(first <= 800);
    }
    assert_eq!(first, 599);
    assert!(said(&mut bench).is_empty());
}
