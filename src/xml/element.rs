//! [`Element`]: a name, attributes, and what stands inside.

use std::borrow::Cow;
use std::fmt;

use super::{Word, ns, writer};

/// One element with all it contains. Two are equal if they mean the same (XML Infoset): prefixes and the order of
/// attributes do not count.
#[derive(Clone)]
pub struct Element {
    ns: Word,
    name: Word,
    attributes: Vec<Attribute>,
    nodes: Vec<Node>,
}

/// One attribute; `xmlns` declarations are not kept as attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its namespace; empty for those without a prefix.
    pub ns: Word,
    /// Its local name.
    pub name: Word,
    /// Its value, references resolved.
    pub value: String,
}

/// What can stand inside an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A child.
    Element(Element),
    /// Character data; two never stand side by side, and none is empty.
    Text(String),
}

impl Element {
    /// An empty element `name` in namespace `ns`. `name` must be an NCName: it is written as it is.
    #[must_use]
    pub fn new(ns: impl Into<Word>, name: &str) -> Self {
        Self { ns: ns.into(), name: Word::from(name), attributes: Vec::new(), nodes: Vec::new() }
    }

    pub(crate) fn from_words(ns: Word, name: Word, attributes: Vec<Attribute>) -> Self {
        Self { ns, name, attributes, nodes: Vec::new() }
    }

    /// The local name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The namespace name; empty if none.
    #[must_use]
    pub fn ns(&self) -> &str {
        &self.ns
    }

    /// Whether it is `name` in namespace `ns`.
    #[must_use]
    pub fn is(&self, ns: &str, name: &str) -> bool {
        self.name.as_str() == name && self.ns.as_str() == ns
    }

    /// The value of the attribute `name` that has no namespace.
    #[must_use]
    pub fn attr(&self, name: &str) -> Option<&str> {
        self.attr_ns("", name)
    }

