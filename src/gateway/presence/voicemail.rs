//! The voicemail lamp (RFC 3842) of XMPP users who have an account on a SIP server and want it (`[[domain.user]]`).
//!
//! What a phone shows as a lamp and a number, a chat client gets as a headline, when the number changes. Her mailbox is
//! subscribed to in her own name, for as long as the process lives; the dialog outlives it like any other.
//!
//! What she was told is not kept over a restart. So the first state after the start is taken for what she knows and is not
//! told, and no restart says anything twice; what came while nobody looked is told with the next change, or when she next
//! comes online after she was seen to leave.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::super::errand::RouteId;
use super::super::people::UserId;
use super::super::record::Package;
use super::super::{Gateway, Timer, limits};
use super::usage::{Body, Fork, Owner, Told, UsageId, Want};
use crate::mapping::voicemail::words;
use crate::model::message_summary::{self, Summary};
use crate::sip::uri::Uri;
use crate::time::Now;
use crate::xmpp::jid::{BareJid, Jid};
use crate::xmpp::stanza::{Message, MessageKind, Presence, PresenceKind, Stanza};

/// The mailboxes of everybody who wants to be told.
#[derive(Debug, Default)]
pub(in super::super) struct Mailboxes {
    of: BTreeMap<UserId, Mailbox>,
    /// Whose they are, by bare JID; one may have an account on several servers.
    by_jid: HashMap<Box<str>, Vec<UserId>>,
}

#[derive(Debug)]
struct Mailbox {
    route: RouteId,
    /// Its address, her own there.
    aor: Uri,
    /// Her.
    jid: BareJid,
    usage: Option<UsageId>,
    /// What each dialog said last.
    says: Vec<(Fork, Summary)>,
    /// What she knows; `None`: nothing has come since the start.
    told: Option<Summary>,
    /// When she was told last.
    at: Option<Duration>,
    /// A timer will look whether there is more to tell.
    waits: bool,
    /// She has come back and was not told yet what waits.
    owed: bool,
    presence: Seen,
}

/// What has been seen of her presence.
#[derive(Debug, Default)]
struct Seen {
    online: Vec<Box<str>>,
    left: bool,
}

impl Seen {
    /// Whether she has just come, having been away.
    fn take(&mut self, resource: &str, is_available: bool) -> bool {
        let known = self.online.iter().position(|known| **known == *resource);
        match (known, is_available) {
            (Some(at), false) => {
                self.online.swap_remove(at);
                self.left |= self.online.is_empty();
                false
            }
            (None, true) if self.online.len() < limits::RESOURCES_SEEN => {
                self.online.push(resource.into());
                std::mem::take(&mut self.left)
            }
            (None, false) => {
                self.left |= self.online.is_empty();
                false
            }
            (Some(_) | None, true) => false,
        }
    }
}

impl Mailbox {
    /// What all dialogs say together (RFC 3842 section 3.10).
    fn now(&self) -> Option<Summary> {
        let mut all = self.says.iter().map(|(_, summary)| summary);
        let first = all.next()?.clone();
        Some(all.fold(first, Summary::with))
    }

    fn say(&mut self, fork: Fork, summary: Summary) {
        let room = self.says.len() < limits::MAILBOXES_OF_ONE;
        match self.says.iter_mut().find(|(known, _)| *known == fork) {
            Some((_, said)) => *said = summary,
            None if room => self.says.push((fork, summary)),
            None => {}
        }
    }

    fn forget(&mut self, fork: Fork) {
        self.says.retain(|(known, _)| *known != fork);
        // Nothing was listened to or left: a mailbox is not seen any more.
        self.told = self.now().or(self.told.take());
    }
}

impl Gateway {
    /// Plans the subscriptions, a moment apart, for when what the store has kept is back.
    pub(in super::super) fn plan_voicemail(&mut self) {
        for (count, (user, route, jid, aor)) in (0_u32..).zip(self.people.with_voicemail()) {
            let Ok(jid) = BareJid::parse(jid) else { continue };
            let mailboxes = &mut self.presence.mailboxes;
            mailboxes.by_jid.entry(jid.as_str().into()).or_default().push(user);
            let (aor, presence) = (aor.clone(), Seen::default());
            let says = Vec::new();
            let (usage, told, at, waits, owed) = (None, None, None, false, false);
            let mailbox = Mailbox { route, aor, jid, usage, says, told, at, waits, owed, presence };
            mailboxes.of.insert(user, mailbox);
            self.timers.set_at(limits::REGISTER_SPACING * count, Timer::Voicemail(user));
        }
    }

    /// A mailbox is to be subscribed to, or has more to tell.
    pub(in super::super) fn on_voicemail_due(&mut self, user: UserId, now: Now) {
        let Some(mailbox) = self.presence.mailboxes.of.get_mut(&user) else { return };
        if let Some(usage) = mailbox.usage {
            mailbox.waits = false;
            if mailbox.told.is_none() {
                // A dialog of the last process says nothing until something changes, and then it would be the first word.
                self.usage_refresh(usage, now);
            }
            self.tell_voicemail(user, now);
            return;
        }
        if self.draining {
            return;
        }
        let (route, watcher, aor) = (mailbox.route, mailbox.jid.clone(), mailbox.aor.clone());
        let target = self.mapping.uri_to_address(&aor).and_then(|address| self.mapping.address_to_jid(&address));
        let Ok(target) = target.map(|jid| jid.to_bare()) else {
            tracing::warn!(account = aor.as_str(), "no voicemail: the account has no address on the XMPP side");
            return;
        };
        let owner = Owner::Voicemail(route, user);
        let package = Package::MessageSummary;
        let want = Want { owner, route, user: Some(user), watcher, target, package, once: false };
        let usage = self.usage_open(want, now);
        if let Some(mailbox) = self.presence.mailboxes.of.get_mut(&user) {
            mailbox.usage = Some(usage);
        }
        self.timers.set(now, limits::ASK_AGAIN, Timer::Voicemail(user));
    }

