//! RFC 3263 sections 4.1 and 4.2, case by case.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::super::limits;
use super::*;

/// The example of RFC 3263 section 4.1.
const EXAMPLE: &str = "
    example.com NAPTR 50 50 s SIPS+D2T - _sips._tcp.example.com
    example.com NAPTR 90 50 s SIP+D2T - _sip._tcp.example.com
    example.com NAPTR 100 50 s SIP+D2U - _sip._udp.example.com
    _sips._tcp.example.com SRV 0 1 5061 server1.example.com
    _sip._tcp.example.com SRV 0 1 5060 server1.example.com
    _sip._tcp.example.com SRV 1 2 5060 server2.example.com
    _sip._udp.example.com SRV 0 0 5060 server3.example.com
    server1.example.com A 192.0.2.1
    server1.example.com A 2001:db8::1
    server2.example.com A 192.0.2.2
    server3.example.com A 192.0.2.3
    example.com A 192.0.2.80";

fn plain() -> Transports {
    [Transport::Udp, Transport::Tcp].into_iter().collect()
}

/// What is found, in order of rank.
fn found(zone: &str, uri: &str, have: Transports) -> Result<Vec<Target>, Reason> {
    Zone::new(zone).search(uri, have).0.map(|plan| plan.all().collect())
}

fn asked(zone: &str, uri: &str, have: Transports) -> Vec<String> {
    let text = |query: &Query| match query {
        Query::Naptr { name } => format!("NAPTR {name}"),
        Query::Srv { name } => format!("SRV {name}"),
        Query::Addresses { name } => format!("A {name}"),
    };
    let rounds = Zone::new(zone).search(uri, have).1;
    rounds.iter().map(|round| round.iter().map(text).collect::<Vec<_>>().join(", ")).collect()
}

#[test]
fn an_address_needs_no_question() {
    for (uri, expected) in [
        ("sip:192.0.2.1", "udp 192.0.2.1:5060"),
        ("sip:192.0.2.1:5080;transport=tcp", "tcp 192.0.2.1:5080"),
        ("sip:[2001:db8::1];transport=udp", "udp [2001:db8::1]:5060"),
        ("sip:2001:db8::1;transport=tls", "tls [2001:db8::1]:5061"),
        ("sips:192.0.2.1;transport=tcp", "tls 192.0.2.1:5061"),
        ("sips:192.0.2.1:5080", "tls 192.0.2.1:5080"),
    ] {
        let (plan, asked) = Zone::default().search(uri, all());
        assert_eq!(plan.unwrap().all().collect::<Vec<_>>(), [target(expected)], "{uri}");
        assert!(asked.is_empty(), "{uri}");
    }
}

#[test]
fn a_port_means_addresses_and_no_other_records() {
    let at = |uri| (found(EXAMPLE, uri, all()).unwrap(), asked(EXAMPLE, uri, all()));
    let (to, questions) = at("sip:example.com:5070");
    assert_eq!((to, questions), (targets(&["udp 192.0.2.80:5070"]), vec!["A example.com".to_owned()]));
    assert_eq!(at("sip:example.com:5070;transport=tcp").0, targets(&["tcp 192.0.2.80:5070"]));
    assert_eq!(at("sips:example.com:5070").0, targets(&["tls 192.0.2.80:5070"]));
}

#[test]
fn naptr_records_choose_the_transport_that_both_have() {
    assert_eq!(
        found(EXAMPLE, "sip:example.com", plain()),
        Ok(targets(&["tcp 192.0.2.1:5060", "tcp [2001:db8::1]:5060", "tcp 192.0.2.2:5060"])),
        "the RFC's own client has TCP and UDP"
    );
    assert_eq!(
        asked(EXAMPLE, "sip:example.com", plain()),
        ["NAPTR example.com", "SRV _sip._tcp.example.com", "A server1.example.com, A server2.example.com"]
    );
    let udp_only = [Transport::Udp].into_iter().collect();
    assert_eq!(found(EXAMPLE, "sip:example.com", udp_only), Ok(targets(&["udp 192.0.2.3:5060"])));
}

#[test]
fn a_domain_that_prefers_tls_is_reached_by_tls_and_by_nothing_less() {
    assert_eq!(
        found(EXAMPLE, "sip:example.com", all()),
        Ok(targets(&["tls 192.0.2.1:5061", "tls [2001:db8::1]:5061"]))
    );
}

