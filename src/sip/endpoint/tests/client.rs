use super::*;
use crate::sip::message::Name;

#[test]
fn a_request_gets_our_via_and_nothing_else() {
    let mut us = endpoint();
    ask(&mut us, "MESSAGE", vec![udp("192.0.2.9:5070")]);
    let sent = only(&mut us);
    assert_eq!((sent.transport, sent.remote, sent.flow), (UDP, addr("192.0.2.9:5070"), None));
    let mut request = sent_request(&sent);
    let via = request.headers.via().unwrap();
    assert_eq!((via.host_text(), via.port), ("192.0.2.1", None));
    assert!(via.branch().unwrap().starts_with("z9hG4bK") && via.params.has("rport"));
    assert_eq!(request.headers.iter().next().unwrap().0, "Via");
    request.headers.remove(Name::VIA);
    assert_eq!(request, outgoing("MESSAGE"));
    assert_eq!(us.size_with_via(&outgoing("MESSAGE"), UDP), sent.bytes.len());
}

#[test]
fn over_udp_it_is_sent_at_e_until_f() {
    let mut us = endpoint();
    let id = ask(&mut us, "MESSAGE", vec![udp("192.0.2.9:5060")]);
    let first = only(&mut us);
    let (sent, told) = run(&mut us, 100_000);
    assert_eq!(times(&sent), [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    let again = Transmit { again: true, ..first };
    assert!(sent.iter().all(|(_, sent)| *sent == again));
    assert!(matches!(&told[..], [(32_000, Event::TimedOut { transaction, heard: false })] if *transaction == id));
    assert_eq!((us.stats().timeouts, us.stats().client_open, us.stats().retransmissions_sent), (1, 0, 10));
}

#[test]
fn over_tcp_it_is_sent_once() {
    let mut us = endpoint();
    ask(&mut us, "MESSAGE", vec![tcp("192.0.2.9:5060")]);
    assert!(!sent_request(&only(&mut us)).headers.via().unwrap().params.has("rport"));
    let (sent, told) = run(&mut us, 100_000);
    assert_eq!(times(&sent), [0u128; 0]);
    assert_eq!(times(&told), [32_000]);
}

#[test]
fn t1_is_what_the_configuration_says() {
    let mut config = EndpointConfig::new(SentBy { host: "192.0.2.1".into(), port: None });
    config.timing.t1 = ms(100);
    let mut us = Endpoint::new(config, Ids::new([1; 32], 0));
    ask(&mut us, "MESSAGE", vec![udp("192.0.2.9:5060")]);
    transmits(&mut us);
    let (sent, told) = run(&mut us, 100_000);
    assert_eq!(times(&sent), [100, 300, 700, 1500, 3100, 6300]);
    assert_eq!(times(&told), [6400]);
}

#[test]
fn a_final_response_is_told_once_and_absorbed_until_k() {
    let mut us = endpoint();
    ask(&mut us, "MESSAGE", vec![udp("192.0.2.9:5060")]);
    let response = answer(&only(&mut us), Status::OK);
    assert_eq!(final_status(deliver_response(&mut us, response.clone(), at(100))), 200);
    assert!(deliver_response(&mut us, response.clone(), at(5099)).is_none());
    assert_eq!((us.stats().retransmissions_received, us.stats().stray_responses), (1, 0));
    assert!(deliver_response(&mut us, response, at(5100)).is_none());
    assert_eq!((us.stats().retransmissions_received, us.stats().stray_responses), (1, 1));
    let (sent, told) = run(&mut us, 100_000);
    assert!(sent.is_empty() && told.is_empty());
}

#[test]
fn a_provisional_response_slows_the_repeats_down() {
    let mut us = endpoint();
    ask(&mut us, "MESSAGE", vec![udp("192.0.2.9:5060")]);
    let sent = only(&mut us);
    let event = deliver_response(&mut us, answer(&sent, Status::TRYING), at(100));
    assert!(matches!(event, Some(Event::Provisional { .. })));
    let (again, _) = run(&mut us, 9000);
    assert_eq!(times(&again), [500, 4500, 8500]);
    assert_eq!(final_status(deliver_response(&mut us, answer(&sent, Status::ACCEPTED), at(9000))), 202);
}

#[test]
fn a_late_response_is_a_stray() {
    let mut us = endpoint();
    ask(&mut us, "MESSAGE", vec![udp("192.0.2.9:5060")]);
    let response = answer(&only(&mut us), Status::OK);
    assert_eq!(run(&mut us, 32_000).1.len(), 1);
    assert!(deliver_response(&mut us, response, at(32_001)).is_none());
    assert_eq!(us.stats().stray_responses, 1);
}

#[test]
fn a_response_must_have_our_via_alone_our_branch_and_our_method() {
    let mut us = endpoint();
    ask(&mut us, "MESSAGE", vec![udp("192.0.2.9:5060")]);
    let good = answer(&only(&mut us), Status::OK);
    let via = String::from_utf8(good.headers.get(Name::VIA).unwrap().to_vec()).unwrap();
    let mut strays = Vec::new();
    for changed in [via.replace("192.0.2.1", "192.0.2.2"), via.replace("z9hG4bK", "z9hG4bKx"), format!("{via}, {via}")]
    {
        let mut response = good.clone();
        response.headers.replace(Name::VIA, changed);
        strays.push(response);
    }
    for (name, value) in [(Name::CSEQ, "1 OPTIONS"), (Name::CSEQ, "x"), (Name::VIA, "x")] {
        let mut response = good.clone();
        response.headers.replace(name, value);
        strays.push(response);
    }
    let count = strays.len() as u64;
    for stray in strays {
        assert!(deliver_response(&mut us, stray, at(1)).is_none());
    }
    assert_eq!(us.stats().stray_responses, count);
    assert_eq!(final_status(deliver_response(&mut us, good, at(2))), 200);
}

#[test]
fn what_cannot_be_sent_goes_to_the_next_target_with_a_new_branch() {
    let mut us = endpoint();
    let id = ask(&mut us, "MESSAGE", vec![tcp("192.0.2.8:5060"), tcp("192.0.2.9:5060")]);
    let first = only(&mut us);
    assert!(us.undeliverable(first.origin, Undelivered::Refused, at(10)).is_none());
    let second = only(&mut us);
    assert_eq!(second.remote, addr("192.0.2.9:5060"));
    assert_ne!(first.bytes, second.bytes);
    let (mut one, mut two) = (sent_request(&first), sent_request(&second));
    assert_ne!(one.headers.via().unwrap().branch(), two.headers.via().unwrap().branch());
    one.headers.remove(Name::VIA);
    two.headers.remove(Name::VIA);
    assert_eq!(one, two);
    assert!(us.undeliverable(first.origin, Undelivered::Closed, at(20)).is_none(), "an old attempt");
    let event = us.undeliverable(second.origin, Undelivered::Unreachable, at(30));
    assert!(matches!(event, Some(Event::Failed { transaction, cause: Cause::NotSent(Undelivered::Unreachable) })
        if transaction == id));
    assert!(us.undeliverable(second.origin, Undelivered::Closed, at(40)).is_none(), "told once");
    assert_eq!((us.stats().failovers, us.stats().client_open), (1, 0));
}

#[test]
fn a_datagram_to_nobody_goes_to_the_next_target_and_the_last_target_is_waited_for() {
    let mut us = endpoint();
    ask(&mut us, "MESSAGE", vec![udp("192.0.2.8:5060"), udp("192.0.2.9:5060")]);
    let first = only(&mut us);
    let (sent, _) = run(&mut us, 500);
    assert_eq!((first.again, sent[0].1.again), (false, true));
    assert!(us.undeliverable(first.origin, Undelivered::Absent, at(501)).is_none());
    let second = only(&mut us);
    assert_eq!((second.remote, second.again), (addr("192.0.2.9:5060"), false));
    assert!(us.undeliverable(second.origin, Undelivered::Absent, at(502)).is_none());
    let (sent, _) = run(&mut us, 2_000);
    assert_eq!(sent[0].1.remote, addr("192.0.2.9:5060"), "it may come back");
    assert_eq!(final_status(deliver_response(&mut us, answer(&second, Status::OK), at(2_001))), 200);
}

#[test]
fn a_503_goes_to_the_next_target_and_is_remembered() {
    let mut us = endpoint();
    ask(&mut us, "MESSAGE", vec![udp("192.0.2.8:5060"), udp("192.0.2.9:5060")]);
    let mut busy = answer(&only(&mut us), Status::SERVICE_UNAVAILABLE);
    busy.headers.push(Name::RETRY_AFTER, "120");
    assert!(deliver_response(&mut us, busy.clone(), at(10)).is_none());
    assert!(deliver_response(&mut us, busy, at(20)).is_none(), "absorbed");
    let second = only(&mut us);
    match us.undeliverable(second.origin, Undelivered::Unreachable, at(30)) {
        Some(Event::Response { response, .. }) => {
            assert_eq!(response.headers.get(Name::RETRY_AFTER), Some(&b"120"[..]))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_last_503_and_any_other_refusal_are_final() {
    for (targets, status) in [
        (vec![udp("192.0.2.8:5060")], Status::SERVICE_UNAVAILABLE),
        (vec![udp("192.0.2.8:5060"), udp("192.0.2.9:5060")], Status::SERVER_INTERNAL_ERROR),
    ] {
        let mut us = endpoint();
        ask(&mut us, "MESSAGE", targets);
        let response = answer(&only(&mut us), status);
        assert_eq!(final_status(deliver_response(&mut us, response, at(10))), status.code());
        assert!(transmits(&mut us).is_empty());
    }
}

#[test]
fn after_a_timeout_a_message_is_not_tried_elsewhere_but_a_subscribe_is() {
    let targets = vec![udp("192.0.2.8:5060"), udp("192.0.2.9:5060")];
    let mut us = endpoint();
    ask(&mut us, "MESSAGE", targets.clone());
    let (sent, told) = run(&mut us, 100_000);
    assert!(sent.iter().all(|(_, transmit)| transmit.remote == addr("192.0.2.8:5060")));
    assert_eq!(times(&told), [32_000]);
    let mut us = endpoint();
    ask(&mut us, "SUBSCRIBE", targets);
    let (sent, told) = run(&mut us, 100_000);
    assert!(sent.iter().any(|(at, transmit)| *at == 32_000 && transmit.remote == addr("192.0.2.9:5060")));
    assert_eq!(times(&told), [64_000]);
}

#[test]
fn once_the_server_was_heard_nothing_goes_elsewhere() {
    let mut us = endpoint();
    ask(&mut us, "MESSAGE", vec![udp("192.0.2.8:5060"), udp("192.0.2.9:5060")]);
    let sent = only(&mut us);
    deliver_response(&mut us, answer(&sent, Status::TRYING), at(10));
    let event = us.undeliverable(sent.origin, Undelivered::Refused, at(600));
    assert!(matches!(event, Some(Event::Failed { .. })));
}

#[test]
fn a_full_udp_queue_is_a_lost_datagram() {
    let mut us = endpoint();
    ask(&mut us, "MESSAGE", vec![udp("192.0.2.9:5060")]);
    let sent = only(&mut us);
    assert!(us.undeliverable(sent.origin, Undelivered::QueueFull, at(1)).is_none());
    assert_eq!(times(&run(&mut us, 600).0), [500]);
}

#[test]
fn a_large_request_goes_by_tcp_and_never_falls_back() {
    let mut us = endpoint();
    let mut request = outgoing("MESSAGE");
    let room = MAX_UDP - us.size_with_via(&outgoing("MESSAGE"), UDP) + 5 - 3;
    request.set_body("text/plain", vec![b'x'; room]);
    assert_eq!(us.size_with_via(&request, UDP), MAX_UDP);
    let target = vec![udp("192.0.2.9:5060")];
    us.request(&request, target.clone(), Large::UseTcp, at(0)).unwrap();
    assert_eq!(only(&mut us).transport, UDP);
    request.set_body("text/plain", vec![b'x'; room + 1]);
    us.request(&request, target.clone(), Large::UseTcp, at(0)).unwrap();
    let sent = only(&mut us);
    assert_eq!((sent.transport, sent.remote), (TCP, addr("192.0.2.9:5060")));
    assert!(sent.bytes.starts_with(b"MESSAGE sip:romeo@example.net SIP/2.0\r\nVia: SIP/2.0/TCP "));
    let event = us.undeliverable(sent.origin, Undelivered::Refused, at(1));
    assert!(matches!(event, Some(Event::Failed { cause: Cause::TooLarge, .. })));
    assert!(transmits(&mut us).is_empty());
    us.request(&request, target, Large::UseUdp, at(0)).unwrap();
    assert_eq!(only(&mut us).transport, UDP);
}

#[test]
fn requests_are_bounded_and_need_a_target() {
    let mut config = EndpointConfig::new(SentBy { host: "192.0.2.1".into(), port: None });
    config.limits.client = 1;
    let mut us = Endpoint::new(config, Ids::new([1; 32], 0));
    let tls = Target { transport: Transport::Tls, addr: addr("192.0.2.9:5061") };
    for targets in [Vec::new(), vec![tls]] {
        assert_eq!(us.request(&outgoing("MESSAGE"), targets, Large::UseTcp, at(0)), Err(NotStarted::NoTarget));
    }
    ask(&mut us, "MESSAGE", vec![udp("192.0.2.9:5060")]);
    let more = us.request(&outgoing("MESSAGE"), vec![udp("192.0.2.9:5060")], Large::UseTcp, at(0));
    assert_eq!(more, Err(NotStarted::Overload));
}

/// What the endpoint has learnt about its targets, in short.
fn learnt(us: &mut Endpoint) -> Vec<(Target, Outcome)> {
    reports(us).into_iter().map(|report| (report.target, report.outcome)).collect()
}

#[test]
fn what_was_written_on_a_connection_that_closes_is_over_and_a_message_goes_nowhere_else() {
    let targets = vec![tcp("192.0.2.8:5060"), tcp("192.0.2.9:5060")];
    let mut us = endpoint();
    let message = ask(&mut us, "MESSAGE", targets.clone());
    let options = ask(&mut us, "OPTIONS", targets.clone());
    let heard = ask(&mut us, "MESSAGE", targets);
    let sent = transmits(&mut us);
    deliver_response(&mut us, answer(&sent[2], Status::TRYING), at(10));
    let mut told = Vec::new();
    us.flow_closed(&tcp_flow("192.0.2.9:5060", 1), at(20), &mut told);
    us.flow_closed(&udp_flow("192.0.2.8:5060"), at(20), &mut told);
    assert!(told.is_empty(), "nothing waited there: {told:?}");
    us.flow_closed(&tcp_flow("192.0.2.8:5060", 2), at(30), &mut told);
    assert!(matches!(&told[..], [Event::Failed { transaction, cause: Cause::Broken }] if *transaction == message));
    let again = only(&mut us);
    assert_eq!((again.remote, sent_request(&again).method.as_str()), (addr("192.0.2.9:5060"), "OPTIONS"));
    assert_eq!(final_status(deliver_response(&mut us, answer(&again, Status::OK), at(40))), 200);
    assert_eq!(final_status(deliver_response(&mut us, answer(&sent[2], Status::OK), at(50))), 200);
    assert!(heard > options && us.connections.is_empty() && us.client_keys.is_empty());
}

#[test]
fn each_target_is_reported_with_what_came_of_it() {
    let mut us = endpoint();
    ask(&mut us, "MESSAGE", vec![tcp("192.0.2.7:5060"), udp("192.0.2.8:5060"), udp("192.0.2.9:5060")]);
    let first = only(&mut us);
    us.undeliverable(first.origin, Undelivered::Refused, at(1));
    let mut busy = answer(&only(&mut us), Status::SERVICE_UNAVAILABLE);
    busy.headers.push(Name::RETRY_AFTER, "120;duration=5");
    deliver_response(&mut us, busy, at(2));
    let not_found = answer(&only(&mut us), Status::NOT_FOUND);
    assert_eq!(final_status(deliver_response(&mut us, not_found, at(3))), 404);
    let retry_after = Some(Duration::from_secs(120));
    assert_eq!(
        learnt(&mut us),
        [
            (tcp("192.0.2.7:5060"), Outcome::NotSent(Undelivered::Refused)),
            (udp("192.0.2.8:5060"), Outcome::Busy { retry_after }),
            (udp("192.0.2.9:5060"), Outcome::Worked),
        ]
    );
    ask(&mut us, "MESSAGE", vec![udp("192.0.2.9:5060")]);
    run(&mut us, 100_000);
    assert_eq!(learnt(&mut us), [(udp("192.0.2.9:5060"), Outcome::Silent)]);
}

#[test]
fn reports_that_nobody_takes_are_bounded() {
    let mut us = endpoint();
    for n in 0..2000u16 {
        let target = Target { transport: UDP, addr: SocketAddr::from(([192, 0, 2, 9], 1024 + n)) };
        us.report(target, Outcome::Worked);
        us.report(target, Outcome::Worked);
    }
    assert_eq!(reports(&mut us).len(), MOST_REPORTS);
}

#[test]
fn a_peers_request_goes_on_with_its_vias_and_a_branch_in_two_parts() {
    let mut us = endpoint();
    let id =
        us.forward(&incoming("MESSAGE", "z9hG4bKa"), vec![udp("192.0.2.8:5060")], Large::UseUdp, 7, at(0)).unwrap();
    let sent = only(&mut us);
    let vias: Vec<_> =
        sent_request(&sent).headers.each::<crate::sip::message::header::Via>().map(Result::unwrap).collect();
    assert_eq!((vias.len(), vias[1].branch()), (2, Some("z9hG4bKa")));
    let branch = vias[0].branch().unwrap();
    assert!(branch.ends_with(&format!(".{}", crate::sip::transaction::key::mark_text(7))), "{branch}");
    assert_eq!(crate::ids::shard_of(branch), Some(3));
    let mut alone = answer(&sent, Status::OK);
    let ours = alone.headers.get(Name::VIA).unwrap().to_vec();
    alone.headers.replace(Name::VIA, ours);
    assert!(deliver_response(&mut us, alone, at(1)).is_none(), "the peer's Via is missing");
    let event = deliver_response(&mut us, answer(&sent, Status::OK), at(1));
    assert!(matches!(event, Some(Event::Response { transaction, .. }) if transaction == id));
}

#[test]
fn a_request_goes_by_the_connection_it_is_told_and_elsewhere_when_that_is_closed() {
    let mut us = endpoint();
    let targets = vec![tcp("192.0.2.9:40000"), udp("192.0.2.9:5060")];
    let sending = Sending { flow: Some(7), ..Large::UseUdp.into() };
    us.request(&outgoing("NOTIFY"), targets, sending, at(0)).unwrap();
    let sent = only(&mut us);
    assert_eq!((sent.transport, sent.remote, sent.flow), (TCP, addr("192.0.2.9:40000"), Some(7)));
    let mut told = Vec::new();
    us.flow_closed(&tcp_flow("192.0.2.9:40000", 7), at(100), &mut told);
    assert!(told.is_empty());
    let sent = only(&mut us);
    assert_eq!((sent.transport, sent.remote, sent.flow), (UDP, addr("192.0.2.9:5060"), None));
    assert_eq!(final_status(deliver_response(&mut us, answer(&sent, Status::OK), at(200))), 200);
}

#[test]
fn who_came_by_websocket_is_asked_by_that_connection_only() {
    let mut config = EndpointConfig::new(SentBy { host: "192.0.2.1".into(), port: None });
    config.sent_by.push((TCP, SentBy { host: "tcp.example".into(), port: Some(5070) }));
    let mut us = Endpoint::new(config, Ids::new([1; 32], 0));
    let ws = Target { transport: Transport::Ws, addr: addr("192.0.2.9:40000") };
    assert_eq!(us.request(&outgoing("NOTIFY"), vec![ws], Large::UseUdp, at(0)), Err(NotStarted::NoTarget));
    let sending = Sending { flow: Some(7), ..Large::UseUdp.into() };
    us.request(&outgoing("NOTIFY"), vec![ws], sending, at(0)).unwrap();
    let sent = only(&mut us);
    assert_eq!((sent.transport, sent.flow), (Transport::Ws, Some(7)));
    assert_eq!(final_status(deliver_response(&mut us, answer(&sent, Status::OK), at(200))), 200);
}
