//! One end against a peer that does as told: other answers, other orders, silence.

use super::super::*;
use super::ends::*;
use crate::xmpp::federation::{Authentication, Verdict};

/// What a peer opens its side with.
pub(super) const HEADER: &str = "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
                                 xmlns:db='jabber:server:dialback' from='b.example' to='a.example' id='s1' version='1.0'>";

/// An initiating end under direct TLS, whose peer's certificate is good.
fn dialled(edit: impl FnOnce(&mut World)) -> End {
    let mut world = World::new(&[OURS], &[THEIRS]);
    edit(&mut world);
    let mut end = End::initiating(&world, &dial(false), Some(secured()));
    end.attend(at(0));
    end.output();
    end
}

pub(super) fn hear(end: &mut End, text: &str, now: Now) -> String {
    end.stream.receive(text.as_bytes(), now);
    end.attend(now);
    end.output()
}

fn features(inside: &str) -> String {
    format!("<stream:features>{inside}</stream:features>")
}

const EXTERNAL: &str =
    "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>";
const DIALBACK: &str = "<dialback xmlns='urn:xmpp:features:dialback'/>";
const BIDI: &str = "<bidi xmlns='urn:xmpp:features:bidi'/>";
const SUCCESS: &str = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>";

/// The same, authenticated by EXTERNAL; with `bidi` both ways.
pub(super) fn open(bidi: bool) -> End {
    let mut end = dialled(|world| world.bidi = bidi);
    hear(&mut end, &format!("{HEADER}{}", features(&format!("{EXTERNAL}{BIDI}{DIALBACK}"))), at(0));
    hear(&mut end, SUCCESS, at(0));
    hear(&mut end, &format!("{HEADER}{}", features("")), at(0));
    assert_eq!(end.proven()[0], proven(OURS, THEIRS, Way::Out, Association::Pkix));
    end
}

#[test]
fn a_peer_that_asks_again_for_what_external_said_gets_it() {
    let mut end = dialled(|_| {});
    hear(&mut end, &format!("{HEADER}{}", features(EXTERNAL)), at(0));
    let again = hear(&mut end, "<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", at(0));
    assert_eq!(again, "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>YS5leGFtcGxl</response>");
    assert!(hear(&mut end, SUCCESS, at(0)).starts_with("<?xml version='1.0'?><stream:stream "));
}

#[test]
fn the_failure_of_external_is_final_where_dialback_is_not_allowed_or_not_offered() {
    let failure = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><account-disabled/></failure>";
    let mut end = dialled(|world| world.demands = Authentication::Certificate);
    hear(&mut end, &format!("{HEADER}{}", features(&format!("{EXTERNAL}{DIALBACK}"))), at(0));
    hear(&mut end, failure, at(0));
    let why = "it does not accept our certificate (account-disabled), and dialback is not allowed with it";
    assert_eq!(end.distrusts(), Some(why));

    let mut end = dialled(|_| {});
    let header = HEADER.replace("xmlns:db='jabber:server:dialback' ", "");
    hear(&mut end, &format!("{header}{}", features(EXTERNAL)), at(0));
    hear(&mut end, failure, at(0));
    let Some(Cause::OurError(error)) = end.closed() else { panic!("{:?}", end.reports) };
    assert_eq!(
        error.to_string(),
        "unsupported-feature: EXTERNAL failed (account-disabled), and dialback is not offered"
    );
}

#[test]
fn dialback_is_known_by_its_namespace_alone() {
    let mut end = dialled(|world| world.tls = false);
    end.prove.push(pair(OURS, THEIRS));
    let said = hear(&mut end, &format!("{HEADER}{}", features("")), at(0));
    assert_eq!(end.reports, [Report::Open { multiplex: false }]);
    assert!(
        said.starts_with("<db:result from='a.example' to='b.example'>") && said.ends_with("</db:result>"),
        "{said}"
    );
    let answer = "<d:result xmlns:d='jabber:server:dialback' from='b.example' to='a.example' type='valid'/>";
    hear(&mut end, answer, at(0));
    assert_eq!(end.proven(), [proven(OURS, THEIRS, Way::Out, Association::Pkix)]);
}

#[test]
fn a_peer_from_before_1_0_is_believed_by_plain_dialback_if_that_is_allowed() {
    let old = HEADER.replace(" version='1.0'", "");
    for (demands, trusted) in [(Authentication::Dialback, true), (Authentication::DialbackTls, false)] {
        let mut world = World::new(&[OURS], &[]);
        world.demands = demands;
        let mut end = End::initiating(&world, &dial(false), None);
        end.prove.push(pair(OURS, THEIRS));
        end.output();
        let said = hear(&mut end, &old, at(0));
        assert_eq!(said.contains("<db:result "), trusted, "{said}");
        assert_eq!(end.distrusts(), (!trusted).then_some("it is older than TLS"));
    }
    let mut world = World::new(&[OURS], &[]);
    world.demands = Authentication::Dialback;
    for header in [old.clone(), old.replace(" from='b.example' to='a.example'", "")] {
        let mut end = End::accepting(&world, None);
        let header = header.replace("a.example", "c.example").replace("c.example", "a.example");
        let said = hear(&mut end, &header, at(0));
        assert!(!said.contains("version='1.0' ") && !said.contains("features"), "{said}");
        let said = hear(&mut end, "<db:verify from='b.example' to='a.example' id='1'>2</db:verify>", at(0));
        assert_eq!(said, "<db:verify from='a.example' to='b.example' id='1' type='invalid'></db:verify>");
    }
}

