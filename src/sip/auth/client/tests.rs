#![allow(clippy::unwrap_used)]

use super::*;
use crate::sip::auth::Hash;
use crate::sip::message::{Method, Status};
use crate::sip::uri::Uri;

fn now(seconds: u64) -> Now {
    Now::at(Duration::from_secs(seconds))
}

fn account(realm: Option<&str>, username: &str) -> Account {
    Account { realm: realm.map(str::to_owned), username: username.to_owned(), key: Key::password("zanzibar") }
}

fn client(accounts: Vec<Account>) -> Client {
    Client::new(accounts, Ids::new([1; 32], 0))
}

fn request() -> Request {
    let mut request = Request::new(Method::Message, Uri::parse("sip:romeo@pbx.example").unwrap());
    request.set_body("text/plain", b"Watson, come here.".to_vec());
    request
}

fn refusal(status: u16, lines: &[(Door, &str)]) -> Response {
    let mut response = Response::new(Status::new(status).unwrap());
    for (door, value) in lines {
        response.headers.push(door.challenge(), value);
    }
    response
}

fn digest(realm: &str, nonce: &str, more: &str) -> String {
    format!("Digest realm=\"{realm}\", nonce=\"{nonce}\"{more}")
}

/// The credentials of a request for one door.
fn given(request: &Request, door: Door) -> Vec<Credentials> {
    request.headers.all(door.credentials()).map(|value| Credentials::parse(value).unwrap()).collect()
}

#[test]
fn a_challenge_is_answered_and_the_nonce_used_again_unasked() {
    let mut client = client(vec![account(None, "bob")]);
    let (mut first, mut attempts) = (request(), Attempts::default());
    client.authorize(&mut first);
    assert!(given(&first, Door::Server).is_empty(), "nothing is known yet");
    let challenge = digest("biloxi.com", "n1", ", opaque=\"o\", algorithm=MD5, qop=\"auth\"");
    let response = refusal(401, &[(Door::Server, &challenge)]);
    assert_eq!(client.challenged(&response, &mut first, &mut attempts, now(0)), Answer::Again);
    let credentials = given(&first, Door::Server).remove(0);
    let used = credentials.used.clone().unwrap();
    assert_eq!((credentials.opaque.as_deref(), credentials.uri.as_str()), (Some("o"), "sip:romeo@pbx.example"));
    assert_eq!((used.count, used.qop), (1, Qop::Auth));
    let a2 = Hash::Md5.of(&[b"MESSAGE:sip:romeo@pbx.example"]);
    let by_hand = format!("{}:n1:00000001:{}:auth:{a2}", Hash::Md5.ha1("bob", "biloxi.com", "zanzibar"), used.cnonce);
    assert_eq!(credentials.response, Hash::Md5.of(&[by_hand.as_bytes()]));

    let mut second = request();
    client.authorize(&mut second);
    let again = given(&second, Door::Server).remove(0);
    assert_eq!((again.nonce.as_str(), again.used.unwrap().count), ("n1", 2));
    assert_ne!(again.response, credentials.response);
}

#[test]
fn the_topmost_algorithm_that_can_be_served_is_taken() {
    let md5 = Hash::Md5.ha1("bob", "r", "zanzibar");
    let hashed = Account { key: Key::hashes([(Hash::Md5, md5)]), ..account(Some("r"), "bob") };
    for (account, expected) in [(account(None, "bob"), "SHA-512-256"), (hashed, "md5")] {
        let mut client = client(vec![account]);
        let lines = ["AKAv1-MD5", "SHA-512-256", "SHA-256", "md5"]
            .map(|algorithm| digest("r", "n", &format!(", qop=\"auth\", algorithm={algorithm}")));
        let lines: Vec<_> = lines.iter().map(|line| (Door::Server, line.as_str())).collect();
        let (mut request, mut attempts) = (request(), Attempts::default());
        assert_eq!(client.challenged(&refusal(401, &lines), &mut request, &mut attempts, now(0)), Answer::Again);
        let credentials = given(&request, Door::Server);
        assert_eq!(credentials.len(), 1, "one answer for one realm");
        assert_eq!(credentials[0].algorithm.as_deref(), Some(expected));
    }
}

