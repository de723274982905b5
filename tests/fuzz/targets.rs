//! What must hold for any bytes. The fuzzer calls these with bytes it grows from coverage, `tests/it/fuzz.rs` with mutated
//! messages; a target returns, or it has found something.

#[path = "answers.rs"]
mod answers;
#[path = "manage.rs"]
mod manage;
#[path = "server.rs"]
mod server;
#[path = "transaction.rs"]
mod transaction;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use stox::gateway::trust::{Network, Peer, Stranger, Trust};
use stox::gateway::{Gateway, Input, Output, Route, Settings};
use stox::ids::Ids;
use stox::mapping::{DomainMapping, Home, Mapping};
use stox::model::{
    cpim, dialog_info, event, html, iscomposing, message_summary, mime, pidf, reg_info, resource_list, watcher_info,
};
use stox::sip::endpoint::{EndpointConfig, Flow, Inbound, SentBy};
use stox::sip::framing::{Frame, Framing, Limits as FramingLimits};
use stox::sip::locate::{Destination, Transport};
use stox::sip::message::{Message, check, wire};
use stox::sip::uri::Uri;
use stox::time::Now;
use stox::xml::splitter::{Piece, Splitter};
use stox::xml::{Element, ErrorKind, Limits, ns, reader, writer};
use stox::xmpp::escape::{escape_local, unescape_local};
use stox::xmpp::jid::{BareJid, Jid};
use stox::xmpp::stanza::Stanza;
use stox::xmpp::stream::{ComponentConfig, Stream, StreamConfig};

pub(crate) use answers::{auth, locate};
pub(crate) use manage::manage;
pub(crate) use server::{sasl, server};
pub(crate) use transaction::transaction;

/// Splitter, reader, writer, stanzas, and a stream that hears it all.
pub(crate) fn xml(data: &[u8]) {
    let limits = Limits { skip: 1 << 20, ..Limits::default() };
    assert_eq!(split(data, data.len().max(1), limits), split(data, 1, limits), "pieces matter");
    let mut stream_text = b"<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' id='1'><handshake/>".to_vec();
    stream_text.extend_from_slice(data);
    let config = ComponentConfig {
        domain: BareJid::parse("sip.example").expect("a domain"),
        secret: "s".to_owned(),
        server: None,
        stream: StreamConfig::default(),
    };
    let mut stream = Stream::component(config, Now::at(Duration::ZERO));
    stream.receive(&stream_text, Now::at(Duration::ZERO));
    while stream.poll_event().is_some() {}
    let mut output = Vec::new();
    stream.poll_output(&mut output);
    assert!(output.len() <= 64 * stream_text.len() + 4096, "the answer is far larger than what it answers");
    if let Ok(element) = reader::parse(data, &Limits::document()) {
        survives(&element);
    }
}

fn split(data: &[u8], size: usize, limits: Limits) -> Vec<String> {
    let mut splitter = Splitter::new(limits);
    let mut seen = Vec::new();
    for piece in data.chunks(size) {
        splitter.push(piece);
        loop {
            match splitter.next() {
                Ok(Some(piece)) => {
                    if let Piece::Child(element) = &piece {
                        survives(element);
                        is_a_stanza_or_not(element.clone());
                    }
                    seen.push(format!("{piece:?}"));
                }
                Ok(None) => break,
                Err(error) => {
                    seen.push(format!("{error:?}"));
                    return seen;
                }
            }
        }
    }
    seen
}

/// What is written is read back as it was.
fn survives(element: &Element) {
    let mut text = Vec::new();
    writer::write(element, "", &mut text);
    let wide = Limits { stanza: 1 << 24, depth: 256, attributes: 4096, namespaces: 4096, ..Limits::document() };
    let again =
        reader::parse(&text, &wide).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&text)));
    assert_eq!(again, *element);
}

