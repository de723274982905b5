//! Who is heard, in whose name, and how much.

use std::time::Duration;

use super::bench::Bench;
use crate::gateway::rate::Rate;
use crate::gateway::stats::ToXmpp;
use crate::gateway::trust::{Network, Peer, Stranger, Trust};
use crate::gateway::{Input, Settings};
use crate::sip::endpoint::{Flow, Inbound};
use crate::sip::locate::Transport;
use crate::sip::message::{Message, Method, wire};
use crate::xmpp::stanza::Stanza;

fn with_peer(change: impl FnOnce(&mut Peer)) -> Bench {
    let networks = vec![Network::host("192.0.2.10".parse().unwrap())];
    let mut peer = Peer::new("proxy", networks, vec!["sip.example".to_owned()]);
    change(&mut peer);
    Bench::with(|settings: &mut Settings| settings.trust = Trust::new(vec![peer], Stranger::Refuse))
}

/// A request as a proxy at 192.0.2.10 sends it.
fn request(method: &str, number: u32, from: &str, more: &str) -> Input {
    from_flow(method, number, from, more, "192.0.2.10:5060", Transport::Udp, 0)
}

fn from_flow(method: &str, number: u32, from: &str, more: &str, remote: &str, transport: Transport, id: u64) -> Input {
    let text = format!(
        "{method} sip:juliet@xmpp.example SIP/2.0\r\nVia: SIP/2.0/UDP {remote};branch=z9hG4bK-{number};rport\r\n\
         Max-Forwards: 70\r\nFrom: {from};tag=1\r\nTo: <sip:juliet@xmpp.example>\r\nCall-ID: c{number}\r\n\
         CSeq: 1 {method}\r\n{more}Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nHi"
    );
    let Ok(message) = wire::parse(text.as_bytes()) else { panic!("{text}") };
    let flow = Flow { transport, local: "10.0.0.1:5060".parse().unwrap(), remote: remote.parse().unwrap(), id };
    Input::Sip(Inbound { message, flow })
}

fn senders(bench: &mut Bench) -> Vec<String> {
    let from = |stanza: Stanza| match stanza {
        Stanza::Message(message) => message.from.map(|from| from.as_str().to_owned()),
        Stanza::Presence(_) | Stanza::Iq(_) => None,
    };
    bench.stanzas().into_iter().filter_map(from).collect()
}

const ROMEO: &str = "<sip:romeo@sip.example>";

#[test]
fn a_peer_beyond_its_rate_is_asked_to_wait() {
    let mut bench = with_peer(|peer| peer.rate = Some(Rate { per_second: 2, burst: 3 }));
    for number in 0..10 {
        bench.input(request("MESSAGE", number, ROMEO, ""));
    }
    assert_eq!(senders(&mut bench).len(), 3);
    let refused = bench.transmits();
    assert_eq!(refused.len(), 7);
    for transmit in refused {
        let Ok(Message::Response(response)) = wire::parse(&transmit.bytes) else { panic!("no response") };
        assert_eq!(response.status.code(), 503);
        assert!(response.headers.text("Retry-After").is_some());
    }
    assert_eq!(bench.gateway.stats().over_rate, 7);
    // What was taken and comes again is none of the excess; what was refused stays so, or it would have two answers.
    bench.input(request("MESSAGE", 0, ROMEO, ""));
    assert!(bench.statuses().is_empty());
    bench.pass(Duration::from_millis(900));
    bench.statuses();
    bench.input(request("MESSAGE", 9, ROMEO, ""));
    assert_eq!((senders(&mut bench).len(), bench.statuses()), (0, vec![503]));
    bench.input(request("MESSAGE", 10, ROMEO, ""));
    assert_eq!(senders(&mut bench).len(), 1);
    bench.pass(Duration::from_secs(33));
    bench.input(request("MESSAGE", 9, ROMEO, ""));
    assert_eq!(senders(&mut bench).len(), 1);
}

#[test]
fn one_user_who_floods_takes_nothing_from_the_others() {
    let mut bench = with_peer(|peer| peer.user_rate = Some(Rate { per_second: 1, burst: 2 }));
    for number in 0..50 {
        bench.input(request("MESSAGE", number, ROMEO, ""));
    }
    bench.input(request("MESSAGE", 100, "\"Romeo\" <sip:romeo@SIP.example;x=y>", ""));
    bench.input(request("MESSAGE", 101, "<sip:nurse@sip.example>", ""));
    assert_eq!(senders(&mut bench), ["romeo@sip.example", "romeo@sip.example", "nurse@sip.example"]);
}

#[test]
fn an_acknowledgement_is_no_request_to_be_counted() {
    let mut bench = with_peer(|peer| peer.rate = Some(Rate { per_second: 1, burst: 1 }));
    for number in 0..50 {
        bench.input(request("ACK", number, ROMEO, ""));
    }
    assert!(bench.statuses().is_empty());
    bench.input(request("MESSAGE", 100, ROMEO, ""));
    assert_eq!(senders(&mut bench).len(), 1);
}

