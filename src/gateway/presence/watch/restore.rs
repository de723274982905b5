//! After a restart: authorizations are as they were, and what is not subscribed to begins again, spread.

use std::collections::HashMap;

use super::super::super::Gateway;
use super::super::super::record::{Authorization, AuthorizationRecord, DialogRecord, Package, RecordId};
use super::super::usage::UsageId;
use super::{Clock, Use, Watch};
use crate::time::Now;
use crate::xmpp::jid::BareJid;

/// Whether a watch has subscriptions to it: her own mailbox, and who watches her, are not about presence.
fn is_watched(package: Package) -> bool {
    matches!(package, Package::Presence | Package::Dialog | Package::Reg)
}

/// What was restored and waits until all is.
#[derive(Debug, Default)]
pub(super) struct Restored {
    /// Authorizations that wait for their dialogs.
    watches: Vec<RecordId>,
    /// Refusals of which somebody may not have heard.
    refused: Vec<AuthorizationRecord>,
}

impl Gateway {
    pub(in super::super) fn watch_restore(&mut self, record: AuthorizationRecord) {
        if record.state == Authorization::Refused {
            return self.presence.watching.restored.refused.push(record);
        }
        let (Ok(watcher), Ok(target)) = (BareJid::parse_peer(&record.watcher), BareJid::parse_peer(&record.target))
        else {
            return;
        };
        let link = self.settings.link_of(target.domain());
        let route = self.settings.route_of(target.domain());
        let (Some(link), Some(route), Some(stage)) = (link, route, Self::stage_of(record.state)) else {
            // Its domain is not configured any more; the record stays, for it may come back.
            self.presence.stats.records_idle += 1;
            return;
        };
        let mut watch = Watch::new(watcher, target, link, route, stage, record.changed_at);
        watch.changed_at = record.changed_at;
        self.presence.watching.insert(record.id, watch);
        self.presence.watching.restored.watches.push(record.id);
    }

    /// The watch that a dialog is for, if that was taken back already.
    pub(in super::super) fn watch_of_dialog(&self, record: &DialogRecord) -> Option<RecordId> {
        is_watched(record.package).then(|| self.presence.watching.find(&record.watcher, &record.target))?
    }

    /// Who watches whom by it.
    pub(in super::super) fn watch_pair(&self, id: RecordId) -> Option<(BareJid, BareJid)> {
        let watch = self.presence.watching.watches.get(&id)?;
        Some((watch.watcher.clone(), watch.target.clone()))
    }

    /// Its subscription to this package.
    pub(in super::super) fn watch_uses(&self, id: RecordId, package: Package) -> Option<UsageId> {
        let watch = self.presence.watching.watches.get(&id)?;
        watch.usages.iter().find(|one| one.package == package).map(|one| one.usage)
    }

    /// One more subscription was taken back for it.
    pub(in super::super) fn watch_uses_also(&mut self, id: RecordId, usage: UsageId, package: Package) {
        let Some(watch) = self.presence.watching.watches.get_mut(&id) else { return };
        watch.usages.reserve_exact(1);
        watch.usages.push(Use { package, usage, standing: super::Standing::Open });
    }

    /// All records are in: authorizations without dialogs get new ones.
    pub(in super::super) fn watches_restored(&mut self, now: Now) {
        let Restored { watches: restored, refused } = std::mem::take(&mut self.presence.watching.restored);
        refused.iter().for_each(|record| self.part_again(record, now));
        let mut late = Vec::new();
        for id in restored {
            let Some(watch) = self.presence.watching.watches.get(&id) else { continue };
            for (usage, package) in self.usages_of(watch.watcher.as_str(), watch.target.as_str()) {
                if is_watched(package) {
                    self.usage_own(usage, super::Owner::Watch(id));
                    self.watch_uses_also(id, usage, package);
                }
            }
            self.rejoin_list(id, now);
            let Some(watch) = self.presence.watching.watches.get(&id) else { continue };
            if let Some((_, route)) = self.settings.routes.get(watch.route)
                && route.presence.watch.len() > watch.usages.len()
            {
                late.push(id);
            }
        }
        // Those of one watcher whose domain has lists come together, so that one list has them all.
        let mut of_watcher = HashMap::new();
        for id in late {
            let lister = self.lister(id);
            let known = lister.as_ref().and_then(|watcher| of_watcher.get(watcher).copied());
            let turn = known.unwrap_or_else(|| self.turn());
            of_watcher.extend(lister.map(|watcher| (watcher, turn)));
            self.set_watch_clock(id, Clock::Restored, turn, now);
        }
    }

    /// The watcher, if she may have a list at the domain.
    fn lister(&self, id: RecordId) -> Option<BareJid> {
        let watch = self.presence.watching.watches.get(&id)?;
        let (_, route) = self.settings.routes.get(watch.route)?;
        route.presence.list.is_some().then(|| watch.watcher.clone())
    }
}
