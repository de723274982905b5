//! What a watcher sees, and nobody else.

use super::{HOUR, Play, SECOND, open};
use crate::gateway::record::Authorization;
use crate::sip::message::{Message, Name, Request, wire};
use crate::xmpp::stanza::{Presence, PresenceKind};

fn from(presence: &Presence) -> &str {
    presence.from.as_ref().map(|from| from.as_str()).unwrap_or_default()
}

#[test]
fn a_probe_for_one_resource_is_answered_with_that_alone() {
    let (mut play, request) = Play::granted();
    let second = "<tuple id='ID-r2'><status><basic>open</basic></status></tuple></presence>";
    play.notify(&request, "active", Some(&open("r1", "").replace("</presence>", second)));
    play.told();
    let mut ask = |resource: &str| {
        play.bench
            .stanza(&format!("<presence from='juliet@xmpp.example' to='romeo@sip.example/{resource}' type='probe'/>"));
        play.told()
    };
    let told = ask("r2");
    assert_eq!((told.len(), from(&told[0]), told[0].kind), (1, "romeo@sip.example/r2", PresenceKind::Available));
    let told = ask("r3");
    assert_eq!((told.len(), from(&told[0]), told[0].kind), (1, "romeo@sip.example/r3", PresenceKind::Unavailable));
    play.juliet("probe");
    assert_eq!(play.kinds().len(), 2, "and for all of them with all");
}

#[test]
fn a_look_at_one_resource_shows_that_alone() {
    for (resource, seen) in [("r1", 1), ("r9", 0)] {
        let mut play = Play::new();
        play.bench.stanza(&format!(
            "<presence from='juliet@xmpp.example/b' to='romeo@sip.example/{resource}' type='probe'/>"
        ));
        let poll = play.subscribe();
        play.bench.answer(&poll, 200);
        play.notify(&poll, "terminated;reason=timeout", Some(&open("r1", "")));
        assert_eq!(play.told().len(), seen, "{resource}");
    }
}

#[test]
fn words_without_a_language_have_that_of_the_notify() {
    let (mut play, request) = Play::granted();
    let body = open("r1", "Ciao").replace("</tuple>", "<note xml:lang='en'>Hello</note></tuple>");
    play.notify(&request, "active\r\nContent-Language: it, fr", Some(&body));
    let told = play.told();
    let mut words: Vec<_> = told[0].statuses().collect();
    words.sort();
    let words: Vec<_> = words.iter().map(|(lang, text)| (*lang, &**text)).collect();
    assert_eq!(words, [(Some("en"), "Hello"), (Some("it"), "Ciao")]);
}

/// Each has a dialog of her own, so a presence agent may tell them different things (RFC 8048 section 8.2).
#[test]
fn two_who_watch_the_same_user_hear_only_what_was_told_to_each() {
    let (mut play, first) = Play::granted();
    play.bench.stanza("<presence from='nurse@xmpp.example' to='romeo@sip.example' type='subscribe'/>");
    let second = play.subscribe();
    play.bench.answer(&second, 200);
    play.notify(&second, "active;expires=3600", Some(&open("r1", "for the nurse")));
    let to =
        |told: &[Presence]| told.iter().all(|one| one.to.as_ref().is_some_and(|to| to.bare() == "nurse@xmpp.example"));
    let told = play.told();
    assert!(told.len() == 2 && to(&told), "{told:?}");
    play.notify(&first, "active;expires=3600", Some(&open("r1", "for Juliet")));
    let told = play.told();
    assert!(told.len() == 1 && !to(&told), "{told:?}");
    assert_eq!(told[0].statuses().count(), 1);
}

#[test]
fn nobody_ends_a_subscription_from_outside_its_dialog() {
    let (mut play, request) = Play::granted();
    play.bench.statuses();
    let mut stranger: Request = request.clone();
    stranger.headers.replace(Name::CALL_ID, "another@192.0.2.10");
    play.notify(&stranger, "terminated;reason=rejected", None);
    assert_eq!((play.kinds(), play.bench.statuses()), (vec![], vec![481]));
    play.bench.hear(Message::Request(of_another_dialog(&request)));
    assert_eq!((play.kinds(), play.bench.statuses()), (vec![], vec![481]));
    play.bench.pass(SECOND);
    play.notify(&request, "active", Some(&open("r1", "still")));
    assert_eq!(play.kinds(), [PresenceKind::Available]);
}

