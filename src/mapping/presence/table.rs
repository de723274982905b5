//! `mappings/presence.toml`, checked.

use super::super::table::{Source, TableError, refuse_duplicates};
use crate::model::pidf::ACTIVITIES as ACTIVITIES_OF_RPID;
use crate::model::presence::Show;
use crate::xmpp::Condition;
use crate::xmpp::xep::activity::ACTIVITIES;
use crate::xmpp::xep::mood::MOODS;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use toml::Spanned;

/// The activities of RFC 4480 section 3.2, all of them.
pub(in crate::mapping) fn rpid_activities() -> impl Iterator<Item = &'static str> {
    ACTIVITIES_OF_RPID.iter().copied().chain(["other", "unknown"])
}

const SHOWS: [(&str, Show); 4] = [("away", Show::Away), ("chat", Show::Chat), ("dnd", Show::Dnd), ("xa", Show::Xa)];
/// The reasons of RFC 6665 section 4.1.3 that an error of XMPP can be.
const END_REASONS: [&str; 3] = ["noresource", "probation", "rejected"];

#[derive(Debug)]
pub(in crate::mapping) struct PresenceTable {
    shows: BTreeMap<&'static str, Option<String>>,
    activities: BTreeMap<String, Meaning>,
    doings: BTreeMap<String, Option<String>>,
    moods: BTreeMap<String, bool>,
    refusals: BTreeMap<u16, String>,
    ends: BTreeMap<&'static str, &'static str>,
}

