use super::*;
use crate::sip::message::Name;

const PEER: &str = "192.0.2.9:5060";

fn call(us: &mut Endpoint, target: Target) -> (ClientId, Transmit) {
    let mut invite = outgoing("INVITE");
    invite.headers.push(Name::ROUTE, "<sip:proxy.example.net;lr>");
    let id = us.request(&invite, vec![target], Large::UseUdp, at(0)).unwrap();
    (id, only(us))
}

fn method_of(transmit: &Transmit) -> String {
    sent_request(transmit).method.to_string()
}

fn value(request: &Request, name: Name<'static>) -> String {
    String::from_utf8_lossy(request.headers.get(name).unwrap_or_default()).into_owned()
}

#[test]
fn a_refused_invite_is_acknowledged_as_often_as_the_refusal_comes_until_d() {
    let mut us = endpoint();
    let (_, invite) = call(&mut us, udp(PEER));
    let refusal = answer(&invite, Status::BUSY_HERE);
    assert_eq!(final_status(deliver_response(&mut us, refusal.clone(), at(100))), 486);
    let ack = only(&mut us);
    assert_eq!((ack.remote, ack.origin), (addr(PEER), Origin::Stateless));
    let (asked, acknowledged) = (sent_request(&invite), sent_request(&ack));
    assert_eq!((acknowledged.method.as_str(), &acknowledged.uri), ("ACK", &asked.uri));
    for name in [Name::VIA, Name::ROUTE, Name::FROM, Name::CALL_ID, Name::MAX_FORWARDS] {
        assert_eq!(value(&acknowledged, name), value(&asked, name), "{name}");
    }
    assert_eq!(value(&acknowledged, Name::CSEQ), "1 ACK");
    assert!(value(&acknowledged, Name::TO).ends_with(";tag=peer") && acknowledged.body().is_empty());
    for later in [600, 32_099] {
        assert!(deliver_response(&mut us, refusal.clone(), at(later)).is_none());
        assert_eq!(only(&mut us).bytes, ack.bytes);
    }
    assert!(deliver_response(&mut us, refusal, at(32_100)).is_none());
    assert!(transmits(&mut us).is_empty());
    assert_eq!((us.stats().client_open, us.stats().stray_responses), (0, 1));
    run(&mut us, 100_000);
    assert_eq!(us.next_timeout(), None);
}

#[test]
fn a_refusal_without_to_is_acknowledged_as_well_and_never_with_nothing() {
    let mut us = endpoint();
    let (_, invite) = call(&mut us, udp(PEER));
    let mut refusal = answer(&invite, Status::BAD_REQUEST);
    refusal.headers.remove(Name::TO);
    assert_eq!(final_status(deliver_response(&mut us, refusal.clone(), at(100))), 400);
    let ack = only(&mut us);
    assert_eq!(value(&sent_request(&ack), Name::TO), value(&sent_request(&invite), Name::TO));
    assert!(deliver_response(&mut us, refusal, at(600)).is_none());
    assert_eq!(only(&mut us).bytes, ack.bytes);
}

#[test]
fn every_2xx_of_a_fork_is_told_until_m_and_none_is_acknowledged_here() {
    let mut us = endpoint();
    let (id, invite) = call(&mut us, udp(PEER));
    let one = answer(&invite, Status::OK);
    let mut two = sent_request(&invite).response(Status::OK);
    two.ensure_to_tag("other");
    assert!(matches!(
        deliver_response(&mut us, answer(&invite, Status::RINGING), at(50)),
        Some(Event::Provisional { .. })
    ));
    assert_eq!(final_status(deliver_response(&mut us, one.clone(), at(100))), 200);
    for response in [one.clone(), two] {
        let event = deliver_response(&mut us, response, at(600));
        assert!(matches!(event, Some(Event::Accepted { transaction, .. }) if transaction == id), "{event:?}");
    }
    assert!(deliver_response(&mut us, answer(&invite, Status::BUSY_HERE), at(700)).is_none());
    let (sent, told) = run(&mut us, 100_000);
    assert!(sent.is_empty() && told.is_empty() && transmits(&mut us).is_empty());
    assert!(deliver_response(&mut us, one, at(100_000)).is_none());
    assert_eq!((us.stats().client_open, us.stats().stray_responses, us.client_keys.len()), (0, 1, 0));
}

