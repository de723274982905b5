#![allow(clippy::unwrap_used)]

use super::*;

fn network(text: &str) -> Network {
    let (first, bits) = text.split_once('/').unwrap();
    Network { first: first.parse().unwrap(), bits: bits.parse().unwrap() }
}

fn peer(name: &str, net: &str, domain: &str) -> Peer {
    Peer::new(name, vec![network(net)], vec![domain.to_owned()])
}

fn source(ip: &str) -> Source<'static> {
    Source { ip: ip.parse().unwrap(), port: 5060, transport: Transport::Udp, names: &[], account: None }
}

fn trust() -> Trust {
    Trust::new(
        vec![
            peer("pbx", "192.0.2.0/24", "pbx.example"),
            peer("branch", "192.0.2.7/32", "branch.example"),
            peer("six", "2001:db8::/32", "six.example"),
        ],
        Stranger::Refuse,
    )
}

#[test]
fn a_source_speaks_for_its_domains_only() {
    let trust = trust();
    let judge = |ip: &str, domain: &str| trust.judge(&source(ip), domain);
    assert_eq!(judge("192.0.2.9", "PBX.example"), Verdict::Believed(0));
    assert_eq!(judge("192.0.2.7", "branch.example"), Verdict::Believed(1));
    assert_eq!(judge("192.0.2.9", "branch.example"), Verdict::Forbidden);
    assert_eq!(judge("::ffff:192.0.2.9", "pbx.example"), Verdict::Believed(0));
    assert_eq!(judge("2001:db8:1::1", "six.example"), Verdict::Believed(2));
    assert_eq!(judge("198.51.100.1", "pbx.example"), Verdict::Unknown(Stranger::Refuse));
}

#[test]
fn a_network_of_no_bits_holds_its_whole_family() {
    assert!(network("0.0.0.0/0").contains("203.0.113.9".parse().unwrap()));
    assert!(!network("0.0.0.0/0").contains("2001:db8::1".parse().unwrap()));
    assert!(network("::/0").contains("2001:db8::1".parse().unwrap()));
}

#[test]
fn port_and_transport_tell_two_systems_at_one_address_apart() {
    let at = |transport, port| Range { network: network("192.0.2.7/32"), transport, port };
    let one = Peer { ranges: vec![at(None, Some(5080))], ..peer("one", "192.0.2.7/32", "one.example") };
    let two = Peer { ranges: vec![at(Some(Transport::Tcp), None)], ..peer("two", "192.0.2.7/32", "two.example") };
    let trust = Trust::new(vec![one, two], Stranger::Drop);
    let from = |transport, port| Source { transport, port, ..source("192.0.2.7") };
    assert_eq!(trust.judge(&from(Transport::Udp, 5080), "one.example"), Verdict::Believed(0));
    assert_eq!(trust.judge(&from(Transport::Udp, 5080), "two.example"), Verdict::Forbidden);
    assert_eq!(trust.judge(&from(Transport::Tcp, 40_000), "two.example"), Verdict::Believed(1));
    assert_eq!(trust.judge(&from(Transport::Udp, 5060), "one.example"), Verdict::Unknown(Stranger::Drop));
    // Whoever connects may have any port, so a port says nothing there.
    assert_eq!(trust.judge(&from(Transport::Tcp, 5080), "one.example"), Verdict::Forbidden);
}

#[test]
fn a_certificate_makes_a_peer_wherever_it_comes_from() {
    let named =
        Peer { tls_name: Some("pbx.example".to_owned()), domains: vec!["pbx.example".to_owned()], ..Peer::default() };
    let trust = Trust::new(vec![named], Stranger::Drop);
    let names = |name: &str| vec!["host.example".to_owned(), name.to_owned()];
    for (name, verdict) in [
        ("pbx.example", Verdict::Believed(0)),
        ("sip:PBX.example", Verdict::Believed(0)),
        ("*.example", Verdict::Unknown(Stranger::Drop)),
        ("pbx.example.evil.example", Verdict::Unknown(Stranger::Drop)),
        ("im:pbx.example", Verdict::Unknown(Stranger::Drop)),
    ] {
        let names = names(name);
        let source = Source { transport: Transport::Tls, names: &names, ..source("203.0.113.9") };
        assert_eq!(trust.judge(&source, "pbx.example"), verdict, "{name}");
    }
    let before = Source { transport: Transport::Tls, ..source("203.0.113.9") };
    assert_eq!(trust.standing_of_connection(&before), Standing::Peer);
    assert_eq!(trust.standing(&before), Standing::Stranger(Stranger::Drop));
    assert_eq!(trust.standing_of_connection(&source("203.0.113.9")), Standing::Stranger(Stranger::Drop));
}

