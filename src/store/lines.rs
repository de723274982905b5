//! Records as lines of JSON: a head, then one record a line.
//!
//! ```text
//! {"stox":"records","version":1,"records":2}
//! {"kind":"authorization","id":"00000000000000a1","shard":42,"direction":"to_sip","watcher":"juliet@example.com", …}
//! {"kind":"dialog","id":"00000000000000b2","shard":42, …}
//! ```
//! Names are hexadecimal, because many programs lose digits of large numbers. Times are milliseconds since 1970 (UTC).

use serde::{Deserialize, Serialize};

use super::words::{DIRECTIONS, PACKAGES, STATES, value, word};
use crate::gateway::record::{
    AuthorizationRecord, DialogRecord, PublicationRecord, Record, RecordId, SHARDS, shard_of,
};
use crate::time::Timestamp;

/// The form of the lines that is written; every one up to it is read.
const VERSION: u32 = 1;

/// What the head says a file holds.
const RECORDS: &str = "records";

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    stox: String,
    version: u32,
    /// How many follow; a file that ends before is not whole.
    records: u64,
}

/// Any other.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
#[expect(clippy::large_enum_variant, reason = "one lives at a time, on its way to or from text")]
enum Line {
    Authorization {
        id: String,
        shard: u16,
        direction: String,
        watcher: String,
        target: String,
        state: String,
        changed_at: i64,
    },
    Dialog(DialogLine),
    Publication {
        id: String,
        shard: u16,
        user: String,
        domain: String,
        etag: String,
        expires_at: i64,
    },
}

/// The line of a dialog.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DialogLine {
    id: String,
    shard: u16,
    direction: String,
    watcher: String,
    target: String,
    package: String,
    event_id: Option<String>,
    call_id: String,
    local_tag: String,
    remote_tag: String,
    local_uri: String,
    remote_uri: String,
    remote_target: String,
    route_set: Vec<String>,
    cseq_reserved: u32,
    remote_cseq: Option<u32>,
    version_reserved: u32,
    expires_at: i64,
}

/// The first line of a file of so many records, without its end.
pub(super) fn head(records: u64) -> String {
    json(&Head { stox: RECORDS.to_owned(), version: VERSION, records })
}

/// How many records the first line announces.
pub(super) fn read_head(line: &str) -> Result<u64, String> {
    let head: Head = serde_json::from_str(line)
        .map_err(|_| "is not the first line of a file of \"stox store export\"".to_owned())?;
    if head.stox != RECORDS {
        return Err(format!("says that the file holds \"{}\", not \"{RECORDS}\"", head.stox));
    }
    if head.version > VERSION {
        return Err(format!("was written by a newer release (version {}, this one reads {VERSION})", head.version));
    }
    Ok(head.records)
}

/// The line of a record, without its end.
pub(super) fn line(record: &Record) -> String {
    let id = |id: RecordId| format!("{:016x}", id.0);
    json(&match record {
        Record::Authorization(of) => Line::Authorization {
            id: id(of.id),
            shard: of.shard,
            direction: word(DIRECTIONS, &of.direction).to_owned(),
            watcher: of.watcher.clone(),
            target: of.target.clone(),
            state: word(STATES, &of.state).to_owned(),
            changed_at: of.changed_at.0,
        },
        Record::Dialog(of) => Line::Dialog(DialogLine {
            id: id(of.id),
            shard: of.shard,
            direction: word(DIRECTIONS, &of.direction).to_owned(),
            watcher: of.watcher.clone(),
            target: of.target.clone(),
            package: word(PACKAGES, &of.package).to_owned(),
            event_id: of.event_id.clone(),
            call_id: of.call_id.clone(),
            local_tag: of.local_tag.clone(),
            remote_tag: of.remote_tag.clone(),
            local_uri: of.local_uri.clone(),
            remote_uri: of.remote_uri.clone(),
            remote_target: of.remote_target.clone(),
            route_set: of.route_set.clone(),
            cseq_reserved: of.cseq_reserved,
            remote_cseq: of.remote_cseq,
            version_reserved: of.version_reserved,
            expires_at: of.expires_at.0,
        }),
        Record::Publication(of) => Line::Publication {
            id: id(of.id),
            shard: of.shard,
            user: of.user.clone(),
            domain: of.domain.clone(),
            etag: of.etag.clone(),
            expires_at: of.expires_at.0,
        },
    })
}

/// Plain structures of texts and numbers always have a form in JSON.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The record of a line, or what is wrong with it.
pub(super) fn read(line: &str) -> Result<Record, String> {
    let line: Line = serde_json::from_str(line).map_err(|error| {
        // Its own line and column are those within this one line.
        let text = error.to_string();
        let text = text.split(" at line ").next().unwrap_or_default();
        format!("is no record ({text})")
    })?;
    let record = match line {
        Line::Authorization { id, shard, direction, watcher, target, state, changed_at } => {
            Record::Authorization(AuthorizationRecord {
                id: read_id(&id)?,
                shard: of_pair(shard, &watcher, &target)?,
                direction: one_of(DIRECTIONS, "direction", &direction)?,
                state: one_of(STATES, "state", &state)?,
                changed_at: Timestamp(changed_at),
                watcher,
                target,
            })
        }
        Line::Dialog(line) => Record::Dialog(dialog(line)?),
        Line::Publication { id, shard, user, domain, etag, expires_at } => Record::Publication(PublicationRecord {
            id: read_id(&id)?,
            shard: of_pair(shard, &user, &domain)?,
            expires_at: Timestamp(expires_at),
            user,
            domain,
            etag,
        }),
    };
    Ok(record)
}

fn dialog(line: DialogLine) -> Result<DialogRecord, String> {
    Ok(DialogRecord {
        id: read_id(&line.id)?,
        shard: one_of_all(line.shard)?,
        direction: one_of(DIRECTIONS, "direction", &line.direction)?,
        watcher: line.watcher,
        target: line.target,
        package: one_of(PACKAGES, "package", &line.package)?,
        event_id: line.event_id,
        call_id: line.call_id,
        local_tag: line.local_tag,
        remote_tag: line.remote_tag,
        local_uri: line.local_uri,
        remote_uri: line.remote_uri,
        remote_target: line.remote_target,
        route_set: line.route_set,
        cseq_reserved: line.cseq_reserved,
        remote_cseq: line.remote_cseq,
        version_reserved: line.version_reserved,
        expires_at: Timestamp(line.expires_at),
    })
}

fn read_id(text: &str) -> Result<RecordId, String> {
    let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = u64::from_str_radix(text, 16).ok().filter(|id| digits && *id >> 63 == 0);
    id.map(RecordId)
        .ok_or_else(|| format!("id \"{text}\" is no number of 16 hexadecimal digits below 8000000000000000"))
}

fn one_of<T: Copy>(table: &[(&str, T)], key: &str, text: &str) -> Result<T, String> {
    let known = || table.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
    value(table, text).ok_or_else(|| format!("{key} \"{text}\" is none of {}", known()))
}

fn one_of_all(shard: u16) -> Result<u16, String> {
    if shard < SHARDS { Ok(shard) } else { Err(format!("shard {shard} is not below {SHARDS}")) }
}

/// Its shard follows from the two that a record is about.
fn of_pair(shard: u16, one: &str, other: &str) -> Result<u16, String> {
    if one.is_empty() || other.is_empty() {
        return Err("is about nobody".to_owned());
    }
    let right = shard_of(one, other);
    if shard == right { Ok(shard) } else { Err(format!("shard {shard} should be {right}")) }
}
