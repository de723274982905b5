#![allow(clippy::unwrap_used)]

use super::*;
use crate::sip::auth::{Account, Answer, Attempts, Client};
use crate::sip::message::{Method, Response, Status};

fn now(seconds: u64) -> Now {
    Now::at(Duration::from_secs(seconds))
}

fn server() -> Server {
    let config = ServerConfig {
        realm: "stox".to_owned(),
        algorithms: vec![Hash::Sha256, Hash::Md5],
        life: Duration::from_secs(300),
        accounts: vec![
            ("pbx".to_owned(), Key::password("zanzibar")),
            ("md5".to_owned(), Key::hashes([(Hash::Md5, Hash::Md5.ha1("md5", "stox", "zanzibar"))])),
        ],
    };
    Server::new(config, Ids::new([2; 32], 0))
}

fn client(username: &str, password: &str) -> Client {
    let account = Account { realm: None, username: username.to_owned(), key: Key::password(password) };
    Client::new(vec![account], Ids::new([3; 32], 0))
}

fn request(uri: &str) -> Request {
    Request::new(Method::Message, Uri::parse(uri).unwrap())
}

fn challenge(server: &mut Server, door: Door, at: u64) -> Response {
    let mut response = Response::new(Status::new(401).unwrap());
    for line in server.challenges(false, now(at)) {
        response.headers.push(door.challenge(), line);
    }
    response
}

/// A request that `client` made in answer to a challenge of `server`.
fn proven(server: &mut Server, client: &mut Client, at: u64) -> Request {
    let mut request = request("sip:juliet@gw.example");
    let challenge = challenge(server, Door::Server, at);
    assert_eq!(client.challenged(&challenge, &mut request, &mut Attempts::default(), now(at)), Answer::Again);
    request
}

fn rewritten(request: &Request, change: impl FnOnce(&mut Credentials)) -> Request {
    let mut credentials = Credentials::parse(request.headers.get(Door::Server.credentials()).unwrap()).unwrap();
    change(&mut credentials);
    let mut request = request.clone();
    request.headers.replace(Door::Server.credentials(), credentials.print());
    request
}

fn pbx() -> AuthOutcome {
    AuthOutcome::Account(Arc::from("pbx"))
}

#[test]
fn a_challenge_offers_each_algorithm_once_and_the_strongest_first() {
    let lines = server().challenges(true, now(0));
    let read: Vec<_> = lines.iter().map(|line| Challenge::parse(line.as_bytes()).unwrap()).collect();
    let names: Vec<_> = read.iter().map(|challenge| challenge.algorithm.as_deref().unwrap()).collect();
    assert_eq!(names, ["SHA-256", "MD5"]);
    assert!(read.iter().all(|challenge| challenge.stale && challenge.qop == Some(vec![Qop::Auth])));
}

#[test]
fn who_knows_the_password_is_believed_and_a_repeated_count_is_not() {
    let (mut server, mut client) = (server(), client("pbx", "zanzibar"));
    assert_eq!(server.judge(Door::Server, &request("sip:juliet@gw.example"), now(0)), AuthOutcome::Absent);
    let first = proven(&mut server, &mut client, 0);
    assert!(std::str::from_utf8(first.headers.get(Door::Server.credentials()).unwrap()).unwrap().contains("SHA-256"));
    assert_eq!(server.judge(Door::Proxy, &first, now(0)), AuthOutcome::Absent);
    assert_eq!(server.judge(Door::Server, &first, now(1)), pbx());
    assert_eq!(server.judge(Door::Server, &first, now(2)), AuthOutcome::Stale, "a replay");

    let mut more: Vec<_> = (0..4).map(|_| request("sip:juliet@gw.example")).collect();
    more.iter_mut().for_each(|request| client.authorize(request));
    for at in [2, 0, 3, 1] {
        assert_eq!(server.judge(Door::Server, &more[at], now(3)), pbx(), "overtaken on the way");
    }
    for again in &more {
        assert_eq!(server.judge(Door::Server, again, now(4)), AuthOutcome::Stale);
    }
}

