//! Every mode in which two servers come to believe each other, however the bytes are split.

use super::super::*;
use super::ends::*;
use crate::xmpp::federation::Authentication;

const CHUNKS: [usize; 4] = [1, 7, 64, usize::MAX];

fn certified() -> (World, World) {
    (World::new(&[OURS], &[THEIRS]), World::new(&[THEIRS], &[OURS]))
}

#[test]
fn external_over_starttls_proves_the_pair() {
    for chunk in CHUNKS {
        let (mut one, mut two) = certified();
        (one.bidi, two.demands) = (false, Authentication::Certificate);
        let mut ends = Ends::new(&one, &two, false);
        ends.talk(chunk, at(1));
        assert_eq!(ends.one.proven(), [proven(OURS, THEIRS, Way::Out, Association::Pkix)]);
        assert_eq!(ends.two.proven(), [proven(THEIRS, OURS, Way::In, Association::Pkix)]);
        assert_eq!(ends.one.reports.last(), Some(&Report::Open { multiplex: true }));
        ends.exchange(false, at(2));
        assert!(!ends.one.said.contains("db:result"), "{}", ends.one.said);
    }
}

#[test]
fn what_our_domains_can_do_is_told_inside_tls_and_not_before() {
    let (one, mut two) = certified();
    two.caps = Some("<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='n' ver='v'/>");
    let mut ends = Ends::new(&one, &two, false);
    ends.talk(usize::MAX, at(1));
    let (before, inside) = ends.two.said.split_once("<proceed").unwrap();
    assert!(!before.contains("<c "), "{before}");
    assert_eq!(inside.matches("ver='v'/></stream:features>").count(), 2, "{inside}");
    assert_eq!(ends.one.proven()[0], proven(OURS, THEIRS, Way::Out, Association::Pkix));
}

#[test]
fn what_both_say_for_external_is_that_of_the_rfc() {
    let (one, two) = certified();
    let mut ends = Ends::new(&one, &two, false);
    ends.talk(usize::MAX, at(1));
    let header = "<?xml version='1.0'?><stream:stream xmlns='jabber:server' \
                  xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback' \
                  from='a.example' to='b.example' version='1.0' xml:lang='en'>";
    let one = format!(
        "{header}<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>{header}<bidi xmlns='urn:xmpp:bidi'/>\
         <auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>YS5leGFtcGxl</auth>{header}"
    );
    assert_eq!(ends.one.said, one);
    let features = |inside: &str| format!("<stream:features>{inside}</stream:features>");
    let tls = "urn:ietf:params:xml:ns:xmpp-tls";
    let dialback = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>";
    for said in [
        features(&format!("<starttls xmlns='{tls}'><required/></starttls>")),
        format!("<proceed xmlns='{tls}'/>"),
        features(&format!(
            "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>\
             {dialback}<bidi xmlns='urn:xmpp:features:bidi'></bidi>"
        )),
        "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>".to_owned(),
        features(dialback),
    ] {
        assert!(ends.two.said.contains(&said), "{said}\n{}", ends.two.said);
    }
    let ids: Vec<&str> = ends.two.said.match_indices(" id='").map(|(at, _)| &ends.two.said[at + 5..at + 31]).collect();
    assert!(ids.len() == 3 && ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2], "{ids:?}");
    assert!(!ends.one.said.contains("</stream:stream>") && !ends.two.said.contains("</stream:stream>"));
}

#[test]
fn dialback_over_tls_proves_whom_the_certificate_does_not() {
    for chunk in CHUNKS {
        let (mut one, mut two) = (World::new(&[OURS], &[]), World::new(&[THEIRS], &[]));
        (one.bidi, two.bidi) = (false, false);
        let mut ends = Ends::new(&one, &two, false);
        ends.talk(chunk, at(1));
        assert_eq!(ends.one.proven(), [proven(OURS, THEIRS, Way::Out, Association::Dialback)]);
        assert_eq!(ends.two.proven(), [proven(THEIRS, OURS, Way::In, Association::Dialback)]);
        ends.exchange(false, at(2));
        assert!(ends.two.said.contains("<db:result from='b.example' to='a.example' type='valid'></db:result>"));
        assert!(!ends.two.said.contains("EXTERNAL"));
    }
}

#[test]
fn plain_dialback_proves_where_both_allow_it() {
    for chunk in CHUNKS {
        let (mut one, mut two) = (World::new(&[OURS], &[]), World::new(&[THEIRS], &[]));
        (one.tls, two.tls) = (false, false);
        (one.demands, two.demands) = (Authentication::Dialback, Authentication::Dialback);
        let mut ends = Ends::new(&one, &two, false);
        ends.talk(chunk, at(1));
        assert!(!ends.one.said.contains("starttls") && !ends.two.said.contains("starttls"));
        assert!(ends.one.stream.tls().is_none() && ends.one.stream.is_bidi());
        ends.exchange(true, at(2));
    }
}

#[test]
fn tls_is_taken_where_it_is_offered_even_if_nobody_demands_it() {
    let (mut one, mut two) = (World::new(&[OURS], &[]), World::new(&[THEIRS], &[]));
    (one.demands, two.demands) = (Authentication::Dialback, Authentication::Dialback);
    let mut ends = Ends::new(&one, &two, false);
    ends.talk(3, at(1));
    assert!(ends.one.stream.tls().is_some());
    assert!(ends.two.said.contains("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'></starttls><dialback"));
    ends.exchange(true, at(2));
}

