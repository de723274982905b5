//! The state of a mailbox (RFC 3842) in words for a chat client. No XEP has a form for it.

use std::fmt::Write as _;

use crate::model::message_summary::{Class, Counts, Summary};

/// What waits, in plain words: `Voicemail: 4 new, 8 old (1 urgent new, 2 urgent old)`.
#[must_use]
pub fn words(summary: &Summary) -> String {
    let mut words = String::new();
    for (class, counts) in summary.counts.iter().filter(|(_, counts)| counts.new > 0 || counts.old > 0) {
        if !words.is_empty() {
            words.push_str("; ");
        }
        let Counts { new, old, urgent } = counts;
        let _ = write!(words, "{}: {new} new, {old} old", name(*class));
        let urgent = match urgent.unwrap_or_default() {
            (0, 0) => String::new(),
            (new, 0) => format!(" ({new} urgent new)"),
            (0, old) => format!(" ({old} urgent old)"),
            (new, old) => format!(" ({new} urgent new, {old} urgent old)"),
        };
        words.push_str(&urgent);
    }
    match (words.is_empty(), summary.waiting) {
        (false, _) => words,
        (true, true) => "Voicemail: messages are waiting".to_owned(),
        (true, false) => "Voicemail: no messages".to_owned(),
    }
}

fn name(class: Class) -> &'static str {
    match class {
        Class::Voice => "Voicemail",
        Class::Fax => "Fax",
        Class::Pager => "Pager messages",
        Class::Multimedia => "Multimedia messages",
        Class::Text => "Text messages",
        Class::Other => "Other messages",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::model::message_summary::read;

    #[test]
    fn a_mailbox_is_told_by_what_is_in_it() {
        for (body, told) in [
            ("yes\nVoice-Message: 4/8 (1/2)", "Voicemail: 4 new, 8 old (1 urgent new, 2 urgent old)"),
            (
                "yes\nVoice-Message: 1/0 (1/0)\nFax-Message: 0/2 (0/1)",
                "Voicemail: 1 new, 0 old (1 urgent new); Fax: 0 new, 2 old (1 urgent old)",
            ),
            ("yes\nVoice-Message: 0/0 (0/0)\nText-Message: 3/0 (0/0)", "Text messages: 3 new, 0 old"),
            ("yes", "Voicemail: messages are waiting"),
            ("no", "Voicemail: no messages"),
            ("no\nVoice-Message: 0/0", "Voicemail: no messages"),
        ] {
            assert_eq!(words(&read(format!("Messages-Waiting: {body}").as_bytes()).unwrap()), told);
        }
    }
}
