#![allow(clippy::unwrap_used)]

use super::*;
use crate::gateway::record::{PublicationRecord, RecordId, Write};
use crate::time::Timestamp;

fn batch(count: u64) -> Batch {
    let publication = |id| PublicationRecord {
        id: RecordId(id),
        shard: 1,
        user: "juliet@example.com".to_owned(),
        domain: "sip.example".to_owned(),
        etag: "x".repeat(500),
        expires_at: Timestamp(0),
    };
    Batch::of((0..count).map(|id| Write::Put(Box::new(Record::Publication(publication(id))))))
}

/// A new file in a folder of this name, with so many records.
fn filled(name: &str, records: u64) -> (PathBuf, Sqlite) {
    let folder = std::env::temp_dir().join(format!("stox-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut sqlite = Sqlite::open(&folder.join("stox.db"), Access::Own).unwrap();
    sqlite.commit(&batch(records)).unwrap();
    (folder, sqlite)
}

fn count(sqlite: &mut Sqlite) -> u64 {
    sqlite.counts().unwrap().all()
}

#[test]
fn a_full_disk_is_told_loses_nothing_and_is_over_when_there_is_room() {
    let (folder, mut sqlite) = filled("full", 10);
    sqlite.connection.pragma_update(None, "max_page_count", 40).unwrap();
    let error = sqlite.commit(&batch(1_000)).unwrap_err();
    assert_eq!(
        (error.trouble, error.what.as_str(), error.todo.as_str()),
        (Trouble::Away, "the disk is full", "make room")
    );
    assert_eq!(count(&mut sqlite), 10);
    sqlite.connection.pragma_update(None, "max_page_count", 4_000).unwrap();
    let changed = sqlite.commit(&batch(1_000)).unwrap();
    assert_eq!((changed.added.publications, count(&mut sqlite)), (990, 1_000));
    sqlite.close();
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_file_that_cannot_be_written_any_more_is_told_and_over_when_it_can() {
    let (folder, mut sqlite) = filled("readonly", 1);
    sqlite.connection.pragma_update(None, "query_only", true).unwrap();
    let error = sqlite.commit(&batch(2)).unwrap_err();
    assert_eq!((error.trouble, error.what.as_str()), (Trouble::Refused, "cannot be written"));
    assert!(error.todo.contains("let the user that stox runs as write it"), "{error}");
    sqlite.connection.pragma_update(None, "query_only", false).unwrap();
    assert_eq!((sqlite.commit(&batch(2)).unwrap().added.publications, count(&mut sqlite)), (1, 2));
    sqlite.close();
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn each_start_is_a_new_epoch() {
    let folder = std::env::temp_dir().join(format!("stox-epoch-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for epoch in 1..4 {
        let sqlite = Sqlite::open(&folder.join("stox.db"), Access::Own).unwrap();
        assert_eq!(sqlite.epoch, epoch);
        sqlite.close();
    }
    std::fs::remove_dir_all(folder).unwrap();
}
