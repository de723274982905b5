//! What others answer us: challenges, credentials, DNS.

use std::time::Duration;

use stox::ids::Ids;
use stox::sip::auth::client::MAX_REALMS;
use stox::sip::auth::server::ServerConfig;
use stox::sip::auth::{
    Account, Answer as Answered, Attempts, AuthOutcome, AuthenticationInfo, Challenge, Client, Credentials, Door, Hash,
    Key, Server,
};
use stox::sip::locate::{
    Answer, Destination, Find, Finder, Naptr, Outcome, PlaceId, Query, QuestionId, Srv, Target, Transport,
};
use stox::sip::message::{Message, Name, Request, Response, Status, wire};
use stox::time::Now;

const PASSWORD: &str = "correct-horse";

/// Challenges and credentials, one a line.
pub(crate) fn auth(data: &[u8]) {
    let now = Now::at(Duration::from_secs(9));
    for line in data.split(|byte| *byte == b'\n') {
        // What names no algorithm of ours is never printed by us.
        if let Some(challenge) = Challenge::parse(line).filter(|challenge| challenge.algorithm().is_some()) {
            assert_eq!(Challenge::parse(challenge.print().as_bytes()), Some(challenge));
        }
        if let Some(credentials) = Credentials::parse(line).filter(|credentials| credentials.algorithm().is_some()) {
            assert_eq!(Credentials::parse(credentials.print().as_bytes()), Some(credentials));
        }
        if let Some(info) = AuthenticationInfo::parse(line).filter(|info| *info != AuthenticationInfo::default()) {
            assert_eq!(AuthenticationInfo::parse(info.print().as_bytes()), Some(info));
        }
    }
    let mut request = asked();
    let mut response = Response::new(Status::UNAUTHORIZED);
    for line in data.split(|byte| *byte == b'\n') {
        request.headers.push(Name::AUTHORIZATION, line);
        response.headers.push(Name::WWW_AUTHENTICATE, line);
    }
    let config = ServerConfig {
        realm: "r".to_owned(),
        algorithms: Hash::ALL.to_vec(),
        life: Duration::from_secs(60),
        accounts: vec![("romeo".to_owned(), Key::password(PASSWORD))],
    };
    let mut server = Server::new(config, Ids::new([1; 32], 0));
    assert!(!matches!(server.judge(Door::Server, &request, now), AuthOutcome::Account(_)), "a guess is believed");
    answer(&response, now);
}

/// Whoever challenges gets no password, and an end of answers.
fn answer(response: &Response, now: Now) {
    let account = Account { realm: None, username: "romeo".to_owned(), key: Key::password(PASSWORD) };
    let mut client = Client::new(vec![account], Ids::new([2; 32], 0));
    let (mut request, mut attempts) = (asked(), Attempts::default());
    let mut again = 0;
    while let Answered::Again = client.challenged(response, &mut request, &mut attempts, now) {
        again += 1;
        assert!(again < 10, "challenges without end");
        assert!(request.headers.count(Name::AUTHORIZATION) <= MAX_REALMS);
        let mut bytes = Vec::new();
        request.print(&mut bytes);
        wire::parse(&bytes).unwrap_or_else(|error| panic!("what we send is not read: {error}"));
        assert!(!bytes.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes()), "the password is sent");
        let sent = request.headers.all(Name::AUTHORIZATION).map(Credentials::parse);
        assert!(sent.into_iter().all(|credentials| credentials.is_some()), "credentials that we do not read ourselves");
    }
    client.informed(response);
}

