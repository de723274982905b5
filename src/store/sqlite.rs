//! A file of SQLite: one process, one connection, one transaction at a time.
//!
//! Its journal is a write-ahead log that is flushed to disk with each commit (`synchronous=FULL`), so what was committed
//! outlives a loss of power. Whoever owns the file holds a lock on the file beside it (`.lock`), which the kernel takes back
//! however the process ends; readers for a backup need none.

mod damage;
mod rows;

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::batch::Batch;
use super::engine::{Access, Changed};
use super::error::{Error, Trouble};
use super::stats::Counts;
use crate::gateway::record::{Kind, Record, SHARDS};

/// The schema, by version: the first makes version 1. They only append.
const MIGRATIONS: &[&str] = &[include_str!("migrations/sqlite/0001.sql")];

/// Says of a file that it is ours: "stox".
const APPLICATION: i32 = 0x7374_6f78;

/// How long a commit waits for another process that has the file for a moment, such as a backup program.
const BUSY: Duration = Duration::from_secs(5);

/// How long the file's owner may take to end before it counts as running: a process that was killed has let go at once, one
/// that is being replaced has not.
const OWNER_ENDS_WITHIN: Duration = Duration::from_secs(5);

/// Statements kept prepared: three for each table, and a few.
const STATEMENTS: usize = 32;

/// The write-ahead log is cut back to this many bytes once it has been larger.
const LOG_BYTES: i64 = 64 << 20;

/// An open file.
pub(super) struct Sqlite {
    path: PathBuf,
    connection: Connection,
    epoch: i64,
    /// Held as long as this lives.
    _lock: Option<File>,
}

impl Sqlite {
    pub(super) fn open(path: &Path, access: Access) -> Result<Self, Error> {
        let place = path.display().to_string();
        let lock = match access {
            Access::Own => {
                make(path)?;
                Some(lock(path)?)
            }
            Access::Read if !path.exists() => {
                let todo = "mend url in [store], or start stox once, which makes it";
                return Err(Error::new(Trouble::Damaged, &place, "is not there", todo));
            }
            Access::Read => None,
        };
        let flags = match access {
            Access::Own => OpenFlags::SQLITE_OPEN_READ_WRITE,
            Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
        };
        let told = |error| damage::told(path, &error);
        let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(told)?;
        connection.busy_timeout(BUSY).map_err(told)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        let mut opened = Self { path: path.to_owned(), connection, epoch: 0, _lock: lock };
        opened.look_at(access)?;
        if access == Access::Own {
            opened.prepare().map_err(|error| damage::told(path, &error))?;
            opened.quick_check()?;
            opened.migrate()?;
            opened.acquire().map_err(|error| damage::told(path, &error))?;
        }
        Ok(opened)
    }

