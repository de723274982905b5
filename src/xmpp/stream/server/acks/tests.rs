#![allow(clippy::unwrap_used)]
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::ids::Ids;
use crate::xmpp::federation::dialback::Keys;
use crate::xmpp::federation::{Association, Command, Dial, Judgement, Partners};
use crate::xmpp::jid::Jid;
use crate::xmpp::stanza::{Message, MessageKind};
use crate::xmpp::stream::manage::{Found, ManageConfig, Sessions};
use crate::xmpp::stream::{Secured, ServerConfig, ServerEvent, StreamConfig};

const HERE: &str = "here.example";
const THERE: &str = "there.example";

fn at(seconds: u64) -> Now {
    Now::at(Duration::from_secs(seconds))
}

fn config(domain: &'static str, bidi: bool) -> Arc<ServerConfig> {
    Arc::new(ServerConfig {
        stream: StreamConfig::default(),
        hosts: Arc::new(move |host| host == domain),
        partners: Arc::new(Partners::default()),
        keys: Arc::new(Keys::new(b"secret")),
        tls: true,
        bidi,
        manage: Some(ManageConfig { request_every: 3, ..ManageConfig::default() }),
        caps: None,
        idle_after: None,
    })
}

fn secured() -> Option<Secured> {
    Some(Secured { version: "TLS 1.3", resumed: false, certificate: true, exporter: None })
}

fn message(from: &str, to: &str, body: &str) -> Stanza {
    let jid = |domain: &str| Jid::parse(domain).unwrap();
    Stanza::Message(Message::new(jid(from), jid(to), MessageKind::Chat).with_body(None, body))
}

/// One end, what its owner does, and what it heard.
struct End {
    stream: ServerStream,
    sessions: Sessions,
    bodies: Vec<String>,
    closed: Option<Report>,
    said: String,
}

impl End {
    fn new(stream: ServerStream, sessions: Sessions) -> Self {
        Self { stream, sessions, bodies: Vec::new(), closed: None, said: String::new() }
    }

    fn handle_events(&mut self, now: Now) {
        while let Some(event) = self.stream.poll_event() {
            match event {
                ServerEvent::Judge(_) => self.stream.judged(Judgement::Proven(Association::Pkix), now),
                ServerEvent::Stanza(Stanza::Message(message)) => {
                    self.bodies.push(message.body().unwrap().into_owned());
                }
                ServerEvent::Report(Report::Continue(pair, id)) => {
                    let found = match self.sessions.find(1, &pair, id.as_deref()) {
                        Found::Session(session) => Some(session),
                        Found::Nothing | Found::Held(_) => None,
                    };
                    self.stream.order(Command::Continue(found), now).unwrap();
                }
                ServerEvent::Report(report @ Report::Closed { .. }) => self.closed = Some(report),
                ServerEvent::Report(_) => {}
                other @ (ServerEvent::StartTls
                | ServerEvent::Unusable { .. }
                | ServerEvent::Stanza(Stanza::Presence(_) | Stanza::Iq(_))) => panic!("{other:?}"),
            }
        }
    }

    fn send(&mut self, body: &str, now: Now) {
        let (local, remote) = self.stream.domains();
        let stanza = message(local.unwrap(), remote.unwrap(), body);
        self.stream.order(Command::Send(stanza), now).unwrap();
    }

    /// Its connection breaks, and its session waits.
    fn cut(mut self, now: Now) -> (Sessions, Vec<Stanza>, bool) {
        self.stream.disconnected();
        self.handle_events(now);
        let Some(Report::Closed { unsent, doubtful, session, in_doubt, .. }) = self.closed else {
            panic!("it did not say so")
        };
        assert_eq!(doubtful, []);
        assert_eq!(self.sessions.closed(1, session, now).given_up, []);
        (self.sessions, unsent, in_doubt)
    }
}

fn ends(bidi: bool, now: Now, (ours, theirs): (Sessions, Sessions)) -> (End, End) {
    let dial = Dial { stream: 1, pair: Pair::new(HERE, THERE), to_verify: false, host: None };
    let one = ServerStream::initiating(config(HERE, bidi), &dial, secured(), now);
    let ids = Ids::new([u8::from(theirs.is_empty()); 32], 1);
    let two = ServerStream::accepting(config(THERE, bidi), ids, secured(), now);
    let (mut one, mut two) = (End::new(one, ours), End::new(two, theirs));
    talk(&mut one, &mut two, now);
    (one, two)
}

