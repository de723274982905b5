//! Requests sent on from one SIP system, 192.0.2.20, to another, 192.0.2.10, which has sip.example. We are 10.0.0.1.

use std::net::SocketAddr;
use std::time::Duration;

use super::bench::Bench;
use crate::gateway::trust::{Network, Peer, Stranger, Trust};
use crate::gateway::{Input, Settings};
use crate::sip::endpoint::{Flow, Inbound, Undelivered};
use crate::sip::locate::{Answer, Transport};
use crate::sip::message::header::Via;
use crate::sip::message::{Header, Message, Name, Request, Status, wire};

const A: &str = "192.0.2.20:5060";
const B: &str = "192.0.2.10:5060";
const SECOND: Duration = Duration::from_secs(1);

fn forwarding(settings: &mut Settings) {
    settings.routes[0].1.forward = true;
    let peer = |name: &str, ip: &str, domain: &str| {
        let networks = vec![Network { first: ip.parse().unwrap(), bits: 32 }];
        Peer::new(name, networks, vec![domain.to_owned()])
    };
    let peers = vec![peer("b", "192.0.2.10", "sip.example"), peer("a", "192.0.2.20", "a.example")];
    settings.trust = Trust::new(peers, Stranger::Refuse);
}

fn bench() -> Bench {
    Bench::with(forwarding)
}

fn request(method: &str, uri: &str, branch: &str, more: &str) -> String {
    let cseq = if method == "CANCEL" || method == "ACK" { 1 } else { 2 - u32::from(method == "INVITE") };
    format!(
        "{method} {uri} SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.20:5060;branch={branch};rport\nMax-Forwards: 20\n\
         From: <sip:ann@a.example>;tag=a1\n{more}Call-ID: call1\nCSeq: {cseq} {method}\n\
         Contact: <sip:ann@192.0.2.20>\nContent-Length: 0\n\n"
    )
}

const TO: &str = "To: <sip:bob@sip.example>\n";
const INSIDE: &str = "To: <sip:bob@sip.example>;tag=b1\nRoute: <sip:10.0.0.1:5060;lr>\n";

fn invite() -> String {
    request("INVITE", "sip:bob@sip.example", "z9hG4bKinv", TO)
}

/// What came out: where to, and its first line in short.
struct Out {
    to: String,
    what: String,
    message: Message,
}

impl Out {
    fn request(&self) -> &Request {
        match &self.message {
            Message::Request(request) => request,
            Message::Response(_) => panic!("a response: {}", self.what),
        }
    }
}

fn out(bench: &mut Bench) -> Vec<Out> {
    let read = |transmit: crate::sip::endpoint::Transmit| {
        let message = wire::parse(&transmit.bytes).unwrap();
        let what = match &message {
            Message::Request(request) => format!("{} {}", request.method, request.uri),
            Message::Response(response) => response.status.code().to_string(),
        };
        Out { to: transmit.remote.to_string(), what, message }
    };
    bench.transmits().into_iter().map(read).collect()
}

fn short(out: &[Out]) -> Vec<(&str, &str)> {
    out.iter().map(|out| (out.to.as_str(), out.what.as_str())).collect()
}

fn hear(bench: &mut Bench, from: &str, message: Message) -> Vec<Out> {
    let addr = |text: &str| text.parse::<SocketAddr>().unwrap();
    let flow = Flow { transport: Transport::Udp, local: addr("10.0.0.1:5060"), remote: addr(from), id: 0 };
    bench.input(Input::Sip(Inbound { message, flow }));
    out(bench)
}

fn send(bench: &mut Bench, from: &str, text: &str) -> Vec<Out> {
    hear(bench, from, wire::parse(text.replace('\n', "\r\n").as_bytes()).unwrap())
}

fn answer(bench: &mut Bench, request: &Request, status: u16, tag: &str) -> Vec<Out> {
    let mut response = request.response(Status::new(status).unwrap());
    response.ensure_to_tag(tag);
    hear(bench, B, Message::Response(response))
}

/// An INVITE that has got as far as the next hop.
fn calling(bench: &mut Bench) -> Request {
    let sent = send(bench, A, &invite());
    assert_eq!(short(&sent), [(A, "100"), (B, "INVITE sip:bob@sip.example")]);
    sent[1].request().clone()
}

