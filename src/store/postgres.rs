//! A database of PostgreSQL: one connection, one transaction at a time, whole tables of values in each statement.
//!
//! Who may write is said by the rows of `stox_shard`: an owner, an epoch that rises with each owner and each connection, and
//! until when that holds by the database's clock ([`LEASE`]). A commit first locks those rows as they must be, so whoever
//! takes over waits for it, and one that comes later finds another epoch and is void. A delayed commit of a connection that
//! broke is void in the same way. Here one process owns every shard; a table row for each is there so that several can.

mod connect;
mod lease;
mod rows;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio_postgres::{Client, Statement, Transaction};

use super::batch::Batch;
use super::engine::{Access, Changed};
use super::error::{Error, Trouble};
use super::place::Place;
use super::stats::Counts;
use crate::gateway::record::{Kind, Record};

/// For how long a database is ours unless that is renewed. After a crash, so long may the next process have to wait.
pub(super) const LEASE: Duration = Duration::from_secs(15);

/// How often that is renewed: twice may fail.
pub(super) const RENEW: Duration = Duration::from_secs(5);

/// How long the database may take for anything but reading all of it. What takes longer counts as failed, and the
/// connection as broken.
const ANSWER: Duration = Duration::from_secs(10);

/// How much longer for each record of a commit: an import has a million in one, and shares the disk with others.
const PER_RECORD: Duration = Duration::from_millis(1);

/// The schema, by version: the first makes version 1. They only append.
const MIGRATIONS: &[&str] = &[include_str!("migrations/postgres/0001.sql")];

/// Keeps two processes from making the tables at once: "stox".
const MIGRATION_LOCK: i64 = 0x7374_6f78;

/// A database, and the connection while there is one.
pub(super) struct Postgres {
    name: String,
    place: Place,
    config: Box<tokio_postgres::Config>,
    session: Option<Session>,
    owner: String,
    epoch: i64,
    /// When the lease was renewed last.
    renewed: Instant,
}

/// A connection, with the statements prepared on it.
struct Session {
    client: Client,
    prepared: HashMap<&'static str, Statement>,
}

impl Postgres {
    pub(super) async fn open(place: &Place, config: &tokio_postgres::Config, access: Access) -> Result<Self, Error> {
        let mut opened = Self {
            name: place.to_string(),
            place: place.clone(),
            config: Box::new(config.clone()),
            session: None,
            owner: lease::name(),
            epoch: 0,
            renewed: Instant::now(),
        };
        let client = opened.connect().await?;
        let mut session = Session { client, prepared: HashMap::new() };
        match access {
            Access::Own => {
                opened.answer(migrate(&opened.name, &mut session.client)).await?;
                opened.epoch = lease::wait(&opened.name, &mut session.client, &opened.owner).await?;
                opened.renewed = Instant::now();
            }
            Access::Read => opened.answer(look_at(&opened.name, &session.client)).await?,
        }
        opened.session = Some(session);
        Ok(opened)
    }

    async fn connect(&self) -> Result<Client, Error> {
        self.answer(connect::connect(&self.name, &self.place, &self.config)).await
    }

    /// No answer in time is an error like another.
    async fn answer<T>(&self, what: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        self.answer_within(ANSWER, what).await
    }

    async fn answer_within<T>(&self, most: Duration, what: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        tokio::time::timeout(most, what).await.unwrap_or_else(|_| {
            let what = format!("has not answered for {} s", most.as_secs());
            Err(Error::new(Trouble::Away, &self.name, what, "look at the database server and the way to it"))
        })
    }

    /// The connection, opened anew if it broke; then with a new epoch, and only if nobody else has come meanwhile.
    async fn session(&mut self) -> Result<Session, Error> {
        if let Some(session) = self.session.take().filter(|session| !session.client.is_closed()) {
            return Ok(session);
        }
        let mut client = self.connect().await?;
        if self.epoch == 0 {
            // It was never ours, only looked at.
            return Ok(Session { client, prepared: HashMap::new() });
        }
        let renewed = Instant::now();
        let again = lease::again(&self.name, &mut client, &self.owner, self.epoch);
        self.epoch = self.answer(again).await?;
        self.renewed = renewed;
        Ok(Session { client, prepared: HashMap::new() })
    }

    pub(super) async fn load(&mut self, take: impl AsyncFnMut(Vec<Record>)) -> Result<(), Error> {
        let mut session = self.session().await?;
        rows::load(&self.name, &mut session.client, take).await?;
        self.session = Some(session);
        Ok(())
    }

    pub(super) async fn counts(&mut self) -> Result<Counts, Error> {
        let session = self.session().await?;
        let mut counts = Counts::default();
        for kind in [Kind::Authorization, Kind::Dialog, Kind::Publication] {
            let query = format!("SELECT count(*) FROM {}", table(kind));
            let row = session.client.query_one(&query, &[]).await.map_err(|error| connect::told(&self.name, &error))?;
            counts.add(kind, u64::try_from(row.get::<_, i64>(0)).unwrap_or(0));
        }
        self.session = Some(session);
        Ok(counts)
    }

