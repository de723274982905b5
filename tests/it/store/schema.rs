//! Schemas of other releases, and files that are no stores.

use super::{authorization, dialog, kept, publication, put};
use crate::store::engines::{Site, sites};
use stox::gateway::record::{Authorization, DialogRecord, Record};
use stox::store::{Place, Store, Trouble, check};

const SQLITE_1: &str = include_str!("../../schema/sqlite-1.sql");
const POSTGRES_1: &str = include_str!("../../schema/postgres-1.sql");

/// The text for the engine of this site.
fn of<'t>(site: &Site, sqlite: &'t str, postgres: &'t str) -> &'t str {
    match site.place {
        Place::Sqlite(_) => sqlite,
        Place::Postgres(_) => postgres,
        Place::Memory => unreachable!("nothing is there"),
    }
}

/// What a store refuses to open for.
async fn refused(site: &Site) -> stox::store::Error {
    Store::open(&site.place).await.err().unwrap_or_else(|| panic!("{} was opened", site.place))
}

#[tokio::test]
async fn the_oldest_schema_is_read_and_written_further() {
    for site in sites().await {
        site.sql(of(&site, SQLITE_1, POSTGRES_1)).await;
        let routed = DialogRecord { route_set: vec!["<sip:proxy.example;lr>".to_owned()], ..dialog(2) };
        let mut expected = vec![
            authorization(1, "juliet@example.com", "romeo@sip.example", Authorization::Granted),
            Record::Dialog(routed),
            publication(3),
        ];
        assert_eq!(kept(&site.place).await, expected, "{}", site.place);
        let store = Store::open(&site.place).await.unwrap();
        expected.insert(2, Record::Dialog(dialog(9)));
        store.commit([put(&expected[2])]).await.unwrap();
        store.close().await;
        assert_eq!(kept(&site.place).await, expected);
        assert_eq!(check(&site.place).await.unwrap().found, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused_with_words_and_left_as_it_is() {
    for site in sites().await {
        Store::open(&site.place).await.unwrap().close().await;
        site.sql(of(&site, "PRAGMA user_version = 99", "INSERT INTO stox_schema VALUES (99)")).await;
        for error in [refused(&site).await, check(&site.place).await.unwrap_err()] {
            assert_eq!(error.trouble, Trouble::Newer);
            assert!(error.to_string().contains("was written by a newer release (schema 99"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_named_and_not_passed_over() {
    for site in sites().await {
        let store = Store::open(&site.place).await.unwrap();
        store.commit([put(&Record::Dialog(dialog(255)))]).await.unwrap();
        store.close().await;
        let table = of(&site, "dialog", "stox_dialog");
        site.sql(&format!("UPDATE {table} SET package = 'weather'")).await;
        let store = Store::open(&site.place).await.unwrap();
        let error = store.load().await.unwrap_err();
        assert_eq!(error.trouble, Trouble::Damaged);
        assert!(error.what.contains("unknown word \"weather\"") && error.todo.contains("backup"), "{error}");
        store.close().await;
        let report = check(&site.place).await.unwrap();
        assert!(report.found.len() == 1 && report.found[0].contains("weather"), "{report:?}");
    }
}

#[tokio::test]
async fn what_is_no_store_is_not_touched() {
    let site = Site::sqlite();
    let Place::Sqlite(path) = &site.place else { unreachable!() };
    site.sql("CREATE TABLE of_somebody_else (x)").await;
    assert!(refused(&site).await.to_string().contains("is a database of something else; name another file"));
    let text = "a text\n".repeat(1_000);
    std::fs::write(path, &text).unwrap();
    let error = refused(&site).await;
    assert_eq!(error.trouble, Trouble::Damaged);
    assert!(error.what.contains("is no database"), "{error}");
    assert_eq!(std::fs::read_to_string(path).unwrap(), text);
}

#[tokio::test]
async fn a_damaged_file_is_told_at_the_start_with_what_to_do() {
    let site = Site::sqlite();
    let Place::Sqlite(path) = &site.place else { unreachable!() };
    let store = Store::open(&site.place).await.unwrap();
    store.commit((0..500).map(|id| put(&Record::Dialog(dialog(id))))).await.unwrap();
    store.close().await;
    let mut bytes = std::fs::read(path).unwrap();
    let half = bytes.len() / 2;
    bytes[half..].fill(0x5a);
    std::fs::write(path, bytes).unwrap();
    let error = refused(&site).await;
    assert_eq!(error.trouble, Trouble::Damaged, "{error}");
    assert!(error.todo.contains("restore a backup (stox store import)"), "{error}");
    let told = check(&site.place).await;
    assert!(told.is_err() || !told.unwrap().found.is_empty());
}

#[tokio::test]
async fn a_folder_that_is_not_there_and_one_that_cannot_be_written_are_told() {
    let site = Site::sqlite();
    let missing = Place::Sqlite(site.folder.join("none/stox.db"));
    let error = Store::open(&missing).await.err().unwrap();
    assert_eq!(error.trouble, Trouble::Refused);
    assert!(error.todo.contains("make the directory"), "{error}");
    // The kernel refuses this one to everybody, the administrator included.
    let error = Store::open(&Place::Sqlite("/proc/stox.db".into())).await.err().unwrap();
    assert_eq!(error.trouble, Trouble::Refused, "{error}");
}
