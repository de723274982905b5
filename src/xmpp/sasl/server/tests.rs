#![allow(clippy::unwrap_used)]
use super::super::{Client, Next};
use super::*;

fn jid(text: &str) -> BareJid {
    BareJid::parse(text).unwrap()
}

fn auth(mechanism: &str, text: &str) -> Element {
    Element::new(ns::SASL, "auth").with_attr("mechanism", mechanism).with_text(text)
}

fn response(text: &str) -> Element {
    Element::new(ns::SASL, "response").with_text(text)
}

fn failure(reply: &Reply) -> Condition {
    match reply {
        Reply::Failure(element, condition) => {
            assert_eq!(Condition::from_element(element), *condition);
            *condition
        }
        Reply::Challenge(_) | Reply::Success(..) => panic!("{reply:?}"),
    }
}

#[test]
fn two_servers_agree_by_certificate() {
    let mut server = Server::external(jid("im.example.org"));
    let mut client = Client::external("im.example.org");
    assert!(Client::is_offered(&server.feature().unwrap()));
    let reply = server.receive(&client.auth());
    assert_eq!(reply, Reply::Success(Element::new(ns::SASL, "success"), jid("im.example.org")));
    assert_eq!(client.receive(reply.element()), Next::Done);
}

#[test]
fn external_needs_no_name_where_one_is_proven() {
    for (text, who) in
        [("=", true), ("aW0uZXhhbXBsZS5vcmc=", true), ("SU0uZXhhbXBsZS5vcmcu", true), ("ZXZpbC5leGFtcGxl", false)]
    {
        let reply = Server::external(jid("im.example.org")).receive(&auth("EXTERNAL", text));
        match reply {
            Reply::Success(_, proven) => assert!(who && proven == jid("im.example.org"), "{text}"),
            other => assert!(!who && failure(&other) == Condition::InvalidAuthzid, "{text}"),
        }
    }
}

#[test]
fn of_several_proven_addresses_one_has_to_be_named() {
    let setting = Setting { encrypted: true, proven: vec![jid("a@x.example"), jid("b@x.example")] };
    let mut server = Server::new(setting);
    assert_eq!(failure(&server.receive(&auth("EXTERNAL", "="))), Condition::InvalidAuthzid);
    let named = server.receive(&auth("EXTERNAL", &base64::encode(b"b@x.example")));
    assert!(matches!(named, Reply::Success(_, who) if who == jid("b@x.example")));
}

#[test]
fn who_says_nothing_first_is_asked() {
    let mut server = Server::external(jid("a.example"));
    let asked = server.receive(&auth("EXTERNAL", ""));
    assert_eq!(asked, Reply::Challenge(Element::new(ns::SASL, "challenge")));
    let mut client = Client::external("a.example");
    let Next::Send(answer) = client.receive(asked.element()) else { panic!("an answer was due") };
    assert!(matches!(server.receive(&answer), Reply::Success(..)));
    assert!(matches!(client.receive(asked.element()), Next::Send(abort) if abort.name() == "abort"));
}

#[test]
fn each_mistake_has_its_condition() {
    let open = Setting { encrypted: false, proven: vec![jid("a.example")] };
    assert_eq!(Server::new(open.clone()).feature(), None);
    assert_eq!(failure(&Server::new(open).receive(&auth("EXTERNAL", "="))), Condition::EncryptionRequired);
    for (element, condition) in [
        (auth("EXTERNAL", "=AAA"), Condition::IncorrectEncoding),
        (auth("EXTERNAL", "//8="), Condition::MalformedRequest),
        (auth("external", "="), Condition::InvalidMechanism),
        (auth("ANONYMOUS", "="), Condition::InvalidMechanism),
        (Element::new(ns::SASL, "auth"), Condition::InvalidMechanism),
        (auth("EXTERNAL", &base64::encode(b"a@b@c")), Condition::InvalidAuthzid),
        (response("="), Condition::MalformedRequest),
        (Element::new(ns::SASL, "success"), Condition::MalformedRequest),
        (Element::new(ns::SASL, "abort"), Condition::Aborted),
    ] {
        assert_eq!(failure(&Server::external(jid("a.example")).receive(&element)), condition, "{element:?}");
    }
}

#[test]
fn a_second_auth_discards_the_first() {
    let mut server = Server::external(jid("a.example"));
    server.receive(&auth("EXTERNAL", ""));
    assert!(matches!(server.receive(&auth("EXTERNAL", "=")), Reply::Success(..)));
}

#[test]
fn five_tries_are_all() {
    let mut server = Server::external(jid("a.example"));
    for _ in 0..MAX_TRIES {
        assert!(!server.is_exhausted());
        failure(&server.receive(&auth("EXTERNAL", "Yg==")));
    }
    assert!(server.is_exhausted());
    assert_eq!(failure(&server.receive(&auth("EXTERNAL", "="))), Condition::NotAuthorized);
}
