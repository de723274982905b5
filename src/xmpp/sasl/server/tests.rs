#![allow(clippy::unwrap_used)]
use super::super::{Client, Decoy, Next, SALT, Unavailable};
use super::scram::Scram;
use super::*;
use proptest::prelude::*;
use std::sync::LazyLock;

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
            other @ (Reply::Challenge(_) | Reply::Failure(..)) => {
                assert!(!who && failure(&other) == Condition::InvalidAuthzid, "{text}")
            }
        }
    }
}

#[test]
fn of_several_proven_addresses_one_has_to_be_named() {
    let setting =
        Setting { encrypted: true, proven: vec![jid("a@x.example"), jid("b@x.example")], ..Setting::default() };
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
    let open = Setting { encrypted: false, proven: vec![jid("a.example")], ..Setting::default() };
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

const EXPORTER: [u8; 32] = [9; 32];
const END_POINT: [u8; 32] = [8; 32];

static KEYS: LazyLock<[Keys; 2]> =
    LazyLock::new(|| [Hash::Sha1, Hash::Sha256].map(|hash| Keys::derive(hash, "r0m30", &[5; SALT], 2).unwrap()));

struct People;

impl Accounts for People {
    fn account(&self, user: &BareJid) -> Result<Option<Account>, Unavailable> {
        let standing = match user.local() {
            Some("juliet" | "a,b=c") => Standing::Good,
            Some("tybalt") => Standing::Disabled,
            Some("paris") => Standing::Expired,
            Some("away") => return Err(Unavailable),
            _ => return Ok(None),
        };
        Ok(Some(Account { keys: KEYS.to_vec(), standing }))
    }

    fn decoy(&self) -> &Decoy {
        const DECOY: Decoy = Decoy { secret: [4; 32], iterations: 2 };
        &DECOY
    }
}

fn clients(bound: bool) -> Server {
    let binding = Binding { exporter: bound.then_some(EXPORTER), end_point: bound.then(|| END_POINT.to_vec()) };
    let users = Some(Users { domain: jid("x.example"), accounts: Arc::new(People) });
    Server::new(Setting { encrypted: true, proven: vec![], binding, users })
}

fn scram(mechanism: Mechanism, header: &str, name: &str) -> Scram {
    let binding = match header {
        _ if header.starts_with("p=tls-exporter") => EXPORTER.to_vec(),
        _ if header.starts_with("p=") => END_POINT.to_vec(),
        _ => vec![],
    };
    let hash = mechanism.hash().unwrap();
    Scram {
        hash,
        password: "r0m30",
        header: header.to_owned(),
        binding,
        name: name.to_owned(),
        nonce: "abc".to_owned(),
    }
}

fn data(element: &Element) -> String {
    String::from_utf8(base64::decode(&element.text()).unwrap().unwrap()).unwrap()
}

/// Plays both messages; the proof of the server is checked.
fn play(server: &mut Server, mechanism: Mechanism, client: &Scram) -> Result<BareJid, Condition> {
    let challenge = match server.receive(&auth(mechanism.name(), &base64::encode(client.first().as_bytes()))) {
        Reply::Challenge(challenge) => data(&challenge),
        other @ (Reply::Success(..) | Reply::Failure(..)) => return Err(failure(&other)),
    };
    let (last, verifier) = client.last(&challenge);
    match server.receive(&response(&base64::encode(last.as_bytes()))) {
        Reply::Success(success, who) => {
            assert_eq!(data(&success), verifier);
            Ok(who)
        }
        other @ (Reply::Challenge(_) | Reply::Failure(..)) => Err(failure(&other)),
    }
}

fn plain(server: &mut Server, message: &str) -> Result<BareJid, Condition> {
    match server.receive(&auth("PLAIN", &base64::encode(message.as_bytes()))) {
        Reply::Success(success, who) => {
            assert!(success.text().is_empty());
            Ok(who)
        }
        other @ (Reply::Challenge(_) | Reply::Failure(..)) => Err(failure(&other)),
    }
}

#[test]
fn what_is_offered_depends_on_the_connection_and_plain_comes_last() {
    let names = |server: &Server| server.mechanisms().into_iter().map(Mechanism::name).collect::<Vec<_>>();
    assert_eq!(names(&clients(false)), ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]);
    let bound = clients(true);
    let plus = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"];
    assert_eq!(names(&bound), plus);
    let types = bound.binding_feature().unwrap();
    assert_eq!(
        types.children().filter_map(|child| child.attr("type")).collect::<Vec<_>>(),
        ["tls-exporter", "tls-server-end-point"]
    );
    assert_eq!((clients(false).binding_feature(), Server::external(jid("a.example")).binding_feature()), (None, None));
    let mut open = clients(true).setting;
    open.encrypted = false;
    assert_eq!(names(&Server::new(open)), [""; 0]);
}

