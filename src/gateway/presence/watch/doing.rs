//! What a SIP user does and feels, told as her account would tell it (XEP-0163): XEP-0107 and XEP-0108 do not want it in
//! presence.

use std::hash::BuildHasher;

use super::super::super::Gateway;
use crate::mapping::presence::Doing;
use crate::time::Now;
use crate::xmpp::Message;
use crate::xmpp::jid::{BareJid, Jid};
use crate::xmpp::stanza::{Presence, PresenceKind};
use crate::xmpp::xep::{activity, mood, pep};

/// What stands for `doing` in the memory of a watch: 0 for nothing.
pub(super) fn print_of(doing: &Doing, hasher: &impl BuildHasher) -> u64 {
    if *doing == Doing::default() { 0 } else { hasher.hash_one(doing) | 1 }
}

/// The events that tell `doing` to a watcher, who was told something else before or nothing. That something is over is told
/// to who knew of it.
pub(super) fn events(doing: &Doing, told_before: bool, target: &BareJid, watcher: &Jid) -> Vec<Message> {
    let activity = Some(activity::element(&doing.activity)).filter(|told| told_before || !told.is_empty());
    let mood = Some(mood::element(&doing.mood)).filter(|told| told_before || !told.is_empty());
    activity.into_iter().chain(mood).map(|item| pep::event(target, watcher, item)).collect()
}

impl Gateway {
    /// A user who lets the target watch her gets his capabilities with his presence: by them her server sees that he takes
    /// what her account tells (XEP-0163 section 4.2, XEP-0115). `true`: she does.
    pub(super) fn add_capabilities(&self, target: &BareJid, watcher: &BareJid, told: &mut [Presence]) -> bool {
        let lets_watch = self.serves(target.as_str(), watcher.as_str());
        if lets_watch {
            let available = told.iter_mut().filter(|presence| presence.kind == PresenceKind::Available);
            available.for_each(|presence| presence.payload.push(self.surface.phone_caps()));
        }
        lets_watch
    }

    /// The watcher, who was shown the target already, lets him watch her from now on.
    pub(in super::super) fn show_capabilities(&mut self, watcher: &str, target: &str, now: Now) {
        let watching = &self.presence.watching;
        let Some(id) = watching.find(watcher, target) else { return };
        let Some(watch) = watching.watches.get(&id).filter(|watch| !watch.shown.is_empty()) else { return };
        let (link, watcher, target) = (watch.link, watch.watcher.clone(), watch.target.clone());
        self.show(id, now);
        if self.link_is_up(link) {
            self.ask_doing(link, &target, &watcher);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::hash::RandomState;

    #[test]
    fn what_changes_is_told_and_so_is_its_end() {
        let (target, watcher) = ("romeo@example.net".parse().unwrap(), "juliet@example.com".parse().unwrap());
        let told = |doing: &Doing, before: bool| {
            let events = events(doing, before, &target, &watcher);
            let item = |event: &Message| pep::items(event).map(|item| format!("{item:?}")).collect::<String>();
            events.iter().map(item).collect::<Vec<_>>()
        };
        let mut calls = Doing::default();
        calls.activity.general = "talking".to_owned();
        calls.activity.specific = Some("on_the_phone".to_owned());
        let on_the_phone =
            "<activity xmlns='http://jabber.org/protocol/activity'><talking><on_the_phone/></talking></activity>";
        assert_eq!(told(&calls, false), [on_the_phone]);
        let over = [
            "<activity xmlns='http://jabber.org/protocol/activity'/>",
            "<mood xmlns='http://jabber.org/protocol/mood'/>",
        ];
        assert_eq!(told(&Doing::default(), true), over);
        assert!(told(&Doing::default(), false).is_empty());
        let hasher = RandomState::new();
        assert_eq!(print_of(&Doing::default(), &hasher), 0);
        assert_ne!(print_of(&calls, &hasher), 0);
        assert_eq!(print_of(&calls, &hasher), print_of(&calls.clone(), &hasher));
    }
}