#[test]
fn what_a_peer_may_not_ask_is_refused() {
    let mut bench = with_peer(|peer| peer.accept = vec![Method::Message]);
    bench.input(request("OPTIONS", 1, ROMEO, ""));
    bench.input(request("OPTIONS", 2, "<sip:192.0.2.10>", ""));
    assert_eq!(bench.statuses(), [403, 403]);
    bench.input(request("MESSAGE", 3, ROMEO, ""));
    assert_eq!(senders(&mut bench).len(), 1);
}

const HIDDEN: &str = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";
const ASSERTED: &str = "P-Asserted-Identity: <tel:+49301234>, \"Romeo M.\" <sip:romeo@sip.example>\r\n";

#[test]
fn an_asserted_identity_is_the_sender_where_it_is_believed() {
    let mut bench = with_peer(|peer| peer.asserted_identity = true);
    bench.input(request("MESSAGE", 1, HIDDEN, ASSERTED));
    bench.input(request("MESSAGE", 2, "<sip:nurse@sip.example>", ASSERTED));
    bench.input(request("MESSAGE", 3, "<sip:nurse@sip.example>", ""));
    assert_eq!(senders(&mut bench), ["romeo@sip.example", "romeo@sip.example", "nurse@sip.example"]);
    let elsewhere = "P-Asserted-Identity: <sip:romeo@else.example>\r\n";
    bench.input(request("MESSAGE", 4, ROMEO, elsewhere));
    // Two of a kind: one of them may be what a user has written.
    let two = format!("{ASSERTED}P-Asserted-Identity: <sip:nurse@sip.example>\r\n");
    bench.input(request("MESSAGE", 6, HIDDEN, &two));
    bench.input(request("MESSAGE", 7, ROMEO, "P-Asserted-Identity: <<>>\r\n"));
    assert_eq!(bench.statuses(), [403, 403, 403]);
    // A number that is nobody's has no domain, so the From is what has to be believed.
    bench.input(request("MESSAGE", 5, ROMEO, "P-Asserted-Identity: <tel:+49301234>\r\n"));
    assert_eq!(senders(&mut bench), ["romeo@sip.example"]);
}

#[test]
fn an_asserted_identity_of_anybody_else_is_passed_over() {
    let mut bench = with_peer(|_| {});
    bench.input(request("MESSAGE", 1, "<sip:nurse@sip.example>", ASSERTED));
    assert_eq!(senders(&mut bench), ["nurse@sip.example"]);
    bench.input(request("MESSAGE", 2, HIDDEN, ASSERTED));
    assert_eq!(bench.statuses(), [403], "a From that nobody may assert");
}

#[test]
fn who_asks_that_the_asserted_identity_stays_inside_is_nobody_to_xmpp() {
    let mut bench = with_peer(|peer| peer.asserted_identity = true);
    for wish in ["id", "user;id", "header", "none", "critical"] {
        let more = format!("{ASSERTED}Privacy: {wish}\r\n");
        bench.input(request("MESSAGE", u32::try_from(wish.len()).unwrap(), HIDDEN, &more));
    }
    // There is no anonymous JID in this configuration, so three are refused (RFC 3323 section 4.2).
    assert_eq!(bench.statuses(), [433, 433, 433]);
    assert_eq!(senders(&mut bench).len(), 2);
}

#[test]
fn a_proven_name_counts_on_its_own_connection_and_no_longer_than_that() {
    let named =
        Peer { tls_name: Some("pbx.example".to_owned()), domains: vec!["sip.example".to_owned()], ..Peer::default() };
    let mut bench = Bench::with(|settings| settings.trust = Trust::new(vec![named], Stranger::Refuse));
    let ask = |number, id| from_flow("MESSAGE", number, ROMEO, "", "203.0.113.9:40000", Transport::Tls, id);
    let flow = |id| Flow {
        transport: Transport::Tls,
        local: "10.0.0.1:5061".parse().unwrap(),
        remote: "203.0.113.9:40000".parse().unwrap(),
        id,
    };
    bench.input(Input::FlowOpened(flow(7), vec!["pbx.example".to_owned()].into()));
    bench.input(ask(1, 7));
    assert_eq!(senders(&mut bench).len(), 1);
    bench.input(ask(2, 8));
    bench.input(Input::FlowClosed(flow(7)));
    bench.input(ask(3, 7));
    assert_eq!(bench.statuses(), [403, 403]);
    assert_eq!(bench.gateway.stats().count_to_xmpp(ToXmpp::Forbidden), 2);
}

#[test]
fn addresses_known_anew_change_who_is_heard_and_give_no_rate_back() {
    let limited = |ip: &str| {
        let mut peer = Peer::new("proxy", vec![Network::host(ip.parse().unwrap())], vec!["sip.example".to_owned()]);
        peer.rate = Some(Rate { per_second: 1, burst: 1 });
        Trust::new(vec![peer], Stranger::Refuse)
    };
    let mut bench = Bench::with(|settings| settings.trust = limited("192.0.2.10"));
    bench.input(request("MESSAGE", 1, ROMEO, ""));
    bench.input(Input::Trust(limited("192.0.2.10")));
    bench.input(request("MESSAGE", 2, ROMEO, ""));
    bench.input(Input::Trust(limited("192.0.2.11")));
    bench.input(request("MESSAGE", 3, ROMEO, ""));
    assert_eq!(bench.statuses(), [503, 403]);
    assert_eq!(senders(&mut bench).len(), 1);
}
