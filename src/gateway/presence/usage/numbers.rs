//! What is counted of usages.

use std::collections::BTreeMap;

use super::super::super::Gateway;
use super::super::super::record::Package;
use super::super::super::stats::Sample;
use crate::sip::event::subscriber::{Reason, State};
use crate::sip::message::Status;

/// Levels and counters.
#[derive(Debug, Default)]
pub(in super::super) struct Numbers {
    /// By package and state, each in the order of its list.
    levels: [[u64; State::ALL.len()]; Package::ALL.len()],
    /// SUBSCRIBEs outside dialogs.
    pub(super) begun: u64,
    /// SUBSCRIBEs in dialogs.
    pub(super) refreshed: u64,
    /// SUBSCRIBEs that got no answer.
    pub(super) unanswered: u64,
    /// Refusals by status.
    refusals: BTreeMap<u16, u64>,
    /// Ends that NOTIFYs told, by their reason.
    ends: BTreeMap<&'static str, u64>,
    /// Answers of ours to NOTIFYs, by status.
    notifies: BTreeMap<u16, u64>,
}

impl Numbers {
    fn level(&mut self, package: Package, state: State) -> Option<&mut u64> {
        let package = Package::ALL.iter().position(|one| *one == package)?;
        let state = State::ALL.iter().position(|one| *one == state)?;
        self.levels.get_mut(package)?.get_mut(state)
    }

    pub(super) fn entered(&mut self, package: Package, state: State) {
        if let Some(level) = self.level(package, state) {
            *level += 1;
        }
    }

    pub(super) fn left(&mut self, package: Package, state: State) {
        if let Some(level) = self.level(package, state) {
            *level = level.saturating_sub(1);
        }
    }

    pub(super) fn moved(&mut self, package: Package, from: State, to: State) {
        if from != to {
            self.left(package, from);
            self.entered(package, to);
        }
    }

    pub(super) fn answered(&mut self, status: Status) {
        if !status.is_success() {
            self.refused(status.code());
        }
    }

    pub(super) fn refused(&mut self, status: u16) {
        *self.refusals.entry(status).or_default() += 1;
    }

    pub(super) fn ended(&mut self, reason: Reason) {
        *self.ends.entry(reason.name()).or_default() += 1;
    }

    pub(super) fn notified(&mut self, status: Status) {
        *self.notifies.entry(status.code()).or_default() += 1;
    }
}

impl Gateway {
    /// Our subscriptions, for the metrics page.
    pub(in super::super::super) fn usage_samples(&self) -> Vec<Sample> {
        let numbers = &self.presence.usages.numbers;
        let mut samples = Vec::new();
        for (package, levels) in Package::ALL.iter().zip(&numbers.levels) {
            if levels.iter().all(|level| *level == 0) {
                continue;
            }
            samples.extend(State::ALL.iter().zip(levels).map(|(state, level)| Sample {
                name: "stox_subscriptions_to_sip",
                help: "Our subscriptions on the SIP side by package and how they stand.",
                counter: false,
                labels: vec![("package", package.name().to_owned()), ("state", state.name().to_owned())],
                value: *level,
            }));
        }
        let counter = |name, help, value| Sample { name, help, counter: true, labels: Vec::new(), value };
        samples.extend([
            counter("stox_subscribes_begun", "SUBSCRIBEs that looked for a new dialog.", numbers.begun),
            counter("stox_subscribes_refreshed", "SUBSCRIBEs in dialogs.", numbers.refreshed),
            counter("stox_subscribes_unanswered", "SUBSCRIBEs that got no answer.", numbers.unanswered),
        ]);
        let by_status = |name, help, counts: &BTreeMap<u16, u64>| {
            let sample = |(status, value): (&u16, &u64)| Sample {
                name,
                help,
                counter: true,
                labels: vec![("status", status.to_string())],
                value: *value,
            };
            counts.iter().map(sample).collect::<Vec<_>>()
        };
        samples.extend(by_status("stox_subscribes_refused", "SUBSCRIBEs refused, by status.", &numbers.refusals));
        samples.extend(numbers.ends.iter().map(|(reason, value)| Sample {
            name: "stox_subscriptions_ended",
            help: "Our subscriptions that the SIP side has ended, by its reason.",
            counter: true,
            labels: vec![("reason", (*reason).to_owned())],
            value: *value,
        }));
        samples.extend(by_status("stox_notifies_answered", "NOTIFYs for us, by our answer.", &numbers.notifies));
        samples
    }
}
