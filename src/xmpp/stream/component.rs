//! What XEP-0114 adds to streams: its namespace and its handshake.

use std::fmt::Write;

use sha1::{Digest, Sha1};

use super::StreamErrorKind;
use crate::xml::ns;
use crate::xml::splitter::StreamHeader;

/// The error of a header that is not that of a stream whose stanzas are in `content`.
pub(super) fn wrong_namespace(header: &StreamHeader, content: &str) -> Option<StreamErrorKind> {
    match (header.root.ns(), header.root.name(), header.content_ns.as_str()) {
        (ns::STREAM, _, ns::STREAM) => Some(StreamErrorKind::BadNamespacePrefix),
        (ns::STREAM, "stream", found) if found == content => None,
        (ns::STREAM, "stream", _) => Some(StreamErrorKind::InvalidNamespace),
        (ns::STREAM, _, _) => Some(StreamErrorKind::BadFormat),
        _ => Some(StreamErrorKind::InvalidNamespace),
    }
}

/// XEP-0114 section 3: SHA-1 over the id, as it is after unescaping, and the secret; in lower case.
pub(super) fn digest(id: &str, secret: &str) -> String {
    let digest = Sha1::new().chain_update(id).chain_update(secret).finalize();
    digest.iter().fold(String::with_capacity(40), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Takes as long whether the first or the last byte differs.
pub(super) fn same(one: &str, two: &str) -> bool {
    one.len() == two.len() && one.bytes().zip(two.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}