fn pass(from: &mut End, to: &mut End, now: Now) -> bool {
    from.handle_events(now);
    let mut bytes = Vec::new();
    from.stream.poll_output(&mut bytes);
    from.said.push_str(std::str::from_utf8(&bytes).unwrap());
    to.stream.receive(&bytes, now);
    to.handle_events(now);
    !bytes.is_empty()
}

fn talk(one: &mut End, two: &mut End, now: Now) {
    while pass(one, two, now) | pass(two, one, now) {}
}

fn fresh(bidi: bool) -> (End, End) {
    ends(bidi, at(0), (Sessions::default(), Sessions::default()))
}

#[test]
fn both_agree_on_acknowledgements_once_the_first_pair_is_proven() {
    let (one, two) = fresh(false);
    assert!(one.said.ends_with("<enable xmlns='urn:xmpp:sm:3' resume='true' max='60'/>"), "{}", one.said);
    assert!(two.said.contains("<sm xmlns='urn:xmpp:sm:3'></sm></stream:features><enabled "), "{}", two.said);
    assert!(one.stream.acks.is_on() && two.stream.acks.is_on());
}

#[test]
fn a_broken_connection_loses_and_repeats_nothing() {
    let (mut one, mut two) = fresh(true);
    for body in ["1", "2"] {
        one.send(body, at(1));
    }
    two.send("back 1", at(1));
    talk(&mut one, &mut two, at(1));
    assert_eq!(one.bodies, ["back 1"]);
    // These arrive, but nobody knows; those do not even arrive.
    one.send("3", at(2));
    pass(&mut one, &mut two, at(2));
    one.send("4", at(2));
    two.send("back 2", at(2));
    assert_eq!(two.bodies, ["1", "2", "3"]);
    let (ours, unsent, in_doubt) = one.cut(at(3));
    assert_eq!((unsent, in_doubt), (vec![], false));
    let (theirs, ..) = two.cut(at(3));

    let (mut one, mut two) = ends(true, at(4), (ours, theirs));
    assert!(two.said.contains("<resumed "), "{}", two.said);
    one.send("5", at(4));
    talk(&mut one, &mut two, at(4));
    assert_eq!((two.bodies, one.bodies), (vec!["4".to_owned(), "5".to_owned()], vec!["back 2".to_owned()]));
}

#[test]
fn a_peer_that_has_forgotten_is_left_before_anything_new_is_written() {
    let (mut one, two) = fresh(false);
    one.send("1", at(1));
    one.send("2", at(1));
    let (ours, ..) = one.cut(at(2));
    drop(two);
    let (one, two) = ends(false, at(3), (ours, Sessions::default()));
    assert!(two.said.contains("<failed xmlns='urn:xmpp:sm:3'><item-not-found "), "{}", two.said);
    assert!(two.bodies.is_empty() && one.said.ends_with("</stream:stream>"), "{}", one.said);
    let Some(Report::Closed { unsent, doubtful, session, in_doubt, .. }) = one.closed else { panic!("it goes on") };
    assert_eq!(doubtful, ["1", "2"].map(|body| message(HERE, THERE, body)));
    assert_eq!((unsent, session, in_doubt), (vec![], None, false));
}

#[test]
fn a_peer_that_has_forgotten_a_session_with_nothing_in_it_is_good_for_a_new_one() {
    let (one, two) = fresh(false);
    let (ours, ..) = one.cut(at(2));
    drop(two);
    let (mut one, mut two) = ends(false, at(3), (ours, Sessions::default()));
    one.send("1", at(3));
    talk(&mut one, &mut two, at(3));
    assert!(two.said.contains("<item-not-found ") && two.said.contains("<enabled "), "{}", two.said);
    assert_eq!((two.bodies, one.closed), (vec!["1".to_owned()], None));
}

#[test]
fn an_orderly_end_tells_what_arrived_and_leaves_nothing() {
    let (mut one, mut two) = fresh(false);
    one.send("1", at(1));
    one.stream.close(None, at(1));
    talk(&mut one, &mut two, at(1));
    for end in [one, two] {
        let Some(Report::Closed { unsent, doubtful, session, in_doubt, .. }) = end.closed else { panic!("it goes on") };
        assert_eq!((unsent, doubtful, session, in_doubt), (vec![], vec![], None, false));
    }
}

#[test]
fn what_a_peer_did_not_acknowledge_before_it_closed_is_in_doubt() {
    let (mut one, mut two) = fresh(false);
    one.send("1", at(1));
    two.stream.close(None, at(1));
    talk(&mut one, &mut two, at(1));
    let Some(Report::Closed { unsent, doubtful, session, .. }) = one.closed else { panic!("it goes on") };
    assert_eq!((unsent, doubtful, session), (vec![], vec![message(HERE, THERE, "1")], None));
}

