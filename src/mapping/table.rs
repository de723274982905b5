//! Reads `mappings/*.toml`: vocabulary as data, each row with the section it comes from.
//!
//! A table is compiled in and read once at the start. A row that cannot mean anything (an unknown key, a name no type
//! has, a second row for the same thing, a missing row, a row nothing leads to) is an error with its line; tests keep
//! the tables we ship free of them.

use crate::model::Reason;
use serde::Deserialize;
use std::collections::BTreeSet;
use toml::Spanned;

/// What is wrong with a table, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {what}")]
pub struct TableError {
    /// The table.
    pub file: &'static str,
    /// The line, from 1.
    pub line: usize,
    /// The mistake, in a sentence.
    pub what: String,
}

/// A table as text, with the name to complain under.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) file: &'static str,
    pub(super) text: &'a str,
}

impl Source<'_> {
    pub(super) fn read<'de, T: Deserialize<'de>>(&'de self) -> Result<T, TableError> {
        toml::from_str(self.text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            self.error(at, error.message().to_owned())
        })
    }

    /// An error about the byte `at` of the text.
    pub(super) fn error(&self, at: usize, what: String) -> TableError {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        let line = 1 + memchr::memchr_iter(b'\n', before).count();
        TableError { file: self.file, line, what }
    }
}

/// `mappings/failure.toml` as it stands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FailureFile {
    pub(super) failure: Vec<Spanned<FailureRow>>,
    pub(super) condition: Vec<Spanned<ConditionRow>>,
    pub(super) status: Vec<Spanned<StatusRow>>,
    pub(super) class: Vec<Spanned<ClassRow>>,
}

/// What a reason is on both sides.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FailureRow {
    pub(super) reason: Reason,
    pub(super) condition: String,
    pub(super) status: u16,
    pub(super) status_bare: Option<u16>,
    pub(super) moved: Option<u16>,
    pub(super) phrase: Option<String>,
    #[expect(dead_code, reason = "read by people; serde insists that each row has one")]
    pub(super) source: String,
}

/// Which reason a stanza error is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConditionRow {
    pub(super) condition: String,
    pub(super) reason: Reason,
    #[expect(dead_code, reason = "read by people; serde insists that each row has one")]
    pub(super) source: String,
}

/// Which reason a final response is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StatusRow {
    pub(super) status: u16,
    pub(super) reason: Reason,
    #[expect(dead_code, reason = "read by people; serde insists that each row has one")]
    pub(super) source: String,
}

/// Which reason a final response of a class is that no row names.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClassRow {
    pub(super) class: u16,
    pub(super) reason: Reason,
    #[expect(dead_code, reason = "read by people; serde insists that each row has one")]
    pub(super) source: String,
}

/// Refuses the second of two rows with the same key.
pub(super) fn refuse_duplicates<K: Ord + std::fmt::Debug>(
    source: &Source<'_>,
    keys: impl IntoIterator<Item = (usize, K)>,
) -> Result<(), TableError> {
    let mut seen = BTreeSet::new();
    for (at, key) in keys {
        if seen.contains(&key) {
            return Err(source.error(at, format!("a second row for {key:?}; remove one")));
        }
        seen.insert(key);
    }
    Ok(())
}
