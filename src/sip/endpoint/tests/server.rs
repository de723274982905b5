use super::*;
use crate::sip::endpoint::reply::Answer;
use crate::sip::message::{Method, Name};

const PEER: &str = "192.0.2.9:5060";

fn to_tag(transmit: &Transmit) -> String {
    read_response(&transmit.bytes).headers.to().unwrap().tag().unwrap().into_owned()
}

#[test]
fn a_completed_transaction_is_small() {
    let record = size_of::<(Key, Answer)>() + size_of::<(u64, Key)>();
    assert!(record <= 64, "{record}");
}

#[test]
fn an_open_request_is_told_once_and_a_completed_one_answered_alike_until_j() {
    let mut us = endpoint();
    let request = incoming("MESSAGE", "z9hG4bKa");
    let (id, seen) = told(&mut us, &request, udp_flow(PEER), at(0));
    assert!(deliver(&mut us, &request, udp_flow(PEER), at(500)).is_none());
    assert!(transmits(&mut us).is_empty());
    us.respond(id, seen.response(Status::OK), at(600));
    let first = only(&mut us);
    assert_eq!(status_of(&first), 200);
    for again in [1500, 3500, 32_599] {
        assert!(deliver(&mut us, &request, udp_flow(PEER), at(again)).is_none());
        let second = only(&mut us);
        assert_eq!((second.bytes, second.remote), (first.bytes.clone(), first.remote));
    }
    assert_eq!(us.stats().retransmissions_received, 4);
    assert!(matches!(deliver(&mut us, &request, udp_flow(PEER), at(32_600)), Some(Event::Request { .. })));
}

#[test]
fn an_answer_with_headers_of_its_own_is_repeated_byte_by_byte() {
    let mut us = endpoint();
    let request = incoming("MESSAGE", "z9hG4bKa");
    let (id, seen) = told(&mut us, &request, udp_flow(PEER), at(0));
    let mut response = seen.response(Status::NOT_FOUND).with_reason("No such fair maid");
    response.headers.push(Name::WARNING, "399 gw \"x\"");
    us.respond(id, response, at(0));
    let first = only(&mut us);
    deliver(&mut us, &request, udp_flow(PEER), at(1));
    assert_eq!(only(&mut us).bytes, first.bytes);
    run(&mut us, 100_000);
    assert_eq!((us.kept_bytes, us.stats().server_completed, us.next_timeout()), (0, 0, None));
}

#[test]
fn when_the_store_of_answers_is_full_they_are_made_again() {
    let mut us = endpoint();
    us.config.limits.kept_bytes = 0;
    let request = incoming("MESSAGE", "z9hG4bKa");
    let (id, seen) = told(&mut us, &request, udp_flow(PEER), at(0));
    let mut response = seen.response(Status::NOT_FOUND);
    response.headers.push(Name::WARNING, "399 gw \"x\"");
    us.respond(id, response, at(0));
    let first = only(&mut us);
    deliver(&mut us, &request, udp_flow(PEER), at(1));
    let second = only(&mut us);
    assert_eq!((status_of(&second), to_tag(&second)), (404, to_tag(&first)));
}

#[test]
fn over_tcp_nothing_is_kept() {
    let mut us = endpoint();
    let request = incoming("MESSAGE", "z9hG4bKa");
    let (id, seen) = told(&mut us, &request, tcp_flow("192.0.2.9:40000", 7), at(0));
    us.respond(id, seen.response(Status::OK), at(0));
    assert_eq!((us.stats().server_open, us.stats().server_completed), (0, 0));
}

