#![allow(clippy::unwrap_used)]

use super::*;
use crate::gateway::trust::{Network, Peer};

fn intake(stranger: Stranger) -> Intake {
    let network = Network::host("192.0.2.1".parse().unwrap());
    let account = Peer {
        account: Some("branch".to_owned()),
        ..Peer::new("branch", vec![Network::host("192.0.2.99".parse().unwrap())], vec!["branch.example".to_owned()])
    };
    let peers = vec![Peer::new("pbx", vec![network], vec!["pbx.example".to_owned()]), account];
    Intake::new(Trust::new(peers, stranger), Clock::start())
}

fn flow(remote: &str, transport: Transport) -> Flow {
    Flow { transport, local: "10.0.0.1:5060".parse().unwrap(), remote: remote.parse().unwrap(), id: 0 }
}

/// What sipvicious asks.
const OPTIONS: &str = "OPTIONS sip:100@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.9:5061;branch=z9hG4bK-3154;rport\r\n\
    Content-Length: 0\r\nFrom: \"sipvicious\"<sip:100@1.1.1.1>;tag=6462\r\nAccept: application/sdp\r\nUser-Agent: friendly-scanner\r\n\
    To: \"sipvicious\"<sip:100@1.1.1.1>\r\nContact: sip:100@203.0.113.9:5061\r\nCSeq: 1 OPTIONS\r\nCall-ID: 9\r\nMax-Forwards: 70\r\n\r\n";

fn take(intake: &Intake, text: &str, remote: &str) -> Taken {
    intake.take(text.as_bytes(), flow(remote, Transport::Udp), &[])
}

fn answered(taken: &Taken) -> bool {
    matches!(taken, Taken::Input(Input::Unreadable(response, _)) if response.status == Status::FORBIDDEN)
}

#[test]
fn a_flood_of_one_source_gets_a_few_answers_and_its_network_no_more() {
    let intake = intake(Stranger::Refuse);
    let taken: Vec<Taken> = (0..10_000).map(|_| take(&intake, OPTIONS, "203.0.113.9:5061")).collect();
    let answers = taken.iter().filter(|taken| answered(taken)).count();
    assert!((10..=60).contains(&answers), "{answers}");
    assert!(taken.iter().all(|taken| answered(taken) || matches!(taken, Taken::Closed)));
    assert_eq!(intake.refused.strangers.load(Ordering::Relaxed), 10_000);
    let six = |host: usize| format!("[2001:db8::{host:x}]:5060");
    let answers = (1..1_000).filter(|host| answered(&take(&intake, OPTIONS, &six(*host)))).count();
    assert!((10..=20).contains(&answers), "{answers} to one /64");
}

#[test]
fn a_flood_of_many_sources_gets_a_trickle_and_peers_are_read_all_the_same() {
    let intake = intake(Stranger::Refuse);
    let mut answers = 0;
    for number in 0..50_000_u32 {
        let source = format!("{}:5060", std::net::Ipv4Addr::from_bits((203 << 24) + number));
        answers += usize::from(answered(&take(&intake, OPTIONS, &source)));
        if number % 100 == 0 {
            assert!(matches!(take(&intake, OPTIONS, "192.0.2.1:5060"), Taken::Input(Input::Sip(_))));
        }
    }
    assert!((100..1_000).contains(&answers), "{answers}");
    assert!(intake.doors().answers_per_network.len() <= NETWORKS);
}

#[test]
fn no_answer_to_a_stranger_is_longer_than_what_it_answers() {
    let intake = intake(Stranger::Refuse);
    let short = "OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.9;branch=z9hG4bK-1\r\nFrom: <sip:a@b>;tag=1\r\n\
        To: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n";
    assert!(matches!(take(&intake, short, "203.0.113.9:5060"), Taken::Nothing));
    let Taken::Input(Input::Unreadable(response, flow)) = take(&intake, OPTIONS, "203.0.113.9:5061") else { panic!() };
    let sent = sent(response, flow);
    assert!(sent <= OPTIONS.len(), "{sent} for {}", OPTIONS.len());
}

