//! What stox says of itself to those who discover it (XEP-0030, XEP-0115, XEP-0157).

use crate::xml::{Element, ns};
use crate::xmpp::xep::disco::{Identity, Info};
use crate::xmpp::xep::{caps, contacts};

/// The program, as capabilities name it. Only equality counts (XEP-0115 section 4).
const NODE: &str = "urn:stox";

/// Features of the gateway's own address.
const GATEWAY_FEATURES: &[&str] = &[
    ns::DISCO_INFO,
    ns::DISCO_ITEMS,
    ns::CAPS,
    ns::LAST,
    ns::PING,
    ns::TIME,
    ns::VCARD,
    ns::VERSION,
    "jid\\20escaping",
];

/// Features of a SIP user's address.
const USER_FEATURES: &[&str] = &[ns::DISCO_INFO, ns::DISCO_ITEMS, ns::PING, ns::VCARD];

/// The answers, made once.
#[derive(Debug)]
pub(super) struct Surface {
    gateway: Info,
    /// The hash of that.
    ver: String,
    /// What is asked for by the hash: `NODE#ver`.
    node: String,
}

impl Surface {
    /// For domains with these contacts.
    pub(super) fn new(contact: &[(String, Vec<String>)]) -> Self {
        let gateway = Info {
            identities: vec![identity("gateway", "sip", Some("SIP gateway"))],
            features: GATEWAY_FEATURES.to_vec(),
            forms: contacts::form(contact).into_iter().collect(),
        };
        let ver = caps::ver(&gateway);
        let node = format!("{NODE}#{ver}");
        Self { gateway, ver, node }
    }

    /// Who a domain of ours is; `None`: it has no such node.
    pub(super) fn of_domain(&self, node: Option<&str>) -> Option<Element> {
        let is_known = node.is_none_or(|node| node == self.node);
        is_known.then(|| self.gateway.to_element(node))
    }

    /// Who a SIP user is. The same is said of each, so that it tells nothing about whether there is such a user.
    pub(super) fn of_user(bare: bool) -> Element {
        let (category, kind) = if bare { ("account", "registered") } else { ("client", "phone") };
        let identities = vec![identity(category, kind, None)];
        Info { identities, features: USER_FEATURES.to_vec(), forms: Vec::new() }.to_element(None)
    }

    /// `<c/>` of a domain of ours.
    pub(super) fn caps(&self) -> Element {
        caps::element(NODE, &self.ver)
    }
}

fn identity(category: &'static str, kind: &'static str, name: Option<&str>) -> Identity {
    Identity { category, kind, lang: None, name: name.map(str::to_owned) }
}

/// `<c/>` of a domain with these contacts, for the features of its streams (XEP-0115 section 6.3).
#[must_use]
pub fn capabilities(contact: &[(String, Vec<String>)]) -> Element {
    Surface::new(contact).caps()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_hash_follows_what_is_said_and_nothing_else() {
        let contacts = vec![("abuse".to_owned(), vec!["mailto:abuse@sip.example".to_owned()])];
        let (none, some) = (Surface::new(&[]), Surface::new(&contacts));
        assert_eq!(none.ver, Surface::new(&[]).ver);
        assert_ne!(none.ver, some.ver);
        assert_eq!(capabilities(&contacts).attr("ver"), Some(some.ver.as_str()));
    }

    #[test]
    fn contacts_are_told_with_the_domain() {
        let contacts = vec![("abuse".to_owned(), vec!["mailto:abuse@sip.example".to_owned()])];
        let info = Surface::new(&contacts).of_domain(None).unwrap();
        let form = info.child(ns::DATA, "x").unwrap();
        assert!(form.children().any(|field| field.attr("var") == Some("abuse-addresses")));
        assert!(Surface::new(&[]).of_domain(None).unwrap().child(ns::DATA, "x").is_none());
    }
}
