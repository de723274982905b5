//! Records as rows, and back.

use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Connection, Row, params};

use super::table;
use crate::gateway::record::{AuthorizationRecord, DialogRecord, Kind, PublicationRecord, Record, RecordId};
use crate::store::engine::PIECE;
use crate::store::words::{DIRECTIONS, PACKAGES, STATES, routes_to_text, text_to_routes, value, word};
use crate::time::Timestamp;

/// What every row says besides its record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    pub(super) epoch: i64,
    pub(super) updated_at: i64,
}

/// Writes the record; whether it is new.
pub(super) fn put(connection: &Connection, record: &Record, stamp: Stamp) -> rusqlite::Result<bool> {
    match record {
        Record::Authorization(record) => put_authorization(connection, record, stamp),
        Record::Dialog(record) => put_dialog(connection, record, stamp),
        Record::Publication(record) => put_publication(connection, record, stamp),
    }
}

/// Most puts change what is there, so that is tried first.
fn either(
    connection: &Connection,
    update: &str,
    insert: &str,
    values: &[&dyn rusqlite::ToSql],
) -> rusqlite::Result<bool> {
    if connection.prepare_cached(update)?.execute(values)? > 0 {
        return Ok(false);
    }
    connection.prepare_cached(insert)?.execute(values)?;
    Ok(true)
}

fn put_authorization(connection: &Connection, of: &AuthorizationRecord, stamp: Stamp) -> rusqlite::Result<bool> {
    either(
        connection,
        "UPDATE authorization SET shard = ?2, direction = ?3, watcher = ?4, target = ?5, state = ?6, changed_at = ?7,
         epoch = ?8, updated_at = ?9 WHERE id = ?1",
        "INSERT INTO authorization (id, shard, direction, watcher, target, state, changed_at, epoch, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            key(of.id),
            of.shard,
            word(DIRECTIONS, &of.direction),
            of.watcher,
            of.target,
            word(STATES, &of.state),
            of.changed_at.0,
            stamp.epoch,
            stamp.updated_at
        ],
    )
}

fn put_dialog(connection: &Connection, of: &DialogRecord, stamp: Stamp) -> rusqlite::Result<bool> {
    either(
        connection,
        "UPDATE dialog SET shard = ?2, direction = ?3, watcher = ?4, target = ?5, package = ?6, event_id = ?7,
         call_id = ?8, local_tag = ?9, remote_tag = ?10, local_uri = ?11, remote_uri = ?12, remote_target = ?13,
         route_set = ?14, cseq_reserved = ?15, remote_cseq = ?16, version_reserved = ?17, expires_at = ?18, epoch = ?19,
         updated_at = ?20 WHERE id = ?1",
        "INSERT INTO dialog (id, shard, direction, watcher, target, package, event_id, call_id, local_tag, remote_tag,
         local_uri, remote_uri, remote_target, route_set, cseq_reserved, remote_cseq, version_reserved, expires_at, epoch,
         updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)",
        params![
            key(of.id),
            of.shard,
            word(DIRECTIONS, &of.direction),
            of.watcher,
            of.target,
            word(PACKAGES, &of.package),
            of.event_id,
            of.call_id,
            of.local_tag,
            of.remote_tag,
            of.local_uri,
            of.remote_uri,
            of.remote_target,
            routes_to_text(&of.route_set),
            of.cseq_reserved,
            of.remote_cseq,
            of.version_reserved,
            of.expires_at.0,
            stamp.epoch,
            stamp.updated_at
        ],
    )
}

fn put_publication(connection: &Connection, of: &PublicationRecord, stamp: Stamp) -> rusqlite::Result<bool> {
    either(
        connection,
        "UPDATE publication SET shard = ?2, user = ?3, domain = ?4, etag = ?5, expires_at = ?6, epoch = ?7,
         updated_at = ?8 WHERE id = ?1",
        "INSERT INTO publication (id, shard, user, domain, etag, expires_at, epoch, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![key(of.id), of.shard, of.user, of.domain, of.etag, of.expires_at.0, stamp.epoch, stamp.updated_at],
    )
}

/// Removes the row; how many there were.
pub(super) fn remove(connection: &Connection, kind: Kind, id: RecordId) -> rusqlite::Result<u64> {
    let statement = match kind {
        Kind::Authorization => "DELETE FROM authorization WHERE id = ?1",
        Kind::Dialog => "DELETE FROM dialog WHERE id = ?1",
        Kind::Publication => "DELETE FROM publication WHERE id = ?1",
    };
    let removed = connection.prepare_cached(statement)?.execute([key(id)])?;
    Ok(u64::try_from(removed).unwrap_or(u64::MAX))
}

