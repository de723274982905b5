//! How connections are kept, probed, used again and ended.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use super::rig::*;

fn over_tcp(text: &str) -> String {
    message("romeo", "juliet", text).replace("SIP/2.0/UDP", "SIP/2.0/TCP")
}

fn write(world: &mut World, id: &str) {
    world.server.send(&format!(
        "<message from='juliet@xmpp.example/balcony' to='romeo@sip.example' id='{id}'><body>{id}</body></message>"
    ));
}

/// A gateway whose next hop is a TCP server of the test.
fn world(limits: &str) -> (World, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let next_hop = format!("sip:{};transport=tcp", listener.local_addr().unwrap());
    (World::with(&Setup { next_hop: Some(&next_hop), more: limits, ..Setup::default() }), listener)
}

#[test]
fn a_connection_of_ours_is_used_again_probed_while_in_use_and_then_let_go() {
    let (mut world, listener) = world("[limits]\ntcp_keepalive = \"1s\"\ntcp_idle = \"3s\"\n");
    write(&mut world, "first");
    let mut line = Line::of(listener.accept().unwrap().0);
    for id in ["first", "second"] {
        if id == "second" {
            write(&mut world, id);
        }
        let head = line.read_head();
        assert!(head.starts_with("MESSAGE "), "{head}");
        line.try_read_until(id, PATIENCE).unwrap();
        line.send(&response(&head, 200, "OK"));
    }
    // RFC 5626 section 4.4.1: a ping, whose answer is half of it.
    assert_eq!(line.try_read_until("\r\n\r\n", PATIENCE), Ok("\r\n\r\n".to_owned()));
    line.send("\r\n");
    let rest = line.read_to_end(PATIENCE);
    assert!(rest.chars().all(|c| c == '\r' || c == '\n'), "nothing but pings until it is idle: {rest:?}");
    write(&mut world, "later");
    let mut again = Line::of(listener.accept().unwrap().0);
    assert!(again.read_head().starts_with("MESSAGE "));
}

#[test]
fn who_hangs_up_before_answering_is_told_of_at_once() {
    let (mut world, listener) = world("");
    write(&mut world, "hung-up");
    let mut line = Line::of(listener.accept().unwrap().0);
    line.read_head();
    let before = Instant::now();
    drop(line);
    let stanza = world.server.read_until("</message>");
    assert!(stanza.contains("type='error'") && stanza.contains("hung-up"), "{stanza}");
    assert!(before.elapsed() < Duration::from_secs(10), "not only after Timer F");
}

#[test]
fn a_stranger_that_has_nothing_to_say_is_let_go_long_before_a_peer() {
    let limits = "[limits]\ntcp_idle_strangers = \"1s\"\ntcp_idle = \"1h\"\n";
    let mut world = World::with(&Setup { more: limits, ..Setup::default() });
    let mut peer = Line::to(&world.stox);
    let mut stranger = Line::from("127.0.0.99:0".parse().unwrap(), &world.stox);
    stranger.send("\r\n\r\n");
    assert_eq!(stranger.read_to_end(PATIENCE), "\r\n", "keep-alives are answered, and keep nothing open");
    peer.send(&over_tcp("still there"));
    world.server.answer_pings();
    assert!(peer.read_head().starts_with("SIP/2.0 200 "));
}

#[test]
fn the_answer_to_what_cannot_be_read_arrives_however_much_follows() {
    let mut world = World::new();
    let bad = over_tcp("x").replace("Content-Length: 1\r\n", "Content-Length: 99999999\r\n");
    for _ in 0..20 {
        let mut line = Line::to(&world.stox);
        // What the gateway never reads would make its system reset the connection, were it closed at once.
        line.try_send(format!("{bad}{}", "x".repeat(200_000)).as_bytes());
        let answer = line.read_to_end(PATIENCE);
        assert!(answer.starts_with("SIP/2.0 413 "), "{answer}");
    }
    world.assert_it_works();
}

#[test]
fn everything_works_over_ipv6() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else { return };
    let SocketAddr::V6(phone) = listener.local_addr().unwrap() else { panic!("not IPv6") };
    // A port that was free a moment ago, on the one address of IPv6's loopback.
    let port = TcpListener::bind("[::1]:0").unwrap().local_addr().unwrap().port();
    let listen = format!("listen = [\"udp:{{ip}}:5060\", \"udp:[::1]:{port}\", \"tcp:[::1]:{port}\"]");
    let next_hop = format!("sip:{phone};transport=tcp");
    let mut world = World::with(&Setup { listen: Some(&listen), next_hop: Some(&next_hop), ..Setup::default() });
    let own: SocketAddr = format!("[::1]:{port}").parse().unwrap();

    let mut line = Line::of(connect(own));
    line.send(&over_tcp("over IPv6"));
    world.server.answer_pings();
    let head = line.read_head();
    assert!(head.starts_with("SIP/2.0 200 ") && head.contains("received=::1"), "{head}");

    let datagrams = Phone::at("::1".parse().unwrap());
    let text = message("romeo", "juliet", "over UDP and IPv6");
    datagrams.send(own, &text);
    world.server.answer_pings();
    assert!(datagrams.read_response_to(call_id(&text)).starts_with("SIP/2.0 200 "));

    write(&mut world, "to-ipv6");
    let mut called = Line::of(listener.accept().unwrap().0);
    let request = called.read_head();
    assert!(request.contains(&format!("Via: SIP/2.0/TCP [::1]:{port};")), "{request}");
    called.send(&response(&request, 200, "OK"));
}

#[test]
fn all_connections_together_hold_no_more_than_their_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let next_hop = format!("sip:{};transport=tcp", listener.local_addr().unwrap());
    let more = "[limits]\ntcp_output = 1073741824\ntcp_output_in_all = 65536\ntcp_stall = \"2s\"\n";
    let mut world = World::with(&Setup { sip: "t1 = \"50ms\"", more, next_hop: Some(&next_hop), ..Setup::default() });
    let body = "x".repeat(60_000);
    for n in 0..200 {
        world.server.send(&format!(
            "<message from='u{n}@xmpp.example' to='romeo@sip.example' id='full-{n}'><body>{body}</body></message>"
        ));
    }
    let deaf = listener.accept().unwrap();
    let mut full = 0;
    for _ in 0..200 {
        let stanza = world.server.read_until("</message>");
        assert!(stanza.contains("type='error'"), "{stanza}");
        full += usize::from(stanza.contains("queue full"));
    }
    assert!(full > 0);
    wait_until("nothing waits any more", || world.stox.metric("stox_sip_output_bytes") == 0.0);
    drop(deaf);
    world.assert_sip_to_xmpp_works();
}