/// How many bytes leave.
fn sent(response: Response, flow: Flow) -> usize {
    let own = crate::sip::endpoint::SentBy { host: "h".to_owned(), port: None };
    let config = crate::sip::endpoint::EndpointConfig::new(own);
    let mut endpoint = crate::sip::endpoint::Endpoint::new(config, crate::ids::Ids::new([1; 32], 0));
    endpoint.respond_stateless(response, flow);
    endpoint.poll_transmit().map_or(0, |transmit| transmit.bytes.len())
}

#[test]
fn nothing_of_the_corpora_is_answered_with_more_than_it_is() {
    let (mut files, mut answers) = (0_u32, 0);
    for folder in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/torture")).unwrap() {
        let Ok(folder) = std::fs::read_dir(folder.unwrap().path()) else { continue };
        for file in
            folder.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "dat"))
        {
            files += 1;
            let bytes = std::fs::read(&file).unwrap();
            for remote in ["203.0.113.9:65535", "[2001:db8:1111:2222:3333:4444:5555:6666]:65535"] {
                let intake = intake(Stranger::Refuse);
                let taken = intake.take(&bytes, flow(remote, Transport::Udp), &[]);
                if let Taken::Input(Input::Unreadable(response, flow)) = taken {
                    answers += 1;
                    let sent = sent(response, flow);
                    assert!(sent <= bytes.len(), "{}: {sent} for {}", file.display(), bytes.len());
                }
            }
        }
    }
    assert!(files > 150 && answers > 100, "{answers} answers to {files} files");
}

#[test]
fn where_strangers_get_silence_they_are_not_even_read() {
    let intake = intake(Stranger::Drop);
    assert!(matches!(take(&intake, OPTIONS, "203.0.113.9:5061"), Taken::Closed));
    assert!(matches!(take(&intake, "rubbish", "203.0.113.9:5061"), Taken::Closed));
    assert_eq!(intake.refused.unreadable.load(Ordering::Relaxed), 0);
    assert!(!intake.admits(&flow("203.0.113.9:40000", Transport::Tcp)));
    assert!(intake.admits(&flow("192.0.2.1:40000", Transport::Tcp)));
}

#[test]
fn whoever_we_asked_may_answer_and_ask_nothing() {
    for stranger in [Stranger::Drop, Stranger::Refuse] {
        let intake = intake(stranger);
        let response = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 MESSAGE\r\n\r\n";
        for _ in 0..100 {
            take(&intake, OPTIONS, "203.0.113.7:5060");
        }
        assert!(matches!(take(&intake, response, "203.0.113.7:5060"), Taken::Closed));
        intake.expect("203.0.113.7".parse().unwrap());
        assert!(matches!(take(&intake, response, "203.0.113.7:5060"), Taken::Input(Input::Sip(_))));
        assert!(matches!(take(&intake, OPTIONS, "203.0.113.7:5060"), Taken::Nothing));
    }
}

#[test]
fn passwords_are_guessed_slowly() {
    let intake = intake(Stranger::Drop);
    let read = (0..10_000).filter(|_| matches!(take(&intake, OPTIONS, "192.0.2.99:5060"), Taken::Input(_))).count();
    assert!((40..=100).contains(&read), "{read}");
}

#[test]
fn a_stranger_that_connects_gets_one_answer_and_the_end() {
    let intake = intake(Stranger::Refuse);
    let tcp = flow("203.0.113.9:40000", Transport::Tcp);
    assert!(intake.admits(&tcp) && intake.is_stranger(&tcp));
    assert!(matches!(intake.take(OPTIONS.as_bytes(), tcp, &[]), Taken::Refused(_)));
    let admitted = (0..1_000).filter(|_| intake.admits(&tcp)).count();
    assert!(admitted < 60, "{admitted} connections at once");
}
