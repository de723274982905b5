#![allow(clippy::unwrap_used)]

use tokio_tungstenite::tungstenite::protocol::Role;

use super::*;

const REQUEST: &str = "GET /any HTTP/1.1\r\nHost: gw.example\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://www.example.com\r\n\
                       Sec-WebSocket-Protocol: chat, sip\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// A connection with its handshake done, and the browser at the other end.
fn pair() -> (WebSocket, ws::WebSocket<Pipe>) {
    let (mut socket, mut output) = (WebSocket::new(1_000), Vec::new());
    socket.push(REQUEST.as_bytes());
    assert!(socket.next(&mut output).is_none());
    let answer = String::from_utf8(output).unwrap().to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 101 "), "{answer}");
    assert!(answer.contains("\r\nsec-websocket-protocol: sip\r\n"), "{answer}");
    assert!(answer.contains("\r\nsec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"), "{answer}");
    assert!(socket.is_open() && !socket.is_partial());
    (socket, ws::WebSocket::from_raw_socket(Pipe::default(), Role::Client, None))
}

/// What the gateway makes of what the browser sends, and what it answers.
fn carry(socket: &mut WebSocket, browser: &mut ws::WebSocket<Pipe>) -> Vec<Piece> {
    let (sent, mut output) = (std::mem::take(&mut browser.get_mut().output), Vec::new());
    socket.push(&sent);
    let pieces = std::iter::from_fn(|| socket.next(&mut output)).collect();
    browser.get_mut().input.extend(output);
    pieces
}

fn message(pieces: &[Piece]) -> &[u8] {
    match pieces {
        [Piece::Message(bytes)] => bytes,
        _ => panic!("not one message"),
    }
}

#[test]
fn each_message_is_one_sip_message_as_text_or_binary() {
    let (mut socket, mut browser) = pair();
    browser.send(Message::text("MESSAGE äöü")).unwrap();
    assert_eq!(message(&carry(&mut socket, &mut browser)), "MESSAGE äöü".as_bytes());
    browser.send(Message::binary(b"MESSAGE \xff".to_vec())).unwrap();
    assert_eq!(message(&carry(&mut socket, &mut browser)), b"MESSAGE \xff");
    let mut output = Vec::new();
    socket.encode("SIP/2.0 200 ä".as_bytes(), &mut output);
    socket.encode(b"SIP/2.0 200 \xff", &mut output);
    browser.get_mut().input.extend(output);
    assert_eq!(browser.read().unwrap(), Message::text("SIP/2.0 200 ä"));
    assert_eq!(browser.read().unwrap(), Message::binary(b"SIP/2.0 200 \xff".to_vec()), "RFC 7118 section 4.2");
}

#[test]
fn bytes_may_come_one_by_one() {
    let (mut socket, mut output) = (WebSocket::new(1_000), Vec::new());
    for byte in REQUEST.bytes() {
        socket.push(&[byte]);
        assert!(socket.next(&mut output).is_none());
    }
    assert!(socket.is_open());
    let mut browser = ws::WebSocket::from_raw_socket(Pipe::default(), Role::Client, None);
    browser.send(Message::text("MESSAGE")).unwrap();
    let mut pieces = Vec::new();
    for byte in std::mem::take(&mut browser.get_mut().output) {
        assert!(pieces.is_empty());
        socket.push(&[byte]);
        assert!(socket.is_partial());
        pieces.extend(socket.next(&mut output));
    }
    assert_eq!(message(&pieces), b"MESSAGE");
    assert!(!socket.is_partial());
}

#[test]
fn pings_of_either_kind_are_answered() {
    let (mut socket, mut browser) = pair();
    browser.send(Message::Ping(b"there?".to_vec().into())).unwrap();
    assert!(matches!(carry(&mut socket, &mut browser)[..], [Piece::Ping]));
    assert_eq!(browser.read().unwrap(), Message::Pong(b"there?".to_vec().into()));
    browser.send(Message::text("\r\n\r\n")).unwrap();
    assert!(matches!(carry(&mut socket, &mut browser)[..], [Piece::Ping]));
    assert_eq!(browser.read().unwrap(), Message::text("\r\n"), "RFC 7118 section 6");
}

