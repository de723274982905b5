//! Starting and stopping the program: what it says, with which exit code, and that nothing open is forgotten.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::{Duration, Instant};

use super::rig::*;

/// Point 2: SIGTERM to the end.
const AT_MOST: Duration = Duration::from_secs(5);

#[test]
fn an_idle_gateway_stops_at_once_and_closes_its_stream() {
    let mut world = World::new();
    let (status, _) = world.stox.ask("/ready");
    assert!(status.contains(" 200 "), "{status}");
    let start = Instant::now();
    world.stox.terminate();
    world.server.read_until("</stream:stream>");
    world.server.send("</stream:stream>");
    assert_eq!(world.stox.wait(AT_MOST).code(), Some(0));
    assert!(start.elapsed() < AT_MOST);
}

#[test]
fn what_is_open_is_answered_before_the_end() {
    let more = "[message]\nconfirm_within = \"20s\"\n";
    let mut world = World::with(&Setup { more, ..Setup::default() });
    world
        .server
        .send("<message from='juliet@xmpp.example/b' to='romeo@sip.example' id='open'><body>open</body></message>");
    let request = world.phone.read_message("open");
    let sent = message("romeo", "juliet", "also open");
    world.phone.send(world.stox.sip, &sent);
    world.server.read_until("also open");
    world.stox.terminate();
    wait_until("it says that it stops", || world.stox.log().contains("nothing new is taken"));
    let late = message("romeo", "juliet", "too late");
    world.phone.send(world.stox.sip, &late);
    let answer = world.phone.read_response_to(call_id(&late));
    assert!(answer.starts_with("SIP/2.0 503 "), "{answer}");
    world.server.answer_pings();
    assert!(world.phone.read_response_to(call_id(&sent)).starts_with("SIP/2.0 200 "));
    world.phone.answer(&request, world.stox.sip, 404, "Not Found");
    let told = world.server.read_until("</message>");
    assert!(told.contains("id='open'") && told.contains("item-not-found"), "{told}");
    world.server.read_until("</stream:stream>");
    world.server.send("</stream:stream>");
    assert_eq!(world.stox.wait(AT_MOST).code(), Some(0));
}

#[test]
fn what_nobody_answers_is_given_up_before_the_end_and_its_senders_told() {
    let more = "[message]\nconfirm_within = \"20s\"\n";
    let mut world = World::with(&Setup { more, ..Setup::default() });
    for n in 0..3 {
        world.server.send(&format!(
            "<message from='juliet@xmpp.example/b' to='romeo@sip.example' id='lost-{n}'><body>lost</body></message>"
        ));
    }
    world.phone.read_message("lost");
    let sent = message("romeo", "juliet", "also lost");
    world.phone.send(world.stox.sip, &sent);
    world.server.read_until("also lost");
    let start = Instant::now();
    world.stox.terminate();
    let answer = world.phone.read_response_to(call_id(&sent));
    assert!(answer.starts_with("SIP/2.0 5"), "{answer}");
    let last = world.server.read_until("</stream:stream>");
    for n in 0..3 {
        assert_eq!(last.matches(&format!("id='lost-{n}'")).count(), 1, "{last}");
    }
    assert_eq!(world.stox.wait(AT_MOST).code(), Some(0));
    assert!(start.elapsed() < AT_MOST, "{:?}", start.elapsed());
}

#[test]
fn a_server_that_never_reads_does_not_hold_up_the_end() {
    let mut world = World::new();
    for n in 0..100 {
        world.phone.send(world.stox.sip, &message(&format!("r{n}"), "juliet", &"x".repeat(50_000)));
    }
    world.phone.read_response();
    world.stox.terminate();
    assert_eq!(world.stox.wait(AT_MOST).code(), Some(0));
}

#[test]
fn a_server_that_was_never_there_does_not_hold_up_the_end() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut stox = Stox::start(nobody, SocketAddr::from(([127, 0, 0, 1], 9)), &Setup::default());
    wait_until("it says that it cannot connect", || stox.log().contains("cannot connect"));
    let (status, body) = stox.ask("/ready");
    assert!(status.contains(" 503 "), "{status} {body}");
    stox.terminate();
    assert_eq!(stox.wait(AT_MOST).code(), Some(0));
}

#[test]
fn a_socket_that_is_taken_is_exit_code_2_and_named() {
    let world = World::new();
    let taken = world.stox.sip;
    assert!(UdpSocket::bind(taken).is_err());
    let listen = format!("listen = [\"udp:{taken}\"]\n");
    let server = SocketAddr::from(([127, 0, 0, 1], 9));
    let mut second = Stox::start(server, server, &Setup { listen: Some(&listen), ..Setup::default() });
    assert_eq!(second.wait(AT_MOST).code(), Some(2));
    assert!(second.log().contains(&format!("cannot listen on udp:{taken}")), "{}", second.log());
}

#[test]
fn a_configuration_that_is_wrong_is_exit_code_1() {
    let server = SocketAddr::from(([127, 0, 0, 1], 9));
    let mut stox = Stox::start(server, server, &Setup { more: "nonsense = 1\n", ..Setup::default() });
    assert_eq!(stox.wait(AT_MOST).code(), Some(1));
    let log = stox.log();
    assert!(log.contains("nonsense") && !log.contains(SECRET), "{log}");
}