/// Names have 63 bits, so this loses nothing.
fn key(id: RecordId) -> i64 {
    i64::from_ne_bytes(id.0.to_ne_bytes())
}

fn name(row: &Row<'_>) -> rusqlite::Result<RecordId> {
    row.get::<_, i64>(0).map(|key| RecordId(u64::from_ne_bytes(key.to_ne_bytes())))
}

const AUTHORIZATIONS: &str =
    "SELECT id, shard, direction, watcher, target, state, changed_at FROM authorization ORDER BY id";
const DIALOGS: &str = "SELECT id, shard, direction, watcher, target, package, event_id, call_id, local_tag, remote_tag,
    local_uri, remote_uri, remote_target, route_set, cseq_reserved, remote_cseq, version_reserved, expires_at
    FROM dialog ORDER BY id";
const PUBLICATIONS: &str = "SELECT id, shard, user, domain, etag, expires_at FROM publication ORDER BY id";

type Reader = fn(&Row<'_>) -> rusqlite::Result<Record>;

const TABLES: [(Kind, &str, Reader); 3] = [
    (Kind::Authorization, AUTHORIZATIONS, authorization),
    (Kind::Dialog, DIALOGS, dialog),
    (Kind::Publication, PUBLICATIONS, publication),
];

/// Every record, in pieces.
pub(super) async fn load(connection: &Connection, mut take: impl AsyncFnMut(Vec<Record>)) -> rusqlite::Result<()> {
    let mut piece = Vec::with_capacity(PIECE);
    for (_, select, read) in TABLES {
        let mut statement = connection.prepare(select)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            piece.push(read(row)?);
            if piece.len() == PIECE {
                take(std::mem::replace(&mut piece, Vec::with_capacity(PIECE))).await;
            }
        }
    }
    if !piece.is_empty() {
        take(piece).await;
    }
    Ok(())
}

/// The rows that are no records, at most [`TOLD`].
pub(super) fn unreadable(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut found = Vec::new();
    for (kind, select, read) in TABLES {
        let mut statement = connection.prepare(select)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            if let Err(error) = read(row) {
                found.push(format!("{} {:016x}: {error}", table(kind), name(row)?.0));
                if found.len() == TOLD {
                    return Ok(found);
                }
            }
        }
    }
    Ok(found)
}

/// Rows told one by one.
const TOLD: usize = 20;

/// A column that holds one of a few words.
fn one_of<T: Copy>(row: &Row<'_>, column: usize, table: &[(&str, T)]) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str().map_err(|error| none_of_ours(column, error.into()))?;
    value(table, text).ok_or_else(|| none_of_ours(column, format!("unknown word \"{text}\"").into()))
}

fn none_of_ours(column: usize, why: Box<dyn std::error::Error + Send + Sync>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, why)
}

fn authorization(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record::Authorization(AuthorizationRecord {
        id: name(row)?,
        shard: row.get(1)?,
        direction: one_of(row, 2, DIRECTIONS)?,
        watcher: row.get(3)?,
        target: row.get(4)?,
        state: one_of(row, 5, STATES)?,
        changed_at: Timestamp(row.get(6)?),
    }))
}

fn dialog(row: &Row<'_>) -> rusqlite::Result<Record> {
    let routes = row.get_ref(13)?.as_str().ok().and_then(text_to_routes);
    Ok(Record::Dialog(DialogRecord {
        id: name(row)?,
        shard: row.get(1)?,
        direction: one_of(row, 2, DIRECTIONS)?,
        watcher: row.get(3)?,
        target: row.get(4)?,
        package: one_of(row, 5, PACKAGES)?,
        event_id: row.get(6)?,
        call_id: row.get(7)?,
        local_tag: row.get(8)?,
        remote_tag: row.get(9)?,
        local_uri: row.get(10)?,
        remote_uri: row.get(11)?,
        remote_target: row.get(12)?,
        route_set: routes.ok_or_else(|| none_of_ours(13, FromSqlError::InvalidType.into()))?,
        cseq_reserved: row.get(14)?,
        remote_cseq: row.get(15)?,
        version_reserved: row.get(16)?,
        expires_at: Timestamp(row.get(17)?),
    }))
}

fn publication(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record::Publication(PublicationRecord {
        id: name(row)?,
        shard: row.get(1)?,
        user: row.get(2)?,
        domain: row.get(3)?,
        etag: row.get(4)?,
        expires_at: Timestamp(row.get(5)?),
    }))
}