#[test]
fn acknowledgement_is_asked_for_and_a_dead_peer_found_even_one_way() {
    let (mut one, _) = fresh(false);
    one.send("1", at(10));
    assert_eq!(one.stream.next_timeout(), Some(at(11).mono));
    one.stream.handle_timeout(at(11));
    let mut out = Vec::new();
    one.stream.poll_output(&mut out);
    assert!(out.ends_with(b"<r xmlns='urn:xmpp:sm:3'/>"));
    assert_eq!(one.stream.next_timeout(), Some(at(31).mono));
    one.stream.handle_timeout(at(31));
    one.handle_events(at(31));
    let Some(Report::Closed { session, .. }) = one.closed else { panic!("it goes on") };
    assert_eq!(session.map(|session| session.len()), Some(1));
}

#[test]
fn a_second_or_early_question_and_elements_of_clients_are_refused() {
    let (_, mut two) = fresh(false);
    two.stream.receive(b"<enable xmlns='urn:xmpp:sm:3'/>", at(1));
    two.handle_events(at(1));
    let kind = |end: &End| match &end.closed {
        Some(Report::Closed { cause: Cause::OurError(error), .. }) => Some(error.kind),
        _ => None,
    };
    assert_eq!(kind(&two), Some(StreamErrorKind::PolicyViolation));

    // XEP-0352 is between clients and servers.
    let (_, mut two) = fresh(false);
    two.stream.receive(b"<active xmlns='urn:xmpp:csi:0'/>", at(1));
    two.handle_events(at(1));
    assert_eq!(kind(&two), Some(StreamErrorKind::UnsupportedStanzaType));

    let mut two = End::new(
        ServerStream::accepting(config(THERE, false), Ids::new([1; 32], 1), secured(), at(0)),
        Sessions::default(),
    );
    let open = "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
                xmlns:db='jabber:server:dialback' from='here.example' to='there.example' version='1.0'>";
    two.stream.receive(open.as_bytes(), at(0));
    two.handle_events(at(0));
    two.stream.receive(b"<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>", at(0));
    let mut out = Vec::new();
    two.stream.poll_output(&mut out);
    let failed =
        b"<failed xmlns='urn:xmpp:sm:3'><unexpected-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>";
    assert!(out.ends_with(failed), "{}", String::from_utf8_lossy(&out));
    assert_eq!(two.closed, None);
}

#[test]
fn a_stolen_name_opens_nobody_elses_session() {
    let (mut one, two) = fresh(false);
    let Acks::On(manager) = &two.stream.acks else { panic!("it is on") };
    let id = manager.id().unwrap().to_owned();
    let (theirs, ..) = two.cut(at(1));
    one.stream.disconnected();
    // The thief has proven its own domain.
    let dial = Dial { stream: 1, pair: Pair::new("thief.example", THERE), to_verify: false, host: None };
    let thief = ServerStream::initiating(config("thief.example", false), &dial, secured(), at(2));
    let two = ServerStream::accepting(config(THERE, false), Ids::new([7; 32], 1), secured(), at(2));
    let (mut thief, mut two) = (End::new(thief, Sessions::default()), End::new(two, theirs));
    while !two.said.contains("<sm ") {
        pass(&mut thief, &mut two, at(2));
        pass(&mut two, &mut thief, at(2));
    }
    thief.stream.acks = Acks::Off;
    while pass(&mut thief, &mut two, at(2)) | pass(&mut two, &mut thief, at(2)) {}
    two.stream.acks = Acks::Off;
    two.stream.receive(format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='0'/>").as_bytes(), at(2));
    two.handle_events(at(2));
    let mut out = Vec::new();
    two.stream.poll_output(&mut out);
    assert!(String::from_utf8_lossy(&out).contains("<item-not-found "));
    assert_eq!(two.sessions.len(), 1);
}

#[test]
fn a_stream_that_is_to_take_nothing_new_closes_unless_its_peer_hears_what_is_taken() {
    let (_, mut two) = fresh(false);
    let undone = two.stream.order(Command::Drain, at(1)).unwrap_err();
    assert_eq!(undone.command, Command::Drain);
    let said = &mut Vec::new();
    assert!(two.stream.is_acknowledged() && !two.stream.poll_output(said));
    two.stream.acks = Acks::Off;
    two.stream.order(Command::Drain, at(1)).unwrap();
    assert!(two.stream.poll_output(said) && said.as_slice() == b"</stream:stream>" && !two.stream.is_closed());
    two.stream.receive(b"<message from='here.example' to='there.example'><body>late</body></message>", at(1));
    two.handle_events(at(1));
    assert_eq!(two.bodies, ["late"]);
}
