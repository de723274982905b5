//! What the account of somebody who is watched tells besides presence (XEP-0163).

use super::bench::Bench;
use super::serve::{Heard, Phone, SECOND, allowed, answer_all, body, juliet};
use super::watch::{Play, open};
use crate::xml::{Element, ns};
use crate::xmpp::stanza::{IqKind, PresenceKind, Stanza};

const HAPPY: &str = "<mood xmlns='http://jabber.org/protocol/mood'><happy/><text>spring</text></mood>";
const CALLS: &str =
    "<activity xmlns='http://jabber.org/protocol/activity'><talking><on_the_phone/></talking></activity>";

/// What the account of `from` tells a device of romeo's of the node that is called `node`.
fn event(bench: &mut Bench, from: &str, node: &str, said: &str) {
    bench.stanza(&format!(
        "<message from='{from}' to='romeo@sip.example/r1' type='headline'>\
         <event xmlns='http://jabber.org/protocol/pubsub#event'>\
         <items node='http://jabber.org/protocol/{node}'>{said}</items></event></message>"
    ));
}

fn item(payload: &str) -> String {
    format!("<item id='current'>{payload}</item>")
}

/// The document that the phone was sent since; empty: none.
fn told(bench: &mut Bench) -> String {
    bench.pass(10 * SECOND);
    let heard = Heard::of(bench);
    answer_all(bench, &heard, 200);
    assert!(heard.notifies.len() <= 1, "{:?}", heard.states());
    heard.notifies.first().map(body).unwrap_or_default()
}

/// The capabilities in the available presence that went out, by who is there.
fn capabilities(bench: &mut Bench) -> Vec<(String, Option<Element>)> {
    let of = |stanza| match stanza {
        Stanza::Presence(presence) if presence.kind == PresenceKind::Available => {
            let caps = presence.payload.iter().find(|child| child.is(ns::CAPS, "c")).cloned();
            Some((presence.from.unwrap().as_str().to_owned(), caps))
        }
        Stanza::Presence(_) | Stanza::Message(_) | Stanza::Iq(_) => None,
    };
    bench.stanzas().into_iter().filter_map(of).collect()
}

#[test]
fn activities_and_moods_that_her_client_publishes_reach_who_may_watch_her() {
    let mut bench = Bench::new();
    allowed(&mut bench, "c1");
    event(&mut bench, "juliet@xmpp.example", "mood", &item(HAPPY));
    let document = told(&mut bench);
    assert!(
        document.contains("<rpid:happy") && document.contains("spring") && document.contains(">away<"),
        "{document}"
    );
    event(&mut bench, "juliet@xmpp.example", "mood", &item(HAPPY));
    assert_eq!(told(&mut bench), "", "each device of his is told the same, and it is no news");
    event(&mut bench, "juliet@xmpp.example", "activity", &item(CALLS));
    let document = told(&mut bench);
    assert!(document.contains("<rpid:happy") && document.contains("<rpid:on-the-phone"), "{document}");
    // What a client puts into presence is nearer to her than what she published some day.
    let sad = "<mood xmlns='http://jabber.org/protocol/mood'><sad/></mood>";
    juliet(&mut bench, "/yn0cl4bnw0yr3vym", "", sad);
    let document = told(&mut bench);
    assert!(document.contains("<rpid:sad") && !document.contains("<rpid:happy"), "{document}");
    juliet(&mut bench, "/yn0cl4bnw0yr3vym", "", "");
    assert!(told(&mut bench).contains("<rpid:happy"));
    event(&mut bench, "juliet@xmpp.example", "mood", "<retract id='current'/>");
    let document = told(&mut bench);
    assert!(!document.contains("<rpid:happy") && document.contains("<rpid:on-the-phone"), "{document}");
    event(
        &mut bench,
        "juliet@xmpp.example",
        "activity",
        &item("<activity xmlns='http://jabber.org/protocol/activity'/>"),
    );
    let document = told(&mut bench);
    assert!(document.contains(">open<") && !document.contains("<rpid:on-the-phone"), "{document}");
}

#[test]
fn what_is_told_of_her_by_others_or_to_others_is_nothing() {
    let mut bench = Bench::new();
    allowed(&mut bench, "c1");
    for from in ["juliet@xmpp.example/yn0cl4bnw0yr3vym", "nurse@xmpp.example", "xmpp.example"] {
        event(&mut bench, from, "mood", &item(HAPPY));
        assert_eq!(told(&mut bench), "", "{from}");
    }
    event(&mut bench, "juliet@xmpp.example", "tune", &item("<tune xmlns='http://jabber.org/protocol/tune'/>"));
    event(&mut bench, "juliet@xmpp.example", "mood", "<item id='current'/>");
    let long = HAPPY.replace("spring", &"spring ".repeat(1_000));
    event(&mut bench, "juliet@xmpp.example", "mood", &item(&long));
    assert_eq!(told(&mut bench), "");
    assert!(bench.told().is_empty(), "and nobody is told so");
    juliet(&mut bench, "", "type='unsubscribed'", "");
    told(&mut bench);
    event(&mut bench, "juliet@xmpp.example", "mood", &item(HAPPY));
    assert_eq!(told(&mut bench), "", "he may not see her any more");
}

