//! TLS in both roles: who is let in, who is believed, and what is said of those who are not.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use super::rig::*;
use crate::certs::Authority;

const LISTEN: &str = "listen = [\"udp:{ip}:5060\", \"tcp:{ip}:5060\", \"tls:{ip}:5061\"]";

/// A gateway with a certificate; its next hop is reached over TLS where one is given.
fn world(files: &Files, client_certificates: &str, next_hop: Option<SocketAddr>, limits: &str) -> World {
    let section = files.section(&format!("client_certificates = \"{client_certificates}\""));
    let next_hop = next_hop.map(|addr| format!("sip:{addr};transport=tls"));
    World::with(&Setup {
        listen: Some(LISTEN),
        more: &format!("{section}{limits}"),
        next_hop: next_hop.as_deref(),
        ..Setup::default()
    })
}

fn over_tls(text: &str) -> String {
    message("romeo", "juliet", text).replace("SIP/2.0/UDP", "SIP/2.0/TLS")
}

/// Juliet writes to Romeo.
fn write(world: &mut World, id: &str) {
    world.server.send(&format!(
        "<message from='juliet@xmpp.example/balcony' to='romeo@sip.example' id='{id}'><body>{id}</body></message>"
    ));
}

/// Juliet hears that it failed, and why.
fn read_error(world: &mut World, id: &str) -> String {
    let stanza = world.server.read_until("</message>");
    assert!(stanza.contains("type='error'") && stanza.contains(id), "{stanza}");
    stanza
}

const PING: &str = "\r\n\r\n";

#[test]
fn messages_cross_both_ways_between_two_that_prove_their_names() {
    let files = Files::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut world = world(&files, "require", Some(listener.local_addr().unwrap()), "");
    let pbx = files.authority.sign(&["sip:pbx.example"]);

    let mut caller = TlsCaller::to(world.stox.at(5061), &tls_client(&files.authority, Some(&pbx)));
    caller.send(&over_tls("from the PBX"));
    world.server.answer_pings();
    assert!(caller.read_message().starts_with("SIP/2.0 200 "));

    // Only one of the PBX that says so ("alias") may be used for requests to it (RFC 5923): a new one is made.
    write(&mut world, "to-the-pbx");
    let mut called = TlsCalled::accept(&listener, &tls_server(&files.authority, &pbx));
    let request = called.read_message();
    assert!(request.starts_with("MESSAGE sip:romeo@pbx.example SIP/2.0\r\nVia: SIP/2.0/TLS "), "{request}");
    called.send(&response(&request, 200, "OK"));
    let shown = called.stream.conn.peer_certificates().unwrap().len();
    assert_eq!(shown, 1, "it shows its own certificate");

    write(&mut world, "once-more");
    let again = called.read_message();
    assert!(again.ends_with("once-more"), "the same connection is used again: {again}");
    called.send(&response(&again, 200, "OK"));
    world.stox.assert_alive();
}

#[test]
fn who_cannot_prove_anything_is_refused_and_the_log_says_why() {
    let files = Files::new();
    let mut world = world(&files, "require", None, "");
    let other = Authority::new();
    for (own, why) in [
        (Some(files.authority.sign_until(&["pbx.example"], 2_020)), "its certificate expired on 2020-01-01"),
        (Some(other.sign(&["pbx.example"])), "its certificate is signed by nobody we trust"),
        (None, "it shows no certificate"),
    ] {
        for version in rustls::ALL_VERSIONS {
            let config = tls_client_of(&files.authority, own.as_ref(), &[version]);
            let mut caller = TlsCaller::to(world.stox.at(5061), &config);
            let local = caller.stream.sock.local_addr().unwrap().to_string();
            assert!(!caller.is_answered(PING), "{why}");
            world.stox.wait_for_line(&["TLS refused", why, &local]);
        }
    }
    world.stox.wait_for_metric("stox_sip_handshakes_failed", 6.0);
    world.stox.wait_for_metric("stox_sip_connections_opened", 0.0);
    world.assert_it_works();
}

