//! Reading one table of the file: every value is asked for by name and type, and what does not fit becomes a problem
//! that knows its line. Reading goes on after a problem, so that one run tells them all.

use std::cell::{Cell, RefCell};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys;
use super::problem::{Problem, Severity};
use super::value::{self, Bad};

/// The file that is being read, and what was found wrong so far.
pub(super) struct Document<'d> {
    file: PathBuf,
    text: &'d str,
    problems: RefCell<Vec<Problem>>,
    /// The first line that is no TOML. What is beyond it may be misread and what is missing may stand there, so only
    /// mistakes inside values and key names before it are told.
    broken_at: Cell<Option<usize>>,
}

impl<'d> Document<'d> {
    pub(super) fn new(file: &Path, text: &'d str) -> Document<'d> {
        Document { file: file.to_owned(), text, problems: RefCell::default(), broken_at: Cell::new(None) }
    }

    /// Notes a line that is no TOML.
    pub(super) fn broken(&self, line: usize, what: &str) {
        let todo = match what {
            "duplicate key" => "the same stands above already: keep one of the two",
            _ => "write it as TOML 1.0 has it",
        };
        self.note(Severity::Error, line, "", what, todo);
        self.broken_at.set(Some(self.broken_at.get().map_or(line, |first| first.min(line))));
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken_at.get().is_some()
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    pub(super) fn line(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().get(..offset).unwrap_or(self.text.as_bytes());
        1 + before.iter().filter(|b| **b == b'\n').count()
    }

    pub(super) fn note(&self, severity: Severity, line: usize, key: &str, what: &str, todo: &str) {
        if self.broken_at.get().is_some_and(|first| line >= first) && !key.is_empty() {
            return;
        }
        self.problems.borrow_mut().push(Problem {
            file: self.file.clone(),
            line,
            key: key.to_owned(),
            what: what.to_owned(),
            todo: todo.to_owned(),
            severity,
        });
    }

    /// Errors and warnings, each in the order of the file.
    pub(super) fn into_problems(self) -> (Vec<Problem>, Vec<Problem>) {
        let mut all = self.problems.into_inner();
        all.sort_by_key(|p| p.line);
        all.dedup();
        all.into_iter().partition(|p| p.severity == Severity::Error)
    }
}

/// One table: `[sip]`, or one of the `[[domain]]`s.
#[derive(Clone)]
pub(super) struct Section<'d> {
    doc: &'d Document<'d>,
    name: &'static str,
    table: Option<&'d DeTable<'d>>,
    line: usize,
}

impl<'d> Section<'d> {
    /// The file's top level.
    pub(super) fn top(doc: &'d Document<'d>, table: &'d DeTable<'d>) -> Section<'d> {
        Section { doc, name: "", table: Some(table), line: 0 }.checked()
    }

