//! What keeps the records: one of two, behind the same functions.

use std::time::Duration;

use super::batch::Batch;
use super::error::{Error, Trouble};
use super::place::Place;
use super::postgres::Postgres;
use super::sqlite::Sqlite;
use super::stats::Counts;
use crate::gateway::record::Record;

/// What is to be done with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// It is to be ours alone, and made if it is not there.
    Own,
    /// It is looked at, whoever else has it.
    Read,
}

/// Records are read in pieces of so many: few enough that a million need no memory twice.
pub(super) const PIECE: usize = 1_024;

/// An open store.
pub(super) enum Engine {
    Sqlite(Box<Sqlite>),
    Postgres(Box<Postgres>),
}

/// What a commit did to the number of records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) added: Counts,
    pub(super) removed: Counts,
}

impl Engine {
    pub(super) async fn open(place: &Place, access: Access) -> Result<Self, Error> {
        Ok(match place {
            Place::Memory => {
                let todo = "write [store] url, or set STATE_DIRECTORY as systemd does for stox";
                let what = "nothing is kept: there is no [store], or its url is \"memory:\"";
                return Err(Error::new(Trouble::Conflict, "store", what, todo));
            }
            Place::Sqlite(path) => Self::Sqlite(Box::new(Sqlite::open(path, access)?)),
            Place::Postgres(config) => Self::Postgres(Box::new(Postgres::open(place, config, access).await?)),
        })
    }

    /// Every record, in pieces: authorizations, then dialogs, then publications, each by name.
    pub(super) async fn load(&mut self, take: impl AsyncFnMut(Vec<Record>)) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.load(take).await,
            Self::Postgres(postgres) => postgres.load(take).await,
        }
    }

    /// The same in one.
    pub(super) async fn load_all(&mut self) -> Result<Vec<Record>, Error> {
        let mut records = Vec::new();
        self.load(async |piece| records.extend(piece)).await?;
        Ok(records)
    }

    pub(super) async fn counts(&mut self) -> Result<Counts, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.counts(),
            Self::Postgres(postgres) => postgres.counts().await,
        }
    }

    /// All of it, or nothing; when this returns it outlives a loss of power.
    pub(super) async fn commit(&mut self, batch: &Batch) -> Result<Changed, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.commit(batch),
            Self::Postgres(postgres) => postgres.commit(batch).await,
        }
    }

    /// What is wrong in it; nothing in good case.
    pub(super) async fn check(&mut self) -> Result<Vec<String>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.check(),
            Self::Postgres(postgres) => postgres.check().await,
        }
    }

    /// How often [`tend`](Self::tend) is to be called.
    pub(super) fn tend_every(&self) -> Option<Duration> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(_) => Some(super::postgres::RENEW),
        }
    }

    /// Keeps it ours.
    pub(super) async fn tend(&mut self) -> Result<(), Error> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(postgres) => postgres.renew().await,
        }
    }

    /// Gives it up, so that the next need not wait.
    pub(super) async fn close(self) {
        match self {
            Self::Sqlite(sqlite) => sqlite.close(),
            Self::Postgres(postgres) => postgres.close().await,
        }
    }
}
