//! Domains to which the way broke, or that are there again, on links to many servers.
//!
//! Whoever runs a server may break its streams as often as he likes, and to find all pairs that a domain concerns takes a look
//! at all there are. So domains are gathered for a while, and looked after together.

use std::collections::{HashMap, HashSet};

use super::super::{Gateway, Link, Timer, limits};
use crate::time::Now;

/// Domains by link.
pub(super) type Domains = HashMap<Link, HashSet<Box<str>>>;

/// What has been gathered.
#[derive(Debug, Default)]
pub(super) struct Recovering {
    down: Domains,
    up: Domains,
    waits: bool,
}

impl Gateway {
    /// What users of the domain said may be lost: they are asked.
    pub(in super::super) fn presence_domain_down(&mut self, link: Link, domain: &str, now: Now) {
        gather(&mut self.presence.recovering.down, link, domain);
        self.recover_later(now);
    }

    /// What users of the domain were told may be lost: they are told again.
    pub(in super::super) fn presence_domain_up(&mut self, link: Link, domain: &str, now: Now) {
        gather(&mut self.presence.recovering.up, link, domain);
        self.recover_later(now);
    }

    fn recover_later(&mut self, now: Now) {
        if !std::mem::replace(&mut self.presence.recovering.waits, true) {
            self.timers.set(now, limits::DOMAINS_GATHERED, Timer::Recover);
        }
    }

    /// Looks after all that were gathered.
    pub(in super::super) fn on_recover_due(&mut self, now: Now) {
        let Recovering { down, up, .. } = std::mem::take(&mut self.presence.recovering);
        if !down.is_empty() {
            self.serve_domains_down(&down, now);
        }
        if !up.is_empty() {
            self.show_again(&up, now);
        }
    }
}

/// Beyond the limit they are not gathered: what is known of their users stands until somebody says something else.
fn gather(into: &mut Domains, link: Link, domain: &str) {
    let of_link = into.entry(link).or_default();
    if of_link.len() < limits::DOMAINS_AT_ONCE {
        of_link.insert(domain.into());
    }
}
