//! SIP over WebSocket (RFC 7118), as a browser has it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use tokio_tungstenite::tungstenite::client::{ClientRequestBuilder, client};
use tokio_tungstenite::tungstenite::{Message, WebSocket};

use super::rig::*;

const LISTEN: &str =
    "listen = [\"udp:{ip}:5060\", \"tcp:{ip}:5060\", \"ws:{ip}:8080\", \"wss:{ip}:8443\"]\nunknown_source = \"refuse\"";

fn world(files: &Files, limits: &str) -> World {
    let more = format!("{}{limits}", files.section(""));
    World::with(&Setup { listen: Some(LISTEN), more: &more, ..Setup::default() })
}

fn shake_hands<S: Read + Write>(stream: S, addr: SocketAddr) -> WebSocket<S> {
    let uri = format!("ws://{addr}/").parse().unwrap();
    let (socket, answer) = client(ClientRequestBuilder::new(uri).with_sub_protocol("sip"), stream).unwrap();
    assert_eq!(answer.headers()["Sec-WebSocket-Protocol"], "sip");
    socket
}

fn over(transport: &str, text: &str) -> String {
    message("romeo", "juliet", text).replace("SIP/2.0/UDP phone", &format!("SIP/2.0/{transport} df7jal23ls0d"))
}

fn read<S: Read + Write>(socket: &mut WebSocket<S>) -> String {
    socket.read().unwrap().into_text().unwrap().as_str().to_owned()
}

#[test]
fn a_transaction_crosses_over_websocket_as_text_and_as_binary() {
    let files = Files::new();
    let mut world = world(&files, "");
    let addr = world.stox.at(8080);
    let mut browser = shake_hands(connect(addr), addr);
    let text = over("WS", "as text äöü");
    browser.send(Message::text(text.as_str())).unwrap();
    world.server.answer_pings();
    let answer = read(&mut browser);
    assert!(answer.starts_with("SIP/2.0 200 ") && answer.contains(call_id(&text)), "{answer}");
    assert!(answer.contains("\r\nVia: SIP/2.0/WS df7jal23ls0d.invalid;"), "{answer}");

    let text = over("WS", "as binary").replace("Content-Length: 9\r\n", "");
    browser.send(Message::binary(text.clone().into_bytes())).unwrap();
    world.server.answer_pings();
    let answer = read(&mut browser);
    assert!(answer.starts_with("SIP/2.0 200 ") && answer.contains(call_id(&text)), "no length is needed: {answer}");
    assert_eq!(world.stox.metric("stox_sip_connections"), 1.0);
    world.assert_it_works();
}

#[test]
fn the_same_inside_tls() {
    let files = Files::new();
    let mut world = world(&files, "");
    let addr = world.stox.at(8443);
    let line = TlsCaller::to(addr, &tls_client(&files.authority, None));
    let mut browser = shake_hands(line.stream, addr);
    browser.send(Message::text(over("WSS", "in secret"))).unwrap();
    world.server.answer_pings();
    let answer = read(&mut browser);
    assert!(answer.starts_with("SIP/2.0 200 ") && answer.contains("\r\nVia: SIP/2.0/WSS "), "{answer}");
}

#[test]
fn pings_of_both_kinds_and_a_close_are_answered() {
    let files = Files::new();
    let world = world(&files, "");
    let addr = world.stox.at(8080);
    let mut browser = shake_hands(connect(addr), addr);
    browser.send(Message::Ping(b"there?".to_vec().into())).unwrap();
    assert_eq!(browser.read().unwrap(), Message::Pong(b"there?".to_vec().into()));
    browser.send(Message::text("\r\n\r\n")).unwrap();
    assert_eq!(browser.read().unwrap(), Message::text("\r\n"));
    browser.close(None).unwrap();
    assert!(matches!(browser.read(), Ok(Message::Close(_))));
    assert!(browser.read().is_err());
    wait_until("it is gone", || world.stox.metric("stox_sip_connections") == 0.0);
}

#[test]
fn several_sip_messages_in_one_are_no_message_and_each_alone_is_one() {
    let files = Files::new();
    let mut world = world(&files, "");
    let addr = world.stox.at(8080);
    let mut browser = shake_hands(connect(addr), addr);
    let (first, second) = (over("WS", "first"), over("WS", "second"));
    for text in [&first, &second] {
        browser.send(Message::text(text.as_str())).unwrap();
    }
    world.server.answer_pings();
    for text in [&first, &second] {
        assert!(read(&mut browser).contains(call_id(text)));
    }
    browser.send(Message::text(format!("{first}{second}"))).unwrap();
    assert!(matches!(browser.read(), Ok(Message::Close(Some(_)))), "RFC 7118 section 5");
    world.assert_it_works();
}

/// The request of a browser with other headers.
fn request_of(change: impl FnOnce(String) -> String) -> String {
    change(
        "GET / HTTP/1.1\r\nHost: gw.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\nSec-WebSocket-Version: 13\r\n\r\n"
            .to_owned(),
    )
}

#[test]
fn what_is_no_websocket_for_sip_is_refused() {
    let files = Files::new();
    let mut world = world(&files, "[limits]\ntcp_handshake = \"1s\"\n");
    for text in [
        request_of(|text| text.replace("Sec-WebSocket-Protocol: sip\r\n", "")),
        request_of(|text| text.replace(": sip\r\n", ": xmpp\r\n")),
        request_of(|text| text.replace("Upgrade: websocket\r\n", "")),
        request_of(|text| text.replace("GET", "PUT")),
        over("WS", "no handshake at all"),
        "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n".to_owned(),
    ] {
        let mut socket = connect(world.stox.at(8080));
        socket.write_all(text.as_bytes()).unwrap();
        let answer = read_all(&mut socket);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{text}: {answer}");
    }
    // One that never ends, in its time and in its size.
    let mut socket = connect(world.stox.at(8080));
    socket.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    assert_eq!(read_all(&mut socket), "");
    let mut socket = connect(world.stox.at(8080));
    let _ = socket.write_all(format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(100_000)).as_bytes());
    assert!(read_all(&mut socket).starts_with("HTTP/1.1 400 "));
    wait_until("all are gone", || world.stox.metric("stox_sip_connections") == 0.0);
    world.assert_it_works();
}

#[test]
fn frames_that_break_the_protocol_or_are_too_large_end_the_connection() {
    let files = Files::new();
    let mut world = world(&files, "[limits]\nsip_message = 4096\n");
    let begin = || -> TcpStream {
        let mut socket = connect(world.stox.at(8080));
        socket.write_all(request_of(|text| text).as_bytes()).unwrap();
        let answer = read_until(&mut socket, &mut Vec::new(), "\r\n\r\n", PATIENCE).unwrap();
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        socket
    };
    for frame in [
        // Without a mask; of a kind that does not exist; longer than allowed, said and not sent.
        &b"\x81\x01x"[..],
        b"\x83\x81\0\0\0\0x",
        b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0",
    ] {
        let mut socket = begin();
        socket.write_all(frame).unwrap();
        let mut bytes = Vec::new();
        let _ = socket.read_to_end(&mut bytes);
        assert_eq!(bytes.first(), Some(&0x88), "a close frame: {bytes:?}");
    }
    world.assert_it_works();
}
