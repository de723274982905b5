//! What is kept: one suite for every engine, and what each of them does when things go wrong.
//!
//! PostgreSQL takes part where STOX_TEST_POSTGRES names a server, by the URL of a user who may create databases. Then a
//! server that is not there is a failure.
#![allow(clippy::unwrap_used)]

mod engines;
mod kill;
mod lines;
mod lost;
mod schema;

use std::path::Path;

use engines::{Site, engines, sites};
use stox::gateway::record::{
    Authorization, AuthorizationRecord, DialogRecord, Direction, Kind, Package, PublicationRecord, Record, RecordId,
    Write, shard_of,
};
use stox::store::{Counts, Place, Store, Trouble};
use stox::time::Timestamp;

fn authorization(id: u64, watcher: &str, target: &str, state: Authorization) -> Record {
    Record::Authorization(AuthorizationRecord {
        id: RecordId(id),
        shard: shard_of(watcher, target),
        direction: if id.is_multiple_of(2) { Direction::ToSip } else { Direction::ToXmpp },
        watcher: watcher.to_owned(),
        target: target.to_owned(),
        state,
        changed_at: Timestamp(1_700_000_000_000 + i64::try_from(id % 1_000).unwrap()),
    })
}

fn dialog(id: u64) -> DialogRecord {
    let (watcher, target) = ("juliet@example.com", "romeo@sip.example");
    DialogRecord {
        id: RecordId(id),
        shard: shard_of(watcher, target),
        direction: Direction::ToSip,
        watcher: watcher.to_owned(),
        target: target.to_owned(),
        package: Package::Presence,
        event_id: None,
        call_id: format!("call-{id}@stox"),
        local_tag: "ours".to_owned(),
        remote_tag: "theirs".to_owned(),
        local_uri: "sip:juliet%40example.com@sip.example".to_owned(),
        remote_uri: "sip:romeo@sip.example".to_owned(),
        remote_target: "sip:romeo@192.0.2.7:5062;transport=tcp".to_owned(),
        route_set: Vec::new(),
        cseq_reserved: 64,
        remote_cseq: Some(1),
        version_reserved: 0,
        expires_at: Timestamp(1_700_003_600_000),
    }
}

fn publication(id: u64) -> Record {
    Record::Publication(PublicationRecord {
        id: RecordId(id),
        shard: shard_of("juliet@example.com", "sip.example"),
        user: "juliet@example.com".to_owned(),
        domain: "sip.example".to_owned(),
        etag: "dx200xyz".to_owned(),
        expires_at: Timestamp(1_700_003_600_000),
    })
}

/// One of each kind, and the ends of every range; in the order in which a store gives them.
fn all_sorts() -> Vec<Record> {
    let odd = DialogRecord {
        direction: Direction::ToXmpp,
        package: Package::PresenceWinfo,
        event_id: Some(String::new()),
        local_tag: String::new(),
        remote_tag: "Ünï\u{1f600}'\"\\\n".to_owned(),
        route_set: vec!["<sip:proxy.example;lr>".to_owned(), "\"a, b\" <sip:[2001:db8::1];lr>;x=\"\\\"\"".to_owned()],
        cseq_reserved: u32::MAX,
        remote_cseq: None,
        version_reserved: u32::MAX,
        expires_at: Timestamp(i64::MIN),
        ..dialog(u64::MAX >> 1)
    };
    vec![
        authorization(0, "a@x", "b@y", Authorization::Asked),
        authorization(1, "a@x", "c@y", Authorization::Granted),
        authorization(2, "Jürgen@x", "ö@y", Authorization::Refused),
        Record::Dialog(DialogRecord { package: Package::Dialog, event_id: Some("7".to_owned()), ..dialog(1) }),
        Record::Dialog(DialogRecord { package: Package::Reg, remote_cseq: Some(0), ..dialog(2) }),
        Record::Dialog(DialogRecord { package: Package::MessageSummary, remote_cseq: Some(u32::MAX), ..dialog(3) }),
        Record::Dialog(odd),
        publication(1),
    ]
}

fn put(record: &Record) -> Write {
    Write::Put(Box::new(record.clone()))
}

async fn kept(place: &Place) -> Vec<Record> {
    let store = Store::open(place).await.unwrap();
    let records = store.load().await.unwrap();
    store.close().await;
    records
}

#[tokio::test]
async fn what_was_committed_is_there_afterwards_whole_and_in_order() {
    for site in sites().await {
        let store = Store::open(&site.place).await.unwrap();
        assert_eq!(store.load().await.unwrap(), []);
        store.commit(all_sorts().iter().rev().map(put)).await.unwrap();
        assert_eq!(store.view().counts, Counts { authorizations: 3, dialogs: 4, publications: 1 });
        store.close().await;
        assert_eq!(kept(&site.place).await, all_sorts(), "{}", site.place);
    }
}

