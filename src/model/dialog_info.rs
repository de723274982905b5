//! Calls of a phone: application/dialog-info+xml (RFC 4235).
//!
//! [`read`] makes a [`Document`] of one body, [`Calls`] keeps what documents said in their order, and [`lamp`] writes the
//! one that lights a key of a phone.

use super::event::{self, Error, MAX_NAME, Versions, WantsFull};
use crate::xml::{Element, writer};

/// The namespace (section 4).
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:dialog-info";
/// The media type.
pub const MEDIA_TYPE: &str = "application/dialog-info+xml";
/// Dialogs of one document, and of one user: a phone has a dozen lines, a queue with a number of its own some hundred calls.
pub const MAX_DIALOGS: usize = 256;

/// One document (section 4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Which of the subscription it is.
    pub version: u32,
    /// Whether it has all dialogs, or those that have changed.
    pub full: bool,
    /// Whose they are: a URI.
    pub entity: String,
    /// The dialogs. One whose state is no state we know is left out, and so is one with an id longer than [`MAX_NAME`].
    pub dialogs: Vec<Dialog>,
}

/// One call, seen from the phone (section 4.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialog {
    /// What names it in this and later documents.
    pub id: String,
    /// How far it is.
    pub state: State,
    /// Who called, if it is said.
    pub direction: Option<Direction>,
    /// This end.
    pub local: Participant,
    /// The other.
    pub remote: Participant,
}

/// One end of a dialog (section 4.1.6). What is not said is as it was in the document before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Participant {
    /// Who it is: the URI of the first identity, unless that is longer than [`MAX_NAME`].
    pub identity: Option<String>,
    /// The name with it.
    pub display: Option<String>,
    /// Where its requests go.
    pub target: Option<String>,
    /// `+sip.rendering` of the target (section 5.2): whether what is heard is played. `no` is a call on hold.
    pub rendering: Option<Rendering>,
}

/// How far a dialog is (section 3.7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// An INVITE is out, or the receiver is off the hook.
    Trying,
    /// The far end has it.
    Proceeding,
    /// It rings.
    Early,
    /// They talk.
    Confirmed,
    /// It is over.
    Terminated,
}

/// Whether the phone called or was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// It called.
    Initiator,
    /// It was called.
    Recipient,
}

/// Whether an end plays what it hears (section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rendering {
    /// At least one stream.
    Yes,
    /// None.
    No,
    /// It does not know.
    Unknown,
}

impl State {
    const NAMES: [(State, &'static str); 5] = [
        (State::Trying, "trying"),
        (State::Proceeding, "proceeding"),
        (State::Early, "early"),
        (State::Confirmed, "confirmed"),
        (State::Terminated, "terminated"),
    ];

    fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(state, _)| *state == self).map_or("terminated", |(_, name)| name)
    }

    fn of(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| name.eq_ignore_ascii_case(known)).map(|(state, _)| *state)
    }
}

/// Reads a document. Spellings of older drafts that phones still use (errata 158, 771, 774) are understood.
///
/// # Errors
/// What it breaks of XML, another root, no version, a dialog without id, more than [`MAX_DIALOGS`].
pub fn read(body: &[u8]) -> Result<Document, Error> {
    let root = event::root(body, NAMESPACE, "dialog-info")?;
    let state = if root.attr("state").is_some() { "state" } else { "notify-state" };
    let mut dialogs = Vec::new();
    for each in event::children(&root, NAMESPACE, "dialog", "dialogs", MAX_DIALOGS)? {
        if let Some(dialog) = read_dialog(each)? {
            dialogs.push(dialog);
        }
    }
    Ok(Document {
        version: event::number(&root, "version")?,
        full: event::is_full(&root, state)?,
        entity: root.attr("entity").unwrap_or_default().trim().to_owned(),
        dialogs,
    })
}

fn read_dialog(element: &Element) -> Result<Option<Dialog>, Error> {
    let id = event::required(element, "id")?;
    let state = element.child(NAMESPACE, "state").and_then(|state| State::of(state.text().trim()));
    let Some(state) = state.filter(|_| id.len() <= MAX_NAME) else { return Ok(None) };
    let direction = match element.attr("direction").map(str::trim) {
        Some("initiator") => Some(Direction::Initiator),
        Some("recipient" | "receiver") => Some(Direction::Recipient),
        Some(_) | None => None,
    };
    let end = |name| element.child(NAMESPACE, name).map(read_participant).unwrap_or_default();
    Ok(Some(Dialog { id, state, direction, local: end("local"), remote: end("remote") }))
}