#[test]
fn users_come_in_by_every_mechanism_that_takes_a_password() {
    let who = Ok(jid("juliet@x.example"));
    for mechanism in [Mechanism::ScramSha1, Mechanism::ScramSha256] {
        assert_eq!(play(&mut clients(false), mechanism, &scram(mechanism, "n,,", "juliet")), who);
        assert_eq!(play(&mut clients(false), mechanism, &scram(mechanism, "y,,", "Juliet")), who);
        assert_eq!(play(&mut clients(true), mechanism, &scram(mechanism, "n,,", "juliet")), who);
    }
    for mechanism in [Mechanism::ScramSha1Plus, Mechanism::ScramSha256Plus] {
        for header in ["p=tls-exporter,,", "p=tls-server-end-point,,"] {
            assert_eq!(play(&mut clients(true), mechanism, &scram(mechanism, header, "juliet")), who);
        }
    }
    assert_eq!(plain(&mut clients(false), "\0juliet\0r0m30"), who);
}

#[test]
fn a_name_is_unescaped_before_it_is_looked_up() {
    let escaped = scram(Mechanism::ScramSha1, "n,,", "a=2Cb=3Dc");
    assert_eq!(play(&mut clients(false), Mechanism::ScramSha1, &escaped), Ok(jid("a,b=c@x.example")));
    let raw = scram(Mechanism::ScramSha1, "n,,", "a=2cb=3Dc");
    assert_eq!(play(&mut clients(false), Mechanism::ScramSha1, &raw), Err(Condition::MalformedRequest));
}

#[test]
fn nobody_learns_who_exists() {
    for mechanism in [Mechanism::ScramSha1, Mechanism::ScramSha256] {
        let challenge = |name: &str| {
            let client = scram(mechanism, "n,,", name);
            let reply = clients(false).receive(&auth(mechanism.name(), &base64::encode(client.first().as_bytes())));
            let challenge = data(reply.element());
            challenge.split_once(",s=").map(|(nonce, rest)| (nonce.len(), rest.to_owned()))
        };
        let form = |challenge: Option<(usize, String)>| challenge.map(|(nonce, rest)| (nonce, rest.len()));
        assert_eq!(form(challenge("juliet")), form(challenge("nobody")));
        assert_eq!(challenge("nobody"), challenge("NoBody"));
        assert_ne!(challenge("nobody"), challenge("anybody"));
        let mut wrong = scram(mechanism, "n,,", "juliet");
        wrong.password = "wrong";
        for client in [wrong, scram(mechanism, "n,,", "nobody"), scram(mechanism, "n,,", "no body")] {
            assert_eq!(play(&mut clients(false), mechanism, &client), Err(Condition::NotAuthorized));
        }
    }
    for message in ["\0juliet\0wrong", "\0nobody\0r0m30", "\0no body\0r0m30", "\0tybalt\0wrong", "\0paris\0\u{7}"] {
        assert_eq!(plain(&mut clients(false), message), Err(Condition::NotAuthorized), "{message}");
    }
}

#[test]
fn whoever_takes_binding_out_of_the_list_is_found() {
    let refused = Err(Condition::NotAuthorized);
    for (mechanism, header) in [
        (Mechanism::ScramSha1, "y,,"),
        (Mechanism::ScramSha256, "y,,"),
        (Mechanism::ScramSha256, "p=tls-exporter,,"),
        (Mechanism::ScramSha256Plus, "n,,"),
        (Mechanism::ScramSha256Plus, "y,,"),
        (Mechanism::ScramSha1Plus, "p=tls-unique,,"),
    ] {
        assert_eq!(play(&mut clients(true), mechanism, &scram(mechanism, header, "juliet")), refused, "{header}");
    }
    let offered = play(
        &mut clients(false),
        Mechanism::ScramSha1Plus,
        &scram(Mechanism::ScramSha1Plus, "p=tls-exporter,,", "juliet"),
    );
    assert_eq!(offered, Err(Condition::InvalidMechanism));
}

#[test]
fn another_connection_has_another_binding() {
    let mut client = scram(Mechanism::ScramSha256Plus, "p=tls-exporter,,", "juliet");
    client.binding = vec![7; 32];
    assert_eq!(play(&mut clients(true), Mechanism::ScramSha256Plus, &client), Err(Condition::NotAuthorized));
    client.binding.clear();
    assert_eq!(play(&mut clients(true), Mechanism::ScramSha256Plus, &client), Err(Condition::NotAuthorized));
}