#[test]
fn two_proxies_and_the_server_are_answered_each_in_its_realm() {
    let mut client = client(vec![account(Some("one"), "a"), account(Some("two"), "b"), account(None, "c")]);
    let (mut request, mut attempts) = (request(), Attempts::default());
    for (status, door, realm) in [(407, Door::Proxy, "one"), (407, Door::Proxy, "two"), (401, Door::Server, "three")] {
        let line = digest(realm, realm, ", qop=\"auth\"");
        let response = refusal(status, &[(door, &line)]);
        assert_eq!(client.challenged(&response, &mut request, &mut attempts, now(0)), Answer::Again);
    }
    let proxies: Vec<_> =
        given(&request, Door::Proxy).into_iter().map(|c| (c.username, c.used.unwrap().count)).collect();
    assert_eq!(proxies, [("a".to_owned(), 3), ("b".to_owned(), 2)]);
    assert_eq!(given(&request, Door::Server)[0].username, "c");

    let (one, two) = (digest("one", "x", ""), digest("three", "y", ""));
    let both = refusal(407, &[(Door::Server, &two), (Door::Proxy, &one)]);
    let (mut request, mut attempts) = (super::tests::request(), Attempts::default());
    assert_eq!(client.challenged(&both, &mut request, &mut attempts, now(0)), Answer::Again);
    assert_eq!((given(&request, Door::Proxy).len(), given(&request, Door::Server).len()), (2, 1));
}

#[test]
fn a_nonce_from_before_is_replaced_once_and_a_fresh_one_refused_is_a_wrong_password() {
    let mut client = client(vec![account(None, "bob")]);
    let challenge = |nonce: &str, stale: &str| {
        let line = digest("r", nonce, &format!(", qop=\"auth\"{stale}"));
        refusal(401, &[(Door::Server, &line)])
    };
    let (mut first, mut attempts) = (request(), Attempts::default());
    assert_eq!(client.challenged(&challenge("1", ""), &mut first, &mut attempts, now(0)), Answer::Again);

    let (mut second, mut attempts) = (request(), Attempts::default());
    client.authorize(&mut second);
    let answer = client.challenged(&challenge("2", ""), &mut second, &mut attempts, now(1));
    assert_eq!(answer, Answer::Again, "without stale, too: some servers do not say it");
    let answer = client.challenged(&challenge("3", ", stale=true"), &mut second, &mut attempts, now(1));
    assert_eq!(answer, Answer::Again, "the nonce went stale meanwhile");
    let answer = client.challenged(&challenge("4", ""), &mut second, &mut attempts, now(1));
    assert_eq!(answer, Answer::GiveUp(Refusal::Refused { realm: "r".into(), first: true }));

    let (mut third, mut attempts) = (request(), Attempts::default());
    client.authorize(&mut third);
    assert!(given(&third, Door::Server).is_empty(), "what was refused is not shown around");
    let answer = client.challenged(&challenge("5", ""), &mut third, &mut attempts, now(2));
    assert_eq!(answer, Answer::GiveUp(Refusal::Refused { realm: "r".into(), first: false }));
    let later = 1 + REFUSED.as_secs();
    assert_eq!(client.challenged(&challenge("6", ""), &mut third, &mut Attempts::default(), now(later)), Answer::Again);
}

#[test]
fn the_same_nonce_stale_twice_is_given_up() {
    let mut client = client(vec![account(None, "bob")]);
    let line = digest("r", "n", ", qop=\"auth\", stale=true");
    let response = refusal(401, &[(Door::Server, &line)]);
    let (mut request, mut attempts) = (request(), Attempts::default());
    assert_eq!(client.challenged(&response, &mut request, &mut attempts, now(0)), Answer::Again);
    let answer = client.challenged(&response, &mut request, &mut attempts, now(0));
    assert_eq!(answer, Answer::GiveUp(Refusal::Refused { realm: "r".into(), first: true }));
}

