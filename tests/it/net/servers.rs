//! Other XMPP servers in numbers: connections that never speak, streams opened and closed without end, streams at rest, and
//! many domains that connect at once.
//!
//! With larger numbers, and as many file descriptors allowed:
//! `STOX_AT_REST=10000 STOX_STORM=1000 cargo test --release --test it net::servers -- --nocapture --test-threads 1`

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::rig::*;
use crate::certs::Signed;

/// All that 10,000 streams may take.
const GIB: u64 = 1 << 30;

/// What noise of the allocator a flat line may have.
const NOISE: u64 = 8 * 1024 * 1024;

const HEADER: &str = "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
                      xmlns:db='jabber:server:dialback' to='fed.example' version='1.0' from='";

fn number(name: &str, else_this: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(else_this)
}

/// A gateway that is the server of fed.example, for so many streams.
fn world(files: &Files, streams: usize) -> World {
    files.write_own(&files.authority.sign(&["gw.example", "fed.example"]));
    let server = files.section("").replace("[sip.tls]", "[xmpp.server]");
    // A quarter is kept for streams that stox opens. It is also how often one source may come back: twice as often, and a
    // quarter of that each second.
    let most = (streams + streams / 2 + 100).max(10_000);
    let more = format!(
        "{server}domains = [\"fed.example\"]\nlisten = [\"tcp:IP:5269\", \"tls:IP:5270\"]\nidle = \"24h\"\n\
         ping_every = \"24h\"\nconnections = {most}\nconnections_per_source = {most}\n\
         [[domain]]\nhome = \"sip\"\nxmpp = \"fed.example\"\nsip = \"fed.example\"\n\
         next_hop = \"sip:127.0.0.1:9;transport=udp\"\noptions_every = \"off\"\n"
    );
    World::with(&Setup { component: "ping_every = \"24h\"", more: &more.replace("IP", "{ip}"), ..Setup::default() })
}

/// One stream in clear: opened, answered, closed by both.
fn open_and_close(world: &World) {
    let mut socket = connect(world.stox.at(5269));
    write!(socket, "{HEADER}peer.example'></stream:stream>").unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    assert!(text.contains("<starttls ") && text.ends_with("</stream:stream>"), "{text}");
}

#[test]
fn streams_opened_and_closed_ten_thousand_times_leave_nothing() {
    let files = Files::new();
    let mut world = world(&files, 100);
    (0..1_000).for_each(|_| open_and_close(&world));
    let before = world.stox.memory();
    (0..9_000).for_each(|_| open_and_close(&world));
    let more = world.stox.memory().saturating_sub(before);
    assert!(more < NOISE, "9,000 streams left {more} bytes");
    world.assert_it_works();
}

#[test]
fn a_thousand_connections_that_never_speak_harm_nobody() {
    let files = Files::new();
    let mut world = world(&files, 1_000);
    open_and_close(&world);
    let before = world.stox.memory();
    let silent: Vec<TcpStream> = (0..1_000).map(|_| connect(world.stox.at(5269))).collect();
    open_and_close(&world);
    let each = world.stox.memory().saturating_sub(before) / 1_000;
    assert!(each < 32 * 1024, "each takes {each} bytes");
    world.assert_it_works();
    drop(silent);
}

type Line = StreamOwned<ClientConnection, TcpStream>;

/// A stream over TLS of a domain that its certificate has proven.
fn proven(at: SocketAddr, files: &Files, domain: &str, own: &Signed) -> Line {
    let socket = connect(at);
    socket.set_nodelay(true).unwrap();
    let name = ServerName::try_from("fed.example").unwrap();
    let tls = ClientConnection::new(tls_client(&files.authority, Some(own)), name).unwrap();
    let mut line = StreamOwned::new(tls, socket);
    write!(line, "{HEADER}{domain}'>").unwrap();
    until(&mut line, "</stream:features>");
    line.write_all(b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>").unwrap();
    until(&mut line, "<success");
    write!(line, "{HEADER}{domain}'>").unwrap();
    until(&mut line, "</stream:features>");
    line
}

fn until(line: &mut Line, end: &str) {
    let (mut text, mut buffer) = (String::new(), [0; 2048]);
    while !text.contains(end) {
        let read = line.read(&mut buffer).unwrap();
        assert!(read > 0, "no {end}: {text}");
        text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
}

fn domains(files: &Files, count: usize) -> Vec<(String, Signed)> {
    let name = |number| format!("peer{number}.example");
    (0..count).map(name).map(|name| (name.clone(), files.authority.sign(&[&name]))).collect()
}

#[test]
fn ten_thousand_streams_of_servers_at_rest_fit_in_a_gibibyte() {
    let (files, count) = (Files::new(), number("STOX_AT_REST", 50));
    let mut world = world(&files, count);
    let (domains, at) = (domains(&files, count), world.stox.at(5270));
    let first = proven(at, &files, &domains[0].0, &domains[0].1);
    let before = world.stox.memory();
    let all: Vec<Line> = domains.iter().map(|(domain, own)| proven(at, &files, domain, own)).collect();
    let each = world.stox.memory().saturating_sub(before) / u64::try_from(count).unwrap();
    println!("{count} streams of servers at rest take {each} bytes each");
    assert!(each * 10_000 < GIB, "10,000 would not fit in 1 GiB");
    world.assert_it_works();
    drop((first, all));
}

#[test]
fn many_domains_that_connect_at_once_are_all_served() {
    let (files, count) = (Files::new(), number("STOX_STORM", 50));
    let world = world(&files, count);
    let (domains, next, at) = (domains(&files, count), AtomicUsize::new(0), world.stox.at(5270));
    let start = Instant::now();
    let lines: Vec<Line> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..64.min(count))
            .map(|_| {
                scope.spawn(|| {
                    let mut lines = Vec::new();
                    while let Some((domain, own)) = domains.get(next.fetch_add(1, Ordering::Relaxed)) {
                        lines.push(proven(at, &files, domain, own));
                    }
                    lines
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    println!("{count} domains were served within {:?}, both ends on this machine", start.elapsed());
    assert_eq!(lines.len(), count);
}
