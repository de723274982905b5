//! Which dialog a request belongs to (RFC 3261 section 12.2.2).

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::sip::message::Request;

/// Names a dialog: Call-ID and both tags, as a hash. Nobody can be made to meet another: 128 bits are too many to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DialogKey([u64; 2]);

impl DialogKey {
    /// Of these parts. With an empty `remote_tag` it names what a SUBSCRIBE that is out may still begin: the NOTIFY that
    /// comes has a tag nobody has seen (RFC 6665 section 4.4.1).
    #[must_use]
    pub fn new(call_id: &str, local_tag: &str, remote_tag: &str) -> Self {
        Self([1, 2].map(|which: u8| {
            let mut hasher = DefaultHasher::new();
            hasher.write_u8(which);
            call_id.hash(&mut hasher);
            // Tags are tokens and match in any case (RFC 3261 section 7.3.1).
            for tag in [local_tag, remote_tag] {
                fold(tag, &mut hasher);
                hasher.write_u8(0xff);
            }
            hasher.finish()
        }))
    }

    /// Of the dialog in which a peer has sent `request`; `None` where the headers are not what they must be.
    #[must_use]
    pub fn of(request: &Request) -> Option<Self> {
        let (from, to) = (request.headers.from().ok()?, request.headers.to().ok()?);
        let local = to.tag()?;
        Some(Self::new(request.headers.call_id()?, &local, &from.tag().unwrap_or_default()))
    }
}

/// Hashes a tag in lower case, some bytes at a time: one at a time takes longer than reading the header did.
fn fold(tag: &str, hasher: &mut DefaultHasher) {
    for part in tag.as_bytes().chunks(32) {
        let mut lower = [0; 32];
        let lower = &mut lower[..part.len()];
        lower.copy_from_slice(part);
        lower.make_ascii_lowercase();
        hasher.write(lower);
    }
}

impl Hash for DialogKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0[0]);
    }
}
