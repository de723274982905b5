//! Records as columns of values, and back.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::TryStreamExt;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement, Transaction};

use super::connect::told;
use super::table;
use crate::gateway::record::{AuthorizationRecord, DialogRecord, Kind, PublicationRecord, Record, RecordId};
use crate::store::batch::Batch;
use crate::store::engine::PIECE;
use crate::store::error::{Error, Trouble};
use crate::store::words::{DIRECTIONS, PACKAGES, STATES, routes_to_text, text_to_routes, value, word};
use crate::time::Timestamp;

/// New rows are those that no transaction has changed since they were made.
const PUT_AUTHORIZATION: &str = "WITH put AS (INSERT INTO stox_authorization
    (id, shard, direction, watcher, target, state, changed_at, epoch, updated_at)
    SELECT u.*, $8::bigint, $9::bigint
    FROM unnest($1::bigint[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[]) AS u
    ON CONFLICT (id) DO UPDATE SET shard = excluded.shard, direction = excluded.direction, watcher = excluded.watcher,
    target = excluded.target, state = excluded.state, changed_at = excluded.changed_at, epoch = excluded.epoch,
    updated_at = excluded.updated_at
    RETURNING xmax = 0 AS added) SELECT count(*) FILTER (WHERE added) FROM put";

const PUT_DIALOG: &str = "WITH put AS (INSERT INTO stox_dialog
    (id, shard, direction, watcher, target, package, event_id, call_id, local_tag, remote_tag, local_uri, remote_uri,
    remote_target, route_set, cseq_reserved, remote_cseq, version_reserved, expires_at, epoch, updated_at)
    SELECT u.*, $19::bigint, $20::bigint
    FROM unnest($1::bigint[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
    $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::bigint[], $16::bigint[],
    $17::bigint[], $18::bigint[]) AS u
    ON CONFLICT (id) DO UPDATE SET shard = excluded.shard, direction = excluded.direction, watcher = excluded.watcher,
    target = excluded.target, package = excluded.package, event_id = excluded.event_id, call_id = excluded.call_id,
    local_tag = excluded.local_tag, remote_tag = excluded.remote_tag, local_uri = excluded.local_uri,
    remote_uri = excluded.remote_uri, remote_target = excluded.remote_target, route_set = excluded.route_set,
    cseq_reserved = excluded.cseq_reserved, remote_cseq = excluded.remote_cseq,
    version_reserved = excluded.version_reserved, expires_at = excluded.expires_at, epoch = excluded.epoch,
    updated_at = excluded.updated_at
    RETURNING xmax = 0 AS added) SELECT count(*) FILTER (WHERE added) FROM put";

const PUT_PUBLICATION: &str = "WITH put AS (INSERT INTO stox_publication
    (id, shard, \"user\", domain, etag, expires_at, epoch, updated_at)
    SELECT u.*, $7::bigint, $8::bigint
    FROM unnest($1::bigint[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::bigint[]) AS u
    ON CONFLICT (id) DO UPDATE SET shard = excluded.shard, \"user\" = excluded.\"user\", domain = excluded.domain,
    etag = excluded.etag, expires_at = excluded.expires_at, epoch = excluded.epoch, updated_at = excluded.updated_at
    RETURNING xmax = 0 AS added) SELECT count(*) FILTER (WHERE added) FROM put";

const DROP_AUTHORIZATION: &str = "DELETE FROM stox_authorization WHERE id = ANY($1)";
const DROP_DIALOG: &str = "DELETE FROM stox_dialog WHERE id = ANY($1)";
const DROP_PUBLICATION: &str = "DELETE FROM stox_publication WHERE id = ANY($1)";

/// What is prepared on each connection.
pub(super) const STATEMENTS: [&str; 6] =
    [PUT_AUTHORIZATION, PUT_DIALOG, PUT_PUBLICATION, DROP_AUTHORIZATION, DROP_DIALOG, DROP_PUBLICATION];

/// The statement that removes records of a kind by their names.
pub(super) fn drop(kind: Kind) -> &'static str {
    match kind {
        Kind::Authorization => DROP_AUTHORIZATION,
        Kind::Dialog => DROP_DIALOG,
        Kind::Publication => DROP_PUBLICATION,
    }
}

