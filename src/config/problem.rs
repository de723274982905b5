//! What is wrong with a configuration, told so that the reader can mend it.

use std::fmt;
use std::path::PathBuf;

/// One mistake, or one thing to look at, in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file as it was named to us.
    pub file: PathBuf,
    /// The line, from 1; 0: the file as a whole.
    pub line: usize,
    /// The key, with its section: `domain.next_hop`; empty where no key is meant.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub todo: String,
    /// Whether the configuration works all the same.
    pub severity: Severity,
}

/// Whether a problem keeps stox from starting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It does.
    Error,
    /// It does not, but what is told of will not work: `stox check` is not satisfied.
    Failing,
    /// It does not, but somebody should look.
    Warning,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if self.line > 0 {
            write!(f, "{}:", self.line)?;
        }
        if self.severity == Severity::Warning {
            f.write_str(" warning:")?;
        }
        if !self.key.is_empty() {
            write!(f, " {}:", self.key)?;
        }
        write!(f, " {}; {}", self.what, self.todo)
    }
}