#[test]
fn a_call_goes_through_with_all_its_answers() {
    let mut bench = bench();
    let sent = calling(&mut bench);
    let value = |name| String::from_utf8_lossy(sent.headers.get(name).unwrap()).into_owned();
    assert_eq!((value(Name::MAX_FORWARDS), value(Name::MAX_BREADTH)), ("19".to_owned(), "60".to_owned()));
    assert_eq!((value(Name::RECORD_ROUTE), sent.headers.count(Name::VIA)), ("<sip:10.0.0.1:5060;lr>".to_owned(), 2));
    assert!(answer(&mut bench, &sent, 100, "").is_empty(), "a 100 is for one hop");
    let ringing = answer(&mut bench, &sent, 180, "b1");
    assert_eq!(short(&ringing), [(A, "180")]);
    assert_eq!(ringing[0].message.headers().count(Name::VIA), 1);
    for tag in ["b1", "b2", "b1"] {
        assert_eq!(short(&answer(&mut bench, &sent, 200, tag)), [(A, "200")], "every 2xx of a fork goes back");
    }
    assert!(answer(&mut bench, &sent, 486, "b3").is_empty(), "no second final response");
    let ack = send(&mut bench, A, &request("ACK", "sip:bob@192.0.2.10:5062", "z9hG4bKack", INSIDE));
    assert_eq!(short(&ack), [("192.0.2.10:5062", "ACK sip:bob@192.0.2.10:5062")]);
    assert!(!ack[0].request().headers.has(Name::ROUTE));
    let bye =
        request("BYE", "sip:ann@192.0.2.20:5099", "z9hG4bKbye", INSIDE).replace("192.0.2.20:5060", "192.0.2.10:5060");
    let bye = send(&mut bench, B, &bye);
    assert_eq!(short(&bye), [("192.0.2.20:5099", "BYE sip:ann@192.0.2.20:5099")]);
    assert!(!bye[0].request().headers.has(Name::RECORD_ROUTE));
    let done = bye[0].request().response(Status::OK);
    assert_eq!(short(&hear(&mut bench, "192.0.2.20:5099", Message::Response(done))), [(B, "200")]);
    bench.pass(40 * SECOND);
    assert!(out(&mut bench).is_empty());
    assert!(bench.gateway.proxy.is_idle() && bench.gateway.is_idle());
    assert_eq!(bench.gateway.stats().forwarded, 2);
}

#[test]
fn a_refused_call_is_acknowledged_on_either_side() {
    let mut bench = bench();
    let sent = calling(&mut bench);
    let refused = answer(&mut bench, &sent, 486, "b1");
    assert_eq!(short(&refused), [(B, "ACK sip:bob@sip.example"), (A, "486")]);
    let ack = request("ACK", "sip:bob@sip.example", "z9hG4bKinv", "To: <sip:bob@sip.example>;tag=b1\n");
    assert!(send(&mut bench, A, &ack).is_empty(), "it belongs to the refusal");
    assert!(bench.gateway.proxy.is_idle());
}

#[test]
fn a_call_taken_back_is_taken_back_at_the_next_hop() {
    let mut bench = bench();
    let sent = calling(&mut bench);
    let cancel = request("CANCEL", "sip:bob@sip.example", "z9hG4bKinv", TO);
    assert_eq!(short(&send(&mut bench, A, &cancel)), [(A, "200")], "it waits for a provisional response");
    let ringing = answer(&mut bench, &sent, 180, "b1");
    assert_eq!(short(&ringing), [(B, "CANCEL sip:bob@sip.example"), (A, "180")]);
    let cancelled = ringing[0].request().clone();
    assert!(answer(&mut bench, &cancelled, 200, "b1").is_empty());
    assert_eq!(short(&answer(&mut bench, &sent, 487, "b1")), [(B, "ACK sip:bob@sip.example"), (A, "487")]);
    assert!(bench.gateway.proxy.is_idle());
}

#[test]
fn a_call_taken_back_while_its_next_hop_is_looked_up_goes_nowhere() {
    let mut bench = Bench::with(|settings| {
        forwarding(settings);
        settings.routes[0].1.next_hop.host = "pbx.sip.example".to_owned();
    });
    assert_eq!(short(&send(&mut bench, A, &invite())), [(A, "100")]);
    let (lookup, _) = bench.questions().remove(0);
    let cancel = request("CANCEL", "sip:bob@sip.example", "z9hG4bKinv", TO);
    assert_eq!(short(&send(&mut bench, A, &cancel)), [(A, "200"), (A, "487")]);
    let addresses = Answer::Addresses(vec!["192.0.2.10".parse().unwrap()]);
    bench.input(Input::Located(lookup, addresses, 60 * SECOND));
    assert!(out(&mut bench).is_empty() && bench.gateway.proxy.is_idle());
}

