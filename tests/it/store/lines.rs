//! Backup and moving: lines of JSON.

use super::{all_sorts, authorization, kept, put};
use crate::store::engines::{Site, sites};
use stox::gateway::record::Authorization;
use stox::store::{Place, Store, check, export, import};

async fn filled(site: &Site) -> std::path::PathBuf {
    let store = Store::open(&site.place).await.unwrap();
    store.commit(all_sorts().iter().map(put)).await.unwrap();
    let file = site.folder.join("backup.jsonl");
    // Beside the running one.
    assert_eq!(export(&site.place, &file).await.unwrap().all(), 8);
    store.close().await;
    file
}

async fn told(place: &Place, file: &std::path::Path, merge: bool) -> Vec<String> {
    let errors = import(place, file, merge).await.unwrap_err();
    let name = format!("{}:", file.display());
    errors.iter().map(|error| error.to_string().replace(&name, "")).collect()
}

#[tokio::test]
async fn what_is_exported_from_any_engine_is_imported_into_any() {
    for from in sites().await {
        let file = filled(&from).await;
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        for to in sites().await {
            assert_eq!(import(&to.place, &file, false).await.unwrap().all(), 8);
            assert_eq!(kept(&to.place).await, all_sorts());
            assert_eq!(check(&to.place).await.unwrap().counts.all(), 8);
            // The same once more is refused, or taken for what it is.
            assert!(told(&to.place, &file, false).await[0].contains("holds records already"));
            assert_eq!(import(&to.place, &file, true).await.unwrap().all(), 0);
            assert_eq!(kept(&to.place).await, all_sorts());
        }
    }
}

#[tokio::test]
async fn every_line_that_cannot_be_taken_is_told_and_then_none_is_taken() {
    let site = Site::sqlite();
    let file = filled(&site).await;
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let empty = Site::sqlite();
    let check = async |lines: &[String], expected: &[&str]| {
        std::fs::write(&file, lines.join("\n") + "\n").unwrap();
        let told = told(&empty.place, &file, false).await;
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.contains(expected), "{told} / {expected}");
        }
    };
    let with = |changes: &[(usize, &str)]| {
        let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        changes.iter().for_each(|(at, line)| lines[at - 1] = (*line).to_owned());
        lines
    };
    check(&[], &["1: is not the first line"]).await;
    check(&with(&[(1, lines[1])]), &["1: is not the first line"]).await;
    let newer = lines[0].replace("\"version\":1", "\"version\":2");
    check(&with(&[(1, &newer)]), &["1: was written by a newer release (version 2, this one reads 1)"]).await;
    check(&with(&[])[..4], &["1: announces 8 records, and 3 follow"]).await;
    let shard = lines[1].replace("\"shard\":", "\"shard\":1");
    let word = lines[2].replace("granted", "given");
    let extra = lines[3].replacen('{', "{\"extra\":1,", 1);
    let id = lines[4].replacen("\"id\":\"0", "\"id\":\"8", 1);
    check(
        &with(&[(2, &shard), (3, &word), (4, &extra), (5, &id), (6, "{"), (7, lines[4])]),
        &[
            "2: shard 1",
            "3: state \"given\" is none of \"asked\", \"granted\", \"refused\"",
            "4: is no record (unknown field `extra`",
            "5: id \"8000000000000001\" is no number",
            "6: is no record (EOF",
        ],
    )
    .await;
    check(&with(&[(7, lines[4])]), &["7: has the id of another record, of line 5"]).await;
    let twice = lines[1].replace("\"id\":\"0000000000000000\"", "\"id\":\"00000000000000aa\"");
    check(&with(&[(3, &twice)]), &["3: is about a@x watching b@y, as line 2 is"]).await;
    assert_eq!(kept(&empty.place).await, []);
}

#[tokio::test]
async fn who_was_refused_and_has_asked_anew_is_exported_and_imported() {
    let (from, to) = (Site::sqlite(), Site::sqlite());
    let store = Store::open(&from.place).await.unwrap();
    let records = [(2, Authorization::Refused), (4, Authorization::Asked)];
    let records = records.map(|(id, state)| authorization(id, "juliet@example.com", "romeo@sip.example", state));
    store.commit(records.iter().map(put)).await.unwrap();
    store.close().await;
    let file = from.folder.join("backup.jsonl");
    assert_eq!(export(&from.place, &file).await.unwrap().all(), 2);
    assert_eq!(import(&to.place, &file, false).await.unwrap().all(), 2);
    assert_eq!(kept(&to.place).await, records);
}

#[tokio::test]
async fn merging_refuses_what_contradicts_the_store() {
    for site in sites().await {
        let file = filled(&site).await;
        let store = Store::open(&site.place).await.unwrap();
        store.commit([put(&authorization(1, "a@x", "c@y", Authorization::Refused))]).await.unwrap();
        store.close().await;
        let told = told(&site.place, &file, true).await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("3: has the id of another record, of the store"), "{told:?}");
    }
}
