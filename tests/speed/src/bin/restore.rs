//! How long it takes to take back a million subscriptions after a restart, and what they take at rest.
//!
//! ```text
//! cargo run --release --bin restore                      a million, in a file of SQLite under the temporary folder
//! cargo run --release --bin restore -- 100000 URL        as many, in the store at this URL: empty, or of an earlier run
//! ```
//! Measured on 22 November 2026 with a million in SQLite, median and range of three runs on two cores with nothing of
//! ours beside: 15.9 s (15.4 to 17.8) until all were back: opening and checking 1.2 s (1.2 to 1.3), then reading and
//! taking back at the same time 13.9 s (13.4 to 16.0); 1,224 bytes each, at most 1,174 MiB while starting. Half an hour
//! before, with compilers and servers that wanted the same cores (load 5 to 6), it took 55.8 s (43.3 to 61.7), with 23.4
//! s of processor time.
//!
//! A subscription is an authorization and a dialog, by which an XMPP user watches a SIP user. Written in commits of a
//! thousand subscriptions, as a busy shard makes them; then the store is closed, opened and read, and a gateway takes back
//! what is in it. From opening to that point may take 30 s, and a subscription may take 2 KiB in the gateway then: exit 1
//! otherwise.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stox::gateway::record::{
    Authorization, AuthorizationRecord, DialogRecord, Direction, Package, Record, RecordId, Write, shard_of,
};
use stox::gateway::{Gateway, Route, Settings};
use stox::ids::Ids;
use stox::mapping::{DomainMapping, Home, Mapping};
use stox::sip::endpoint::{EndpointConfig, SentBy};
use stox::sip::locate::{Destination, Transport};
use stox::store::{Place, Store};
use stox::time::{Now, Timestamp};

const MOST: Duration = Duration::from_secs(30);
const MOST_BYTES: usize = 2 << 10;
const PER_COMMIT: u64 = 1_000;

/// When the subscriptions were made, and when they would end.
const MADE: Timestamp = Timestamp(1_790_000_000_000);
const END: Timestamp = Timestamp(1_790_003_600_000);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let count: u64 = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(1_000_000);
    let folder = std::env::temp_dir().join(format!("stox-restore-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let url = std::env::args().nth(2).unwrap_or_else(|| format!("sqlite:{}", folder.join("stox.db").display()));
    let place = Place::parse(&url, Path::new("/")).expect("a URL of a store");

    let began = Instant::now();
    let store = Store::open(&place).await.expect("the store opens");
    if store.view().counts.dialogs < count {
        for first in (0..count).step_by(usize::try_from(PER_COMMIT).unwrap_or(1)) {
            let writes = (first..(first + PER_COMMIT).min(count)).flat_map(subscription);
            store.commit(writes).await.expect("the store commits");
        }
        println!("{count} subscriptions written in {:.1} s", began.elapsed().as_secs_f64());
    }
    store.close().await;

    let before = resident();
    let began = Instant::now();
    let store = Store::open(&place).await.expect("the store opens");
    let opened = began.elapsed();
    let (mut gateway, now) = (gateway(), Now { mono: Duration::ZERO, wall: MADE });
    gateway.begin_restore(usize::try_from(count).unwrap_or(usize::MAX));
    let (mut reading, mut records, mut working) = (store.read(), 0, Duration::ZERO);
    while let Some(piece) = reading.next().await.expect("the store is read") {
        let since = Instant::now();
        records += piece.len();
        gateway.restore_some(piece, now);
        working += since.elapsed();
    }
    let read = began.elapsed();
    gateway.end_restore(now);
    let took = began.elapsed();
    assert_eq!(u64::try_from(records), Ok(2 * count));
    let each = (resident() - before) / usize::try_from(count.max(1)).unwrap_or(1);
    println!(
        "opened and checked in {:.1} s; read and taken back in {:.1} s, {:.1} s of it the gateway's, and {:.1} s after it",
        opened.as_secs_f64(),
        (read - opened).as_secs_f64(),
        working.as_secs_f64(),
        (took - read).as_secs_f64(),
    );
    println!(
        "{:.1} s in all; {each} bytes a subscription, and at most {} MiB in between",
        took.as_secs_f64(),
        peak() >> 20
    );
    let mut writes = Vec::new();
    gateway.take_writes(&mut writes);
    assert!(writes.is_empty(), "everything was taken back");
    for sample in gateway.samples().iter().filter(|sample| sample.name.contains("subscription")) {
        println!("{sample:?}");
    }
    store.close().await;
    if let Ok(file) = std::fs::metadata(folder.join("stox.db")) {
        println!("{} bytes a subscription in the file", file.len() / count.max(1));
    }
    // Left behind only if that fails.
    let _ = std::fs::remove_dir_all(&folder);
    if took < MOST && each <= MOST_BYTES { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A gateway that serves both sides of the subscriptions.
fn gateway() -> Gateway {
    let mappings = vec![
        DomainMapping::new(Home::Sip, "sip.example", "sip.example", None),
        DomainMapping::new(Home::Xmpp, "example.com", "gw.example.com", None),
    ];
    let next_hop =
        Destination { host: "192.0.2.1".to_owned(), port: None, transport: Some(Transport::Udp), secure: false };
    let settings = Settings {
        links: vec!["sip.example".to_owned()],
        routes: vec![("sip.example".to_owned(), Route::to(next_hop))],
        ..Settings::default()
    };
    let sip = EndpointConfig::new(SentBy { host: "192.0.2.9".to_owned(), port: None });
    Gateway::new(Arc::new(Mapping::new(mappings).expect("no conflict")), settings, sip, Ids::new([1; 32], 0))
}

/// An authorization and its dialog; names are as if drawn at random.
fn subscription(number: u64) -> [Write; 2] {
    let id = RecordId(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1);
    let (watcher, target) =
        (format!("watcher{}@example.com", number / 20), format!("user{}@sip.example", number % 50_000));
    let shard = shard_of(&watcher, &target);
    let authorization = AuthorizationRecord {
        id,
        shard,
        direction: Direction::ToSip,
        watcher: watcher.clone(),
        target: target.clone(),
        state: Authorization::Granted,
        changed_at: MADE,
    };
    let dialog = DialogRecord {
        id,
        shard,
        direction: Direction::ToSip,
        package: Package::Presence,
        event_id: None,
        call_id: format!("{number:022}@gw.example.com"),
        local_tag: format!("{number:022}"),
        remote_tag: format!("{number:016x}"),
        local_uri: format!("sip:watcher{}%40example.com@gw.example.com", number / 20),
        remote_uri: format!("sip:user{}@sip.example", number % 50_000),
        remote_target: format!("sip:user{}@192.0.2.7:5060;transport=udp", number % 50_000),
        route_set: vec!["sip:proxy.sip.example;lr".to_owned()],
        cseq_reserved: 64,
        remote_cseq: Some(1),
        version_reserved: 0,
        expires_at: END,
        watcher,
        target,
    };
    [Record::Authorization(authorization), Record::Dialog(dialog)].map(|record| Write::Put(Box::new(record)))
}

/// Bytes of memory that this process has.
fn resident() -> usize {
    memory("VmRSS:")
}

/// The most that it had so far.
fn peak() -> usize {
    memory("VmHWM:")
}

fn memory(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<usize>().ok()).unwrap_or(0) << 10
}