#[test]
fn without_an_answer_100_is_sent_at_3500_ms_and_the_end_is_silence() {
    let mut us = endpoint();
    let request = incoming("MESSAGE", "z9hG4bKa");
    let (id, seen) = told(&mut us, &request, udp_flow(PEER), at(0));
    us.respond(id, seen.response(Status::TRYING), at(100));
    us.respond(id, seen.response(Status::RINGING), at(4000));
    us.respond(id, seen.response(Status::REQUEST_TIMEOUT), at(4000));
    assert!(transmits(&mut us).is_empty());
    let (sent, told) = run(&mut us, 10_000);
    assert_eq!(times(&sent), [3500]);
    assert_eq!(status_of(&sent[0].1), 100);
    assert!(read_response(&sent[0].1.bytes).headers.to().unwrap().tag().is_none());
    deliver(&mut us, &request, udp_flow(PEER), at(11_500));
    assert_eq!(only(&mut us).bytes, sent[0].1.bytes);
    assert!(run(&mut us, 32_000).0.is_empty() && told.is_empty());
    us.respond(id, seen.response(Status::OK), at(32_000));
    assert!(deliver(&mut us, &request, udp_flow(PEER), at(32_100)).is_none(), "a straggler is no new request");
    assert!(run(&mut us, 37_000).0.is_empty());
    us.respond(id, seen.response(Status::OK), at(37_000));
    assert!(transmits(&mut us).is_empty());
    assert_eq!((us.stats().answers_withheld, us.stats().server_open), (5, 0));
}

#[test]
fn a_second_final_response_is_not_sent() {
    let mut us = endpoint();
    let (id, seen) = told(&mut us, &incoming("MESSAGE", "z9hG4bKa"), udp_flow(PEER), at(0));
    us.respond(id, seen.response(Status::OK), at(0));
    us.respond(id, seen.response(Status::NOT_FOUND), at(0));
    assert_eq!(status_of(&only(&mut us)), 200);
}

#[test]
fn responses_go_where_via_says() {
    // RFC 3261 sections 18.2.1 and 18.2.2, RFC 3581 section 4: sent-by and parameters, flow, where to, what is noted.
    let udp = udp_flow("192.0.2.9:40000");
    let tcp = tcp_flow("192.0.2.9:40000", 7);
    let v6 = Flow { remote: addr("[2001:db8::9]:40000"), local: addr("[2001:db8::1]:5060"), ..udp };
    for (via, flow, remote, noted) in [
        ("192.0.2.9", udp, "192.0.2.9:5060", ""),
        ("192.0.2.9:5070", udp, "192.0.2.9:5070", ""),
        ("192.0.2.9;received=198.51.100.1", udp, "192.0.2.9:5060", ";received=192.0.2.9"),
        ("192.0.2.77:5070", udp, "192.0.2.9:5070", ";received=192.0.2.9"),
        ("pc.example.net", udp, "192.0.2.9:5060", ";received=192.0.2.9"),
        ("192.0.2.9;rport", udp, "192.0.2.9:40000", ";received=192.0.2.9;rport=40000"),
        ("pc.example.net:5070;rport", udp, "192.0.2.9:40000", ";received=192.0.2.9;rport=40000"),
        ("192.0.2.9:5070;maddr=198.51.100.5;rport", udp, "198.51.100.5:5070", ";received=192.0.2.9;rport=40000"),
        ("[2001:db8::9]", v6, "[2001:db8::9]:5060", ""),
        ("[2001:db8::7];rport", v6, "[2001:db8::9]:40000", ";received=2001:db8::9;rport=40000"),
        ("192.0.2.9", tcp, "192.0.2.9:5060", ""),
        ("pc.example.net:5070;rport", tcp, "192.0.2.9:5070", ";received=192.0.2.9;rport=40000"),
    ] {
        let mut us = endpoint();
        let mut request = incoming("MESSAGE", "z9hG4bKa");
        request.headers.replace(Name::VIA, format!("SIP/2.0/{} {via};branch=z9hG4bKa", flow.transport));
        request.headers.push(Name::VIA, "SIP/2.0/UDP further;branch=z9hG4bKf");
        let (id, seen) = told(&mut us, &request, flow, at(0));
        us.respond(id, seen.response(Status::OK), at(0));
        let sent = only(&mut us);
        assert_eq!(sent.remote, addr(remote), "{via}");
        assert_eq!(sent.flow, (flow.transport == TCP).then_some(7), "{via}");
        assert_eq!(sent.local, Some(flow.local), "{via}");
        let response = read_response(&sent.bytes);
        let top = response.headers.via().unwrap();
        let mut notes = String::new();
        for name in ["received", "rport"] {
            if let Some(value) = top.params.get(name) {
                notes.push_str(&format!(";{name}={value}"));
            }
        }
        assert_eq!(notes, noted, "{via}");
        assert_eq!(response.headers.count(Name::VIA), 2);
    }
}