/// A NOTIFY of Romeo's in a dialog that is not his.
fn of_another_dialog(subscribe: &Request) -> Request {
    let header = |name| subscribe.headers.text(name).unwrap().into_owned();
    let (from, to, call) = (header(Name::FROM), header(Name::TO), header(Name::CALL_ID));
    let notify = format!(
        "NOTIFY sip:10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-spoof\r\nMax-Forwards: 70\r\n\
         From: {to};tag=mercutio\r\nTo: {from}\r\nCall-ID: {call}\r\nCSeq: 1 NOTIFY\r\nContact: <sip:192.0.2.10>\r\n\
         Event: presence\r\nSubscription-State: terminated;reason=rejected\r\nContent-Length: 0\r\n\r\n"
    );
    match wire::parse(notify.as_bytes()).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a request"),
    }
}

#[test]
fn a_subscription_is_between_people_whatever_devices_are_named() {
    let mut play = Play::new();
    play.bench.stanza("<presence from='juliet@xmpp.example/b' to='romeo@sip.example/orchard' type='subscribe'/>");
    let request = play.subscribe();
    assert_eq!(request.uri.as_str(), "sip:romeo@sip.example");
    play.bench.answer(&request, 200);
    play.notify(&request, "active;expires=3600", Some(&open("r1", "")));
    let told = play.told();
    let to = told[0].to.as_ref().map(|to| to.as_str());
    assert_eq!((from(&told[0]), to), ("romeo@sip.example", Some("juliet@xmpp.example")));
}

#[test]
fn a_contact_that_is_removed_says_both_words_in_any_order() {
    for words in [["unsubscribe", "unsubscribed"], ["unsubscribed", "unsubscribe"]] {
        let (mut play, request) = Play::granted();
        words.iter().for_each(|word| play.juliet(word));
        assert_eq!((play.kinds(), play.kept()), (vec![PresenceKind::Unavailable], None), "{words:?}");
        let last = play.subscribe();
        play.bench.answer(&last, 200);
        play.notify(&request, "terminated;reason=timeout", None);
        assert_eq!(play.kinds(), [PresenceKind::Unsubscribed], "{words:?}");
    }
}

#[test]
fn who_gives_up_somebody_unknown_hears_that_she_does_not_watch() {
    let mut play = Play::new();
    play.bench.stanza("<presence from='juliet@xmpp.example' to='nobody@sip.example' type='unsubscribe'/>");
    assert_eq!(play.kinds(), [PresenceKind::Unsubscribed]);
    assert!(play.bench.requests().is_empty());
}

/// RFC 2779 section 3.2.4: somebody may go without a word.
#[test]
fn an_agent_that_falls_silent_is_unavailable_some_minutes_later_and_stays_in_the_roster() {
    let (mut play, _) = Play::granted();
    play.next_subscribe(HOUR);
    play.bench.pass(60 * SECOND);
    assert_eq!(play.kinds(), [], "it may only be starting anew");
    play.bench.pass(900 * SECOND);
    // His phone, and then he himself.
    assert_eq!(play.kinds(), [PresenceKind::Unavailable, PresenceKind::Unavailable]);
    assert_eq!(play.kept(), Some(Authorization::Granted));
}

#[test]
fn what_a_poll_hears_while_nobody_has_decided_is_no_yes_and_no_state() {
    for state in ["pending;expires=0", "pending", "waiting;expires=60"] {
        let mut play = Play::new();
        play.juliet("probe");
        let poll = play.subscribe();
        play.bench.answer(&poll, 200);
        play.notify(&poll, state, Some(&open("r1", "neutral")));
        assert_eq!(play.told(), [], "{state}");
        assert_eq!(play.kept(), None, "{state}: nobody has said yes");
        assert!(play.bench.requests().is_empty(), "{state}: and nobody is asked");
        play.juliet("probe");
        assert_eq!(play.subscribe().headers.text(Name::EXPIRES).as_deref(), Some("0"), "{state}: the next is a poll");
    }
}

