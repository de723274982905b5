//! Our subscriptions on the SIP side (RFC 6665 section 4.1): one usage for each package and target that somebody here wants
//! to see, with its dialogs (forks), refreshes and what it is told.
//!
//! Whoever needs one opens it with a [`Want`] and hears [`Told`]s; the machine of RFC 6665 and everything about dialogs,
//! timers, Retry-After and new dialogs lies beneath and is the same for all.

use super::super::Gateway;
use super::super::errand::{End, RouteId};
use super::super::people::UserId;
use super::super::record::{DialogRecord, Package, RecordId};
use crate::model::Failure;
use crate::sip::endpoint::{Flow, ServerId};
use crate::sip::message::{Request, Status};
use crate::time::Now;
use crate::xmpp::jid::BareJid;

/// A usage by its number.
pub(in super::super) type UsageId = u64;

/// One of the dialogs that a SUBSCRIBE came to through forking (RFC 6665 section 4.1.2.4); the first is 0.
pub(in super::super) type Fork = u32;

/// A SUBSCRIBE that is out.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Sent {
    /// Of which usage.
    pub(in super::super) usage: UsageId,
    /// In which of its dialogs; `None`: it is to begin one.
    pub(in super::super) fork: Option<Fork>,
    /// In whose own name.
    pub(in super::super) user: Option<UserId>,
}

/// Whom a usage is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in super::super) enum Owner {
    /// The authorization of this name.
    Watch(RecordId),
    /// The voicemail of a user (RFC 3842), by the number of the route and of its user.
    Voicemail(RouteId, usize),
    /// The watchers of a SIP user, by the same (RFC 3857).
    Winfo(RouteId, usize),
    /// A list of contacts of one XMPP user (RFC 4662).
    List(u64),
}

/// What somebody wants to see.
#[derive(Debug, Clone)]
pub(in super::super) struct Want {
    /// Who is told.
    pub(in super::super) owner: Owner,
    /// The next hop.
    pub(in super::super) route: RouteId,
    /// In whose own name, where the watcher has an account there.
    pub(in super::super) user: Option<UserId>,
    /// Who watches.
    pub(in super::super) watcher: BareJid,
    /// Whom.
    pub(in super::super) target: BareJid,
    /// What.
    pub(in super::super) package: Package,
    /// Only the state of the moment (RFC 6665 section 4.4.3): Expires 0, and over after the answer.
    pub(in super::super) once: bool,
}

/// What the owner of a usage hears.
#[derive(Debug)]
pub(in super::super) enum Told {
    /// The target has not said yes yet.
    Pending,
    /// It has; of a fork the first active NOTIFY. `State` follows if there is any.
    Active(Fork),
    /// A NOTIFY with a body: the full state of that fork as its package has it.
    State(Fork, Body),
    /// A NOTIFY without: nothing new.
    Nothing(Fork),
    /// A fork has ended and others go on.
    ForkOver(Fork),
    /// The target, or its server, says no for good: 403, 489, 603, `rejected` (RFC 8048 section 5.2.2).
    Forbidden(Failure),
    /// There is no such user (404, 604, `noresource`); it is asked for again, once a day at most.
    NoResource(Failure),
    /// The state will never change: there is no dialog any more and none is needed.
    Invariant,
    /// There is no dialog for the time being; it is tried again. The failure is the last refusal or want of an answer.
    Lost(Failure),
    /// It was closed, or it was a poll; nothing more comes.
    Over,
}

/// The body of a NOTIFY.
#[derive(Debug)]
pub(in super::super) struct Body {
    /// Content-Type as it was, without folds.
    pub(in super::super) content_type: String,
    /// The bytes; its size is below the limit.
    pub(in super::super) bytes: Vec<u8>,
}

impl Gateway {
    /// Begins to subscribe. The owner hears what comes of it, never before this returns.
    pub(super) fn usage_open(&mut self, _want: Want, _now: Now) -> UsageId {
        0
    }

    /// Ends it in good order: Expires 0, and the last NOTIFY (RFC 6665 section 4.1.2.3). The owner hears [`Told::Over`].
    pub(super) fn usage_close(&mut self, _id: UsageId, _now: Now) {}

    /// Lets it lapse: nothing more is sent, and the owner hears nothing more.
    pub(super) fn usage_forget(&mut self, _id: UsageId, _now: Now) {}

    /// Asks for the state now: a refresh in its dialogs, or the next try at once. Not oftener than `limits` has it.
    pub(super) fn usage_refresh(&mut self, _id: UsageId, _now: Now) {}

    /// A SUBSCRIBE of ours was answered, or was not.
    pub(in super::super) fn on_subscribe_end(&mut self, _sent: Sent, _end: End, _now: Now) {}

    /// A NOTIFY.
    pub(in super::super) fn on_notify_request(
        &mut self,
        transaction: ServerId,
        request: &Request,
        _flow: &Flow,
        now: Now,
    ) {
        self.respond(transaction, request.response(Status::NO_SUCH_DIALOG), now);
    }

    pub(super) fn usage_restore(&mut self, _record: DialogRecord, _now: Now) {}

    /// The usages of a pair, restored from the store.
    pub(super) fn usages_of(&self, _watcher: &str, _target: &str) -> Vec<(UsageId, Package)> {
        Vec::new()
    }

    /// Gives a restored usage its owner.
    pub(super) fn usage_own(&mut self, _id: UsageId, _owner: Owner) {}
}
