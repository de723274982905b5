//! Endpoints in virtual time. `us` is 192.0.2.1, the peer 192.0.2.9 unless a test says otherwise.

#![allow(clippy::unwrap_used)]

mod calling;
mod client;
mod pair;
mod server;

use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::sip::message::{Request, Response, Status, wire};

const UDP: Transport = Transport::Udp;
const TCP: Transport = Transport::Tcp;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn at(n: u64) -> Now {
    Now::at(ms(n))
}

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn endpoint_at(host: &str, seed: u8) -> Endpoint {
    let config = EndpointConfig::new(SentBy { host: host.to_owned(), port: None });
    Endpoint::new(config, Ids::new([seed; 32], 3))
}

fn endpoint() -> Endpoint {
    endpoint_at("192.0.2.1", 1)
}

fn udp_flow(remote: &str) -> Flow {
    Flow { transport: UDP, local: addr("192.0.2.1:5060"), remote: addr(remote), id: 0 }
}

fn tcp_flow(remote: &str, id: u64) -> Flow {
    Flow { transport: TCP, local: addr("192.0.2.1:5060"), remote: addr(remote), id }
}

fn read_request(text: &str) -> Request {
    match wire::parse(text.replace('\n', "\r\n").as_bytes()).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a response"),
    }
}

fn read_response(bytes: &[u8]) -> Response {
    match wire::parse(bytes).unwrap() {
        Message::Response(response) => response,
        Message::Request(_) => panic!("a request"),
    }
}

fn sent_request(transmit: &Transmit) -> Request {
    match wire::parse(&transmit.bytes).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a response"),
    }
}

fn transmits(endpoint: &mut Endpoint) -> Vec<Transmit> {
    std::iter::from_fn(|| endpoint.poll_transmit()).collect()
}

/// The one message that is waiting to be sent.
fn only(endpoint: &mut Endpoint) -> Transmit {
    let mut all = transmits(endpoint);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn events(endpoint: &mut Endpoint, now: Now) -> Vec<Event> {
    let mut events = Vec::new();
    endpoint.handle_timeout(now, &mut events);
    events
}

/// What happened, and when in milliseconds.
type Log<T> = Vec<(u128, T)>;

/// Lets the clock run to `until` and notes what was sent, and what was told.
fn run(endpoint: &mut Endpoint, until: u64) -> (Log<Transmit>, Log<Event>) {
    let (mut sent, mut told) = (Vec::new(), Vec::new());
    while let Some(next) = endpoint.next_timeout().filter(|next| *next <= ms(until)) {
        told.extend(events(endpoint, Now::at(next)).into_iter().map(|event| (next.as_millis(), event)));
        sent.extend(transmits(endpoint).into_iter().map(|transmit| (next.as_millis(), transmit)));
    }
    (sent, told)
}

fn times<T>(log: &[(u128, T)]) -> Vec<u128> {
    log.iter().map(|(at, _)| *at).collect()
}

fn deliver_response(endpoint: &mut Endpoint, response: Response, now: Now) -> Option<Event> {
    endpoint.receive(Inbound { message: Message::Response(response), flow: udp_flow("192.0.2.9:5060") }, now)
}

fn deliver(endpoint: &mut Endpoint, request: &Request, flow: Flow, now: Now) -> Option<Event> {
    endpoint.receive(Inbound { message: Message::Request(request.clone()), flow }, now)
}

/// Delivers a request that must be told, and gives what to answer.
fn told(endpoint: &mut Endpoint, request: &Request, flow: Flow, now: Now) -> (ServerId, Request) {
    match deliver(endpoint, request, flow, now) {
        Some(Event::Request { transaction, request, .. }) => (transaction, request),
        other => panic!("{other:?}"),
    }
}

fn status_of(transmit: &Transmit) -> u16 {
    read_response(&transmit.bytes).status.code()
}

fn udp(remote: &str) -> Target {
    Target { transport: UDP, addr: addr(remote) }
}

fn tcp(remote: &str) -> Target {
    Target { transport: TCP, addr: addr(remote) }
}

fn ask(endpoint: &mut Endpoint, method: &str, targets: Vec<Target>) -> ClientId {
    endpoint.request(&outgoing(method), targets, Large::UseTcp, at(0)).unwrap()
}

/// The peer's answer to what we sent.
fn answer(transmit: &Transmit, status: Status) -> Response {
    let mut response = sent_request(transmit).response(status);
    response.ensure_to_tag("peer");
    response
}

fn final_status(event: Option<Event>) -> u16 {
    match event {
        Some(Event::Response { response, .. }) => response.status.code(),
        other => panic!("{other:?}"),
    }
}

fn reports(endpoint: &mut Endpoint) -> Vec<Report> {
    std::iter::from_fn(|| endpoint.poll_report()).collect()
}

#[test]
fn open_transactions_are_small() {
    // A million of either fit in 1 GiB; `tests/speed` measures them with all that belongs to them.
    let sizes = (size_of::<super::client::Client>(), size_of::<super::server::Server>(), size_of::<Alarm>());
    assert!(sizes.0 <= 192 && sizes.1 <= 160 && sizes.2 <= 24, "{sizes:?}");
}

/// A request of ours, without Via.
fn outgoing(method: &str) -> Request {
    let text = format!(
        "{method} sip:romeo@example.net SIP/2.0\nMax-Forwards: 70\nFrom: <sip:juliet@example.com>;tag=f1\n\
         To: <sip:romeo@example.net>\nCall-ID: c1\nCSeq: 1 {method}\nContent-Type: text/plain\nContent-Length: 5\n\nHello"
    );
    read_request(&text)
}

/// A request of a peer, from 192.0.2.9 with the branch that is given.
fn incoming(method: &str, branch: &str) -> Request {
    let text = format!(
        "{method} sip:juliet@example.com SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.9;branch={branch}\n\
         Max-Forwards: 70\nFrom: <sip:romeo@example.net>;tag=r1\nTo: <sip:juliet@example.com>\nCall-ID: {branch}@peer\n\
         CSeq: 7 {method}\nContent-Length: 0\n\n"
    );
    read_request(&text)
}