#[test]
fn one_connection_goes_both_ways_with_bidi() {
    for chunk in CHUNKS {
        let (one, two) = certified();
        let mut ends = Ends::new(&one, &two, false);
        ends.talk(chunk, at(1));
        let both = |local, remote, first, second| {
            [proven(local, remote, first, Association::Pkix), proven(local, remote, second, Association::Pkix)]
        };
        assert_eq!(ends.one.proven(), both(OURS, THEIRS, Way::Out, Way::In));
        assert_eq!(ends.two.proven(), both(THEIRS, OURS, Way::In, Way::Out));
        ends.exchange(true, at(2));
    }
}

#[test]
fn without_bidi_on_one_side_nothing_goes_back() {
    for (ours, theirs) in [(true, false), (false, true), (false, false)] {
        let (mut one, mut two) = certified();
        (one.bidi, two.bidi) = (ours, theirs);
        let mut ends = Ends::new(&one, &two, false);
        ends.talk(usize::MAX, at(1));
        let back = message("y@b.example", "x@a.example", "back");
        ends.two.stream.order(Command::Send(back.clone()), at(1)).unwrap();
        ends.talk(usize::MAX, at(1));
        assert_eq!(ends.two.reports.last(), Some(&Report::Unsent(back)));
        ends.exchange(false, at(2));
    }
}

#[test]
fn direct_tls_needs_no_starttls() {
    for chunk in CHUNKS {
        let (one, two) = certified();
        let mut ends = Ends::new(&one, &two, true);
        ends.talk(chunk, at(1));
        assert!(!ends.one.said.contains("starttls") && !ends.two.said.contains("starttls"));
        ends.exchange(true, at(2));
    }
}

#[test]
fn dialback_follows_where_external_fails() {
    // The other end offers EXTERNAL, and then thinks better of it.
    let (one, mut two) = (World::new(&[OURS], &[]), World::new(&[THEIRS], &[]));
    two.bidi = false;
    let mut ends = Ends::new(&one, &two, true);
    let open = ends.one.output();
    ends.two.stream.receive(open.as_bytes(), at(1));
    ends.two.attend(at(1));
    ends.one.attend(at(1));
    let offer = "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>";
    let features = ends.two.output().replace("<dialback", &format!("{offer}<dialback"));
    ends.one.stream.receive(features.as_bytes(), at(1));
    ends.talk(5, at(1));
    assert!(ends.one.said.contains("<auth "), "{}", ends.one.said);
    assert!(ends.two.said.contains("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><invalid-mechanism/></failure>"));
    assert_eq!(ends.one.proven(), [proven(OURS, THEIRS, Way::Out, Association::Dialback)]);
    ends.exchange(false, at(2));
}

#[test]
fn a_certificate_of_somebody_else_ends_where_one_is_demanded() {
    let (mut one, two) = (World::new(&[OURS], &["c.example"]), World::new(&[THEIRS], &[OURS]));
    one.demands = Authentication::Certificate;
    let mut ends = Ends::new(&one, &two, false);
    ends.talk(1, at(1));
    assert_eq!(ends.one.distrusts(), Some("its certificate does not name b.example"));
    assert_eq!(ends.one.closed(), None);
    let Some(Cause::PeerError(error)) = ends.two.closed() else { panic!("{:?}", ends.two.reports) };
    assert_eq!(error.kind, StreamErrorKind::PolicyViolation);

    let (one, mut two) = (World::new(&[OURS], &[THEIRS]), World::new(&[THEIRS], &["c.example"]));
    two.demands = Authentication::Certificate;
    let mut ends = Ends::new(&one, &two, false);
    ends.talk(1, at(1));
    let Some(Cause::PeerError(error)) = ends.one.closed() else { panic!("{:?}", ends.one.reports) };
    assert_eq!(error.kind, StreamErrorKind::NotAuthorized);
    assert_eq!(error.text.as_deref(), Some("its certificate does not name a.example"));
}

#[test]
fn a_peer_without_tls_is_asked_for_it_all_the_same() {
    let (one, mut two) = (World::new(&[OURS], &[]), World::new(&[THEIRS], &[]));
    (two.tls, two.demands) = (false, Authentication::Dialback);
    let mut ends = Ends::new(&one, &two, false);
    ends.talk(1, at(1));
    assert!(ends.one.said.ends_with("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>"));
    assert_eq!(ends.one.distrusts(), Some("it offers no TLS, which is demanded of it"));
    assert!(ends.two.said.ends_with("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>"));
}

#[test]
fn one_that_strikes_starttls_out_of_the_features_changes_nothing() {
    let (one, two) = certified();
    let mut ends = Ends::new(&one, &two, false);
    let open = ends.one.output();
    ends.two.stream.receive(open.as_bytes(), at(1));
    let said = ends.two.output();
    let (header, _) = said.split_once("<stream:features>").unwrap();
    let dialback = "<dialback xmlns='urn:xmpp:features:dialback'/>";
    let struck = format!("{header}<stream:features>{dialback}</stream:features>");
    ends.one.stream.receive(struck.as_bytes(), at(1));
    ends.talk(usize::MAX, at(1));
    assert!(ends.one.stream.tls().is_some());
    ends.exchange(true, at(2));
}
