//! Challenges of the SIP side.

use super::bench::Bench;
use crate::gateway::stats::ToSip;
use crate::sip::auth::{Account, Credentials, Door, Key};
use crate::sip::message::{Message, Name, Request, Status};
use crate::xmpp::stanza::{Condition, Stanza};

fn bench() -> Bench {
    Bench::with(|settings| {
        let key = Key::password("zanzibar");
        settings.routes[0].1.credentials = vec![Account { realm: None, username: "stox".to_owned(), key }];
    })
}

/// The SIP server refuses `request` with a challenge.
fn challenge(bench: &mut Bench, request: &Request, door: Door, value: &str) {
    let status = if door == Door::Server { 401 } else { 407 };
    let mut response = request.response(Status::new(status).unwrap());
    response.headers.push(door.challenge(), value);
    bench.hear(Message::Response(response));
}

fn only(mut requests: Vec<Request>) -> Request {
    assert_eq!(requests.len(), 1, "{requests:?}");
    requests.remove(0)
}

fn credentials(request: &Request, door: Door) -> Option<Credentials> {
    request.headers.get(door.credentials()).and_then(Credentials::parse)
}

fn told(bench: &mut Bench) -> Vec<(String, Condition, String)> {
    let error = |stanza: Stanza| match stanza {
        Stanza::Message(message) => {
            let error = message.error()?;
            Some((message.id.clone()?, error.condition, error.text.unwrap_or_default()))
        }
        Stanza::Presence(_) | Stanza::Iq(_) => None,
    };
    bench.told().into_iter().filter_map(error).collect()
}

#[test]
fn a_challenged_message_goes_again_as_the_same_request_with_credentials() {
    let mut bench = bench();
    bench.write("romeo", "a", "Hello");
    bench.write("romeo", "b", "there");
    let first = only(bench.requests());
    assert_eq!(credentials(&first, Door::Server), None);
    challenge(&mut bench, &first, Door::Server, "Digest realm=\"pbx\", nonce=\"n\", qop=\"auth\", algorithm=MD5");
    let second = only(bench.requests());
    let same = |name: Name<'static>| assert_eq!(first.headers.get(name), second.headers.get(name), "{name}");
    [Name::CALL_ID, Name::FROM, Name::TO, Name::MAX_FORWARDS].into_iter().for_each(same);
    assert_eq!(second.headers.cseq().unwrap().number, first.headers.cseq().unwrap().number + 1);
    assert_ne!(second.headers.via().unwrap().branch(), first.headers.via().unwrap().branch());
    assert_eq!((second.body(), &second.uri), (first.body(), &first.uri));
    let given = credentials(&second, Door::Server).unwrap();
    assert_eq!((given.username.as_str(), given.uri.as_str()), ("stox", "sip:romeo@sip.example"));
    assert_eq!(bench.gateway.stats().count_to_sip(ToSip::Delivered), 0);
    bench.answer(&second, 200);
    assert_eq!(bench.gateway.stats().count_to_sip(ToSip::Delivered), 1);

    let next = only(bench.requests());
    assert_eq!(next.body(), b"there", "it waited for the first");
    assert_eq!(credentials(&next, Door::Server).unwrap().used.unwrap().count, 2, "nobody had to ask");
    bench.answer(&next, 200);
    assert_eq!((told(&mut bench), bench.gateway.is_idle()), (Vec::new(), true));
}

#[test]
fn a_proxy_and_the_server_behind_it_are_both_answered() {
    let mut bench = bench();
    bench.write("romeo", "a", "Hello");
    let request = only(bench.requests());
    challenge(&mut bench, &request, Door::Proxy, "Digest realm=\"edge\", nonce=\"p\", qop=\"auth\"");
    let request = only(bench.requests());
    challenge(&mut bench, &request, Door::Server, "Digest realm=\"pbx\", nonce=\"s\", qop=\"auth\"");
    let request = only(bench.requests());
    assert_eq!(credentials(&request, Door::Proxy).unwrap().used.unwrap().count, 2);
    assert_eq!(credentials(&request, Door::Server).unwrap().used.unwrap().count, 1);
    assert_eq!((request.headers.count(Name::AUTHORIZATION), request.headers.count(Name::PROXY_AUTHORIZATION)), (1, 1));
    bench.answer(&request, 200);
    assert_eq!(bench.gateway.stats().count_to_sip(ToSip::Delivered), 1);
}

#[test]
fn a_wrong_password_is_told_once_to_each_sender_and_not_shown_again() {
    let mut bench = bench();
    for (id, tries) in [("a", 2), ("b", 1)] {
        bench.write("romeo", id, "Hello");
        for _ in 0..tries {
            let request = only(bench.requests());
            challenge(
                &mut bench,
                &request,
                Door::Server,
                &format!("Digest realm=\"pbx\", nonce=\"{id}\", qop=\"auth\""),
            );
        }
        assert!(bench.requests().is_empty());
        let (of, condition, text) = told(&mut bench).remove(0);
        assert_eq!((of.as_str(), condition), (id, Condition::NotAuthorized));
        let expected =
            "the SIP server of sip.example wants proof of the gateway: the credentials for realm \"pbx\" were refused";
        assert_eq!(text, expected);
    }
    assert_eq!(bench.gateway.stats().count_to_sip(ToSip::Refused), 2);
    assert!(bench.gateway.is_idle());
}

#[test]
fn without_credentials_the_error_says_so() {
    let mut bench = Bench::new();
    bench.write("romeo", "a", "Hello");
    let request = only(bench.requests());
    challenge(&mut bench, &request, Door::Proxy, "Digest realm=\"pbx\", nonce=\"n\"");
    let (_, condition, text) = told(&mut bench).remove(0);
    assert_eq!(condition, Condition::RegistrationRequired);
    assert!(text.ends_with("there are no credentials for realm \"pbx\""), "{text}");
    assert!(bench.requests().is_empty() && bench.gateway.is_idle());
}

#[test]
fn a_server_that_always_wants_more_comes_to_an_end() {
    let mut bench = bench();
    bench.write("romeo", "a", "Hello");
    let mut asked = 0;
    while let Some(request) = bench.requests().pop() {
        asked += 1;
        let value = format!("Digest realm=\"pbx\", nonce=\"{asked}\", qop=\"auth\", stale=true");
        challenge(&mut bench, &request, Door::Server, &value);
    }
    assert_eq!(asked, 4);
    assert!(told(&mut bench)[0].2.ends_with("too many challenges for one request"));
}

#[test]
fn an_answer_lost_after_a_challenge_is_a_timeout_like_any_other() {
    let mut bench = bench();
    bench.write("romeo", "a", "Hello");
    bench.write("romeo", "b", "there");
    let request = only(bench.requests());
    challenge(&mut bench, &request, Door::Server, "Digest realm=\"pbx\", nonce=\"n\", qop=\"auth\"");
    bench.pass(std::time::Duration::from_secs(33));
    let told: Vec<_> = told(&mut bench).into_iter().map(|(id, condition, _)| (id, condition)).collect();
    assert_eq!(told, ["a", "b"].map(|id| (id.to_owned(), Condition::RemoteServerTimeout)));
    assert!(bench.gateway.is_idle());
}