/// The puts of a batch.
pub(super) struct Puts<'r> {
    authorizations: Vec<&'r AuthorizationRecord>,
    dialogs: Vec<&'r DialogRecord>,
    publications: Vec<&'r PublicationRecord>,
    epoch: i64,
    updated_at: i64,
}

/// The puts, and the names of what is dropped.
pub(super) fn columns(batch: &Batch, epoch: i64) -> (Puts<'_>, [(Kind, Vec<i64>); 3]) {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let updated_at = i64::try_from(wall.as_millis()).unwrap_or(i64::MAX);
    let mut puts = Puts { authorizations: vec![], dialogs: vec![], publications: vec![], epoch, updated_at };
    let mut drops = [Kind::Authorization, Kind::Dialog, Kind::Publication].map(|kind| (kind, Vec::new()));
    for (kind, id, record) in batch.changes() {
        match record {
            Some(Record::Authorization(record)) => puts.authorizations.push(record),
            Some(Record::Dialog(record)) => puts.dialogs.push(record),
            Some(Record::Publication(record)) => puts.publications.push(record),
            None => drops.iter_mut().filter(|(of, _)| *of == kind).for_each(|(_, ids)| ids.push(key(id))),
        }
    }
    (puts, drops)
}

type Prepared = HashMap<&'static str, Statement>;

impl Puts<'_> {
    /// Writes them all; for each kind how many there were and how many of them are new.
    pub(super) async fn write(
        &self,
        transaction: &Transaction<'_>,
        prepared: &Prepared,
    ) -> Result<[(Kind, u64, u64); 3], tokio_postgres::Error> {
        let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
        Ok([
            (
                Kind::Authorization,
                count(self.authorizations.len()),
                self.put_authorizations(transaction, prepared).await?,
            ),
            (Kind::Dialog, count(self.dialogs.len()), self.put_dialogs(transaction, prepared).await?),
            (Kind::Publication, count(self.publications.len()), self.put_publications(transaction, prepared).await?),
        ])
    }

    async fn put_authorizations(
        &self,
        to: &Transaction<'_>,
        prepared: &Prepared,
    ) -> Result<u64, tokio_postgres::Error> {
        let of = &self.authorizations;
        let values: [&(dyn ToSql + Sync); 9] = [
            &column(of, |of| key(of.id)),
            &column(of, |of| i32::from(of.shard)),
            &column(of, |of| word(DIRECTIONS, &of.direction)),
            &column(of, |of| text(&of.watcher)),
            &column(of, |of| text(&of.target)),
            &column(of, |of| word(STATES, &of.state)),
            &column(of, |of| of.changed_at.0),
            &self.epoch,
            &self.updated_at,
        ];
        put(to, prepared, PUT_AUTHORIZATION, of.len(), &values).await
    }

    async fn put_dialogs(&self, to: &Transaction<'_>, prepared: &Prepared) -> Result<u64, tokio_postgres::Error> {
        let of = &self.dialogs;
        let values: [&(dyn ToSql + Sync); 20] = [
            &column(of, |of| key(of.id)),
            &column(of, |of| i32::from(of.shard)),
            &column(of, |of| word(DIRECTIONS, &of.direction)),
            &column(of, |of| text(&of.watcher)),
            &column(of, |of| text(&of.target)),
            &column(of, |of| word(PACKAGES, &of.package)),
            &column(of, |of| of.event_id.as_deref().map(text)),
            &column(of, |of| text(&of.call_id)),
            &column(of, |of| text(&of.local_tag)),
            &column(of, |of| text(&of.remote_tag)),
            &column(of, |of| text(&of.local_uri)),
            &column(of, |of| text(&of.remote_uri)),
            &column(of, |of| text(&of.remote_target)),
            &column(of, |of| routes_to_text(&of.route_set)),
            &column(of, |of| i64::from(of.cseq_reserved)),
            &column(of, |of| of.remote_cseq.map(i64::from)),
            &column(of, |of| i64::from(of.version_reserved)),
            &column(of, |of| of.expires_at.0),
            &self.epoch,
            &self.updated_at,
        ];
        put(to, prepared, PUT_DIALOG, of.len(), &values).await
    }

    async fn put_publications(&self, to: &Transaction<'_>, prepared: &Prepared) -> Result<u64, tokio_postgres::Error> {
        let of = &self.publications;
        let values: [&(dyn ToSql + Sync); 8] = [
            &column(of, |of| key(of.id)),
            &column(of, |of| i32::from(of.shard)),
            &column(of, |of| text(&of.user)),
            &column(of, |of| text(&of.domain)),
            &column(of, |of| text(&of.etag)),
            &column(of, |of| of.expires_at.0),
            &self.epoch,
            &self.updated_at,
        ];
        put(to, prepared, PUT_PUBLICATION, of.len(), &values).await
    }
}