#[test]
fn what_rings_for_three_minutes_is_taken_back() {
    let mut bench = bench();
    let sent = calling(&mut bench);
    answer(&mut bench, &sent, 180, "b1");
    bench.pass(185 * SECOND);
    assert!(out(&mut bench).is_empty());
    assert_eq!(short(&answer(&mut bench, &sent, 183, "b1")), [(A, "183")]);
    bench.pass(185 * SECOND);
    assert!(out(&mut bench).is_empty(), "a provisional response begins Timer C anew");
    bench.pass(6 * SECOND);
    assert_eq!(out(&mut bench)[0].what, "CANCEL sip:bob@sip.example");
    bench.pass(64 * SECOND);
    assert!(out(&mut bench).iter().any(|out| (out.to.as_str(), out.what.as_str()) == (A, "487")));
    bench.pass(64 * SECOND);
    assert!(bench.gateway.proxy.is_idle());
}

#[test]
fn a_next_hop_that_fails_is_500_and_one_that_is_silent_408_to_an_invite_only() {
    let mut bench = bench();
    let sent = calling(&mut bench);
    assert_eq!(short(&answer(&mut bench, &sent, 503, "b1")), [(B, "ACK sip:bob@sip.example"), (A, "500")]);
    for (method, told) in [("INVITE", vec!["408"]), ("MESSAGE", vec!["100"])] {
        let mut bench = self::bench();
        send(&mut bench, A, &request(method, "sip:bob@sip.example", "z9hG4bKs", TO));
        bench.pass(33 * SECOND);
        let told_a: Vec<_> = out(&mut bench).into_iter().filter(|out| out.to == A).map(|out| out.what).collect();
        let finals: Vec<_> = told_a.iter().take(1).map(String::as_str).collect();
        assert_eq!(finals, told, "{method}: {told_a:?}");
        bench.pass(64 * SECOND);
        assert!(bench.gateway.proxy.is_idle(), "{method}");
    }
    let mut bench = self::bench();
    send(&mut bench, A, &request("MESSAGE", "sip:bob@sip.example", "z9hG4bKs", TO));
    bench.pass(SECOND);
    let transmit = bench.transmits().remove(0);
    bench.input(Input::Undelivered(transmit.origin, Undelivered::Refused));
    assert_eq!(short(&out(&mut bench)), [(A, "500")]);
}

#[test]
fn nobody_is_a_relay_for_anybody_else() {
    let ann = |uri: &str, more: &str| request("MESSAGE", uri, "z9hG4bKm", more);
    let forged = ann("sip:bob@sip.example", TO).replace("ann@a.example", "ann@sip.example");
    for (why, from, text, told) in [
        ("a stranger", "203.0.113.9:5060", ann("sip:bob@sip.example", TO), "403"),
        ("a From that is not its own", A, forged, "403"),
        ("a Route to a stranger", A, ann("sip:bob@sip.example", &format!("{TO}Route: <sip:203.0.113.7;lr>\n")), "403"),
        ("a dialog to a stranger", A, ann("sip:bob@203.0.113.7", INSIDE), "403"),
        ("a dialog to a name", A, ann("sip:bob@elsewhere.example", INSIDE), "403"),
        ("a dialog to ourselves", A, ann("sip:bob@10.0.0.1:5060", INSIDE), "403"),
        ("sips", A, ann("sips:bob@sip.example", TO), "416"),
        ("no hops left", A, ann("sip:bob@sip.example", TO).replace("Forwards: 20", "Forwards: 0"), "483"),
        ("no breadth left", A, ann("sip:bob@sip.example", &format!("{TO}Max-Breadth: 0\n")), "440"),
        ("Proxy-Require", A, ann("sip:bob@sip.example", &format!("{TO}Proxy-Require: x\n")), "420"),
    ] {
        let mut bench = bench();
        let sent = send(&mut bench, from, &text);
        assert_eq!(sent.iter().map(|out| out.what.as_str()).collect::<Vec<_>>(), [told], "{why}");
        assert!(bench.told().is_empty() && bench.gateway.proxy.is_idle(), "{why}");
    }
}

