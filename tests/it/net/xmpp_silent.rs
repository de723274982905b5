//! Servers that refuse, fall silent, never read or go away: nobody waits for ever, and everybody is told.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use super::rig::*;

/// A gateway and its server before the handshake.
fn before_the_handshake(setup: &Setup<'_>) -> (Stox, Server) {
    let (listener, phone) = (TcpListener::bind("127.0.0.1:0").unwrap(), SocketAddr::from(([127, 0, 0, 1], 9)));
    let stox = Stox::start(listener.local_addr().unwrap(), phone, setup);
    let server = Server::accept(listener, PATIENCE);
    (stox, server)
}

const SECONDS: Duration = Duration::from_secs(1);

#[test]
fn a_wrong_secret_is_not_tried_again_at_once() {
    let (stox, mut server) = before_the_handshake(&Setup::default());
    server.open();
    let handshake = server.read_until("</handshake>");
    assert!(!handshake.contains(SECRET), "{handshake}");
    server.send(
        "<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>",
    );
    assert!(server.read_to_end().ends_with("</stream:stream>"));
    // The first delay lies between 15 and 30 seconds.
    assert!(server.is_left_alone_for(5 * SECONDS), "a wrong secret is tried again and again");
    let (status, body) = stox.ask("/ready");
    assert!(status.contains("503") && body.contains("not-authorized"), "{status} {body}");
    let log = stox.log();
    assert!(log.contains("not-authorized") && !log.contains(SECRET), "{log}");
}

#[test]
fn a_conflict_is_no_hot_loop() {
    let mut world = World::new();
    world
        .server
        .send("<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>");
    world.server.read_to_end();
    assert!(world.server.is_left_alone_for(5 * SECONDS), "two of one name would throw each other out for ever");
}

#[test]
fn a_server_that_hangs_up_at_once_is_no_hot_loop() {
    let (mut stox, mut server) = before_the_handshake(&Setup::default());
    let start = Instant::now();
    for _ in 0..3 {
        server.hang_up();
        server.accept_again(PATIENCE);
    }
    // At least half of 1, 2 and 4 seconds.
    assert!(start.elapsed() >= Duration::from_millis(3_400), "{:?}", start.elapsed());
    assert!(stox.cpu() < 2 * SECONDS);
    stox.assert_alive();
}

#[test]
fn a_server_that_never_finishes_the_handshake_is_left() {
    let (_stox, mut server) =
        before_the_handshake(&Setup { component: "connect_timeout = \"1s\"", ..Setup::default() });
    server.open();
    let last = server.read_to_end();
    assert!(last.contains("connection-timeout") && last.ends_with("</stream:stream>"), "{last}");
}

#[test]
fn strange_headers_end_before_the_handshake() {
    for (header, error) in [
        (
            "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='1'>",
            "invalid-namespace",
        ),
        (
            "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'>",
            "connection-timeout",
        ),
        ("<stream:stream xmlns='jabber:component:accept' id='1'>", ""),
        ("HTTP/1.1 400 Bad Request\r\n\r\n", ""),
        ("SSH-2.0-OpenSSH_9.2\r\n", ""),
        ("\u{15}\u{3}\u{1}", ""),
    ] {
        let patience = "connect_timeout = \"2s\"";
        let (mut stox, mut server) = before_the_handshake(&Setup { component: patience, ..Setup::default() });
        server.read_until("<stream:stream ");
        server.send(header);
        let last = server.read_to_end();
        assert!(
            last.contains("<stream:error>") && last.contains(error) && !last.contains("<handshake>"),
            "{header}: {last}"
        );
        stox.assert_alive();
    }
    let (mut stox, mut server) = before_the_handshake(&Setup::default());
    let before = stox.memory();
    server.send("<stream:stream xmlns='jabber:component:accept' id='");
    while server.try_send("x".repeat(1 << 20).as_bytes()) {}
    assert!(stox.memory().saturating_sub(before) < 8 << 20);
    stox.assert_alive();
}

#[test]
fn a_server_that_answers_no_ping_is_dead_and_senders_are_told() {
    let component = "ping_every = \"1s\"\nping_timeout = \"1s\"";
    let mut world =
        World::with(&Setup { component, more: "[message]\nconfirm_within = \"20s\"\n", ..Setup::default() });
    let sent = message("romeo", "juliet", "to a dead server");
    world.phone.send(world.stox.sip, &sent);
    let last = world.server.read_to_end();
    assert!(last.contains("alive-1") && last.contains("connection-timeout"), "{last}");
    let answer = world.phone.read_response_to(call_id(&sent));
    assert!(answer.starts_with("SIP/2.0 503 ") && answer.contains("Retry-After:"), "{answer}");
    world.server.accept_again(PATIENCE);
    world.server.negotiate();
    world.server.settle();
    world.assert_sip_to_xmpp_works();
}

