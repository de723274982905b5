//! Lists of contacts on the SIP side (RFC 4662): one subscription of a watcher instead of one for each of her contacts.
//!
//! A domain with `list` has a list for each of its watchers, kept there by whoever keeps it: who is on it is learned from
//! what it tells. The first watch that wants presence opens it, and the last that ends closes it. Between, each watch at the
//! domain is a [`Member`] and stands so:
//!
//! ```text
//! Waiting --named--> Covered           seen through the list; no dialog of its own
//!    |   <--named--> Missed |          a full state did not name it; the rest of it may
//!    +---------+------------+--> Alone one of its own, until the list tells its target's state
//! ```
//! It becomes alone when the list does not name it in a full state or within [`limits::LIST_REST`] after it, says nothing of
//! it within [`limits::LIST_WAIT`], or is refused or lost; after the grace of any subscription where something was shown. So
//! nobody loses presence because a list does not exist. Members of lists on the list are not looked for, and whoever is on
//! none of them is alone.
//!
//! A full state has everybody (RFC 4662 section 5.2), but Kamailio, told to keep its bodies small, calls only the first of
//! several pieces full.
//!
//! [`limits::LIST_WAIT`]: super::super::limits::LIST_WAIT
//! [`limits::LIST_REST`]: super::super::limits::LIST_REST

mod document;

use std::collections::HashMap;

use super::super::Gateway;
use super::super::errand::RouteId;
use super::super::limits;
use super::super::record::{Package, RecordId};
use super::document::Document;
use super::usage::{Fork, Owner, Told, UsageId, Want};
use crate::model::Address;
use crate::model::Failure;
use crate::model::event::Versions;
use crate::model::presence::Presence;
use crate::model::resource_list::{Resource, State};
use crate::sip::uri::Uri;
use crate::time::Now;
use crate::xmpp::jid::BareJid;
pub(super) use document::{ListDocument, MEDIA_TYPE};

/// A list by its number.
pub(super) type ListId = u64;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Lists {
    by_pair: HashMap<(BareJid, BareJid), ListId>,
    lists: HashMap<ListId, List>,
    by_usage: HashMap<UsageId, ListId>,
    count: ListId,
}

/// One list.
#[derive(Debug)]
pub(super) struct List {
    watcher: BareJid,
    /// Its address, as a JID.
    address: BareJid,
    /// None once it was refused.
    pub(super) usage: Option<UsageId>,
    standing: Standing,
    versions: Versions,
    members: HashMap<RecordId, Member>,
    /// What it told of those whom nobody watches yet, while watches that have begun together come in.
    spare: Option<HashMap<BareJid, Row>>,
}

/// How a list stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It has not told a full state yet.
    Asked,
    /// It has.
    Told,
    /// It is tried again.
    Lost,
    /// There is none.
    Refused,
}

/// How a watch stands to the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Member {
    /// The list may still name it.
    Waiting,
    /// The list has.
    Covered,
    /// The list told a full state without it, and the rest may follow.
    Missed,
    /// It has a subscription of its own.
    Alone,
}

/// What a list tells of one member.
#[derive(Debug)]
pub(super) enum Row {
    /// That it is on the list.
    Named,
    /// Its states, those that can be read.
    Active(Vec<(Fork, Presence)>),
    /// That there is none.
    Over(Why),
}

/// Why not (RFC 6665 section 4.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    Rejected,
    NoResource,
    /// It may come back.
    Other,
}

impl Lists {
    /// Whether this subscription is a list's.
    pub(super) fn has(&self, usage: UsageId) -> bool {
        self.by_usage.contains_key(&usage)
    }

    pub(super) fn get_mut(&mut self, id: ListId) -> Option<&mut List> {
        self.lists.get_mut(&id)
    }

    /// How a watch stands to it.
    pub(super) fn member(&self, id: ListId, watch: RecordId) -> Option<Member> {
        self.lists.get(&id)?.members.get(&watch).copied()
    }

    pub(super) fn set_member(&mut self, id: ListId, watch: RecordId, member: Member) {
        if let Some(list) = self.lists.get_mut(&id) {
            list.members.insert(watch, member);
        }
    }

    /// Takes a watch in. It waits for what the list tells, if there is still something to wait for; else it is alone.
    pub(super) fn join(&mut self, id: ListId, watch: RecordId, target: &BareJid) -> Option<(UsageId, Option<Row>)> {
        let list = self.lists.get_mut(&id)?;
        let row = list.spare.as_mut().and_then(|spare| spare.remove(target));
        let hopes = list.standing == Standing::Asked || row.is_some();
        let usage = list.usage.filter(|_| hopes);
        list.members.insert(watch, if usage.is_some() { Member::Waiting } else { Member::Alone });
        Some((usage?, row))
    }

    /// Watches that come now did not begin together with the list.
    pub(super) fn drop_spare(&mut self, id: ListId) {
        if let Some(list) = self.lists.get_mut(&id) {
            list.spare = None;
        }
    }

