//! A 403 from a server that has our password.

use super::*;
use crate::sip::auth::{Account, Key};

fn with_password(settings: &mut Settings) {
    let key = Key::password("pw-stox");
    settings.routes[0].1.credentials = vec![Account { realm: None, username: "stox".to_owned(), key }];
}

fn answer(bench: &mut Bench, request: &Request, status: Status) {
    let mut response = request.response(status);
    response.ensure_to_tag("no");
    bench.hear(Message::Response(response));
}

fn grant(bench: &mut Bench, request: &Request) {
    accept(bench, request, 3_600);
    assert_eq!(Notify { body: PIDF, ..Notify::new(request, 1, ACTIVE) }.send(bench).status.code(), 200);
    bench.told();
}

fn kinds(bench: &mut Bench) -> Vec<PresenceKind> {
    let told = bench.told().into_iter();
    told.filter_map(|stanza| if let Stanza::Presence(presence) = stanza { Some(presence.kind) } else { None }).collect()
}

#[test]
fn who_was_granted_is_not_taken_off_the_roster_for_a_password() {
    let (mut bench, request) = asked(with_password);
    grant(&mut bench, &request);
    let mut seen = Vec::new();
    let until = bench.now().mono + 12 * HOUR;
    while bench.now().mono < until {
        let again = next_subscribe(&mut bench, 2 * HOUR);
        answer(&mut bench, &again, Status::FORBIDDEN);
        seen.extend(kinds(&mut bench));
    }
    assert!(!seen.contains(&PresenceKind::Unsubscribed), "{seen:?}");
    assert!(seen.contains(&PresenceKind::Unavailable), "{seen:?}");

    // The operator has mended it.
    let again = next_subscribe(&mut bench, 2 * HOUR);
    accept(&mut bench, &again, 3_600);
    Notify { body: PIDF, ..Notify::new(&again, 1, ACTIVE) }.send(&mut bench);
    assert_eq!(kinds(&mut bench), [PresenceKind::Available], "and nobody was asked");
}

#[test]
fn when_the_password_was_good_for_another_meanwhile_it_is_a_refusal() {
    let (mut bench, request) = asked(with_password);
    grant(&mut bench, &request);
    let refresh = next_subscribe(&mut bench, HOUR);
    answer(&mut bench, &refresh, Status::FORBIDDEN);
    assert!(!kinds(&mut bench).contains(&PresenceKind::Unsubscribed));

    bench.stanza("<presence from='nurse@xmpp.example' to='mercutio@sip.example' type='subscribe'/>");
    let other = subscribe(&mut bench);
    accept(&mut bench, &other, 3_600);
    let again = next_subscribe(&mut bench, 2 * HOUR);
    answer(&mut bench, &again, Status::FORBIDDEN);
    assert!(kinds(&mut bench).contains(&PresenceKind::Unsubscribed));
}

#[test]
fn who_waits_for_an_answer_gets_it_and_so_do_those_of_a_server_that_has_no_password_of_ours() {
    let (mut bench, request) = asked(with_password);
    answer(&mut bench, &request, Status::FORBIDDEN);
    assert!(kinds(&mut bench).contains(&PresenceKind::Unsubscribed));

    let (mut bench, request) = asked(|_| {});
    grant(&mut bench, &request);
    let refresh = next_subscribe(&mut bench, HOUR);
    answer(&mut bench, &refresh, Status::FORBIDDEN);
    assert!(kinds(&mut bench).contains(&PresenceKind::Unsubscribed));
}
