#![allow(clippy::unwrap_used)]

use super::*;
use crate::sip::message::Status;

const HEAD: &str = "MESSAGE sip:romeo@example.net SIP/2.0\r\n\
    Via: SIP/2.0/TCP a.example.com;branch=z9hG4bKna998sk\r\n\
    Call-ID: asd88asd77a\r\n";

fn message(rest: &str) -> String {
    format!("{HEAD}{rest}")
}

/// Everything that comes out when `input` arrives in pieces of `size`.
fn frames(input: &str, size: usize) -> Vec<Result<Frame, ParseError>> {
    let mut framing = Framing::new(Limits::default());
    let mut frames = Vec::new();
    for piece in input.as_bytes().chunks(size) {
        framing.push(piece);
        while let Some(frame) = framing.next() {
            frames.push(frame);
        }
    }
    frames
}

fn problem(input: &str, limits: Limits) -> Option<ParseError> {
    let mut framing = Framing::new(limits);
    framing.push(input.as_bytes());
    let error = framing.next().and_then(Result::err);
    framing.push(b"\r\n");
    assert!(error.is_none() || framing.next().is_none(), "an error is the last thing");
    error
}

#[test]
fn messages_and_keep_alives_are_the_same_however_the_bytes_are_cut() {
    let one = message("Content-Length: 4\r\n\r\na\r\nb");
    let two = message("L :  0\r\n\r\n");
    let input = format!("\r\n\r\n{one}{two}\r\n{one}\r\n\r\n");
    let whole = frames(&input, input.len());
    let message = |text: &str| Ok(Frame::Message(text.as_bytes().to_vec()));
    let expected = [
        Ok(Frame::Pong),
        Ok(Frame::Ping),
        message(&one),
        message(&two),
        Ok(Frame::Pong),
        message(&one),
        Ok(Frame::Pong),
        Ok(Frame::Ping),
    ];
    assert_eq!(whole, expected);
    for size in 1..input.len() {
        assert_eq!(frames(&input, size), whole, "pieces of {size}");
    }
}

#[test]
fn a_stream_needs_a_length_it_can_trust() {
    for (rest, expected) in [
        ("\r\n", Problem::NoContentLength),
        ("Content-Length: -1\r\n\r\n", Problem::ContentLength),
        ("Content-Length: 1\r\nl: 2\r\n\r\n", Problem::ContentLength),
        ("Content-Length: 1\r\n 2\r\n\r\n", Problem::ContentLength),
        ("X: a\nl: 0\r\n\r\n", Problem::Control),
    ] {
        let error = problem(&message(rest), Limits::default()).unwrap();
        assert_eq!(error.problem, expected, "{rest:?}");
        assert_eq!(error.response().unwrap().status, Status::BAD_REQUEST);
    }
}

#[test]
fn names_that_only_begin_alike_are_no_length() {
    let text = message("Content-Length-Of-Rope: x\r\nContact: <sip:l>\r\nlabel: y\r\nl: 1\r\n\r\nz");
    assert_eq!(frames(&text, 7), [Ok(Frame::Message(text.into_bytes()))]);
}

#[test]
fn heads_and_bodies_have_limits() {
    let limits = Limits { head: 200, body: 10 };
    let large = problem(&message("Content-Length: 11\r\n\r\n"), limits).unwrap();
    assert_eq!(large.response().unwrap().status, Status::REQUEST_ENTITY_TOO_LARGE);
    let endless = problem(&message(&format!("X: {}", "a".repeat(200))), limits).unwrap();
    assert_eq!(endless.response().unwrap().status, Status::MESSAGE_TOO_LARGE);
    let lines = problem(&message(&"X: y\r\n".repeat(40)), limits).unwrap();
    assert_eq!(lines.problem, Problem::TooLarge);
    assert_eq!(problem(&"x".repeat(201), limits).unwrap().response(), None);
}

#[test]
fn one_byte_at_a_time_costs_no_more_than_it_should() {
    let text = message(&format!("X: {}\r\nl: 60000\r\n\r\n{}", "a\r\n b".repeat(1000), "b".repeat(60_000)));
    let mut framing = Framing::new(Limits::default());
    let mut count = 0;
    for byte in text.as_bytes() {
        framing.push(std::slice::from_ref(byte));
        count += usize::from(framing.next().is_some());
    }
    assert_eq!((count, framing.is_partial()), (1, false));
}
