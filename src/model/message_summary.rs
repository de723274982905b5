//! How many messages wait in a mailbox: application/simple-message-summary (RFC 3842 section 5.2).

use super::event::Error;

/// The media type.
pub const MEDIA_TYPE: &str = "application/simple-message-summary";
/// Lines that are read; the six classes of RFC 3458 and some to come. What follows describes single messages and is not read.
pub const MAX_LINES: usize = 32;

/// What waits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Whether the lamp is lit.
    pub waiting: bool,
    /// The mailbox: a URI, if it is said.
    pub account: Option<String>,
    /// How much, by class, in the order of the body; empty if it is not said.
    pub counts: Vec<(Class, Counts)>,
}

/// What kind of messages (RFC 3458 section 6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// `voice-message`.
    Voice,
    /// `fax-message`.
    Fax,
    /// `pager-message`.
    Pager,
    /// `multimedia-message`.
    Multimedia,
    /// `text-message`.
    Text,
    /// `none`, and classes that are not known.
    Other,
}

/// How many there are of a class. Numbers above 2^32-1 are that (section 3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Counts {
    /// New ones.
    pub new: u32,
    /// Old ones.
    pub old: u32,
    /// The urgent among both, if it is said: new and old.
    pub urgent: Option<(u32, u32)>,
}

impl Class {
    const NAMES: [(Class, &'static str); 6] = [
        (Class::Voice, "voice-message"),
        (Class::Fax, "fax-message"),
        (Class::Pager, "pager-message"),
        (Class::Multimedia, "multimedia-message"),
        (Class::Text, "text-message"),
        (Class::Other, "none"),
    ];

    fn of(name: &str) -> Self {
        let known = Self::NAMES.iter().find(|(_, known)| name.eq_ignore_ascii_case(known));
        known.map_or(Class::Other, |(class, _)| *class)
    }
}

/// Reads a body. Lines that are none are passed over, and counts of the same class added up, as of two mailboxes.
///
/// # Errors
/// No UTF-8, or no `Messages-Waiting`, which must come first.
pub fn read(body: &[u8]) -> Result<Summary, Error> {
    let no_status = Error::Line("Messages-Waiting");
    let text = std::str::from_utf8(body).map_err(|_| no_status)?;
    let mut lines = text.trim_start().lines().take(MAX_LINES);
    let waiting = match lines.next().and_then(field) {
        Some((name, value)) if name.eq_ignore_ascii_case("Messages-Waiting") => match value {
            yes if yes.eq_ignore_ascii_case("yes") => true,
            no if no.eq_ignore_ascii_case("no") => false,
            _ => return Err(no_status),
        },
        Some(_) | None => return Err(no_status),
    };
    let mut summary = Summary { waiting, ..Summary::default() };
    for (name, value) in lines.map_while(|line| Some(field(line)).filter(|_| !line.trim().is_empty())).flatten() {
        if name.eq_ignore_ascii_case("Message-Account") {
            summary.account = Some(value.trim_matches(['<', '>']).to_owned()).filter(|uri| !uri.is_empty());
        } else if let Some(counts) = read_counts(value) {
            summary.add(Class::of(name), counts);
        }
    }
    Ok(summary)
}

fn field(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    Some((name.trim(), value.trim()))
}

/// `4/8 (1/2)`.
fn read_counts(value: &str) -> Option<Counts> {
    let (all, urgent) = match value.split_once('(') {
        Some((all, urgent)) => (all, Some(pair(urgent.trim_end().strip_suffix(')')?)?)),
        None => (value, None),
    };
    let (new, old) = pair(all)?;
    Some(Counts { new, old, urgent })
}

fn pair(text: &str) -> Option<(u32, u32)> {
    let (new, old) = text.split_once('/')?;
    Some((count(new)?, count(old)?))
}

fn count(text: &str) -> Option<u32> {
    let digits = text.trim();
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().unwrap_or(u32::MAX))
}

impl Summary {
    fn add(&mut self, class: Class, more: Counts) {
        match self.counts.iter_mut().find(|(known, _)| *known == class) {
            Some((_, counts)) => counts.add(more),
            None => self.counts.push((class, more)),
        }
    }