#[test]
fn who_is_only_asked_need_not_prove_anything_but_must_not_try_with_a_bad_one() {
    let files = Files::new();
    let mut world = world(&files, "ask", None, "");
    let mut nobody = TlsCaller::to(world.stox.at(5061), &tls_client(&files.authority, None));
    assert!(nobody.is_answered(PING));
    let expired = files.authority.sign_until(&["pbx.example"], 2_020);
    let mut bad = TlsCaller::to(world.stox.at(5061), &tls_client(&files.authority, Some(&expired)));
    assert!(!bad.is_answered(PING));
    world.stox.wait_for_line(&["TLS refused", "expired on"]);
    world.assert_it_works();
}

#[test]
fn without_asking_nobody_shows_a_certificate() {
    let files = Files::new();
    let world = world(&files, "none", None, "");
    let expired = files.authority.sign_until(&["pbx.example"], 2_020);
    let mut caller = TlsCaller::to(world.stox.at(5061), &tls_client(&files.authority, Some(&expired)));
    assert!(caller.is_answered(PING), "a certificate that nobody asked for was not shown");
}

#[test]
fn a_next_hop_that_cannot_prove_its_name_gets_nothing_and_the_sender_hears_why() {
    let (files, other) = (Files::new(), Authority::new());
    for (own, log, error) in [
        (
            files.authority.sign_until(&["pbx.example"], 2_020),
            "its certificate expired on 2020-01-01",
            "its certificate has expired or is not valid yet",
        ),
        (
            files.authority.sign(&["*.example", "sip.pbx.example"]),
            "its certificate names *.example, sip.pbx.example, not pbx.example",
            "its certificate names another domain",
        ),
        (
            files.authority.sign(&["sip:other.example", "pbx.example"]),
            "its certificate names other.example, not pbx.example",
            "its certificate names another domain",
        ),
        (
            other.sign(&["pbx.example"]),
            "its certificate is signed by nobody we trust",
            "its certificate is signed by nobody we trust",
        ),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut world = world(&files, "ask", Some(listener.local_addr().unwrap()), "");
        write(&mut world, "not-sent");
        let mut called = TlsCalled::accept(&listener, &tls_server(&files.authority, &own));
        assert!(called.try_read_until("MESSAGE").is_err(), "{log}");
        let stanza = read_error(&mut world, "not-sent");
        assert!(stanza.contains(error), "{stanza}");
        world.stox.wait_for_line(&["no TLS with the next hop", log, &listener.local_addr().unwrap().to_string()]);
        world.stox.assert_alive();
    }
}

#[test]
fn a_next_hop_that_speaks_no_tls_or_nothing_at_all_is_told_of() {
    let files = Files::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let limits = "[limits]\ntcp_handshake = \"1s\"\n";
    let mut world = world(&files, "ask", Some(listener.local_addr().unwrap()), limits);
    write(&mut world, "plain");
    let mut socket = listener.accept().unwrap().0;
    socket.write_all(b"SIP/2.0 400 What is this\r\n\r\n").unwrap();
    let stanza = read_error(&mut world, "plain");
    assert!(stanza.contains("it does not speak TLS as we do"), "{stanza}");
    write(&mut world, "silent");
    let silent = listener.accept().unwrap();
    let stanza = read_error(&mut world, "silent");
    assert!(stanza.contains("the handshake took too long"), "{stanza}");
    drop(silent);
    world.assert_sip_to_xmpp_works();
}

#[test]
fn a_next_hop_that_refuses_our_certificate_is_told_of() {
    let files = Files::new();
    files.write_own(&files.authority.sign_until(&["gw.example"], 2_020));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut world = world(&files, "ask", Some(listener.local_addr().unwrap()), "");
    write(&mut world, "refused");
    let mut called =
        TlsCalled::accept(&listener, &tls_server(&files.authority, &files.authority.sign(&["pbx.example"])));
    assert!(called.try_read_until("MESSAGE").is_err());
    read_error(&mut world, "refused");
    world.stox.wait_for_line(&["it refused us (CertificateExpired)"]);
}

