//! What happened, in numbers: plain counters that the rim reads after a step.
//!
//! Each message ends in exactly one outcome, so the outcomes of a direction add up to the messages taken.

/// How a message from SIP to XMPP ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToXmpp {
    /// The XMPP server has processed it without error: 200.
    Delivered,
    /// Nothing was heard in time: 202.
    Unconfirmed,
    /// The XMPP side answered with an error, which was mapped.
    Refused,
    /// It could not be translated: address, content type, policy.
    Rejected,
    /// The source may not say what it said: 403 or silence.
    Forbidden,
    /// The XMPP link was down or full: 503.
    LinkDown,
    /// There was nothing in it to show: 200.
    Nothing,
}

/// How a message from XMPP to SIP ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToSip {
    /// A 2xx.
    Delivered,
    /// Any other final response.
    Refused,
    /// No answer (Timer F).
    TimedOut,
    /// No route, no connection, no address.
    Unreachable,
    /// It could not be translated: address, encryption, policy.
    Rejected,
    /// Larger than the path allows.
    TooLarge,
    /// Too many wait already.
    Full,
    /// A repetition of one just taken.
    Repeated,
    /// There was nothing in it to show, or nobody to tell.
    Nothing,
}

macro_rules! counted {
    ($($outcome:ident: $names:expr;)*) => {$(
        impl $outcome {
            /// The values of the `outcome` label, in the order of the variants.
            pub const NAMES: &[&str] = &$names;
        }
    )*};
}

counted! {
    ToXmpp: ["delivered", "unconfirmed", "refused", "rejected", "forbidden", "link_down", "nothing"];
    ToSip: ["delivered", "refused", "timed_out", "unreachable", "rejected", "too_large", "full", "repeated", "nothing"];
}

/// One thing counted, with its name and help in the form of OpenMetrics.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The metric's name, without `_total`.
    pub name: &'static str,
    /// What it says, for the `# HELP` line.
    pub help: &'static str,
    /// Whether it only grows.
    pub counter: bool,
    /// Label names and values.
    pub labels: Vec<(&'static str, String)>,
    /// The value.
    pub value: u64,
}

/// The counters of one gateway. They only grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    to_xmpp: [u64; ToXmpp::NAMES.len()],
    to_sip: [u64; ToSip::NAMES.len()],
    /// Errors that came for a message whose outcome had already been told.
    pub late_errors: u64,
    /// Messages told 202 whose link broke before the server confirmed them.
    pub lost_after_202: u64,
    /// Error stanzas that could not be kept until the link came back.
    pub errors_lost: u64,
    /// Queries answered.
    pub iqs: u64,
    /// Stanzas that are neither messages nor queries and were let go.
    pub stanzas_ignored: u64,
    /// SIP requests other than MESSAGE, answered.
    pub other_requests: u64,
    /// SIP requests sent on to another SIP server.
    pub forwarded: u64,
    /// SIP requests that got no answer because their source is unknown.
    pub dropped: u64,
    /// SIP requests whose source was asked to prove an account.
    pub challenged: u64,
    /// Those of them that had tried, with a wrong password or as nobody we know.
    pub failed_logins: u64,
    /// SIP requests refused with 503 because their peer or its user sent too many.
    pub over_rate: u64,
}

impl Stats {
    /// A message from SIP ended so.
    pub fn to_xmpp(&mut self, outcome: ToXmpp) {
        self.to_xmpp[outcome as usize] += 1;
    }

    /// A message from XMPP ended so.
    pub fn to_sip(&mut self, outcome: ToSip) {
        self.to_sip[outcome as usize] += 1;
    }

    /// How many messages from SIP ended so.
    #[must_use]
    pub fn count_to_xmpp(&self, outcome: ToXmpp) -> u64 {
        self.to_xmpp[outcome as usize]
    }

    /// How many messages from XMPP ended so.
    #[must_use]
    pub fn count_to_sip(&self, outcome: ToSip) -> u64 {
        self.to_sip[outcome as usize]
    }

    /// Everything, for the metrics page.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        const TO_XMPP: (&str, &str) = ("stox_messages_to_xmpp", "Messages from SIP by the outcome told to the sender.");
        const TO_SIP: (&str, &str) = ("stox_messages_to_sip", "Messages from XMPP by the outcome told to the sender.");
        let outcomes = |(name, help), names: &[&str], values: &[u64]| {
            let sample = |(label, value): (&&str, &u64)| Sample {
                name,
                help,
                counter: true,
                labels: vec![("outcome", (*label).to_owned())],
                value: *value,
            };
            names.iter().zip(values).map(sample).collect::<Vec<_>>()
        };
        let plain = [
            ("stox_late_errors", "Errors that came after the outcome had been told.", self.late_errors),
            ("stox_lost_after_202", "Messages told 202 whose link broke unconfirmed.", self.lost_after_202),
            ("stox_errors_lost", "Error stanzas that could not be kept while a link was down.", self.errors_lost),
            ("stox_iqs", "Queries answered.", self.iqs),
            ("stox_stanzas_ignored", "Stanzas that ask for nothing stox does.", self.stanzas_ignored),
            ("stox_other_requests", "SIP requests other than MESSAGE, answered.", self.other_requests),
            ("stox_sip_forwarded", "SIP requests sent on to another SIP server.", self.forwarded),
            ("stox_sip_dropped", "SIP requests from unknown sources, not answered.", self.dropped),
            ("stox_sip_challenged", "SIP requests whose source was asked to prove an account.", self.challenged),
            ("stox_sip_failed_logins", "SIP requests that failed to prove an account.", self.failed_logins),
            ("stox_sip_over_rate", "SIP requests of peers and users beyond their rate.", self.over_rate),
        ];
        let mut samples = outcomes(TO_XMPP, ToXmpp::NAMES, &self.to_xmpp);
        samples.extend(outcomes(TO_SIP, ToSip::NAMES, &self.to_sip));
        samples.extend(plain.map(|(name, help, value)| Sample {
            name,
            help,
            counter: true,
            labels: Vec::new(),
            value,
        }));
        samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_a_name() {
        assert_eq!(ToXmpp::Nothing as usize + 1, ToXmpp::NAMES.len());
        assert_eq!(ToSip::Nothing as usize + 1, ToSip::NAMES.len());
    }

    #[test]
    fn samples_tell_what_was_counted() {
        let mut stats = Stats::default();
        stats.to_sip(ToSip::TimedOut);
        let told = stats.samples().into_iter().find(|s| s.labels == [("outcome", "timed_out".to_owned())]);
        assert_eq!(told.map(|sample| sample.value), Some(1));
    }
}
