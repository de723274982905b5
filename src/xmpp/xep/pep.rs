//! What somebody's account tells those who see its presence (XEP-0163, XEP-0060): moods, activities.

use crate::xml::{Element, ns};
use crate::xmpp::jid::{BareJid, Jid};
use crate::xmpp::stanza::{Message, MessageKind};

/// The message by which the account of `from` tells `to` that a node has a new item. The node is called as the namespace of
/// `item`, as it is with all extensions that use one.
#[must_use]
pub fn event(from: &BareJid, to: &Jid, item: Element) -> Message {
    let node = item.ns().to_owned();
    let item = Element::new(ns::PUBSUB_EVENT, "item").with_attr("id", "current").with_child(item);
    let items = Element::new(ns::PUBSUB_EVENT, "items").with_attr("node", node).with_child(item);
    let mut message = Message::new(from.clone().into(), to.clone(), MessageKind::Headline);
    message.payload.push(Element::new(ns::PUBSUB_EVENT, "event").with_child(items));
    message
}

/// What such a message carries.
pub fn items(message: &Message) -> impl Iterator<Item = &Element> {
    let events = message.payload.iter().filter(|child| child.is(ns::PUBSUB_EVENT, "event"));
    let items = events.flat_map(Element::children).filter(|child| child.is(ns::PUBSUB_EVENT, "items"));
    items.flat_map(Element::children).filter(|child| child.is(ns::PUBSUB_EVENT, "item")).flat_map(Element::children)
}