#[test]
fn an_old_nonce_and_one_of_another_run_are_stale_only_to_those_who_know_the_password() {
    let mut server = server();
    let good = proven(&mut server, &mut client("pbx", "zanzibar"), 0);
    let bad = proven(&mut server, &mut client("pbx", "guess"), 0);
    assert_eq!(server.judge(Door::Server, &good, now(301)), AuthOutcome::Stale);
    assert_eq!(server.judge(Door::Server, &bad, now(301)), AuthOutcome::Failed("pbx".to_owned()));
    let mut other = Server { ids: Ids::new([9; 32], 0), ..super::tests::server() };
    other.nonces.secret = Secret(b"another".to_vec());
    assert_eq!(other.judge(Door::Server, &good, now(1)), AuthOutcome::Stale);
    for nonce in ["", ".", "..", "1.2.3", "99999999999999999999999.a.b"] {
        let forged = rewritten(&good, |credentials| credentials.nonce = nonce.to_owned());
        assert_eq!(server.judge(Door::Server, &forged, now(1)), AuthOutcome::Failed("pbx".to_owned()), "{nonce}");
    }
}

#[test]
fn unknown_users_wrong_passwords_and_crooked_credentials_fail_alike() {
    let mut server = server();
    let wrong = proven(&mut server, &mut client("pbx", "guess"), 0);
    let unknown = proven(&mut server, &mut client("nobody", "zanzibar"), 0);
    let good = proven(&mut server, &mut client("pbx", "zanzibar"), 0);
    let no_hash = proven(&mut server, &mut client("md5", "zanzibar"), 0);
    let failed = |name: &str| AuthOutcome::Failed(name.to_owned());
    assert_eq!(server.judge(Door::Server, &wrong, now(0)), failed("pbx"));
    assert_eq!(server.judge(Door::Server, &unknown, now(0)), failed("nobody"));
    assert_eq!(server.judge(Door::Server, &no_hash, now(0)), failed("md5"));
    for change in [
        (|c| c.response = String::new()) as fn(&mut Credentials),
        |c| c.response.truncate(63),
        |c| c.algorithm = Some("SHA-512-256".to_owned()),
        |c| c.algorithm = Some("SHA-256-sess".to_owned()),
        |c| c.used.as_mut().unwrap().count += 1,
        |c| c.used.as_mut().unwrap().qop = Qop::AuthInt,
        |c| c.used = None,
        |c| c.uri = "sip:somebody@gw.example".to_owned(),
    ] {
        assert_eq!(server.judge(Door::Server, &rewritten(&good, change), now(0)), failed("pbx"));
    }
    let mut twice = good.clone();
    twice.headers.copy(&good.headers, Door::Server.credentials());
    assert_eq!(server.judge(Door::Server, &twice, now(0)), failed("pbx"));
    let other = rewritten(&good, |credentials| credentials.realm = "elsewhere".to_owned());
    assert_eq!(server.judge(Door::Server, &other, now(0)), AuthOutcome::Absent, "meant for another server");
    assert_eq!(server.judge(Door::Server, &good, now(0)), pbx(), "none of that used the count up");
}

#[test]
fn credentials_overheard_are_no_good_for_another_recipient() {
    let (mut server, mut client) = (server(), client("pbx", "zanzibar"));
    let mut readdressed = proven(&mut server, &mut client, 0);
    readdressed.uri = Uri::parse("sip:romeo@gw.example").unwrap();
    assert_eq!(server.judge(Door::Server, &readdressed, now(0)), AuthOutcome::Failed("pbx".to_owned()));
    readdressed.uri = Uri::parse("sip:juliet@GW.example:5070;transport=tcp").unwrap();
    assert_eq!(server.judge(Door::Server, &readdressed, now(0)), pbx(), "a proxy added a port");
    assert!(means("sip:192.0.2.1:5060", &readdressed.uri), "nobody is named");
    assert!(!means("sip:juliet@gw.example", &Uri::parse("sip:juliet@other.example").unwrap()));
    assert!(!means("mailto:juliet", &readdressed.uri) && !means("", &readdressed.uri));
}