    /// Tells every key that nobody knows.
    fn checked(self) -> Section<'d> {
        for key in self.table.into_iter().flat_map(|t| t.keys()) {
            let (name, known) = (key.get_ref().as_ref(), keys::of(self.name));
            if known.contains(&name) {
                continue;
            }
            let todo = match (keys::closest(name, known), keys::home_of(name, self.name)) {
                (Some(meant), _) => format!("did you mean \"{meant}\"?"),
                (None, Some(section)) => format!("it belongs in {section}"),
                (None, None) => format!("known here are {}", known.join(", ")),
            };
            self.doc.note(
                Severity::Error,
                self.doc.line(key.span().start),
                &self.path(name),
                "is not a key of this section",
                &todo,
            );
        }
        self
    }

    /// Where relative paths start: the directory of the file.
    pub(super) fn dir(&self) -> &'d Path {
        self.doc.file().parent().unwrap_or(Path::new(""))
    }

    fn path(&self, key: &str) -> String {
        match (self.name, key) {
            ("", key) => key.to_owned(),
            (name, "") => name.to_owned(),
            (name, key) => format!("{name}.{key}"),
        }
    }

    fn get(&self, key: &str) -> Option<&'d Spanned<DeValue<'d>>> {
        debug_assert!(keys::of(self.name).contains(&key), "{key} is missing from the table of keys");
        self.table?.get(key)
    }

    /// Whether the file gives `key` here.
    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Whether the file has this section.
    pub(super) fn exists(&self) -> bool {
        self.table.is_some()
    }

    /// Whether `key` is there and is a list of nothing.
    pub(super) fn is_empty_list(&self, key: &str) -> bool {
        self.get(key).and_then(|found| found.get_ref().as_array()).is_some_and(|items| items.is_empty())
    }

    /// How many items the list `key` has as it is written.
    pub(super) fn len_of(&self, key: &str) -> usize {
        self.get(key).and_then(|found| found.get_ref().as_array()).map_or(0, |items| items.len())
    }

    /// The text of `key`, without a word if there is none.
    pub(super) fn text_of(&self, key: &str) -> Option<&'d str> {
        self.get(key).and_then(|found| found.get_ref().as_str())
    }

    /// The known keys that the file gives here besides `keys`.
    pub(super) fn others_than(&self, keys: &[&str]) -> impl Iterator<Item = &'static str> {
        keys::of(self.name).iter().copied().filter(|key| !keys.contains(key) && self.has(key))
    }

    /// The line of `key`, or of the section where the key is absent.
    pub(super) fn line_of(&self, key: &str) -> usize {
        match self.table.and_then(|t| t.get_key_value(key)) {
            Some((key, _)) => self.doc.line(key.span().start),
            None => self.line,
        }
    }

    /// Whether an error was told of `key`.
    pub(super) fn has_error(&self, key: &str) -> bool {
        let (line, path) = (self.line_of(key), self.path(key));
        let told = self.doc.problems.borrow();
        told.iter().any(|p| p.severity == Severity::Error && p.line == line && p.key == path)
    }

    /// A mistake that shows only in the whole section or file.
    pub(super) fn error(&self, key: &str, what: impl AsRef<str>, todo: impl AsRef<str>) {
        if !self.doc.is_broken() {
            self.wrong(key, what, todo);
        }
    }

    /// A mistake in the value itself.
    fn wrong(&self, key: &str, what: impl AsRef<str>, todo: impl AsRef<str>) {
        self.doc.note(Severity::Error, self.line_of(key), &self.path(key), what.as_ref(), todo.as_ref());
    }

    pub(super) fn warn(&self, key: &str, what: impl AsRef<str>, todo: impl AsRef<str>) {
        if self.doc.is_broken() {
            return;
        }
        self.doc.note(Severity::Warning, self.line_of(key), &self.path(key), what.as_ref(), todo.as_ref());
    }

    /// What keeps nobody from starting, and does not work.
    pub(super) fn failing(&self, key: &str, what: impl AsRef<str>, todo: impl AsRef<str>) {
        if !self.doc.is_broken() {
            self.doc.note(Severity::Failing, self.line_of(key), &self.path(key), what.as_ref(), todo.as_ref());
        }
    }

    fn refused(&self, key: &str, line: usize, text: &str, bad: &Bad) {
        let what = format!("\"{text}\" {}", bad.what);
        self.doc.note(Severity::Error, line, &self.path(key), &what, &bad.todo);
    }

    fn wrong_type(&self, key: &str, found: &Spanned<DeValue<'_>>, todo: &str) {
        let line = self.doc.line(found.span().start);
        let what = format!("is {} {}", article(found.get_ref().type_str()), found.get_ref().type_str());
        self.doc.note(Severity::Error, line, &self.path(key), &what, todo);
    }

    /// A text, if it is there.
    pub(super) fn string(&self, key: &str) -> Option<&'d str> {
        let found = self.get(key)?;
        if found.get_ref().as_str().is_none() {
            self.wrong_type(key, found, "write a text in quotes");
        }
        found.get_ref().as_str()
    }

    /// A text that must be there.
    pub(super) fn required(&self, key: &str, todo: &str) -> Option<&'d str> {
        if !self.has(key) {
            self.error(key, "is missing", todo);
        }
        self.string(key)
    }

    /// A text of a small grammar.
    pub(super) fn parsed<T>(&self, key: &str, read: impl FnOnce(&str) -> Result<T, Bad>) -> Option<T> {
        let text = self.string(key)?;
        read(text).map_err(|bad| self.refused(key, self.line_of(key), text, &bad)).ok()
    }

    /// A list of texts of a small grammar.
    pub(super) fn list<T>(&self, key: &str, read: impl Fn(&str) -> Result<T, Bad>) -> Vec<T> {
        let Some(found) = self.get(key) else { return Vec::new() };
        let Some(items) = found.get_ref().as_array() else {
            self.wrong_type(key, found, "write a list of texts: [\"…\", \"…\"]");
            return Vec::new();
        };
        let mut read_items = Vec::new();
        for item in items.iter() {
            let line = self.doc.line(item.span().start);
            match item.get_ref().as_str().map(|text| (text, read(text))) {
                Some((_, Ok(value))) => read_items.push(value),
                Some((text, Err(bad))) => self.refused(key, line, text, &bad),
                None => self.wrong_type(key, item, "write a text in quotes"),
            }
        }
        read_items
    }

    /// A list of texts, or one text, which is a list of one.
    pub(super) fn texts(&self, key: &str) -> Vec<String> {
        match self.text_of(key) {
            Some(text) => vec![text.to_owned()],
            None => self.list(key, |text| Ok(text.to_owned())),
        }
    }

    /// A whole number within `range`.
    pub(super) fn number(&self, key: &str, range: RangeInclusive<usize>, default: usize) -> usize {
        let Some(found) = self.get(key) else { return default };
        let todo = format!("write a whole number from {} to {}", range.start(), range.end());
        let Some(integer) = found.get_ref().as_integer() else {
            self.wrong_type(key, found, &todo);
            return default;
        };
        match usize::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) if range.contains(&number) => number,
            _ => {
                self.wrong(key, format!("{} is out of range", integer.as_str()), todo);
                default
            }
        }
    }

    /// A duration within `range`.
    pub(super) fn duration(&self, key: &str, range: RangeInclusive<Duration>, default: Duration) -> Duration {
        if let Some(found) = self.get(key).filter(|found| found.get_ref().as_str().is_none()) {
            self.wrong_type(key, found, value::DURATION);
        }
        let Some(read) = self.text_of(key).and_then(|_| self.parsed(key, value::duration)) else { return default };
        if !range.contains(&read) {
            let what = format!("\"{}\" is out of range", self.string(key).unwrap_or_default());
            let least = if range.start().is_zero() { "0s".to_owned() } else { format!("{:?}", range.start()) };
            self.wrong(key, what, format!("write a duration from {least} to {:?}", range.end()));
            return default;
        }
        read
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self, key: &str, default: bool) -> bool {
        let Some(found) = self.get(key) else { return default };
        if found.get_ref().as_bool().is_none() {
            self.wrong_type(key, found, "write true or false, without quotes");
        }
        found.get_ref().as_bool().unwrap_or(default)
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.string(key)?;
        let chosen = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if chosen.is_none() {
            let known: Vec<_> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            self.wrong(key, format!("\"{text}\" is not known"), format!("write {}", known.join(" or ")));
        }
        chosen
    }

    /// Tells every known key that means nothing in `place`.
    pub(super) fn allow_only(&self, keys: &[&str], place: &str) {
        for key in self.others_than(keys) {
            self.error(key, format!("means nothing in {place}"), format!("its keys are {}", keys.join(", ")));
        }
    }

    /// A table of texts, in the order of the file.
    pub(super) fn pairs(&self, key: &str) -> Vec<(String, String)> {
        const TODO: &str = "write { \"101\" = \"juliet\", \"102\" = \"romeo\" }";
        let Some(found) = self.get(key) else { return Vec::new() };
        let Some(table) = found.get_ref().as_table() else {
            self.wrong_type(key, found, TODO);
            return Vec::new();
        };
        let mut pairs = Vec::new();
        for (left, right) in table.iter() {
            match right.get_ref().as_str() {
                Some(text) => pairs.push((left.span().start, left.get_ref().to_string(), text.to_owned())),
                None => self.wrong_type(key, right, TODO),
            }
        }
        pairs.sort_by_key(|(at, _, _)| *at);
        pairs.into_iter().map(|(_, left, right)| (left, right)).collect()
    }

    /// A table below this one; one without keys if it is absent.
    pub(super) fn section(&self, key: &str) -> Section<'d> {
        let name = keys::below(self.name, key);
        let absent = Section { doc: self.doc, name, table: None, line: 0 };
        let Some(found) = self.get(key) else { return absent };
        let mut table = found.get_ref().as_table();
        if table.is_none() {
            self.wrong_type(key, found, &format!("write a section: [{name}]"));
            // Written as a list: said once; what is in it is still read, so that nothing seems to be missing.
            table = found.get_ref().as_array().and_then(|list| list.iter().next()?.get_ref().as_table());
        }
        match table {
            Some(_) => Section { table, line: self.doc.line(found.span().start), ..absent }.checked(),
            None => absent,
        }
    }

    /// The tables of a list below this one.
    pub(super) fn sections(&self, key: &str) -> Vec<Section<'d>> {
        let name = keys::below(self.name, key);
        let Some(found) = self.get(key) else { return Vec::new() };
        let todo = format!("write [[{name}]], with two brackets, once for each");
        if found.get_ref().is_table() {
            // Said once; what is in it is still read, so that nothing seems to be missing.
            self.wrong_type(key, found, &todo);
            return vec![
                Section { doc: self.doc, name, table: found.get_ref().as_table(), line: self.line_of(key) }.checked(),
            ];
        }
        let Some(items) = found.get_ref().as_array() else {
            self.wrong_type(key, found, &todo);
            return Vec::new();
        };
        let mut sections = Vec::new();
        for item in items.iter() {
            match item.get_ref().as_table() {
                Some(table) => {
                    let line = self.doc.line(item.span().start);
                    sections.push(Section { doc: self.doc, name, table: Some(table), line }.checked());
                }
                None => self.wrong_type(key, item, &todo),
            }
        }
        sections
    }
}

fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}