#[test]
fn requests_go_back_by_a_connection_only_if_its_peer_has_proven_the_domain_and_asks_for_it() {
    let files = Files::new();
    for (names, alias, goes_back) in [
        (Some("sip:pbx.example"), true, true),
        (Some("sip:pbx.example"), false, false),
        (Some("sip:other.example"), true, false),
        (None, true, false),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let advertised = listener.local_addr().unwrap();
        let mut world = world(&files, "ask", Some(advertised), "");
        let own = names.map(|name| files.authority.sign(&[name]));
        let mut caller = TlsCaller::to(world.stox.at(5061), &tls_client(&files.authority, own.as_ref()));
        let via = format!("{advertised}{}", if alias { ";alias" } else { "" });
        caller.send(&over_tls("hello").replace("phone.invalid", &via));
        world.server.answer_pings();
        assert!(caller.read_message().starts_with("SIP/2.0 200 "));
        write(&mut world, "back");
        if goes_back {
            let request = caller.read_message();
            assert!(request.ends_with("back"), "{request}");
            caller.send(&response(&request, 200, "OK"));
        } else {
            let own = files.authority.sign(&["pbx.example"]);
            let mut called = TlsCalled::accept(&listener, &tls_server(&files.authority, &own));
            let request = called.read_message();
            assert!(request.ends_with("back"), "{request}");
            called.send(&response(&request, 200, "OK"));
        }
        world.stox.assert_alive();
    }
}

#[test]
fn a_new_certificate_is_shown_without_a_restart_and_a_broken_one_is_not_taken() {
    let files = Files::new();
    let world = world(&files, "ask", None, "");
    let config = tls_client(&files.authority, None);
    let shown = || TlsCaller::to(world.stox.at(5061), &config).shown();
    let ready = || world.stox.ask("/ready").1;
    let first = shown();
    assert!(ready().contains("\"sip certificate\",\"up\":true,\"detail\":\"valid until 4000-01-01\""), "{}", ready());
    let mut kept = TlsCaller::to(world.stox.at(5061), &config);
    assert!(kept.is_answered(PING));

    files.write("key.pem", &files.authority.sign(&["gw.example"]).key);
    world.stox.signal("-HUP");
    world.stox.wait_for_line(&["the new files are not taken", "key.pem does not belong to", "chain.pem"]);
    assert_eq!(shown(), first);
    assert!(ready().contains("the new files are not taken: "), "{}", ready());

    files.write_own(&files.authority.sign_until(&["gw.example"], 3_000));
    world.stox.signal("-HUP");
    wait_until("the new certificate is shown", || shown() != first);
    assert!(ready().contains("valid until 3000-01-01\""), "{}", ready());
    assert!(kept.is_answered(PING), "an open connection goes on");
}

#[test]
fn what_is_no_handshake_or_stops_in_the_middle_of_one_is_closed() {
    let files = Files::new();
    let mut world = world(&files, "ask", None, "[limits]\ntcp_handshake = \"1s\"\n");
    let mut garbage = connect(world.stox.at(5061));
    garbage.write_all(over_tls("not encrypted").as_bytes()).unwrap();
    let answer = read_all(&mut garbage);
    assert!(!answer.contains("SIP/2.0"), "{answer}");
    // A record that promises more than it has, and nothing at all.
    let mut sockets: Vec<TcpStream> = [&b"\x16\x03\x01\x02\x00\x01"[..], b""]
        .map(|start| {
            let mut socket = connect(world.stox.at(5061));
            socket.write_all(start).unwrap();
            socket
        })
        .into();
    for socket in &mut sockets {
        assert_eq!(read_all(socket), "");
    }
    wait_until("all are gone", || world.stox.metric("stox_sip_connections") == 0.0);
    world.stox.wait_for_metric("stox_sip_handshakes_failed", 3.0);
    world.assert_it_works();
}

#[test]
fn connections_in_the_middle_of_their_handshake_count() {
    let files = Files::new();
    let limits = "[limits]\ntcp_connections_per_source = 5\ntcp_handshake = \"5s\"\n";
    let mut world = world(&files, "ask", None, limits);
    let mut sockets: Vec<TcpStream> = (0..20).map(|_| connect(world.stox.at(5061))).collect();
    world.stox.wait_for_metric("stox_sip_connections_refused", 15.0);
    assert!(world.stox.metric("stox_sip_connections") <= 5.0);
    world.assert_it_works();
    for socket in &mut sockets {
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        assert_eq!(read_all(socket), "");
    }
    let mut caller = TlsCaller::to(world.stox.at(5061), &tls_client(&files.authority, None));
    assert!(caller.is_answered(PING), "places are free again");
}