    fn insert(&mut self, watcher: BareJid, address: BareJid) -> ListId {
        self.count += 1;
        self.by_pair.insert((watcher.clone(), address.clone()), self.count);
        let list = List {
            watcher,
            address,
            usage: None,
            standing: Standing::Asked,
            versions: Versions::default(),
            members: HashMap::new(),
            spare: Some(HashMap::new()),
        };
        self.lists.insert(self.count, list);
        self.count
    }

    fn set_usage(&mut self, id: ListId, usage: Option<UsageId>) {
        let Some(list) = self.lists.get_mut(&id) else { return };
        if let Some(old) = std::mem::replace(&mut list.usage, usage) {
            self.by_usage.remove(&old);
        }
        if let Some(usage) = usage {
            self.by_usage.insert(usage, id);
        }
    }
}

impl Gateway {
    /// The address of the list of this watcher at the domain of this target, if the domain has lists.
    fn list_address(&self, route: RouteId, watcher: &BareJid, target: &BareJid) -> Option<BareJid> {
        let template = self.settings.routes.get(route)?.1.presence.list.as_deref()?;
        let account = self.people.find(route, watcher.as_jid()).and_then(|user| self.people.aor(user));
        let user = match account.and_then(|aor| self.mapping.uri_to_address(aor).ok()) {
            Some(address) => address.user,
            None => self.mapping.jid_to_address(watcher.as_jid()).user.map(|user| user.to_string()),
        };
        let user = template.replace("{user}", &user?);
        let domain = target.domain().to_owned();
        let address = Address { user: Some(user), domain, instance: None };
        Some(self.mapping.address_to_jid(&address).ok()?.to_bare())
    }

    /// The list that may tell this watcher of this target. It is opened unless there is one.
    pub(super) fn list_open(
        &mut self,
        route: RouteId,
        watcher: &BareJid,
        target: &BareJid,
        now: Now,
    ) -> Option<ListId> {
        let address = self.list_address(route, watcher, target)?;
        let pair = (watcher.clone(), address);
        if let Some(id) = self.presence.lists.by_pair.get(&pair) {
            return Some(*id);
        }
        let (watcher, address) = pair;
        let id = self.presence.lists.insert(watcher.clone(), address.clone());
        let user = self.people.find(route, watcher.as_jid());
        let (owner, package) = (Owner::List(id), Package::Presence);
        let usage = self.usage_open(Want { owner, route, user, watcher, target: address, package, once: false }, now);
        self.presence.lists.set_usage(id, Some(usage));
        Some(id)
    }

    /// The list that a restart has left for this watcher.
    pub(super) fn list_adopt(&mut self, route: RouteId, watcher: &BareJid, target: &BareJid) -> Option<ListId> {
        let address = self.list_address(route, watcher, target)?;
        let pair = (watcher.clone(), address);
        if let Some(id) = self.presence.lists.by_pair.get(&pair) {
            return Some(*id);
        }
        let left = self.usages_of(pair.0.as_str(), pair.1.as_str());
        let (usage, _) = left.into_iter().find(|(_, package)| *package == Package::Presence)?;
        let id = self.presence.lists.insert(pair.0, pair.1);
        self.usage_own(usage, Owner::List(id));
        self.presence.lists.set_usage(id, Some(usage));
        Some(id)
    }

    /// A watch is over, or its watcher away. A list that nobody is left of is closed.
    pub(super) fn list_leave(&mut self, id: Option<ListId>, watch: RecordId, now: Now) {
        let lists = &mut self.presence.lists;
        let Some((id, list)) = id.and_then(|id| Some((id, lists.lists.get_mut(&id)?))) else { return };
        list.members.remove(&watch);
        if !list.members.is_empty() {
            return;
        }
        let usage = list.usage;
        lists.set_usage(id, None);
        if let Some(list) = lists.lists.remove(&id) {
            lists.by_pair.remove(&(list.watcher, list.address));
        }
        if let Some(usage) = usage {
            self.usage_close(usage, now);
        }
    }

    /// What the subscription of a list says.
    pub(super) fn list_on_told(&mut self, id: ListId, told: Told, now: Now) {
        let Some(list) = self.presence.lists.lists.get_mut(&id) else { return };
        match told {
            Told::Pending | Told::Nothing | Told::ForkOver(_) | Told::Invariant => {}
            // Each dialog counts its documents anew.
            Told::Active(_) => list.versions = Versions::default(),
            Told::State(_, body) => match body.document {
                Some(Document::List(document)) => self.list_on_document(id, *document, now),
                Some(
                    Document::Presence(_) | Document::Calls(_) | Document::Registrations(_) | Document::Watchers(_),
                )
                | None => {
                    tracing::debug!(list = list.address.as_str(), "what was taken for a list is none");
                    if let Some(usage) = list.usage {
                        self.usage_close(usage, now);
                    }
                    self.list_refused(id, now);
                }
            },
            Told::Forbidden(failure) => {
                tracing::debug!(list = list.address.as_str(), reason = ?failure.reason, "a list is refused");
                self.list_refused(id, now);
            }
            Told::NoResource(failure) | Told::Lost(failure) => self.list_lost(id, &failure, now),
            Told::Over => self.list_refused(id, now),
        }
    }

