//! What somebody's account tells those who see its presence (XEP-0163, XEP-0060): moods, activities.

use crate::xml::{Element, ns};
use crate::xmpp::jid::{BareJid, Jid};
use crate::xmpp::stanza::{Condition, IqKind, Message, MessageKind};

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

/// What such a message says of nodes, each with the payload of its new item; without one where that was taken back, with the
/// others, or with the node (XEP-0060 sections 7.2.2, 8.5.1 and 8.4.2). An item without payload says nothing.
#[must_use]
pub fn changes(message: &Message) -> Vec<(&str, Option<&Element>)> {
    let events = message.payload.iter().filter(|child| child.is(ns::PUBSUB_EVENT, "event"));
    let mut changes = Vec::new();
    for child in events.flat_map(Element::children).filter(|child| child.ns() == ns::PUBSUB_EVENT) {
        let Some(node) = child.attr("node") else { continue };
        match child.name() {
            "purge" | "delete" => changes.push((node, None)),
            "items" => changes.extend(child.children().filter_map(|one| match one.name() {
                "item" => Some((node, Some(one.children().next()?))),
                "retract" => Some((node, None)),
                _ => None,
            })),
            _ => {}
        }
    }
    changes
}

/// The question for the last item of a node (XEP-0060 section 6.5.7).
#[must_use]
pub fn last_item(node: &str) -> Element {
    let items = Element::new(ns::PUBSUB, "items").with_attr("node", node).with_attr("max_items", "1");
    Element::new(ns::PUBSUB, "pubsub").with_child(items)
}

/// What the answer to that says: the payload of the item, or that there is none, nor perhaps a node. `None`: it is no answer
/// to that, or the account did not want to tell.
#[must_use]
pub fn answer(kind: &IqKind) -> Option<Option<&Element>> {
    match kind {
        IqKind::Result(Some(pubsub)) if pubsub.is(ns::PUBSUB, "pubsub") => {
            let items = pubsub.child(ns::PUBSUB, "items")?;
            Some(items.child(ns::PUBSUB, "item").and_then(|item| item.children().next()))
        }
        IqKind::Error(error) if error.condition == Condition::ItemNotFound => Some(None),
        IqKind::Result(_) | IqKind::Error(_) | IqKind::Get(_) | IqKind::Set(_) => None,
    }
}

/// Whether it is such a message.
#[must_use]
pub fn is_event(message: &Message) -> bool {
    message.payload.iter().any(|child| child.is(ns::PUBSUB_EVENT, "event"))
}

/// What such a message carries.
pub fn items(message: &Message) -> impl Iterator<Item = &Element> {
    let events = message.payload.iter().filter(|child| child.is(ns::PUBSUB_EVENT, "event"));
    let items = events.flat_map(Element::children).filter(|child| child.is(ns::PUBSUB_EVENT, "items"));
    items.flat_map(Element::children).filter(|child| child.is(ns::PUBSUB_EVENT, "item")).flat_map(Element::children)
}
