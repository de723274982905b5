//! SIP peers that send too much, stop half-way or never listen: bounded, counted, the others unharmed.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use super::rig::*;

/// What one bad peer may cost at most, besides what the limits of the test allow: buffers of the allocator and the kernel's
/// batches are in it.
const SOME: u64 = 24 << 20;

/// A message over TCP.
fn over_tcp(text: &str) -> String {
    message("romeo", "juliet", text).replace("SIP/2.0/UDP", "SIP/2.0/TCP")
}

#[test]
fn a_peer_that_stalls_half_way_is_closed_and_holds_up_nobody() {
    let mut world = World::with(&Setup { more: "[limits]\ntcp_stall = \"1s\"\n", ..Setup::default() });
    let text = over_tcp("never finished");
    let mut stalled: Vec<Line> = [10, 60, text.len() - 5]
        .map(|cut| {
            let mut line = Line::to(&world.stox);
            line.send(&text[..cut]);
            line
        })
        .into();
    world.assert_it_works();
    for line in &mut stalled {
        assert_eq!(line.read_to_end(PATIENCE), "");
    }
    world.assert_it_works();
}

#[test]
fn a_peer_that_sends_a_byte_now_and_then_is_closed_all_the_same() {
    let mut world = World::with(&Setup { more: "[limits]\ntcp_stall = \"1s\"\n", ..Setup::default() });
    let mut line = Line::to(&world.stox);
    for byte in over_tcp("never finished").bytes() {
        if !line.try_send(&[byte])
            || line.try_read_until("\n", Duration::from_millis(50)).is_err_and(|_| line.is_closed())
        {
            world.assert_it_works();
            return;
        }
    }
    panic!("it could go on for ever");
}

#[test]
fn a_megabyte_of_header_is_refused_and_its_connection_closed() {
    let mut world = World::new();
    let before = world.stox.memory();
    let head = over_tcp("x").split("Content-Type").next().unwrap().to_owned();
    let endless_line = format!("{head}X-Long: {}", "x".repeat(1 << 20));
    let endless_lines = format!("{head}{}", "X-Many: many\r\n".repeat((1 << 20) / 14));
    let endless_fold = format!("{head}X-Folded: a\r\n{}", " b\r\n".repeat((1 << 20) / 4));
    let no_line = "x".repeat(1 << 20);
    for (what, text, answered) in [
        ("line", endless_line, true),
        ("lines", endless_lines, true),
        ("folds", endless_fold, true),
        ("nothing", no_line, false),
    ] {
        for _ in 0..10 {
            let mut line = Line::to(&world.stox);
            line.try_send(text.as_bytes());
            let answer = line.read_to_end(PATIENCE);
            assert_eq!(answer.starts_with("SIP/2.0 513 "), answered, "{what}: {answer}");
        }
    }
    world.stox.wait_for_metric("stox_sip_connections", 0.0);
    let grown = world.stox.memory().saturating_sub(before);
    assert!(grown < SOME, "{grown} bytes more");
    world.assert_it_works();
}

#[test]
fn ten_thousand_pipelined_requests_are_all_answered_in_bounded_memory() {
    let mut world = World::new();
    let before = world.stox.memory();
    let mut line = Line::to(&world.stox);
    let mut writer = Line::of(line.socket.try_clone().unwrap());
    let sender = std::thread::spawn(move || {
        for _ in 0..10_000 {
            let text = request("sip:romeo@pbx.example", "sip:pbx.example", "", "");
            writer.send(&text.replace("MESSAGE", "OPTIONS").replace("SIP/2.0/UDP", "SIP/2.0/TCP"));
        }
    });
    world.assert_it_works();
    for _ in 0..10_000 {
        assert!(line.read_head().starts_with("SIP/2.0 200 "));
    }
    sender.join().unwrap();
    let grown = world.stox.memory().saturating_sub(before);
    assert!(grown < SOME, "{grown} bytes more");
    world.assert_it_works();
}

#[test]
fn connections_beyond_the_limit_of_their_source_are_refused_and_counted() {
    let limits = "[limits]\ntcp_connections = 20\ntcp_connections_per_source = 5\n\
                  [[sip.peer]]\nname = \"branch\"\nsource = [\"127.0.0.14\"]\ndomains = [\"pbx.example\"]\n";
    let mut world = World::with(&Setup { more: limits, ..Setup::default() });
    let ping = |line: &mut Line| line.try_send(b"\r\n\r\n") && line.try_read_until("\r\n", PATIENCE).is_ok();
    let mut kept = Vec::new();
    for n in 0..10 {
        let mut line = Line::to(&world.stox);
        assert_eq!(ping(&mut line), n < 5, "connection {n}");
        kept.push(line);
    }
    world.stox.wait_for_metric("stox_sip_connections_refused", 5.0);
    // Of strangers, five of each source and ten of all; of the peer, five again.
    for (ip, here) in [(11, 5), (12, 5), (13, 0), (14, 5)] {
        for n in 0..5 {
            let mut line = Line::from(SocketAddr::new([127, 0, 0, ip].into(), 0), &world.stox);
            assert_eq!(ping(&mut line), n < here, "connection {n} of {ip}");
            kept.push(line);
        }
    }
    world.assert_it_works();
    drop(kept);
    wait_until("a place is free", || ping(&mut Line::to(&world.stox)));
}

