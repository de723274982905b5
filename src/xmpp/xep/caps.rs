//! What somebody can do, in short (XEP-0115): a hash that stands for an answer of service discovery.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use super::disco::Info;
use crate::xml::{Element, ns};

/// The hash over `info` (XEP-0115 section 5.1). Everything is sorted by its octets, so it depends on what is said and not
/// on the order of saying it.
#[must_use]
pub fn ver(info: &Info) -> String {
    let identity = |identity: &super::disco::Identity| {
        let name = identity.name.as_deref().unwrap_or_default();
        format!("{}/{}/{}/{name}<", identity.category, identity.kind, identity.lang.unwrap_or_default())
    };
    let mut identities: Vec<String> = info.identities.iter().map(identity).collect();
    identities.sort_unstable();
    let mut text = identities.concat();
    let mut features = info.features();
    features.sort_unstable();
    features.iter().for_each(|feature| push(&mut text, feature));
    let mut forms: Vec<_> = info.forms.iter().collect();
    forms.sort_unstable_by_key(|form| form.kind);
    for form in forms {
        push(&mut text, form.kind);
        let mut fields: Vec<_> = form.fields.iter().collect();
        fields.sort_unstable();
        for (name, values) in fields {
            push(&mut text, name);
            let mut values: Vec<_> = values.iter().collect();
            values.sort_unstable();
            values.iter().for_each(|value| push(&mut text, value));
        }
    }
    STANDARD.encode(Sha1::digest(text.as_bytes()))
}

/// A name in what is hashed. `<` ends each, so one that has it would be two (XEP-0115 section 8 warns of that); names of
/// ours have none.
fn push(text: &mut String, part: &str) {
    text.push_str(part);
    text.push('<');
}

/// `<c/>`, for presence and the features of a stream.
#[must_use]
pub fn element(node: &str, ver: &str) -> Element {
    Element::new(ns::CAPS, "c").with_attr("hash", "sha-1").with_attr("node", node).with_attr("ver", ver)
}