#[test]
fn the_same_request_on_another_way_is_a_loop() {
    let mut us = endpoint();
    let request = incoming("MESSAGE", "z9hG4bKa");
    let mut other = request.clone();
    other.headers.replace(Name::VIA, "SIP/2.0/UDP 192.0.2.8;branch=z9hG4bKb");
    let (id, seen) = told(&mut us, &request, udp_flow(PEER), at(0));
    us.respond(id, seen.response(Status::OK), at(0));
    transmits(&mut us);
    assert!(deliver(&mut us, &other, udp_flow("192.0.2.8:5060"), at(10)).is_none());
    let refusal = only(&mut us);
    assert_eq!((status_of(&refusal), refusal.remote), (482, addr("192.0.2.8:5060")));
    deliver(&mut us, &other, udp_flow("192.0.2.8:5060"), at(510));
    assert_eq!(only(&mut us).bytes, refusal.bytes);
    assert_eq!(us.stats().merged, 1);
    let mut next = other.clone();
    next.headers.replace(Name::CSEQ, "8 MESSAGE");
    next.headers.replace(Name::VIA, "SIP/2.0/UDP 192.0.2.8;branch=z9hG4bKc");
    told(&mut us, &next, udp_flow("192.0.2.8:5060"), at(20));
}

#[test]
fn a_request_with_a_to_tag_or_after_a_refusal_is_not_merged() {
    let mut us = endpoint();
    let request = incoming("MESSAGE", "z9hG4bKa");
    let mut other = request.clone();
    other.headers.replace(Name::VIA, "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKb");
    let (id, seen) = told(&mut us, &request, udp_flow(PEER), at(0));
    us.respond(id, seen.response(Status::SERVICE_UNAVAILABLE), at(0));
    told(&mut us, &other, udp_flow(PEER), at(1));
    let mut within = other.clone();
    within.headers.replace(Name::TO, "<sip:juliet@example.com>;tag=d");
    within.headers.replace(Name::VIA, "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKc");
    told(&mut us, &within, udp_flow(PEER), at(2));
}

#[test]
fn a_cancel_gets_200_if_it_matches_and_481_if_not() {
    let mut us = endpoint();
    let (id, seen) = told(&mut us, &incoming("MESSAGE", "z9hG4bKa"), udp_flow(PEER), at(0));
    assert!(deliver(&mut us, &incoming("CANCEL", "z9hG4bKa"), udp_flow(PEER), at(1)).is_none());
    let cancelled = only(&mut us);
    assert_eq!(status_of(&cancelled), 200);
    us.respond(id, seen.response(Status::OK), at(2));
    let answered = only(&mut us);
    assert_eq!((status_of(&answered), to_tag(&answered)), (200, to_tag(&cancelled)));
    deliver(&mut us, &incoming("CANCEL", "z9hG4bKa"), udp_flow(PEER), at(3));
    assert_eq!(only(&mut us).bytes, cancelled.bytes);
    assert!(deliver(&mut us, &incoming("CANCEL", "z9hG4bKz"), udp_flow(PEER), at(4)).is_none());
    assert_eq!(status_of(&only(&mut us)), 481);
}

#[test]
fn a_cancel_of_what_is_answered_gets_200_and_changes_nothing() {
    for method in ["SUBSCRIBE", "NOTIFY"] {
        let mut us = endpoint();
        let (id, seen) = told(&mut us, &incoming(method, "z9hG4bKa"), udp_flow(PEER), at(0));
        us.respond(id, seen.response(Status::BAD_EVENT), at(0));
        let answered = only(&mut us);
        assert!(deliver(&mut us, &incoming("CANCEL", "z9hG4bKa"), udp_flow(PEER), at(1)).is_none(), "{method}");
        assert_eq!(status_of(&only(&mut us)), 200, "{method}");
        deliver(&mut us, &incoming(method, "z9hG4bKa"), udp_flow(PEER), at(2));
        assert_eq!(only(&mut us).bytes, answered.bytes, "{method}");
    }
}

