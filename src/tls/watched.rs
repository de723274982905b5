//! What is made of files, and made anew when they change.

use std::fmt::Display;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;

/// Something made of files, with what they looked like when they were read.
#[derive(Debug)]
pub(super) struct Watched<T> {
    current: ArcSwap<T>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    stamps: Vec<Stamp>,
    trouble: Option<String>,
}

/// What shows that a file was written anew; `None`: it is not there.
pub(super) type Stamp = Option<(Option<SystemTime>, u64, u64)>;

/// How the files look now.
pub(super) fn stamps<'f>(files: impl Iterator<Item = &'f Path>) -> Vec<Stamp> {
    let stamp = |file: &Path| {
        let data = std::fs::metadata(file).ok()?;
        Some((data.modified().ok(), data.len(), data.ino()))
    };
    files.map(stamp).collect()
}

impl<T> Watched<T> {
    /// `made` of files that looked like `stamps` before they were read.
    pub(super) fn new(made: T, stamps: Vec<Stamp>) -> Self {
        Self { current: ArcSwap::from_pointee(made), seen: Mutex::new(Seen { stamps, trouble: None }) }
    }

    /// What holds now.
    pub(super) fn get(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// What is wrong with the files as they are now, if they were not taken.
    pub(super) fn trouble(&self) -> Option<String> {
        self.seen().trouble.clone()
    }

    /// Reads the files anew if one of them has changed, or if they were broken. Gives what is new: taken, or broken for
    /// a reason not told yet.
    pub(super) fn look<E: Display>(
        &self,
        stamps: Vec<Stamp>,
        read: impl FnOnce(&T) -> (Option<T>, Result<(), E>),
    ) -> Option<Result<(), E>> {
        let (same, troubled) = {
            let seen = self.seen();
            (seen.stamps == stamps, seen.trouble.clone())
        };
        if same && troubled.is_none() {
            return None;
        }
        let result = self.renew(stamps, read);
        let told = self.seen().trouble == troubled;
        (result.is_ok() || !told).then_some(result)
    }

    /// Reads the files anew. `read` gives what is to hold from now on, if anything is new, and what is wrong.
    pub(super) fn renew<E: Display>(
        &self,
        stamps: Vec<Stamp>,
        read: impl FnOnce(&T) -> (Option<T>, Result<(), E>),
    ) -> Result<(), E> {
        let (made, result) = read(&self.get());
        let mut seen = self.seen();
        seen.stamps = stamps;
        seen.trouble = result.as_ref().err().map(ToString::to_string);
        if let Some(made) = made {
            self.current.store(Arc::new(made));
        }
        result
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
