//! Who may send.

use super::{SMALL, lines, parse};
use stox::config::Config;
use stox::gateway::rate::Rate;
use stox::gateway::trust::{Peer, Range};
use stox::sip::locate::Transport;
use stox::sip::message::Method;

/// The small configuration with `text` behind the sockets.
fn with(text: &str) -> String {
    SMALL.replace("tcp:127.0.0.1:5060\"]", &format!("tcp:127.0.0.1:5060\"]\n{text}"))
}

fn peers(text: &str) -> Vec<Peer> {
    let Config { peers, warnings, .. } = parse(&with(text)).unwrap();
    assert_eq!(lines(warnings), Vec::<String>::new());
    peers.into_iter().map(|peer| peer.known).collect()
}

fn mistakes(text: &str) -> Vec<String> {
    let told = lines(parse(&with(&format!("[[sip.peer]]\nname = \"x\"\n{text}"))).unwrap_err());
    told.iter().map(|line| line.split_once(": ").map_or("", |(_, rest)| rest).to_owned()).collect()
}

const ACCOUNT: &str =
    "[[sip.account]]\nusername = \"branch\"\npassword = \"s3cret-too\"\ndomains = [\"pbx.example\"]\n";

#[test]
fn a_peer_is_known_by_where_it_sends_from_by_its_certificate_or_by_its_account() {
    let text = format!(
        "[[sip.peer]]\nname = \"one\"\nsource = [\"192.0.2.0/24\", \"udp:192.0.2.7:5080\", \"tls:2001:db8::/32\", \
         \"[2001:db8::7]:5080\"]\ndomains = [\"pbx.example\"]\nasserted_identity = true\naccept = [\"MESSAGE\"]\n\
         rate = 100\nuser_rate = 5\nuser_burst = 7\n\
         [[sip.peer]]\nname = \"two\"\ntls_name = \"PBX.example\"\ndomains = [\"pbx.example\"]\n\
         [[sip.peer]]\nname = \"three\"\naccount = \"branch\"\nsource = [\"192.0.2.1\"]\n{ACCOUNT}"
    );
    let peers = peers(&text);
    let [one, two, three, implied] = peers.as_slice() else { panic!("{peers:#?}") };
    let shown: Vec<String> = one.ranges.iter().map(Range::to_string).collect();
    assert_eq!(shown, ["192.0.2.0/24", "udp:192.0.2.7:5080", "tls:2001:db8::/32", "[2001:db8::7]:5080"]);
    assert_eq!((one.ranges[2].transport, one.ranges[3].port), (Some(Transport::Tls), Some(5080)));
    assert!(one.asserted_identity && !two.asserted_identity);
    assert_eq!(one.accept, [Method::Message]);
    assert_eq!(one.rate, Some(Rate { per_second: 100, burst: 200 }));
    assert_eq!(one.user_rate, Some(Rate { per_second: 5, burst: 7 }));
    assert_eq!((two.tls_name.as_deref(), two.ranges.len()), (Some("pbx.example"), 0));
    assert_eq!((three.account.as_deref(), three.domains.as_slice()), (Some("branch"), &["pbx.example".to_owned()][..]));
    assert_eq!(implied.name, "pbx.example", "the account has an entry, so none is implied");
}

#[test]
fn an_account_without_an_entry_is_a_peer_from_anywhere() {
    let peers = peers(ACCOUNT);
    let [account, domain] = peers.as_slice() else { panic!("{peers:#?}") };
    assert_eq!((account.account.as_deref(), account.ranges.len()), (Some("branch"), 0));
    assert_eq!((account.domains.len(), domain.account.as_deref()), (1, None));
}

#[test]
fn mistakes_in_a_peer_are_told() {
    for (text, told) in [
        (
            "domains = [\"pbx.example\"]",
            "sip.peer.source: is missing; write the networks it sends from, such as [\"192.0.2.0/24\"], or tls_name, or \
             account",
        ),
        (
            "source = [\"192.0.2.1\"]",
            "sip.peer.domains: is missing; write the SIP domains it may use in From, such as [\"pbx.example\"]",
        ),
        (
            "source = [\"tcp:192.0.2.1:5060\"]\ndomains = [\"pbx.example\"]",
            "sip.peer.source: \"tcp:192.0.2.1:5060\" has a port, and who connects does so from any; leave the port out",
        ),
        (
            "source = [\"192.0.2.1:x\"]\ndomains = [\"pbx.example\"]",
            "sip.peer.source: \"192.0.2.1:x\" has a bad port (\"x\"); write a network, and in front of it udp: or tcp: or \
             tls:, or behind it a port, if that matters: \"192.0.2.0/24\", \"tcp:192.0.2.7\", \"192.0.2.7:5080\", \
             \"[2001:db8::7]:5080\"",
        ),
        (
            "tls_name = \"*.example\"\ndomains = [\"pbx.example\"]",
            "sip.peer.tls_name: \"*.example\" has a wildcard, and no SIP certificate is believed one (RFC 5922 section \
             7.2); write the whole name, such as pbx.example",
        ),
        (
            "account = \"nobody\"\ndomains = [\"pbx.example\"]",
            "sip.peer.account: no [[sip.account]] has username = \"nobody\"; add one with its password, or correct the \
             name",
        ),
        (
            "source = [\"192.0.2.1\"]\ndomains = [\"pbx.example\"]\naccept = [\"message\"]",
            "sip.peer.accept: \"message\" is no method of SIP; write methods in capitals, such as [\"MESSAGE\", \
             \"OPTIONS\"]",
        ),
        (
            "source = [\"192.0.2.1\"]\ndomains = [\"pbx.example\"]\nburst = 5",
            "sip.peer.burst: means nothing without rate; write rate, or remove burst",
        ),
        (
            "source = [\"192.0.2.1\"]\ndomains = [\"pbx.example\"]\nrate = 0",
            "sip.peer.rate: 0 is out of range; write a whole number from 1 to 1000000",
        ),
    ] {
        assert_eq!(mistakes(text), [told], "{text}");
    }
}
