//! `[domain.presence]` and `[presence]`: how presence crosses, and what bounds it.

use std::time::Duration;

use super::{HOUR, SECOND};
use crate::config::section::Section;
use crate::config::value::Bad;
use crate::gateway::record::Package;
use crate::gateway::{PresenceLimits, PresenceRules};
use crate::mapping::phone::PhoneRules;
use crate::mapping::preset::Preset;
use crate::model::presence::Show;
use crate::xmpp::escape::escape_local;

/// Subscriptions are asked for no shorter than a minute: each refresh is work for the PBX.
const LEAST_EXPIRES: u32 = 60;

/// How presence crosses at one SIP domain, whose server is `peer`.
pub(super) fn rules(section: &Section<'_>, peer: Option<&'static Preset>) -> PresenceRules {
    let defaults = PresenceRules::default();
    let watch = peer.and_then(|peer| peer.list("watch")).map(|names| {
        let named = |name: &String| WATCHED.iter().copied().find(|package| package.name() == name);
        names.iter().filter_map(named).collect()
    });
    let packages = |key, takes: &'static [Package], default: Vec<Package>| {
        if !section.has(key) {
            return default;
        }
        let mut list = section.list(key, |text| package(text, takes));
        list.sort_unstable();
        list.dedup();
        list
    };
    let watch = packages("watch", WATCHED, watch.unwrap_or(defaults.watch));
    let serve = packages("serve", SERVED, defaults.serve);
    let dnd_is_busy = section.boolean("dnd_is_busy", defaults.dnd_is_busy);
    without_effect(section, &watch, dnd_is_busy && !serve.contains(&Package::Dialog));
    only_with_dialog(section, &watch, peer);
    let expires = section.duration("expires", SECOND * LEAST_EXPIRES..=24 * HOUR, SECOND * defaults.expires);
    PresenceRules {
        watch,
        serve,
        expires: u32::try_from(expires.as_secs()).unwrap_or(defaults.expires),
        phone: phone(section, peer),
        dnd_is_busy,
        publish: section.boolean("publish", defaults.publish),
        list: list(section),
    }
}

/// What is written and changes nothing.
fn without_effect(section: &Section<'_>, watch: &[Package], is_unlit: bool) {
    if is_unlit {
        let todo = "write serve = [\"presence\", \"dialog\"], or remove it";
        section.warn("dnd_is_busy", "lights no lamp without \"dialog\" in serve", todo);
    }
    if !watch.is_empty() || section.has_error("watch") {
        return;
    }
    for key in ["busy", "busy_text", "ringing_text", "held_text", "caller_of"] {
        if section.has(key) {
            let todo = "write what is to be watched into watch, or remove it";
            section.warn(key, "means nothing with watch = []", todo);
        }
    }
}

/// What only `dialog` can tell: with whom somebody speaks; and, but for servers whose notes are known, that a phone rings
/// and that a call is on hold.
fn only_with_dialog(section: &Section<'_>, watch: &[Package], peer: Option<&'static Preset>) {
    if watch.is_empty() || watch.contains(&Package::Dialog) || section.has_error("watch") {
        return;
    }
    let told_in_notes: &[&str] = if peer.is_none() { &["ringing_text", "held_text"] } else { &[] };
    for key in [&["caller_of"], told_in_notes].concat() {
        if section.has(key) {
            let todo = "write watch = [\"presence\", \"dialog\"], or remove it";
            section.warn(key, "is shown by nobody without \"dialog\" in watch", todo);
        }
    }
}

const WATCHED: &[Package] = &[Package::Presence, Package::Dialog, Package::Reg];
const SERVED: &[Package] = &[Package::Presence, Package::Dialog];

fn package(text: &str, takes: &[Package]) -> Result<Package, Bad> {
    let known = takes.iter().find(|package| package.name() == text);
    known.copied().ok_or_else(|| {
        let names = takes.iter().map(|package| format!("\"{}\"", package.name())).collect::<Vec<_>>().join(", ");
        Bad { what: "is no event package that is known here".to_owned(), todo: format!("write one of {names}") }
    })
}

fn phone(section: &Section<'_>, peer: Option<&'static Preset>) -> PhoneRules {
    let defaults = PhoneRules::default();
    let words = |key| section.parsed(key, |text| Ok(text.to_owned()));
    PhoneRules {
        busy: section.choice("busy", &[("dnd", Show::Dnd), ("away", Show::Away)]).unwrap_or(defaults.busy),
        busy_text: words("busy_text").unwrap_or(defaults.busy_text),
        ringing: words("ringing_text"),
        held: words("held_text"),
        caller_of: section.list("caller_of", localpart),
        notes: peer.map_or(&[], |peer| &peer.notes),
    }
}

/// A localpart as JIDs have it.
fn localpart(text: &str) -> Result<String, Bad> {
    match escape_local(text) {
        Some(local) if !text.is_empty() && !text.contains(['@', '/']) => Ok(local.to_lowercase()),
        Some(_) | None => {
            let todo = "write what stands before the @ of the user's JID, such as \"romeo\"".to_owned();
            Err(Bad { what: "is no user".to_owned(), todo })
        }
    }
}

fn list(section: &Section<'_>) -> Option<String> {
    let list = section.parsed("list", list_user)?;
    if !list.contains(USER) {
        let todo = "write {user} where the name of the watcher belongs: \"{user}-list\"";
        section.warn("list", "names one list for all watchers", todo);
    }
    Some(list)
}

/// What stands for the watcher in the name of a list.
const USER: &str = "{user}";

fn list_user(text: &str) -> Result<String, Bad> {
    let todo = || "write the user part alone, with {user} for the watcher's: \"{user}-list\"".to_owned();
    if text.is_empty() || text.contains(['@', ':', ' ']) {
        return Err(Bad { what: "is no user part of a SIP address".to_owned(), todo: todo() });
    }
    if text.replace(USER, "").contains(['{', '}']) {
        return Err(Bad { what: "has braces around something else than user".to_owned(), todo: todo() });
    }
    Ok(text.to_owned())
}

/// `[presence]`.
pub(in crate::config) fn limits(section: &Section<'_>) -> PresenceLimits {
    let defaults = PresenceLimits::default();
    let many = |key, default| section.number(key, 1..=10_000_000, default);
    let subscriptions = many("subscriptions", defaults.subscriptions);
    // Nobody takes the places of all the others, unless the operator has it so.
    let half = subscriptions.div_ceil(2);
    for key in ["per_watcher", "per_target", "per_domain", "per_peer"] {
        // The default of the two may be above it where `subscriptions` is small, and then says nothing.
        if section.has(key) && many(key, 0) > subscriptions {
            let what = format!("is more than there may be in all (subscriptions = {subscriptions})");
            section.warn(key, what, "write less, or raise subscriptions");
        }
    }
    PresenceLimits {
        subscriptions,
        per_watcher: many("per_watcher", defaults.per_watcher),
        per_target: many("per_target", defaults.per_target),
        per_domain: many("per_domain", half),
        per_peer: many("per_peer", half),
        notify_every: section.duration("notify_every", Duration::ZERO..=HOUR, defaults.notify_every),
        document: section.number("document", 4_096..=1 << 20, defaults.document),
    }
}
