//! Sources that prove an account.

use std::net::SocketAddr;
use std::time::Duration;

use super::bench::{Bench, trust};
use crate::gateway::trust::{Peer, Stranger, Trust};
use crate::gateway::{Input, Settings};
use crate::ids::Ids;
use crate::sip::auth::server::ServerConfig;
use crate::sip::auth::{Account, Answer, Attempts, Challenge, Client, Door, Hash, Key};
use crate::sip::endpoint::Inbound;
use crate::sip::message::{Message, Method, Name, Request, Response, wire};

fn accounts(settings: &mut Settings) {
    settings.accounts = Some(ServerConfig {
        realm: "stox".to_owned(),
        algorithms: vec![Hash::Sha256, Hash::Md5],
        life: Duration::from_secs(300),
        accounts: vec![("branch".to_owned(), Key::password("zanzibar"))],
    });
    let branch = Peer {
        name: "branch".to_owned(),
        account: Some("branch".to_owned()),
        domains: vec!["sip.example".to_owned()],
        ..Peer::default()
    };
    settings.trust = Trust::new(vec![branch], Stranger::Refuse);
}

fn client(username: &str, password: &str) -> Client {
    let account = Account { realm: None, username: username.to_owned(), key: Key::password(password) };
    Client::new(vec![account], Ids::new([8; 32], 0))
}

/// A MESSAGE that nobody knows the source of.
fn inbound(bench: &mut Bench) -> Inbound {
    let (_, input) = bench.asking("juliet@xmpp.example");
    let Input::Sip(mut inbound) = input else { panic!("a SIP message") };
    inbound.flow.remote = "203.0.113.9:5060".parse::<SocketAddr>().unwrap();
    inbound
}

fn request(inbound: &mut Inbound) -> &mut Request {
    match &mut inbound.message {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a request"),
    }
}

fn answers(bench: &mut Bench) -> Vec<Response> {
    let read = |transmit: crate::sip::endpoint::Transmit| match wire::parse(&transmit.bytes).unwrap() {
        Message::Response(response) => Some(response),
        Message::Request(_) => None,
    };
    bench.transmits().into_iter().filter_map(read).collect()
}

/// Sends `inbound` until it is not challenged any more, as a client would; the statuses on the way.
fn converse(bench: &mut Bench, client: &mut Client, mut inbound: Inbound) -> Vec<u16> {
    let mut attempts = Attempts::default();
    let mut statuses = Vec::new();
    loop {
        bench.input(Input::Sip(inbound.clone()));
        let Some(answer) = answers(bench).pop() else { return statuses };
        statuses.push(answer.status.code());
        let now = bench.now();
        let again = answer.status.code() == 401
            && client.challenged(&answer, request(&mut inbound), &mut attempts, now) == Answer::Again;
        if !again {
            return statuses;
        }
        let branch = format!("SIP/2.0/UDP 203.0.113.9:5060;branch=z9hG4bK{};rport", statuses.len());
        request(&mut inbound).headers.replace(Name::VIA, branch);
    }
}

#[test]
fn a_source_is_heard_once_it_has_proved_an_account() {
    let mut bench = Bench::with(accounts);
    let mut client = client("branch", "zanzibar");
    let first = inbound(&mut bench);
    assert_eq!(converse(&mut bench, &mut client, first), [401]);
    assert_eq!(bench.told().len(), 1, "the message is on its way to XMPP");
    let mut second = inbound(&mut bench);
    client.authorize(request(&mut second));
    bench.input(Input::Sip(second.clone()));
    assert_eq!(bench.told().len(), 1, "nobody had to ask");
    bench.input(Input::Sip(second.clone()));
    assert_eq!((bench.told().len(), answers(&mut bench).len()), (0, 0), "a repetition finds its transaction");
    request(&mut second).headers.replace(Name::VIA, "SIP/2.0/UDP 203.0.113.9:5060;branch=z9hG4bKreplay;rport");
    bench.input(Input::Sip(second));
    let replayed = answers(&mut bench).remove(0);
    let challenge = Challenge::parse(replayed.headers.get(Door::Server.challenge()).unwrap()).unwrap();
    assert_eq!((replayed.status.code(), challenge.stale), (401, true), "a replay is another request");
    assert!(bench.told().is_empty());
}

