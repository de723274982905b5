//! `mappings/phone.toml`: which of calls, registration and document counts.

use serde::Deserialize;
use std::sync::LazyLock;
use toml::Spanned;

use crate::mapping::table::{Source, TableError};
use crate::model::dialog_info::Use;
use crate::model::presence::Show;

const FILE: &str = "mappings/phone.toml";
const TABLE: &str = include_str!("../../../mappings/phone.toml");

/// The table of this program, read when it is first needed.
pub(super) static BUILT_IN: LazyLock<Rules> =
    LazyLock::new(|| Rules::read(FILE, TABLE).expect("a test reads this very text"));

/// The whole table.
#[derive(Debug)]
pub(super) struct Rules {
    rows: Vec<Row>,
    own: Vec<Own>,
}

/// What is known, as rows ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) calls: Use,
    pub(super) document: Reach,
    pub(super) registered: Registration,
}

/// What the presence document says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Reach {
    Open,
    Closed,
    None,
}

/// What is known of registrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Registration {
    Yes,
    No,
    Unknown,
}

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Shows {
    Document,
    Phone,
    Closed,
}

/// How a call is to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum As {
    Itself,
    Ringing,
    Held,
    Talking,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    calls: Option<Calls>,
    document: Option<Vec<Reach>>,
    registered: Option<Vec<Registration>>,
    shows: Shows,
    #[serde(rename = "as")]
    shown_as: As,
    source: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Calls {
    Idle,
    Ringing,
    Held,
    Talking,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    show: Option<ShowName>,
    activity: Option<String>,
    stays: ShowName,
    source: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ShowName {
    Away,
    Chat,
    Dnd,
    Xa,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    row: Vec<Spanned<Row>>,
    own: Vec<Spanned<Own>>,
}

impl Rules {
    fn read(file: &'static str, text: &str) -> Result<Self, TableError> {
        let source = Source { file, text };
        let table: File = source.read()?;
        let mut reached = vec![false; table.row.len()];
        for known in every() {
            let Some(first) = table.row.iter().position(|row| row.get_ref().fits(known)) else {
                return Err(source.error(text.len(), format!("no row fits {known:?}")));
            };
            let row = table.row.get(first).map(Spanned::get_ref);
            let nothing_there = known.document == Reach::None && row.is_some_and(|row| row.shows == Shows::Document);
            if nothing_there {
                return Err(source.error(0, format!("row {} shows a document where there is none", first + 1)));
            }
            if let Some(reached) = reached.get_mut(first) {
                *reached = true;
            }
        }
        for (row, reached) in table.row.iter().zip(reached) {
            let at = row.span().start;
            if !reached {
                return Err(source.error(at, "rows above leave nothing for this one".to_owned()));
            }
            if row.get_ref().source.trim().is_empty() {
                return Err(source.error(at, "a row needs a source".to_owned()));
            }
        }
        for own in &table.own {
            let (at, own) = (own.span().start, own.get_ref());
            if own.show.is_some() == own.activity.is_some() || own.source.trim().is_empty() {
                return Err(source.error(at, "one of show and activity, and a source".to_owned()));
            }
        }
        let own = table.own.into_iter().map(Spanned::into_inner).collect();
        Ok(Self { rows: table.row.into_iter().map(Spanned::into_inner).collect(), own })
    }

    /// What to show.
    pub(super) fn of(&self, known: Known) -> (Shows, As) {
        let row = self.rows.iter().find(|row| row.fits(known));
        row.map_or((Shows::Closed, As::Itself), |row| (row.shows, row.shown_as))
    }

    /// What a person has said that stays, whatever the phone does.
    pub(super) fn own<'a>(
        &self,
        show: Option<Show>,
        activities: impl Iterator<Item = &'a str> + Clone,
    ) -> Option<Show> {
        let said = |own: &&Own| match (&own.show, &own.activity) {
            (Some(name), _) => show == Some(name.show()),
            (None, Some(activity)) => show.is_none() && activities.clone().any(|name| name == activity),
            (None, None) => false,
        };
        self.own.iter().find(said).map(|own| own.stays.show())
    }
}

impl Row {
    fn fits(&self, known: Known) -> bool {
        self.calls.is_none_or(|calls| calls.usage() == known.calls)
            && self.document.as_ref().is_none_or(|document| document.contains(&known.document))
            && self.registered.as_ref().is_none_or(|registered| registered.contains(&known.registered))
    }
}

impl Calls {
    fn usage(self) -> Use {
        match self {
            Calls::Idle => Use::Idle,
            Calls::Ringing => Use::Ringing,
            Calls::Held => Use::Held,
            Calls::Talking => Use::Talking,
        }
    }
}

impl ShowName {
    fn show(self) -> Show {
        match self {
            ShowName::Away => Show::Away,
            ShowName::Chat => Show::Chat,
            ShowName::Dnd => Show::Dnd,
            ShowName::Xa => Show::Xa,
        }
    }
}

/// Everything that can be known.
fn every() -> impl Iterator<Item = Known> {
    let calls = [Use::Idle, Use::Ringing, Use::Held, Use::Talking];
    let documents = [Reach::Open, Reach::Closed, Reach::None];
    let registered = [Registration::Yes, Registration::No, Registration::Unknown];
    let all = calls.into_iter().flat_map(move |calls| documents.map(|document| (calls, document)));
    all.flat_map(move |(calls, document)| registered.map(|registered| Known { calls, document, registered }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_case_has_a_row_and_every_row_a_case() {
        let rules = Rules::read(FILE, TABLE).unwrap();
        for known in every() {
            let (shows, shown_as) = rules.of(known);
            match known.calls {
                Use::Talking => assert_eq!(shown_as, As::Talking, "{known:?}"),
                Use::Held => assert_eq!(shown_as, As::Held, "{known:?}"),
                Use::Idle | Use::Ringing => assert!(
                    known.registered != Registration::No || shows == Shows::Closed,
                    "unregistered is unavailable: {known:?}"
                ),
            }
        }
    }

    #[test]
    fn a_broken_table_is_told_by_its_line() {
        let told = |from: &str, to: &str| Rules::read(FILE, &TABLE.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(told("document = [\"open\"]\nshows = \"document\"", "shows = \"phone\"").contains("leave nothing"));
        assert!(told("calls = \"talking\"", "calls = \"talkin\"").contains("unknown variant"));
        assert!(told("document = [\"open\", \"closed\"]", "document = [\"open\", \"none\"]").contains("there is none"));
        assert!(told("show = \"dnd\"", "").contains("one of show and activity"));
        let last = TABLE.rfind("[[row]]").unwrap();
        let own = TABLE.find("[[own]]\nshow = \"dnd\"").unwrap();
        let without = format!("{}{}", &TABLE[..last], &TABLE[own..]);
        assert!(Rules::read(FILE, &without).unwrap_err().to_string().contains("no row fits"));
    }
}
