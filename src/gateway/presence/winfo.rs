//! Who waits for a user's consent at her own SIP server (`presence.winfo`, RFC 3857), for users of `[[domain.user]]` with
//! `watchers = true`.
//!
//! ```text
//!  NOTIFY: sip:bob@pbx.example pending   `subscribe` from bob@pbx.example to her, once, with what her answer does
//!  `subscribed`, `unsubscribed`          kept, as if he had sent SUBSCRIBE here: his next is active, or refused
//!  NOTIFY: he is active, or gone         `unsubscribe`, if she has not answered: the question is taken back
//! ```
//! # What her answer does
//! It counts for what he sees of her through stox. Her SIP server has no ear for it: RFC 3857 only tells, and the rules of a
//! presence agent are changed by XCAP (RFC 4827, RFC 5025), on a web page or on her phone. So the `subscribe` says in its
//! `<status/>` that she has to answer him there, too. A plain `subscribe` would promise what nobody keeps, and a message
//! would offer no buttons.
//!
//! # Once
//! She is asked when he appears on the list, unless she was asked or has answered before: authorizations are records, so a
//! restart repeats nothing, and what he is refused stays refused for as long as he is on the list. Whoever left the list and
//! comes back is somebody new, if she had not answered.
//!
//! # Whom she is asked about
//! SIP users of the domain whose server has the list. Who may speak for users of others is for `[[peer]]` to say, by whom
//! their SUBSCRIBEs come; a list says only what its server believes. A document that is too large is refused by
//! `presence.document`, and one with more watchers than [`MAX_WATCHERS`] as well (400); a user is asked about
//! [`limits::WATCHERS_ASKED`] in an hour, and about the rest later.
//!
//! [`MAX_WATCHERS`]: crate::model::watcher_info::MAX_WATCHERS

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::super::errand::RouteId;
use super::super::people::UserId;
use super::super::record::Package;
use super::super::{Gateway, Timer, limits};
use super::document;
use super::serve::Pair;
use super::usage::{Owner, Told, UsageId, Want};
use crate::mapping::watchers::words;
use crate::model::watcher_info::{Document, Watcher, Watchers};
use crate::sip::uri::Uri;
use crate::time::Now;
use crate::xml::{Element, ns};
use crate::xmpp::jid::BareJid;
use crate::xmpp::xep::nick;

/// The lists of everybody who wants to be asked.
#[derive(Debug, Default)]
pub(in super::super) struct Waiting {
    of: BTreeMap<UserId, List>,
    /// Whose they are, by bare JID; one may have an account on several servers.
    by_jid: HashMap<Box<str>, Vec<UserId>>,
}

#[derive(Debug)]
struct List {
    route: RouteId,
    /// Whose watchers it has: her own address there.
    aor: Uri,
    /// Her.
    jid: BareJid,
    usage: Option<UsageId>,
    watchers: Watchers,
    /// Whether `watchers` has everybody, so that who is not in it has left.
    is_whole: bool,
    /// The bare JIDs of those on it who wait and whom she was asked about, or need not be.
    seen: BTreeSet<Box<str>>,
    /// Since when `asked` counts.
    since: Duration,
    asked: u32,
    /// A timer will look whether there are more to ask about.
    waits: bool,
    /// A document was missed, and the full state has not come since.
    misses: bool,
    /// A timer will ask for it once more: it cannot be had again and again.
    asks_again: bool,
}

impl List {
    /// One that is subscribed to begins from nothing, and until all of it has come nobody has left.
    fn begin(&mut self) {
        self.watchers = Watchers::default();
        self.is_whole = false;
    }

    /// Takes a document. `false`: the full state is wanted.
    fn take(&mut self, document: Document) -> bool {
        let is_full = document.full;
        let taken = self.watchers.take(document).is_ok();
        self.is_whole = taken && (is_full || self.is_whole);
        taken
    }

    /// Whether she may be asked about one more; if not, when.
    fn may_ask(&mut self, now: Duration) -> Result<(), Duration> {
        let over = self.since + limits::WATCHERS_ASKED_IN;
        if self.asked == 0 || now >= over {
            (self.since, self.asked) = (now, 0);
        }
        if self.asked >= limits::WATCHERS_ASKED {
            return Err(over);
        }
        self.asked += 1;
        Ok(())
    }
}

impl Waiting {
    /// Whether this watcher, a bare JID, is on a list of this user's as one who waits.
    pub(super) fn has(&self, watcher: &str, user: &str) -> bool {
        let lists = self.by_jid.get(user).into_iter().flatten().filter_map(|user| self.of.get(user));
        lists.into_iter().any(|list| list.seen.contains(watcher))
    }
}

impl Gateway {
    /// Plans the subscriptions, a moment apart, for when what the store has kept is back.
    pub(in super::super) fn plan_winfo(&mut self) {
        for (count, (user, route, jid, aor)) in (0_u32..).zip(self.people.with_watchers()) {
            let Ok(jid) = BareJid::parse(jid) else { continue };
            let waiting = &mut self.presence.waiting;
            waiting.by_jid.entry(jid.as_str().into()).or_default().push(user);
            let list = List {
                route,
                aor: aor.clone(),
                jid,
                usage: None,
                watchers: Watchers::default(),
                is_whole: false,
                seen: BTreeSet::new(),
                since: Duration::ZERO,
                asked: 0,
                waits: false,
                misses: false,
                asks_again: false,
            };
            waiting.of.insert(user, list);
            self.timers.set_at(limits::REGISTER_SPACING * count, Timer::Winfo(user));
        }
    }