fn asked() -> Request {
    let text = "MESSAGE sip:juliet@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n\
        From: <sip:romeo@example.net>;tag=r\r\nTo: <sip:juliet@example.com>\r\nCall-ID: c\r\nCSeq: 1 MESSAGE\r\n\r\nHi";
    match wire::parse(text.as_bytes()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

/// Places that are looked for; the last is a `sips:` one.
const PLACES: [(&str, Option<u16>, Option<Transport>); 4] =
    [("d.example", None, None), ("h.example", Some(5070), None), ("192.0.2.7", None, None), ("s.example", None, None)];

const NAMES: [&str; 8] =
    ["d.example", "h.example", "_sip._udp.d.example", "_sips._tcp.d.example", "a.example", "b.example", ".", ""];

const SERVICES: [&str; 5] = ["SIP+D2U", "SIP+D2T", "SIPS+D2T", "SIP+D2W", "E2U+sip"];

/// More questions than any honest search needs, from one act.
const QUESTIONS: usize = 300;

/// DNS that answers anything, in any order, or never; targets that fail and come back.
pub(crate) fn locate(data: &[u8]) {
    let mut finder = Finder::new([Transport::Udp, Transport::Tcp, Transport::Tls].into_iter().collect(), 5);
    let mut places = Vec::new();
    for (at, (host, port, transport)) in PLACES.into_iter().enumerate() {
        let destination = Destination { host: host.to_owned(), port, transport, secure: at == PLACES.len() - 1 };
        places.push(finder.place(&destination));
    }
    let (mut now, mut asked, mut bytes) = (Duration::ZERO, Vec::new(), data.iter().copied());
    while let Some(act) = bytes.next() {
        let which = usize::from(bytes.next().unwrap_or_default());
        match act % 4 {
            0 => look(&mut finder, &places, which, now),
            1 => {
                if let Some((id, query)) = take(&mut asked, which) {
                    let ttl = Duration::from_secs(u64::from(bytes.next().unwrap_or_default()) * 20);
                    let answer = said(&query, &mut bytes);
                    finder.on_answer(id, answer, ttl, now);
                }
            }
            2 => now += Duration::from_secs(which as u64 * which as u64),
            _ => finder.note(target(which), outcome(bytes.next().unwrap_or_default()), now),
        }
        asked.extend(std::iter::from_fn(|| finder.poll_question()).take(QUESTIONS));
        assert!(asked.len() <= QUESTIONS, "questions without end");
    }
    // DNS gives up; then everybody who waits is told something.
    for _ in 0..QUESTIONS {
        asked.extend(std::iter::from_fn(|| finder.poll_question()));
        let Some((id, _)) = asked.pop() else { break };
        finder.on_answer(id, Answer::Unavailable, Duration::ZERO, now);
    }
    assert_eq!(finder.open(), 0, "a question that nobody answers any more");
    for place in places {
        let found = finder.find(place, now);
        assert!(found != Find::Wait || finder.poll_question().is_some(), "a search that waits for nothing");
    }
}

fn look(finder: &mut Finder, places: &[PlaceId], which: usize, now: Duration) {
    let at = which % places.len();
    if let Find::Found(targets) = finder.find(places[at], now) {
        assert!(!targets.is_empty() && targets.len() <= 64, "{} targets", targets.len());
        let secure = at == places.len() - 1;
        assert!(targets.iter().all(|target| target.transport.can_be_dialled()));
        assert!(!secure || targets.iter().all(|target| target.transport == Transport::Tls), "sips without TLS");
    }
}

fn take(asked: &mut Vec<(QuestionId, Query)>, which: usize) -> Option<(QuestionId, Query)> {
    (!asked.is_empty()).then(|| asked.remove(which % asked.len()))
}

fn said(query: &Query, bytes: &mut impl Iterator<Item = u8>) -> Answer {
    let count = match bytes.next().unwrap_or_default() {
        0 => return Answer::NoSuchName,
        1 => return Answer::Unavailable,
        count => usize::from(count) - 2,
    };
    let mut byte = || bytes.next().unwrap_or_default();
    match query {
        Query::Naptr { .. } => Answer::Naptr((0..count).map(|_| naptr(&mut byte)).collect()),
        Query::Srv { .. } => Answer::Srv((0..count).map(|_| srv(&mut byte)).collect()),
        Query::Addresses { .. } => {
            Answer::Addresses((0..count).map(|_| target(usize::from(byte())).addr.ip()).collect())
        }
    }
}

fn naptr(byte: &mut impl FnMut() -> u8) -> Naptr {
    Naptr {
        order: u16::from(byte() % 4),
        preference: u16::from(byte()),
        flags: ["s", "S", "a", ""][usize::from(byte() % 4)].to_owned(),
        services: SERVICES[usize::from(byte()) % SERVICES.len()].to_owned(),
        regexp: ["", "!.*!x!"][usize::from(byte() % 16 == 15)].to_owned(),
        replacement: NAMES[usize::from(byte()) % NAMES.len()].to_owned(),
    }
}

fn srv(byte: &mut impl FnMut() -> u8) -> Srv {
    Srv {
        priority: u16::from(byte() % 4),
        weight: u16::from(byte()) * 257,
        port: u16::from(byte()),
        target: NAMES[usize::from(byte()) % NAMES.len()].to_owned(),
    }
}

fn target(which: usize) -> Target {
    let transport = [Transport::Udp, Transport::Tcp, Transport::Tls][which % 3];
    let host = if which.is_multiple_of(5) { format!("[2001:db8::{which}]") } else { format!("192.0.2.{which}") };
    Target { transport, addr: format!("{host}:5060").parse().expect("an address") }
}

fn outcome(byte: u8) -> Outcome {
    match byte % 5 {
        0 => Outcome::Works,
        1 => Outcome::Broken,
        2 => Outcome::Silent,
        3 => Outcome::Refused(None),
        _ => Outcome::Refused(Some(Duration::from_secs(u64::from(byte) << 20))),
    }
}