async fn put(
    to: &Transaction<'_>,
    prepared: &Prepared,
    statement: &'static str,
    rows: usize,
    values: &[&(dyn ToSql + Sync)],
) -> Result<u64, tokio_postgres::Error> {
    let Some(statement) = prepared.get(statement).filter(|_| rows > 0) else { return Ok(0) };
    let added: i64 = to.query_one(statement, values).await?.get(0);
    Ok(u64::try_from(added).unwrap_or(0))
}

fn column<'r, R, T>(rows: &[&'r R], value: impl Fn(&'r R) -> T) -> Vec<T> {
    rows.iter().map(|row| value(row)).collect()
}

/// Texts of PostgreSQL have no NUL. A record with one would keep every commit from succeeding, and no peer can mean it.
fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// Names have 63 bits, so this loses nothing.
fn key(id: RecordId) -> i64 {
    i64::from_ne_bytes(id.0.to_ne_bytes())
}

const AUTHORIZATIONS: &str =
    "SELECT id, shard, direction, watcher, target, state, changed_at FROM stox_authorization ORDER BY id";
const DIALOGS: &str = "SELECT id, shard, direction, watcher, target, package, event_id, call_id, local_tag, remote_tag,
    local_uri, remote_uri, remote_target, route_set, cseq_reserved, remote_cseq, version_reserved, expires_at
    FROM stox_dialog ORDER BY id";
const PUBLICATIONS: &str = "SELECT id, shard, \"user\", domain, etag, expires_at FROM stox_publication ORDER BY id";

/// What is wrong with a row.
type Unreadable = String;
type Reader = fn(&Row) -> Result<Record, Unreadable>;

const TABLES: [(Kind, &str, Reader); 3] = [
    (Kind::Authorization, AUTHORIZATIONS, authorization),
    (Kind::Dialog, DIALOGS, dialog),
    (Kind::Publication, PUBLICATIONS, publication),
];

/// Every record, as of one instant, in pieces.
pub(super) async fn load(name: &str, client: &mut Client, mut take: impl AsyncFnMut(Vec<Record>)) -> Result<(), Error> {
    let told = |error| told(name, &error);
    let transaction = client.build_transaction().read_only(true);
    let transaction = transaction.isolation_level(tokio_postgres::IsolationLevel::RepeatableRead);
    let transaction = transaction.start().await.map_err(told)?;
    let mut piece = Vec::with_capacity(PIECE);
    for (kind, select, read) in TABLES {
        let rows = transaction.query_raw(select, std::iter::empty::<i64>()).await.map_err(told)?;
        let mut rows = std::pin::pin!(rows);
        while let Some(row) = rows.try_next().await.map_err(told)? {
            piece.push(read(&row).map_err(|why| {
                let todo = "restore the database from a backup, or make a new one and import (stox store import)";
                Error::new(Trouble::Damaged, name, format!("holds what cannot be read ({}: {why})", table(kind)), todo)
            })?);
            if piece.len() == PIECE {
                take(std::mem::replace(&mut piece, Vec::with_capacity(PIECE))).await;
            }
        }
    }
    if !piece.is_empty() {
        take(piece).await;
    }
    transaction.commit().await.map_err(told)
}