#[test]
fn an_account_has_to_be_proven_and_only_where_it_helps() {
    let trunk =
        Peer { account: Some("branch".to_owned()), domains: vec!["branch.example".to_owned()], ..Peer::default() };
    let trust = Trust::new(vec![peer("pbx", "192.0.2.0/24", "pbx.example"), trunk], Stranger::Drop);
    let (here, there) = (source("192.0.2.9"), source("203.0.113.9"));
    assert_eq!(trust.judge(&there, "branch.example"), Verdict::Unproven);
    assert_eq!(trust.judge(&there.with_account("branch"), "branch.example"), Verdict::Believed(1));
    assert_eq!(trust.judge(&there.with_account("other"), "branch.example"), Verdict::Unknown(Stranger::Drop));
    assert_eq!(trust.judge(&there, "pbx.example"), Verdict::Unknown(Stranger::Drop));
    assert_eq!(trust.judge(&there.with_account("branch"), "pbx.example"), Verdict::Forbidden);
    assert_eq!(trust.judge(&here, "pbx.example"), Verdict::Believed(0));
    assert_eq!(trust.judge(&here, "branch.example"), Verdict::Unproven);
    assert_eq!(trust.standing(&there), Standing::Unproven);
    assert_eq!(trust.standing(&here), Standing::Peer);
}

#[test]
fn what_a_peer_is_recognised_by_must_all_be_there() {
    let strict = Peer { account: Some("pbx".to_owned()), ..peer("strict", "192.0.2.0/24", "pbx.example") };
    let trust =
        Trust::new(vec![strict, Peer { domains: vec!["pbx.example".to_owned()], ..Peer::default() }], Stranger::Drop);
    let judge = |source: &Source<'_>| trust.judge(source, "pbx.example");
    assert_eq!(judge(&source("192.0.2.9").with_account("pbx")), Verdict::Believed(0));
    assert_eq!(judge(&source("192.0.2.9")), Verdict::Unproven);
    // Nor is an entry that is recognised by nothing at all everybody.
    assert_eq!(judge(&source("203.0.113.9").with_account("pbx")), Verdict::Unknown(Stranger::Drop));
}

#[test]
fn an_asserted_identity_counts_only_from_those_who_are_trusted_to_have_looked() {
    let proxy = Peer { asserted_identity: true, ..peer("proxy", "192.0.2.1/32", "pbx.example") };
    let trust = Trust::new(vec![proxy, peer("pbx", "192.0.2.2/32", "pbx.example")], Stranger::Refuse);
    let judge = |ip, from, asserted| trust.judge(&source(ip), Claim { from, asserted });
    assert_eq!(judge("192.0.2.1", "anonymous.invalid", Some("pbx.example")), Verdict::Believed(0));
    assert_eq!(judge("192.0.2.1", "pbx.example", Some("else.example")), Verdict::Forbidden);
    assert_eq!(judge("192.0.2.1", "pbx.example", None), Verdict::Believed(0));
    assert_eq!(judge("192.0.2.2", "anonymous.invalid", Some("pbx.example")), Verdict::Forbidden);
    assert_eq!(judge("192.0.2.2", "pbx.example", Some("else.example")), Verdict::Believed(1));
}

#[test]
fn a_peer_takes_what_its_entry_lists() {
    let quiet = Peer { accept: vec![Method::Message], ..peer("quiet", "192.0.2.1/32", "pbx.example") };
    let trust = Trust::new(vec![quiet, peer("pbx", "192.0.2.2/32", "pbx.example")], Stranger::Refuse);
    assert!(trust.accepts(&source("192.0.2.1"), &Method::Message));
    assert!(!trust.accepts(&source("192.0.2.1"), &Method::Options));
    assert!(trust.accepts(&source("192.0.2.2"), &Method::Options));
    assert!(!trust.accepts(&source("192.0.2.3"), &Method::Message));
}