#[test]
fn a_peer_that_never_reads_costs_no_more_than_its_limit_and_is_closed() {
    let limits = "[limits]\ntcp_output = 262144\ntcp_stall = \"2s\"\n";
    let mut world = World::with(&Setup { more: limits, ..Setup::default() });
    let before = world.stox.memory();
    let requests =
        request("sip:romeo@pbx.example", "sip:pbx.example", "", "").replace("MESSAGE", "OPTIONS").repeat(100);
    // The second kind asks by keep-alives, whose answers belong to no message.
    let kinds = [requests, "\r\n\r\n".repeat(16_384)];
    let deaf = kinds.into_iter().cycle().zip((0..4).map(|_| Line::to(&world.stox)));
    let deaf: Vec<_> =
        deaf.map(|(text, line)| std::thread::spawn(move || line.press_until_closed(text.as_bytes()))).collect();
    world.assert_it_works();
    wait_until("the deaf are closed", || deaf.iter().all(std::thread::JoinHandle::is_finished));
    for sent in deaf {
        let sent = sent.join().unwrap();
        assert!(sent < 64 << 20, "{sent} bytes are taken from one who never reads");
    }
    let grown = world.stox.memory().saturating_sub(before);
    assert!(grown < SOME, "{grown} bytes more");
    world.assert_it_works();
}

#[test]
fn a_next_hop_that_never_reads_is_told_of_as_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let next_hop = format!("sip:{};transport=tcp", listener.local_addr().unwrap());
    let limits = "[limits]\ntcp_output = 65536\ntcp_stall = \"1s\"\n";
    let mut world =
        World::with(&Setup { sip: "t1 = \"50ms\"", more: limits, next_hop: Some(&next_hop), ..Setup::default() });
    let body = "x".repeat(60_000);
    for n in 0..200 {
        world.server.send(&format!(
            "<message from='u{n}@xmpp.example' to='romeo@sip.example' id='deaf-{n}'><body>{body}</body></message>"
        ));
    }
    for _ in 0..200 {
        let stanza = world.server.read_until("</message>");
        assert!(stanza.contains("type='error'"), "{stanza}");
    }
    world.assert_sip_to_xmpp_works();
    drop(listener);
}

#[test]
fn keep_alives_are_answered() {
    let mut world = World::new();
    let mut line = Line::to(&world.stox);
    for _ in 0..3 {
        line.send("\r\n\r\n");
        assert_eq!(line.try_read_until("\r\n", PATIENCE), Ok("\r\n".to_owned()));
    }
    line.send("\r\n");
    line.send(&over_tcp("after half a keep-alive"));
    world.server.answer_pings();
    assert!(line.read_head().starts_with("SIP/2.0 200 "));
    for datagram in [&b""[..], b"\r\n\r\n", b"\0", b"\0\0\0\0", b" ", b"\r\n"] {
        world.phone.send_bytes(world.stox.sip, datagram);
    }
    world.assert_it_works();
}

#[test]
fn a_flood_of_rubbish_over_udp_is_counted_and_the_others_cross() {
    let mut world = World::new();
    let before = world.stox.memory();
    let (sip, stranger) = (world.stox.sip, Phone::at("127.0.0.79".parse().unwrap()));
    let flood = std::thread::spawn(move || {
        let refused = request("sip:a@b.example", "sip:c@d.example", "", &"x".repeat(1_000));
        for n in 0..20_000_usize {
            match n % 4 {
                0 => stranger.send(sip, &refused.replace("branch=", &format!("branch=z9hG4bK{n}"))),
                1 => stranger.send_bytes(sip, &[0xff; 1_400]),
                2 => stranger.send_bytes(sip, b"INVITE sip:x SIP/2.0\r\n\r\n"),
                _ => stranger.send_bytes(sip, b"\r\n\r\n"),
            }
        }
    });
    while !flood.is_finished() {
        world.retry_sip_to_xmpp();
    }
    flood.join().unwrap();
    let grown = world.stox.memory().saturating_sub(before);
    assert!(grown < SOME, "{grown} bytes more");
    assert!(world.stox.metric("stox_sip_unreadable") >= 1.0);
    assert!(world.stox.log().len() < 64 * 1024, "the log is flooded, too");
    world.assert_it_works();
}
