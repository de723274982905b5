//! Where the servers of a domain are looked for, by what DNS says.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use hickory_server::Server;
use hickory_server::zone_handler::Catalog;
use tokio::runtime::Runtime;

use super::rig::*;
use crate::net::dns::serve;
use crate::net::rig::*;

/// A gateway that asks a name server with these records of pbx.test, and everybody may prove himself as he likes.
struct Rig {
    gate: Gate,
    _names: (Runtime, Server<Catalog>),
}

impl Rig {
    fn new(records: &str, others: &[&str]) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let zone = format!(
            "$ORIGIN pbx.test.\n@ 60 IN SOA ns hostmaster 1 3600 600 86400 7\n@ 60 IN NS ns\nns 60 IN A 127.0.0.1\n\
             host 60 IN A 127.0.0.1\n{records}"
        );
        let (server, addr) = runtime.block_on(serve(&zone));
        let everybody = "[[xmpp.partner]]\ndomain = \"*\"\nauthentication = \"dialback\"\n";
        let gate = Plan::new("a.example").start("", everybody, others, &format!("[dns]\nservers = [\"{addr}\"]\n"));
        Self { gate, _names: (runtime, server) }
    }

    fn refusal(&self, domain: &str) -> String {
        let call_id = self.gate.write(domain, "where are you");
        let answer = self.gate.answer(&call_id);
        answer.lines().next().unwrap().to_owned()
    }
}

fn srv(domain: &str, service: &str, priority: u16, to: SocketAddr) -> String {
    format!("_{service}._tcp.{domain} 60 IN SRV {priority} 0 {} host\n", to.port())
}

/// A port where nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Somebody at port 5269 of an address of his own, and whether anybody came.
struct Watch(TcpListener);

impl Watch {
    fn at(ip: Ipv4Addr) -> Self {
        let listener = TcpListener::bind((ip, 5269)).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn was_visited(&self) -> bool {
        self.0.accept().is_ok()
    }
}

#[test]
fn a_domain_whose_srv_target_is_a_dot_has_no_server() {
    let own = Stox::own_address();
    let watch = Watch::at(own);
    let records = format!("_xmpp-server._tcp.dot 60 IN SRV 0 0 0 .\ndot 60 IN A {own}\n");
    let rig = Rig::new(&records, &["dot.pbx.test", "missing.pbx.test"]);
    assert!(rig.refusal("dot.pbx.test").starts_with("SIP/2.0 404 "));
    assert!(!watch.was_visited());
    assert!(rig.refusal("missing.pbx.test").starts_with("SIP/2.0 404 "));
}

#[test]
fn after_an_srv_target_that_does_not_answer_nobody_else_is_tried() {
    let own = Stox::own_address();
    let watch = Watch::at(own);
    let records = format!("{}dead 60 IN A {own}\n", srv("dead", "xmpp-server", 0, nobody()));
    let rig = Rig::new(&records, &["dead.pbx.test"]);
    let answer = rig.refusal("dead.pbx.test");
    assert!(answer.starts_with("SIP/2.0 408 ") || answer.starts_with("SIP/2.0 504 "), "{answer}");
    assert!(!watch.was_visited());
    rig.gate.stox.wait_for_line(&["no XMPP stream", "connection refused", "dead.pbx.test"]);
}

#[test]
fn without_srv_records_the_domain_itself_is_tried_at_port_5269() {
    let own = Stox::own_address();
    let listener = TcpListener::bind((own, 5269)).unwrap();
    let rig = Rig::new(&format!("bare 60 IN A {own}\n"), &["bare.pbx.test"]);
    rig.gate.write("bare.pbx.test", "are you there");
    let mut hand = Hand::of(&listener);
    hand.read_until("<stream:stream ");
    let opening = hand.read_until(">");
    assert!(opening.contains("to='bare.pbx.test'") && opening.contains("from='a.example'"), "{opening}");
}

#[test]
fn a_second_target_gets_what_the_first_does_not_take() {
    let believer = Believer::new("two.pbx.test");
    let first = srv("two", "xmpp-server", 1, nobody());
    let records = format!("{first}{}", srv("two", "xmpp-server", 2, believer.addr()));
    let rig = Rig::new(&records, &["two.pbx.test"]);
    rig.gate.write("two.pbx.test", "the second door");
    let mut stream = believer.accept("a.example");
    stream.read_until("the second door");
}

#[test]
fn direct_tls_of_higher_priority_is_tried_first_and_says_what_it_is() {
    let (direct, other) = (TcpListener::bind("127.0.0.1:0").unwrap(), Believer::new("mixed.pbx.test"));
    let records = srv("mixed", "xmpps-server", 1, direct.local_addr().unwrap());
    let records = format!("{records}{}", srv("mixed", "xmpp-server", 2, other.addr()));
    let rig = Rig::new(&records, &["mixed.pbx.test"]);
    rig.gate.write("mixed.pbx.test", "by whatever door");
    let mut socket = direct.accept().unwrap().0;
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut hello = vec![0; 2048];
    let length = socket.read(&mut hello).unwrap();
    let has = |what: &[u8]| hello[..length].windows(what.len()).any(|part| part == what);
    assert_eq!(hello[0], 0x16, "a TLS handshake");
    assert!(has(b"xmpp-server"), "its ALPN");
    assert!(has(b"mixed.pbx.test"), "its server name");
    // Where that leads nowhere, the next is tried.
    drop(socket);
    other.accept("a.example").read_until("by whatever door");
}

#[test]
fn a_first_target_that_says_nothing_does_not_hold_up_the_second_for_long() {
    // An address of the documentation, where nobody ever answers, if the network lets it out at all.
    let believer = Believer::new("slow.pbx.test");
    let records = format!(
        "_xmpp-server._tcp.slow 60 IN SRV 1 0 5269 void\nvoid 60 IN A 192.0.2.1\n{}",
        srv("slow", "xmpp-server", 2, believer.addr())
    );
    let rig = Rig::new(&records, &["slow.pbx.test"]);
    let began = std::time::Instant::now();
    rig.gate.write("slow.pbx.test", "soon");
    believer.accept("a.example").read_until("soon");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}
