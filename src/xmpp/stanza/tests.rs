#![allow(clippy::unwrap_used)]
use super::*;
use crate::xml::{Limits, reader};

fn element(text: &str) -> Element {
    let text = text.replacen(' ', " xmlns='jabber:client' ", 1);
    reader::parse(text.as_bytes(), &Limits::default()).unwrap()
}

fn stanza(text: &str) -> Stanza {
    Stanza::from_element(element(text)).unwrap()
}

fn problem(text: &str) -> StanzaProblem {
    *Stanza::from_element(element(text)).unwrap_err()
}

fn domain() -> Jid {
    Jid::parse("b").unwrap()
}

fn written(stanza: &Stanza) -> String {
    let mut out = Vec::new();
    stanza.write(ns::COMPONENT_ACCEPT, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_message_is_read_and_written_alike() {
    let text = "<message from='a@a/1' to='b@b' id='x' type='chat' xml:lang='cs'><subject>Žádost</subject>\
                <body>Ó</body><body xml:lang='en'>O</body><thread parent='p'>t</thread>\
                <x xmlns='u'><y/></x></message>";
    let Stanza::Message(message) = stanza(text) else { panic!("a message") };
    assert_eq!(message.kind, MessageKind::Chat);
    let bodies: Vec<_> = message.bodies().map(|(lang, text)| (lang.unwrap(), text.into_owned())).collect();
    assert_eq!(bodies, [("cs", "Ó".to_owned()), ("en", "O".to_owned())]);
    assert_eq!((message.subject().as_deref(), message.thread().as_deref()), (Some("Žádost"), Some("t")));
    assert_eq!(message.to_element(), element(text));
    assert_eq!(written(&Stanza::Message(message)), text);
}

#[test]
fn an_unknown_type_is_normal_for_messages_and_a_bad_request_elsewhere() {
    let Stanza::Message(message) = stanza("<message type='x' from='a' to='b'/>") else { panic!("a message") };
    assert_eq!(message.kind, MessageKind::Normal);
    for text in ["<presence type='x' from='a' to='b'/>", "<iq type='x' id='1' from='a' to='b'><q xmlns='u'/></iq>"] {
        let problem = problem(text);
        assert_eq!((problem.what, problem.condition()), (Problem::UnknownType, Condition::BadRequest));
    }
}

#[test]
fn presence_is_read_and_written_alike() {
    for kind in ["unavailable", "subscribe", "subscribed", "unsubscribe", "unsubscribed", "probe", "error"] {
        let text = format!("<presence from='a' to='b' type='{kind}'/>");
        assert_eq!(written(&stanza(&text)), text);
    }
    let Stanza::Presence(presence) = stanza(
        "<presence from='a' to='b' xml:lang='en'><show>dnd</show><status>x</status><priority> -1 </priority></presence>",
    ) else {
        panic!("presence")
    };
    assert_eq!((presence.kind, presence.priority()), (PresenceKind::Available, -1));
    assert_eq!(presence.show().as_deref(), Some("dnd"));
    assert_eq!(presence.statuses().next().unwrap().0, Some("en"));
}

#[test]
fn an_iq_has_an_id_and_the_right_number_of_children() {
    let text = "<iq from='a' to='b' id='1' type='get'><ping xmlns='urn:xmpp:ping'/></iq>";
    let Stanza::Iq(iq) = stanza(text) else { panic!("an iq") };
    assert!(iq.asks(ns::PING, "ping"));
    assert_eq!(written(&Stanza::Iq(iq.clone())), text);
    assert_eq!(written(&Stanza::Iq(iq.result(None).unwrap())), "<iq from='b' to='a' id='1' type='result'/>");
    assert_eq!(iq.result(None).unwrap().result(None), None);

    for (text, what) in [
        ("<iq type='get' from='a' to='b'><q xmlns='u'/></iq>", Problem::MissingId),
        ("<iq type='get' id='1' from='a' to='b'/>", Problem::ChildCount),
        ("<iq type='set' id='1' from='a' to='b'><q xmlns='u'/><q xmlns='u'/></iq>", Problem::ChildCount),
        ("<iq id='1' from='a' to='b'><q xmlns='u'/></iq>", Problem::UnknownType),
    ] {
        let problem = problem(text);
        assert_eq!(problem.what, what);
        let Some(Stanza::Iq(reply)) = problem.reply(&domain()) else { panic!("an answer") };
        assert!(matches!(reply.kind, IqKind::Error(error) if error.condition == Condition::BadRequest));
    }
    assert_eq!(problem("<iq type='result' id='1' from='a' to='b'><q/><q/></iq>").reply(&domain()), None);
}

#[test]
fn an_iq_without_id_is_answered_without_id() {
    let reply = problem("<iq type='get' from='a' to='c@b'><q xmlns='u'/></iq>").reply(&domain()).unwrap();
    assert!(written(&reply).starts_with("<iq from='c@b' to='a' type='error'><error type='modify'><bad-request "));
}

#[test]
fn a_malformed_address_is_answered_where_there_is_one_to_answer() {
    let to = problem("<message from='a' to='@b' id='1'><body/></message>");
    assert_eq!(to.condition(), Condition::JidMalformed);
    assert_eq!(to.reply(&domain()).unwrap().from(), Some(&domain()));
    let from = problem("<message from='@a' to='b'><body/></message>");
    assert_eq!(from.reply(&domain()), None);
    assert_eq!(problem("<message from='a' to='@b' type='error'/>").reply(&domain()), None);
    assert_eq!(problem("<presence from='a' to='@b'/>").reply(&domain()), None);
}

#[test]
fn what_is_no_stanza_has_no_answer() {
    for text in ["<foo from='a' to='b'/>", "<iq  xmlns:x='y' from='a' to='b'/>"] {
        let mut element = element(text);
        if element.name() == "iq" {
            element = Element::new("other", "iq");
        }
        let problem = Stanza::from_element(element).unwrap_err();
        assert_eq!((problem.what, problem.reply(&domain())), (Problem::NotAStanza, None));
    }
}

#[test]
fn an_error_answers_no_error_and_sends_nothing_back() {
    let Stanza::Message(message) = stanza("<message from='a/1' to='c@b/2' id='7'><body>secret</body></message>") else {
        panic!("a message")
    };
    let error = StanzaError::new(Condition::ItemNotFound).with_text("no such user");
    let reply = message.error_reply(error.clone()).unwrap();
    assert_eq!(
        written(&Stanza::Message(reply.clone())),
        "<message from='c@b/2' to='a/1' id='7' type='error'><error type='cancel'>\
         <item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
         <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>no such user</text></error></message>"
    );
    assert_eq!(reply.error(), Some(error.clone()));
    assert_eq!(reply.error_reply(error), None);
}

#[test]
fn presence_is_answered_with_an_error_only_if_it_asked() {
    let error = || StanzaError::new(Condition::ServiceUnavailable);
    let reply = |kind: &str| stanza(&format!("<presence from='a' to='b' type='{kind}'/>")).error_reply(error());
    assert!(reply("subscribe").is_some() && reply("probe").is_some());
    assert!(reply("unavailable").is_none() && reply("error").is_none() && reply("subscribed").is_none());
}

#[test]
fn all_22_conditions_survive_a_round_trip() {
    for condition in Condition::ALL {
        let error = StanzaError::new(condition.clone());
        assert_eq!(StanzaError::from_element(&error.to_element()), error);
        assert_eq!(Condition::from_name(condition.name()), Some(condition));
    }
    let gone = StanzaError::new(Condition::Gone(Some("xmpp:a@b".to_owned())));
    assert_eq!(StanzaError::from_element(&gone.to_element()), gone);
}

#[test]
fn each_condition_has_the_type_of_section_8_3_3() {
    for (kind, names) in [
        ("auth", "forbidden not-authorized registration-required subscription-required"),
        (
            "cancel",
            "conflict feature-not-implemented gone internal-server-error item-not-found not-allowed \
             remote-server-not-found service-unavailable undefined-condition",
        ),
        ("modify", "bad-request jid-malformed not-acceptable policy-violation redirect"),
        ("wait", "recipient-unavailable remote-server-timeout resource-constraint unexpected-request"),
    ] {
        for name in names.split_whitespace() {
            let condition = Condition::from_name(name).unwrap();
            assert_eq!(StanzaError::new(condition).to_element().attr("type"), Some(kind), "{name}");
        }
    }
}

#[test]
fn unknown_errors_are_undefined_conditions() {
    for (text, kind) in [
        ("<error type='wait'><x-foo xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>", ErrorType::Wait),
        ("<error type='odd'/>", ErrorType::Cancel),
        ("<error code='404' type='modify'><item-not-found xmlns='u'/></error>", ErrorType::Modify),
    ] {
        let error = StanzaError::from_element(&element(text));
        assert_eq!((error.condition, error.kind), (Condition::UndefinedCondition, kind), "{text}");
    }
    let bare = stanza("<iq type='error' id='1' from='a' to='b'/>");
    assert!(
        matches!(bare, Stanza::Iq(Iq { kind: IqKind::Error(error), .. }) if error.condition == Condition::UndefinedCondition)
    );
}
