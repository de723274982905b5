//! Why a stanza comes back, and how that is said (RFC 6120 sections 8.3 and 10.4).

use super::super::{Unreachable, Verdict};
use super::Bounced;
use crate::xmpp::stanza::{Condition, ErrorType, StanzaError};
use crate::xmpp::stream::{Cause, StreamErrorKind};

/// Why nothing could be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Why {
    /// There is no such server.
    NotFound(String),
    /// It does not answer, or broke off.
    NoAnswer(String),
    /// It is not what it should be, or does not want us.
    NotTrusted(String),
    /// It says that we are not who we say we are (XEP-0220 section 2.1.1).
    Invalid,
    /// The stanza has waited as long as it may.
    Waited,
    /// Too much waits, or there are too many streams.
    Full,
    /// The partner is blocked by configuration.
    Blocked,
    /// The process ends.
    Stopped,
}

impl Why {
    /// As the sender of a stanza is told.
    pub(super) fn error(&self) -> StanzaError {
        match self {
            Self::NotFound(text) => StanzaError::new(Condition::RemoteServerNotFound).with_text(text),
            Self::NoAnswer(text) | Self::NotTrusted(text) => {
                StanzaError::new(Condition::RemoteServerTimeout).with_text(text)
            }
            Self::Invalid => StanzaError::new(Condition::InternalServerError)
                .with_text("The recipient's server does not believe that this server speaks for its domain."),
            Self::Waited => StanzaError::new(Condition::RemoteServerTimeout)
                .with_text("The recipient's server could not be reached in time."),
            Self::Full => StanzaError::new(Condition::ResourceConstraint)
                .with_text("Too much waits for the recipient's server already."),
            Self::Blocked => StanzaError::new(Condition::NotAllowed)
                .with_type(ErrorType::Cancel)
                .with_text("Messages to and from the recipient's server are not allowed here."),
            Self::Stopped => {
                StanzaError::new(Condition::RemoteServerTimeout).with_text("The server of the sender is being stopped.")
            }
        }
    }

    /// Whether there is no such server.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound(_))
    }

    /// Where it is counted.
    pub(super) fn counter<'a>(&self, bounced: &'a mut Bounced) -> &'a mut u64 {
        match self {
            Self::NotFound(_) => &mut bounced.not_found,
            Self::NoAnswer(_) => &mut bounced.no_answer,
            Self::NotTrusted(_) | Self::Invalid => &mut bounced.not_trusted,
            Self::Waited => &mut bounced.timeout,
            Self::Full => &mut bounced.full,
            Self::Blocked => &mut bounced.blocked,
            Self::Stopped => &mut bounced.stopped,
        }
    }

    /// As the end of a stream that had not come to prove anything.
    pub(super) fn of_end(cause: &Cause) -> Self {
        let (Cause::PeerError(error) | Cause::OurError(error)) = cause else {
            return Self::NoAnswer("The recipient's server ended the connection.".to_owned());
        };
        use StreamErrorKind as Kind;
        let name = error.kind.name();
        match error.kind {
            Kind::HostUnknown | Kind::HostGone => {
                Self::NotFound(format!("The recipient's server does not serve the domain ({name})."))
            }
            Kind::NotAuthorized | Kind::PolicyViolation | Kind::InvalidFrom => {
                Self::NotTrusted(format!("The servers could not agree whom to trust ({name})."))
            }
            Kind::BadFormat
            | Kind::BadNamespacePrefix
            | Kind::Conflict
            | Kind::ConnectionTimeout
            | Kind::ImproperAddressing
            | Kind::InternalServerError
            | Kind::InvalidNamespace
            | Kind::InvalidXml
            | Kind::NotWellFormed
            | Kind::RemoteConnectionFailed
            | Kind::Reset
            | Kind::ResourceConstraint
            | Kind::RestrictedXml
            | Kind::SeeOtherHost
            | Kind::SystemShutdown
            | Kind::UndefinedCondition
            | Kind::UnsupportedEncoding
            | Kind::UnsupportedFeature
            | Kind::UnsupportedStanzaType
            | Kind::UnsupportedVersion => {
                Self::NoAnswer(format!("The connection to the recipient's server ended ({name})."))
            }
        }
    }

    /// As the answer of a server that was asked to believe us.
    pub(super) fn of_verdict(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Error(error) => {
                let name = error.condition.name();
                Self::NotTrusted(format!("The recipient's server does not accept this server's domain ({name})."))
            }
            Verdict::Valid | Verdict::Invalid => Self::Invalid,
        }
    }
}

impl From<Unreachable> for Why {
    fn from(unreachable: Unreachable) -> Self {
        match unreachable {
            Unreachable::NotFound(text) => Self::NotFound(text),
            Unreachable::NoAnswer(text) => Self::NoAnswer(text),
            Unreachable::NotTrusted(text) => Self::NotTrusted(text),
        }
    }
}