#[test]
fn nobody_acts_as_somebody_else() {
    let as_whom = |authzid: &str| {
        let client = scram(Mechanism::ScramSha1, &format!("n,a={authzid},"), "juliet");
        let by_scram = play(&mut clients(false), Mechanism::ScramSha1, &client);
        assert_eq!(plain(&mut clients(false), &format!("{authzid}\0juliet\0r0m30")), by_scram);
        by_scram
    };
    assert_eq!(as_whom("Juliet@x.example"), Ok(jid("juliet@x.example")));
    for authzid in ["romeo@x.example", "juliet@y.example", "juliet", "juliet@x.example/home", "@"] {
        assert_eq!(as_whom(authzid), Err(Condition::InvalidAuthzid), "{authzid}");
    }
}

#[test]
fn the_standing_of_an_account_is_told_to_its_user_only() {
    assert_eq!(plain(&mut clients(false), "\0tybalt\0r0m30"), Err(Condition::AccountDisabled));
    let expired = scram(Mechanism::ScramSha256, "n,,", "paris");
    assert_eq!(play(&mut clients(false), Mechanism::ScramSha256, &expired), Err(Condition::CredentialsExpired));
    assert_eq!(plain(&mut clients(false), "\0away\0r0m30"), Err(Condition::TemporaryAuthFailure));
}

#[test]
fn a_message_heard_is_worth_nothing_later() {
    let client = scram(Mechanism::ScramSha256, "n,,", "juliet");
    let first = auth("SCRAM-SHA-256", &base64::encode(client.first().as_bytes()));
    let heard = data(clients(false).receive(&first).element());
    let mut server = clients(false);
    assert_ne!(data(server.receive(&first).element()), heard);
    let replayed = server.receive(&response(&base64::encode(client.last(&heard).0.as_bytes())));
    assert_eq!(failure(&replayed), Condition::NotAuthorized);
    let again = server.receive(&response(&base64::encode(client.last(&heard).0.as_bytes())));
    assert_eq!(failure(&again), Condition::MalformedRequest);
}

#[test]
fn a_client_that_mistyped_may_try_again_on_the_same_stream() {
    let mut server = clients(true);
    assert_eq!(plain(&mut server, "\0juliet\0wrong"), Err(Condition::NotAuthorized));
    let client = scram(Mechanism::ScramSha1, "n,,", "juliet");
    assert_eq!(play(&mut server, Mechanism::ScramSha1, &client), Ok(jid("juliet@x.example")));
}

#[test]
fn a_message_has_an_end() {
    let long = format!("\0juliet\0{}", "x".repeat(MAX_MESSAGE));
    assert_eq!(plain(&mut clients(false), &long), Err(Condition::MalformedRequest));
}

fn any_mechanism() -> impl Strategy<Value = Mechanism> {
    prop::sample::select(Mechanism::ALL.to_vec())
}

/// A message that a client might send, with up to three octets put in, taken out or changed.
fn mutated(message: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..4);
    edits.prop_map(move |edits| {
        let mut message = message.clone();
        for (at, octet, how) in edits {
            let at = at.index(message.len().max(1)).min(message.len());
            match how {
                0 => message.insert(at, octet),
                1 if at < message.len() => drop(message.remove(at)),
                _ if at < message.len() => message[at] = octet,
                _ => {}
            }
        }
        message
    })
}

fn first_messages() -> impl Strategy<Value = Vec<u8>> {
    let wrong = [
        "n,,n=juliet,r=abc",
        "y,a=juliet@x.example,n=juliet,r=abc",
        "p=tls-exporter,,n=juliet,r=abc",
        "\0juliet\0wrong",
    ];
    prop_oneof![any::<Vec<u8>>(), prop::sample::select(wrong.to_vec()).prop_flat_map(|text| mutated(text.into()))]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn nothing_hostile_comes_in(mechanism in any_mechanism(), bound: bool, first in first_messages(), last in first_messages()) {
        let mut server = clients(bound);
        let reply = server.receive(&auth(mechanism.name(), &base64::encode(&first)));
        prop_assert!(!matches!(reply, Reply::Success(..)));
        let Reply::Challenge(challenge) = reply else { return Ok(()) };
        let mut client = scram(mechanism, "n,,", "juliet");
        client.password = "wrong";
        let (right_form, _) = client.last(&data(&challenge));
        let last = if bound { last } else { [right_form.as_bytes(), &last].concat() };
        prop_assert!(!matches!(server.receive(&response(&base64::encode(&last))), Reply::Success(..)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_other_proof_than_the_right_one_comes_in((at, octet) in (any::<prop::sample::Index>(), any::<u8>())) {
        let mut server = clients(true);
        let client = scram(Mechanism::ScramSha256Plus, "p=tls-exporter,,", "juliet");
        let challenge = server.receive(&auth("SCRAM-SHA-256-PLUS", &base64::encode(client.first().as_bytes())));
        let mut last = client.last(&data(challenge.element())).0.into_bytes();
        let at = at.index(last.len());
        prop_assume!(last[at] != octet);
        last[at] = octet;
        prop_assert!(!matches!(server.receive(&response(&base64::encode(&last))), Reply::Success(..)));
    }
}