#[test]
fn a_sips_uri_keeps_to_sips_records() {
    let only_plain = "
        example.com NAPTR 10 50 s SIP+D2T - _sip._tcp.example.com
        _sips._tcp.example.com SRV 0 0 5099 tls.example.com
        _sip._tcp.example.com SRV 0 0 5060 plain.example.com
        tls.example.com A 192.0.2.9
        plain.example.com A 192.0.2.8";
    assert_eq!(found(EXAMPLE, "sips:example.com", all()).unwrap()[0], target("tls 192.0.2.1:5061"));
    assert_eq!(found(only_plain, "sips:example.com", all()), Ok(targets(&["tls 192.0.2.9:5099"])));
    assert_eq!(found("h.example A 192.0.2.7", "sips:h.example", all()), Ok(targets(&["tls 192.0.2.7:5061"])));
    assert_eq!(found(EXAMPLE, "sips:example.com;transport=udp", all()), Err(Reason::Insecure));
    assert_eq!(found(EXAMPLE, "sips:example.com", plain()), Err(Reason::NoTransport));
}

#[test]
fn records_of_other_services_and_odd_records_are_passed_over() {
    let zone = "
        d.example NAPTR 1 1 s SIP+D2W - _sip._ws.d.example
        d.example NAPTR 2 1 s SIP+D2S - _sip._sctp.d.example
        d.example NAPTR 3 1 s SIPS+D2U - _sips._udp.d.example
        d.example NAPTR 4 1 u E2U+sip !^.*$!sip:info@d.example! -
        d.example NAPTR 5 1 s SIP+D2T !^.*$!x! _sip._tcp.wrong.example
        d.example NAPTR 6 1 a SIP+D2T - host.wrong.example
        d.example NAPTR 7 1 s SIP+D2T - -
        d.example NAPTR 9 1 S sip+d2u - _sip._udp.right.example
        _sip._udp.right.example SRV 0 0 5066 a.right.example
        a.right.example A 192.0.2.1";
    assert_eq!(found(zone, "sip:d.example", all()), Ok(targets(&["udp 192.0.2.1:5066"])));
}

#[test]
fn within_an_order_the_preference_counts_and_then_congestion_control() {
    let zone = |tcp: u16, udp: u16| {
        format!(
            "d.example NAPTR 10 {udp} s SIP+D2U - _sip._udp.d.example
             d.example NAPTR 10 {tcp} s SIP+D2T - _sip._tcp.d.example
             _sip._udp.d.example SRV 0 0 5060 a.d.example
             _sip._tcp.d.example SRV 9 0 5060 a.d.example
             a.d.example A 192.0.2.1"
        )
    };
    let (udp, tcp) = ("udp 192.0.2.1:5060", "tcp 192.0.2.1:5060");
    assert_eq!(found(&zone(20, 10), "sip:d.example", all()), Ok(targets(&[udp, tcp])));
    assert_eq!(found(&zone(10, 20), "sip:d.example", all()), Ok(targets(&[tcp, udp])));
    assert_eq!(found(&zone(10, 10), "sip:d.example", all()), Ok(targets(&[tcp, udp])), "RFC 3428 section 8");
}

#[test]
fn a_later_order_serves_only_where_the_first_has_no_records() {
    let zone = "
        d.example NAPTR 10 1 s SIP+D2T - _sip._tcp.gone.example
        d.example NAPTR 20 1 s SIP+D2U - _sip._udp.d.example
        _sip._udp.d.example SRV 0 0 5060 a.d.example
        a.d.example A 192.0.2.1";
    assert_eq!(found(zone, "sip:d.example", all()), Ok(targets(&["udp 192.0.2.1:5060"])));
    let silent = format!("{zone}\n_sip._tcp.gone.example SRV silent");
    assert_eq!(found(&silent, "sip:d.example", all()), Err(Reason::Unavailable), "it may have records, who knows");
}

#[test]
fn naptr_records_without_srv_records_lead_to_the_domain_itself() {
    let zone = "
        d.example NAPTR 10 1 s SIPS+D2T - _sips._tcp.d.example
        d.example A 192.0.2.1";
    assert_eq!(found(zone, "sip:d.example", all()), Ok(targets(&["tls 192.0.2.1:5061"])));
}

