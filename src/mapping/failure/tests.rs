#![allow(clippy::unwrap_used)]
use super::*;
use crate::mapping::{DomainMapping, Home};

fn mapping() -> Mapping {
    Mapping::new(vec![
        DomainMapping::new(Home::Xmpp, "example.com", "example.com", None),
        DomainMapping::new(Home::Sip, "example.net", "pbx.example", Some(5070)),
    ])
    .unwrap()
}

fn answer(condition: Condition, full: bool) -> Answer {
    let mapping = mapping();
    mapping.failure_to_status(&mapping.stanza_error_to_failure(&condition.into()), full, true)
}

fn error(status: u16, headers: &[(&str, &str)]) -> StanzaError {
    let mapping = mapping();
    let mut response = Response::new(Status::new(status).unwrap());
    for (name, value) in headers {
        response.headers.push(crate::sip::message::Name::parse(name.as_bytes()).unwrap(), value);
    }
    mapping.failure_to_stanza_error(&mapping.status_to_failure(&response).unwrap())
}

/// RFC 7247 table 2: condition, full JID, bare JID. Rows marked here deviate as `mappings/failure.toml` says.
const TABLE_2: [(&str, u16, u16); 22] = [
    ("bad-request", 400, 400),
    ("conflict", 400, 400),
    ("feature-not-implemented", 405, 501),
    ("forbidden", 403, 603),
    ("gone", 410, 410),
    ("internal-server-error", 500, 500),
    ("item-not-found", 404, 604),
    ("jid-malformed", 400, 400),
    ("not-acceptable", 406, 606),
    ("not-allowed", 403, 403),
    ("not-authorized", 403, 403), // 401 without a challenge is none
    ("policy-violation", 403, 403),
    ("recipient-unavailable", 480, 600),
    ("redirect", 302, 302),
    ("registration-required", 403, 403), // 407 without a challenge is none
    ("remote-server-not-found", 404, 404),
    ("remote-server-timeout", 408, 408),
    ("resource-constraint", 500, 500),
    ("service-unavailable", 405, 403),
    ("subscription-required", 400, 400),
    ("undefined-condition", 400, 400),
    ("unexpected-request", 400, 400),
];

#[test]
fn every_row_of_table_2() {
    for (name, full, bare) in TABLE_2 {
        let condition = Condition::from_name(name).unwrap();
        assert_eq!(answer(condition.clone(), true).status.code(), full, "{name} full");
        assert_eq!(answer(condition, false).status.code(), bare, "{name} bare");
    }
}

/// RFC 7247 table 3.
const TABLE_3: [(u16, &str); 46] = [
    (300, "redirect"),
    (301, "gone"),
    (302, "redirect"),
    (305, "redirect"),
    (380, "not-acceptable"),
    (400, "bad-request"),
    (401, "not-authorized"),
    (402, "bad-request"),
    (403, "forbidden"),
    (404, "item-not-found"),
    (405, "feature-not-implemented"),
    (406, "not-acceptable"),
    (407, "registration-required"),
    (408, "remote-server-timeout"),
    (410, "gone"),
    (413, "policy-violation"),
    (414, "policy-violation"),
    (415, "not-acceptable"),
    (416, "not-acceptable"),
    (420, "feature-not-implemented"),
    (421, "not-acceptable"),
    (423, "resource-constraint"),
    (430, "recipient-unavailable"),
    (439, "feature-not-implemented"),
    (440, "policy-violation"),
    (480, "recipient-unavailable"),
    (481, "item-not-found"),
    (482, "not-acceptable"),
    (483, "not-acceptable"),
    (484, "item-not-found"),
    (485, "item-not-found"),
    (486, "recipient-unavailable"),
    (487, "recipient-unavailable"),
    (488, "not-acceptable"),
    (489, "policy-violation"),
    (491, "unexpected-request"),
    (493, "bad-request"),
    (500, "internal-server-error"),
    (501, "feature-not-implemented"),
    (502, "remote-server-not-found"),
    (503, "internal-server-error"),
    (504, "remote-server-timeout"),
    (505, "not-acceptable"),
    (513, "policy-violation"),
    (600, "recipient-unavailable"),
    (603, "recipient-unavailable"),
];

#[test]
fn every_row_of_table_3() {
    for (status, condition) in TABLE_3.into_iter().chain([(604, "item-not-found"), (606, "not-acceptable")]) {
        let error = error(status, &[]);
        assert_eq!(error.condition.name(), condition, "{status}");
        assert_eq!(error.kind, error.condition.usual_type(), "{status}");
        assert_eq!(error.text.as_deref(), Some(Status::new(status).unwrap().reason()));
    }
}