#[test]
fn a_pending_invite_that_is_cancelled_is_told() {
    let mut us = endpoint();
    let (id, seen) = told(&mut us, &incoming("INVITE", "z9hG4bKa"), udp_flow(PEER), at(0));
    let event = deliver(&mut us, &incoming("CANCEL", "z9hG4bKa"), udp_flow(PEER), at(1));
    assert!(matches!(event, Some(Event::Cancelled { transaction }) if transaction == id));
    us.respond(id, seen.response(Status::REQUEST_TERMINATED), at(1));
    assert_eq!(transmits(&mut us).iter().map(status_of).collect::<Vec<_>>(), [200, 487]);
}

#[test]
fn an_invite_is_refused_until_its_ack_which_is_absorbed() {
    let mut us = endpoint();
    let invite = incoming("INVITE", "z9hG4bKa");
    let (id, seen) = told(&mut us, &invite, udp_flow(PEER), at(0));
    us.respond(id, seen.response(Status::METHOD_NOT_ALLOWED), at(0));
    let refusal = only(&mut us);
    let (again, _) = run(&mut us, 3000);
    assert_eq!(times(&again), [500, 1500]);
    assert!(again.iter().all(|(_, transmit)| *transmit == refusal));
    deliver(&mut us, &invite, udp_flow(PEER), at(3100));
    assert_eq!(only(&mut us), refusal);
    let ack = incoming("ACK", "z9hG4bKa");
    for now in [3200, 3300] {
        assert!(deliver(&mut us, &ack, udp_flow(PEER), at(now)).is_none());
    }
    let (again, told) = run(&mut us, 100_000);
    assert!(again.is_empty() && told.is_empty());
    assert_eq!((us.stats().server_open, us.stats().unacknowledged), (0, 0));
    assert!(matches!(deliver(&mut us, &ack, udp_flow(PEER), at(100_000)), Some(Event::Ack { .. })));
    assert!(transmits(&mut us).is_empty());
}

#[test]
fn an_invite_without_ack_is_given_up_at_h() {
    let mut us = endpoint();
    let (id, seen) = told(&mut us, &incoming("INVITE", "z9hG4bKa"), udp_flow(PEER), at(0));
    us.respond(id, seen.response(Status::NOT_ACCEPTABLE_HERE), at(0));
    only(&mut us);
    assert_eq!(run(&mut us, 100_000).0.len(), 10);
    assert_eq!((us.stats().server_open, us.stats().unacknowledged), (0, 1));
}

#[test]
fn requests_of_rfc_2543_match_by_all_their_parts() {
    for branch in ["", ";branch=1"] {
        let mut us = endpoint();
        let mut request = incoming("MESSAGE", "z9hG4bKa");
        request.headers.replace(Name::VIA, format!("SIP/2.0/UDP 192.0.2.9{branch}"));
        let (id, seen) = told(&mut us, &request, udp_flow(PEER), at(0));
        assert!(deliver(&mut us, &request, udp_flow(PEER), at(1)).is_none());
        us.respond(id, seen.response(Status::OK), at(1));
        let first = only(&mut us);
        deliver(&mut us, &request, udp_flow(PEER), at(2));
        assert_eq!(only(&mut us).bytes, first.bytes);
        request.headers.replace(Name::CSEQ, "8 MESSAGE");
        told(&mut us, &request, udp_flow(PEER), at(3));
    }
}

#[test]
fn an_ack_of_rfc_2543_has_our_to_tag_and_still_matches() {
    let mut us = endpoint();
    let mut invite = incoming("INVITE", "z9hG4bKa");
    invite.headers.replace(Name::VIA, "SIP/2.0/UDP 192.0.2.9");
    let (id, seen) = told(&mut us, &invite, udp_flow(PEER), at(0));
    us.respond(id, seen.response(Status::METHOD_NOT_ALLOWED), at(0));
    let tag = to_tag(&only(&mut us));
    let mut ack = invite.clone();
    ack.method = Method::Ack;
    ack.headers.replace(Name::CSEQ, "7 ACK");
    ack.headers.replace(Name::TO, format!("<sip:juliet@example.com>;tag={tag}"));
    deliver(&mut us, &ack, udp_flow(PEER), at(1));
    assert!(run(&mut us, 100_000).0.is_empty());
    assert_eq!(us.stats().unacknowledged, 0);
}

