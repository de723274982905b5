//! Chat state notifications (XEP-0085).

use crate::xml::{Element, ns};
use crate::xmpp::stanza::Message;

/// What the other side of a conversation is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChatState {
    /// Attends to the conversation.
    Active,
    /// Is typing.
    Composing,
    /// Was typing and has stopped.
    Paused,
    /// Has not done anything for a while.
    Inactive,
    /// Has left the conversation.
    Gone,
}

impl ChatState {
    const ALL: [ChatState; 5] = [Self::Active, Self::Composing, Self::Paused, Self::Inactive, Self::Gone];

    /// The name of its element.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Composing => "composing",
            Self::Paused => "paused",
            Self::Inactive => "inactive",
            Self::Gone => "gone",
        }
    }

    /// The state that `message` carries.
    #[must_use]
    pub fn of(message: &Message) -> Option<Self> {
        let element = message.payload.iter().find(|child| child.ns() == ns::CHATSTATES)?;
        Self::ALL.into_iter().find(|state| state.name() == element.name())
    }

    /// Its element.
    #[must_use]
    pub fn to_element(self) -> Element {
        Element::new(ns::CHATSTATES, self.name())
    }
}
