//! Requests in dialogs: where they go when that is not the next hop of their route.

use super::bench::Bench;
use crate::gateway::errand::{End, Purpose};
use crate::gateway::{Input, record::RecordId};
use crate::sip::dialog::Hop;
use crate::sip::endpoint::{Flow, Transmit, Transport};
use crate::sip::locate::{Answer, Query};
use crate::sip::message::{Message, Method, Request, wire};
use crate::sip::uri::Uri;
use std::time::Duration;

fn hop(uri: &str, flow: Option<u64>) -> Option<Hop> {
    Some(Hop { uri: Uri::parse(uri).unwrap(), flow })
}

fn notify() -> Request {
    let text = "NOTIFY sip:romeo@sip.example SIP/2.0\r\nMax-Forwards: 70\r\nFrom: <sip:juliet@xmpp.example>;tag=f1\r\n\
                To: <sip:romeo@sip.example>;tag=t\r\nCall-ID: c1\r\nCSeq: 1 NOTIFY\r\nContent-Length: 0\r\n\r\n";
    let Message::Request(request) = wire::parse(text.as_bytes()).unwrap() else { panic!("a request") };
    assert_eq!(request.method, Method::Notify);
    request
}

/// What goes out, or how it ended at once.
fn send(bench: &mut Bench, hop: Option<Hop>) -> Result<(), End> {
    let now = bench.now();
    let sent = bench.gateway.send_in_dialog(0, hop, notify(), Purpose::Notify(RecordId(1)), now);
    bench.inputs(Vec::new());
    sent.map_err(|ended| ended.1)
}

fn only(bench: &mut Bench) -> (String, Option<u64>) {
    let sent = bench.transmits();
    let [Transmit { transport, remote, flow, .. }] = sent.as_slice() else { panic!("{sent:?}") };
    (format!("{transport} {remote}"), *flow)
}

fn tcp(id: u64) -> Flow {
    let (local, remote) = ("10.0.0.1:5060".parse().unwrap(), "192.0.2.10:40000".parse().unwrap());
    Flow { transport: Transport::Tcp, local, remote, id }
}

#[test]
fn an_address_is_gone_to_at_once() {
    let mut bench = Bench::new();
    send(&mut bench, hop("sip:romeo@192.0.2.77:5080", None)).unwrap();
    assert_eq!(only(&mut bench), ("UDP 192.0.2.77:5080".to_owned(), None));
    assert!(bench.questions().is_empty());
}

#[test]
fn what_names_the_next_hop_goes_as_the_route_says() {
    let mut bench = Bench::with(|settings| settings.routes[0].1.next_hop.transport = Some(Transport::Tcp));
    bench.gateway.note_way(&tcp(4));
    send(&mut bench, hop("sip:192.0.2.10;lr", None)).unwrap();
    assert_eq!(only(&mut bench), ("TCP 192.0.2.10:5060".to_owned(), None));
}

#[test]
fn a_name_is_looked_up_and_whoever_waits_goes_then() {
    let mut bench = Bench::new();
    send(&mut bench, hop("sip:proxy.example:5062;lr", None)).unwrap();
    assert!(bench.transmits().is_empty());
    let asked = bench.questions();
    let [(lookup, Query::Addresses { name })] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(name, "proxy.example");
    let answer = Answer::Addresses(vec!["192.0.2.5".parse().unwrap()]);
    bench.input(Input::Located(*lookup, answer, Duration::from_secs(60)));
    assert_eq!(only(&mut bench), ("UDP 192.0.2.5:5062".to_owned(), None));
    send(&mut bench, hop("sip:proxy.example:5062;lr", None)).unwrap();
    assert_eq!(only(&mut bench).0, "UDP 192.0.2.5:5062", "it is known now");
}

#[test]
fn the_connection_on_which_the_peer_came_is_used_while_it_is_open() {
    let mut bench = Bench::new();
    bench.gateway.note_way(&tcp(4));
    send(&mut bench, hop("sip:romeo@10.1.2.3;transport=tcp", Some(4))).unwrap();
    assert_eq!(only(&mut bench), ("TCP 192.0.2.10:40000".to_owned(), Some(4)));
    send(&mut bench, hop("sip:romeo@phone.invalid", Some(4))).unwrap();
    assert_eq!(only(&mut bench), ("TCP 192.0.2.10:40000".to_owned(), Some(4)), "DNS is not waited for");
    bench.input(Input::FlowClosed(tcp(4)));
    assert!(bench.transmits().iter().all(|again| again.flow.is_none()));
    send(&mut bench, hop("sip:romeo@10.1.2.3;transport=tcp", Some(4))).unwrap();
    assert_eq!(only(&mut bench), ("TCP 10.1.2.3:5060".to_owned(), None));
}

#[test]
fn what_names_no_place_ends_at_once() {
    let mut bench = Bench::new();
    for hop in [None, hop("sip:192.0.2.1;transport=sctp", None), hop("sip:192.0.2.1;transport=ws", None)] {
        assert!(matches!(send(&mut bench, hop), Err(End::NotFound(_))));
    }
}

#[test]
fn our_contact_is_where_the_next_hop_reaches_us() {
    let bench = Bench::new();
    let contact = bench.gateway.contact_for(0, "juliet").unwrap();
    assert_eq!(contact.as_str(), "sip:juliet@10.0.0.1:5060");
    assert_eq!(bench.gateway.contact_for(7, "juliet"), None);
}
