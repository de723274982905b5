//! What is committed together, each record in its last form.

use std::collections::BTreeMap;

use crate::gateway::record::{Kind, Record, RecordId, Write};

/// Changes by record: what it is from now on, or `None` where it is gone. Several changes of one record are one, and those of
/// different records do not depend on each other within one transaction.
#[derive(Debug, Default)]
pub(super) struct Batch {
    changes: BTreeMap<(Kind, RecordId), Option<Box<Record>>>,
}

impl Batch {
    pub(super) fn add(&mut self, write: Write) {
        match write {
            Write::Put(record) => {
                self.changes.insert((kind_of(&record), id_of(&record)), Some(record));
            }
            Write::Drop(kind, id) => {
                self.changes.insert((kind, id), None);
            }
        }
    }

    /// Adds what came later.
    pub(super) fn extend(&mut self, later: Self) {
        self.changes.extend(later.changes);
    }

    pub(super) fn of(writes: impl IntoIterator<Item = Write>) -> Self {
        let mut batch = Self::default();
        writes.into_iter().for_each(|write| batch.add(write));
        batch
    }

    pub(super) fn len(&self) -> usize {
        self.changes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// By kind and name.
    pub(super) fn changes(&self) -> impl Iterator<Item = (Kind, RecordId, Option<&Record>)> {
        self.changes.iter().map(|((kind, id), record)| (*kind, *id, record.as_deref()))
    }
}

/// The table of a record.
pub(super) fn kind_of(record: &Record) -> Kind {
    match record {
        Record::Authorization(_) => Kind::Authorization,
        Record::Dialog(_) => Kind::Dialog,
        Record::Publication(_) => Kind::Publication,
    }
}

/// The name of a record.
pub(super) fn id_of(record: &Record) -> RecordId {
    match record {
        Record::Authorization(record) => record.id,
        Record::Dialog(record) => record.id,
        Record::Publication(record) => record.id,
    }
}
