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

/// Features of his devices, which take what an account tells of its user (XEP-0163 section 4.2).
const PHONE_FEATURES: &[&str] = &[
    ns::DISCO_INFO,
    ns::DISCO_ITEMS,
    ns::CAPS,
    ns::PING,
    ns::VCARD,
    "http://jabber.org/protocol/activity+notify",
    "http://jabber.org/protocol/mood+notify",
];

/// The answers, made once.
#[derive(Debug)]
pub(super) struct Surface {
    gateway: Known,
    phone: Known,
}

/// What is said, and found by its hash as well.
#[derive(Debug)]
struct Known {
    info: Info,
    ver: String,
    /// What is asked for by the hash: `NODE#ver`.
    node: String,
}

impl Known {
    fn new(info: Info) -> Self {
        let ver = caps::ver(&info);
        let node = format!("{NODE}#{ver}");
        Self { info, ver, node }
    }

    fn caps(&self) -> Element {
        caps::element(NODE, &self.ver)
    }
}

impl Surface {
    /// For domains with these contacts.
    pub(super) fn new(contact: &[(String, Vec<String>)]) -> Self {
        let gateway = Info {
            identities: vec![identity("gateway", "sip", Some("SIP gateway"))],
            features: GATEWAY_FEATURES.to_vec(),
            forms: contacts::form(contact).into_iter().collect(),
        };
        let phone = Info {
            identities: vec![identity("client", "phone", None)],
            features: PHONE_FEATURES.to_vec(),
            forms: Vec::new(),
        };
        Self { gateway: Known::new(gateway), phone: Known::new(phone) }
    }

    /// Who a domain of ours is; `None`: it has no such node.
    pub(super) fn of_domain(&self, node: Option<&str>) -> Option<Element> {
        let is_known = node.is_none_or(|node| node == self.gateway.node);
        is_known.then(|| self.gateway.info.to_element(node))
    }

    /// Who a SIP user is, or a device of his; `None`: there is no such node. The same is said of each, so that it tells
    /// nothing about whether there is such a user.
    pub(super) fn of_user(&self, bare: bool, node: Option<&str>) -> Option<Element> {
        if node.is_none() && bare {
            let identities = vec![identity("account", "registered", None)];
            return Some(Info { identities, features: USER_FEATURES.to_vec(), forms: Vec::new() }.to_element(None));
        }
        let is_known = node.is_none_or(|node| node == self.phone.node);
        is_known.then(|| self.phone.info.to_element(node))
    }

    /// `<c/>` of a domain of ours.
    pub(super) fn caps(&self) -> Element {
        self.gateway.caps()
    }

    /// `<c/>` of the devices of SIP users.
    pub(super) fn phone_caps(&self) -> Element {
        self.phone.caps()
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
        assert_eq!(none.gateway.ver, Surface::new(&[]).gateway.ver);
        assert_ne!(none.gateway.ver, some.gateway.ver);
        assert_eq!(none.phone.ver, some.phone.ver);
        assert_eq!(capabilities(&contacts).attr("ver"), Some(some.gateway.ver.as_str()));
    }

    #[test]
    fn a_phone_is_found_by_its_hash_under_either_address_and_by_no_other() {
        let surface = Surface::new(&[]);
        let caps = surface.phone_caps();
        let node = format!("{}#{}", caps.attr("node").unwrap(), caps.attr("ver").unwrap());
        for bare in [false, true] {
            let info = surface.of_user(bare, Some(&node)).unwrap();
            assert_eq!(info.attr("node"), Some(node.as_str()));
            let takes = |feature: &str| info.children().any(|child| child.attr("var") == Some(feature));
            assert!(
                takes("http://jabber.org/protocol/mood+notify") && takes("http://jabber.org/protocol/activity+notify")
            );
            assert!(surface.of_user(bare, Some("urn:stox#other")).is_none());
        }
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