#[test]
fn every_final_status_is_some_error_and_unlisted_ones_go_by_class() {
    for status in 300..700 {
        let name = error(status, &[]).condition.name();
        let class = ["redirect", "bad-request", "internal-server-error", "recipient-unavailable"];
        let listed = mapping().failures.statuses.contains_key(&status);
        assert!(listed || name == class[usize::from(status / 100 - 3)], "{status} {name}");
    }
    for status in [607, 608] {
        assert_eq!(error(status, &[]).condition, Condition::PolicyViolation);
    }
    for status in [100, 180, 200, 202] {
        assert_eq!(mapping().status_to_failure(&Response::new(Status::new(status).unwrap())), None);
    }
}

#[test]
fn every_condition_is_a_final_status_with_the_headers_it_must_have() {
    for condition in Condition::ALL {
        for full in [true, false] {
            let answer = answer(condition.clone(), full);
            assert!((300..700).contains(&answer.status.code()) && answer.status.code() != 503, "{condition:?}");
            assert!(![401, 407].contains(&answer.status.code()), "no challenge can be made");
            let allow = answer.headers.iter().any(|(name, _)| *name == "Allow");
            assert_eq!(allow, answer.status == Status::METHOD_NOT_ALLOWED, "{condition:?}");
        }
    }
}

#[test]
fn proxies_that_fork_get_no_6xx_where_they_ask_for_none() {
    let mapping = mapping();
    for condition in Condition::ALL {
        let failure = mapping.stanza_error_to_failure(&condition.into());
        assert!(mapping.failure_to_status(&failure, false, false).status.class() < 6);
    }
}

#[test]
fn a_new_address_crosses_both_ways() {
    for (told, contact) in [
        ("xmpp:juliet@example.org", "<sip:juliet@example.org>"),
        ("juliet@example.com", "<sip:juliet@example.com>"),
        ("xmpp:romeo@example.net/home", "<sip:romeo@pbx.example:5070;gr=home>"),
        ("xmpp:o%5C27malley@example.com?message", "<sip:o'malley@example.com>"),
        ("sip:romeo@pbx.example", "<sip:romeo@pbx.example:5070>"),
        ("tel:+15550100", "<tel:+15550100>"),
        ("mailto:juliet@example.com", "<mailto:juliet@example.com>"),
    ] {
        for (condition, status) in
            [(Condition::Gone(Some(told.into())), 301), (Condition::Redirect(Some(told.into())), 302)]
        {
            let answer = answer(condition, false);
            assert_eq!(answer.status.code(), status, "{told}");
            assert_eq!(answer.headers, [("Contact", contact.to_owned())], "{told}");
        }
    }
    for (contact, told) in [
        ("<sip:romeo@example.org>", "xmpp:romeo@example.org"),
        ("\"R\" <sip:romeo@pbx.example>;q=0.5, <sip:x@y>", "xmpp:romeo@example.net"),
        ("<sip:o'malley@example.com;gr=a%20b>", "xmpp:o%5C27malley@example.com/a%20b"),
        ("<tel:+15550100>", "tel:+15550100"),
        ("<sips:romeo@example.org>", "sips:romeo@example.org"),
    ] {
        assert_eq!(error(301, &[("Contact", contact)]).condition, Condition::Gone(Some(told.into())));
        for status in [300, 302, 305, 399] {
            assert_eq!(error(status, &[("Contact", contact)]).condition, Condition::Redirect(Some(told.into())));
        }
        assert_eq!(error(410, &[("Contact", contact)]).condition, Condition::Gone(None));
        assert_eq!(error(380, &[("Contact", contact)]).condition, Condition::NotAcceptable);
    }
}

#[test]
fn an_address_that_is_none_is_not_told() {
    for text in ["", "not an address", "xmpp:", "<>", "sip:a@b>\r\nEvil: x"] {
        assert_eq!(answer(Condition::Gone(Some(text.into())), true).status.code(), 410, "{text}");
    }
    assert_eq!(error(301, &[("Contact", "*")]).condition, Condition::Gone(None));
    assert_eq!(error(301, &[("Contact", "<sip:%FF@x>")]).condition, Condition::Gone(None));
}

#[test]
fn where_a_machine_is_is_not_told_to_chat_users() {
    for contact in [
        "<sip:romeo@192.0.2.7:5060>",
        "<sip:romeo@[2001:db8::7];transport=tcp>",
        "<sips:romeo@192.0.2.7>",
        "<im:r@192.0.2.7>",
    ] {
        assert_eq!(error(302, &[("Contact", contact)]).condition, Condition::Redirect(None), "{contact}");
        assert_eq!(error(301, &[("Contact", contact)]).condition, Condition::Gone(None), "{contact}");
    }
}

