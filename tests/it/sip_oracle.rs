//! The same messages read by `sipx-sip`, a reader by other hands: where both accept, both find the same.

use crate::torture::{bytes, files};
use std::fmt::Debug;
use stox::sip::message::{Message, wire};

/// What is compared: start line, names and unfolded values in order, body.
#[derive(Debug, PartialEq)]
struct Seen {
    start: (String, String),
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

/// A fold and the white space around it count as one space, whoever read it.
fn flat(value: &[u8]) -> Vec<u8> {
    let mut flat: Vec<u8> = Vec::with_capacity(value.len());
    let mut words = value.split(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).filter(|word| !word.is_empty());
    flat.extend(words.next().unwrap_or_default());
    for word in words {
        flat.push(b' ');
        flat.extend(word);
    }
    flat
}

fn canonical(name: &str) -> String {
    stox::sip::message::Name::from(name).as_str().to_ascii_lowercase()
}

fn by_us(input: &[u8]) -> Option<Seen> {
    let message = wire::parse(input).ok()?;
    let start = match &message {
        Message::Request(request) => (request.method.to_string(), request.uri.to_string()),
        Message::Response(response) => (response.status.code().to_string(), response.reason().into_owned()),
    };
    let headers = message.headers().iter().map(|(name, value)| (canonical(name), flat(value))).collect();
    Some(Seen { start, headers, body: message.body().to_vec() })
}

fn by_sipx(input: &[u8]) -> Option<Seen> {
    let message = sipx_sip::parse_datagram(input.to_vec().into(), &sipx_sip::Limits::datagram()).ok()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let start = match (message.as_request(), message.as_response()) {
        (Some(request), _) => (text(request.method.as_bytes()), text(&request.uri.to_bytes())),
        (None, Some(response)) => (response.status.code().to_string(), text(&response.reason)),
        (None, None) => return None,
    };
    let headers = message.headers().iter().map(|header| (canonical(&header.name().to_string()), flat(&header.value())));
    Some(Seen { start, headers: headers.collect(), body: message.body().to_vec() })
}

#[test]
fn an_independent_reader_finds_the_same_in_every_message_that_both_accept() {
    let mut wrong = Vec::new();
    let mut same = 0;
    for file in files(&["rfc4475", "rfc5118", "simple"]) {
        let input = bytes(&file);
        match (by_us(&input), by_sipx(&input)) {
            (Some(ours), Some(theirs)) if ours == theirs => same += 1,
            (Some(ours), Some(theirs)) => wrong.push(format!("{file}\n  ours   {ours:?}\n  theirs {theirs:?}")),
            (Some(_), None) if file.starts_with("simple") => wrong.push(format!("{file}: they refuse")),
            (None, Some(_)) => println!("{file}: refused by us alone"),
            (Some(_), None) => println!("{file}: refused by them alone"),
            (None, None) => {}
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(same > 100, "only {same} messages were compared");
}