#[test]
fn without_the_setting_and_for_what_is_not_sent_on_all_is_as_before() {
    let mut off = Bench::with(|settings| {
        forwarding(settings);
        settings.routes[0].1.forward = false;
    });
    assert_eq!(short(&send(&mut off, A, &request("MESSAGE", "sip:bob@sip.example", "z9hG4bK1", TO)))[0].1, "404");
    assert_eq!(short(&send(&mut off, A, &invite())), [(A, "405")]);
    let mut on = bench();
    let register = send(&mut on, A, &request("REGISTER", "sip:sip.example", "z9hG4bK2", TO));
    assert!(register.iter().all(|out| out.to == A), "{:?}", short(&register));
    let routed = "To: <sip:juliet@xmpp.example>\nRoute: <sip:10.0.0.1:5060;lr>\nContent-Type: text/plain\n";
    let text =
        request("MESSAGE", "sip:juliet@xmpp.example", "z9hG4bK3", routed).replace("Length: 0\n\n", "Length: 2\n\nHi");
    let text = text.replace("ann@a.example", "ann@sip.example").replace("192.0.2.20", "192.0.2.10");
    assert!(send(&mut on, B, &text).is_empty());
    assert_eq!(on.told().len(), 1, "a message to XMPP is served whatever its Route");
    let ack = request("ACK", "sip:bob@192.0.2.10", "z9hG4bKack", TO);
    assert!(send(&mut on, A, &ack).is_empty(), "an ACK that was not routed here is nobody's");
}

#[test]
fn what_the_next_hop_sends_back_is_a_loop() {
    let mut bench = bench();
    let sent = calling(&mut bench);
    let mut back = sent;
    let via = "SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKback;rport";
    back.headers.insert_first(Name::VIA, via);
    back.headers.replace(Name::FROM, "<sip:ann@sip.example>;tag=a1");
    let looped = hear(&mut bench, B, Message::Request(back.clone()));
    assert_eq!(short(&looped), [(B, "482")]);
    // Sent to somebody else, it is the same request and no loop.
    back.uri = "sip:carol@sip.example".parse().unwrap();
    back.headers.set_first(&Via::parse(via.replace("back", "on").as_bytes()).unwrap());
    let spiral = hear(&mut bench, B, Message::Request(back));
    assert_eq!(short(&spiral), [(B, "100"), (B, "INVITE sip:carol@sip.example")]);
}

#[test]
fn an_asserted_identity_that_is_not_believed_stays_behind() {
    let mut bench = bench();
    let more = format!("{TO}P-Asserted-Identity: <sip:ceo@sip.example>\nX-Other: kept\n");
    let sent = send(&mut bench, A, &request("MESSAGE", "sip:bob@sip.example", "z9hG4bKp", &more));
    let request = sent[0].request();
    assert!(!request.headers.has(Name::P_ASSERTED_IDENTITY) && request.headers.has("X-Other"));
}

#[test]
fn when_the_process_stops_nothing_new_is_sent_on_and_who_waits_is_told() {
    let mut bench = bench();
    calling(&mut bench);
    bench.input(Input::Drain);
    let other = request("MESSAGE", "sip:bob@sip.example", "z9hG4bKd", TO).replace("call1", "call2");
    assert_eq!(short(&send(&mut bench, A, &other)), [(A, "503")]);
    bench.input(Input::GiveUp);
    assert_eq!(short(&out(&mut bench)), [(A, "503")]);
}

#[test]
fn whose_identity_a_trusted_peer_asserts_may_call_whatever_its_from_says() {
    let mut bench = Bench::with(|settings| {
        forwarding(settings);
        let mut peers = settings.trust.peers().to_vec();
        peers[1].asserted_identity = true;
        settings.trust = Trust::new(peers, Stranger::Refuse);
    });
    let hidden = invite().replace("sip:ann@a.example", "sip:anonymous@anonymous.invalid");
    assert_eq!(short(&send(&mut bench, A, &hidden)), [(A, "403")]);
    let asserted = hidden.replace("z9hG4bKinv", "z9hG4bKother").replace("call1", "call2");
    let asserted = asserted.replace("Contact:", "P-Asserted-Identity: <sip:ann@a.example>\nContact:");
    let sent = send(&mut bench, A, &asserted);
    assert_eq!(short(&sent), [(A, "100"), (B, "INVITE sip:bob@sip.example")]);
    assert!(sent[1].request().headers.has(Name::P_ASSERTED_IDENTITY));
}
