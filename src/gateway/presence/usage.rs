//! Our subscriptions on the SIP side (RFC 6665 section 4.1): one usage for each package and target that somebody here wants
//! to see, with its dialogs (forks), refreshes and what it is told.
//!
//! Whoever needs one opens it with a [`Want`] and hears [`Told`]s; the machine ([`crate::sip::event::subscriber`]) and
//! everything about dialogs, timers and records lies beneath and is the same for all.
//!
//! | file | what |
//! |---|---|
//! | `table` | opening and closing; what the machine wants done; who is told |
//! | `sending` | SUBSCRIBEs of ours and their ends |
//! | `notified` | NOTIFYs |
//! | `keeping` | records, and what comes back from them |
//! | `numbers` | counters |
//! | `doubt` | a 403 that may mean our password |
//!
//! # After a restart
//! A usage that is taken back belongs to the watch of its pair, whose record comes first. Where there is none, it is found
//! by `usages_of` and gets its owner by `usage_own`, or by [`usage_open`](Gateway::usage_open) with the same watcher, target
//! and package; until then it is not refreshed, and lapses. What it has told before is forgotten, so it is refreshed when its
//! turn comes (`turns`), and before it lapses.

mod doubt;
mod explain;
mod keeping;
mod notified;
mod numbers;
mod sending;
mod table;

use super::super::Gateway;
use super::super::errand::RouteId;
use super::super::people::UserId;
use super::super::record::{Package, RecordId};
pub(in super::super) use super::document::Body;
use crate::model::Failure;
use crate::sip::event::subscriber::{Input, Serial};
use crate::time::Now;
use crate::xmpp::jid::BareJid;

pub(super) use explain::in_words;
pub(super) use table::Usages;

/// A usage by its number.
pub(in super::super) type UsageId = u64;

/// One of the dialogs that a SUBSCRIBE came to through forking (RFC 6665 section 4.1.2.4); the first is 0. A dialog that
/// follows another has its place, so that what it tells replaces what that told.
pub(in super::super) type Fork = crate::sip::event::subscriber::Fork;

/// A SUBSCRIBE that is out.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Sent {
    /// Of which usage.
    pub(in super::super) usage: UsageId,
    /// Of its dialog of this number, or itself of this number where it is to begin one.
    serial: Serial,
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

/// What the owner of a usage hears. After `Forbidden` and `Over` there is no usage of that number any more.
#[derive(Debug)]
pub(in super::super) enum Told {
    /// The target has not said yes yet.
    Pending,
    /// It has; of a fork the first active NOTIFY. `State` follows if there is any.
    Active(Fork),
    /// A NOTIFY with a body: the full state of that fork as its package has it.
    State(Fork, Body),
    /// A NOTIFY without: nothing new.
    Nothing,
    /// A fork has ended and others go on.
    ForkOver(Fork),
    /// The target, or its server, says no for good: 403, 489, 603, `rejected` (RFC 8048 section 5.2.2).
    Forbidden(Failure),
    /// There is no such user (404, 604, `noresource`); it is asked for again, once a day at most.
    NoResource(Failure),
    /// The state will never change: there is no dialog any more and none is needed. The usage stays until it is closed.
    Invariant,
    /// There is no dialog for the time being; it is tried again. The failure is the last refusal or want of an answer.
    Lost(Failure),
    /// It was closed, or it was a poll; nothing more comes.
    Over,
}

impl Gateway {
    /// Begins to subscribe, or takes over what a restart has left of the same. The owner hears what comes of it, never before
    /// this returns.
    pub(super) fn usage_open(&mut self, want: Want, now: Now) -> UsageId {
        if let Some(id) = self.adopt_usage(&want, now) {
            return id;
        }
        let id = self.new_usage(want);
        self.step_usage(id, Input::Open.into(), now);
        id
    }

    /// Ends it in good order: Expires 0, and the last NOTIFY (RFC 6665 section 4.1.2.3). The owner hears [`Told::Over`] when
    /// the notifier has answered, at once where there is no dialog.
    pub(super) fn usage_close(&mut self, id: UsageId, now: Now) {
        self.step_usage(id, Input::Close.into(), now);
    }

    /// Lets it lapse: nothing more is sent, and the owner hears nothing more.
    pub(super) fn usage_forget(&mut self, id: UsageId, _now: Now) {
        self.presence.usages.told.retain(|(_, of, _)| *of != id);
        self.drop_usage(id);
    }

    /// Asks for the state now: a refresh in its dialogs, or the next try at once. Not oftener than `limits` has it, and not
    /// against a Retry-After.
    pub(super) fn usage_refresh(&mut self, id: UsageId, now: Now) {
        self.step_usage(id, Input::Refresh.into(), now);
    }
}