fn read_participant(element: &Element) -> Participant {
    let identity = element.child(NAMESPACE, "identity");
    let target = element.child(NAMESPACE, "target");
    let name = |identity: &Element| Some(identity.attr("display").or(identity.attr("display-name"))?.trim().to_owned());
    let is_name = |text: &String| (1..=MAX_NAME).contains(&text.len());
    Participant {
        identity: identity.map(|identity| identity.text().trim().to_owned()).filter(is_name),
        display: identity.and_then(name).filter(|name| !name.is_empty()),
        // One without its `uri` says by its parameters what the phone does, and so it is there.
        target: target.map(|target| target.attr("uri").unwrap_or_default().trim().to_owned()),
        rendering: target.and_then(read_rendering),
    }
}

fn read_rendering(target: &Element) -> Option<Rendering> {
    let is_rendering = |param: &&Element| {
        let name = param.attr("pname").unwrap_or_default().trim();
        param.is(NAMESPACE, "param") && name.trim_start_matches('+').eq_ignore_ascii_case("sip.rendering")
    };
    let param = target.children().find(is_rendering)?;
    // Asterisk and FreeSWITCH spell it `pvalue`.
    let value = param.attr("pval").or(param.attr("pvalue"))?;
    match value.trim().to_ascii_lowercase().as_str() {
        "yes" => Some(Rendering::Yes),
        "no" => Some(Rendering::No),
        "unknown" => Some(Rendering::Unknown),
        _ => None,
    }
}

/// Writes a document.
#[must_use]
pub fn write(document: &Document) -> Vec<u8> {
    let mut root = Element::new(NAMESPACE, "dialog-info")
        .with_attr("version", document.version.to_string())
        .with_attr("state", if document.full { "full" } else { "partial" })
        .with_attr("entity", document.entity.as_str());
    for dialog in &document.dialogs {
        root.push_child(write_dialog(dialog));
    }
    let mut out = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_vec();
    writer::write(&root, "", &mut out);
    out
}

fn write_dialog(dialog: &Dialog) -> Element {
    let mut element = Element::new(NAMESPACE, "dialog").with_attr("id", dialog.id.as_str());
    match dialog.direction {
        Some(Direction::Initiator) => element.set_attr("direction", "initiator"),
        Some(Direction::Recipient) => element.set_attr("direction", "recipient"),
        None => {}
    }
    element.push_child(Element::new(NAMESPACE, "state").with_text(dialog.state.name()));
    for (name, end) in [("local", &dialog.local), ("remote", &dialog.remote)] {
        if *end != Participant::default() {
            element.push_child(write_participant(name, end));
        }
    }
    element
}

fn write_participant(name: &str, end: &Participant) -> Element {
    let mut element = Element::new(NAMESPACE, name);
    if end.identity.is_some() || end.display.is_some() {
        let mut identity = Element::new(NAMESPACE, "identity").with_text(end.identity.as_deref().unwrap_or_default());
        if let Some(display) = &end.display {
            // The name of the text (section 4.1.6.1), which phones read; the schema's is `display-name`.
            identity.set_attr("display", display.as_str());
        }
        element.push_child(identity);
    }
    if let Some(uri) = &end.target {
        let mut target = Element::new(NAMESPACE, "target").with_attr("uri", uri.as_str());
        let rendering = end.rendering.map(|rendering| match rendering {
            Rendering::Yes => "yes",
            Rendering::No => "no",
            Rendering::Unknown => "unknown",
        });
        if let Some(value) = rendering {
            let param = Element::new(NAMESPACE, "param");
            target.push_child(param.with_attr("pname", "+sip.rendering").with_attr("pval", value));
        }
        element.push_child(target);
    }
    element
}

/// What a key of a phone shows of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lamp {
    /// Off: free.
    Off,
    /// Lit: busy.
    On,
}