    fn members_of(&self, id: ListId, which: impl Fn(Member) -> bool) -> Vec<RecordId> {
        let list = self.presence.lists.lists.get(&id);
        let members = list.into_iter().flat_map(|list| &list.members).filter(|(_, member)| which(**member));
        members.map(|(watch, _)| *watch).collect()
    }

    fn list_refused(&mut self, id: ListId, now: Now) {
        self.presence.lists.set_usage(id, None);
        let Some(list) = self.presence.lists.lists.get_mut(&id) else { return };
        (list.standing, list.spare) = (Standing::Refused, None);
        for watch in self.members_of(id, |member| member != Member::Alone) {
            self.fall_back(watch, now);
        }
    }

    fn list_lost(&mut self, id: ListId, failure: &Failure, now: Now) {
        let Some(list) = self.presence.lists.lists.get_mut(&id) else { return };
        tracing::debug!(list = list.address.as_str(), reason = ?failure.reason, "a list is lost, and tried again");
        (list.standing, list.spare) = (Standing::Lost, None);
        for watch in self.members_of(id, |member| member != Member::Alone) {
            self.list_member_lost(watch, failure, now);
        }
    }

    fn list_on_document(&mut self, id: ListId, document: ListDocument, now: Now) {
        let ListDocument { list: told, mut states } = document;
        let Some(list) = self.presence.lists.lists.get_mut(&id) else { return };
        let turn = list.versions.turn_of_list(told.version, told.full);
        let (usage, asks) = (list.usage, turn.asks().is_err());
        if turn.takes() {
            if told.full {
                list.standing = Standing::Told;
            }
            let mut named = Vec::new();
            for resource in told.resources {
                named.extend(self.list_on_row(id, &resource, &mut states, now));
            }
            if told.full {
                named.sort_unstable();
                let missing = self.members_of(id, |member| member != Member::Alone);
                for watch in missing.into_iter().filter(|watch| named.binary_search(watch).is_err()) {
                    self.list_misses(id, watch, now);
                }
            }
        }
        if let Some(usage) = usage.filter(|_| asks) {
            self.usage_refresh(usage, now);
        }
    }

    /// One member of the list; then the watch that it concerns. A list of one domain says nothing of users of another.
    fn list_on_row(
        &mut self,
        id: ListId,
        resource: &Resource,
        states: &mut HashMap<String, Presence>,
        now: Now,
    ) -> Option<RecordId> {
        let uri = Uri::parse(&resource.uri).ok()?;
        let target = self.mapping.address_to_jid(&self.mapping.uri_to_address(&uri).ok()?).ok()?.to_bare();
        let list = self.presence.lists.lists.get_mut(&id)?;
        if target.domain() != list.address.domain() {
            return None;
        }
        let row = row(resource, states);
        let watch = self.presence.watching.find(list.watcher.as_str(), target.as_str());
        match watch.filter(|watch| list.members.contains_key(watch)) {
            Some(watch) => {
                self.list_tell(id, watch, row, now);
                Some(watch)
            }
            None => {
                if let Some(spare) = list.spare.as_mut().filter(|spare| spare.len() < limits::LIST_SPARE) {
                    keep(spare, target, row);
                }
                None
            }
        }
    }
}

impl Gateway {
    /// Lists that there are.
    pub(in super::super) fn lists_open(&self) -> usize {
        self.presence.lists.lists.len()
    }

    /// Watches that see through a list.
    pub(in super::super) fn lists_covering(&self) -> usize {
        let covered = |list: &List| list.members.values().filter(|member| **member == Member::Covered).count();
        self.presence.lists.lists.values().map(covered).sum()
    }
}

fn row(resource: &Resource, states: &mut HashMap<String, Presence>) -> Row {
    let is = |state| resource.instances.iter().filter(move |instance| instance.state == state);
    if is(State::Active).next().is_some() {
        let each = is(State::Active).filter_map(|instance| {
            let state = states.remove(instance.cid.as_ref()?)?;
            Some((fork(&instance.id), state))
        });
        return Row::Active(each.collect());
    }
    match is(State::Terminated).next_back() {
        Some(last) if is(State::Pending).next().is_none() => Row::Over(match last.reason.as_deref() {
            Some("rejected") => Why::Rejected,
            Some("noresource") => Why::NoResource,
            Some(_) | None => Why::Other,
        }),
        Some(_) | None => Row::Named,
    }
}

/// To be named says nothing new of one whose state was told.
fn keep(spare: &mut HashMap<BareJid, Row>, target: BareJid, row: Row) {
    match row {
        Row::Named => drop(spare.entry(target).or_insert(row)),
        Row::Active(_) | Row::Over(_) => drop(spare.insert(target, row)),
    }
}

/// Instances of a member are told apart as the dialogs of a subscription are; FNV-1a of what the list calls them.
fn fork(id: &str) -> Fork {
    id.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
