//! Many pairs on one stream (XEP-0220 section 2.6), and keys that are not what they should be.

use super::super::*;
use super::ends::*;
use crate::xmpp::federation::{Authentication, Verdict, Verification};
use crate::xmpp::stanza::{Condition, StanzaError};

fn many(hosts: &[&'static str]) -> Vec<&'static str> {
    hosts.to_vec()
}

#[test]
fn three_pairs_share_one_stream() {
    for certified in [true, false] {
        let ours = many(&[OURS, "chat.a.example", "c.example"]);
        let (known, unknown) = (ours.clone(), vec![]);
        let one = World::new(&ours, &[THEIRS]);
        let two = World::new(&[THEIRS, "chat.b.example"], if certified { &known } else { &unknown });
        let mut ends = Ends::new(&one, &two, false);
        ends.one.prove.push(pair("chat.a.example", THEIRS));
        ends.one.prove.push(pair("c.example", THEIRS));
        ends.talk(1, at(1));
        assert_eq!(ends.one.stream.pairs(), 3);
        assert_eq!(ends.two.stream.pairs(), 3);
        let by = if certified { Association::Pkix } else { Association::Dialback };
        assert!(ends.two.proven().contains(&proven(THEIRS, "c.example", Way::In, by)), "{:?}", ends.two.reports);
        let keys = ends.two.reports.iter().filter(|report| matches!(report, Report::Key(_))).count();
        assert_eq!(keys, if certified { 0 } else { 3 }, "what the certificate proves needs no key");
        for (from, to) in
            [("r@c.example", "y@b.example"), ("r@chat.a.example", "y@b.example"), ("r@a.example", "b.example")]
        {
            ends.one.stream.order(Command::Send(message(from, to, from)), at(2)).unwrap();
            ends.two.stream.order(Command::Send(message(to, from, to)), at(2)).unwrap();
        }
        ends.talk(usize::MAX, at(2));
        assert_eq!((ends.two.stanzas.len(), ends.one.stanzas.len()), (3, 3));
    }
}

#[test]
fn another_domain_at_the_same_server_is_tried_only_if_the_certificate_names_it() {
    let one = World::new(&[OURS], &[THEIRS, "chat.b.example"]);
    let two = World::new(&[THEIRS, "chat.b.example", "d.example"], &[OURS]);
    let mut ends = Ends::new(&one, &two, false);
    ends.one.prove.push(pair(OURS, "chat.b.example"));
    ends.one.prove.push(pair(OURS, "d.example"));
    ends.talk(1, at(1));
    assert!(ends.one.proven().contains(&proven(OURS, "chat.b.example", Way::Out, Association::Pkix)));
    let error = StanzaError::new(Condition::NotAuthorized).with_text("its certificate does not name d.example");
    assert!(ends.one.reports.contains(&Report::Refused(pair(OURS, "d.example"), Verdict::Error(error))));
    assert!(!ends.one.said.contains("d.example'"));
}

#[test]
fn the_other_end_of_a_bidi_stream_proves_its_other_domains_too() {
    for certified in [true, false] {
        let one = World::new(&[OURS], if certified { &[THEIRS, "chat.b.example"] } else { &[] });
        let two = World::new(&[THEIRS, "chat.b.example"], &[]);
        let mut ends = Ends::new(&one, &two, false);
        ends.talk(1, at(1));
        ends.two.stream.order(Command::Prove(pair("chat.b.example", OURS)), at(1)).unwrap();
        ends.talk(1, at(1));
        let by = if certified { Association::Pkix } else { Association::Dialback };
        assert!(ends.one.proven().contains(&proven(OURS, "chat.b.example", Way::In, by)), "{:?}", ends.one.reports);
        ends.two.stream.order(Command::Send(message("r@chat.b.example", "x@a.example", "hi")), at(1)).unwrap();
        ends.talk(1, at(1));
        assert_eq!(bodies(&ends.one.stanzas), ["hi"]);
        // Nobody has shown that it is the server of any other domain.
        ends.two.stream.order(Command::Prove(pair(THEIRS, "e.example")), at(1)).unwrap();
        ends.talk(1, at(1));
        assert!(matches!(ends.two.reports.last(), Some(Report::Refused(_, Verdict::Error(_)))));
    }
}

#[test]
fn a_stream_to_verify_needs_no_proof_and_gives_the_answer_of_the_authority() {
    for (right, expected) in [(true, Verdict::Valid), (false, Verdict::Invalid)] {
        let (mut one, two) = (World::new(&[OURS], &[]), World::new(&[THEIRS], &[OURS]));
        one.tls = false;
        let dial = dial(true);
        let mut ends = Ends::new(&one, &two, false);
        ends.one = End::initiating(&one, &dial, None);
        ends.talk(1, at(1));
        assert_eq!(ends.one.reports, [Report::Open { multiplex: true }]);
        let key = if right { two.keys.key(OURS, THEIRS, "id<&'") } else { "0".repeat(64) };
        let question = Verification { pair: pair(OURS, THEIRS), id: "id<&'".to_owned(), key };
        ends.one.stream.order(Command::Verify(question.clone()), at(1)).unwrap();
        ends.talk(1, at(1));
        assert_eq!(ends.one.reports.last(), Some(&Report::Verified(question, expected)));
        assert_eq!(ends.two.closed(), None);
    }
}

#[test]
fn only_the_domain_that_was_looked_up_is_asked_about_its_keys() {
    let mut ends = Ends::new(&World::new(&[OURS], &[THEIRS]), &World::new(&[THEIRS], &[OURS]), false);
    ends.talk(64, at(1));
    let question = Verification { pair: pair(OURS, "d.example"), id: "1".to_owned(), key: "2".to_owned() };
    let undone = ends.one.stream.order(Command::Verify(question.clone()), at(1)).unwrap_err();
    assert_eq!((undone.why, undone.command), (NotSent::Address, Command::Verify(question.clone())));
    let undone = ends.two.stream.order(Command::Verify(question), at(1)).unwrap_err();
    assert_eq!(undone.why, NotSent::Address);
}

#[test]
fn a_forged_key_ends_the_stream_of_a_liar_and_not_that_of_others() {
    let (one, two) = (World::new(&[OURS, "c.example"], &[]), World::new(&[THEIRS], &[]));
    let mut ends = Ends::new(&one, &two, false);
    let mut liar = one.clone();
    liar.keys = crate::xmpp::federation::dialback::Keys::new(b"other");
    ends.one = End::initiating(&liar, &dial(false), None);
    ends.one.prove.push(pair(OURS, THEIRS));
    ends.talk(1, at(1));
    assert!(ends.one.reports.contains(&Report::Refused(pair(OURS, THEIRS), Verdict::Invalid)));
    assert_eq!((ends.one.closed(), ends.two.closed()), (Some(&Cause::PeerClosed), Some(&Cause::Closed)));

    let mut ends = Ends::new(&one, &two, false);
    ends.talk(1, at(1));
    let forged = "<db:result from='c.example' to='b.example'>123</db:result>";
    ends.two.stream.receive(forged.as_bytes(), at(1));
    ends.talk(1, at(1));
    assert!(ends.two.said.contains("<forbidden "), "{}", ends.two.said);
    assert_eq!(ends.two.closed(), None);
    ends.exchange(true, at(2));
}

#[test]
fn a_partner_may_be_held_to_certificates_alone() {
    let (one, mut two) = (World::new(&[OURS, "c.example"], &[]), World::new(&[THEIRS], &[OURS]));
    two.demands = Authentication::Certificate;
    let mut ends = Ends::new(&one, &two, false);
    ends.one.prove.push(pair("c.example", THEIRS));
    ends.talk(1, at(1));
    assert_eq!(ends.two.proven()[0], proven(THEIRS, OURS, Way::In, Association::Pkix));
    let error = StanzaError::new(Condition::NotAuthorized).with_text("its certificate does not name c.example");
    assert!(ends.one.reports.contains(&Report::Refused(pair("c.example", THEIRS), Verdict::Error(error))));
    assert_eq!((ends.one.closed(), ends.two.closed()), (None, None));
}

#[test]
fn an_answer_to_what_nobody_asked_is_no_answer() {
    let (one, two) = (World::new(&[OURS], &[]), World::new(&[THEIRS], &[]));
    let mut ends = Ends::new(&one, &two, false);
    ends.one.prove.clear();
    ends.talk(1, at(1));
    for forged in [
        "<db:result from='b.example' to='a.example' type='valid'/>",
        "<db:verify from='b.example' to='a.example' id='1' type='valid'/>",
        "<db:result type='valid'/>",
        "<db:result from='b.example' to='a.example' type='odd'/>",
    ] {
        ends.one.stream.receive(forged.as_bytes(), at(1));
        ends.two.stream.receive(forged.as_bytes(), at(1));
        ends.talk(1, at(1));
    }
    assert_eq!((ends.one.proven(), ends.two.proven()), (vec![], vec![]));
    assert_eq!((ends.one.closed(), ends.two.closed()), (None, None));
    let undone = ends.two.stream.order(Command::Answer(pair(THEIRS, OURS), Verdict::Valid), at(1)).unwrap_err();
    assert_eq!(undone.why, NotSent::Address);
}

#[test]
fn questions_have_an_end() {
    let one = World::new(&[OURS], &[]);
    let mut end = End::initiating(&one, &dial(false), None);
    let header = "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
                  xmlns:db='jabber:server:dialback' id='1' version='1.0'>\
                  <stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>";
    end.stream.receive(header.as_bytes(), at(1));
    end.stream.receive(b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", at(1));
    end.stream.secured(secured(), at(1));
    let header = header.replace("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", "");
    end.attend(at(1));
    end.stream.receive(header.as_bytes(), at(1));
    let mut done = 0;
    while end.stream.order(Command::Prove(pair(&format!("l{done}.example"), THEIRS)), at(1)).is_ok() {
        done += 1;
    }
    assert_eq!(done, super::super::config::MAX_WAITING);
}
