//! Certificates of streams between servers while stox runs: ours are replaced, and those of others end.

use super::rig::*;
use crate::certs::{Authority, Signed};

const DOMAIN: &str = "[[domain]]\nhome = \"sip\"\nxmpp = \"gw.example\"\nsip = \"phones.example\"\n\
                      next_hop = \"sip:127.0.0.1:5099\"\n";

/// A gateway that is the XMPP server of `gw.example`, with TLS from the first byte at port 5270.
fn world(files: &Files) -> World {
    let section = files.section("").replace("[sip.tls]", "[xmpp.server]\ndomains = [\"gw.example\"]");
    let listen = "listen = [\"udp:{ip}:5060\", \"tcp:{ip}:5060\"]\n";
    let listen = format!("{listen}{section}listen = [\"tls:{{ip}}:5270\"]\n");
    World::with(&Setup { listen: Some(&listen), more: DOMAIN, ..Setup::default() })
}

/// The server of `b.example`, which shows this certificate.
fn peer(world: &World, authority: &Authority, own: Option<&Signed>) -> TlsCaller {
    TlsCaller::to(world.stox.at(5270), &tls_client(authority, own))
}

const HEADER: &str = "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
                      from='b.example' to='gw.example' version='1.0'>";

#[test]
fn a_new_certificate_of_a_domain_is_shown_and_its_streams_go_on() {
    let files = Files::new();
    let world = world(&files);
    let shown = || peer(&world, &files.authority, None).shown();
    let first = shown();
    let days = world.stox.metric("stox_certificate_days_left");
    assert!(days > 365.0 * 1_900.0, "until the year 4000: {days}");
    let mut kept = peer(&world, &files.authority, None);
    kept.send(HEADER);
    assert!(kept.try_read_until("</stream:features>").unwrap().contains("from='gw.example'"));

    files.write("key.pem", "junk");
    world.stox.signal("-HUP");
    world.stox.wait_for_line(&["the new files are not taken", "key.pem has no private key"]);
    assert_eq!(shown(), first);

    files.write_own(&files.authority.sign_until(&["gw.example"], 3_000));
    world.stox.signal("-HUP");
    wait_until("the new certificate is shown", || shown() != first);
    assert!(world.stox.metric("stox_certificate_days_left") < days);
    kept.send("</stream:stream>");
    assert!(kept.try_read_until("</stream:stream>").unwrap().ends_with("</stream:stream>"), "an open stream goes on");
}

#[test]
fn a_stream_whose_peer_has_let_its_certificate_expire_is_reset() {
    let files = Files::new();
    let mut world = world(&files);
    let own = files.authority.sign_for_seconds(&["b.example"], 5);
    let mut peer = peer(&world, &files.authority, Some(&own));
    peer.send(HEADER);
    let features = peer.try_read_until("</stream:features>").unwrap();
    assert!(features.contains("<mechanism>EXTERNAL</mechanism>"), "{features}");
    peer.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>");
    peer.try_read_until("<success").unwrap();
    peer.send(HEADER);
    peer.try_read_until("</stream:features>").unwrap();
    let end = peer.try_read_until("</stream:stream>").unwrap();
    assert!(end.contains("<reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"), "{end}");
    assert!(end.contains("your certificate has expired"), "{end}");
    world.stox.assert_alive();
}