    /// The same with what another mailbox, or another fork of the subscription, has (section 3.10).
    #[must_use]
    pub fn with(mut self, other: &Self) -> Self {
        self.waiting |= other.waiting;
        self.account = self.account.or_else(|| other.account.clone());
        for (class, counts) in &other.counts {
            self.add(*class, *counts);
        }
        self
    }

    /// Of a class; `None` if nothing is said of it.
    #[must_use]
    pub fn of(&self, class: Class) -> Option<Counts> {
        self.counts.iter().find(|(known, _)| *known == class).map(|(_, counts)| *counts)
    }
}

impl Counts {
    fn add(&mut self, more: Counts) {
        let sum = |one: (u32, u32), other: (u32, u32)| (one.0.saturating_add(other.0), one.1.saturating_add(other.1));
        (self.new, self.old) = sum((self.new, self.old), (more.new, more.old));
        self.urgent = match (self.urgent, more.urgent) {
            (Some(one), Some(other)) => Some(sum(one, other)),
            (one, other) => one.or(other),
        };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn counts_are_read_by_class_whatever_their_case() {
        let body = "messages-waiting : YES\r\nMESSAGE-ACCOUNT: sip:alice@vmail.example.com\r\nvoice-message: 4 / 8 (1/2)\r\n\
                    Fax-Message: 2/4\r\nX-Pigeon: 1/0\r\nnonsense\r\nText-Message: many\r\n\r\nTo: <sip:a@b>\r\nPager-Message: 9/9\r\n";
        let summary = read(body.as_bytes()).unwrap();
        assert!(summary.waiting);
        assert_eq!(summary.account.as_deref(), Some("sip:alice@vmail.example.com"));
        assert_eq!(summary.of(Class::Voice), Some(Counts { new: 4, old: 8, urgent: Some((1, 2)) }));
        assert_eq!(summary.of(Class::Fax), Some(Counts { new: 2, old: 4, urgent: None }));
        assert_eq!(summary.of(Class::Other), Some(Counts { new: 1, old: 0, urgent: None }));
        assert_eq!(
            (summary.of(Class::Text), summary.of(Class::Pager)),
            (None, None),
            "headers of messages are not read"
        );
    }

    #[test]
    fn larger_counts_than_there_can_be_are_the_largest() {
        let body = "Messages-Waiting: yes\nVoice-Message: 4294967296/99999999999999999999999 (4294967295/0)\nVoice-Message: 1/0";
        let counts = read(body.as_bytes()).unwrap().of(Class::Voice).unwrap();
        assert_eq!(counts, Counts { new: u32::MAX, old: u32::MAX, urgent: Some((u32::MAX, 0)) });
    }

    #[test]
    fn the_lamp_must_be_spoken_of_first() {
        for body in [
            "",
            "Voice-Message: 1/0\r\nMessages-Waiting: yes",
            "Messages-Waiting: perhaps",
            "Messages-Waiting",
            "\u{0}",
        ] {
            assert_eq!(read(body.as_bytes()), Err(Error::Line("Messages-Waiting")), "{body}");
        }
        assert_eq!(read(b"Messages-Waiting: yes\r\n\xff"), Err(Error::Line("Messages-Waiting")));
        let endless = format!("Messages-Waiting: no\n{}Voice-Message: 1/1", "a: b\n".repeat(100_000));
        assert_eq!(read(endless.as_bytes()).unwrap(), Summary::default());
    }

    #[test]
    fn what_forks_say_is_added_up() {
        let one = read(b"Messages-Waiting: no\nVoice-Message: 0/2").unwrap();
        let other = read(b"Messages-Waiting: yes\nVoice-Message: 1/0 (1/0)\nFax-Message: 1/1").unwrap();
        let both = one.with(&other);
        assert!(both.waiting);
        assert_eq!(both.of(Class::Voice), Some(Counts { new: 1, old: 2, urgent: Some((1, 0)) }));
        assert_eq!(both.of(Class::Fax), Some(Counts { new: 1, old: 1, urgent: None }));
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[a-zA-Z:/() 0-9\n-]{0,80}") {
            let _ = read(&bytes);
            let _ = read(format!("Messages-Waiting: yes\n{text}").as_bytes());
        }
    }
}
