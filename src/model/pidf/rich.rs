//! RPID's elements to [`Rich`] (RFC 4480 section 3).

use super::Limits;
use super::read::{not_understood, note};
use super::vocabulary::{Family, family};
use crate::model::date;
use crate::model::presence::{Activity, Mood, Note, Rich, Span, UserInput};
use crate::xml::Element;

/// Whether [`take`] knows it. `idle` is what drafts of RPID had for user-input.
pub(super) fn is_rich(element: &Element) -> bool {
    matches!(element.name(), "activities" | "mood" | "user-input" | "idle")
}

/// Takes one of RPID's elements.
pub(super) fn take(element: &Element, lang: Option<&str>, rich: &mut Rich, limits: &Limits) {
    if not_understood(element) {
        return;
    }
    match element.name() {
        "activities" => {
            let room = limits.words.saturating_sub(rich.activities.len());
            let (said, span) = (listed(element, lang, limits), span(element));
            let activity = |Listed { name, text, notes }| Activity { name, text, notes, span };
            rich.activities.extend(said.into_iter().take(room).map(activity));
        }
        "mood" => {
            let room = limits.words.saturating_sub(rich.moods.len());
            let (said, span) = (listed(element, lang, limits), span(element));
            let mood = |Listed { name, text, notes }| Mood { name, text, notes, span };
            rich.moods.extend(said.into_iter().take(room).map(mood));
        }
        "idle" => {
            let since = element.attr("since").and_then(date::parse_rfc3339);
            rich.user_input = later(rich.user_input, Some(UserInput { idle: true, since, threshold: None }));
        }
        _ => rich.user_input = later(rich.user_input, user_input(element)),
    }
}

/// All that both say; of input, what is more recent.
pub(super) fn merge(rich: &mut Rich, other: Rich, limits: &Limits) {
    let room = limits.words.saturating_sub(rich.activities.len());
    rich.activities.extend(other.activities.into_iter().take(room));
    let room = limits.words.saturating_sub(rich.moods.len());
    rich.moods.extend(other.moods.into_iter().take(room));
    rich.user_input = later(rich.user_input, other.user_input);
}

/// Who types at one machine is not idle for being away from another.
fn later(one: Option<UserInput>, other: Option<UserInput>) -> Option<UserInput> {
    match (one, other) {
        (Some(one), Some(other)) => Some(std::cmp::max_by_key(other, one, |input| (!input.idle, input.since))),
        (one, other) => one.or(other),
    }
}

fn user_input(element: &Element) -> Option<UserInput> {
    let idle = match element.text().trim() {
        "idle" => true,
        "active" => false,
        _ => return None,
    };
    let since = element.attr("last-input").and_then(date::parse_rfc3339);
    let threshold = element.attr("idle-threshold").and_then(|seconds| seconds.trim().parse().ok());
    Some(UserInput { idle, since, threshold: threshold.filter(|seconds| *seconds > 0) })
}

fn span(element: &Element) -> Span {
    let date = |name| element.attr(name).and_then(date::parse_rfc3339);
    Span { from: date("from"), until: date("until") }
}

struct Listed {
    name: String,
    text: Option<String>,
    notes: Vec<Note>,
}

/// What stands in `<activities/>` or `<mood/>`; the notes beside are with the first. Names that RPID does not have are
/// left out if they are in a namespace that is not RPID's.
fn listed(element: &Element, lang: Option<&str>, limits: &Limits) -> Vec<Listed> {
    let lang = element.lang().or(lang);
    let (mut said, mut notes): (Vec<Listed>, Vec<Note>) = Default::default();
    for child in element.children() {
        match (family(child.ns()), child.name()) {
            (Family::Pidf | Family::Model | Family::Rpid, "note") => note(child, lang, &mut notes, limits),
            (Family::Rpid, name) if said.len() < limits.words => {
                let text = child.text();
                let text = Some(text.trim()).filter(|text| !text.is_empty());
                let (name, text) = match (name, text) {
                    // Drafts had <activity>on-the-phone</activity>.
                    ("activity", Some(name)) => (name, None),
                    ("other", text) => ("other", text.map(str::to_owned)),
                    (name, _) => (name, None),
                };
                said.push(Listed { name: name.to_owned(), text, notes: Vec::new() });
            }
            (Family::Pidf | Family::Model | Family::Rpid | Family::Jabber | Family::Other, _) => {}
        }
    }
    match said.first_mut() {
        Some(first) => first.notes = notes,
        None if notes.is_empty() => {}
        None => said.push(Listed { name: "unknown".to_owned(), text: None, notes }),
    }
    said
}