#[test]
fn a_header_without_id_waits_for_the_error_behind_it() {
    let mut world = World::new(&[OURS], &[]);
    world.demands = Authentication::Dialback;
    let mut end = End::initiating(&world, &dial(false), None);
    end.output();
    assert_eq!(hear(&mut end, &HEADER.replace(" id='s1' version='1.0'", ""), at(0)), "");
    hear(&mut end, "<stream:error><host-gone xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>", at(0));
    assert_eq!(end.closed(), Some(&Cause::PeerError(StreamErrorKind::HostGone.into())));
}

#[test]
fn who_sends_us_elsewhere_is_believed_under_tls_only() {
    let error = "<stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>[2001:db8::1]:9222\
                 </see-other-host></stream:error>";
    let mut secure = dialled(|_| {});
    let mut clear = End::initiating(&World::new(&[OURS], &[]), &dial(false), None);
    for (end, host) in [(&mut secure, Some("[2001:db8::1]:9222")), (&mut clear, None)] {
        hear(end, &format!("{HEADER}{error}"), at(0));
        let Some(Cause::PeerError(error)) = end.closed() else { panic!("{:?}", end.reports) };
        assert_eq!((error.kind, error.host.as_deref()), (StreamErrorKind::SeeOtherHost, host));
    }
}

#[test]
fn all_25_stream_errors_are_sent_and_understood() {
    for kind in StreamErrorKind::ALL {
        let mut ends = Ends::new(&World::new(&[OURS], &[THEIRS]), &World::new(&[THEIRS], &[OURS]), false);
        ends.talk(64, at(1));
        let error = StreamError::new(kind, "why <not>");
        ends.two.stream.order(Command::Close(Some(error.clone())), at(1)).unwrap();
        ends.talk(3, at(1));
        assert_eq!(ends.one.closed(), Some(&Cause::PeerError(error.clone())));
        assert_eq!(ends.two.closed(), Some(&Cause::OurError(error)));
        assert!(ends.one.said.ends_with("</stream:stream>") && ends.two.said.ends_with("</stream:stream>"));
    }
}

#[test]
fn closing_waits_for_the_peer_and_takes_what_still_comes() {
    let mut ends = Ends::new(&World::new(&[OURS], &[THEIRS]), &World::new(&[THEIRS], &[OURS]), false);
    ends.talk(64, at(1));
    ends.two.stream.order(Command::Send(message("y@b.example", "x@a.example", "late")), at(1)).unwrap();
    ends.one.stream.close(None, at(1));
    let refused = message("x@a.example", "y@b.example", "too late");
    ends.one.stream.order(Command::Send(refused.clone()), at(1)).unwrap();
    ends.talk(1, at(1));
    assert_eq!(bodies(&ends.one.stanzas), ["late"]);
    assert_eq!(ends.two.closed(), Some(&Cause::PeerClosed));
    let Some(Report::Closed { cause: Cause::Closed, unsent, in_doubt: false, .. }) = ends.one.reports.last() else {
        panic!("{:?}", ends.one.reports)
    };
    assert_eq!(unsent.as_slice(), std::slice::from_ref(&refused));
    let undone = ends.one.stream.order(Command::Send(refused.clone()), at(2)).unwrap_err();
    assert_eq!(undone.command, Command::Send(refused));
}

#[test]
fn closing_and_negotiating_have_deadlines() {
    let mut end = open(false);
    end.stream.close(None, at(10));
    assert_eq!(end.stream.next_timeout(), Some(at(15).mono));
    end.stream.handle_timeout(at(15));
    end.attend(at(15));
    assert_eq!(end.closed(), Some(&Cause::Closed));
    assert_eq!(end.stream.next_timeout(), None);

    for mut end in [dialled(|_| {}), End::accepting(&World::new(&[OURS], &[]), None)] {
        assert_eq!(end.stream.next_timeout(), Some(at(15).mono));
        end.stream.receive(b"<", at(14));
        end.stream.handle_timeout(at(15));
        end.attend(at(15));
        let Some(Cause::OurError(error)) = end.closed() else { panic!("{:?}", end.reports) };
        assert_eq!(error.kind, StreamErrorKind::ConnectionTimeout);
    }
}