/// What an RPID activity is in XMPP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::mapping) struct Meaning {
    pub(in crate::mapping) show: Option<Show>,
    /// General and specific activity of XEP-0108.
    pub(in crate::mapping) doing: Option<(String, Option<String>)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    show: Vec<Spanned<ShowRow>>,
    activity: Vec<Spanned<ActivityRow>>,
    doing: Vec<Spanned<DoingRow>>,
    moods: Vec<Spanned<MoodsRow>>,
    refusal: Vec<Spanned<RefusalRow>>,
    end: Vec<Spanned<EndRow>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShowRow {
    show: String,
    activity: Option<String>,
    #[expect(dead_code, reason = "read by people; serde insists that each row has one")]
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActivityRow {
    rpid: String,
    show: Option<String>,
    general: Option<String>,
    specific: Option<String>,
    #[expect(dead_code, reason = "read by people; serde insists that each row has one")]
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DoingRow {
    name: String,
    rpid: Option<String>,
    #[expect(dead_code, reason = "read by people; serde insists that each row has one")]
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MoodsRow {
    names: Vec<Spanned<String>>,
    rpid: bool,
    #[expect(dead_code, reason = "read by people; serde insists that each row has one")]
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefusalRow {
    status: u16,
    text: String,
    #[expect(dead_code, reason = "read by people; serde insists that each row has one")]
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndRow {
    condition: String,
    reason: String,
    #[expect(dead_code, reason = "read by people; serde insists that each row has one")]
    source: String,
}

pub(super) const FILE: &str = "mappings/presence.toml";
pub(super) const TABLE: &str = include_str!("../../../mappings/presence.toml");

/// The table of this program, read when it is first needed.
pub(in crate::mapping) static BUILT_IN: LazyLock<PresenceTable> =
    LazyLock::new(|| PresenceTable::read(FILE, TABLE).expect("a test reads this very text"));

impl PresenceTable {
    pub(super) fn read(file: &'static str, text: &str) -> Result<Self, TableError> {
        let source = Source { file, text };
        let table: File = source.read()?;
        refuse_duplicates(&source, table.show.iter().map(|row| (row.span().start, &row.get_ref().show)))?;
        refuse_duplicates(&source, table.activity.iter().map(|row| (row.span().start, &row.get_ref().rpid)))?;
        refuse_duplicates(&source, table.doing.iter().map(|row| (row.span().start, &row.get_ref().name)))?;
        let names = table.moods.iter().flat_map(|row| &row.get_ref().names);
        refuse_duplicates(&source, names.map(|name| (name.span().start, name.get_ref())))?;
        refuse_duplicates(&source, table.refusal.iter().map(|row| (row.span().start, row.get_ref().status)))?;
        refuse_duplicates(&source, table.end.iter().map(|row| (row.span().start, &row.get_ref().condition)))?;
        let read = Self {
            shows: shows(&source, &table)?,
            activities: activities(&source, &table)?,
            doings: doings(&source, &table)?,
            moods: moods(&source, &table)?,
            refusals: refusals(&source, &table)?,
            ends: ends(&source, &table)?,
        };
        read.refuse_gaps(&source)?;
        Ok(read)
    }

    fn refuse_gaps(&self, source: &Source<'_>) -> Result<(), TableError> {
        let missing = |table: &str, name: &str| {
            Err(source.error(source.text.len(), format!("no [[{table}]] row for {name}; add one")))
        };
        if let Some((name, _)) = SHOWS.iter().find(|(name, _)| !self.shows.contains_key(name)) {
            return missing("show", name);
        }
        if let Some(name) = rpid_activities().find(|name| !self.activities.contains_key(*name)) {
            return missing("activity", name);
        }
        if let Some((name, _)) = ACTIVITIES.iter().find(|(name, _)| !self.doings.contains_key(*name)) {
            return missing("doing", name);
        }
        if let Some(name) = MOODS.iter().find(|name| !self.moods.contains_key(**name)) {
            return missing("moods", name);
        }
        if let Some(condition) = Condition::ALL.iter().find(|condition| !self.ends.contains_key(condition.name())) {
            return missing("end", condition.name());
        }
        Ok(())
    }

    /// The RPID activity that says what `show` says.
    pub(super) fn activity_of_show(&self, show: Show) -> Option<&str> {
        self.shows.get(show.name())?.as_deref()
    }

    pub(super) fn activity(&self, rpid: &str) -> Option<&Meaning> {
        self.activities.get(rpid)
    }

    /// The RPID activity for a name of XEP-0108; the outer `None`: there is no row.
    pub(super) fn doing(&self, name: &str) -> Option<Option<&str>> {
        self.doings.get(name).map(Option::as_deref)
    }

    /// Whether RPID has this mood of XEP-0107; `None`: XEP-0107 has it not.
    pub(super) fn mood_in_rpid(&self, name: &str) -> Option<bool> {
        self.moods.get(name).copied()
    }

    pub(in crate::mapping) fn refusal(&self, status: u16) -> Option<&str> {
        self.refusals.get(&status).map(String::as_str)
    }

    pub(in crate::mapping) fn end(&self, condition: &Condition) -> &'static str {
        self.ends.get(condition.name()).copied().expect("refuse_gaps left no condition without a row")
    }
}

fn known_show(source: &Source<'_>, at: usize, name: &str) -> Result<(&'static str, Show), TableError> {
    let known = SHOWS.into_iter().find(|(known, _)| *known == name);
    known.ok_or_else(|| source.error(at, format!("`{name}` is no value of RFC 6121 section 4.7.2.1")))
}

fn known_activity(source: &Source<'_>, at: usize, name: &str) -> Result<(), TableError> {
    if rpid_activities().any(|known| known == name) {
        return Ok(());
    }
    Err(source.error(at, format!("`{name}` is no activity of RFC 4480 section 3.2")))
}

fn shows(source: &Source<'_>, table: &File) -> Result<BTreeMap<&'static str, Option<String>>, TableError> {
    let mut shows = BTreeMap::new();
    for row in &table.show {
        let (at, row) = (row.span().start, row.get_ref());
        row.activity.as_deref().map_or(Ok(()), |name| known_activity(source, at, name))?;
        shows.insert(known_show(source, at, &row.show)?.0, row.activity.clone());
    }
    Ok(shows)
}

fn activities(source: &Source<'_>, table: &File) -> Result<BTreeMap<String, Meaning>, TableError> {
    let mut activities = BTreeMap::new();
    for row in &table.activity {
        let (at, row) = (row.span().start, row.get_ref());
        known_activity(source, at, &row.rpid)?;
        let show = row.show.as_deref().map(|name| known_show(source, at, name)).transpose()?;
        let doing = match (&row.general, &row.specific) {
            (None, None) => None,
            (None, Some(_)) => return Err(source.error(at, "a specific activity without its general one".to_owned())),
            (Some(general), specific) => {
                let known = ACTIVITIES.iter().find(|(name, _)| name == general).map(|(_, specifics)| *specifics);
                let refines = |specific: &String| known.is_some_and(|known| known.contains(&specific.as_str()));
                if known.is_none() || !specific.as_ref().is_none_or(refines) {
                    return Err(source.error(at, "no such activity in XEP-0108 section 3".to_owned()));
                }
                Some((general.clone(), specific.clone()))
            }
        };
        activities.insert(row.rpid.clone(), Meaning { show: show.map(|(_, show)| show), doing });
    }
    Ok(activities)
}

fn doings(source: &Source<'_>, table: &File) -> Result<BTreeMap<String, Option<String>>, TableError> {
    let mut doings = BTreeMap::new();
    for row in &table.doing {
        let (at, row) = (row.span().start, row.get_ref());
        row.rpid.as_deref().map_or(Ok(()), |name| known_activity(source, at, name))?;
        let known = |(general, specifics): &(&str, &[&str])| *general == row.name || specifics.contains(&&*row.name);
        if !ACTIVITIES.iter().any(known) {
            return Err(source.error(at, format!("`{}` is no activity of XEP-0108 section 3", row.name)));
        }
        doings.insert(row.name.clone(), row.rpid.clone());
    }
    Ok(doings)
}

fn moods(source: &Source<'_>, table: &File) -> Result<BTreeMap<String, bool>, TableError> {
    let mut moods = BTreeMap::new();
    for row in &table.moods {
        for name in &row.get_ref().names {
            let (at, name) = (name.span().start, name.get_ref());
            if !MOODS.contains(&name.as_str()) {
                return Err(source.error(at, format!("`{name}` is no mood of XEP-0107 section 3")));
            }
            moods.insert(name.clone(), row.get_ref().rpid);
        }
    }
    Ok(moods)
}

fn refusals(source: &Source<'_>, table: &File) -> Result<BTreeMap<u16, String>, TableError> {
    let mut refusals = BTreeMap::new();
    for row in &table.refusal {
        let (at, row) = (row.span().start, row.get_ref());
        if !(300..700).contains(&row.status) {
            return Err(source.error(at, format!("{} is no final failure; use 300 to 699", row.status)));
        }
        refusals.insert(row.status, row.text.clone());
    }
    Ok(refusals)
}

fn ends(source: &Source<'_>, table: &File) -> Result<BTreeMap<&'static str, &'static str>, TableError> {
    let mut ends = BTreeMap::new();
    for row in &table.end {
        let (at, row) = (row.span().start, row.get_ref());
        let condition = Condition::ALL.iter().map(Condition::name).find(|name| *name == row.condition);
        let Some(condition) = condition else {
            return Err(source.error(at, format!("`{}` is no condition of RFC 6120 section 8.3.3", row.condition)));
        };
        let Some(reason) = END_REASONS.into_iter().find(|reason| *reason == row.reason) else {
            return Err(source.error(at, format!("`{}` is none of {END_REASONS:?}", row.reason)));
        };
        ends.insert(condition, reason);
    }
    Ok(ends)
}
