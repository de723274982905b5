//! A process is killed at any instant: what it was told to be durable is there, and what came later is not there without
//! what came before.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use super::{dialog, kept, put};
use crate::store::engines::sites;
use stox::gateway::record::{Record, RecordId};
use stox::store::{Place, Store};

/// How often it is killed.
const KILLS: u64 = 8;

/// Names the store to the child.
const CHILD: &str = "STOX_TEST_STORE_CHILD";

/// What the child is: this program again, which runs nothing but this. As a test of its own it has nothing to do.
#[tokio::test]
async fn commits_until_it_is_killed() {
    let Ok(url) = std::env::var(CHILD) else { return };
    let store = Store::open(&Place::parse(&url, Path::new("/")).unwrap()).await.unwrap();
    let begin = store.load().await.unwrap().len() as u64;
    let mut progress = store.progress();
    println!("begun {begin}");
    for step in 1.. {
        // One record each, in ever larger gatherings, and each of them changed once more.
        let id = begin + step - 1;
        let number = store.submit([put(&Record::Dialog(dialog(id))), put(&Record::Dialog(dialog(0)))]);
        assert_eq!(number, step);
        if step % (1 + step % 7) == 0 {
            progress.changed().await.unwrap();
            println!("durable {}", begin + progress.borrow_and_update().committed);
        }
    }
}

#[tokio::test]
async fn nothing_that_was_acknowledged_is_lost_when_the_process_is_killed() {
    for site in sites().await {
        let mut before = 0;
        for round in 0..KILLS {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "store::kill::commits_until_it_is_killed", "--nocapture", "--quiet"])
                .env(CHILD, &site.url)
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
            let mut durable = lines.filter_map(|line| line.split("durable ").nth(1)?.parse::<u64>().ok());
            // Another instant each time: after so many acknowledgements, and wherever the child is by then.
            let mut acknowledged = durable.nth(usize::try_from(round * 7 % 23).unwrap()).expect("the child works");
            child.kill().unwrap();
            // What it said before it died counts too.
            acknowledged = durable.last().unwrap_or(acknowledged);
            child.wait().unwrap();
            release(&site).await;
            let records = kept(&site.place).await;
            let names: Vec<RecordId> = records.iter().map(|record| id_of(record)).collect();
            let count = names.len() as u64;
            assert!(count >= acknowledged && acknowledged > before, "{count} of {acknowledged} after {before}");
            assert!(names.iter().copied().eq((0..count).map(RecordId)), "{}: a gap", site.place);
            before = count;
        }
    }
}

fn id_of(record: &Record) -> RecordId {
    match record {
        Record::Authorization(record) => record.id,
        Record::Dialog(record) => record.id,
        Record::Publication(record) => record.id,
    }
}

/// Lets the lease of the process that was killed lapse at once; that it is waited for is shown elsewhere.
async fn release(site: &crate::store::engines::Site) {
    if let Place::Postgres(_) = site.place {
        site.sql("UPDATE stox_shard SET until = now()").await;
    }
}
