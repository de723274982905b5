//! TLSA records (RFC 6698), which count only where DNSSEC proves them.

use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{RData, RecordType};
use tracing::debug;

use super::{Dns, Open, WAITING};
use crate::tls::dane::Record;

/// Records that are looked at: a domain has one or two for each of its keys.
const RECORDS: usize = 32;

impl Dns {
    /// The TLSA records of a server (RFC 7673 section 3), if every one of them is proven; none otherwise.
    pub(in crate::net) async fn tlsa(&self, host: &str, port: u16) -> Vec<Record> {
        let open = Open::count(&self.open);
        let (Some(resolver), true) = (&self.resolver, open.before < super::AT_ONCE + WAITING) else {
            return Vec::new();
        };
        let Ok(_permit) = self.at_once.acquire().await else { return Vec::new() };
        let name = format!("_{port}._tcp.{}.", host.trim_end_matches('.'));
        match tokio::time::timeout(self.within, resolver.lookup(name.as_str(), RecordType::TLSA)).await {
            Ok(Ok(found)) if found.answers().iter().all(|record| record.proof.is_secure()) => {
                found.answers().iter().filter_map(|answer| record(&answer.data)).take(RECORDS).collect()
            }
            Ok(Ok(_) | Err(NetError::Dns(DnsError::NoRecordsFound(_)))) => Vec::new(),
            Ok(Err(error)) => {
                debug!(name, %error, "DNS did not answer");
                Vec::new()
            }
            Err(_) => Vec::new(),
        }
    }
}

fn record(data: &RData) -> Option<Record> {
    let RData::TLSA(record) = data else { return None };
    let (usage, selector, matching) = (record.cert_usage.into(), record.selector.into(), record.matching.into());
    Some(Record { usage, selector, matching, data: record.cert_data.clone() })
}
