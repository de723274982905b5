//! How long it takes to read a million subscriptions after a restart, and to keep them.
//!
//! ```text
//! cargo run --release --bin restore                      a million, in a file of SQLite under the temporary folder
//! cargo run --release --bin restore -- 100000 URL        as many, in the store at this URL, which has to be empty
//! ```
//! A subscription is an authorization and a dialog. Written in commits of a thousand subscriptions, as a busy shard makes
//! them; then the store is closed, opened and read. Reading a million has to take less than 30 s: exit 1 if it does not.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use stox::gateway::record::{
    Authorization, AuthorizationRecord, DialogRecord, Direction, Package, Record, RecordId, Write, shard_of,
};
use stox::store::{Place, Store};
use stox::time::Timestamp;

const MOST: Duration = Duration::from_secs(30);
const PER_COMMIT: u64 = 1_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let count: u64 = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(1_000_000);
    let folder = std::env::temp_dir().join(format!("stox-restore-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let url = std::env::args().nth(2).unwrap_or_else(|| format!("sqlite:{}", folder.join("stox.db").display()));
    let place = Place::parse(&url, Path::new("/")).expect("a URL of a store");

    let began = Instant::now();
    let store = Store::open(&place).await.expect("the store opens");
    for first in (0..count).step_by(usize::try_from(PER_COMMIT).unwrap_or(1)) {
        let writes = (first..(first + PER_COMMIT).min(count)).flat_map(subscription);
        store.commit(writes).await.expect("the store commits");
    }
    store.close().await;
    println!("{count} subscriptions written in {:.1} s", began.elapsed().as_secs_f64());

    let before = resident();
    let began = Instant::now();
    let store = Store::open(&place).await.expect("the store opens");
    let opened = began.elapsed();
    let records = store.load().await.expect("the store is read");
    let took = began.elapsed();
    assert_eq!(u64::try_from(records.len()), Ok(2 * count));
    println!(
        "read in {:.1} s, of which opening and its check {:.1} s; {} MiB while all are in memory",
        took.as_secs_f64(),
        opened.as_secs_f64(),
        (resident() - before) >> 20
    );
    store.close().await;
    if let Ok(file) = std::fs::metadata(folder.join("stox.db")) {
        println!("{} bytes a subscription in the file", file.len() / count.max(1));
    }
    // Left behind only if that fails.
    let _ = std::fs::remove_dir_all(&folder);
    if took < MOST { ExitCode::SUCCESS } else { ExitCode::FAILURE }
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
        changed_at: Timestamp(1_790_000_000_000),
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
        route_set: vec!["<sip:proxy.sip.example;lr>".to_owned()],
        cseq_reserved: 64,
        remote_cseq: Some(1),
        version_reserved: 0,
        expires_at: Timestamp(1_790_003_600_000),
        watcher,
        target,
    };
    [Record::Authorization(authorization), Record::Dialog(dialog)].map(|record| Write::Put(Box::new(record)))
}

/// Bytes of memory that this process has.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<usize>().ok()).unwrap_or(0) << 10
}
