//! A 403 that may mean our password.
//!
//! A password that is wrong is told by another 401 (RFC 3261 section 22.2), but some servers say 403. To a watch that was
//! granted, where we have credentials, such an answer is therefore the target's refusal (RFC 8048 section 5.2.2) only when
//! the same credentials have been good for another subscription since it was heard first. Until then it counts as 401 does:
//! what is shown becomes unavailable, the roster stays, and it is tried again. So a password that was changed in one place
//! only takes nobody off a roster, and a refusal is heard at the second try.
//!
//! Whoever has not been granted waits for an answer, and gets it.

use std::collections::HashMap;

use super::super::super::Gateway;
use super::super::super::errand::{Purpose, RouteId};
use super::super::super::people::UserId;
use super::{Owner, Sent, UsageId};
use crate::model::{Failure, Reason};
use crate::sip::message::{Response, Status};

/// Of a domain, or of one of its users.
type Credentials = (RouteId, Option<UserId>);

/// What is in doubt.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    /// For how many SUBSCRIBEs they were good.
    good: HashMap<Credentials, u64>,
    /// Where that stood when a subscription heard 403 first.
    since: HashMap<UsageId, u64>,
    /// Where it stood when the log was told.
    logged: HashMap<Credentials, u64>,
}

impl Doubts {
    fn good(&mut self, usage: UsageId, credentials: Credentials) {
        self.since.remove(&usage);
        *self.good.entry(credentials).or_default() += 1;
    }

    /// Whether a 403 says nothing of the target.
    fn doubts(&mut self, usage: UsageId, credentials: Credentials) -> bool {
        let good = self.good.get(&credentials).copied().unwrap_or_default();
        *self.since.entry(usage).or_insert(good) == good
    }

    /// Whether they have been good since the log was told.
    fn is_news(&mut self, credentials: Credentials) -> bool {
        let good = self.good.get(&credentials).copied().unwrap_or_default();
        self.logged.insert(credentials, good) != Some(good)
    }

    pub(super) fn forget(&mut self, usage: UsageId) {
        self.since.remove(&usage);
    }
}

impl Gateway {
    /// Why this answer is to be taken for one to our credentials, if it is.
    pub(super) fn doubted(&mut self, sent: Sent, response: &Response) -> Option<Failure> {
        let usage = self.presence.usages.get_mut(sent.usage)?;
        let (route, owner) = (usage.route, usage.owner);
        let forbidden = response.status == Status::FORBIDDEN;
        if !(forbidden || response.status.is_success()) || !self.has_credentials(route, &Purpose::Subscribe(sent)) {
            return None;
        }
        let (credentials, doubts) = ((route, sent.user), &mut self.presence.usages.doubts);
        if !forbidden {
            doubts.good(sent.usage, credentials);
            return None;
        }
        let Some(Owner::Watch(watch)) = owner else { return None };
        let (granted, doubts) = (self.presence.watching.has_granted(watch), &mut self.presence.usages.doubts);
        if !granted || !doubts.doubts(sent.usage, credentials) {
            return None;
        }
        if doubts.is_news(credentials) {
            let domain = self.settings.routes.get(route).map_or("", |(domain, _)| domain);
            tracing::warn!(
                domain,
                "the SIP server says 403 to a subscription that it has granted before: is the password of \
                 [[domain.credentials]], or of the user, still right? No roster is changed, and it is asked again"
            );
        }
        Some(Failure::because(
            Reason::NotAuthorized,
            "the SIP server refuses the gateway, or what it has granted before",
        ))
    }
}