fn is_a_stanza_or_not(element: Element) {
    let domain = Jid::parse("sip.example").expect("a domain");
    match Stanza::from_element(element) {
        Ok(stanza) => {
            let mut text = Vec::new();
            stanza.write(ns::CLIENT, &mut text);
            let mut element = Vec::new();
            writer::write(&stanza.to_element(), ns::CLIENT, &mut element);
            assert_eq!(text, element, "two ways to write the same");
        }
        Err(problem) => drop(problem.reply(&domain)),
    }
}

/// Messages and framing.
pub(crate) fn sip(data: &[u8]) {
    assert_eq!(frames(data, data.len().max(1)), frames(data, 1), "pieces matter");
    match wire::parse(data) {
        Ok(message) => {
            let mut printed = Vec::new();
            message.print(&mut printed);
            let again = wire::parse(&printed).unwrap_or_else(|error| panic!("what we print is not read: {error}"));
            assert_eq!(again.body(), message.body());
            let mut twice = Vec::new();
            again.print(&mut twice);
            assert_eq!(printed, twice);
            if let Message::Request(request) = &message
                && let Err(refusal) = check::check(request)
                && let Some(response) = refusal.response(request)
            {
                let mut printed = Vec::new();
                response.print(&mut printed);
                wire::parse(&printed).unwrap_or_else(|error| panic!("what we answer is not read: {error}"));
            }
        }
        Err(error) => {
            if let Some(response) = error.response() {
                let mut printed = Vec::new();
                response.print(&mut printed);
                wire::parse(&printed).unwrap_or_else(|error| panic!("what we answer is not read: {error}"));
            }
        }
    }
}

fn frames(data: &[u8], size: usize) -> Vec<String> {
    let mut framing = Framing::new(FramingLimits::default());
    let mut seen = Vec::new();
    for piece in data.chunks(size) {
        framing.push(piece);
        while let Some(frame) = framing.next() {
            seen.push(match frame {
                Ok(frame) => format!("{frame:?}"),
                Err(error) => format!("{error}"),
            });
        }
    }
    seen
}

/// A connection, cut up as the first bytes say: what comes out depends on the bytes alone.
pub(crate) fn framing(data: &[u8]) {
    let (cuts, data) = data.split_at(data.len().min(4));
    let mut sizes = cuts.iter().map(|cut| usize::from(*cut) + 1).cycle();
    let limits = FramingLimits { head: 512, body: 256 };
    let (mut framing, mut rest, mut seen, mut given) = (Framing::new(limits), data, Vec::new(), 0);
    while !rest.is_empty() {
        let (piece, next) = rest.split_at(sizes.next().unwrap_or(1).min(rest.len()));
        rest = next;
        framing.push(piece);
        while let Some(frame) = framing.next() {
            if let Ok(Frame::Message(bytes)) = &frame {
                assert!(bytes.len() <= limits.head + limits.body + 4, "longer than the limits");
                assert!(wire::parse(bytes).map_or(true, |message| message.body().len() <= limits.body));
                given += bytes.len();
            }
            seen.push(frame.ok());
        }
    }
    assert!(given <= data.len(), "more given out than came in");
    let broken = seen.iter().position(Option::is_none).unwrap_or(seen.len());
    assert!(broken + 1 >= seen.len(), "something comes after an error");
    let mut whole = Framing::new(limits);
    whole.push(data);
    // What is said of bytes with two faults may depend on which of them came first, that they are refused may not.
    let frames = std::iter::from_fn(|| whole.next()).map(Result::ok);
    assert_eq!(seen, frames.collect::<Vec<_>>(), "pieces matter");
}