#[tokio::test]
async fn the_last_word_on_a_record_counts_within_a_step_and_between_steps() {
    for site in sites().await {
        let store = Store::open(&site.place).await.unwrap();
        let asked = authorization(7, "a@x", "b@y", Authorization::Asked);
        let granted = authorization(7, "a@x", "b@y", Authorization::Granted);
        let gone = Write::Drop(Kind::Authorization, RecordId(7));
        store.commit([put(&asked), put(&granted)]).await.unwrap();
        assert_eq!(store.load().await.unwrap(), std::slice::from_ref(&granted));
        store.commit([gone.clone(), put(&asked)]).await.unwrap();
        assert_eq!(store.load().await.unwrap(), std::slice::from_ref(&asked));
        store.commit([put(&granted), gone.clone()]).await.unwrap();
        assert_eq!(store.load().await.unwrap(), []);
        // What is not there is gone already, and names are of their kind alone.
        store.commit([gone.clone(), put(&Record::Dialog(dialog(7)))]).await.unwrap();
        store.commit([gone]).await.unwrap();
        assert_eq!(store.load().await.unwrap(), [Record::Dialog(dialog(7))]);
        assert_eq!(store.view().counts, Counts { dialogs: 1, ..Counts::default() });
        store.close().await;
    }
}

#[tokio::test]
async fn steps_that_gather_share_a_commit_and_each_is_told_in_order() {
    for site in sites().await {
        let store = Store::open(&site.place).await.unwrap();
        let steps = 2_000_u64;
        let numbers: Vec<u64> = (0..steps).map(|id| store.submit([put(&Record::Dialog(dialog(id)))])).collect();
        assert!(numbers.is_sorted() && numbers.last() == Some(&steps));
        let mut progress = store.progress();
        let mut before = 0;
        while before < steps {
            progress.changed().await.unwrap();
            let committed = progress.borrow_and_update().committed;
            assert!(committed > before);
            before = committed;
        }
        let view = store.view();
        assert_eq!((view.counts.dialogs, view.changes, view.pending), (steps, steps, 0));
        assert!(view.commits < steps / 4, "{}: {} commits", site.place, view.commits);
        assert!(view.micros > 0 && view.slowest_micros > 0 && view.trouble.is_empty());
        store.close().await;
    }
}

#[tokio::test]
async fn a_store_that_is_closed_has_committed_what_was_handed_over() {
    for site in sites().await {
        let store = Store::open(&site.place).await.unwrap();
        for record in all_sorts() {
            store.submit([put(&record)]);
        }
        store.close().await;
        assert_eq!(kept(&site.place).await.len(), all_sorts().len());
    }
}

#[tokio::test]
async fn two_processes_cannot_have_one_store() {
    for site in sites().await {
        let first = Store::open(&site.place).await.unwrap();
        let refused = Store::open(&site.place).await.err().unwrap();
        assert_eq!(refused.trouble, Trouble::InUse);
        let words = refused.to_string();
        assert!(words.contains("is used by another") && words.contains("stop the other stox"), "{words}");
        // It is none the worse for that.
        first.commit(all_sorts().iter().map(put)).await.unwrap();
        // And for looking there is no need to stop it.
        let report = stox::store::check(&site.place).await.unwrap();
        assert_eq!((report.found, report.counts.all()), (Vec::new(), 8));
        first.close().await;
        Store::open(&site.place).await.unwrap().close().await;
    }
}

#[tokio::test]
async fn without_a_place_everything_is_durable_at_once_and_forgotten() {
    let store = Store::open(&Place::Memory).await.unwrap();
    let number = store.submit(all_sorts().iter().map(put));
    assert_eq!(store.progress().borrow().committed, number);
    assert_eq!(store.load().await.unwrap(), []);
    store.close().await;
    assert!(stox::store::check(&Place::Memory).await.is_err());
}

#[test]
fn every_engine_takes_part_that_is_there() {
    let expected = if std::env::var_os("STOX_TEST_POSTGRES").is_some() { 2 } else { 1 };
    assert_eq!(engines().len(), expected);
}

/// The bytes of all files of a store of SQLite, its log included.
fn files_of(path: &Path) -> Vec<std::path::PathBuf> {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let folder = std::fs::read_dir(path.parent().unwrap()).unwrap();
    folder.map(|entry| entry.unwrap().path()).filter(|file| file.to_string_lossy().contains(&name)).collect()
}

#[tokio::test]
async fn nobody_else_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::sqlite();
    let Place::Sqlite(path) = &site.place else { unreachable!() };
    let store = Store::open(&site.place).await.unwrap();
    store.commit(all_sorts().iter().map(put)).await.unwrap();
    let files = files_of(path);
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
    store.close().await;
}