#[test]
fn a_cancel_waits_for_a_provisional_response_and_is_a_transaction_of_its_own() {
    let mut us = endpoint();
    let (id, invite) = call(&mut us, udp(PEER));
    us.cancel(id, at(10));
    us.cancel(id, at(20));
    assert!(transmits(&mut us).is_empty());
    deliver_response(&mut us, answer(&invite, Status::RINGING), at(100));
    let cancel = only(&mut us);
    let (asked, cancelled) = (sent_request(&invite), sent_request(&cancel));
    assert_eq!((cancelled.method.as_str(), &cancelled.uri), ("CANCEL", &asked.uri));
    for name in [Name::VIA, Name::ROUTE, Name::FROM, Name::TO, Name::CALL_ID] {
        assert_eq!(value(&cancelled, name), value(&asked, name), "{name}");
    }
    assert_eq!(value(&cancelled, Name::CSEQ), "1 CANCEL");
    let (again, _) = run(&mut us, 700);
    assert_eq!((times(&again), method_of(&again[0].1)), (vec![600], "CANCEL".to_owned()));
    assert!(deliver_response(&mut us, answer(&cancel, Status::OK), at(800)).is_none(), "nobody waits for it");
    assert_eq!(final_status(deliver_response(&mut us, answer(&invite, Status::REQUEST_TERMINATED), at(900))), 487);
    assert_eq!(method_of(&only(&mut us)), "ACK");
    assert_eq!(us.stats().client_open, 0);
}

#[test]
fn a_cancelled_invite_that_nobody_ends_times_out_and_an_answered_one_is_not_cancelled() {
    let mut us = endpoint();
    let (id, invite) = call(&mut us, udp(PEER));
    deliver_response(&mut us, answer(&invite, Status::RINGING), at(100));
    us.cancel(id, at(1000));
    let (_, told) = run(&mut us, 200_000);
    assert!(
        matches!(&told[..], [(33_000, Event::TimedOut { transaction, heard: true })] if *transaction == id),
        "{told:?}"
    );
    let (id, invite) = call(&mut us, udp(PEER));
    us.cancel(id, at(200_000));
    assert_eq!(final_status(deliver_response(&mut us, answer(&invite, Status::OK), at(200_010))), 200);
    assert!(transmits(&mut us).is_empty());
}

#[test]
fn an_invite_goes_on_from_a_silent_server_and_from_one_that_is_busy_but_not_when_cancelled() {
    for cancelled in [false, true] {
        let mut us = endpoint();
        let targets = vec![udp("192.0.2.7:5060"), udp("192.0.2.8:5060"), udp(PEER)];
        let id = us.request(&outgoing("INVITE"), targets, Large::UseUdp, at(0)).unwrap();
        transmits(&mut us);
        if cancelled {
            us.cancel(id, at(1));
        }
        let (sent, told) = run(&mut us, 32_000);
        if cancelled {
            assert!(matches!(&told[..], [(32_000, Event::TimedOut { heard: false, .. })]));
            continue;
        }
        let second = sent.into_iter().map(|(_, sent)| sent).next_back().unwrap();
        assert!(deliver_response(&mut us, answer(&second, Status::SERVICE_UNAVAILABLE), at(32_100)).is_none());
        let sent = transmits(&mut us);
        assert_eq!(sent.iter().map(method_of).collect::<Vec<_>>(), ["ACK", "INVITE"]);
        assert_eq!((sent[0].remote, sent[1].remote), (addr("192.0.2.8:5060"), addr(PEER)));
        assert_eq!(final_status(deliver_response(&mut us, answer(&sent[1], Status::OK), at(32_200))), 200);
    }
}

#[test]
fn over_tcp_an_invite_is_sent_once_and_its_refusal_acknowledged_once() {
    let mut us = endpoint();
    let (_, invite) = call(&mut us, tcp(PEER));
    assert!(run(&mut us, 20_000).0.is_empty());
    let refusal = answer(&invite, Status::DECLINE);
    assert_eq!(final_status(deliver_response(&mut us, refusal.clone(), at(20_000))), 603);
    assert_eq!(method_of(&only(&mut us)), "ACK");
    assert!(deliver_response(&mut us, refusal, at(20_001)).is_none());
    assert!(transmits(&mut us).is_empty() && us.connections.is_empty());
}

#[test]
fn the_ack_of_a_2xx_is_told_and_can_be_sent_on() {
    let mut us = endpoint();
    let invite = incoming("INVITE", "z9hG4bKi");
    let (id, seen) = told(&mut us, &invite, udp_flow(PEER), at(0));
    us.respond(id, seen.response(Status::OK), at(10));
    us.respond(id, seen.response(Status::OK), at(510));
    us.respond(id, seen.response(Status::BUSY_HERE), at(520));
    assert_eq!(transmits(&mut us).iter().map(status_of).collect::<Vec<_>>(), [200, 200]);
    for branch in ["z9hG4bKack", "z9hG4bKi"] {
        let ack = incoming("ACK", branch);
        let Some(Event::Ack { request, .. }) = deliver(&mut us, &ack, udp_flow(PEER), at(600)) else {
            panic!("the ACK with {branch} was not told")
        };
        us.send_once(&request, udp("192.0.2.8:5060"), None, Some(1));
        let sent = only(&mut us);
        assert_eq!((sent.remote, sent_request(&sent).headers.count(Name::VIA)), (addr("192.0.2.8:5060"), 2));
    }
    assert!(us.undeliverable(Origin::Stateless, Undelivered::Refused, at(700)).is_none());
    run(&mut us, 100_000);
    assert_eq!(us.stats().server_open, 0);
}
