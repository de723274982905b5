//! What streams carry.

use super::super::*;
use super::ends::*;
use super::told::{hear, open};

#[test]
fn stanzas_go_out_in_the_namespace_of_the_stream_and_come_in_without_it() {
    let mut end = open(true);
    end.stream.order(Command::Send(message("x@a.example", "y@b.example", "<1>")), at(1)).unwrap();
    let said = end.output();
    assert_eq!(said, "<message from='x@a.example' to='y@b.example' type='chat'><body>&lt;1&gt;</body></message>");
    hear(&mut end, "<message from='y@b.example/r' to='x@a.example'><body>2</body></message>", at(1));
    assert_eq!(bodies(&end.stanzas), ["2"]);
}

#[test]
fn only_what_is_proven_goes_out() {
    let mut end = open(true);
    for (from, to) in [("x@a.example", "y@c.example"), ("x@c.example", "y@b.example"), ("y@b.example", "x@a.example")] {
        let stanza = message(from, to, "no");
        end.stream.order(Command::Send(stanza.clone()), at(1)).unwrap();
        end.attend(at(1));
        assert_eq!(end.reports.last(), Some(&Report::Unsent(stanza)));
    }
    let nobody = Stanza::Message(crate::xmpp::stanza::Message::default());
    end.stream.order(Command::Send(nobody.clone()), at(1)).unwrap();
    end.attend(at(1));
    assert_eq!(end.output(), "");
    assert_eq!(end.reports.last(), Some(&Report::Unsent(nobody)));
}

#[test]
fn what_waits_is_bounded() {
    let mut end = open(false);
    end.stream.core.config.max_queued = 1000;
    let stanza = message("x@a.example", "y@b.example", &"x".repeat(600));
    for _ in 0..3 {
        end.stream.order(Command::Send(stanza.clone()), at(1)).unwrap();
    }
    end.attend(at(1));
    assert_eq!(end.reports.last(), Some(&Report::Unsent(stanza)));
    assert!((1000..2000).contains(&end.stream.queued_bytes()));
}

#[test]
fn the_language_of_the_stream_is_that_of_stanzas_without_one() {
    let mut end = open(true);
    end.stream.core.lang = Some("sv".to_owned());
    let text = "<message from='y@b.example' to='a.example'/><message xml:lang='de' from='b.example' to='a.example'/>";
    hear(&mut end, text, at(1));
    let langs: Vec<_> = end.stanzas.iter().map(Stanza::lang).collect();
    assert_eq!(langs, [Some("sv"), Some("de")]);
}

#[test]
fn stanzas_in_doubt_are_told_when_the_connection_breaks() {
    for sent in [false, true] {
        let mut end = open(false);
        if sent {
            end.stream.order(Command::Send(message("x@a.example", "y@b.example", "1")), at(1)).unwrap();
        }
        end.stream.disconnected();
        end.stream.disconnected();
        end.attend(at(1));
        let closed = Report::Closed {
            cause: Cause::Disconnected,
            unsent: vec![],
            doubtful: vec![],
            session: None,
            in_doubt: sent,
        };
        assert_eq!(end.reports.last(), Some(&closed));
        assert_eq!(end.reports.iter().filter(|report| matches!(report, Report::Closed { .. })).count(), 1);
    }
}

#[test]
fn every_place_to_split_gives_the_same() {
    let text = "<message from='y@b.example' to='x@a.example'><body>ü&amp;<![CDATA[<]]></body></message>\n \
                <iq type='get' id='1' from='b.example' to='a.example'><q xmlns='u'/></iq>\
                <iq type='get' id='2' from='b.example' to='a.example'/>\
                <db:result from='e.example' to='a.example'>1</db:result></stream:stream> ";
    let run = |chunks: [&[u8]; 2]| {
        let mut end = open(true);
        for chunk in chunks {
            end.stream.receive(chunk, at(1));
        }
        end.attend(at(1));
        (end.stanzas.clone(), end.unusable.clone(), end.reports.clone(), end.output())
    };
    let whole = run([text.as_bytes(), b""]);
    assert_eq!((whole.0.len(), whole.1.len()), (2, 1));
    for place in 0..text.len() {
        let (one, two) = text.as_bytes().split_at(place);
        assert_eq!(run([one, two]), whole, "split at {place}");
    }
}

#[test]
fn the_size_of_a_stanza_is_the_partners() {
    let mut world = World::new(&[OURS], &[THEIRS]);
    let mut partner = Partner::default();
    partner.limits.stanza_size = 12_000;
    world.named.insert(THEIRS.to_owned(), partner);
    let mut ends = Ends::new(&world, &World::new(&[THEIRS], &[OURS]), false);
    ends.talk(usize::MAX, at(1));
    let [large, small] = [13_000, 11_000].map(|size| message("y@b.example", "x@a.example", &"x".repeat(size)));
    ends.two.stream.order(Command::Send(large), at(1)).unwrap();
    ends.two.stream.order(Command::Send(small), at(1)).unwrap();
    ends.talk(500, at(1));
    assert_eq!((ends.one.stanzas.len(), ends.one.unusable.len()), (1, 1));
    let reply = ends.one.unusable[0].as_ref().unwrap();
    assert_eq!(reply.to().unwrap().as_str(), "y@b.example");
}