#[test]
fn words_cross_on_one_line() {
    let mapping = mapping();
    let mut error = StanzaError::new(Condition::ItemNotFound);
    error.text = Some("Kein Romeo\r\nVia: hier – nur Mönche".into());
    let failure = mapping.stanza_error_to_failure(&error);
    assert_eq!(mapping.failure_to_status(&failure, true, true).phrase, "Kein Romeo  Via: hier – nur Mönche");
    error.text = Some("é".repeat(300));
    let failure = mapping.stanza_error_to_failure(&error);
    assert!(mapping.failure_to_status(&failure, true, true).phrase.len() <= MAX_PHRASE);
    let response = Response::new(Status::NOT_FOUND).with_reason("No such fair maid");
    let failure = mapping.status_to_failure(&response).unwrap();
    assert_eq!(mapping.failure_to_stanza_error(&failure).text.as_deref(), Some("No such fair maid"));
}

#[test]
fn retry_after_makes_it_wait() {
    assert_eq!(error(503, &[("Retry-After", "120 (maintenance)")]).kind, ErrorType::Wait);
    assert_eq!(error(503, &[]).kind, ErrorType::Cancel);
    let answer = mapping().failure_to_status(&Failure::new(Reason::Overloaded).retry_after(5), true, true);
    assert_eq!((answer.status.code(), answer.headers), (503, vec![("Retry-After", "5".to_owned())]));
}

#[test]
fn our_own_refusals_carry_what_their_status_needs() {
    let answer = |reason: Reason| mapping().failure_to_status(&reason.into(), true, true);
    let media = answer(Reason::MediaTypeUnsupported);
    assert_eq!((media.status.code(), media.headers[0].0), (415, "Accept"));
    assert_eq!(answer(Reason::EncodingUnsupported).headers, [("Accept-Encoding", "identity".to_owned())]);
    let secure = answer(Reason::SecureSchemeRefused);
    assert_eq!((secure.status.code(), secure.headers[0].1.as_str()), (480, "380 stox \"SIPS Not Allowed\""));
    assert_eq!(answer(Reason::TooManyHops).status.code(), 483);
    assert_eq!(answer(Reason::AnonymityDisallowed).status.code(), 433);
}

#[test]
fn a_broken_table_is_told_by_its_line() {
    let broken = |from: &str, to: &str| FailureTable::read("failure.toml", &TABLE.replacen(from, to, 1)).unwrap_err();
    let error = broken("condition = \"conflict\"\nstatus", "condition = \"conflikt\"\nstatus");
    assert!(error.to_string().contains("`conflikt` is no condition") && error.line > 10, "{error}");
    assert!(broken("reason = \"conflict\"", "reason = \"bad-request\"").what.contains("second row for BadRequest"));
    assert!(broken("status = 400", "status = 200").what.contains("use 300 to 699"));
    assert!(broken("source =", "sauce =").what.contains("sauce"));
    assert!(broken("class = 6", "class = 7").what.contains("use 3 to 6"));
    assert!(broken("reason = \"undefined\"", "reason = \"undefiled\"").what.contains("undefiled"));
    let cut = TABLE.rfind("[[class]]").unwrap();
    assert!(FailureTable::read("failure.toml", &TABLE[..cut]).unwrap_err().what.contains("[[class]] row for 6"));
}

#[test]
fn every_reason_is_reached_from_a_row_or_is_our_own() {
    let table = FailureTable::read(FILE, TABLE).unwrap();
    let ours = [
        Reason::AddressUnmappable,
        Reason::EncodingUnsupported,
        Reason::ContentRefused,
        Reason::SecureSchemeRefused,
        Reason::TooLarge,
        Reason::Expired,
        Reason::Encrypted,
        Reason::Unreachable,
        Reason::Overloaded,
    ];
    for reason in Reason::ALL {
        let told = table.conditions.values().chain(table.statuses.values()).any(|row| *row == reason);
        assert!(told || ours.contains(&reason), "{reason:?} is never used");
    }
}

#[test]
fn xmpp_uris_are_read_as_rfc_5122_writes_them() {
    for (uri, jid) in [
        (
            "xmpp:nasty!%23$%25()*+,-.;=%3F%5B%5C%5D%5E_%60%7B%7C%7D~node@example.com",
            Some("nasty!#$%()*+,-.;=?[\\]^_`{|}~node@example.com"),
        ),
        (
            "xmpp:node@example.com/repulsive%20!%23%22$%25&'()*+,-.%2F:;%3C=%3E%3F%40%5B%5C%5D%5E_%60%7B%7C%7D~resource",
            Some("node@example.com/repulsive !#\"$%&'()*+,-./:;<=>?@[\\]^_`{|}~resource"),
        ),
        ("xmpp://guest@example.com/support@example.com?message", Some("support@example.com")),
        ("XMPP:example.com", Some("example.com")),
        ("xmpp:%FF@example.com", None),
        ("xmpp:%4", None),
        ("mailto:a@b", None),
    ] {
        let read = parse_xmpp_uri(uri);
        assert_eq!(read.as_ref().map(Jid::as_str), jid, "{uri}");
        if let Some(jid) = read {
            assert_eq!(parse_xmpp_uri(&print_xmpp_uri(&jid)), Some(jid));
        }
    }
}