/// The document that lights a key, full, as RFC 4235 section 6.3 has it for phones with a lamp and nothing else: one dialog
/// of a fixed id, without tags, numbers or names, so that nothing is told but that the user is busy. A free user's is
/// `terminated` and not left out, for phones that put out the lamp only for a dialog that they see end; it is `initiator`,
/// so that no phone offers to pick it up.
///
/// `entity` is the URI that was subscribed to, `version` counts the documents of one dialog from 0.
#[must_use]
pub fn lamp(entity: &str, version: u32, lamp: Lamp) -> Vec<u8> {
    let state = match lamp {
        Lamp::Off => State::Terminated,
        Lamp::On => State::Confirmed,
    };
    let nobody = Participant::default;
    let direction = Some(Direction::Initiator);
    let dialog = Dialog { id: "1".to_owned(), state, direction, local: nobody(), remote: nobody() };
    write(&Document { version, full: true, entity: entity.to_owned(), dialogs: vec![dialog] })
}

/// What a phone does, all its lines together, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Use {
    /// Nothing that concerns others: no call, or one that it is making and nobody has answered.
    Idle,
    /// It is being called.
    Ringing,
    /// In calls, none of which it listens to.
    Held,
    /// In a call.
    Talking,
}

/// The calls of one user as one dialog of the subscription tells them (section 4.3).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Calls {
    versions: Versions,
    lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    id: Box<str>,
    state: State,
    direction: Option<Direction>,
    rendering: Option<Rendering>,
    remote: Option<Box<str>>,
}

impl Calls {
    /// Takes a document, in the order in which they come.
    ///
    /// # Errors
    /// [`WantsFull`] if one before it was missed, or if the notifier counts backwards; see [`Versions::turn`].
    pub fn take(&mut self, document: Document) -> Result<(), WantsFull> {
        let turn = self.versions.turn(document.version, document.full);
        if turn.takes() {
            // A dialog that goes on may say less than before (section 4.1.6), in a full document too.
            let mut before = std::mem::take(&mut self.lines);
            if !document.full {
                std::mem::swap(&mut self.lines, &mut before);
            }
            for dialog in document.dialogs {
                let old = before.iter().position(|line| *line.id == *dialog.id).map(|at| before.swap_remove(at));
                self.set(dialog, old);
            }
            self.lines.shrink_to_fit();
        }
        turn.asks()
    }

    fn set(&mut self, dialog: Dialog, old: Option<Line>) {
        let at = self.lines.iter().position(|line| *line.id == *dialog.id);
        let old = at.map(|at| self.lines.swap_remove(at)).or(old);
        if dialog.state == State::Terminated || self.lines.len() >= MAX_DIALOGS {
            return;
        }
        let mut line = Line {
            id: dialog.id.into_boxed_str(),
            state: dialog.state,
            direction: dialog.direction,
            // A target without the parameter takes back what an earlier one said.
            rendering: dialog.local.rendering,
            remote: dialog.remote.identity.map(String::into_boxed_str),
        };
        if let Some(old) = old {
            line.direction = line.direction.or(old.direction);
            line.remote = line.remote.or(old.remote);
            if dialog.local.target.is_none() {
                line.rendering = old.rendering;
            }
        }
        self.lines.push(line);
    }

    /// What the phone does.
    #[must_use]
    pub fn usage(&self) -> Use {
        self.lines.iter().map(Line::usage).max().unwrap_or(Use::Idle)
    }

    /// The URI of the other end of the call that [`usage`](Self::usage) speaks of, if it was told.
    #[must_use]
    pub fn remote(&self) -> Option<&str> {
        let usage = self.usage();
        self.lines.iter().filter(|line| line.usage() == usage).find_map(|line| line.remote.as_deref())
    }
}

impl Line {
    fn usage(&self) -> Use {
        match self.state {
            State::Confirmed if self.rendering == Some(Rendering::No) => Use::Held,
            State::Confirmed => Use::Talking,
            State::Proceeding | State::Early if self.direction == Some(Direction::Recipient) => Use::Ringing,
            State::Trying | State::Proceeding | State::Early | State::Terminated => Use::Idle,
        }
    }
}

#[cfg(test)]
mod tests;
