//! Digest values for any bytes, and both ends of a challenge against each other for any names.

use proptest::prelude::*;
use std::time::Duration;
use stox::ids::Ids;
use stox::sip::auth::server::ServerConfig;
use stox::sip::auth::{
    Account, Answer, Attempts, AuthOutcome, AuthenticationInfo, Challenge, Client, Credentials, Door, Hash, Key, Server,
};
use stox::sip::message::{Method, Request, Response, Status};
use stox::sip::uri::Uri;
use stox::time::Now;

/// Values that are nearly right.
fn value() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: &[&[u8]] = &[
        b"Digest ",
        b"realm=\"a\", ",
        b"nonce=\"n\", ",
        b"username=\"u\"",
        b"uri=\"sip:a@b\"",
        b"response=\"0\"",
        b"qop=auth, nc=00000001, cnonce=\"c\"",
        b"qop=\"auth,auth-int\"",
        b"stale=TRUE",
        b"algorithm=SHA-512-256-sess",
        b", ",
        b"\\",
        b"\"",
        b"=",
        b"\r\n ",
        b"\xc3\xa4",
        b"\xff",
    ];
    let pieces = prop::collection::vec(prop::sample::select(PIECES), 0..16).prop_map(|pieces| pieces.concat());
    prop_oneof![4 => pieces, 1 => prop::collection::vec(any::<u8>(), 0..64)]
}

proptest! {
    #[test]
    fn any_value_is_read_or_not_and_what_is_printed_is_read_back(value in value()) {
        if let Some(challenge) = Challenge::parse(&value) {
            let printed = challenge.print();
            prop_assert!(!printed.contains(['\r', '\n']));
            prop_assert_eq!(Challenge::parse(printed.as_bytes()), Some(challenge));
        }
        if let Some(credentials) = Credentials::parse(&value) {
            let printed = credentials.print();
            prop_assert!(!printed.contains(['\r', '\n']));
            prop_assert_eq!(Credentials::parse(printed.as_bytes()), Some(credentials));
        }
        if let Some(info) = AuthenticationInfo::parse(&value) {
            prop_assert!(!info.print().contains(['\r', '\n']));
        }
    }

    #[test]
    fn a_client_never_panics_whatever_it_is_challenged_with(values in prop::collection::vec(value(), 0..6), proxy: bool) {
        let account = Account { realm: None, username: "u".to_owned(), key: Key::password("p") };
        let mut client = Client::new(vec![account], Ids::new([1; 32], 0));
        let mut request = request();
        let mut attempts = Attempts::default();
        let door = if proxy { Door::Proxy } else { Door::Server };
        for _ in 0..5 {
            let mut response = Response::new(Status::UNAUTHORIZED);
            values.iter().for_each(|value| response.headers.push(door.challenge(), value));
            client.challenged(&response, &mut request, &mut attempts, now());
        }
        prop_assert!(request.headers.count(door.credentials()) <= 8);
    }

    #[test]
    fn a_server_never_panics_and_believes_nobody_who_guesses(values in prop::collection::vec(value(), 0..4)) {
        let mut request = request();
        values.iter().for_each(|value| request.headers.push(Door::Server.credentials(), value));
        let outcome = server("u", "p", "a", Hash::Md5).judge(Door::Server, &request, now());
        prop_assert!(!matches!(outcome, AuthOutcome::Account(_)));
    }

    #[test]
    fn both_ends_agree_about_any_name_password_and_realm(
        user in "[^\\p{C}\"\\\\]{1,20}",
        realm in "[^\\p{C}\"\\\\]{1,20}",
        password in "\\PC{1,20}",
        hash in prop::sample::select(Hash::ALL.to_vec()),
    ) {
        let mut server = server(&user, &password, &realm, hash);
        let account = Account { realm: Some(realm), username: user.clone(), key: Key::password(password) };
        let mut client = Client::new(vec![account], Ids::new([2; 32], 0));
        let mut challenge = Response::new(Status::UNAUTHORIZED);
        for value in server.challenges(false, now()) {
            challenge.headers.push(Door::Server.challenge(), value);
        }
        let mut first = request();
        let answer = client.challenged(&challenge, &mut first, &mut Attempts::default(), now());
        prop_assert_eq!(answer, Answer::Again);
        prop_assert_eq!(server.judge(Door::Server, &first, now()), AuthOutcome::Account(user.as_str().into()));
        let mut second = request();
        client.authorize(&mut second);
        prop_assert_eq!(server.judge(Door::Server, &second, now()), AuthOutcome::Account(user.as_str().into()));
        prop_assert_eq!(server.judge(Door::Server, &first, now()), AuthOutcome::Stale);
    }
}

fn now() -> Now {
    Now::at(Duration::from_secs(1))
}

fn request() -> Request {
    Request::new(Method::Message, Uri::parse("sip:juliet@gw.example").expect("a URI"))
}

fn server(user: &str, password: &str, realm: &str, hash: Hash) -> Server {
    let config = ServerConfig {
        realm: realm.to_owned(),
        algorithms: vec![hash],
        life: Duration::from_secs(300),
        accounts: vec![(user.to_owned(), Key::password(password))],
    };
    Server::new(config, Ids::new([3; 32], 0))
}