#[test]
fn a_server_that_never_has_enough_is_left() {
    let mut client = client(vec![account(None, "bob")]);
    let (mut request, mut attempts) = (request(), Attempts::default());
    for round in 0..=MAX_CHALLENGES {
        let line = digest("r", &round.to_string(), ", qop=\"auth\", stale=true");
        let answer = client.challenged(&refusal(401, &[(Door::Server, &line)]), &mut request, &mut attempts, now(0));
        let expected = if round < MAX_CHALLENGES { Answer::Again } else { Answer::GiveUp(Refusal::TooMany) };
        assert_eq!(answer, expected, "round {round}");
    }
}

#[test]
fn what_cannot_be_answered_is_told_apart() {
    let ask = |lines: &[(Door, &str)]| {
        let mut client = client(vec![account(Some("mine"), "bob")]);
        client.challenged(&refusal(401, lines), &mut request(), &mut Attempts::default(), now(0))
    };
    assert_eq!(ask(&[]), Answer::GiveUp(Refusal::NoChallenge));
    assert_eq!(ask(&[(Door::Server, "Basic realm=\"mine\"")]), Answer::GiveUp(Refusal::NoChallenge));
    let other = digest("other", "n", "");
    assert_eq!(ask(&[(Door::Server, &other)]), Answer::GiveUp(Refusal::NoCredentials("other".into())));
    let unknown = digest("mine", "n", ", algorithm=AKAv1-MD5");
    assert_eq!(ask(&[(Door::Server, &unknown)]), Answer::GiveUp(Refusal::Unsupported("mine".into())));
    let mine = digest("mine", "n", "");
    assert_eq!(ask(&[(Door::Server, &other), (Door::Proxy, &mine)]), Answer::Again, "what can be answered is");
}

#[test]
fn the_next_nonce_is_used_and_the_body_protected_where_asked() {
    let mut client = client(vec![account(None, "bob")]);
    let line = digest("r", "n", ", qop=\"auth-int\", algorithm=SHA-256-sess");
    let (mut one, mut attempts) = (request(), Attempts::default());
    client.challenged(&refusal(401, &[(Door::Server, &line)]), &mut one, &mut attempts, now(0));
    let mut other = request();
    other.set_body("text/plain", b"Stay where you are.".to_vec());
    client.authorize(&mut other);
    assert_eq!(given(&one, Door::Server)[0].used.as_ref().unwrap().qop, Qop::AuthInt);
    let mut told = Response::new(Status::OK);
    told.headers.push(Name::AUTHENTICATION_INFO, "nextnonce=\"m\"");
    client.informed(&told);
    client.authorize(&mut other);
    assert_eq!(given(&other, Door::Server).last().unwrap().nonce, "n", "a session key is bound to its nonce");

    let line = digest("r", "n2", ", qop=\"auth\"");
    client.challenged(&refusal(401, &[(Door::Server, &line)]), &mut one, &mut Attempts::default(), now(0));
    client.informed(&told);
    let mut next = request();
    client.authorize(&mut next);
    let credentials = given(&next, Door::Server).remove(0);
    assert_eq!((credentials.nonce.as_str(), credentials.used.unwrap().count), ("m", 1));
}

#[test]
fn a_server_of_the_old_days_is_answered_without_counts() {
    let mut client = client(vec![account(Some("a \"b\""), "bob")]);
    let (mut request, mut attempts) = (request(), Attempts::default());
    let response = refusal(407, &[(Door::Proxy, "Digest realm=\"a \\\"b\\\"\", nonce=\"n\"")]);
    assert_eq!(client.challenged(&response, &mut request, &mut attempts, now(0)), Answer::Again);
    let credentials = given(&request, Door::Proxy).remove(0);
    assert_eq!((credentials.used, credentials.algorithm), (None, None));
    assert_eq!(credentials.realm, "a \\\"b\\\"", "as the server spelled it");
}

#[test]
fn realms_and_secrets_do_not_pile_up() {
    let mut client = client(vec![account(None, "bob")]);
    for realm in 0..100 {
        let line = digest(&realm.to_string(), "n", "");
        client.challenged(&refusal(401, &[(Door::Server, &line)]), &mut request(), &mut Attempts::default(), now(0));
    }
    assert_eq!(client.sessions.len(), MAX_REALMS);
    let shown = format!("{client:?}");
    assert!(!shown.contains("zanzibar") && !shown.contains(&Hash::Md5.ha1("bob", "99", "zanzibar")), "{shown}");
}