    /// What the usage of a mailbox has to say.
    pub(in super::super) fn voicemail_on_told(&mut self, user: UserId, told: Told, now: Now) {
        let Some(mailbox) = self.presence.mailboxes.of.get_mut(&user) else { return };
        match told {
            Told::State(fork, body) => match read(&body) {
                Some(summary) => mailbox.say(fork, summary),
                None => {
                    tracing::info!(account = mailbox.aor.as_str(), "a voicemail notification that cannot be read");
                    return;
                }
            },
            Told::ForkOver(fork) => return mailbox.forget(fork),
            Told::Forbidden(failure) | Told::NoResource(failure) => {
                let (account, reason) = (mailbox.aor.as_str(), failure.reason);
                tracing::warn!(account, ?reason, "no voicemail: the SIP server refuses");
                return;
            }
            // She is told nothing of that: the mailbox has not changed, and dialogs come back.
            Told::Lost(_) | Told::Over => return mailbox.says.clear(),
            Told::Pending | Told::Active(_) | Told::Nothing | Told::Invariant => return,
        }
        if mailbox.told.is_none() {
            mailbox.told = mailbox.now();
            return;
        }
        self.tell_voicemail(user, now);
    }

    /// Tells her what has changed, or waits for her, not oftener than the limit has it.
    fn tell_voicemail(&mut self, user: UserId, now: Now) {
        let Some(mailbox) = self.presence.mailboxes.of.get_mut(&user) else { return };
        let is_news = |summary: &Summary| (mailbox.owed && summary.waiting) || !same(mailbox.told.as_ref(), summary);
        let Some(summary) = mailbox.now().filter(is_news) else { return };
        if let Some(at) = mailbox.at
            && now.mono < at + limits::VOICEMAIL_EVERY
        {
            if !std::mem::replace(&mut mailbox.waits, true) {
                self.timers.set_at(at + limits::VOICEMAIL_EVERY, Timer::Voicemail(user));
            }
            return;
        }
        (mailbox.at, mailbox.owed) = (Some(now.mono), false);
        self.send_headline(user, summary);
    }

    fn send_headline(&mut self, user: UserId, summary: Summary) {
        let Some(mailbox) = self.presence.mailboxes.of.get(&user) else { return };
        let (to, aor) = (mailbox.jid.as_jid().clone(), mailbox.aor.clone());
        let route = mailbox.route;
        let from = summary.account.as_deref().and_then(|account| self.mailbox_jid(account));
        // A server speaks for its own domain and for no other.
        let from = from.filter(|from| self.settings.route_of(from.domain()) == Some(route));
        let Some(from) = from.or_else(|| self.mailbox_jid(aor.as_str())) else { return };
        let Some(link) = self.settings.link_of(from.domain()) else { return };
        let mut message = Message::new(from, to, MessageKind::Headline).with_body(None, &words(&summary));
        message.id = Some(self.ids.stanza_id());
        if let Some(mailbox) = self.presence.mailboxes.of.get_mut(&user) {
            mailbox.told = Some(summary);
        }
        self.tell(link, Stanza::Message(message));
    }

    /// The domain of a mailbox, if it is one of ours.
    fn mailbox_jid(&self, account: &str) -> Option<Jid> {
        let address = self.mapping.uri_to_address(&Uri::parse(account).ok()?).ok()?;
        let jid = self.mapping.address_to_jid(&address).ok()?;
        let is_ours = self.is_at_home_in_sip(jid.domain()) && self.settings.link_of(jid.domain()).is_some();
        if is_ours { Jid::parse(jid.domain()).ok() } else { None }
    }

    /// Somebody has come or gone. Whoever comes back hears what waits.
    pub(super) fn voicemail_on_presence(&mut self, presence: &Presence, now: Now) {
        let Some(from) = presence.from.as_ref().filter(|_| !self.presence.mailboxes.by_jid.is_empty()) else { return };
        let is_available = match presence.kind {
            PresenceKind::Available => true,
            PresenceKind::Unavailable => false,
            PresenceKind::Subscribe
            | PresenceKind::Subscribed
            | PresenceKind::Unsubscribe
            | PresenceKind::Unsubscribed
            | PresenceKind::Probe
            | PresenceKind::Error => return,
        };
        let Some(users) = self.presence.mailboxes.by_jid.get(from.bare()).cloned() else { return };
        for user in users {
            let Some(mailbox) = self.presence.mailboxes.of.get_mut(&user) else { continue };
            let came = mailbox.presence.take(from.resource().unwrap_or_default(), is_available);
            // With nothing known there is nothing to tell, and what comes first is what she knows.
            if came && mailbox.now().is_some_and(|summary| summary.waiting) {
                mailbox.owed = true;
                self.tell_voicemail(user, now);
            }
        }
    }
}

fn read(body: &Body) -> Option<Summary> {
    let media_type = body.content_type.split(';').next().unwrap_or_default().trim();
    let is_summary = media_type.eq_ignore_ascii_case(message_summary::MEDIA_TYPE);
    if is_summary { message_summary::read(&body.bytes).ok() } else { None }
}

/// Whether somebody who knows the one would learn nothing from the other.
fn same(told: Option<&Summary>, now: &Summary) -> bool {
    told.is_some_and(|told| told.waiting == now.waiting && told.counts == now.counts)
}
