//! `mappings/message.toml`, checked.

use super::super::table::{Source, TableError, refuse_duplicates};
use crate::model::Reason;
use crate::xmpp::MessageKind;
use serde::Deserialize;
use std::sync::LazyLock;
use toml::Spanned;

/// How a body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::mapping) enum ReadAs {
    Text,
    Html,
    Cpim,
    Composing,
    Multipart,
}

/// What becomes of a stanza of one type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mapping) enum Fate {
    Crosses,
    Refused(Reason),
    Dropped,
}

#[derive(Debug)]
pub(in crate::mapping) struct ContentTable {
    types: Vec<(String, Fate)>,
    contents: Vec<(String, ReadAs)>,
    accept: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "type")]
    types: Vec<Spanned<TypeRow>>,
    content: Vec<Spanned<ContentRow>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypeRow {
    #[serde(rename = "type")]
    name: String,
    #[serde(default)]
    crosses: bool,
    refused: Option<Reason>,
    #[expect(dead_code, reason = "read by people; serde insists that each row has one")]
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContentRow {
    media: String,
    read: ReadAs,
    #[expect(dead_code, reason = "read by people; serde insists that each row has one")]
    source: String,
}

const FILE: &str = "mappings/message.toml";
const TABLE: &str = include_str!("../../../mappings/message.toml");
const KINDS: [MessageKind; 5] =
    [MessageKind::Normal, MessageKind::Chat, MessageKind::Headline, MessageKind::Groupchat, MessageKind::Error];

/// The table of this program, read when it is first needed.
pub(in crate::mapping) static BUILT_IN: LazyLock<ContentTable> =
    LazyLock::new(|| ContentTable::read(FILE, TABLE).expect("a test reads this very text"));

impl ContentTable {
    fn read(file: &'static str, text: &str) -> Result<Self, TableError> {
        let source = Source { file, text };
        let table: File = source.read()?;
        refuse_duplicates(&source, table.types.iter().map(|row| (row.span().start, &row.get_ref().name)))?;
        refuse_duplicates(&source, table.content.iter().map(|row| (row.span().start, &row.get_ref().media)))?;
        let mut types = Vec::new();
        for row in &table.types {
            let (at, row) = (row.span().start, row.get_ref());
            if !KINDS.iter().any(|kind| kind.as_str() == row.name) {
                return Err(source.error(at, format!("`{}` is no type of RFC 6121 section 5.2.2", row.name)));
            }
            let fate = match (row.crosses, row.refused) {
                (true, None) => Fate::Crosses,
                (false, Some(reason)) => Fate::Refused(reason),
                (false, None) => Fate::Dropped,
                (true, Some(_)) => return Err(source.error(at, format!("{} crosses and is refused; choose", row.name))),
            };
            types.push((row.name.clone(), fate));
        }
        if let Some(missing) = KINDS.iter().find(|kind| !types.iter().any(|(name, _)| name == kind.as_str())) {
            return Err(source.error(text.len(), format!("no [[type]] row for {}; add one", missing.as_str())));
        }
        let contents: Vec<_> =
            table.content.iter().map(|row| (row.get_ref().media.clone(), row.get_ref().read)).collect();
        let accept = contents.iter().map(|(media, _)| media.as_str()).collect::<Vec<_>>().join(", ");
        Ok(Self { types, contents, accept })
    }

    pub(super) fn fate(&self, kind: MessageKind) -> Fate {
        let row = self.types.iter().find(|(name, _)| name == kind.as_str());
        row.map_or(Fate::Dropped, |(_, fate)| *fate)
    }

    pub(super) fn read_as(&self, media: &str) -> Option<ReadAs> {
        self.contents.iter().find(|(known, _)| known == media).map(|(_, read)| *read)
    }

    /// The value of Accept: everything that is read.
    pub(in crate::mapping) fn accept(&self) -> &str {
        &self.accept
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_table_we_ship_is_whole() {
        let table = ContentTable::read(FILE, TABLE).unwrap();
        assert_eq!(table.fate(MessageKind::Chat), Fate::Crosses);
        assert_eq!(table.fate(MessageKind::Error), Fate::Dropped);
        assert_eq!(table.fate(MessageKind::Groupchat), Fate::Refused(Reason::ServiceUnavailable));
        assert!(table.accept().starts_with("text/plain, text/html, message/cpim"));
    }

    #[test]
    fn a_broken_table_is_told_by_its_line() {
        let broken =
            |from: &str, to: &str| ContentTable::read("message.toml", &TABLE.replacen(from, to, 1)).unwrap_err();
        assert!(broken("type = \"chat\"", "type = \"chatt\"").what.contains("`chatt` is no type"));
        assert!(broken("type = \"chat\"", "type = \"normal\"").what.contains("second row"));
        assert!(broken("read = \"text\"", "read = \"txt\"").to_string().starts_with("message.toml:"));
        assert!(broken("crosses = true", "crosses = true\nrefused = \"gone\"").what.contains("choose"));
    }
}
