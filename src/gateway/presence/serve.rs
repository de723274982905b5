//! SIP users watch XMPP users (RFC 8048 sections 5.3 and 6.2).

use super::super::errand::End;
use super::super::record::{AuthorizationRecord, DialogRecord, RecordId};
use super::super::{Gateway, Link, events};
use crate::sip::endpoint::{Flow, ServerId};
use crate::sip::message::Request;
use crate::sip::message::header::NameAddr;
use crate::time::Now;
use crate::xmpp::stanza::Presence;

impl Gateway {
    /// A SUBSCRIBE from a peer that may speak in this name (`asserted`, else From).
    pub(in super::super) fn on_subscribe_request(
        &mut self,
        transaction: ServerId,
        request: &Request,
        _asserted: Option<&NameAddr>,
        _flow: &Flow,
        now: Now,
    ) {
        self.respond(transaction, events::answer(request), now);
    }

    /// A NOTIFY of ours was answered, or was not.
    pub(in super::super) fn on_notify_end(&mut self, _dialog: RecordId, _end: End, _now: Now) {}

    pub(super) fn serve_on_presence(&mut self, _link: Link, _presence: Presence, _now: Now) {
        self.stats.stanzas_ignored += 1;
    }

    pub(super) fn serve_restore(&mut self, _record: AuthorizationRecord, _now: Now) {}

    pub(super) fn serve_restore_dialog(&mut self, _record: DialogRecord, _now: Now) {}
}