    /// Whether the file is a store, and one that we know.
    fn look_at(&mut self, access: Access) -> Result<(), Error> {
        let told = |error| damage::told(&self.path, &error);
        let number = |name: &str| self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let (application, version) = (number("application_id").map_err(told)?, number("user_version").map_err(told)?);
        let empty: bool =
            self.connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0)).map_err(told)?;
        let place = self.path.display().to_string();
        if !empty && application != i64::from(APPLICATION) {
            let todo = "name another file, or none that is there yet";
            return Err(Error::new(Trouble::Damaged, &place, "is a database of something else", todo));
        }
        let known = MIGRATIONS.len();
        if version > i64::try_from(known).unwrap_or(i64::MAX) {
            let what = format!("was written by a newer release (schema {version}, this one knows {known})");
            return Err(Error::new(
                Trouble::Newer,
                &place,
                what,
                "run that release, or restore a backup made before it",
            ));
        }
        if access == Access::Read && version < i64::try_from(known).unwrap_or(i64::MAX) {
            let todo = "start stox once, which brings it up to date";
            let what = format!("is empty, or has the schema of an older release ({version})");
            return Err(Error::new(Trouble::Conflict, &place, what, todo));
        }
        Ok(())
    }

    fn prepare(&self) -> rusqlite::Result<()> {
        let connection = &self.connection;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "journal_size_limit", LOG_BYTES)
    }

    /// Whether its pages hang together; rows are read at the start anyway.
    fn quick_check(&self) -> Result<(), Error> {
        let found = self.pages("quick_check")?;
        match found.first() {
            None => Ok(()),
            Some(what) => Err(damage::damaged(&self.path, what)),
        }
    }

    fn pages(&self, check: &str) -> Result<Vec<String>, Error> {
        let told = |error| damage::told(&self.path, &error);
        let mut statement = self.connection.prepare(&format!("PRAGMA {check}(20)")).map_err(told)?;
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).map_err(told)?;
        let rows: Vec<String> = rows.collect::<Result<_, _>>().map_err(told)?;
        Ok(rows.into_iter().filter(|row| row != "ok").collect())
    }

    /// Brings the schema up to date, each version in one transaction with its number.
    fn migrate(&mut self) -> Result<(), Error> {
        let path = self.path.clone();
        let told = |error| damage::told(&path, &error);
        let version: i64 = self.connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(told)?;
        for (index, migration) in MIGRATIONS.iter().enumerate().skip(usize::try_from(version).unwrap_or(0)) {
            let transaction =
                self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(told)?;
            transaction.execute_batch(migration).map_err(told)?;
            transaction.pragma_update(None, "application_id", APPLICATION).map_err(told)?;
            transaction
                .pragma_update(None, "user_version", i64::try_from(index + 1).unwrap_or(i64::MAX))
                .map_err(told)?;
            transaction.commit().map_err(told)?;
        }
        Ok(())
    }

    /// A new epoch of every shard: what is written from now on says so.
    fn acquire(&mut self) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let before: i64 = transaction.query_row("SELECT coalesce(max(epoch), 0) FROM shard", [], |row| row.get(0))?;
        self.epoch = before + 1;
        let owner = format!("process {}", std::process::id());
        for shard in 0..SHARDS {
            transaction.execute(
                "INSERT INTO shard (shard, owner, epoch, until) VALUES (?1, ?2, ?3, 0)
                 ON CONFLICT (shard) DO UPDATE SET owner = excluded.owner, epoch = excluded.epoch",
                rusqlite::params![shard, owner, self.epoch],
            )?;
        }
        transaction.commit()
    }

    pub(super) async fn load(&mut self, take: impl AsyncFnMut(Vec<Record>)) -> Result<(), Error> {
        let told = |error| damage::told(&self.path, &error);
        // One transaction, so that a reader beside a running process sees one instant.
        let transaction = self.connection.transaction().map_err(told)?;
        rows::load(&transaction, take).await.map_err(told)?;
        transaction.commit().map_err(told)
    }

    pub(super) fn counts(&mut self) -> Result<Counts, Error> {
        let count = |table: &str| {
            let rows =
                self.connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0));
            rows.map(|rows| u64::try_from(rows).unwrap_or(0)).map_err(|error| damage::told(&self.path, &error))
        };
        Ok(Counts {
            authorizations: count("authorization")?,
            dialogs: count("dialog")?,
            publications: count("publication")?,
        })
    }

    pub(super) fn commit(&mut self, batch: &Batch) -> Result<Changed, Error> {
        let changed = self.write(batch);
        changed.map_err(|error| damage::told(&self.path, &error))
    }

    fn write(&mut self, batch: &Batch) -> rusqlite::Result<Changed> {
        let mut changed = Changed::default();
        if batch.is_empty() {
            return Ok(changed);
        }
        let stamp = rows::Stamp { epoch: self.epoch, updated_at: wall() };
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (kind, id, record) in batch.changes() {
            match record {
                Some(record) => {
                    if rows::put(&transaction, record, stamp)? {
                        changed.added.add(kind, 1);
                    }
                }
                None => changed.removed.add(kind, rows::remove(&transaction, kind, id)?),
            }
        }
        transaction.commit()?;
        Ok(changed)
    }

    pub(super) fn check(&mut self) -> Result<Vec<String>, Error> {
        let mut found = self.pages("integrity_check")?;
        if found.is_empty() {
            found = rows::unreadable(&self.connection).map_err(|error| damage::told(&self.path, &error))?;
        }
        Ok(found)
    }

    /// The last connection takes the write-ahead log into the file.
    pub(super) fn close(self) {
        if let Err((_, error)) = self.connection.close() {
            tracing::warn!("{}", damage::told(&self.path, &error));
        }
    }
}

/// Milliseconds since 1970.
fn wall() -> i64 {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(wall.as_millis()).unwrap_or(i64::MAX)
}

/// Makes an empty file that only we may read, if there is none. What SQLite makes beside it has the same mode.
fn make(path: &Path) -> Result<(), Error> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(damage::not_made(path, &error)),
    }
}

/// Takes the lock, waiting a little for a process that is ending.
fn lock(path: &Path) -> Result<File, Error> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&name);
    let file = file.map_err(|error| damage::not_made(&name, &error))?;
    let until = std::time::Instant::now() + OWNER_ENDS_WITHIN;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(damage::not_made(&name, &error)),
            Err(TryLockError::WouldBlock) if std::time::Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(TryLockError::WouldBlock) => {
                let todo = "stop the other stox, or give each its own file";
                return Err(Error::new(
                    Trouble::InUse,
                    &path.display().to_string(),
                    "is used by another process",
                    todo,
                ));
            }
        }
    }
}

/// The table of a kind.
fn table(kind: Kind) -> &'static str {
    match kind {
        Kind::Authorization => "authorization",
        Kind::Dialog => "dialog",
        Kind::Publication => "publication",
    }
}

#[cfg(test)]
mod tests;
