//! Headlines about voicemail.

use std::time::Duration;

use super::bench::{Bench, user};
use crate::gateway::people::User;
use crate::gateway::presence::usage::{Body, Told};
use crate::gateway::{Input, Route, Settings};
use crate::model::{Failure, Reason};
use crate::sip::message::{Message, Method, Name, Request, Status, wire};
use crate::xmpp::stanza::{MessageKind, Stanza};

const SECOND: Duration = Duration::from_secs(1);

fn juliet(settings: &mut Settings) {
    settings.routes[0].1.users = vec![User { voicemail: true, ..user("sip:101@sip.example") }];
}

/// A gateway whose first user has a mailbox that is subscribed to.
fn bench() -> Bench {
    let mut bench = Bench::with(juliet);
    bench.pass(SECOND);
    let _ = (bench.stanzas(), bench.requests());
    bench
}

fn says(bench: &mut Bench, fork: u32, text: &str) {
    let content_type = "application/simple-message-summary;charset=utf-8".to_owned();
    told(bench, Told::State(fork, Body { content_type, bytes: text.as_bytes().to_vec(), document: None }));
}

fn told(bench: &mut Bench, told: Told) {
    let now = bench.now();
    bench.gateway.voicemail_on_told(0, told, now);
    bench.inputs(Vec::new());
}

/// Juliet comes or goes.
fn presence(bench: &mut Bench, kind: &str) {
    bench.stanza(&format!("<presence from='juliet@xmpp.example/b' to='romeo@sip.example' {kind}/>"));
}

/// The headlines that came out: from whom, and what they say.
fn headlines(bench: &mut Bench) -> Vec<String> {
    let read = |stanza: Stanza| match stanza {
        Stanza::Message(message) => {
            assert_eq!(message.kind, MessageKind::Headline);
            assert_eq!(message.to.as_ref().unwrap().as_str(), "juliet@xmpp.example");
            Some(format!("{}: {}", message.from.as_ref().unwrap().as_str(), message.body().unwrap()))
        }
        Stanza::Presence(_) | Stanza::Iq(_) => None,
    };
    bench.stanzas().into_iter().filter_map(read).collect()
}

#[test]
fn a_change_of_the_mailbox_is_one_headline_and_what_is_repeated_is_none() {
    let mut bench = bench();
    says(&mut bench, 0, "Messages-Waiting: no\r\nVoice-Message: 0/8\r\n");
    assert_eq!(headlines(&mut bench), [] as [&str; 0], "the first state is what she knows");
    let four = "Messages-Waiting: yes\r\nMessage-Account: sip:voicemail@sip.example\r\nVoice-Message: 4/8 (1/2)\r\n";
    says(&mut bench, 0, four);
    assert_eq!(headlines(&mut bench), ["sip.example: Voicemail: 4 new, 8 old (1 urgent new, 2 urgent old)"]);
    bench.pass(60 * SECOND);
    says(&mut bench, 0, four);
    told(&mut bench, Told::Nothing);
    assert_eq!(headlines(&mut bench), [] as [&str; 0], "a refresh says it again");
    says(&mut bench, 0, "Messages-Waiting: no\r\nVoice-Message: 0/0\r\n");
    assert_eq!(headlines(&mut bench), ["sip.example: Voicemail: no messages"]);
}

#[test]
fn a_mailbox_does_not_speak_in_the_name_of_another_domain() {
    let mut bench = Bench::with(|settings| {
        juliet(settings);
        let other = settings.routes[0].1.next_hop.clone();
        settings.links.push("second.example".to_owned());
        settings.routes.push(("second.example".to_owned(), Route::to(other)));
    });
    bench.input(Input::LinkUp(1));
    bench.pass(SECOND);
    let _ = (bench.stanzas(), bench.requests());
    says(&mut bench, 0, "Messages-Waiting: no\r\n");
    says(&mut bench, 0, "Messages-Waiting: yes\r\nMessage-Account: sip:vm@second.example\r\nVoice-Message: 1/0\r\n");
    assert_eq!(headlines(&mut bench), ["sip.example: Voicemail: 1 new, 0 old"]);
}

