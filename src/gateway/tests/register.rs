//! Registrations of ours, and users in their own names.

use std::time::Duration;

use super::bench::{self, Bench};
use crate::gateway::people::User;
use crate::gateway::register::Register;
use crate::gateway::{Input, Settings};
use crate::sip::auth::{Account, Credentials, Door, Key};
use crate::sip::message::{Message, Name, Request, Status};
use crate::sip::registration::State;
use crate::sip::uri::Uri;
use crate::xmpp::stanza::{Condition, Stanza};

const SECOND: Duration = Duration::from_secs(1);

fn account(username: &str) -> Account {
    Account { realm: None, username: username.to_owned(), key: Key::password("zanzibar") }
}

fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap()
}

fn trunk(settings: &mut Settings) {
    let route = &mut settings.routes[0].1;
    route.credentials = vec![account("stox")];
    route.register = Some(Register { aor: uri("sip:stox@sip.example"), contact: None, expires: 600 });
}

fn juliet(settings: &mut Settings) {
    settings.routes[0].1.users = vec![User { register: Some(600), ..bench::user("sip:101@sip.example") }];
}

fn bench(change: fn(&mut Settings)) -> Bench {
    let mut bench = Bench::with(change);
    bench.pass(SECOND / 10);
    bench
}

/// The requests that came out, repetitions aside.
fn requests(bench: &mut Bench) -> Vec<Request> {
    let mut requests = bench.requests();
    let mut seen = std::collections::HashSet::new();
    requests.retain(|request| seen.insert(text(request, Name::VIA)));
    requests
}

fn refuse(bench: &mut Bench, request: &Request, nonce: &str) {
    let mut response = request.response(Status::UNAUTHORIZED);
    let value = format!("Digest realm=\"pbx\", nonce=\"{nonce}\", qop=\"auth\", algorithm=MD5");
    response.headers.push(Door::Server.challenge(), value);
    bench.hear(Message::Response(response));
}

fn take(bench: &mut Bench, request: &Request, more: &[(&str, &str)]) {
    let mut response = request.response(Status::OK);
    more.iter().for_each(|(name, value)| response.headers.push(*name, value));
    bench.hear(Message::Response(response));
}

fn only(bench: &mut Bench) -> Request {
    let mut requests = requests(bench);
    assert_eq!(requests.len(), 1, "{requests:?}");
    requests.remove(0)
}

fn text(request: &Request, name: Name<'static>) -> String {
    request.headers.text(name).unwrap_or_default().into_owned()
}

fn user(request: &Request) -> String {
    let value = request.headers.get(Door::Server.credentials()).and_then(Credentials::parse);
    value.map(|credentials| credentials.username).unwrap_or_default()
}

fn state(bench: &Bench) -> Vec<State> {
    bench.gateway.registrations().into_iter().map(|standing| standing.state).collect()
}

#[test]
fn a_trunk_registers_with_its_credentials_and_renews_them_unasked() {
    let mut bench = bench(trunk);
    let first = only(&mut bench);
    assert_eq!((first.method.as_str(), first.uri.as_str()), ("REGISTER", "sip:sip.example"));
    assert_eq!(text(&first, Name::CONTACT), "<sip:stox@10.0.0.1:5060>");
    refuse(&mut bench, &first, "n");
    let second = only(&mut bench);
    assert_eq!((user(&second).as_str(), text(&second, Name::CSEQ).as_str()), ("stox", "2 REGISTER"));
    assert_eq!(state(&bench), [State::Trying]);
    take(&mut bench, &second, &[("Contact", "<sip:stox@10.0.0.1:5060>;expires=60")]);
    assert_eq!(state(&bench), [State::Registered]);
    bench.pass(60 * SECOND);
    let third = only(&mut bench);
    assert_eq!((user(&third).as_str(), text(&third, Name::CSEQ).as_str()), ("stox", "3 REGISTER"));
    assert_eq!(text(&third, Name::CALL_ID), text(&first, Name::CALL_ID));
    let sample = |bench: &Bench, state: &str| {
        let wanted = |sample: &&crate::gateway::stats::Sample| sample.labels.iter().any(|(_, value)| value == state);
        let mut samples = bench.gateway.samples().into_iter().filter(|sample| sample.name == "stox_registrations");
        samples.find(|sample| wanted(&sample)).map(|sample| sample.value)
    };
    take(&mut bench, &third, &[]);
    assert_eq!((sample(&bench, "registered"), sample(&bench, "failing")), (Some(1), Some(0)));
}

#[test]
fn a_registrar_that_is_away_is_asked_again_and_messages_go_on() {
    let mut bench = bench(trunk);
    only(&mut bench);
    bench.pass(33 * SECOND);
    assert_eq!(state(&bench), [State::Failing]);
    assert_eq!(bench.gateway.registrations()[0].trouble, "the SIP server does not answer");
    requests(&mut bench);
    bench.write("romeo", "a", "Hello");
    let message = only(&mut bench);
    assert_eq!(message.method.as_str(), "MESSAGE");
    bench.pass(5 * SECOND);
    assert!(requests(&mut bench).iter().any(|request| request.method.as_str() == "REGISTER"));
}

