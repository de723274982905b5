//! A process is killed at any instant: what it was told to be durable is there, and what came later is not there without
//! what came before.

use std::io::{BufRead, BufReader};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

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
            let mut child = child(&site.url);
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
            let names: Vec<RecordId> = records.iter().map(id_of).collect();
            let count = names.len() as u64;
            assert!(count >= acknowledged && acknowledged > before, "{count} of {acknowledged} after {before}");
            assert!(names.iter().copied().eq((0..count).map(RecordId)), "{}: a gap", site.place);
            before = count;
        }
    }
}

/// A process that commits to the store at this URL.
fn child(url: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::kill::commits_until_it_is_killed", "--nocapture", "--quiet"])
        .env(CHILD, url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn nothing_is_lost_when_the_process_is_killed_while_its_database_is_away() {
    for site in sites().await {
        let Place::Postgres(config) = &site.place else { continue };
        let server = SocketAddr::from(([127, 0, 0, 1], config.get_ports()[0]));
        let way = Way::to(server);
        let (user, rest) = site.url.split_once('@').unwrap();
        let mut child = child(&format!("{user}@{}/{}", way.addr, rest.split_once('/').unwrap().1));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut durable = lines.filter_map(|line| line.split("durable ").nth(1)?.parse::<u64>().ok());
        let mut acknowledged = durable.nth(5).expect("the child works");
        way.cut();
        // By then it has tried again, in vain.
        way.refused.recv_timeout(Duration::from_secs(60)).unwrap();
        child.kill().unwrap();
        acknowledged = durable.last().unwrap_or(acknowledged);
        child.wait().unwrap();
        release(&site).await;
        let names: Vec<RecordId> = kept(&site.place).await.iter().map(id_of).collect();
        let count = names.len() as u64;
        assert!(count >= acknowledged, "{count} of {acknowledged}");
        assert!(names.iter().copied().eq((0..count).map(RecordId)), "a gap");
    }
}

/// A way to a server that can be cut.
struct Way {
    addr: SocketAddr,
    open: Arc<Mutex<Option<Vec<TcpStream>>>>,
    /// Who came after that.
    refused: Receiver<()>,
}

impl Way {
    fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let open = Arc::new(Mutex::new(Some(Vec::new())));
        let (refuse, refused) = channel();
        let sockets = Arc::clone(&open);
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let mut sockets = sockets.lock().unwrap();
                let Some(sockets) = sockets.as_mut() else {
                    // Nobody counts them once the test is over.
                    let _ = refuse.send(());
                    continue;
                };
                let far = TcpStream::connect(server).unwrap();
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
                }
                sockets.extend([near, far]);
            }
        });
        Self { addr, open, refused }
    }

    fn cut(&self) {
        for socket in self.open.lock().unwrap().take().unwrap_or_default() {
            // It may have ended by itself.
            let _ = socket.shutdown(Shutdown::Both);
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