#[test]
fn what_waits_at_the_start_is_not_told_until_it_changes_so_that_a_restart_repeats_nothing() {
    let mut bench = bench();
    says(&mut bench, 0, "Messages-Waiting: yes\r\nVoice-Message: 2/0\r\n");
    assert_eq!(headlines(&mut bench), [] as [&str; 0]);
    says(&mut bench, 0, "Messages-Waiting: yes\r\nVoice-Message: 3/0\r\nFax-Message: 1/0 (1/0)\r\n");
    assert_eq!(headlines(&mut bench), ["sip.example: Voicemail: 3 new, 0 old; Fax: 1 new, 0 old (1 urgent new)"]);
}

#[test]
fn a_mailbox_that_changes_all_the_time_is_told_of_now_and_then_with_its_last_state() {
    let mut bench = bench();
    says(&mut bench, 0, "Messages-Waiting: no\r\n");
    for new in 1..=9 {
        says(&mut bench, 0, &format!("Messages-Waiting: yes\r\nVoice-Message: {new}/0\r\n"));
    }
    assert_eq!(headlines(&mut bench), ["sip.example: Voicemail: 1 new, 0 old"]);
    bench.pass(9 * SECOND);
    assert_eq!(headlines(&mut bench), [] as [&str; 0]);
    bench.pass(2 * SECOND);
    assert_eq!(headlines(&mut bench), ["sip.example: Voicemail: 9 new, 0 old"]);
    says(&mut bench, 0, "Messages-Waiting: yes\r\nVoice-Message: 8/1\r\n");
    says(&mut bench, 0, "Messages-Waiting: yes\r\nVoice-Message: 9/0\r\n");
    bench.pass(60 * SECOND);
    assert_eq!(headlines(&mut bench), [] as [&str; 0], "it is what she knows again");
}

#[test]
fn who_comes_back_hears_once_what_waits() {
    let mut bench = bench();
    says(&mut bench, 0, "Messages-Waiting: yes\r\n");
    presence(&mut bench, "");
    assert_eq!(headlines(&mut bench), [] as [&str; 0], "nobody has seen her go, so it may be a restart of ours");
    presence(&mut bench, "type='unavailable'");
    presence(&mut bench, "");
    presence(&mut bench, "");
    assert_eq!(headlines(&mut bench), ["sip.example: Voicemail: messages are waiting"]);
    says(&mut bench, 0, "Messages-Waiting: no\r\n");
    bench.pass(60 * SECOND);
    let _ = headlines(&mut bench);
    presence(&mut bench, "type='unavailable'");
    presence(&mut bench, "");
    assert_eq!(headlines(&mut bench), [] as [&str; 0], "nothing waits");
}

#[test]
fn who_comes_and_goes_all_the_time_hears_it_now_and_then() {
    let mut bench = bench();
    says(&mut bench, 0, "Messages-Waiting: no\r\nVoice-Message: 0/0\r\n");
    says(&mut bench, 0, "Messages-Waiting: yes\r\nVoice-Message: 1/0\r\n");
    assert_eq!(headlines(&mut bench).len(), 1);
    for _ in 0..20 {
        presence(&mut bench, "type='unavailable'");
        presence(&mut bench, "");
    }
    assert_eq!(headlines(&mut bench), [] as [&str; 0]);
    bench.pass(11 * SECOND);
    assert_eq!(headlines(&mut bench), ["sip.example: Voicemail: 1 new, 0 old"], "she may not have seen it");
    presence(&mut bench, "type='unavailable'");
    presence(&mut bench, "");
    says(&mut bench, 0, "Messages-Waiting: no\r\nVoice-Message: 0/0\r\n");
    bench.pass(11 * SECOND);
    assert_eq!(headlines(&mut bench), ["sip.example: Voicemail: no messages"], "the last state, once");
    bench.pass(60 * SECOND);
    assert_eq!(headlines(&mut bench), [] as [&str; 0]);
}