#[test]
fn the_proof_is_taken_out_and_what_is_for_others_stays() {
    let mut server = server();
    let mut request = proven(&mut server, &mut client("pbx", "zanzibar"), 0);
    let other = rewritten(&request, |credentials| credentials.realm = "elsewhere".to_owned());
    request.headers.copy(&other.headers, Door::Server.credentials());
    server.take_proof(Door::Server, &mut request);
    let left: Vec<_> = request.headers.all(Door::Server.credentials()).filter_map(Credentials::parse).collect();
    assert_eq!(left.iter().map(|credentials| credentials.realm.as_str()).collect::<Vec<_>>(), ["elsewhere"]);
}

#[test]
fn an_answer_without_qop_is_good_once() {
    let mut server = server();
    let challenge = Challenge::parse(server.challenges(false, now(0))[1].as_bytes()).unwrap();
    let key = Hash::Md5.ha1("md5", "stox", "zanzibar");
    let subject = Subject { method: "MESSAGE", uri: "sip:juliet@gw.example", body: b"" };
    let credentials = Credentials {
        username: "md5".to_owned(),
        realm: "stox".to_owned(),
        response: response(Hash::Md5, &key, &challenge.nonce, None, subject).to_ascii_uppercase(),
        nonce: challenge.nonce,
        uri: "sip:juliet@gw.example".to_owned(),
        algorithm: None,
        opaque: None,
        used: None,
    };
    let mut request = request("sip:juliet@gw.example");
    request.headers.push(Door::Server.credentials(), credentials.print());
    assert_eq!(server.judge(Door::Server, &request, now(0)), AuthOutcome::Account(Arc::from("md5")));
    assert_eq!(server.judge(Door::Server, &request, now(0)), AuthOutcome::Stale);
}

#[test]
fn strangers_leave_nothing_behind_and_users_a_bounded_table() {
    let (mut server, mut client) = (server(), client("pbx", "zanzibar"));
    for _ in 0..100 {
        server.challenges(false, now(0));
        let wrong = proven(&mut server, &mut super::tests::client("pbx", "guess"), 0);
        server.judge(Door::Server, &wrong, now(0));
    }
    assert!(server.nonces.used.is_empty());
    let first = proven(&mut server, &mut client, 0);
    assert_eq!(server.judge(Door::Server, &first, now(0)), pbx());
    for at in 0..NONCES {
        let made = Now::at(Duration::from_millis(1 + at as u64));
        let nonce = server.nonces.make(&mut server.ids, made);
        assert!(server.nonces.take(&nonce, 1, server.life, now(20)));
    }
    assert_eq!(server.nonces.used.len(), NONCES);
    assert_eq!(server.judge(Door::Server, &first, now(20)), AuthOutcome::Stale, "pushed out, and still no replay");
    let late = server.nonces.make(&mut server.ids, now(400));
    assert!(server.nonces.take(&late, 1, server.life, now(400)));
    assert_eq!(server.nonces.used.len(), 1, "what is too old is let go");
}

#[test]
fn counts_are_taken_once_within_the_window_and_never_behind_it() {
    let mut counts = Counts::default();
    assert!(!counts.take(0));
    for (count, fresh) in [
        (1, true),
        (1, false),
        (3, true),
        (2, true),
        (2, false),
        (3, false),
        (67, true),
        (3, false),
        (4, true),
        (2, false),
    ] {
        assert_eq!(counts.take(count), fresh, "{count}");
    }
    assert!(counts.take(u32::MAX) && !counts.take(67) && counts.take(u32::MAX - 64) && !counts.take(u32::MAX - 65));
}

#[test]
fn the_code_of_a_nonce_is_the_hmac_of_rfc_4231() {
    let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    assert_eq!(hex(&hmac(b"Jefe", b"what do ya want for nothing?")), expected);
    let long = "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54";
    assert_eq!(hex(&hmac(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First")), long);
}

#[test]
fn names_and_secrets_are_fit_for_the_log() {
    assert_eq!(for_log("a b\r\n\"c\u{202e}"), "a_b___c_");
    assert_eq!(for_log(""), "-");
    assert_eq!(for_log(&"x".repeat(1000)).len(), MAX_NAME);
    let shown = format!("{:?}", server());
    assert!(!shown.contains("zanzibar") && !shown.contains(&Hash::Md5.ha1("md5", "stox", "zanzibar")), "{shown}");
}
