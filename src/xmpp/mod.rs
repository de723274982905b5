//! XMPP: addresses, stanzas, streams and the extensions a gateway needs (RFC 6120, 6121, 7622).
//!
//! Knows nothing of SIP. Everything is a value or a machine that is fed bytes and time.

pub mod escape;
pub mod federation;
pub mod jid;
pub mod sasl;
pub mod stanza;
pub mod stream;
pub mod xep;

pub use jid::{BareJid, Jid, JidError};
pub use stanza::{Condition, ErrorType, Iq, IqKind, Message, MessageKind, Presence, PresenceKind, Stanza, StanzaError};
pub use stream::Stream;
