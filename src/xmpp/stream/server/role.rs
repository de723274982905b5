//! Which end of the stream this is, and how far its negotiation has come.

use super::features::Features;
use super::header::Version;
use crate::ids::Ids;
use crate::xmpp::sasl;

pub(super) enum Role {
    Initiating(Box<Initiating>),
    Accepting(Box<Accepting>),
}

pub(super) struct Initiating {
    /// Opened only to verify keys: nothing is to be proven.
    pub(super) to_verify: bool,
    /// The version of the peer's header.
    pub(super) version: Version,
    /// Whether the peer's header declares the namespace of dialback (XEP-0220 section 2.4.1).
    pub(super) declares_dialback: bool,
    /// What the peer offers, until it is taken up.
    pub(super) features: Option<Features>,
    /// Whether any features since TLS told of dialback errors.
    pub(super) errors: bool,
    /// TLS was asked for without being offered.
    pub(super) uncalled: bool,
    pub(super) sasl: Option<sasl::Client>,
    /// Why EXTERNAL failed.
    pub(super) failed: Option<sasl::Condition>,
}

impl Initiating {
    pub(super) fn new(to_verify: bool) -> Self {
        Self {
            to_verify,
            version: Version::Old,
            declares_dialback: false,
            features: None,
            errors: false,
            uncalled: false,
            sasl: None,
            failed: None,
        }
    }
}

pub(super) struct Accepting {
    pub(super) ids: Ids,
    pub(super) sasl: Option<sasl::Server>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The peer's header is to come.
    Header,
    /// Initiating: its features.
    Features,
    /// Initiating: its answer to `<starttls/>`.
    TlsAsked,
    /// Accepting: nothing but `<starttls/>`.
    TlsOffered,
    /// TLS is being negotiated; no bytes of ours pass.
    Handshake,
    /// Whether the certificate proves the peer's domain.
    Judging,
    /// Initiating: its answer to `<auth/>`.
    Sasl,
    /// Pairs may be proven, stanzas of proven ones carried.
    Open,
}
