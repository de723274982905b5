//! XMPP presence published to a presence server (RFC 3903).

use super::super::Gateway;
use super::super::errand::End;
use super::super::record::{PublicationRecord, RecordId};
use crate::time::Now;

impl Gateway {
    /// A PUBLISH of ours was answered, or was not.
    pub(in super::super) fn on_publish_end(&mut self, _id: RecordId, _end: End, _now: Now) {}

    pub(super) fn publish_restore(&mut self, _record: PublicationRecord, _now: Now) {}
}