/// Rows told one by one.
const TOLD: usize = 20;

/// The rows that are no records, at most [`TOLD`].
pub(super) async fn unreadable(name: &str, client: &Client) -> Result<Vec<String>, Error> {
    let told = |error| told(name, &error);
    let mut found = Vec::new();
    for (kind, select, read) in TABLES {
        let rows = client.query_raw(select, std::iter::empty::<i64>()).await.map_err(told)?;
        let mut rows = std::pin::pin!(rows);
        while let Some(row) = rows.try_next().await.map_err(told)? {
            if let Err(why) = read(&row) {
                found.push(format!("{}: {why}", table(kind)));
            }
            if found.len() == TOLD {
                return Ok(found);
            }
        }
    }
    Ok(found)
}

fn get<'r, T: tokio_postgres::types::FromSql<'r>>(row: &'r Row, column: usize) -> Result<T, Unreadable> {
    row.try_get(column).map_err(|error| error.to_string())
}

fn small<T: TryFrom<i64>>(row: &Row, column: usize) -> Result<T, Unreadable> {
    let number: i64 = get(row, column)?;
    T::try_from(number).map_err(|_| format!("column {column}: {number} is out of range"))
}

fn one_of<T: Copy>(row: &Row, column: usize, table: &[(&str, T)]) -> Result<T, Unreadable> {
    let text: &str = get(row, column)?;
    value(table, text).ok_or_else(|| format!("column {column}: unknown word \"{text}\""))
}

fn name(row: &Row) -> Result<RecordId, Unreadable> {
    get::<i64>(row, 0).map(|key| RecordId(u64::from_ne_bytes(key.to_ne_bytes())))
}

fn shard(row: &Row) -> Result<u16, Unreadable> {
    let number: i32 = get(row, 1)?;
    u16::try_from(number).map_err(|_| format!("shard {number} is out of range"))
}

fn authorization(row: &Row) -> Result<Record, Unreadable> {
    Ok(Record::Authorization(AuthorizationRecord {
        id: name(row)?,
        shard: shard(row)?,
        direction: one_of(row, 2, DIRECTIONS)?,
        watcher: get(row, 3)?,
        target: get(row, 4)?,
        state: one_of(row, 5, STATES)?,
        changed_at: Timestamp(get(row, 6)?),
    }))
}

fn dialog(row: &Row) -> Result<Record, Unreadable> {
    let remote_cseq: Option<i64> = get(row, 15)?;
    Ok(Record::Dialog(DialogRecord {
        id: name(row)?,
        shard: shard(row)?,
        direction: one_of(row, 2, DIRECTIONS)?,
        watcher: get(row, 3)?,
        target: get(row, 4)?,
        package: one_of(row, 5, PACKAGES)?,
        event_id: get(row, 6)?,
        call_id: get(row, 7)?,
        local_tag: get(row, 8)?,
        remote_tag: get(row, 9)?,
        local_uri: get(row, 10)?,
        remote_uri: get(row, 11)?,
        remote_target: get(row, 12)?,
        route_set: text_to_routes(get(row, 13)?).ok_or("route_set is no list of texts")?,
        cseq_reserved: small(row, 14)?,
        remote_cseq: remote_cseq.map(u32::try_from).transpose().map_err(|_| "remote_cseq is out of range")?,
        version_reserved: small(row, 16)?,
        expires_at: Timestamp(get(row, 17)?),
    }))
}

fn publication(row: &Row) -> Result<Record, Unreadable> {
    Ok(Record::Publication(PublicationRecord {
        id: name(row)?,
        shard: shard(row)?,
        user: get(row, 2)?,
        domain: get(row, 3)?,
        etag: get(row, 4)?,
        expires_at: Timestamp(get(row, 5)?),
    }))
}
