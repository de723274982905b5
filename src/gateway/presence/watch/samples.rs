//! What is counted of XMPP users who watch SIP users; the subscriptions beneath count themselves (`usage`).

use super::super::super::Gateway;
use super::super::super::stats::Sample;

impl Gateway {
    /// For the metrics page.
    pub(in super::super::super) fn watch_samples(&self) -> Vec<Sample> {
        let watching = &self.presence.watching;
        let mut samples = vec![Sample {
            name: "stox_watching",
            help: "SIP users watched from XMPP, pairs.",
            counter: false,
            labels: Vec::new(),
            value: u64::try_from(watching.len()).unwrap_or(u64::MAX),
        }];
        samples.push(Sample {
            name: "stox_probes_unanswered",
            help: "Probes for watchers that are not known, not answered because there were too many.",
            counter: true,
            labels: Vec::new(),
            value: watching.polls.ignored,
        });
        samples.extend(watching.refused.iter().map(|(condition, value)| Sample {
            name: "stox_watching_refused",
            help: "XMPP users' requests to watch that were refused without asking the SIP side, by the error.",
            counter: true,
            labels: vec![("condition", (*condition).to_owned())],
            value: *value,
        }));
        samples
    }
}
