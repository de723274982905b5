//! Service discovery (XEP-0030).

use super::form::Form;
use crate::xml::{Element, ns};
use crate::xmpp::stanza::{Iq, IqKind};

/// What is asked about somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Query<'a> {
    /// Who it is and what it can do.
    Info {
        /// The part of it that is asked about.
        node: Option<&'a str>,
    },
    /// What belongs to it.
    Items {
        /// The part of it that is asked about.
        node: Option<&'a str>,
    },
}

/// Who somebody is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// From the registry: `gateway`, `account`, `client`, …
    pub category: &'static str,
    /// From the registry, within the category.
    pub kind: &'static str,
    /// The language of the name.
    pub lang: Option<&'static str>,
    /// For people.
    pub name: Option<String>,
}

impl<'a> Query<'a> {
    /// The question in `iq`, if it is one of service discovery.
    #[must_use]
    pub fn of(iq: &'a Iq) -> Option<Self> {
        let IqKind::Get(query) = &iq.kind else { return None };
        let node = query.attr("node");
        match (query.ns(), query.name()) {
            (ns::DISCO_INFO, "query") => Some(Self::Info { node }),
            (ns::DISCO_ITEMS, "query") => Some(Self::Items { node }),
            _ => None,
        }
    }
}

/// Who somebody is and what it can do: the answer to [`Query::Info`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Info {
    /// At least one (XEP-0030 section 3.1).
    pub identities: Vec<Identity>,
    /// Namespaces and the like. That of this extension itself need not be here.
    pub features: Vec<&'static str>,
    /// More (XEP-0128).
    pub forms: Vec<Form>,
}

impl Info {
    /// All features, that of this extension itself among them.
    #[must_use]
    pub fn features(&self) -> Vec<&'static str> {
        let own = (!self.features.contains(&ns::DISCO_INFO)).then_some(ns::DISCO_INFO);
        own.into_iter().chain(self.features.iter().copied()).collect()
    }

    /// The answer, with the `node` that was asked about.
    #[must_use]
    pub fn to_element(&self, node: Option<&str>) -> Element {
        let mut query = query(ns::DISCO_INFO, node);
        for identity in &self.identities {
            let mut child = Element::new(ns::DISCO_INFO, "identity");
            child.set_attr("category", identity.category);
            child.set_attr("type", identity.kind);
            if let Some(lang) = identity.lang {
                child.set_lang(lang);
            }
            if let Some(name) = &identity.name {
                child.set_attr("name", name.as_str());
            }
            query.push_child(child);
        }
        for feature in self.features() {
            query.push_child(Element::new(ns::DISCO_INFO, "feature").with_attr("var", feature));
        }
        self.forms.iter().for_each(|form| query.push_child(form.to_element()));
        query
    }
}

/// The answer to [`Query::Items`]: addresses and names.
#[must_use]
pub fn items(node: Option<&str>, items: &[(&str, Option<&str>)]) -> Element {
    let mut query = query(ns::DISCO_ITEMS, node);
    for (jid, name) in items {
        let mut item = Element::new(ns::DISCO_ITEMS, "item").with_attr("jid", *jid);
        if let Some(name) = name {
            item.set_attr("name", *name);
        }
        query.push_child(item);
    }
    query
}

fn query(ns: &str, node: Option<&str>) -> Element {
    let query = Element::new(ns, "query");
    match node {
        Some(node) => query.with_attr("node", node),
        None => query,
    }
}