#[test]
fn the_challenge_offers_every_algorithm_and_leaves_nothing_behind() {
    let mut bench = Bench::with(accounts);
    for _ in 0..10 {
        let inbound = inbound(&mut bench);
        bench.input(Input::Sip(inbound));
    }
    let answers = answers(&mut bench);
    let names = |response: &Response| {
        let values = response.headers.all(Door::Server.challenge());
        values.map(|value| Challenge::parse(value).unwrap().algorithm.unwrap()).collect::<Vec<_>>()
    };
    assert!(answers.iter().all(|answer| names(answer) == ["SHA-256", "MD5"]));
    let sample = |name: &str| bench.gateway.samples().into_iter().find(|sample| sample.name == name).unwrap().value;
    assert_eq!((sample("stox_sip_challenged"), sample("stox_sip_failed_logins")), (10, 0));
    assert_eq!((sample("stox_sip_server_transactions"), sample("stox_sip_completed_transactions")), (0, 0));
}

#[test]
fn a_wrong_password_and_an_unknown_user_get_the_same_answer() {
    let mut bench = Bench::with(accounts);
    let mut texts = Vec::new();
    for (user, password) in [("branch", "guess"), ("nobody", "zanzibar")] {
        let inbound = inbound(&mut bench);
        assert_eq!(converse(&mut bench, &mut client(user, password), inbound), [401, 401]);
    }
    for (user, password) in [("branch", "guess"), ("nobody", "zanzibar")] {
        let mut inbound = inbound(&mut bench);
        bench.input(Input::Sip(inbound.clone()));
        let challenge = answers(&mut bench).remove(0);
        let now = bench.now();
        client(user, password).challenged(&challenge, request(&mut inbound), &mut Attempts::default(), now);
        request(&mut inbound).headers.replace(Name::VIA, "SIP/2.0/UDP 203.0.113.9:5060;branch=z9hG4bKsame;rport");
        request(&mut inbound).headers.replace(Name::CALL_ID, "same");
        bench.input(Input::Sip(inbound));
        let mut answer = answers(&mut bench).remove(0);
        answer.headers.remove(Door::Server.challenge());
        answer.headers.remove(Name::TO);
        texts.push(format!("{answer:?}"));
    }
    assert_eq!(texts[0], texts[1]);
    assert_eq!(bench.gateway.stats().failed_logins, 4);
    assert!(bench.told().is_empty());
}

#[test]
fn an_account_speaks_for_its_domains_only() {
    let mut bench = Bench::with(accounts);
    let mut inbound = inbound(&mut bench);
    request(&mut inbound).headers.replace(Name::FROM, "<sip:mallory@other.example>;tag=1");
    assert_eq!(converse(&mut bench, &mut client("branch", "zanzibar"), inbound), [401, 403]);
}

#[test]
fn a_peer_by_address_proves_an_account_for_what_its_address_does_not_give() {
    let mut bench = Bench::with(|settings| {
        accounts(settings);
        let mut peers = settings.trust.peers().to_vec();
        peers.extend(trust("other.example").peers().to_vec());
        settings.trust = Trust::new(peers, Stranger::Refuse);
    });
    let mut inbound = inbound(&mut bench);
    inbound.flow.remote = "192.0.2.10:5060".parse().unwrap();
    assert_eq!(converse(&mut bench, &mut client("branch", "zanzibar"), inbound), [401]);
    assert_eq!(bench.told().len(), 1);
}

#[test]
fn what_cannot_be_challenged_is_not() {
    let mut bench = Bench::with(accounts);
    for (method, expected) in [(Method::Ack, &[][..]), (Method::Cancel, &[481])] {
        let mut inbound = inbound(&mut bench);
        request(&mut inbound).headers.replace(Name::CSEQ, format!("1 {}", method.as_str()));
        request(&mut inbound).method = method;
        bench.input(Input::Sip(inbound));
        assert_eq!(bench.statuses(), expected);
    }
}