#[test]
fn beyond_the_limit_requests_get_503_without_a_transaction() {
    let mut us = endpoint();
    us.config.limits.server = 1;
    told(&mut us, &incoming("MESSAGE", "z9hG4bKa"), udp_flow(PEER), at(0));
    let request = incoming("MESSAGE", "z9hG4bKb");
    assert!(deliver(&mut us, &request, udp_flow(PEER), at(1)).is_none());
    let refusal = only(&mut us);
    let response = read_response(&refusal.bytes);
    let wait: u64 = response.headers.text(Name::RETRY_AFTER).unwrap().parse().unwrap();
    assert_eq!((response.status, refusal.origin), (Status::SERVICE_UNAVAILABLE, Origin::Stateless));
    assert!((5..=10).contains(&wait));
    deliver(&mut us, &request, udp_flow(PEER), at(2));
    assert_eq!(only(&mut us).bytes, refusal.bytes, "the same request gets the same tag");
    for ignored in ["ACK", "CANCEL"] {
        deliver(&mut us, &incoming(ignored, "z9hG4bKc"), udp_flow(PEER), at(3));
    }
    assert!(transmits(&mut us).is_empty());
    assert_eq!((us.stats().overloaded, us.stats().server_open), (3, 1));
    for method in ["OPTIONS", "INVITE", "REGISTER", "SUBSCRIBE", "PRACK"] {
        deliver(&mut us, &incoming(method, "z9hG4bKd"), udp_flow(PEER), at(4));
        let refusal = read_response(&only(&mut us).bytes);
        assert!(refusal.status.code() == 503 && refusal.headers.has(Name::RETRY_AFTER), "{method}");
    }
}

#[test]
fn beyond_the_limit_a_call_can_still_be_taken_back() {
    let mut us = endpoint();
    us.config.limits.server = 1;
    let (id, _) = told(&mut us, &incoming("INVITE", "z9hG4bKa"), udp_flow(PEER), at(0));
    let event = deliver(&mut us, &incoming("CANCEL", "z9hG4bKa"), udp_flow(PEER), at(1));
    assert!(matches!(event, Some(Event::Cancelled { transaction }) if transaction == id));
    assert_eq!(status_of(&only(&mut us)), 200);
}

#[test]
fn what_could_not_be_read_is_answered_without_a_transaction() {
    let mut us = endpoint();
    let mut request = incoming("MESSAGE", "z9hG4bKa");
    request.headers.replace(Name::VIA, "SIP/2.0/UDP pc.example.net;branch=z9hG4bKa;rport");
    for _ in 0..2 {
        us.respond_stateless(request.response(Status::BAD_REQUEST), udp_flow("192.0.2.9:40000"));
    }
    let sent = transmits(&mut us);
    assert_eq!((status_of(&sent[0]), sent[0].remote), (400, addr("192.0.2.9:40000")));
    assert_eq!(sent[0], sent[1]);
    assert_eq!(us.stats().server_open, 0);
}

#[test]
fn a_request_without_a_readable_via_belongs_to_nobody() {
    let mut us = endpoint();
    let mut request = incoming("MESSAGE", "z9hG4bKa");
    request.headers.replace(Name::VIA, "nonsense");
    assert!(deliver(&mut us, &request, udp_flow(PEER), at(0)).is_none());
    assert_eq!(us.stats().unroutable, 1);
    assert!(transmits(&mut us).is_empty());
}

#[test]
fn an_answer_that_cannot_be_sent_leaves_the_transaction() {
    let mut us = endpoint();
    let request = incoming("MESSAGE", "z9hG4bKa");
    let (id, seen) = told(&mut us, &request, udp_flow(PEER), at(0));
    us.respond(id, seen.response(Status::OK), at(0));
    let sent = only(&mut us);
    assert!(us.undeliverable(sent.origin, Undelivered::QueueFull, at(0)).is_none());
    deliver(&mut us, &request, udp_flow(PEER), at(500));
    assert_eq!(only(&mut us).bytes, sent.bytes);
}
