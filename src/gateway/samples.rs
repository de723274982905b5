//! Everything a gateway counts, for the metrics page.

use super::Gateway;
use super::stats::Sample;

impl Gateway {
    /// Counters and levels, for the metrics page.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        let level = |name, help, value: usize| Sample {
            name,
            help,
            counter: false,
            labels: Vec::new(),
            value: u64::try_from(value).unwrap_or(u64::MAX),
        };
        let counter = |name, help, value| Sample { name, help, counter: true, labels: Vec::new(), value };
        let held = self.links.iter().map(|link| link.held.len()).sum();
        let sip = self.endpoint.stats();
        let mut samples = self.stats.samples();
        samples.extend(self.health_samples());
        samples.extend(self.registration_samples());
        samples.extend(self.watch_samples());
        samples.extend(self.usage_samples());
        samples.extend(self.serve_samples());
        samples.extend([
            level("stox_to_sip_pending", "Messages to SIP that wait for their answer.", self.lines.pending()),
            level(
                "stox_to_sip_waiting",
                "Messages to SIP that wait behind another of their pair.",
                self.lines.waiting(),
            ),
            level("stox_to_xmpp_pending", "Messages to XMPP that wait for their confirmation.", self.open),
            level("stox_to_xmpp_bytes", "What messages to XMPP take while they wait.", self.open_bytes),
            level("stox_errors_held", "Error stanzas that wait for their link.", held),
            level("stox_publications", "Presence of XMPP users that SIP servers have from us.", self.published()),
            level("stox_lists", "Lists of contacts on the SIP side that we subscribe to.", self.lists_open()),
            level("stox_lists_members", "SIP users seen through a list, pairs.", self.lists_covering()),
            level(
                "stox_watchers_waiting",
                "SIP watchers on users' own servers whom those are asked about.",
                self.waiting(),
            ),
            level("stox_dns_questions", "DNS questions that wait for their answers.", self.directions.open()),
            level("stox_sip_targets_failing", "SIP servers that failed last time.", self.directions.failing()),
            level("stox_sip_client_transactions", "SIP client transactions open.", sip.client_open),
            level("stox_sip_server_transactions", "SIP server transactions open.", sip.server_open),
            level("stox_sip_completed_transactions", "Answered SIP requests still recognised.", sip.server_completed),
            counter(
                "stox_publications_refused",
                "XMPP users not published for want of room or because too many came.",
                self.publications_refused(),
            ),
            counter("stox_sip_retransmissions_sent", "SIP messages sent again.", sip.retransmissions_sent),
            counter("stox_sip_retransmissions_received", "SIP messages received again.", sip.retransmissions_received),
            counter("stox_sip_timeouts", "SIP requests that nobody answered.", sip.timeouts),
            counter("stox_sip_stray_responses", "SIP responses to nothing we asked.", sip.stray_responses),
            counter("stox_sip_overloaded", "SIP requests refused with 503 for want of room.", sip.overloaded),
        ]);
        samples
    }
}
