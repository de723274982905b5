//! A store that does not answer, while the program runs: what depends on it waits in its order, messages go on, and at the
//! bound it ends with everybody told. The store is a file of SQLite that another connection has locked.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::rig::*;

/// SIGTERM to the end, whatever the store does.
const AT_MOST: Duration = Duration::from_secs(5);

/// A file of SQLite, gone with this.
struct Kept {
    folder: PathBuf,
}

impl Kept {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("stox-away-{}-{}", std::process::id(), unique()));
        std::fs::create_dir_all(&folder).unwrap();
        Self { folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.join("stox.db")
    }

    fn section(&self) -> String {
        format!("[store]\nurl = \"sqlite:{}\"\n", self.file().display())
    }

    /// Nothing can be written as long as this lives.
    fn lock(&self) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(self.file()).unwrap();
        connection.busy_timeout(PATIENCE).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        connection
    }

    /// Who is watched, in the order of the names.
    fn watched(&self) -> Vec<String> {
        let connection = rusqlite::Connection::open(self.file()).unwrap();
        let mut rows = connection.prepare("SELECT target FROM authorization ORDER BY target").unwrap();
        rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn subscribe(world: &mut World, target: &str) {
    let to = format!("{target}@sip.example");
    world.server.send(&format!("<presence type='subscribe' from='juliet@xmpp.example' to='{to}'/>"));
}

/// The next request of this method; until then, none of `not` may come.
fn next(phone: &Phone, method: &str, not: &str) -> String {
    loop {
        let text = phone.receive(PATIENCE).unwrap_or_else(|| panic!("no {method} came"));
        assert!(not.is_empty() || !text.starts_with(not), "{text}");
        if text.starts_with(method) {
            return text;
        }
    }
}

/// A message to the phone arrives, and nothing that the store has to know first.
fn assert_messages_go_on(world: &mut World) {
    world.server.send(
        "<message from='juliet@xmpp.example/balcony' to='romeo@sip.example' id='on'><body>goes on</body></message>",
    );
    let request = next(&world.phone, "MESSAGE ", "SUBSCRIBE ");
    world.phone.answer(&request, world.stox.sip, 200, "OK");
}

fn user_of(request: &str) -> &str {
    request.split(['@', ' ']).nth(1).unwrap().trim_start_matches("sip:")
}

#[test]
fn while_the_store_hangs_subscriptions_wait_in_order_and_messages_go_on() {
    let kept = Kept::new();
    let mut world = World::with(&Setup { more: &kept.section(), ..Setup::default() });
    let lock = kept.lock();
    let names = ["a", "b", "c"];
    for name in names {
        subscribe(&mut world, name);
    }
    assert_messages_go_on(&mut world);
    wait_until("it says that the store is away", || {
        let (status, body) = world.stox.ask("/ready");
        status.contains(" 503 ") && body.contains("is used by another process")
    });
    assert_messages_go_on(&mut world);
    drop(lock);
    let mut came = Vec::new();
    while came.len() < names.len() {
        let request = next(&world.phone, "SUBSCRIBE ", "MESSAGE ");
        world.phone.answer(&request, world.stox.sip, 404, "Not Found");
        if !came.contains(&user_of(&request).to_owned()) {
            came.push(user_of(&request).to_owned());
        }
    }
    assert_eq!(came, names);
    wait_until("it says that the store is back", || world.stox.ask("/ready").0.contains(" 200 "));
    world.assert_it_works();
}

#[test]
fn a_store_that_hangs_does_not_hold_up_the_end_and_nobody_hears_of_what_is_not_kept() {
    let kept = Kept::new();
    let mut world = World::with(&Setup { more: &kept.section(), ..Setup::default() });
    let lock = kept.lock();
    subscribe(&mut world, "romeo");
    assert_messages_go_on(&mut world);
    let start = Instant::now();
    world.stox.terminate();
    world.server.read_until("</stream:stream>");
    world.server.send("</stream:stream>");
    assert_eq!(world.stox.wait(AT_MOST).code(), Some(0));
    assert!(start.elapsed() < AT_MOST, "{:?}", start.elapsed());
    assert!(!world.phone.has_seen("SUBSCRIBE "));
    drop(lock);
    assert_eq!(kept.watched(), Vec::<String>::new());
}

#[test]
fn when_too_much_waits_for_the_store_it_ends_and_whoever_waits_is_told() {
    let kept = Kept::new();
    let more = format!("[message]\nconfirm_within = \"20s\"\n{}", kept.section());
    let mut world = World::with(&Setup { more: &more, ..Setup::default() });
    let _lock = kept.lock();
    subscribe(&mut world, "romeo");
    let mut told = 0;
    for round in 0..BATCHES {
        // Each has an answer, and every answer waits behind the subscription.
        let end = |n| format!("<presence type='unsubscribe' from='juliet@xmpp.example' to='no{n}@sip.example'/>");
        let ends: String = (0..PER_BATCH).map(end).collect();
        let lost = format!(
            "<message from='juliet@xmpp.example/b' to='romeo@sip.example' id='lost-{round}'><body>lost</body></message>"
        );
        if !world.server.try_send((ends + &lost).as_bytes()) {
            break;
        }
        told = round;
    }
    assert!(told > 0, "it ended at once");
    assert_ne!(world.stox.wait(PATIENCE).code(), Some(0));
    assert!(world.stox.log().contains("is used by another process"), "{}", world.stox.log());
    let heard = world.server.read_to_end();
    let mut seen = 0;
    for round in 0..=told {
        let outcomes = heard.matches(&format!("id='lost-{round}'")).count();
        assert!(outcomes <= 1, "{round}: {heard}");
        seen += outcomes;
    }
    assert!(seen > 0, "{heard}");
    assert!(!world.phone.has_seen("SUBSCRIBE "));
}

/// More stanzas than outputs may wait, and a message after each so many.
const BATCHES: usize = 20;
const PER_BATCH: usize = 4_000;
