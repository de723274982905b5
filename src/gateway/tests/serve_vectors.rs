//! The examples of RFC 8048 in which a SIP user watches, by their ids in `tests/vectors/rfc8048.toml`.

use serde::Deserialize;

use super::bench::{Bench, stanza};
use super::serve::{Heard, SECOND, answer_all, body, said, state};
use crate::gateway::Input;
use crate::sip::endpoint::{Flow, Inbound};
use crate::sip::locate::Transport;
use crate::sip::message::header::To;
use crate::sip::message::{Message, Name, Request, wire};
use crate::xml::{Element, Limits, reader};
use crate::xmpp::stanza::Stanza;

#[derive(Deserialize)]
struct Vectors {
    vector: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    id: String,
    input: String,
    output: String,
}

/// What goes in and what comes out, in the domains of the bench.
fn vector(id: &str) -> (String, String) {
    let all: Vectors = toml::from_str(include_str!("../../../tests/vectors/rfc8048.toml")).unwrap();
    let found = all.vector.into_iter().find(|vector| vector.id == id).unwrap_or_else(|| panic!("no {id}"));
    let here = |text: String| text.replace("example.net", "sip.example").replace("example.com", "xmpp.example");
    (here(found.input), here(found.output))
}

fn read(text: &str) -> Request {
    let text = text.replace('\n', "\r\n");
    let Ok(Message::Request(mut request)) = wire::parse(format!("{text}\r\n\r\n").as_bytes()) else { panic!("{text}") };
    // The hosts of the RFC's Contacts are not known to any DNS.
    if let Some(contact) = request.headers.text(Name::CONTACT).map(|contact| contact.into_owned()) {
        request.headers.replace(Name::CONTACT, contact.replace("@sip.example", "@192.0.2.10:5060"));
    }
    request
}

/// Sends a SUBSCRIBE of a vector; `tag` is ours, if it is in a dialog.
fn send(bench: &mut Bench, text: &str, tag: Option<&str>) -> Heard {
    let mut request = read(text);
    if let Some(tag) = tag {
        let To(to) = request.headers.to().unwrap();
        request.headers.set(&To(to.with_tag(tag)));
    }
    let branch = format!("SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK{}", request.headers.cseq().unwrap().number);
    request.headers.replace(Name::VIA, branch);
    let flow = Flow {
        transport: Transport::Udp,
        local: "10.0.0.1:5060".parse().unwrap(),
        remote: "192.0.2.10:5060".parse().unwrap(),
        id: 0,
    };
    bench.input(Input::Sip(Inbound { message: Message::Request(request), flow }));
    Heard::of(bench)
}

fn line(text: &str) -> Vec<String> {
    let Stanza::Presence(presence) = stanza(text) else { panic!("{text}") };
    let (from, to) = (presence.from.unwrap(), presence.to.unwrap());
    vec![format!("{} {} {}", presence.kind.as_str().unwrap_or("available"), from.as_str(), to.as_str())]
}

fn compare(got: &Request, wanted: &str) {
    let (wanted, wanted_uri) = (read(wanted), got.uri.as_str().replace("192.0.2.10:5060", "sip.example"));
    assert_eq!(wanted_uri, wanted.uri.as_str());
    let parts = |request: &Request| {
        let (from, to) = (request.headers.from().unwrap(), request.headers.to().unwrap());
        let event = request.headers.text(Name::EVENT).map(|event| event.into_owned());
        let tag = to.tag().map(|tag| tag.into_owned());
        (from.uri.as_str().to_owned(), to.uri.as_str().to_owned(), tag, event, state(request))
    };
    assert_eq!(parts(got), parts(&wanted));
    assert_eq!(got.headers.call_id(), wanted.headers.call_id());
    assert_eq!(got.body().is_empty(), wanted.body().is_empty());
}

/// The tuples of a document: id and basic status.
fn tuples(text: &str) -> Vec<(String, String)> {
    let root = reader::parse(text.trim().as_bytes(), &Limits::document()).unwrap();
    let tuples = root.children().filter(|child| child.name() == "tuple");
    let basic = |tuple: &Element| {
        let status = tuple.children().find(|child| child.name() == "status").unwrap();
        status.children().find(|child| child.name() == "basic").unwrap().text().trim().to_owned()
    };
    tuples.map(|tuple| (tuple.attr("id").unwrap().to_owned(), basic(tuple))).collect()
}

/// Example 11, answered; our tag.
fn watching(bench: &mut Bench) -> String {
    let heard = send(bench, &vector("8048-11").0, None);
    assert_eq!((heard.status(), heard.header(Name::EXPIRES).as_deref()), (Some(200), Some("3600")));
    assert_eq!(heard.states(), ["pending;expires=3600"]);
    answer_all(bench, &heard, 200);
    heard.notifies[0].headers.from().unwrap().tag().unwrap().into_owned()
}

#[test]
fn vector_8048_11_a_subscribe_becomes_a_question() {
    let mut bench = Bench::new();
    watching(&mut bench);
    assert_eq!(said(&mut bench), line(&vector("8048-11").1));
}

#[test]
fn vector_8048_13_a_no_ends_it() {
    let mut bench = Bench::new();
    watching(&mut bench);
    let (input, output) = vector("8048-13");
    bench.stanza(&input);
    compare(&Heard::of(&mut bench).notifies[0], &output);
}

#[test]
fn vectors_8048_15_and_16_who_stops_watching_sees_her_closed() {
    let mut bench = Bench::new();
    let tag = watching(&mut bench);
    bench.stanza("<presence from='juliet@xmpp.example' to='romeo@sip.example' type='subscribed'/>");
    let heard = Heard::of(&mut bench);
    answer_all(&mut bench, &heard, 200);
    bench.stanza("<presence from='juliet@xmpp.example/yn0cl4bnw0yr3vym' to='romeo@sip.example'/>");
    let heard = Heard::of(&mut bench);
    answer_all(&mut bench, &heard, 200);
    said(&mut bench);
    let (input, output) = vector("8048-15");
    assert_eq!(input, vector("8048-16").0);
    let heard = send(&mut bench, &input, Some(&tag));
    assert_eq!(heard.status(), Some(200));
    compare(&heard.notifies[0], &output);
    let wanted = output.split_once("\n\n").unwrap().1;
    assert_eq!(tuples(&body(&heard.notifies[0])), tuples(wanted));
    assert_eq!(said(&mut bench), line(&vector("8048-16").1));
}

#[test]
fn vector_8048_20_a_look_is_a_probe() {
    let mut bench = Bench::new();
    let (input, output) = vector("8048-20");
    assert_eq!(send(&mut bench, &input, None).status(), Some(200));
    assert_eq!(said(&mut bench), line(&output));
    bench.pass(3 * SECOND);
    assert_eq!(Heard::of(&mut bench).states(), ["terminated;reason=timeout"]);
}