#[test]
fn whom_he_watches_gets_the_capabilities_by_which_her_server_knows_that_he_wants_it() {
    let (mut play, request) = Play::granted();
    play.notify(&request, "active;expires=3600", Some(&open("r1", "Here")));
    assert_eq!(capabilities(&mut play.bench), [("romeo@sip.example/r1".to_owned(), None)], "he does not watch her");
    let mut phone = Phone::new("c1");
    let heard = phone.subscribe(&mut play.bench, "");
    answer_all(&mut play.bench, &heard, 200);
    assert_eq!(capabilities(&mut play.bench), [], "she has not said yes");
    juliet(&mut play.bench, "", "type='subscribed'", "");
    let shown = capabilities(&mut play.bench);
    let [(from, Some(caps))] = shown.as_slice() else { panic!("{shown:?}") };
    assert_eq!(from, "romeo@sip.example/r1");
    let node = format!("{}#{}", caps.attr("node").unwrap(), caps.attr("ver").unwrap());
    play.bench.stanza(&format!(
        "<iq from='juliet@xmpp.example' to='romeo@sip.example/r1' type='get' id='disco'>\
         <query xmlns='http://jabber.org/protocol/disco#info' node='{node}'/></iq>"
    ));
    let answer = play.bench.stanzas().into_iter().find_map(|stanza| match stanza {
        Stanza::Iq(iq) if iq.id == "disco" => Some(iq.kind),
        Stanza::Iq(_) | Stanza::Message(_) | Stanza::Presence(_) => None,
    });
    let Some(IqKind::Result(Some(info))) = answer else { panic!("{answer:?}") };
    assert!(info.children().any(|child| child.attr("var") == Some("http://jabber.org/protocol/mood+notify")));
    // What her server asks by itself gets them as well: it would take him for one who does not want it.
    play.juliet("probe");
    assert!(capabilities(&mut play.bench).iter().all(|(_, caps)| caps.is_some()));
}

/// What juliet's account was asked for since: ids and nodes.
fn asked(bench: &mut Bench) -> Vec<(String, String)> {
    let of = |stanza| match stanza {
        Stanza::Iq(iq) => match iq.kind {
            IqKind::Get(pubsub) if pubsub.is(ns::PUBSUB, "pubsub") => {
                assert_eq!(iq.to.unwrap().as_str(), "juliet@xmpp.example");
                Some((iq.id, pubsub.child(ns::PUBSUB, "items")?.attr("node")?.to_owned()))
            }
            IqKind::Get(_) | IqKind::Set(_) | IqKind::Result(_) | IqKind::Error(_) => None,
        },
        Stanza::Message(_) | Stanza::Presence(_) => None,
    };
    bench.stanzas().into_iter().filter_map(of).collect()
}

#[test]
fn what_she_published_before_is_asked_for_when_he_may_know_and_when_something_may_be_lost() {
    let (mut play, request) = Play::granted();
    let mut phone = Phone::new("c1");
    let heard = phone.subscribe(&mut play.bench, "");
    answer_all(&mut play.bench, &heard, 200);
    assert_eq!(asked(&mut play.bench), []);
    juliet(&mut play.bench, "", "type='subscribed'", "");
    let questions =
        [("doing-activity".to_owned(), ns::ACTIVITY.to_owned()), ("doing-mood".to_owned(), ns::MOOD.to_owned())];
    assert_eq!(asked(&mut play.bench), questions);
    told(&mut play.bench);
    juliet(&mut play.bench, "/yn0cl4bnw0yr3vym", "", "<show>away</show>");
    told(&mut play.bench);
    let answer = |bench: &mut Bench, from: &str, kind: &str, said: &str| {
        bench.stanza(&format!("<iq from='{from}' to='romeo@sip.example' type='{kind}' id='doing-mood'>{said}</iq>"));
        told(bench)
    };
    let items = |item: &str| {
        let node = "<items node='http://jabber.org/protocol/mood'>";
        format!("<pubsub xmlns='http://jabber.org/protocol/pubsub'>{node}{item}</items></pubsub>")
    };
    assert_eq!(answer(&mut play.bench, "nurse@xmpp.example", "result", &items(&item(HAPPY))), "");
    let document = answer(&mut play.bench, "juliet@xmpp.example", "result", &items(&item(HAPPY)));
    assert!(document.contains("<rpid:happy"), "{document}");
    let refused = "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
    assert_eq!(answer(&mut play.bench, "juliet@xmpp.example", "error", refused), "", "that says nothing");
    let none = refused.replace("service-unavailable", "item-not-found");
    let document = answer(&mut play.bench, "juliet@xmpp.example", "error", &none);
    assert!(document.contains(">open<") && !document.contains("<rpid:happy"), "{document}");
    // What he looks like is told again after a break, and so she is asked again.
    play.notify(&request, "active;expires=3600", Some(&open("r1", "Here")));
    play.bench.input(crate::gateway::Input::LinkDown(0));
    play.bench.input(crate::gateway::Input::LinkUp(0));
    assert_eq!(asked(&mut play.bench), questions);
}
