//! Whose an element is, and the names that RPID has.

use crate::xml::ns;

/// What a namespace belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// RFC 3863.
    Pidf,
    /// RFC 4479.
    Model,
    /// RFC 4480.
    Rpid,
    /// RFC 8048's loan from XMPP.
    Jabber,
    /// Nobody's that we know.
    Other,
}

/// Whose namespace `name` is, those included that phones took from drafts and never let go.
pub(super) fn family(name: &str) -> Family {
    match name {
        // RFC 3863 section 4.1.1 once prints it with a colon behind.
        ns::PIDF | "urn:ietf:params:xml:ns:pidf:" => Family::Pidf,
        // Asterisk and CounterPath's phones have the second.
        ns::PIDF_DATA_MODEL | "urn:ietf:params:xml:ns:pidf:person" => Family::Model,
        // `pidf:rpid:rpid-person`, `pidf:rpid:status:rpid-status`, `pidf:rpid-status` and so on: drafts of RPID had one
        // for each place.
        _ if name.starts_with(ns::RPID) || name.starts_with("urn:ietf:params:xml:ns:pidf:status:rpid") => Family::Rpid,
        ns::CLIENT => Family::Jabber,
        _ => Family::Other,
    }
}

/// What `<activities/>` may hold (RFC 4480 section 3.2; `lunch` is in the text, and in the schema by erratum 3121).
/// `unknown` and `other` have rules of their own.
pub const ACTIVITIES: &[&str] = &[
    "appointment",
    "away",
    "breakfast",
    "busy",
    "dinner",
    "holiday",
    "in-transit",
    "looking-for-work",
    "lunch",
    "meal",
    "meeting",
    "on-the-phone",
    "performance",
    "permanent-absence",
    "playing",
    "presentation",
    "shopping",
    "sleeping",
    "spectator",
    "steering",
    "travel",
    "tv",
    "vacation",
    "working",
    "worship",
];

/// What `<mood/>` may hold (RFC 4480 section 3.4, as its schema spells them).
pub(super) const MOODS: &[&str] = &[
    "afraid",
    "amazed",
    "angry",
    "annoyed",
    "anxious",
    "ashamed",
    "bored",
    "brave",
    "calm",
    "cold",
    "confused",
    "contented",
    "cranky",
    "curious",
    "depressed",
    "disappointed",
    "disgusted",
    "distracted",
    "embarrassed",
    "excited",
    "flirtatious",
    "frustrated",
    "grumpy",
    "guilty",
    "happy",
    "hot",
    "humbled",
    "humiliated",
    "hungry",
    "hurt",
    "impressed",
    "in_awe",
    "in_love",
    "indignant",
    "interested",
    "invincible",
    "jealous",
    "lonely",
    "mean",
    "moody",
    "nervous",
    "neutral",
    "offended",
    "playful",
    "proud",
    "relieved",
    "remorseful",
    "restless",
    "sad",
    "sarcastic",
    "serious",
    "shocked",
    "shy",
    "sick",
    "sleepy",
    "stressed",
    "surprised",
    "thirsty",
    "worried",
];

/// What `<relationship/>` may hold (RFC 4480 section 3.9), `other` aside.
pub(super) const RELATIONSHIPS: &[&str] =
    &["assistant", "associate", "family", "friend", "self", "supervisor", "unknown"];
