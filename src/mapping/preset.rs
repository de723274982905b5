//! What is known of SIP servers by product: `mappings/peers.toml`, as defaults for a `[[domain]]` and as words for people.

use super::phone::Notice;
use super::table::{Source, TableError, refuse_duplicates};
use serde::Deserialize;
use std::sync::LazyLock;
use toml::Spanned;

/// The keys of a `[[domain]]` and its `[domain.presence]` that a claim may change the default of, and what each takes.
const KEYS: &[(&str, Kind)] = &[
    ("typing", Kind::Switch),
    ("pager_as_chat", Kind::Switch),
    ("call_id_as_thread", Kind::Switch),
    ("global_failures", Kind::Switch),
    ("max_message", Kind::Number),
    ("max_body", Kind::Number),
    ("watch", Kind::List),
];

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Switch,
    Number,
    List,
}

const FILE: &str = "mappings/peers.toml";
const TABLE: &str = include_str!("../../mappings/peers.toml");

/// The table of this program, read when it is first needed.
static BUILT_IN: LazyLock<Vec<Preset>> = LazyLock::new(|| read(FILE, TABLE).expect("a test reads this very text"));

/// What is known of one product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preset {
    /// What the configuration calls it.
    pub name: String,
    /// What people call it.
    pub product: String,
    /// What it does, those of the product it is like included.
    pub claims: Vec<Claim>,
    /// What it writes by itself into the notes of presence documents, those of the product it is like included.
    pub notes: Vec<Notice>,
}

/// One thing that a product does.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The key of `[[domain]]` whose default it changes.
    pub key: Option<String>,
    /// That default.
    pub value: Option<Value>,
    /// What the product does.
    pub says: String,
    /// Where that is said.
    pub source: String,
}

/// A default.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A switch.
    Boolean(bool),
    /// A number of bytes.
    Number(usize),
    /// Names.
    List(Vec<String>),
}

impl Value {
    fn kind(&self) -> Kind {
        match self {
            Value::Boolean(_) => Kind::Switch,
            Value::Number(_) => Kind::Number,
            Value::List(_) => Kind::List,
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Boolean(value) => value.fmt(f),
            Value::Number(value) => value.fmt(f),
            Value::List(names) => write!(f, "{names:?}"),
        }
    }
}

impl std::fmt::Display for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.says)?;
        if let Some((key, value)) = self.key.as_ref().zip(self.value.as_ref()) {
            write!(f, " (so {key} = {value})")?;
        }
        Ok(())
    }
}

/// The preset of a name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Preset> {
    BUILT_IN.iter().find(|preset| preset.name == name)
}

/// Every name there is.
pub fn names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|preset| preset.name.as_str())
}

impl Preset {
    fn value(&self, key: &str) -> Option<&Value> {
        self.claims.iter().find(|claim| claim.key.as_deref() == Some(key))?.value.as_ref()
    }

    /// The default of a switch.
    #[must_use]
    pub fn boolean(&self, key: &str) -> Option<bool> {
        match self.value(key)? {
            Value::Boolean(value) => Some(*value),
            Value::Number(_) | Value::List(_) => None,
        }
    }

    /// The default of a number.
    #[must_use]
    pub fn number(&self, key: &str) -> Option<usize> {
        match self.value(key)? {
            Value::Number(value) => Some(*value),
            Value::Boolean(_) | Value::List(_) => None,
        }
    }

