//! What open transactions take, as the resident memory of this process.
//!
//! ```text
//! cargo run --release --bin memory -- clients      requests of ours that wait for their answer
//! cargo run --release --bin memory -- servers      requests of peers that wait for ours
//! cargo run --release --bin memory -- answered     requests of peers that have it, within Timer J
//! ```
//! A million of them must fit in 1 GiB, tables, timers and the room that those grow by included; exit 1 if they do not.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use stox::ids::Ids;
use stox::sip::endpoint::{Endpoint, EndpointConfig, Event, Flow, Inbound, Large, SentBy, ServerId, Target, Transport};
use stox::sip::message::{Message, Request, Status, wire};
use stox::time::Now;

const MILLION: usize = 1_000_000;
const GIB: usize = 1 << 30;

fn main() -> ExitCode {
    let fits = match std::env::args().nth(1).as_deref() {
        Some("clients") => clients(),
        Some("servers") => served("open server transactions", |_, _, _, _| {}),
        Some("answered") => served("answered server transactions", |us, transaction, request, now| {
            us.respond(transaction, request.response(Status::OK), now);
        }),
        _ => {
            eprintln!("say clients, servers or answered");
            false
        }
    };
    if fits { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn at(ms: u64) -> Now {
    Now::at(Duration::from_millis(ms))
}

fn endpoint() -> Endpoint {
    let mut config = EndpointConfig::new(SentBy { host: "gw.example.com".to_owned(), port: Some(5060) });
    config.limits.client = MILLION;
    config.limits.server = MILLION;
    Endpoint::new(config, Ids::new([7; 32], 0))
}

/// A MESSAGE of 500 bytes with its Via, as it is on the wire.
fn message(number: usize, via: &str) -> Request {
    let head = format!(
        "MESSAGE sip:romeo{number}@example.net SIP/2.0\r\n{via}Max-Forwards: 70\r\n\
         From: <sip:juliet@example.com>;tag=jk3hf8sdfh{number}\r\nTo: <sip:romeo{number}@example.net>\r\n\
         Call-ID: asd88asd77a{number}@192.0.2.9\r\nCSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\n"
    );
    let room = 500 - head.len() - "Content-Length: 100\r\n\r\n".len() - if via.is_empty() { 83 } else { 0 };
    let text = format!("{head}Content-Length: {room}\r\n\r\n{}", "x".repeat(room));
    match wire::parse(text.as_bytes()).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a response"),
    }
}

/// Resident bytes of this process.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    status.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// The most that was resident so far.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// Prints bytes per transaction; whether a million fit.
fn fit(what: &str, before: usize, count: usize) -> bool {
    let (now, peak) = (resident() - before, peak().saturating_sub(before));
    println!("{what}: {count} take {now} bytes, {} each; at most {} each on the way", now / count, peak / count);
    peak < GIB
}

/// A million requests of ours, as if they came over four seconds, so that retransmissions are under way as well.
fn clients() -> bool {
    let before = resident();
    let mut us = endpoint();
    let target = Target { transport: Transport::Udp, addr: SocketAddr::from(([192, 0, 2, 9], 5060)) };
    for number in 0..MILLION {
        let now = at(number as u64 / 250);
        us.handle_timeout(now, &mut Vec::new());
        us.request(&message(number, ""), vec![target], Large::UseUdp, now).unwrap();
        while us.poll_transmit().is_some() {}
    }
    assert_eq!(us.stats().client_open, MILLION);
    fit("open client transactions", before, MILLION)
}

/// A million requests of peers, which `answer` may answer.
fn served(what: &str, answer: impl Fn(&mut Endpoint, ServerId, &Request, Now)) -> bool {
    let before = resident();
    let mut us = endpoint();
    let address = |port| SocketAddr::from(([192, 0, 2, 9], port));
    let flow = Flow { transport: Transport::Udp, local: address(5060), remote: address(5070), id: 0 };
    for number in 0..MILLION {
        let now = at(number as u64 / 250);
        us.handle_timeout(now, &mut Vec::new());
        let via = format!("Via: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bKnashds8{number};rport\r\n");
        let inbound = Inbound { message: Message::Request(message(number, &via)), flow };
        let Some(Event::Request { transaction, request, .. }) = us.receive(inbound, now) else {
            panic!("it was not told")
        };
        answer(&mut us, transaction, &request, now);
        while us.poll_transmit().is_some() {}
    }
    assert_eq!(us.stats().server_open + us.stats().server_completed, MILLION);
    fit(what, before, MILLION)
}
