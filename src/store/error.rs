//! What can be wrong with a store, told so that its administrator can mend it.

use std::fmt;

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Of which sort it is.
    pub trouble: Trouble,
    /// Which store, without secrets.
    pub place: String,
    /// What is wrong, in words.
    pub what: String,
    /// What to do about it.
    pub todo: String,
}

/// The sorts of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It may be over soon, or when somebody has mended it: no connection, a full disk. Commits are tried again.
    Away,
    /// It does not let us in, or not do that: nothing but an administrator changes it. Commits are tried again.
    Refused,
    /// Another process has it.
    InUse,
    /// Another process has taken it over: what this one writes does not count any more.
    TakenOver,
    /// It was made by a release that knows more.
    Newer,
    /// It cannot be read, or is something else.
    Damaged,
    /// What is to be written into it contradicts what is there, or itself.
    Conflict,
}

impl Error {
    pub(super) fn new(trouble: Trouble, place: &str, what: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { trouble, place: place.to_owned(), what: what.into(), todo: todo.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.place, self.what, self.todo)
    }
}

impl std::error::Error for Error {}