    pub(super) async fn commit(&mut self, batch: &Batch) -> Result<Changed, Error> {
        if batch.is_empty() {
            return Ok(Changed::default());
        }
        let mut session = self.session().await?;
        let renew = self.renewed.elapsed() >= RENEW;
        let began = Instant::now();
        let name = self.name.clone();
        let told = move |error: tokio_postgres::Error| connect::told(&name, &error);
        let committed = async {
            session.prepare().await.map_err(&told)?;
            let Session { client, prepared } = &mut session;
            let transaction = client.transaction().await.map_err(&told)?;
            lease::hold(&self.name, &transaction, &self.owner, self.epoch, renew).await?;
            let changed = write(&transaction, prepared, batch, self.epoch).await.map_err(&told)?;
            transaction.commit().await.map_err(&told)?;
            Ok(changed)
        };
        let records = u32::try_from(batch.len()).unwrap_or(u32::MAX);
        let changed = self.answer_within(ANSWER + PER_RECORD * records, committed).await?;
        // A session that failed is dropped: the next begins with another, whatever became of this one.
        self.session = Some(session);
        if renew {
            self.renewed = began;
        }
        Ok(changed)
    }

    pub(super) async fn renew(&mut self) -> Result<(), Error> {
        let mut session = self.session().await?;
        let began = Instant::now();
        let renewed = async {
            let told = |error| connect::told(&self.name, &error);
            let transaction = session.client.transaction().await.map_err(told)?;
            lease::hold(&self.name, &transaction, &self.owner, self.epoch, true).await?;
            transaction.commit().await.map_err(told)
        };
        self.answer(renewed).await?;
        self.session = Some(session);
        self.renewed = began;
        Ok(())
    }

    pub(super) async fn check(&mut self) -> Result<Vec<String>, Error> {
        let session = self.session().await?;
        let found = rows::unreadable(&self.name, &session.client).await?;
        self.session = Some(session);
        Ok(found)
    }

    pub(super) async fn close(self) {
        let Some(session) = &self.session else { return };
        if self.epoch > 0
            && let Err(error) = self.answer(lease::release(&self.name, &session.client, &self.owner, self.epoch)).await
        {
            tracing::warn!("{error}");
        }
    }
}

impl Session {
    async fn prepare(&mut self) -> Result<(), tokio_postgres::Error> {
        if self.prepared.is_empty() {
            for statement in rows::STATEMENTS {
                self.prepared.insert(statement, self.client.prepare(statement).await?);
            }
        }
        Ok(())
    }
}

async fn write(
    transaction: &Transaction<'_>,
    prepared: &HashMap<&'static str, Statement>,
    batch: &Batch,
    epoch: i64,
) -> Result<Changed, tokio_postgres::Error> {
    let mut changed = Changed::default();
    let (puts, drops) = rows::columns(batch, epoch);
    for (kind, ids) in &drops {
        if let Some(statement) = prepared.get(rows::drop(*kind)).filter(|_| !ids.is_empty()) {
            changed.removed.add(*kind, transaction.execute(statement, &[ids]).await?);
        }
    }
    for (kind, count, added) in puts.write(transaction, prepared).await? {
        debug_assert!(added <= count, "no more rows are new than were put");
        changed.added.add(kind, added);
    }
    Ok(changed)
}

/// Makes the tables, or brings them up to date.
async fn migrate(name: &str, client: &mut Client) -> Result<(), Error> {
    let told = |error| connect::told(name, &error);
    let encoding: String = client.query_one("SHOW server_encoding", &[]).await.map_err(told)?.get(0);
    if encoding != "UTF8" {
        let todo = "make it with ENCODING 'UTF8' TEMPLATE template0";
        return Err(Error::new(Trouble::Conflict, name, format!("is in {encoding}, not in UTF8"), todo));
    }
    let transaction = client.transaction().await.map_err(told)?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK]).await.map_err(told)?;
    let make = "CREATE TABLE IF NOT EXISTS stox_schema (version INTEGER PRIMARY KEY)";
    transaction.batch_execute(make).await.map_err(told)?;
    let version =
        transaction.query_one("SELECT coalesce(max(version), 0) FROM stox_schema", &[]).await.map_err(told)?;
    let version = known(name, version.get(0))?;
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(version) {
        transaction.batch_execute(migration).await.map_err(told)?;
        let number = i32::try_from(index + 1).unwrap_or(i32::MAX);
        transaction.execute("INSERT INTO stox_schema (version) VALUES ($1)", &[&number]).await.map_err(told)?;
    }
    transaction.commit().await.map_err(told)
}

/// Whether it is a store of ours, for whoever only reads it.
async fn look_at(name: &str, client: &Client) -> Result<(), Error> {
    let told = |error| connect::told(name, &error);
    let there = client.query_one("SELECT to_regclass('stox_schema') IS NOT NULL", &[]).await.map_err(told)?;
    if !there.get::<_, bool>(0) {
        let todo = "name the database that stox has written";
        return Err(Error::new(Trouble::Damaged, name, "holds nothing of stox", todo));
    }
    let version = client.query_one("SELECT coalesce(max(version), 0) FROM stox_schema", &[]).await.map_err(told)?;
    let version = known(name, version.get(0))?;
    if version < MIGRATIONS.len() {
        let todo = "start stox once, which brings it up to date";
        return Err(Error::new(
            Trouble::Conflict,
            name,
            format!("has the schema of an older release ({version})"),
            todo,
        ));
    }
    Ok(())
}

/// The version, if it is one that we know.
fn known(name: &str, version: i32) -> Result<usize, Error> {
    let known = MIGRATIONS.len();
    usize::try_from(version).ok().filter(|version| *version <= known).ok_or_else(|| {
        let what = format!("was written by a newer release (schema {version}, this one knows {known})");
        Error::new(Trouble::Newer, name, what, "run that release, or restore a backup made before it")
    })
}

/// The table of a kind.
fn table(kind: Kind) -> &'static str {
    match kind {
        Kind::Authorization => "stox_authorization",
        Kind::Dialog => "stox_dialog",
        Kind::Publication => "stox_publication",
    }
}