#[test]
fn a_user_writes_in_her_own_name_with_her_own_password() {
    let mut bench = bench(|settings| {
        trunk(settings);
        juliet(settings);
    });
    let registers = requests(&mut bench);
    let hers = registers.iter().find(|request| text(request, Name::TO).contains("101")).unwrap();
    let contact = text(hers, Name::CONTACT);
    assert!(contact.starts_with("<sip:101-") && contact.ends_with("@10.0.0.1:5060>"), "{contact}");
    refuse(&mut bench, hers, "hers");
    let again = only(&mut bench);
    assert_eq!(user(&again), "101");
    take(&mut bench, &again, &[]);

    bench.write("romeo", "a", "Hello");
    let message = only(&mut bench);
    assert!(text(&message, Name::FROM).starts_with("<sip:101@sip.example>;tag="), "{message:?}");
    assert_eq!((user(&message).as_str(), message.uri.as_str()), ("101", "sip:romeo@sip.example"));
    take(&mut bench, &message, &[]);
    bench.stanza(
        "<message from='nurse@xmpp.example/b' to='romeo@sip.example' id='b' type='chat'><body>Hi</body></message>",
    );
    let other = only(&mut bench);
    assert!(text(&other, Name::FROM).starts_with("<sip:nurse@xmpp.example"), "{other:?}");
    assert_eq!(user(&other), "", "the domain's nonce is not known yet, and hers is not for others");

    // The server sends what is for 101 to her contact.
    let contact = contact.trim_matches(['<', '>']).trim_start_matches("sip:").to_owned();
    bench.ask(&contact);
    let told: Vec<_> = bench.told().iter().filter_map(|stanza| stanza.to().map(ToString::to_string)).collect();
    assert_eq!(told, ["juliet@xmpp.example"]);
    bench.ask("101-00000000@10.0.0.1:5060");
    assert_eq!(bench.statuses(), [404]);
}

#[test]
fn what_comes_to_the_contact_of_a_trunk_is_for_whom_its_to_names() {
    let mut bench = bench(trunk);
    let register = only(&mut bench);
    take(&mut bench, &register, &[]);
    let (_, input) = bench.asking("juliet@xmpp.example");
    let Input::Sip(mut inbound) = input else { panic!("a SIP message") };
    let Message::Request(request) = &mut inbound.message else { panic!("a request") };
    request.uri = uri("sip:stox@10.0.0.1;transport=udp");
    bench.input(Input::Sip(inbound));
    let told: Vec<_> = bench.told().iter().filter_map(|stanza| stanza.to().map(ToString::to_string)).collect();
    assert_eq!(told, ["juliet@xmpp.example"]);
}

#[test]
fn a_registration_refused_for_good_ends_her_messages_in_an_error() {
    let mut bench = bench(juliet);
    for nonce in ["1", "2"] {
        let first = only(&mut bench);
        refuse(&mut bench, &first, nonce);
        for again in requests(&mut bench) {
            refuse(&mut bench, &again, &format!("{nonce}b"));
        }
        bench.pass(5 * SECOND);
    }
    assert_eq!(state(&bench), [State::Refused]);
    requests(&mut bench);
    bench.write("romeo", "a", "Hello");
    assert!(requests(&mut bench).is_empty());
    let told = bench.told();
    let [Stanza::Message(error)] = told.as_slice() else { panic!("{told:?}") };
    let error = error.error().unwrap();
    assert_eq!(error.condition, Condition::NotAuthorized);
    let text = error.text.unwrap();
    assert!(text.starts_with("the SIP server refuses your account sip:101@sip.example"), "{text}");
    let contact = bench.gateway.registrations.list_contact(0);
    bench.ask(&contact);
    assert_eq!(bench.statuses(), [480]);
    // Somebody corrects the password over there.
    bench.pass(1800 * SECOND);
    let registers = requests(&mut bench);
    take(&mut bench, registers.last().unwrap(), &[]);
    bench.write("romeo", "b", "Hello");
    assert_eq!(only(&mut bench).method.as_str(), "MESSAGE");
}

#[test]
fn the_end_takes_registrations_back_and_does_not_wait_long_for_it() {
    for answered in [true, false] {
        let mut bench = bench(trunk);
        let register = only(&mut bench);
        take(&mut bench, &register, &[]);
        assert!(bench.gateway.is_idle());
        bench.input(Input::Drain);
        bench.pings().iter().for_each(|ping| bench.pong(ping));
        let removal = only(&mut bench);
        assert_eq!((removal.method.as_str(), text(&removal, Name::EXPIRES).as_str()), ("REGISTER", "0"));
        assert!(!bench.gateway.is_idle());
        if answered {
            take(&mut bench, &removal, &[]);
        } else {
            bench.pass(2 * SECOND);
        }
        assert!(bench.gateway.is_idle());
        bench.pass(3600 * SECOND);
        assert!(requests(&mut bench).iter().all(|request| text(request, Name::EXPIRES) == "0"), "never again");
    }
}
