//! The phone's state: what `dialog` (RFC 4235), `reg` (RFC 3680) and `presence` say of one SIP user, merged to what a chat
//! client shows.

use crate::model::presence::Show;

/// How a phone that is used looks in a chat client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneRules {
    /// In a call: how it shows.
    pub busy: Show,
    /// In a call: the words of its status.
    pub busy_text: String,
    /// Whether it shows that a phone rings, and in which words.
    pub ringing: Option<String>,
    /// Whether it shows that a call is on hold, and in which words; else it looks as in a call.
    pub held: Option<String>,
    /// SIP users, by their XMPP localpart, with whose state the caller's number is told.
    pub caller_of: Vec<String>,
}

impl Default for PhoneRules {
    /// The configuration's defaults.
    fn default() -> Self {
        Self { busy: Show::Dnd, busy_text: "On the phone".to_owned(), ringing: None, held: None, caller_of: Vec::new() }
    }
}