#[test]
fn a_server_that_hangs_up_in_the_middle_of_a_stanza_leaves_nothing_half_done() {
    let mut world = World::new();
    let sent = message("romeo", "juliet", "unconfirmed");
    world.phone.send(world.stox.sip, &sent);
    world.server.read_until("unconfirmed");
    world
        .server
        .send("<message from='juliet@xmpp.example/b' to='romeo@sip.example' id='whole'><body>whole</body></message>");
    world.server.send("<message from='juliet@xmpp.example/b' to='romeo@sip.example' id='half'><body>half");
    let request = world.phone.read_message("whole");
    world.server.hang_up();
    assert!(world.phone.read_response_to(call_id(&sent)).starts_with("SIP/2.0 503 "));
    // What failed meanwhile is told when the link is back.
    world.phone.answer(&request, world.stox.sip, 486, "Busy Here");
    world.server.accept_again(PATIENCE);
    world.server.negotiate();
    let told = world.server.read_until("</message>");
    assert!(told.contains("id='whole'") && told.contains("type='error'"), "{told}");
    world.assert_it_works();
    assert!(!world.phone.has_seen("half"));
}

#[test]
fn a_server_that_never_reads_is_bounded_and_senders_are_told() {
    let limits = "[limits]\nxmpp_output = 1048576\n[message]\nconfirm_within = \"1s\"\n";
    let mut world = World::with(&Setup { more: limits, ..Setup::default() });
    let before = world.stox.memory();
    let body = "x".repeat(30_000);
    let mut refused = 0;
    let (mut sent, mut answered) = (0, 0);
    let until = Instant::now() + 2 * PATIENCE;
    // Until the buffers of the kernel and ours are full, and then some more.
    while refused < 50 {
        let text = message(&format!("romeo{sent}"), "juliet", &body);
        world.phone.send(world.stox.sip, &text);
        sent += 1;
        while let Some(answer) = world.phone.receive(Duration::from_millis(5)) {
            answered += 1;
            refused += i32::from(answer.starts_with("SIP/2.0 503 "));
            assert!(answer.starts_with("SIP/2.0 503 ") || answer.starts_with("SIP/2.0 202 "), "{answer}");
        }
        assert!(Instant::now() < until, "{sent} sent, {answered} answered, {refused} refused");
    }
    let grown = world.stox.memory().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes more");
    // Waiting for room is no work.
    let busy = world.stox.cpu();
    assert!(world.phone.receive_nothing_for(2 * SECONDS) || answered <= sent);
    let spent = world.stox.cpu() - busy;
    assert!(spent < SECONDS, "{spent:?} of processor time for waiting");
    // A SIP side that fails now cannot be told of, and that too is no work and no loss: it is held.
    world.stox.assert_alive();
    assert!(world.stox.metric("stox_link_queued_bytes") <= 1_048_576.0 * 1.1);
    drop(world.server);
}

#[test]
fn a_server_that_asks_and_never_reads_is_bounded() {
    let mut world = World::with(&Setup { more: "[limits]\nxmpp_output = 1048576\n", ..Setup::default() });
    let before = world.stox.memory();
    // The first kind is answered by the gateway, the second by the stream itself.
    let good = "<iq type='get' from='juliet@xmpp.example/b' to='sip.example' id='q'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>";
    let bad = "<iq type='get' from='juliet@xmpp.example/b' to='romeo@@sip.example' id='q'><query xmlns='x'/></iq>";
    let worse = "<iq type='no' from='juliet@xmpp.example/b' to='romeo@sip.example' id='q'><query xmlns='x'/></iq>";
    for kind in [good, bad, worse] {
        let text = kind.repeat(100);
        let mut sent = 0;
        while sent < 12 << 20 && world.server.try_send_for(text.as_bytes(), SECONDS) {
            sent += text.len();
        }
        let grown = world.stox.memory().saturating_sub(before);
        assert!(grown < 48 << 20, "{grown} bytes more after {sent} of {kind}");
    }
    world.stox.assert_alive();
}
