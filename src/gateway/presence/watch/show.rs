//! What the watcher sees: presence by resource, told only where it has changed.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use super::super::super::limits::RESTORE_RATE;
use super::super::super::record::RecordId;
use super::super::super::{Gateway, Link, Output};
use super::super::recover::Domains;
use super::{Clock, SHOW_AGAIN, Stage, Standing, Watch, doing};
use crate::model::presence::Show;
use crate::time::Now;
use crate::xmpp::jid::Jid;
use crate::xmpp::stanza::{Presence, PresenceKind, Stanza};

/// What was told so long before a link broke was heard: longer than it takes to find out that a stream is dead
/// (`ping_every` and `ping_timeout`).
const IN_DOUBT: Duration = Duration::from_secs(120);

/// What was told of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    /// Empty: of the bare address.
    resource: Box<str>,
    available: bool,
    show: Option<Show>,
    /// A hash of the whole stanza.
    print: u64,
}

impl Shown {
    fn of(presence: &Presence, hasher: &impl std::hash::BuildHasher) -> Self {
        let resource = presence.from.as_ref().and_then(Jid::resource).unwrap_or_default();
        let available = presence.kind == PresenceKind::Available;
        let show = presence.show().and_then(|show| Show::parse(show.trim()));
        let mut state = hasher.build_hasher();
        presence.lang.hash(&mut state);
        available.hash(&mut state);
        let mut text = Vec::with_capacity(256);
        for child in &presence.payload {
            crate::xml::writer::write(child, crate::xml::ns::CLIENT, &mut text);
        }
        text.hash(&mut state);
        Self { resource: resource.into(), available, show, print: state.finish() }
    }
}

impl Gateway {
    /// Tells the watcher what has changed: every tuple as the presence of its resource, and those that have vanished as
    /// unavailable (RFC 8048 section 6.3).
    pub(super) fn show(&mut self, id: RecordId, now: Now) {
        let Some(watch) = self.presence.watching.watches.get(&id) else { return };
        if watch.stage != Stage::Granted {
            return;
        }
        let Some((_, route)) = self.settings.routes.get(watch.route) else { return };
        let (target, watcher) = (&watch.target, watch.watcher.as_jid());
        let state = watch.view.state(&route.presence.phone, target.local().unwrap_or_default());
        let mut told = match &state {
            Some(state) => self.mapping.presence_to_xmpp(state, target, watcher, now.wall),
            // Nothing is known yet; where a subscription stands and says nothing, the user is absent (RFC 8048 section 5.2.1).
            None if watch.shown.is_empty() && !watch.stands(Standing::Active) => return,
            None => vec![Presence::new(target.as_jid().clone(), watcher.clone(), PresenceKind::Unavailable)],
        };
        let lets_watch = self.add_capabilities(target, &watch.watcher, &mut told);
        let asks = (lets_watch && watch.shown.is_empty()).then(|| (target.clone(), watch.watcher.clone()));
        let hasher = &self.presence.watching.hasher;
        let mut shown: Vec<_> = told.iter().map(|presence| Shown::of(presence, hasher)).collect();
        let mut gone = Vec::new();
        let mut still = Vec::new();
        for old in watch.shown.iter().filter(|old| shown.iter().all(|new| new.resource != old.resource)) {
            let Some(unavailable) = unavailable(target.as_jid(), watcher, &old.resource) else { continue };
            let said = unavailable.from.as_ref();
            let holds =
                state.as_ref().zip(said).is_some_and(|(state, jid)| self.mapping.is_told_of(state, target, jid));
            match (holds, old.available) {
                (true, _) => still.push(old.clone()),
                (false, true) => gone.push(unavailable),
                (false, false) => {}
            }
        }
        shown.extend(still);
        let stanzas = in_order(gone, told, &shown, &watch.shown);
        let does = state.as_ref().map(|state| self.mapping.doing(state, now.wall)).unwrap_or_default();
        let doing = doing::print_of(&does, hasher);
        let is_new = doing != watch.doing || (watch.shown.is_empty() && doing != 0);
        let events = if is_new { doing::events(&does, watch.doing != 0, target, watcher) } else { Vec::new() };
        let link = watch.link;
        let up = self.link_is_up(link);
        let Some(watch) = self.presence.watching.watches.get_mut(&id) else { return };
        if !up {
            watch.missed |= !stanzas.is_empty() || !events.is_empty();
            return;
        }
        watch.missed = false;
        watch.shown = shown;
        watch.doing = doing;
        watch.told_at = now.mono.into();
        self.outputs.extend(stanzas.into_iter().map(|presence| Output::Stanza(link, Stanza::Presence(presence))));
        self.outputs.extend(events.into_iter().map(|event| Output::Stanza(link, Stanza::Message(event))));
        if let Some((target, watcher)) = asks {
            self.ask_doing(link, &target, &watcher);
        }
    }

    /// Says how one resource is, and of one that is not there that it is unavailable. While nothing is known, nothing is said:
    /// the watcher is told as soon as something is.
    pub(super) fn show_one(&mut self, id: RecordId, one: &Jid, now: Now) {
        let Some(watch) = self.presence.watching.watches.get(&id) else { return };
        let Some((_, route)) = self.settings.routes.get(watch.route) else { return };
        let (target, watcher, link) = (&watch.target, watch.watcher.as_jid(), watch.link);
        let Some(state) = watch.view.state(&route.presence.phone, target.local().unwrap_or_default()) else { return };
        let mut told = self.mapping.presence_to_xmpp(&state, target, watcher, now.wall);
        self.add_capabilities(target, &watch.watcher, &mut told);
        let told = told.into_iter().find(|presence| presence.from.as_ref() == Some(one));
        let told = told.unwrap_or_else(|| Presence::new(one.clone(), watcher.clone(), PresenceKind::Unavailable));
        if self.link_is_up(link) {
            self.outputs.push(Output::Stanza(link, Stanza::Presence(told)));
        }
    }

