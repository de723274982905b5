//! How fast a stream is read: bytes to whole elements, by us and by rxml into the same elements, and quick-xml's bare
//! tokens without any check, below which nobody can go who reads with it.
//!
//! ```text
//! cargo run --release --bin xml        a table; exit 1 if stox is less than 2.1 times as fast as rxml somewhere
//! ```
//! A stream of many copies of each stanza goes in by pieces of 4 KiB, as from a socket. All take turns within one run and
//! each keeps its best turn, so the ratios hold on a busy machine.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use stox::xml::splitter::{Piece, Splitter};
use stox::xml::{Element, Limits};

/// Turns of each reader.
const TURNS: usize = 40;
/// About so many bytes of each stanza make a stream.
const STREAM: usize = 1 << 20;
/// What comes from a socket at once.
const CHUNK: usize = 4096;
/// What a scanner with quick-xml behind it had reached in a trial, against rxml, at the least.
const MARK: f64 = 2.1;

const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:server' \
    xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback' version='1.0'>";

fn main() -> ExitCode {
    let mut lost = false;
    for (name, stanza) in stanzas() {
        let copies = STREAM / stanza.len();
        let stream = format!("{HEADER}{}", stanza.repeat(copies));
        let readers: [(&str, fn(&[u8]) -> usize); 3] = [("stox", by_stox), ("rxml", by_rxml), ("tokens", by_tokens)];
        let mut best = [Duration::MAX; 3];
        for (reader, read) in &readers {
            let found = read(stream.as_bytes());
            assert_eq!(found, copies, "{reader} finds {found} of {copies} in {name}");
        }
        for _ in 0..TURNS {
            for (best, (_, read)) in best.iter_mut().zip(&readers) {
                let begin = Instant::now();
                black_box(read(black_box(stream.as_bytes())));
                *best = begin.elapsed().min(*best);
            }
        }
        let seconds = best.map(|best| best.as_secs_f64());
        for ((reader, _), took) in readers.iter().zip(seconds) {
            let rate = copies as f64 / took;
            let ratio = took / seconds[0];
            println!(
                "{name:10} {:5} B {reader:6} {:6.0} MB/s {rate:9.0} stanzas/s  stox is {ratio:.2} times as fast",
                stanza.len(),
                stream.len() as f64 / took / 1e6
            );
        }
        lost |= seconds[1] / seconds[0] < MARK;
    }
    if lost { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn stanzas() -> Vec<(&'static str, String)> {
    let text = "Wherefore art thou, Romeo? Deny thy father &amp; refuse thy name. ";
    let message = |body: &str| {
        format!(
            "<message from='juliet@xmpp.example/balcony' to='romeo@sip.example' id='c5c1f0d8b52d' type='chat'>\
             <body>{body}</body><thread>e0ffe42b28561960c6b12b944a092794b9683a38</thread>\
             <active xmlns='http://jabber.org/protocol/chatstates'/><request xmlns='urn:xmpp:receipts'/></message>"
        )
    };
    let feature = "<feature var='http://jabber.org/protocol/disco#info'/>";
    vec![
        ("message", message(text)),
        ("long", message(&text.repeat(60))),
        (
            "presence",
            "<presence from='juliet@xmpp.example/balcony' to='romeo@sip.example' type='unavailable'/>".to_owned(),
        ),
        (
            "disco",
            format!(
                "<iq from='xmpp.example' to='sip.example' id='d1' type='result'><query \
                 xmlns='http://jabber.org/protocol/disco#info'><identity category='server' type='im'/>{}</query></iq>",
                feature.repeat(12)
            ),
        ),
    ]
}

fn by_stox(stream: &[u8]) -> usize {
    let mut splitter = Splitter::new(Limits::default());
    let mut found = 0;
    for chunk in stream.chunks(CHUNK) {
        splitter.push(chunk);
        while let Some(piece) = splitter.next().expect("the stream is good") {
            found += usize::from(matches!(black_box(piece), Piece::Child(_)));
        }
    }
    found
}

fn by_rxml(stream: &[u8]) -> usize {
    use rxml::{Event, Parse};
    let mut parser = rxml::Parser::new();
    let (mut open, mut found) = (Vec::<Element>::new(), 0);
    for chunk in stream.chunks(CHUNK) {
        let mut bytes = chunk;
        loop {
            match parser.parse(&mut bytes, false) {
                Ok(Some(Event::StartElement(_, (ns, name), attrs))) => {
                    let mut element = Element::new(ns.to_string(), &name);
                    for ((_, name), value) in attrs {
                        element.set_attr(&name, value);
                    }
                    open.push(element);
                }
                Ok(Some(Event::Text(_, text))) => open.last_mut().expect("text is inside").push_text(&text),
                Ok(Some(Event::EndElement(_))) => {
                    let element = open.pop().expect("an end has a start");
                    if open.len() == 1 {
                        black_box(element);
                        found += 1;
                    } else if let Some(parent) = open.last_mut() {
                        parent.push_child(element);
                    }
                }
                Ok(_) => {}
                Err(rxml::error::EndOrError::NeedMoreData) => break,
                Err(error) => panic!("{error:?}"),
            }
        }
    }
    found
}

fn by_tokens(stream: &[u8]) -> usize {
    use quick_xml::events::Event;
    let mut reader = quick_xml::NsReader::from_reader(stream);
    reader.config_mut().allow_dangling_amp = true;
    let (mut depth, mut found) = (0, 0);
    loop {
        match reader.read_resolved_event() {
            Ok((_, Event::Start(_))) => depth += 1,
            Ok((_, Event::Empty(_))) => found += usize::from(depth == 1),
            Ok((_, Event::End(_))) => {
                depth -= 1;
                found += usize::from(depth == 1);
            }
            Ok((_, Event::Eof)) | Err(_) => return found,
            Ok(event) => {
                black_box(event);
            }
        }
    }
}
