//! What SQLite and the file system say, and what an administrator can do about it.

use std::io;
use std::path::Path;

use rusqlite::ErrorCode;

use crate::store::error::{Error, Trouble};

/// What to do about a file that is broken.
const RESTORE: &str = "stop stox, keep a copy, and restore a backup (stox store import), or remove the file: \
                       then subscriptions are made anew as users come back";

/// An error of SQLite in words.
pub(super) fn told(path: &Path, error: &rusqlite::Error) -> Error {
    let place = path.display().to_string();
    let code = error.sqlite_error_code();
    let (trouble, what, todo) = match code {
        Some(ErrorCode::DiskFull) => (Trouble::Away, "the disk is full".to_owned(), "make room"),
        Some(ErrorCode::ReadOnly) => (
            Trouble::Refused,
            "cannot be written".to_owned(),
            "let the user that stox runs as write it and its directory",
        ),
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => (
            Trouble::Refused,
            format!("cannot be opened ({error})"),
            "let the user that stox runs as read and write it and its directory",
        ),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (Trouble::InUse, "is used by another process".to_owned(), "end that, or wait until it is done")
        }
        Some(ErrorCode::SystemIoFailure) => (
            Trouble::Away,
            format!("the disk fails ({error})"),
            "look at the kernel's log; move the file to a sound disk",
        ),
        Some(ErrorCode::DatabaseCorrupt) => (Trouble::Damaged, format!("is damaged ({error})"), RESTORE),
        Some(ErrorCode::NotADatabase) => {
            (Trouble::Damaged, "is no database, or is damaged from its beginning".to_owned(), RESTORE)
        }
        _ if is_content(error) => (Trouble::Damaged, format!("holds what cannot be read ({error})"), RESTORE),
        _ => (Trouble::Away, format!("fails ({error})"), "run \"stox store check\""),
    };
    Error::new(trouble, &place, what, todo)
}

/// Whether a value in a row is none of ours.
fn is_content(error: &rusqlite::Error) -> bool {
    matches!(
        error,
        rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::Utf8Error(..)
    )
}

/// A file that a check has found broken.
pub(super) fn damaged(path: &Path, what: &str) -> Error {
    Error::new(Trouble::Damaged, &path.display().to_string(), format!("is damaged ({what})"), RESTORE)
}

/// A file that could not be made.
pub(super) fn not_made(path: &Path, error: &io::Error) -> Error {
    let kind = error.kind();
    let todo = if kind == io::ErrorKind::NotFound {
        "make the directory, for the user that stox runs as"
    } else if [io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem].contains(&kind) {
        "let the user that stox runs as write to the directory; under systemd, StateDirectory= does"
    } else {
        "mend that, or name another file"
    };
    Error::new(Trouble::Refused, &path.display().to_string(), format!("cannot be made ({error})"), todo)
}
