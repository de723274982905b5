//! Ids of a document that is written.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write;

/// The ids that a document has so far: an `xs:ID` stands once in it.
#[derive(Default)]
pub(super) struct Ids(HashSet<String>);

impl Ids {
    /// `wanted` as an id, changed if it is none or was taken before; one that starts with `start` if it is empty.
    pub(super) fn take(&mut self, wanted: &str, start: &str) -> String {
        let base = if wanted.is_empty() { Cow::Owned(format!("{start}1")) } else { name(wanted) };
        let mut id = base.clone().into_owned();
        let mut count = 1;
        // Ends: there are no more ids than elements.
        while !self.0.insert(id.clone()) {
            count += 1;
            id = if wanted.is_empty() { format!("{start}{count}") } else { format!("{base}-{count}") };
        }
        id
    }
}

/// `text` as a name that every version of XML takes: ASCII, no colon, and a letter in front. The same text gives the
/// same name, so that a tuple keeps its id from one document to the next.
fn name(text: &str) -> Cow<'_, str> {
    let plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.');
    let starts = text.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_');
    if starts && text.chars().all(plain) {
        return Cow::Borrowed(text);
    }
    let mut name = String::with_capacity(text.len() + 8);
    if !starts {
        name.push('_');
    }
    for char in text.chars() {
        if plain(char) {
            name.push(char);
        } else {
            // Writing to a string does not fail.
            let _ = write!(name, "_x{:X}_", u32::from(char));
        }
    }
    Cow::Owned(name)
}
