//! Next hops by name: one search for all, failover, rest, and servers that ask to be left alone.

use std::net::SocketAddr;
use std::time::Duration;

use super::bench::Bench;
use crate::gateway::{Input, LookupId};
use crate::sip::endpoint::{Transmit, Undelivered};
use crate::sip::locate::{Answer, Query, Srv};
use crate::sip::message::{self, Name, Request, Status, wire};
use crate::xmpp::stanza::Stanza;

const SECOND: Duration = Duration::from_secs(1);

fn bench() -> Bench {
    Bench::with(|settings| {
        let next_hop = &mut settings.routes[0].1.next_hop;
        (next_hop.host, next_hop.port, next_hop.transport) = ("pbx.example".to_owned(), None, None);
    })
}

/// Two servers over UDP, the second for when the first fails.
fn zone(query: &Query) -> Answer {
    let srv = |priority, target: &str| Srv { priority, weight: 0, port: 5060, target: target.to_owned() };
    match query {
        Query::Naptr { .. } => Answer::Naptr(Vec::new()),
        Query::Srv { name } if name == "_sip._udp.pbx.example" => {
            Answer::Srv(vec![srv(1, "one.pbx.example"), srv(2, "two.pbx.example")])
        }
        Query::Srv { .. } => Answer::NoSuchName,
        Query::Addresses { name } => {
            let last = if name == "one.pbx.example" { 1 } else { 2 };
            Answer::Addresses(vec![[192, 0, 2, last].into()])
        }
    }
}

/// Answers every question; how many there were.
fn serve(bench: &mut Bench) -> usize {
    let mut asked: Vec<(LookupId, Query)> = Vec::new();
    loop {
        let questions = bench.questions();
        if questions.is_empty() {
            return asked.len();
        }
        asked.extend(questions.iter().cloned());
        for (lookup, query) in questions {
            bench.input(Input::Located(lookup, zone(&query), 60 * SECOND));
        }
    }
}

fn first() -> SocketAddr {
    "192.0.2.1:5060".parse().unwrap()
}

fn second() -> SocketAddr {
    "192.0.2.2:5060".parse().unwrap()
}

fn remotes(transmits: &[Transmit]) -> Vec<SocketAddr> {
    transmits.iter().map(|transmit| transmit.remote).collect()
}

fn request(transmit: &Transmit) -> Request {
    match wire::parse(&transmit.bytes).unwrap() {
        message::Message::Request(request) => request,
        message::Message::Response(_) => panic!("a request went out"),
    }
}

#[test]
fn messages_to_a_name_share_one_search_and_go_in_their_order() {
    let mut bench = bench();
    for (to, id) in [("romeo", "a"), ("mercutio", "b"), ("romeo", "c")] {
        bench.write(to, id, "Hello");
    }
    assert_eq!(serve(&mut bench), 5, "NAPTR, SRV for UDP and TCP, two hosts");
    let out = bench.transmits();
    assert_eq!(remotes(&out), [first(), first()], "the third waits for the first of its pair");
    assert!(request(&out[0]).uri.to_string().contains("romeo"));
    bench.write("benvolio", "d", "Hello");
    assert_eq!(remotes(&bench.transmits()), [first()]);
    assert_eq!(serve(&mut bench), 0);
}

#[test]
fn a_server_that_refuses_connections_is_passed_over_for_a_while() {
    let mut bench = bench();
    bench.write("romeo", "a", "Hello");
    serve(&mut bench);
    let out = bench.transmits();
    bench.input(Input::Undelivered(out[0].origin, Undelivered::Refused));
    let again = bench.transmits();
    assert_eq!(remotes(&again), [second()], "RFC 3263 section 4.3");
    let branch = |transmit: &Transmit| request(transmit).headers.text(Name::VIA).unwrap().into_owned();
    assert_ne!(branch(&out[0]), branch(&again[0]), "a new transaction");
    bench.answer(&request(&again[0]), 200);
    bench.write("romeo", "b", "Hello");
    let out = bench.transmits();
    assert_eq!(remotes(&out), [second()]);
    bench.answer(&request(&out[0]), 200);
    bench.pass(31 * SECOND);
    bench.write("mercutio", "c", "Hello");
    bench.write("benvolio", "d", "Hello");
    assert_eq!(remotes(&bench.transmits()), [first(), second()], "one message tries it again");
    assert!(bench.told().is_empty(), "nobody had to hear of it");
}

#[test]
fn servers_that_ask_to_be_left_alone_get_nothing_and_the_sender_hears_for_how_long() {
    let mut bench = bench();
    bench.write("romeo", "a", "Hello");
    serve(&mut bench);
    for server in [first(), second()] {
        let out = bench.transmits();
        assert_eq!(remotes(&out), [server]);
        let request = request(&out[0]);
        let mut response = request.response(Status::new(503).unwrap());
        response.headers.push(Name::RETRY_AFTER, "40");
        bench.hear(message::Message::Response(response));
    }
    assert_eq!(bench.told().len(), 1);
    bench.pass(10 * SECOND);
    bench.write("romeo", "b", "Hello");
    assert!(bench.transmits().is_empty());
    let told = bench.told();
    let [Stanza::Message(error)] = told.as_slice() else { panic!("{told:?}") };
    let text = format!("{:?}", error.error());
    assert!(text.contains("ResourceConstraint") && text.contains("Wait"), "{text}");
    bench.pass(31 * SECOND);
    bench.write("romeo", "c", "Hello");
    assert_eq!(remotes(&bench.transmits()), [first()]);
}

#[test]
fn a_request_too_large_for_udp_goes_to_the_tcp_servers_that_dns_names() {
    let mut bench = bench();
    bench.write("romeo", "a", &"x".repeat(2_000));
    loop {
        let questions = bench.questions();
        if questions.is_empty() {
            break;
        }
        for (lookup, query) in questions {
            let tcp = matches!(&query, Query::Srv { name } if name == "_sip._tcp.pbx.example");
            let port = Srv { priority: 0, weight: 0, port: 5090, target: "two.pbx.example".to_owned() };
            let answer = if tcp { Answer::Srv(vec![port]) } else { zone(&query) };
            bench.input(Input::Located(lookup, answer, SECOND));
        }
    }
    let out = bench.transmits();
    assert_eq!(remotes(&out), ["192.0.2.2:5090".parse().unwrap()]);
    bench.input(Input::Undelivered(out[0].origin, Undelivered::Refused));
    let out = bench.transmits();
    assert_eq!((out[0].remote, out[0].transport), (first(), crate::sip::locate::Transport::Tcp));
}