    /// The value of the attribute `name` in namespace `ns`.
    #[must_use]
    pub fn attr_ns(&self, ns: &str, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|a| a.name.as_str() == name && a.ns.as_str() == ns);
        found.map(|attribute| attribute.value.as_str())
    }

    /// All attributes, in the order they were read or set.
    pub fn attributes(&self) -> impl Iterator<Item = &Attribute> {
        self.attributes.iter()
    }

    /// Sets the attribute `name`, which has no namespace.
    pub fn set_attr(&mut self, name: &str, value: impl Into<String>) {
        self.set_attr_ns(Word::EMPTY, name, value);
    }

    /// Sets the attribute `name` of namespace `ns`.
    pub fn set_attr_ns(&mut self, ns: impl Into<Word>, name: &str, value: impl Into<String>) {
        let (ns, value) = (ns.into(), value.into());
        match self.attributes.iter_mut().find(|a| a.name.as_str() == name && a.ns == ns) {
            Some(attribute) => attribute.value = value,
            None => self.attributes.push(Attribute { ns, name: Word::from(name), value }),
        }
    }

    /// Takes the attribute `name`, which has no namespace, away.
    pub fn remove_attr(&mut self, name: &str) -> Option<String> {
        self.take_attr("", name)
    }

    pub(crate) fn take_attr(&mut self, ns: &str, name: &str) -> Option<String> {
        let index = self.attributes.iter().position(|a| a.name.as_str() == name && a.ns.as_str() == ns)?;
        Some(self.attributes.swap_remove(index).value)
    }

    /// `xml:lang` of this element itself; inheritance is the caller's.
    #[must_use]
    pub fn lang(&self) -> Option<&str> {
        self.attr_ns(ns::XML, "lang")
    }

    /// Sets `xml:lang`.
    pub fn set_lang(&mut self, lang: impl Into<String>) {
        self.set_attr_ns(Word::constant(ns::XML), "lang", lang);
    }

    /// The same with an attribute.
    #[must_use]
    pub fn with_attr(mut self, name: &str, value: impl Into<String>) -> Self {
        self.set_attr(name, value);
        self
    }

    /// The same with `xml:lang`, if there is one to set.
    #[must_use]
    pub fn with_lang(mut self, lang: Option<&str>) -> Self {
        if let Some(lang) = lang {
            self.set_lang(lang);
        }
        self
    }

    /// The same with one more child.
    #[must_use]
    pub fn with_child(mut self, child: Element) -> Self {
        self.push_child(child);
        self
    }

    /// The same with more text.
    #[must_use]
    pub fn with_text(mut self, text: &str) -> Self {
        self.push_text(text);
        self
    }

    /// Appends a child.
    pub fn push_child(&mut self, child: Element) {
        self.nodes.push(Node::Element(child));
    }

    /// Appends character data, to the last text if nothing stands between.
    pub fn push_text(&mut self, text: &str) {
        match self.nodes.last_mut() {
            _ if text.is_empty() => {}
            Some(Node::Text(last)) => last.push_str(text),
            Some(Node::Element(_)) | None => self.nodes.push(Node::Text(text.to_owned())),
        }
    }

    pub(crate) fn push_char(&mut self, char: char) {
        self.push_text(char.encode_utf8(&mut [0; 4]));
    }

    /// All that stands inside, in order.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter()
    }

    /// The children, without the text between them.
    pub fn children(&self) -> impl Iterator<Item = &Element> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Element(child) => Some(child),
            Node::Text(_) => None,
        })
    }

    /// The children, without the text between them.
    pub fn into_children(self) -> impl Iterator<Item = Element> {
        self.nodes.into_iter().filter_map(|node| match node {
            Node::Element(child) => Some(child),
            Node::Text(_) => None,
        })
    }

    /// The first child `name` in namespace `ns`.
    #[must_use]
    pub fn child(&self, ns: &str, name: &str) -> Option<&Element> {
        self.children().find(|child| child.is(ns, name))
    }

    /// All text directly inside, joined.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        let mut texts = self.nodes.iter().filter_map(|node| match node {
            Node::Text(text) => Some(text.as_str()),
            Node::Element(_) => None,
        });
        let first = texts.next().unwrap_or_default();
        match texts.next() {
            None => Cow::Borrowed(first),
            Some(second) => {
                let mut all = first.to_owned();
                all.push_str(second);
                all.extend(texts);
                Cow::Owned(all)
            }
        }
    }

    /// Whether nothing stands inside.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
}

impl PartialEq for Element {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.ns == other.ns
            && self.attributes.len() == other.attributes.len()
            && self.attributes.iter().all(|attribute| other.attributes.contains(attribute))
            && self.nodes == other.nodes
    }
}

impl Eq for Element {}

impl fmt::Debug for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        writer::write(self, "", &mut out);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_attributes_does_not_count_but_order_of_children_does() {
        let one = Element::new("u", "a").with_attr("x", "1").with_attr("y", "2");
        let two = Element::new("u", "a").with_attr("y", "2").with_attr("x", "1");
        assert_eq!(one, two);
        let b_c = one.clone().with_child(Element::new("u", "b")).with_child(Element::new("u", "c"));
        let c_b = one.with_child(Element::new("u", "c")).with_child(Element::new("u", "b"));
        assert_ne!(b_c, c_b);
    }

    #[test]
    fn texts_that_touch_are_one() {
        let mut element = Element::new("", "a").with_text("x").with_text("").with_text("y");
        assert_eq!(element.nodes().count(), 1);
        element.push_child(Element::new("", "b"));
        element.push_char('z');
        assert_eq!((element.nodes().count(), &*element.text()), (3, "xyz"));
    }

    #[test]
    fn an_attribute_is_set_once() {
        let mut element = Element::new("", "a").with_attr("x", "1").with_attr("x", "2");
        assert_eq!(element.attributes().count(), 1);
        assert_eq!(element.remove_attr("x").as_deref(), Some("2"));
        element.set_lang("de");
        assert_eq!((element.attr("x"), element.lang(), element.attr("lang")), (None, Some("de"), None));
    }
}
