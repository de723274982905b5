//! A database that goes away, comes back, or is taken by another process.

use super::{all_sorts, dialog, kept, put};
use crate::store::engines::{Engine, Site, engines};
use stox::gateway::record::Record;
use stox::store::{Place, Store, Trouble};

async fn postgres() -> Option<Site> {
    for engine in engines() {
        if let Engine::Postgres(server) = engine {
            return Some(Site::postgres(&server).await);
        }
    }
    None
}

/// Ends the connection of stox, as a server that is restarted does.
const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'stox' AND datname = current_database()";

#[tokio::test]
async fn a_connection_that_breaks_is_opened_anew_and_nothing_is_lost() {
    let Some(site) = postgres().await else { return };
    let store = Store::open(&site.place).await.unwrap();
    for round in 0..5_u64 {
        for id in 0..50 {
            store.submit([put(&Record::Dialog(dialog(round * 50 + id)))]);
        }
        site.sql(CUT).await;
    }
    store.commit(all_sorts().iter().filter(|record| !matches!(record, Record::Dialog(_))).map(put)).await.unwrap();
    let view = store.view();
    assert!(view.trouble.is_empty() && view.pending == 0, "{view:?}");
    store.close().await;
    assert_eq!(kept(&site.place).await.len(), 250 + 4);
}

#[tokio::test]
async fn who_has_been_taken_over_writes_nothing_more() {
    let Some(site) = postgres().await else { return };
    let first = Store::open(&site.place).await.unwrap();
    first.commit([put(&Record::Dialog(dialog(1)))]).await.unwrap();
    // As if the first had been away for longer than its lease.
    site.sql("UPDATE stox_shard SET until = now()").await;
    let second = Store::open(&site.place).await.unwrap();
    let error = first.commit([put(&Record::Dialog(dialog(2)))]).await.unwrap_err();
    assert_eq!(error.trouble, Trouble::TakenOver);
    assert!(error.to_string().contains("has been taken over by another stox"), "{error}");
    assert!(first.view().trouble.contains("taken over") && first.view().pending == 1);
    second.commit([put(&Record::Dialog(dialog(3)))]).await.unwrap();
    first.close().await;
    assert_eq!(second.load().await.unwrap(), [dialog(1), dialog(3)].map(Record::Dialog));
    second.close().await;
}

#[tokio::test]
async fn who_was_taken_over_while_its_connection_was_broken_is_told_at_the_next() {
    let Some(site) = postgres().await else { return };
    let first = Store::open(&site.place).await.unwrap();
    site.sql("UPDATE stox_shard SET until = now()").await;
    site.sql(CUT).await;
    let second = Store::open(&site.place).await.unwrap();
    let error = first.commit([put(&Record::Dialog(dialog(2)))]).await.unwrap_err();
    assert_eq!(error.trouble, Trouble::TakenOver);
    second.close().await;
    assert_eq!(kept(&site.place).await, []);
}

#[tokio::test]
async fn what_a_server_refuses_is_told_with_what_to_do() {
    let Some(site) = postgres().await else { return };
    let other = format!("{}_none", site.url);
    let missing = Place::parse(&other, std::path::Path::new("/")).unwrap();
    let error = Store::open(&missing).await.err().unwrap();
    assert_eq!(error.trouble, Trouble::Refused);
    assert!(error.todo.contains("CREATE DATABASE"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_away() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = Place::parse(&format!("postgres://stox:s3cret@{free}/stox"), std::path::Path::new("/")).unwrap();
    let error = Store::open(&nobody).await.err().unwrap();
    assert_eq!(error.trouble, Trouble::Away);
    assert!(error.what.contains("cannot be reached") && !error.to_string().contains("s3cret"), "{error}");
}

#[tokio::test]
async fn the_lease_of_a_process_that_died_is_waited_out() {
    let Some(site) = postgres().await else { return };
    let store = Store::open(&site.place).await.unwrap();
    store.commit([put(&Record::Dialog(dialog(1)))]).await.unwrap();
    store.close().await;
    // As a process leaves it that was killed a while ago.
    site.sql("UPDATE stox_shard SET owner = 'killed', until = now() + interval '3 seconds'").await;
    let began = std::time::Instant::now();
    assert_eq!(kept(&site.place).await, [Record::Dialog(dialog(1))]);
    assert!(began.elapsed() > std::time::Duration::from_secs(2), "{:?}", began.elapsed());
}
