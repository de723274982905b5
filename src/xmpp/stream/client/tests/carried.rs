//! What happens on a stream that is bound.

use super::*;
use crate::xmpp::stream::NotSent;

#[test]
fn only_one_resource_is_bound_to_a_stream() {
    let mut stream = bound();
    assert!(say(&mut stream, &bind("window")).contains("<error type='cancel'><not-allowed "));
    assert_eq!(stream.jid().unwrap().resource(), Some("balcony"));
}

#[test]
fn a_client_speaks_for_itself_only() {
    for from in ["juliet@im.example.com", "Juliet@IM.example.com/balcony"] {
        let mut stream = bound();
        say(&mut stream, &format!("<message from='{from}' to='romeo@example.net'/>"));
        let [ClientEvent::Stanza(stanza)] = &events(&mut stream)[..] else { panic!("{from}") };
        assert_eq!(stanza.from().unwrap().as_str(), "juliet@im.example.com/balcony");
    }
    for from in ["romeo@im.example.com", "juliet@im.example.com/window", "im.example.com", "@"] {
        let mut stream = bound();
        say(&mut stream, &format!("<message from='{from}' to='romeo@example.net'/>"));
        assert_eq!(ended_by(&mut stream), Some(StreamErrorKind::InvalidFrom), "{from}");
    }
}

#[test]
fn subscriptions_come_from_the_bare_address_and_the_account_needs_no_to() {
    let mut stream = bound();
    say(&mut stream, "<presence type='subscribe' to='romeo@example.net'/><presence/>");
    let [ClientEvent::Stanza(subscribe), ClientEvent::Stanza(presence)] = &events(&mut stream)[..] else { panic!() };
    assert_eq!(subscribe.from().unwrap().as_str(), "juliet@im.example.com");
    assert_eq!((presence.from(), presence.to()), (stream.jid(), None));
}

#[test]
fn a_stanza_that_is_no_use_costs_itself() {
    for (stanza, condition) in [
        ("<message to='a@b@c'><body>x</body></message>", "jid-malformed"),
        ("<iq type='get' to='a.example'><ping xmlns='urn:xmpp:ping'/></iq>", "bad-request"),
        ("<iq id='1' type='ask'><ping xmlns='urn:xmpp:ping'/></iq>", "bad-request"),
        (&format!("<message to='a@b'><body>{}</body></message>", "x".repeat(300_000)), "policy-violation"),
    ] {
        let mut stream = bound();
        let told = say(&mut stream, stanza);
        assert!(told.contains(&format!("<{condition} ")) && !stream.is_closed(), "{told}");
        assert!(matches!(&events(&mut stream)[..], [ClientEvent::Unusable { answered: true, .. }]));
    }
    for (element, error) in [
        ("<query xmlns='jabber:client'/>", StreamErrorKind::UnsupportedStanzaType),
        ("<query xmlns='urn:x'/>", StreamErrorKind::UnsupportedStanzaType),
        ("<stream:x/>", StreamErrorKind::BadFormat),
        ("<!-- x -->", StreamErrorKind::RestrictedXml),
        (STARTTLS, StreamErrorKind::PolicyViolation),
    ] {
        let mut stream = bound();
        say(&mut stream, element);
        assert_eq!(ended_by(&mut stream), Some(error), "{element}");
    }
}

#[test]
fn before_binding_elements_are_short() {
    let mut stream = stream(config(Conflict::Rename, &[]), Some(tls()));
    say(&mut stream, HEADER);
    say(&mut stream, &auth("PLAIN", &"A".repeat(20_000)));
    assert_eq!(ended_by(&mut stream), Some(StreamErrorKind::PolicyViolation));
}

#[test]
fn only_what_is_for_the_client_is_sent_to_it() {
    let stanza = |to: &str| read(&format!("<message from='romeo@example.net' to='{to}'/>"));
    let mut early = authenticated(config(Conflict::Rename, &[]));
    assert_eq!(early.send(&stanza("juliet@im.example.com")), Err(NotSent::NotReady));
    let mut stream = bound();
    assert_eq!(stream.send(&stanza("juliet@im.example.com")), Ok(()));
    assert_eq!(stream.send(&stanza("romeo@im.example.com")), Err(NotSent::Address));
}

#[test]
fn every_step_has_a_deadline_and_silence_is_broken_by_a_ping() {
    let mut silent = stream(config(Conflict::Rename, &[]), Some(tls()));
    silent.handle_timeout(at(14));
    assert!(!silent.is_closed());
    silent.handle_timeout(at(15));
    assert_eq!(ended_by(&mut silent), Some(StreamErrorKind::ConnectionTimeout));
    let mut waiting = authenticated(config(Conflict::Rename, &[]));
    waiting.handle_timeout(at(16));
    assert_eq!(ended_by(&mut waiting), Some(StreamErrorKind::ConnectionTimeout));

    let mut stream = bound();
    stream.handle_timeout(at(61));
    let ping = "<iq from='im.example.com' to='juliet@im.example.com/balcony' id='alive-1' type='get'><ping xmlns='urn:xmpp:ping'/></iq>";
    assert_eq!(output(&mut stream), ping);
    stream.receive(b"<iq to='im.example.com' id='alive-1' type='result'/>", at(62));
    assert_eq!((events(&mut stream), stream.next_timeout()), (vec![], Some(Duration::from_secs(122))));
    stream.handle_timeout(at(122));
    stream.handle_timeout(at(142));
    assert_eq!(ended_by(&mut stream), Some(StreamErrorKind::ConnectionTimeout));
}

#[test]
fn a_close_waits_for_the_other_side() {
    let mut stream = bound();
    stream.close(None, at(2));
    assert_eq!(output(&mut stream), "</stream:stream>");
    say(&mut stream, "<message to='a@b'/></stream:stream>");
    assert!(matches!(&events(&mut stream)[..], [ClientEvent::Stanza(_), ClientEvent::Closed(Cause::Closed)]));
    let mut gone = bound();
    gone.disconnected();
    assert_eq!(events(&mut gone), [ClientEvent::Closed(Cause::Disconnected)]);
    let mut conflict = bound();
    conflict.close(Some(StreamErrorKind::Conflict.into()), at(2));
    assert!(output(&mut conflict).contains("<conflict "));
}