#[test]
fn a_peer_that_only_asks_about_keys_may_stay_as_long_as_it_asks() {
    let mut end = End::accepting(&World::new(&[OURS], &[]), Some(secured()));
    hear(&mut end, &HEADER.replace("b.example' to='a", "c.example' to='a"), at(0));
    for second in [10, 20, 30] {
        end.stream.handle_timeout(at(second));
        hear(&mut end, "<db:verify from='c.example' to='a.example' id='1'>2</db:verify>", at(second));
        assert_eq!(end.closed(), None);
    }
    end.stream.handle_timeout(at(45));
    assert_eq!(hear(&mut end, "</stream:stream>", at(45)), "</stream:stream>");
    assert_eq!(end.closed(), Some(&Cause::Closed));
}

#[test]
fn silence_is_broken_by_a_ping_where_the_answer_can_come_back() {
    let mut end = open(true);
    end.stream.handle_timeout(at(60));
    let ping = "<iq from='a.example' to='b.example' id='alive-1' type='get'><ping xmlns='urn:xmpp:ping'/></iq>";
    assert_eq!(end.output(), ping);
    hear(&mut end, "<iq from='b.example' to='a.example' id='alive-1' type='result'/>", at(61));
    assert!(end.stanzas.is_empty());
    hear(&mut end, "<iq from='u@b.example' to='a.example' id='alive-1' type='result'/>", at(61));
    assert_eq!(end.stanzas.len(), 1);
    end.stream.handle_timeout(at(121));
    assert_eq!(end.stream.next_timeout(), Some(at(141).mono));
    end.stream.handle_timeout(at(141));
    end.attend(at(141));
    let Some(Cause::OurError(error)) = end.closed() else { panic!("{:?}", end.reports) };
    assert_eq!(error.kind, StreamErrorKind::ConnectionTimeout);
}

#[test]
fn silence_on_a_stream_that_goes_one_way_is_broken_by_white_space_every_five_minutes() {
    let mut end = open(false);
    assert_eq!(end.stream.next_timeout(), Some(at(300).mono));
    end.stream.handle_timeout(at(299));
    assert_eq!(end.output(), "");
    end.stream.handle_timeout(at(300));
    assert_eq!(end.output(), " ");
    hear(&mut end, " \r\n\t ", at(301));
    assert_eq!(end.closed(), None);
}

#[test]
fn a_stream_without_stanzas_says_that_it_is_idle() {
    let mut end = open(true);
    end.stream.order(Command::Send(message("x@a.example", "y@b.example", "1")), at(50)).unwrap();
    hear(&mut end, "<message from='y@b.example' to='x@a.example'/>", at(100));
    for second in 1..700 {
        hear(&mut end, " ", at(second));
        end.stream.handle_timeout(at(second));
        end.attend(at(second));
        assert_eq!(end.reports.contains(&Report::Idle), second >= 700, "{second}");
    }
    end.stream.handle_timeout(at(700));
    end.attend(at(700));
    assert_eq!(end.reports.last(), Some(&Report::Idle));
}

#[test]
fn nothing_learnt_before_tls_is_kept() {
    let mut world = World::new(&["a.example", "c.example"], &["evil.example"]);
    world.certified = vec!["evil.example"];
    let mut end = End::accepting(&world, None);
    hear(&mut end, &HEADER.replace("from='b.example'", "from='bank.example'"), at(0));
    hear(&mut end, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", at(0));
    let before = end.stream.id().to_owned();
    end.stream.secured(secured(), at(1));
    assert_eq!((end.stream.domains(), end.stream.id()), ((None, None), ""));
    let said =
        hear(&mut end, &HEADER.replace("from='b.example'", "from='evil.example'").replace("a.ex", "c.ex"), at(1));
    assert_eq!(end.stream.domains(), (Some("c.example"), Some("evil.example")));
    assert!(!end.stream.id().is_empty() && end.stream.id() != before && said.contains(end.stream.id()));
    assert_eq!(end.stream.next_timeout(), Some(at(16).mono));
}

#[test]
fn a_question_that_is_answered_with_an_error_refuses_that_pair_only() {
    let mut end = open(false);
    let more = pair("c.example", THEIRS);
    end.stream.order(Command::Prove(more.clone()), at(1)).unwrap();
    end.output();
    let answer = "<db:result from='b.example' to='c.example' type='error'><error type='wait'>\
                  <resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>";
    hear(&mut end, answer, at(1));
    let Some(Report::Refused(refused, Verdict::Error(error))) = end.reports.last() else { panic!("{:?}", end.reports) };
    assert_eq!((refused, error.condition.name()), (&more, "resource-constraint"));
    end.stream.order(Command::Send(message("x@a.example", "y@b.example", "1")), at(1)).unwrap();
    assert!(end.output().starts_with("<message "));
}
