//! Servers that say nothing, too much, too slowly, or what they may not; and others beside them, who must not feel it.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::rig::*;
use crate::net::rig::*;

/// A gateway that believes two servers by hand.
struct Rig {
    gate: Gate,
    one: Believer,
    other: Believer,
}

impl Rig {
    fn new(server: &str, of_one: &str) -> Self {
        let (one, other) = (Believer::new("one.example"), Believer::new("other.example"));
        let partners = format!(
            "{}{}",
            partner(one.domain, one.addr(), "dialback", of_one),
            partner(other.domain, other.addr(), "dialback", "")
        );
        let gate = Plan::new("a.example").start(server, &partners, &["one.example", "other.example"], "");
        Self { gate, one, other }
    }

    /// A message to the other server arrives.
    fn assert_it_works(&self) {
        self.gate.write("other.example", "all is well");
        let mut stream = self.other.accept("a.example");
        stream.read_until("all is well");
    }
}

/// A stanza for the phone.
fn message(from: &str, text: &str) -> String {
    format!("<message from='juliet@{from}/x' to='romeo@a.example' id='{text}'><body>{text}</body></message>")
}

/// A connection from another address.
fn from(ip: &str, to: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(ip.parse().unwrap(), 0).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let socket: TcpStream = socket.into();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

#[test]
fn who_connects_and_says_nothing_is_let_go() {
    let rig = Rig::new("connect_timeout = \"1s\"", "");
    let mut silent: Vec<Hand> = (0..50).map(|_| Hand::to(rig.gate.streams())).collect();
    rig.assert_it_works();
    for hand in &mut silent {
        let said = hand.read_to_end();
        assert!(said.contains("<connection-timeout "), "{said}");
    }
    wait_until("their places are free", || rig.gate.stox.metric("stox_s2s_streams") < 2.0);
}

#[test]
fn one_byte_at_a_time_is_read_like_all_at_once() {
    let rig = Rig::new("", "");
    let mut hand = Hand::to(rig.gate.streams());
    hand.socket.set_nodelay(true).unwrap();
    let drip = |hand: &mut Hand, text: &str| text.chars().for_each(|letter| hand.send(&letter.to_string()));
    drip(&mut hand, &opening("one.example", "a.example", None));
    hand.read_until("</stream:features>");
    drip(&mut hand, "<db:result from='one.example' to='a.example'>any key</db:result>");
    let mut asked = rig.one.opened("a.example");
    let question = asked.read_until("</db:verify>");
    let id = attribute(&question[question.rfind("<db:verify").unwrap()..], "id").to_owned();
    drip(&mut asked, &format!("<db:verify from='one.example' to='a.example' id='{id}' type='valid'/>"));
    hand.read_until("type='valid'");
    drip(&mut hand, &message("one.example", "slow — but sure"));
    rig.gate.hears("slow — but sure");
}

#[test]
fn nothing_is_smuggled_in_before_tls() {
    let files = Files::new();
    certify(&files, "a.example", &files.authority, "a.example");
    let gate = Plan::new("a.example").start(&with_certificate(&files, "a.example"), "", &["one.example"], "");
    let mut hand = Hand::to(gate.streams());
    hand.send(&opening("one.example", "a.example", None));
    hand.read_until("</stream:features>");
    hand.send(&format!("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>{}", message("one.example", "smuggled")));
    let said = hand.read_to_end();
    assert!(!said.contains("<db:") && !said.contains("<message"), "{said}");
    assert!(!gate.phone.has_seen("smuggled"));
}

#[test]
fn a_server_that_says_more_than_proceed_is_not_believed() {
    let files = Files::new();
    certify(&files, "a.example", &files.authority, "a.example");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let partner = partner("one.example", listener.local_addr().unwrap(), "tls", "");
    let gate = Plan::new("a.example").start(&with_certificate(&files, "a.example"), &partner, &["one.example"], "");
    let call_id = gate.write("one.example", "for one's eyes");
    let mut hand = Hand::of(&listener);
    hand.read_until("<stream:stream ");
    hand.read_until(">");
    hand.send(&opening("one.example", "a.example", Some("x")));
    hand.send("<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>");
    hand.read_until("<starttls");
    hand.read_until(">");
    hand.send(&format!("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>{ONLY_DIALBACK}"));
    let said = hand.read_to_end();
    assert!(!said.contains("db:result") && !said.contains("one's eyes"), "{said}");
    drop((hand, listener));
    let answer = gate.answer(&call_id);
    assert!(!answer.starts_with("SIP/2.0 2"), "{answer}");
}

#[test]
fn a_server_that_never_reads_holds_up_nobody_else() {
    let rig = Rig::new("", "");
    rig.gate.write("one.example", "the first");
    let mut deaf = rig.one.accept("a.example");
    deaf.read_until("the first");
    let before = rig.gate.stox.memory();
    let long = "long ".repeat(200);
    for _ in 0..4_000 {
        rig.gate.write("one.example", &long);
    }
    let began = Instant::now();
    rig.assert_it_works();
    assert!(began.elapsed() < PATIENCE / 2);
    let grown = rig.gate.stox.memory().saturating_sub(before);
    assert!(grown < 100 << 20, "{grown} bytes");
    drop(deaf);
}

#[test]
fn so_many_streams_of_one_address_and_no_more() {
    let rig = Rig::new("connections_per_source = 3", "");
    let taken: Vec<TcpStream> = (0..3).map(|_| from("127.0.0.9", rig.gate.streams())).collect();
    let mut one_more = Hand::of_socket(from("127.0.0.9", rig.gate.streams()));
    assert_eq!(one_more.read_to_end(), "");
    rig.gate.stox.wait_for_metric("stox_s2s_connections_refused", 1.0);
    rig.gate.stox.wait_for_line(&["XMPP connection refused", "127.0.0.9"]);
    // Others have their own places.
    let mut hand = rig.one.call(&rig.gate);
    hand.send(&message("one.example", "still here"));
    rig.gate.hears("still here");
    drop(taken);
}

#[test]
fn a_partner_that_is_too_fast_is_read_slowly_and_loses_nothing() {
    let rig = Rig::new("", "stanzas_per_second = 50");
    let mut hand = rig.one.call(&rig.gate);
    let began = Instant::now();
    // Each is long enough that many reads are needed, and all find room in the line for their recipient.
    let long = "x".repeat(400);
    let texts: Vec<String> = (0..240).map(|number| format!("number {number};{long}")).collect();
    for text in &texts {
        hand.send(&message("one.example", text));
    }
    for text in &texts {
        rig.gate.hears(text);
    }
    // A hundred at once, then fifty a second; what comes with the last read is taken together.
    assert!(began.elapsed() > Duration::from_secs(1), "{:?}", began.elapsed());
}

#[test]
fn an_element_that_never_ends_ends_its_stream_only() {
    let rig = Rig::new("", "stanza_size = 20000");
    let mut hand = rig.one.call(&rig.gate);
    let text = "x".repeat(1 << 16);
    hand.try_send("<message from='juliet@one.example' to='romeo@a.example'><body>");
    while hand.try_send(&text) {}
    rig.assert_it_works();
    rig.gate.stox.wait_for_line(&["XMPP stream has ended", "one.example"]);
}