    /// The watcher sees nobody any more.
    pub(super) fn show_gone(&mut self, id: RecordId, _now: Now) {
        let Some(watch) = self.presence.watching.watches.get_mut(&id) else { return };
        let (link, target, watcher) = (watch.link, watch.target.as_jid(), watch.watcher.as_jid());
        let shown = std::mem::take(&mut watch.shown);
        let gone = shown.iter().filter(|old| old.available);
        let gone: Vec<_> = gone.filter_map(|old| unavailable(target, watcher, &old.resource)).collect();
        if self.link_is_up(link) {
            self.outputs.extend(gone.into_iter().map(|presence| Output::Stanza(link, Stanza::Presence(presence))));
        }
    }

    /// Presence of ours did not get onto its link: the last state is told as soon as there is room.
    pub(in super::super::super) fn on_presence_unsent(&mut self, presence: &Presence, now: Now) {
        let (Some(from), Some(to)) = (&presence.from, &presence.to) else { return };
        let Some(id) = self.presence.watching.find(to.bare(), from.bare()) else { return };
        let Some(watch) = self.presence.watching.watches.get_mut(&id) else { return };
        watch.shown.clear();
        watch.missed = true;
        let link = watch.link;
        if self.link_is_up(link)
            && let Some(watch) = self.presence.watching.watches.get_mut(&id)
            && !std::mem::replace(&mut watch.waits.show, true)
        {
            self.set_watch_clock(id, Clock::Show, SHOW_AGAIN, now);
        }
    }

    /// A link broke: what was put on it of late may not have been heard.
    pub(in super::super::super) fn doubt_shown(&mut self, link: Link, now: Now) {
        for watch in self.presence.watching.watches.values_mut().filter(|watch| watch.link == link) {
            if now.mono.saturating_sub(watch.told_at.get()) < IN_DOUBT && !watch.shown.is_empty() {
                watch.shown.clear();
                watch.missed = true;
            }
        }
    }

    /// The way to these domains is there again, and their users may not have heard what they were told: it is told again, to
    /// so many a second.
    pub(in super::super) fn show_again(&mut self, up: &Domains, now: Now) {
        let of_domain =
            |watch: &Watch| up.get(&watch.link).is_some_and(|domains| domains.contains(watch.watcher.domain()));
        let watches = self.presence.watching.watches.iter();
        let shown = watches.filter(|(_, watch)| of_domain(watch) && (watch.missed || !watch.shown.is_empty()));
        let mut shown: Vec<_> = shown.map(|(id, _)| *id).collect();
        shown.sort_unstable();
        for (turn, id) in (0_u32..).zip(shown) {
            let Some(watch) = self.presence.watching.watches.get_mut(&id) else { continue };
            watch.shown.clear();
            if !std::mem::replace(&mut watch.waits.show, true) {
                self.set_watch_clock(id, Clock::Show, Duration::from_secs(1) / RESTORE_RATE * turn, now);
            }
        }
    }

    /// A link is back: what changed meanwhile is told.
    pub(in super::super::super) fn show_missed(&mut self, link: Link, now: Now) {
        let missed = self.presence.watching.watches.iter().filter(|(_, watch)| watch.link == link && watch.missed);
        let mut missed: Vec<_> = missed.map(|(id, _)| *id).collect();
        // The order of the table is another in each process; a simulation shall repeat itself.
        missed.sort_unstable();
        for id in missed {
            self.show(id, now);
        }
    }
}

/// What is to be said, `told` being all that could be, and `shown` what that comes to; `before` is what was shown.
///
/// Many clients take "unavailable" from the bare address for the end of every resource. So beside a resource that is there
/// it is said only to end what was said of the bare address, and then first, with all that are there after it.
fn in_order(gone: Vec<Presence>, told: Vec<Presence>, shown: &[Shown], before: &[Shown]) -> Vec<Presence> {
    let ends_all = |said: &Presence| {
        said.kind == PresenceKind::Unavailable && said.from.as_ref().is_some_and(|from| from.resource().is_none())
    };
    let somebody = shown.iter().any(|new| new.available);
    let was_there = before.iter().any(|old| old.available && old.resource.is_empty());
    let is_said = |said: &Presence| !ends_all(said) || !somebody || was_there;
    let again = somebody && was_there && (gone.iter().any(ends_all) || told.iter().any(ends_all));
    let changed = told.into_iter().zip(shown).filter(|(_, new)| !before.contains(new) || (again && new.available));
    let mut stanzas: Vec<_> = gone.into_iter().chain(changed.map(|(told, _)| told)).filter(is_said).collect();
    stanzas.sort_by_key(|said| !ends_all(said));
    stanzas
}

fn unavailable(target: &Jid, watcher: &Jid, resource: &str) -> Option<Presence> {
    let from = match resource {
        "" => target.clone(),
        resource => target.to_bare().with_resource(resource).ok()?,
    };
    Some(Presence::new(from, watcher.clone(), PresenceKind::Unavailable))
}

/// In words, without what the user has written: for operators.
impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = if self.available { "available" } else { "unavailable" };
        match &*self.resource {
            "" => write!(f, "{state}")?,
            resource => write!(f, "{resource} {state}")?,
        }
        self.show.map_or(Ok(()), |show| write!(f, " ({})", show.name()))
    }
}
