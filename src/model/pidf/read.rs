//! Text to [`Presence`].

use super::{Error, Limits, Presence};

/// Reads a document.
///
/// # Errors
/// [`Error`] says what makes the document useless.
pub fn read(document: &[u8], limits: &Limits) -> Result<Presence, Error> {
    if document.len() > limits.bytes {
        return Err(Error::TooLong(document.len()));
    }
    Err(Error::NotPresence)
}
