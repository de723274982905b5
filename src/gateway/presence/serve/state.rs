//! What the resources of a target have said, as it is kept: the text of their stanzas without what no watcher is told.

use super::super::super::limits::RESOURCES_KEPT;
use super::super::heard;
use crate::model::presence::Show;
use crate::xml::{Limits, reader};
use crate::xmpp::stanza::{Presence, PresenceKind, Stanza};

/// The resources that are available, or the last that went.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    resources: Vec<Heard>,
}

#[derive(Debug, PartialEq, Eq)]
struct Heard {
    /// Empty: it was said by the bare JID.
    resource: Box<str>,
    is_available: bool,
    is_dnd: bool,
    /// It was heard on a link that broke since, and not again.
    is_doubtful: bool,
    stanza: Box<[u8]>,
}

impl State {
    /// Takes what a resource says. `false`: that is nothing new.
    pub(super) fn take(&mut self, presence: &Presence) -> bool {
        let resource = presence.from.as_ref().and_then(|from| from.resource()).unwrap_or_default();
        let is_available = presence.kind == PresenceKind::Available;
        let heard = Heard {
            resource: resource.into(),
            is_available,
            is_dnd: is_available && presence.show().is_some_and(|show| show.trim() == "dnd"),
            is_doubtful: false,
            stanza: heard::short(presence).1.into(),
        };
        let known = self.resources.iter().position(|known| *known.resource == *resource);
        if is_available {
            if let Some(known) = known.and_then(|at| self.resources.get_mut(at)) {
                known.is_doubtful = false;
                if *known == heard {
                    return false;
                }
            }
            self.resources.retain(|known| known.is_available && *known.resource != *resource);
            if self.resources.len() >= RESOURCES_KEPT {
                self.resources.remove(0);
            }
            self.resources.push(heard);
            return true;
        }
        // The bare JID speaks for all of them: the server says so of a user who is offline (RFC 6121 section 4.3.2).
        let others = !resource.is_empty()
            && self.resources.iter().any(|other| other.is_available && *other.resource != *resource);
        match (others, known) {
            (true, None) => false,
            (true, Some(at)) => {
                self.resources.remove(at);
                true
            }
            (false, _) => {
                let was_available = self.is_available();
                let is_first = self.resources.is_empty();
                self.resources = vec![heard];
                self.resources.shrink_to_fit();
                was_available || is_first
            }
        }
    }

    /// What is known may have been overtaken while nobody heard.
    pub(super) fn doubt(&mut self) {
        self.resources.iter_mut().for_each(|heard| heard.is_doubtful = heard.is_available);
    }

    /// Forgets what was in doubt and was not said again, if anything was said. `true`: something is forgotten.
    pub(super) fn settle(&mut self) -> bool {
        let many = self.resources.len();
        if self.resources.iter().any(|heard| !heard.is_doubtful) {
            self.resources.retain(|heard| !heard.is_doubtful);
        }
        self.resources.len() < many
    }

    /// Whether any resource is there.
    pub(super) fn is_available(&self) -> bool {
        self.resources.iter().any(|heard| heard.is_available)
    }

    /// Whether any resource wants not to be disturbed.
    pub(super) fn is_dnd(&self) -> bool {
        self.resources.iter().any(|heard| heard.is_dnd)
    }

    /// The stanzas, with their resources.
    pub(super) fn stanzas(&self) -> Vec<(&str, Presence)> {
        self.resources.iter().filter_map(|heard| Some((&*heard.resource, expand(&heard.stanza)?))).collect()
    }

    /// What it takes, bytes.
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        let of = |heard: &Heard| size_of::<Heard>() + heard.resource.len() + heard.stanza.len();
        size_of::<Self>() + self.resources.iter().map(of).sum::<usize>()
    }
}

/// For operators: without what the user has written.
impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, heard) in self.resources.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            let state = if heard.is_available { "available" } else { "unavailable" };
            let space = if heard.resource.is_empty() { "" } else { " " };
            write!(f, "{comma}{}{space}{state}", heard.resource)?;
            // What is no word of RFC 6121 may be anything.
            let stanza = expand(&heard.stanza);
            if let Some(show) = stanza.and_then(|stanza| Show::parse(stanza.show()?.trim())) {
                write!(f, " ({})", show.name())?;
            }
        }
        Ok(())
    }
}

fn expand(text: &[u8]) -> Option<Presence> {
    let whole = [b"<i xmlns='jabber:client'>", text, b"</i>"].concat();
    let outer = reader::parse(&whole, &Limits::default()).ok()?;
    let presence = outer.into_children().next()?;
    match Stanza::from_element(presence).ok()? {
        Stanza::Presence(presence) => Some(presence),
        Stanza::Message(_) | Stanza::Iq(_) => None,
    }
}
