//! What connections take that were used and have nothing to say now, as memory of the gateway:
//! `STOX_AT_REST=10000 cargo test --release --test it net::at_rest -- --nocapture --test-threads 1`, with as many file
//! descriptors allowed. Without that word a few hundred stand for them.

use super::rig::*;

/// All that 10,000 may take.
const GIB: u64 = 1 << 30;

fn count() -> usize {
    std::env::var("STOX_AT_REST").ok().and_then(|text| text.parse().ok()).unwrap_or(200)
}

/// A gateway that takes so many connections of one peer.
fn world(files: &Files) -> World {
    let limits = format!("[limits]\ntcp_connections = {0}\ntcp_connections_per_source = {0}\n", count() + 100);
    let listen = "listen = [\"udp:{ip}:5060\", \"tcp:{ip}:5060\", \"tls:{ip}:5061\"]";
    let more = format!("{}{limits}", files.section(""));
    // The server of the test answers no pings while thousands of handshakes are under way.
    let component = "ping_every = \"24h\"";
    World::with(&Setup { component, listen: Some(listen), more: &more, ..Setup::default() })
}

fn options(transport: &str) -> String {
    let text = request("sip:romeo@pbx.example", "sip:pbx.example", "", "");
    text.replace("MESSAGE", "OPTIONS").replace("SIP/2.0/UDP", &format!("SIP/2.0/{transport}"))
}

/// Opens them all, has each used once, and judges what they take.
fn judge<C>(what: &str, world: &mut World, mut open: impl FnMut(&World) -> C) {
    let first = open(world);
    let before = world.stox.memory();
    let all: Vec<C> = (0..count()).map(|_| open(world)).collect();
    let taken = world.stox.memory().saturating_sub(before);
    let each = taken / u64::try_from(all.len()).unwrap();
    println!("{what}: {} connections at rest take {taken} bytes, {each} each", all.len());
    assert!(each * 10_000 < GIB, "{what}: 10,000 would not fit in 1 GiB");
    world.assert_it_works();
    drop((first, all));
}

#[test]
fn ten_thousand_tcp_connections_fit_in_a_gibibyte() {
    let files = Files::new();
    judge("TCP", &mut world(&files), |world| {
        let mut line = Line::to(&world.stox);
        line.send(&options("TCP"));
        assert!(line.read_head().starts_with("SIP/2.0 200 "));
        line
    });
}

#[test]
fn ten_thousand_tls_connections_fit_in_a_gibibyte() {
    let files = Files::new();
    let own = files.authority.sign(&["pbx.example"]);
    let config = tls_client(&files.authority, Some(&own));
    judge("TLS", &mut world(&files), |world| {
        let mut line = TlsCaller::to(world.stox.at(5061), &config);
        line.send(&options("TLS"));
        assert!(line.read_message().starts_with("SIP/2.0 200 "));
        line
    });
}