#[test]
fn a_close_is_answered_and_is_the_end() {
    let (mut socket, mut browser) = pair();
    browser.close(None).unwrap();
    assert!(matches!(carry(&mut socket, &mut browser)[..], [Piece::End]));
    assert!(!socket.is_open());
    assert!(matches!(browser.read(), Ok(Message::Close(_))));
}

#[test]
fn what_is_too_large_or_breaks_the_protocol_ends_it_with_a_reason() {
    let (mut socket, mut browser) = pair();
    browser.send(Message::text("x".repeat(1_001))).unwrap();
    assert!(matches!(carry(&mut socket, &mut browser)[..], [Piece::Unreadable(None, _)]));
    let Ok(Message::Close(Some(frame))) = browser.read() else { panic!("no close") };
    assert_eq!(frame.code, CloseCode::Size);
    assert!(!socket.is_open());

    let (mut socket, _) = pair();
    socket.push(b"\xff\x81\0\0\0\0x");
    assert!(matches!(socket.next(&mut Vec::new()), Some(Piece::Unreadable(None, _))));
    assert!(socket.next(&mut Vec::new()).is_none());
}

#[test]
fn two_sip_messages_in_one_end_it() {
    let one = "OPTIONS sip:a SIP/2.0\r\nContent-Length: 2\r\n\r\nok";
    for (text, ends) in [(one.to_owned(), false), (one.repeat(2), true), (format!("{one}\r\n"), true)] {
        let (mut socket, mut browser) = pair();
        browser.send(Message::text(text.as_str())).unwrap();
        let pieces = carry(&mut socket, &mut browser);
        assert_eq!(matches!(pieces[..], [Piece::Unreadable(None, _)]), ends, "{text}");
        assert_eq!(matches!(pieces[..], [Piece::Message(_)]), !ends, "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_end_it_or_wait_and_take_no_more_than_they_are(
        pieces in proptest::collection::vec(proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), 0..10),
        shaken in proptest::prelude::any::<bool>(),
    ) {
        let mut socket = if shaken { pair().0 } else { WebSocket::new(1_000) };
        let mut output = Vec::new();
        for bytes in &pieces {
            socket.push(bytes);
            while let Some(piece) = socket.next(&mut output) {
                if let Piece::Message(message) = piece {
                    assert!(message.len() <= 1_000);
                }
            }
        }
        assert!(output.len() <= 200 + pieces.concat().len());
    }
}

#[test]
fn what_is_no_handshake_for_sip_is_a_bad_request() {
    let garbage = "\x16\x03\x01\x02\x00\x01\r\n\r\n".to_owned();
    let long = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(MAX_REQUEST));
    for (what, request, why) in [
        ("no subprotocol", REQUEST.replace("Sec-WebSocket-Protocol: chat, sip\r\n", ""), "subprotocol"),
        ("another subprotocol", REQUEST.replace("chat, sip", "chat, sipper"), "subprotocol"),
        ("no upgrade", REQUEST.replace("websocket", "h2c"), ""),
        ("another method", REQUEST.replace("GET", "POST"), ""),
        ("another version", REQUEST.replace("Version: 13", "Version: 8"), ""),
        ("bytes behind it", format!("{REQUEST}MESSAGE"), ""),
        ("SIP", "OPTIONS sip:gw.example SIP/2.0\r\n\r\n".to_owned(), ""),
        ("garbage", garbage, ""),
        ("a request without end", long, ""),
    ] {
        let (mut socket, mut output) = (WebSocket::new(1_000), Vec::new());
        socket.push(request.as_bytes());
        match socket.next(&mut output) {
            Some(Piece::Unreadable(None, told)) => assert!(told.contains(why), "{what}: {told}"),
            _ => panic!("{what} was taken"),
        }
        assert_eq!(output, BAD_REQUEST, "{what}");
        assert!(!socket.is_open());
    }
}