/// What a MESSAGE may carry: CPIM, HTML, MIME, typing states.
pub(crate) fn body(data: &[u8]) {
    if let Ok(read) = cpim::parse(data) {
        for name in read.from.iter().chain(&read.to) {
            let mut line = String::new();
            cpim::write_named_uri("From", name, &mut line);
            assert_eq!(line.matches('\n').count(), 1, "a name breaks its line: {line:?}");
        }
        for subject in &read.subjects {
            let mut line = String::new();
            cpim::write_subject(subject, &mut line);
            assert_eq!(line.matches('\n').count(), 1, "a subject breaks its line: {line:?}");
        }
    }
    if let Ok(state) = iscomposing::parse(data) {
        iscomposing::parse(&iscomposing::print(state))
            .unwrap_or_else(|error| panic!("what we print is not read: {error}"));
    }
    let text = String::from_utf8_lossy(data);
    let plain = html::to_text(&text);
    assert!(plain.len() <= 4 * data.len() + 64, "the text is longer than the HTML");
    let entity = mime::Entity::parse(data);
    let _ = entity.header("Content-Type");
    drop(mime::parts(data, "b"));
    for encoding in ["base64", "quoted-printable", "8bit"] {
        drop(mime::decode_transfer(encoding, data));
    }
    for kind in [
        "text/plain",
        "text/html;charset=latin1",
        "message/cpim",
        "multipart/mixed;boundary=b",
        "application/im-iscomposing+xml",
    ] {
        let _ = translated(kind, data);
    }
}

/// The documents of the other event packages: each is read, kept, and, where it can be, written and read again.
pub(crate) fn events(data: &[u8]) {
    if let Ok(document) = dialog_info::read(data) {
        calls(document);
    }
    if let Ok(document) = reg_info::read(data) {
        let mut known = reg_info::Registered::default();
        let _ = known.take(&document);
        assert!(!known.is_registered() || document.registrations.iter().any(|registration| registration.active));
    }
    if let Ok(document) = watcher_info::read(data) {
        let mut watchers = watcher_info::Watchers::default();
        let _ = watchers.take(document);
        assert!(watchers.all().len() <= watcher_info::MAX_WATCHERS);
    }
    if let Ok(list) = resource_list::read(data) {
        assert!(list.resources.len() <= resource_list::MAX_RESOURCES);
    }
    if let Ok(summary) = message_summary::read(data) {
        let twice = summary.clone().with(&summary);
        assert_eq!((twice.waiting, twice.counts.len()), (summary.waiting, summary.counts.len()));
    }
}

fn calls(document: dialog_info::Document) {
    assert!(document.dialogs.len() <= dialog_info::MAX_DIALOGS);
    match dialog_info::read(&dialog_info::write(&document)) {
        Ok(again) => assert_eq!(again, document),
        Err(event::Error::Xml(error)) if matches!(error.kind, ErrorKind::TooMuch(_)) => {}
        Err(error) => panic!("what we write is not read: {error}"),
    }
    let (mut calls, version) = (dialog_info::Calls::default(), document.version);
    assert_eq!(calls.take(document.clone()).is_ok(), document.full);
    let usage = calls.usage();
    assert_eq!(calls.take(document), Ok(()), "the same once more");
    assert_eq!(calls.usage(), usage);
    let nothing = dialog_info::Document { version, full: true, entity: String::new(), dialogs: Vec::new() };
    assert_eq!((calls.take(nothing), calls.usage()), (Ok(()), dialog_info::Use::Idle));
}

/// Presence documents: what is read is written so that it is read again, and from then on means the same.
pub(crate) fn pidf(data: &[u8]) {
    let limits = pidf::Limits { bytes: 16 * 1024, ..pidf::Limits::default() };
    let Ok(presence) = pidf::read(data, &limits) else { return };
    assert!(presence.tuples.len() <= limits.tuples && presence.notes.len() <= limits.words);
    // Ids and URIs grow when they are escaped, and a namespace is declared where it is used.
    let wide = pidf::Limits { bytes: 1 << 20, ..limits };
    let again = |presence| match pidf::read(&pidf::write(presence), &wide) {
        Ok(again) => Some(again),
        Err(pidf::Error::Xml(error)) if matches!(error.kind, ErrorKind::TooMuch(_)) => None,
        Err(error) => panic!("what we write is not read: {error}"),
    };
    let Some(once) = again(&presence) else { return };
    assert_eq!(once.tuples.len(), presence.tuples.len());
    for (read, before) in once.tuples.iter().zip(&presence.tuples) {
        assert_eq!((read.show, &read.contact.is_some()), (before.show, &before.contact.is_some()));
        assert!(before.basic.is_none() || read.basic == before.basic);
    }
    let twice = again(&once);
    assert_eq!(twice.as_ref().and_then(again), twice);
}