#[test]
fn a_dialog_that_is_lost_or_a_body_that_is_none_changes_nothing() {
    let mut bench = bench();
    says(&mut bench, 0, "Messages-Waiting: yes\r\nVoice-Message: 1/0\r\n");
    says(&mut bench, 0, "Messages-Waiting: perhaps\r\n");
    let (content_type, bytes) = ("text/html".to_owned(), b"Messages-Waiting: no".to_vec());
    told(&mut bench, Told::State(0, Body { content_type, bytes, document: None }));
    told(&mut bench, Told::Lost(Failure::new(Reason::RecipientUnavailable)));
    says(&mut bench, 1, "Messages-Waiting: yes\r\nVoice-Message: 1/0\r\n");
    told(&mut bench, Told::Forbidden(Failure::new(Reason::NotAuthorized)));
    assert_eq!(headlines(&mut bench), [] as [&str; 0]);
}

#[test]
fn mailboxes_behind_one_subscription_are_added_up() {
    let mut bench = bench();
    says(&mut bench, 0, "Messages-Waiting: no\r\nVoice-Message: 0/1\r\n");
    says(&mut bench, 1, "Messages-Waiting: yes\r\nVoice-Message: 2/0\r\n");
    assert_eq!(headlines(&mut bench), ["sip.example: Voicemail: 2 new, 1 old"]);
    told(&mut bench, Told::ForkOver(1));
    bench.pass(60 * SECOND);
    says(&mut bench, 0, "Messages-Waiting: no\r\nVoice-Message: 0/1\r\n");
    assert_eq!(headlines(&mut bench), [] as [&str; 0]);
}

#[test]
fn what_is_told_while_the_link_is_down_comes_when_it_is_back() {
    let mut bench = bench();
    says(&mut bench, 0, "Messages-Waiting: no\r\n");
    bench.input(Input::LinkDown(0));
    says(&mut bench, 0, "Messages-Waiting: yes\r\nVoice-Message: 1/0\r\n");
    assert_eq!(headlines(&mut bench), [] as [&str; 0]);
    bench.input(Input::LinkUp(0));
    bench.pass(SECOND);
    assert_eq!(headlines(&mut bench), ["sip.example: Voicemail: 1 new, 0 old"]);
}

fn header(request: &Request, name: Name<'static>) -> String {
    request.headers.text(name).unwrap_or_default().into_owned()
}

/// A notification in the dialog that `subscribe` has begun.
fn notify(subscribe: &Request, cseq: u32, body: &str) -> Message {
    let [from, to, call] = [Name::FROM, Name::TO, Name::CALL_ID].map(|name| header(subscribe, name));
    let text = format!(
        "NOTIFY sip:101@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKn{cseq}\r\nMax-Forwards: 70\r\n\
         From: {to};tag=mailbox\r\nTo: {from}\r\nCall-ID: {call}\r\nCSeq: {cseq} NOTIFY\r\n\
         Contact: <sip:192.0.2.10>\r\nEvent: message-summary\r\nSubscription-State: active;expires=3600\r\n\
         Content-Type: application/simple-message-summary\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    wire::parse(text.as_bytes()).unwrap()
}

#[test]
fn the_mailbox_is_subscribed_to_in_her_own_name_and_its_notifications_become_headlines() {
    let mut bench = Bench::with(juliet);
    bench.pass(SECOND);
    let subscribe = bench.requests().into_iter().find(|request| request.method == Method::Subscribe).unwrap();
    assert_eq!(subscribe.uri.as_str(), "sip:101@sip.example");
    assert!(header(&subscribe, Name::FROM).starts_with("<sip:101@sip.example>;tag="), "{subscribe:?}");
    assert_eq!(header(&subscribe, Name::EVENT), "message-summary");
    assert_eq!(header(&subscribe, Name::ACCEPT), "application/simple-message-summary");
    let mut response = subscribe.response(Status::OK);
    response.headers.push(Name::EXPIRES, "3600");
    bench.hear(Message::Response(response));
    bench.hear(notify(&subscribe, 1, "Messages-Waiting: no\r\nVoice-Message: 0/0\r\n"));
    assert_eq!(headlines(&mut bench), [] as [&str; 0]);
    bench.hear(notify(&subscribe, 2, "Messages-Waiting: yes\r\nVoice-Message: 1/0\r\n"));
    assert_eq!(headlines(&mut bench), ["sip.example: Voicemail: 1 new, 0 old"]);
    assert!(bench.statuses().iter().all(|status| *status == 200));
}
