//! What outlives the process: the records of the presence subscriptions, and the writes that keep them.
//!
//! Two lives (RFC 8048 section 5.1): an [`Authorization`](AuthorizationRecord) is for years, a [`Dialog`](DialogRecord) for
//! an hour unless refreshed. Presence itself is never kept: after a restart it is asked for.
//!
//! A step's writes are committed before its outputs are sent, so no peer hears of a state that could be forgotten.

use crate::time::Timestamp;

/// Parts into which all pairs are divided: the unit that one node owns.
pub const SHARDS: u16 = 64;

/// The shard of a pair of bare addresses, whoever of them is named first. Nodes must agree, so the hash (FNV-1a, 64 bits)
/// is fixed.
#[must_use]
pub fn shard_of(one: &str, other: &str) -> u16 {
    let (low, high) = if one <= other { (one, other) } else { (other, one) };
    let bytes = low.bytes().chain([0]).chain(high.bytes());
    let hash = bytes
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    u16::try_from((hash >> 32) % u64::from(SHARDS)).unwrap_or_default()
}

/// Names one record among all of its kind, for ever: drawn at random, 63 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub u64);

/// Who watches whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// An XMPP user watches a SIP user.
    ToSip,
    /// A SIP user watches an XMPP user.
    ToXmpp,
}

/// What a dialog carries: an event package (RFC 6665 section 7.2) that stox speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Package {
    /// RFC 3856.
    Presence,
    /// RFC 4235.
    Dialog,
    /// RFC 3680.
    Reg,
    /// RFC 3842.
    MessageSummary,
    /// RFC 3857.
    PresenceWinfo,
}

impl Package {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Presence, Self::Dialog, Self::Reg, Self::MessageSummary, Self::PresenceWinfo];

    /// As the Event header has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Presence => "presence",
            Self::Dialog => "dialog",
            Self::Reg => "reg",
            Self::MessageSummary => "message-summary",
            Self::PresenceWinfo => "presence.winfo",
        }
    }
}

/// How far an authorization is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Authorization {
    /// The watcher has asked, the target has not said.
    Asked,
    /// The target has said yes. Holds until it is taken back.
    Granted,
    /// The target has said no; kept so that asking again is not passed on at once.
    Refused,
}

/// One watcher may, or wants to, see one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationRecord {
    /// Its name.
    pub id: RecordId,
    /// Its shard: [`shard_of`] watcher and target.
    pub shard: u16,
    /// Which way.
    pub direction: Direction,
    /// The bare JID of the watcher, a SIP user's by the domain mapping.
    pub watcher: String,
    /// The bare JID of the target.
    pub target: String,
    /// How far it is.
    pub state: Authorization,
    /// Since when.
    pub changed_at: Timestamp,
}

/// One notification dialog (RFC 6665 section 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialogRecord {
    /// Its name.
    pub id: RecordId,
    /// Its shard: that of its authorization, else [`shard_of`] its two users.
    pub shard: u16,
    /// Which way: with [`Direction::ToSip`] stox is the subscriber, with [`Direction::ToXmpp`] the notifier.
    pub direction: Direction,
    /// The bare JID of the watcher.
    pub watcher: String,
    /// The bare JID of the target.
    pub target: String,
    /// What it carries.
    pub package: Package,
    /// `id` of the Event header.
    pub event_id: Option<String>,
    /// Call-ID.
    pub call_id: String,
    /// Our tag.
    pub local_tag: String,
    /// The peer's.
    pub remote_tag: String,
    /// Our URI, as in From of our requests.
    pub local_uri: String,
    /// The peer's.
    pub remote_uri: String,
    /// Where its requests go (its Contact).
    pub remote_target: String,
    /// The Route headers of our requests, in order.
    pub route_set: Vec<String>,
    /// No request of ours has had a CSeq above this one: reserved in blocks, so after a restart the next is above it.
    pub cseq_reserved: u32,
    /// The peer's last CSeq that was acted upon, as of the last write.
    pub remote_cseq: Option<u32>,
    /// No document of ours has had a version above this one (RFC 4235 section 4.1.1); reserved in blocks.
    pub version_reserved: u32,
    /// When it ends unless it is refreshed.
    pub expires_at: Timestamp,
}

/// Presence that stox has published to a presence server (RFC 3903).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicationRecord {
    /// Its name.
    pub id: RecordId,
    /// Its shard: [`shard_of`] user and domain.
    pub shard: u16,
    /// The bare JID of the XMPP user.
    pub user: String,
    /// The XMPP name of the SIP domain whose server has it.
    pub domain: String,
    /// The entity tag that the server gave it last.
    pub etag: String,
    /// When it ends unless it is refreshed.
    pub expires_at: Timestamp,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// Of an authorization.
    Authorization(AuthorizationRecord),
    /// Of a dialog.
    Dialog(DialogRecord),
    /// Of a publication.
    Publication(PublicationRecord),
}

/// Which table a record is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Authorizations.
    Authorization,
    /// Dialogs.
    Dialog,
    /// Publications.
    Publication,
}

/// A change of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// This record is so from now on, whether or not there was one of its name.
    Put(Box<Record>),
    /// There is no record of this name any more; nothing happens where there was none.
    Drop(Kind, RecordId),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shard_of_a_pair_does_not_depend_on_who_asks_nor_on_the_release() {
        assert_eq!(shard_of("a@x", "b@y"), shard_of("b@y", "a@x"));
        assert_eq!(shard_of("juliet@example.com", "romeo@example.net"), SHARD_OF_THE_LOVERS);
        assert_ne!(shard_of("ab", "c"), shard_of("a", "bc"));
    }

    /// Records in the field carry it.
    const SHARD_OF_THE_LOVERS: u16 = 42;
}