#[test]
fn words_of_a_vendor_hide_no_show() {
    let (mut play, request) = Play::granted();
    let document = "<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:romeo@sip.example' xmlns:v='urn:example:vendor'>\
         <tuple id='ID-r1'><status><basic>open</basic><v:mode>in a meeting, door open</v:mode>\
         <show xmlns='jabber:client'>away</show></status><v:ring>soft</v:ring></tuple><v:desk/></presence>";
    play.notify(&request, "active", Some(document));
    let told = play.told();
    assert_eq!((told.len(), from(&told[0]), told[0].kind), (1, "romeo@sip.example/r1", PresenceKind::Available));
    assert_eq!(told[0].show().as_deref(), Some("away"));
    assert!(told[0].payload.iter().all(|child| child.ns() == crate::xml::ns::CLIENT), "{told:?}");
}

fn error(play: &mut Play, condition: &str) {
    play.bench.stanza(&format!(
        "<presence from='juliet@xmpp.example' to='romeo@sip.example' type='error'><error type='cancel'>\
         <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>"
    ));
}

#[test]
fn a_watcher_whose_server_was_away_for_a_while_sees_again_without_asking() {
    let (mut play, request) = Play::granted();
    for again in ["one", "two"] {
        play.notify(&request, "active;expires=3600", Some(&open("r1", again)));
        assert_eq!(play.kinds(), [PresenceKind::Available]);
        let before = play.bench.gateway.timers.len();
        (0..100).for_each(|_| error(&mut play, "remote-server-timeout"));
        assert!(play.bench.gateway.timers.len() < before + 5, "one timer");
        play.bench.pass(20 * 60 * SECOND);
        assert!(play.bench.requests().is_empty(), "her dialog stays");
        let told = play.told();
        assert_eq!(
            (told.len(), told[0].statuses().next().map(|(_, text)| text.into_owned())),
            (1, Some(again.to_owned()))
        );
    }
    play.bench.pass(10 * 60 * SECOND);
    assert_eq!(play.kinds(), [], "she has heard it");
}

#[test]
fn for_a_watcher_who_is_no_more_no_dialog_is_kept() {
    let (mut play, _) = Play::granted();
    error(&mut play, "item-not-found");
    let last = play.next_subscribe(301 * SECOND);
    assert_eq!(last.headers.text(Name::EXPIRES).as_deref(), Some("0"));
}

/// Tuples of one document, by their attributes and what is basic of them.
fn document(tuples: &[(&str, &str)]) -> String {
    let tuple = |(id, basic): &(&str, &str)| format!("<tuple{id}><status><basic>{basic}</basic></status></tuple>");
    format!(
        "<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:romeo@sip.example'>{}</presence>",
        tuples.iter().map(tuple).collect::<String>()
    )
}

#[test]
fn an_end_that_clients_take_for_that_of_all_resources_hides_none_that_is_there() {
    let (mut play, request) = Play::granted();
    let mut told = |tuples: &[(&str, &str)]| {
        play.bench.pass(60 * SECOND);
        play.notify(&request, "active", Some(&document(tuples)));
        let told = play.told();
        told.iter().map(|said| format!("{} {:?}", from(said), said.kind)).collect::<Vec<_>>()
    };
    let (r1, nameless) = (" id='ID-r1'", "");
    // A tuple without a usable id stands for him as a whole.
    assert_eq!(told(&[(r1, "open"), (nameless, "closed")]), [""; 0], "r1 is there, as before");
    assert_eq!(told(&[(r1, "open"), (nameless, "open")]), ["romeo@sip.example Available"]);
    let ended = ["romeo@sip.example Unavailable", "romeo@sip.example/r1 Available"];
    assert_eq!(told(&[(r1, "open"), (nameless, "closed")]), ended);
    assert_eq!(told(&[(nameless, "open"), (r1, "open")]), ["romeo@sip.example Available"]);
    assert_eq!(told(&[(r1, "open")]), ended, "one that has vanished, likewise");
    let last = told(&[(r1, "closed"), (nameless, "closed")]);
    assert_eq!(last, ["romeo@sip.example Unavailable", "romeo@sip.example/r1 Unavailable"]);
}
