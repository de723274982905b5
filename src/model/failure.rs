//! Why not: the only error that crosses sides.

use super::Address;

/// Why a message could not be delivered. The list is closed; `mappings/failure.toml` says for each what it is as a
/// SIP status and as an XMPP condition, and which statuses and conditions lead to it (RFC 7247 section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The request broke a rule of its protocol.
    BadRequest,
    /// A resource or session of that name exists already.
    Conflict,
    /// The feature is not there.
    NotImplemented,
    /// The sender may not.
    Forbidden,
    /// The recipient moved for good; the new address may be known.
    Gone,
    /// The other side broke down.
    Internal,
    /// No such user.
    AddressUnknown,
    /// The address cannot be one on the side that refused it.
    AddressMalformed,
    /// The address we were given cannot be carried over to the other side.
    AddressUnmappable,
    /// The recipient does not take this kind of thing.
    NotAcceptable,
    /// Nobody may.
    NotAllowed,
    /// The sender must prove who it is first.
    NotAuthorized,
    /// A local policy stands against it.
    PolicyViolation,
    /// The recipient is there but cannot be reached now.
    RecipientUnavailable,
    /// The recipient is elsewhere for now; the new address may be known.
    Redirect,
    /// The sender must register first.
    RegistrationRequired,
    /// The recipient's domain or server does not exist.
    ServerNotFound,
    /// The recipient's server did not answer in time.
    ServerTimeout,
    /// The other side lacks the resources to serve this.
    ResourceConstraint,
    /// The recipient or its server does not offer this.
    ServiceUnavailable,
    /// The sender must subscribe first.
    SubscriptionRequired,
    /// Something no condition names.
    Undefined,
    /// The request came at the wrong moment.
    UnexpectedRequest,
    /// A body of a type or charset we do not carry; the answer lists those we do.
    MediaTypeUnsupported,
    /// A body encoded in a way we do not undo; the answer lists those we do.
    EncodingUnsupported,
    /// The body asks for a feature we do not know (Require of RFC 3862 section 4.7).
    ContentRefused,
    /// A URI of a scheme that has no mapping.
    SchemeUnsupported,
    /// `sips:` must not be translated (RFC 7247 section 8).
    SecureSchemeRefused,
    /// The sender hides and no address is configured for those who do (RFC 5079).
    AnonymityDisallowed,
    /// More than the path can carry.
    TooLarge,
    /// It passed too many gateways or went in a circle.
    TooManyHops,
    /// Its time was over before it could be delivered (RFC 3428 section 4).
    Expired,
    /// End-to-end encrypted; a gateway has no key.
    Encrypted,
    /// The next hop cannot be reached: no route, connection refused, link down.
    Unreachable,
    /// We have too much to do just now.
    Overloaded,
}

impl Reason {
    /// All of them.
    pub const ALL: [Reason; 35] = [
        Self::BadRequest,
        Self::Conflict,
        Self::NotImplemented,
        Self::Forbidden,
        Self::Gone,
        Self::Internal,
        Self::AddressUnknown,
        Self::AddressMalformed,
        Self::AddressUnmappable,
        Self::NotAcceptable,
        Self::NotAllowed,
        Self::NotAuthorized,
        Self::PolicyViolation,
        Self::RecipientUnavailable,
        Self::Redirect,
        Self::RegistrationRequired,
        Self::ServerNotFound,
        Self::ServerTimeout,
        Self::ResourceConstraint,
        Self::ServiceUnavailable,
        Self::SubscriptionRequired,
        Self::Undefined,
        Self::UnexpectedRequest,
        Self::MediaTypeUnsupported,
        Self::EncodingUnsupported,
        Self::ContentRefused,
        Self::SchemeUnsupported,
        Self::SecureSchemeRefused,
        Self::AnonymityDisallowed,
        Self::TooLarge,
        Self::TooManyHops,
        Self::Expired,
        Self::Encrypted,
        Self::Unreachable,
        Self::Overloaded,
    ];
}

/// Where a recipient went, in the form it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewAddress {
    /// An address that both sides can name.
    Address(Address),
    /// A URI of another kind, handed on unchanged. Holds only characters a URI may hold.
    Uri(String),
}

/// One reason, and what was said along with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub reason: Reason,
    /// What a person said about it: reason phrase, `<text/>`.
    pub text: Option<String>,
    /// The new address, for [`Reason::Gone`] and [`Reason::Redirect`].
    pub new_address: Option<NewAddress>,
    /// Seconds after which it may be tried again.
    pub retry_after: Option<u32>,
}

impl Failure {
    /// A bare reason.
    #[must_use]
    pub fn new(reason: Reason) -> Self {
        Self { reason, text: None, new_address: None, retry_after: None }
    }

    /// A reason and a sentence for the person who reads it.
    #[must_use]
    pub fn because(reason: Reason, text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..Self::new(reason) }
    }

    /// The same, with the hint to try again after `seconds`.
    #[must_use]
    pub fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }
}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Self {
        Self::new(reason)
    }
}