fn translated(kind: &str, data: &[u8]) -> Option<()> {
    let head = b"MESSAGE sip:juliet@xmpp.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:romeo@sip.example>;tag=1\r\n\
        To: <sip:juliet@xmpp.example>\r\nCall-ID: 1\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n";
    let Ok(Message::Request(mut request)) = wire::parse(head) else { return None };
    request.set_body(kind, data.to_vec());
    let message = mapping().sip_to_message(&request, Now::at(Duration::ZERO).wall).ok()??;
    let stanza = mapping().message_to_xmpp(&message).ok()?;
    survives(&stanza.to_element());
    Some(())
}

/// Addresses of both sides, and the way between them.
pub(crate) fn address(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    drop(mapping().explain(text).to_string());
    assert_eq!(unescape_local(&escape_local(text).unwrap_or_default()), escape_local(text).map_or("", |_| text));
    if let Ok(jid) = Jid::parse(text) {
        assert_eq!(Jid::parse(jid.as_str()).as_ref(), Ok(&jid), "a JID is its own canonical form");
        let address = mapping().jid_to_address(&jid);
        if let Ok(uri) = mapping().address_to_uri(&address) {
            let back = mapping().uri_to_address(&uri).unwrap_or_else(|error| panic!("{uri:?} leads nowhere: {error}"));
            let back = mapping().address_to_jid(&back).unwrap_or_else(|error| panic!("{uri:?} is nobody: {error}"));
            // `x\5cy` reads as `x\y`, and so does `x\y` itself: XEP-0106 has one way back for both.
            let local = jid.local().unwrap_or_default();
            let is_escaped_as_needed = escape_local(&unescape_local(local)).as_deref() == Some(local);
            assert!(back == jid || !is_escaped_as_needed, "an answer to {jid} would go to {back}");
        }
    }
    if let Ok(jid) = Jid::parse_peer(text) {
        let address = mapping().jid_to_address(&jid);
        drop(mapping().address_to_uri(&address));
    }
    if let Ok(uri) = Uri::parse(text) {
        assert_eq!(Uri::parse(uri.as_str()).as_ref(), Ok(&uri));
        if let Ok(address) = mapping().uri_to_address(&uri)
            && let Ok(jid) = mapping().address_to_jid(&address)
        {
            let back = mapping().jid_to_address(&jid);
            assert_eq!(mapping().address_to_jid(&back).as_ref(), Ok(&jid));
        }
    }
}

fn mapping() -> &'static Arc<Mapping> {
    static MAPPING: OnceLock<Arc<Mapping>> = OnceLock::new();
    MAPPING.get_or_init(|| {
        let domains = vec![
            DomainMapping::new(Home::Sip, "sip.example", "sip.example", None),
            DomainMapping::new(Home::Sip, "pbx.example", "192.0.2.1", Some(5070)),
            DomainMapping::new(Home::Xmpp, "xmpp.example", "xmpp.example", None),
            DomainMapping::new(Home::Xmpp, "*", "gw.example", None),
        ];
        Arc::new(Mapping::new(domains).expect("the domains do not conflict"))
    })
}