#[test]
fn without_naptr_each_transport_of_ours_is_asked_for() {
    let zone = "
        _sip._udp.d.example SRV 0 0 5070 a.d.example
        _sip._tcp.d.example SRV 5 0 5071 b.d.example
        _sips._tcp.d.example SRV 0 0 5061 c.d.example
        a.d.example A 192.0.2.1
        b.d.example A 192.0.2.2
        c.d.example A 192.0.2.3";
    assert_eq!(
        found(zone, "sip:d.example", all()),
        Ok(targets(&["tcp 192.0.2.2:5071", "udp 192.0.2.1:5070"])),
        "RFC 3263 section 4.1: _sip for SIP URIs; RFC 3428 section 8: TCP when possible"
    );
    assert_eq!(
        asked(zone, "sip:d.example", all()),
        ["NAPTR d.example", "SRV _sip._tcp.d.example, SRV _sip._udp.d.example", "A b.d.example, A a.d.example"]
    );
}

#[test]
fn a_transport_that_is_written_is_the_only_one_asked_for() {
    let srv = |uri| asked(EXAMPLE, uri, all()).remove(0);
    assert_eq!(srv("sip:example.com;transport=udp"), "SRV _sip._udp.example.com");
    assert_eq!(srv("sip:example.com;transport=tcp"), "SRV _sip._tcp.example.com");
    assert_eq!(srv("sip:example.com;transport=tls"), "SRV _sips._tcp.example.com");
    assert_eq!(srv("sips:example.com;transport=tcp"), "SRV _sips._tcp.example.com");
    assert_eq!(found(EXAMPLE, "sip:example.com;transport=ws", all()), Err(Reason::NoTransport));
    assert_eq!(found(EXAMPLE, "sip:example.com;transport=tls", plain()), Err(Reason::NoTransport));
}

#[test]
fn without_any_record_the_name_itself_is_called_at_the_default_port() {
    let zone = "h.example A 192.0.2.1\nh.example A 2001:db8::1";
    let at = |uri| found(zone, uri, all());
    assert_eq!(at("sip:h.example"), Ok(targets(&["udp 192.0.2.1:5060", "udp [2001:db8::1]:5060"])));
    assert_eq!(at("sip:h.example;transport=tcp").unwrap()[0], target("tcp 192.0.2.1:5060"));
    assert_eq!(at("sip:h.example;transport=tls").unwrap()[0], target("tls 192.0.2.1:5061"));
    assert_eq!(at("sip:nowhere.example"), Err(Reason::NoAddress));
    let tcp_only = [Transport::Tcp].into_iter().collect();
    assert_eq!(found(zone, "sip:h.example", tcp_only).unwrap()[0], target("tcp 192.0.2.1:5060"));
}

#[test]
fn a_target_of_a_dot_means_that_there_is_no_service() {
    let zone = "
        _sip._udp.d.example SRV 0 0 0 .
        _sip._tcp.e.example SRV 0 0 5060 a.example
        _sip._udp.e.example SRV 0 0 0 .
        a.example A 192.0.2.1
        d.example A 192.0.2.80";
    assert_eq!(found(zone, "sip:d.example", all()), Err(Reason::NoService), "and its web server is left alone");
    assert_eq!(found(zone, "sip:d.example;transport=udp", all()), Err(Reason::NoService));
    assert_eq!(found(zone, "sip:e.example", all()), Ok(targets(&["tcp 192.0.2.1:5060"])));
}

#[test]
fn records_that_lead_nowhere_are_not_replaced_by_the_domain_itself() {
    let zone = "
        _sip._udp.d.example SRV 0 0 5060 gone.example
        d.example A 192.0.2.80";
    assert_eq!(found(zone, "sip:d.example", all()), Err(Reason::NoAddress));
}

#[test]
fn silence_is_told_from_absence() {
    let found = |zone: &str| found(zone, "sip:d.example", all());
    assert_eq!(found("d.example A silent"), Err(Reason::Unavailable));
    let srv = "_sip._udp.d.example SRV silent\nd.example A 192.0.2.80";
    assert_eq!(found(srv), Err(Reason::Unavailable), "the web server of the domain is not where its messages go");
    let naptr = "d.example NAPTR silent\n_sip._udp.d.example SRV 0 0 5060 a.example\na.example A 192.0.2.1";
    assert_eq!(found(naptr), Ok(targets(&["udp 192.0.2.1:5060"])), "there are resolvers that know no NAPTR");
    let one = "
        _sip._udp.d.example SRV 0 0 5060 a.example
        _sip._udp.d.example SRV 1 0 5060 b.example
        a.example A silent
        b.example A 192.0.2.2";
    assert_eq!(found(one), Ok(targets(&["udp 192.0.2.2:5060"])));
}