    /// The default of a list.
    #[must_use]
    pub fn list(&self, key: &str) -> Option<&[String]> {
        match self.value(key)? {
            Value::List(names) => Some(names),
            Value::Boolean(_) | Value::Number(_) => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    peer: Vec<Spanned<Row>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    product: String,
    like: Option<String>,
    #[serde(default)]
    claim: Vec<Spanned<Claim>>,
    #[serde(default)]
    note: Vec<Spanned<Notice>>,
}

fn read(file: &'static str, text: &str) -> Result<Vec<Preset>, TableError> {
    let source = Source { file, text };
    let table: File = source.read()?;
    refuse_duplicates(&source, table.peer.iter().map(|row| (row.span().start, &row.get_ref().name)))?;
    let mut presets: Vec<Preset> = Vec::new();
    for row in &table.peer {
        let (at, row) = (row.span().start, row.get_ref());
        let mut claims = Vec::new();
        for claim in &row.claim {
            check(&source, claim)?;
            claims.push(claim.get_ref().clone());
        }
        refuse_duplicates(&source, row.note.iter().map(|note| (note.span().start, &note.get_ref().note)))?;
        let mut notes: Vec<_> = row.note.iter().map(|note| note.get_ref().clone()).collect();
        if let Some(like) = &row.like {
            let other = presets.iter().find(|preset| preset.name == *like);
            let other = other.ok_or_else(|| source.error(at, format!("`{like}` is no peer above this one")))?;
            let own = |claim: &&Claim| claim.key.is_none() || !claims.iter().any(|own: &Claim| own.key == claim.key);
            let shared: Vec<_> = other.claims.iter().filter(own).cloned().collect();
            claims.extend(shared);
            notes.extend(other.notes.iter().cloned());
        }
        if claims.is_empty() {
            return Err(source.error(at, format!("{} has no claim; a preset that says nothing is none", row.name)));
        }
        presets.push(Preset { name: row.name.clone(), product: row.product.clone(), claims, notes });
    }
    Ok(presets)
}

fn check(source: &Source<'_>, claim: &Spanned<Claim>) -> Result<(), TableError> {
    let (at, claim) = (claim.span().start, claim.get_ref());
    let error = |what: String| Err(source.error(at, what));
    if claim.says.trim().is_empty() || claim.source.trim().is_empty() {
        return error("a claim needs words, and a source for them".to_owned());
    }
    match (&claim.key, &claim.value) {
        (None, None) => Ok(()),
        (Some(key), Some(value)) => match KEYS.iter().find(|(known, _)| known == key) {
            Some((_, kind)) if *kind == value.kind() => Ok(()),
            Some(_) => error(format!("{key} cannot be {value}")),
            None => error(format!("`{key}` is no key that a preset may set")),
        },
        (Some(_), None) | (None, Some(_)) => error("key and value belong together".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_claim_we_ship_has_a_source_and_a_key_that_exists() {
        let presets = read(FILE, TABLE).unwrap();
        for name in ["asterisk", "freepbx", "freeswitch", "kamailio", "opensips", "3cx", "cisco"] {
            assert!(presets.iter().any(|preset| preset.name == name), "{name}");
        }
        for claim in presets.iter().flat_map(|preset| &preset.claims) {
            assert!(claim.source.len() > 10, "{claim}: {}", claim.source);
        }
    }

    #[test]
    fn a_peer_shares_the_claims_of_what_it_is_like() {
        assert_eq!(find("freepbx").unwrap().number("max_body"), Some(1023));
        assert_eq!(find("freepbx").unwrap().boolean("typing"), Some(false));
        assert_eq!(find("kamailio").unwrap().boolean("typing"), None);
        assert_eq!(find("asterisk").unwrap().boolean("max_body"), None);
        assert!(find("nobody").is_none());
        let claim = &find("asterisk").unwrap().claims[1];
        assert_eq!(claim.to_string(), "passes a longer text on as an empty one, after 202 (so max_body = 1023)");
    }

    #[test]
    fn a_broken_table_is_told_by_its_line() {
        let told = |from: &str, to: &str| read("peers.toml", &TABLE.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(told("value = 1023", "value = true").contains("max_body cannot be true"));
        assert!(told("key = \"typing\"", "key = \"typig\"").contains("no key that a preset may set"));
        assert!(told("value = false\n", "").contains("belong together"));
        assert!(told("source = \"Asterisk", "source = \"\" #").contains("a source"));
        assert!(told("like = \"asterisk\"", "like = \"opensips\"").contains("no peer above"));
        assert!(told("like = \"asterisk\"", "").contains("no claim"));
        assert!(told("name = \"freepbx\"", "name = \"asterisk\"").starts_with("peers.toml:"));
    }
}
