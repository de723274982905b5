//! [`Presence`] to text.

use super::Presence;

/// Writes a document, with its XML declaration.
#[must_use]
pub fn write(presence: &Presence) -> Vec<u8> {
    presence.entity.as_bytes().to_vec()
}