#[test]
fn what_was_found_holds_as_long_as_the_first_answer_that_ends() {
    let zone = Zone::new(EXAMPLE);
    let look = |query: &Query| {
        let seconds = if matches!(query, Query::Srv { .. }) { 7 } else { 60 };
        Some((Box::leak(Box::new(zone.answer(query).0)) as &Answer, s(seconds)))
    };
    assert!(matches!(search(&to("sip:example.com"), plain(), look), Step::Found(_, until) if until == s(7)));
}

#[test]
fn a_hundred_targets_are_bounded() {
    let mut zone = String::new();
    for n in 0..100 {
        zone.push_str(&format!("_sip._udp.d.example SRV {} 0 5060 h{n}.example\n", 100 - n));
        for ip in 0..100 {
            zone.push_str(&format!("h{n}.example A 10.0.{n}.{ip}\n"));
        }
    }
    let (plan, asked) = Zone::new(&zone).search("sip:d.example", all());
    let targets: Vec<_> = plan.unwrap().all().collect();
    assert_eq!(targets.len(), limits::SRV_RECORDS * limits::ADDRESSES);
    assert_eq!(targets[0], target("udp 10.0.99.0:5060"), "the lowest priorities are the ones kept");
    assert!(asked.iter().map(Vec::len).sum::<usize>() <= 3 + limits::SRV_RECORDS);
}

#[test]
fn a_hundred_naptr_records_are_bounded() {
    let record = |n: usize| format!("d.example NAPTR {n} 0 s SIP+D2U - _sip._udp.d{n}.example\n");
    let zone: String = (0..100).map(record).collect();
    let (plan, asked) = Zone::new(&zone).search("sip:d.example", all());
    assert_eq!(plan, Err(Reason::NoAddress));
    assert!(asked.len() <= limits::NAPTR_RECORDS + 2 && asked.len() < limits::ROUNDS as usize);
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[ab]\\.example", Just("d.example".to_owned()), Just(".".to_owned()), Just(String::new())]
}

fn srv() -> impl Strategy<Value = Srv> {
    (0_u16..4, 0_u16..4, any::<u16>(), name()).prop_map(|(priority, weight, port, target)| Srv {
        priority,
        weight,
        port,
        target,
    })
}

fn naptr() -> impl Strategy<Value = Naptr> {
    let services = prop_oneof![Just("SIP+D2U"), Just("SIP+D2T"), Just("SIPS+D2T"), Just("SIP+D2W"), Just("")];
    (0_u16..3, 0_u16..3, "[sau]?", services, name()).prop_map(|(order, preference, flags, services, replacement)| {
        Naptr { order, preference, flags, services: services.to_owned(), regexp: String::new(), replacement }
    })
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        proptest::collection::vec(srv(), 0..30).prop_map(Answer::Srv),
        proptest::collection::vec(naptr(), 0..30).prop_map(Answer::Naptr),
        proptest::collection::vec(any::<std::net::Ipv4Addr>().prop_map(Into::into), 0..20).prop_map(Answer::Addresses),
        Just(Answer::NoSuchName),
        Just(Answer::Unavailable),
    ]
}

proptest! {
    /// Whatever DNS says, of whatever kind: every search ends, within its bounds, and a sips URI is never insecure.
    #[test]
    fn every_search_ends(answers in proptest::collection::vec(answer(), 40), secure: bool) {
        let uri = if secure { "sips:d.example" } else { "sip:d.example" };
        let (mut known, mut answers) = (HashMap::new(), answers.into_iter());
        for _ in 0..=limits::ROUNDS {
            let look = |query: &Query| known.get(query).map(|answer| (answer, s(1)));
            match search(&to(uri), all(), look) {
                Step::Ask(queries) => {
                    prop_assert!(!queries.is_empty() && queries.len() <= limits::SRV_RECORDS);
                    for query in queries {
                        let answer = answers.next().unwrap_or(Answer::NoSuchName);
                        prop_assert!(known.insert(query, answer).is_none(), "asked twice");
                    }
                }
                Step::Found(plan, _) => {
                    let found: Vec<_> = plan.all().collect();
                    prop_assert!(!found.is_empty() && found.len() <= limits::SRV_RECORDS * limits::ADDRESSES);
                    prop_assert!(!secure || found.iter().all(|target| target.transport == Transport::Tls));
                    return Ok(());
                }
                Step::NotFound(..) => return Ok(()),
            }
        }
        prop_assert!(false, "the search goes on and on");
    }
}
