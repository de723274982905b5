//! How long to wait before connecting again (RFC 6120 section 3.3): exponential, with chance from the caller.

use std::time::Duration;

use super::{Cause, StreamErrorKind};

/// The delays of one stream that is to be kept up for ever.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    failures: u32,
}

/// First and longest delay after a loss that time may heal. The server of a component is near and its only one, so it is
/// asked more often than RFC 6120 section 3.3 asks of clients: every message meanwhile is refused.
const QUICK: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));
/// First and longest delay after a refusal that only a person can heal: a wrong secret, a name already in use.
const PATIENT: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(300));
/// A stream that was ready for so long starts anew at the first delay; one that ends sooner is still failing.
const STABLE: Duration = Duration::from_secs(10);

impl Backoff {
    /// No failures yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How long to wait now that the stream ended by `cause` (`None`: the connection could not even be made) after it was
    /// ready for `ready_for` (zero if never). `chance` is any number from a random source: the delay lies between
    /// half and all of what doubling gives, so that many gateways do not come back at once.
    pub fn after(&mut self, cause: Option<&Cause>, ready_for: Duration, chance: u64) -> Duration {
        if ready_for >= STABLE {
            self.failures = 0;
        }
        let (first, longest) = if cause.is_some_and(needs_a_person) { PATIENT } else { QUICK };
        let doubled = first.saturating_mul(1 << self.failures.min(16)).min(longest);
        self.failures = self.failures.saturating_add(1);
        let half = doubled / 2;
        let fraction = u32::try_from(chance >> 32).unwrap_or(u32::MAX);
        half + half.mul_f64(f64::from(fraction) / f64::from(u32::MAX))
    }
}

fn needs_a_person(cause: &Cause) -> bool {
    use StreamErrorKind as Kind;
    let kind = match cause {
        Cause::PeerError(error) | Cause::OurError(error) => error.kind,
        Cause::Closed | Cause::PeerClosed | Cause::Disconnected => return false,
    };
    match kind {
        Kind::BadFormat
        | Kind::BadNamespacePrefix
        | Kind::Conflict
        | Kind::HostGone
        | Kind::HostUnknown
        | Kind::ImproperAddressing
        | Kind::InvalidFrom
        | Kind::InvalidNamespace
        | Kind::InvalidXml
        | Kind::NotAuthorized
        | Kind::NotWellFormed
        | Kind::PolicyViolation
        | Kind::RestrictedXml
        | Kind::SeeOtherHost
        | Kind::UnsupportedEncoding
        | Kind::UnsupportedFeature
        | Kind::UnsupportedStanzaType
        | Kind::UnsupportedVersion => true,
        Kind::ConnectionTimeout
        | Kind::InternalServerError
        | Kind::RemoteConnectionFailed
        | Kind::Reset
        | Kind::ResourceConstraint
        | Kind::SystemShutdown
        | Kind::UndefinedCondition => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn delays(cause: Option<&Cause>, ready_for: Duration) -> Vec<u64> {
        let mut backoff = Backoff::new();
        (0..10).map(|_| backoff.after(cause, ready_for, u64::MAX).as_millis() as u64).collect()
    }

    #[test]
    fn doubles_from_one_second_to_ten() {
        assert_eq!(delays(None, Duration::ZERO)[..8], [1000, 2000, 4000, 8000, 10_000, 10_000, 10_000, 10_000]);
    }

    #[test]
    fn refusals_wait_half_a_minute_to_five() {
        for kind in [StreamErrorKind::NotAuthorized, StreamErrorKind::Conflict, StreamErrorKind::HostUnknown] {
            let cause = Cause::PeerError(kind.into());
            assert_eq!(delays(Some(&cause), Duration::ZERO)[..5], [30_000, 60_000, 120_000, 240_000, 300_000]);
        }
    }

    #[test]
    fn a_stream_that_held_starts_anew_and_one_that_did_not_goes_on() {
        assert_eq!(delays(Some(&Cause::Disconnected), 10 * SECOND)[9], 1000);
        assert_eq!(delays(Some(&Cause::Disconnected), 9 * SECOND)[9], 10_000);
    }

    #[test]
    fn chance_takes_off_up_to_half() {
        assert_eq!(Backoff::new().after(None, Duration::ZERO, 0), SECOND / 2);
        assert_eq!(Backoff::new().after(None, Duration::ZERO, u64::MAX), SECOND);
    }
}