    /// A list is to be subscribed to, or there is room to ask about more of those on it.
    pub(in super::super) fn on_winfo_due(&mut self, user: UserId, now: Now) {
        let Some(list) = self.presence.waiting.of.get_mut(&user) else { return };
        (list.waits, list.asks_again) = (false, false);
        if let Some(usage) = list.usage {
            if list.misses {
                self.usage_refresh(usage, now);
            }
            return self.ask_about_watchers(user, now);
        }
        if self.draining {
            return;
        }
        let (route, watcher, aor) = (list.route, list.jid.clone(), list.aor.clone());
        let Some(target) = self.jid_of_uri(&aor) else {
            tracing::warn!(account = aor.as_str(), "no watchers: the account has no address on the XMPP side");
            return;
        };
        let (owner, package) = (Owner::Winfo(route, user), Package::PresenceWinfo);
        let want = Want { owner, route, user: Some(user), watcher, target, package, once: false };
        let usage = self.usage_open(want, now);
        if let Some(list) = self.presence.waiting.of.get_mut(&user) {
            list.usage = Some(usage);
        }
    }

    /// What the usage of a list has to say.
    pub(in super::super) fn winfo_on_told(&mut self, user: UserId, told: Told, now: Now) {
        let Some(list) = self.presence.waiting.of.get_mut(&user) else { return };
        let account = list.aor.as_str();
        match told {
            Told::State(_, body) => {
                let Some(document::Document::Watchers(document)) = body.document else { return };
                list.misses = !list.take(document);
                if let Some(usage) = list.usage.filter(|_| list.misses) {
                    // RFC 3858 section 4.
                    if !std::mem::replace(&mut list.asks_again, true) {
                        self.timers.set(now, limits::ASK_AGAIN, Timer::Winfo(user));
                    }
                    self.usage_refresh(usage, now);
                }
                self.ask_about_watchers(user, now);
            }
            Told::Forbidden(failure) | Told::NoResource(failure) => {
                tracing::warn!(account, reason = ?failure.reason, "no watchers: the SIP server refuses");
            }
            Told::Active(_) | Told::ForkOver(_) | Told::Lost(_) | Told::Over => list.begin(),
            Told::Pending | Told::Nothing | Told::Invariant => {}
        }
    }

    /// Asks her about whoever is new on the list, and takes back what she was asked about whoever has left.
    fn ask_about_watchers(&mut self, user: UserId, now: Now) {
        let waiting = self.waiting_on(user);
        let Some(list) = self.presence.waiting.of.get_mut(&user) else { return };
        let her = list.jid.clone();
        if list.is_whole {
            let (seen, gone) =
                std::mem::take(&mut list.seen).into_iter().partition(|watcher| waiting.contains_key(watcher));
            list.seen = seen;
            for watcher in BTreeSet::<Box<str>>::into_iter(gone) {
                if !self.presence.waiting.has(&watcher, her.as_str()) {
                    self.waits_no_more(&Pair::new(&watcher, her.as_str()), now);
                }
            }
        }
        for (watcher, payload) in waiting {
            let pair = Pair::new(&watcher, her.as_str());
            let is_to_be_asked = self.wants_asking(&pair);
            let Some(list) = self.presence.waiting.of.get_mut(&user) else { return };
            if list.seen.contains(&watcher) {
                continue;
            }
            if is_to_be_asked {
                let room = list.may_ask(now.mono);
                let at = match room {
                    Ok(()) if self.ask_for(&pair, payload, now) => None,
                    Ok(()) => Some(now.mono + limits::WATCHERS_ASKED_IN),
                    Err(at) => Some(at),
                };
                if let Some(at) = at {
                    return self.ask_later(user, at);
                }
            }
            if let Some(list) = self.presence.waiting.of.get_mut(&user) {
                list.seen.insert(watcher);
            }
        }
    }

    fn ask_later(&mut self, user: UserId, at: Duration) {
        let Some(list) = self.presence.waiting.of.get_mut(&user) else { return };
        if !std::mem::replace(&mut list.waits, true) {
            tracing::info!(account = list.aor.as_str(), "more watchers wait than she is asked about in an hour");
            self.timers.set_at(at, Timer::Winfo(user));
        }
    }

    /// Those who wait for her, by bare JID, with the words of the question.
    fn waiting_on(&self, user: UserId) -> BTreeMap<Box<str>, Vec<Element>> {
        let Some(list) = self.presence.waiting.of.get(&user) else { return BTreeMap::new() };
        let own = self.jid_of_uri(&list.aor);
        let of = |watcher: &Watcher| {
            let jid = self.jid_of_uri(&Uri::parse(&watcher.uri).ok()?)?;
            let is_theirs = self.settings.route_of(jid.domain()) == Some(list.route);
            if !is_theirs || jid.local().is_none() || own.as_ref() == Some(&jid) {
                return None;
            }
            let uri = self.mapping.address_to_uri(&self.mapping.jid_to_address(jid.as_jid())).ok()?;
            let status = Element::new(ns::CLIENT, "status").with_text(&words(&uri, &list.aor));
            let name =
                watcher.display.as_deref().map(|name| name.chars().take(limits::WATCHER_NAME).collect::<String>());
            let payload = std::iter::once(status).chain(name.as_deref().map(nick::element)).collect();
            Some((jid.as_str().into(), payload))
        };
        list.watchers.asking().filter_map(of).collect()
    }

    fn jid_of_uri(&self, uri: &Uri) -> Option<BareJid> {
        let address = self.mapping.uri_to_address(uri).ok()?;
        Some(self.mapping.address_to_jid(&address).ok()?.to_bare())
    }

    /// Watchers who wait and whom their targets were asked about, or need not be.
    pub(in super::super) fn waiting(&self) -> usize {
        self.presence.waiting.of.values().map(|list| list.seen.len()).sum()
    }
}