/// A whole gateway that hears the bytes from both sides, and its own words back from the SIP side.
pub(crate) fn gateway(data: &[u8]) {
    let mut gateway = a_gateway();
    let mut now = Now::at(Duration::from_secs(1));
    gateway.handle(Input::LinkUp(0), now);
    for part in data.split(|byte| *byte == 0) {
        for input in inputs(part) {
            gateway.handle(input, now);
            now = Now::at(now.mono + Duration::from_millis(300));
            hear(&mut gateway, now);
        }
    }
    let end = now.mono + Duration::from_secs(300);
    while let Some(at) = gateway.next_timeout().filter(|at| *at < end) {
        now = Now::at(now.mono.max(at));
        hear(&mut gateway, now);
    }
    assert!(gateway.is_idle(), "a message has no outcome after 300 s");
}

fn hear(gateway: &mut Gateway, now: Now) {
    gateway.handle_timeout(now);
    gateway.finish_step(now);
    let mut outputs = Vec::new();
    gateway.take_outputs(&mut outputs);
    for output in outputs {
        match output {
            Output::Transmit(transmit) => {
                let message =
                    wire::parse(&transmit.bytes).unwrap_or_else(|error| panic!("what we send is not read: {error}"));
                if let Message::Response(_) = message {
                    gateway.handle(Input::Sip(Inbound { message, flow: flow() }), now);
                }
            }
            Output::Stanza(_, stanza) => survives(&stanza.to_element()),
            Output::Locate(..) => {}
        }
    }
}

fn inputs(part: &[u8]) -> Vec<Input> {
    let mut inputs = Vec::new();
    if let Ok(message) = wire::parse(part) {
        inputs.push(Input::Sip(Inbound { message, flow: flow() }));
    }
    let mut splitter = Splitter::new(Limits::default());
    splitter.push(b"<s xmlns='jabber:client'>");
    splitter.push(part);
    while let Ok(Some(piece)) = splitter.next() {
        if let Piece::Child(element) = piece
            && let Ok(mut stanza) = Stanza::from_element(element)
        {
            belongs(&mut stanza);
            inputs.push(Input::Stanza(0, stanza));
        }
    }
    inputs
}

/// The link only lets in what has a sender and is for its own domain.
fn belongs(stanza: &mut Stanza) {
    let (from, to) = match stanza {
        Stanza::Message(message) => (&mut message.from, &mut message.to),
        Stanza::Presence(presence) => (&mut presence.from, &mut presence.to),
        Stanza::Iq(iq) => (&mut iq.from, &mut iq.to),
    };
    from.get_or_insert_with(|| Jid::parse("juliet@xmpp.example/balcony").expect("a JID"));
    if to.as_ref().is_none_or(|to| to.domain() != "sip.example") {
        *to = Some(Jid::parse("romeo@sip.example").expect("a JID"));
    }
}

fn flow() -> Flow {
    let addr = |text: &str| text.parse::<SocketAddr>().expect("an address");
    Flow { transport: Transport::Udp, local: addr("10.0.0.1:5060"), remote: addr("192.0.2.1:5060"), id: 0 }
}

fn a_gateway() -> Gateway {
    let next_hop =
        Destination { host: "192.0.2.1".to_owned(), port: Some(5060), transport: Some(Transport::Udp), secure: false };
    let domains = ["sip.example", "pbx.example", "192.0.2.1", "atlanta.com", "example.com", "example.net"];
    let peer =
        Peer::new("all", vec![Network { first: flow().remote.ip(), bits: 0 }], domains.map(str::to_owned).to_vec());
    let settings = Settings {
        links: vec!["sip.example".to_owned()],
        routes: vec![("sip.example".to_owned(), Route { forward: true, ..Route::to(next_hop) })],
        trust: Trust::new(vec![peer], Stranger::Refuse),
        confirm_within: Duration::from_secs(1),
        queue_per_pair: 10,
        messages_to_sip: 100,
        messages_to_xmpp: 100,
        ..Settings::default()
    };
    let sip = EndpointConfig::new(SentBy { host: "10.0.0.1".to_owned(), port: None });
    Gateway::new(Arc::clone(mapping()), settings, sip, Ids::new([1; 32], 1))
}
