//! DNS: the questions of the shard and those about peers, asked without holding anybody up.
//!
//! Nothing is kept here but the resolver's connections: what an answer is worth and for how long is decided by
//! [`Finder`](crate::sip::locate::Finder). Every question gets an answer, if need be "not now".

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::sync::Semaphore;
use tracing::debug;

use super::ToShard;
use crate::gateway::{Input, LookupId};
use crate::sip::locate::search::{Step, search};
use crate::sip::locate::{Answer, Destination, Naptr, Plan, Query, Reason, Srv, Transports};

/// Questions asked at once; more wait for these.
const AT_ONCE: usize = 64;

/// Questions that may wait for those. A resolver that is so far behind will not answer the next one in time either.
const WAITING: usize = 1_024;

/// Records of one answer that are looked at: more than any sane zone has, and few enough to be kept.
const RECORDS: usize = 128;

/// How long it holds that a name has no such records where the zone does not say (RFC 2308 section 5: such answers should
/// not be kept; asking for each message anew would be worse).
const NEGATIVE: Duration = Duration::from_secs(60);

/// How long an answer holds of which only half could be had: of A and AAAA, one.
const HALF: Duration = Duration::from_secs(5);

/// Which name servers, and how patiently.
#[derive(Clone, Debug)]
pub struct DnsSetup {
    /// The name servers; none: the system's.
    pub servers: Vec<SocketAddr>,
    /// How long one try may take.
    pub timeout: Duration,
    /// Tries for one question, at least one.
    pub attempts: usize,
}

/// The resolver.
#[derive(Clone)]
pub struct Dns {
    resolver: Option<TokioResolver>,
    at_once: Arc<Semaphore>,
    open: Arc<AtomicUsize>,
    /// No question takes longer.
    within: Duration,
    shard: ToShard,
}

impl Dns {
    /// A resolver as `setup` says, for `shard`. Where it cannot be set up, every question is answered "not now".
    #[must_use]
    pub fn new(setup: &DnsSetup, shard: ToShard) -> Self {
        let resolver = resolver(setup);
        if let Err(error) = &resolver {
            tracing::warn!(%error, "no name servers: next hops must be IP addresses");
        }
        let tries = u32::try_from(setup.attempts.max(1)).unwrap_or(u32::MAX);
        Self {
            resolver: resolver.ok(),
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
            open: Arc::default(),
            within: setup.timeout.saturating_mul(tries) + setup.timeout,
            shard,
        }
    }

    /// Asks; the answer comes to the shard as [`Input::Located`].
    pub fn ask(&self, lookup: LookupId, query: Query) {
        let this = self.clone();
        tokio::spawn(async move {
            let (answer, ttl) = this.answer(&query).await;
            let _ = this.shard.send(vec![Input::Located(lookup, answer, ttl)]).await;
        });
    }

    /// Where `destination` is, for those who are not the shard.
    ///
    /// # Errors
    /// Why it is not known.
    pub async fn find(&self, destination: &Destination, have: Transports) -> Result<Plan, Reason> {
        let mut known: HashMap<Query, Answer> = HashMap::new();
        loop {
            match search(destination, have, |query| known.get(query).map(|answer| (answer, Duration::MAX))) {
                Step::Found(plan, _) => return Ok(plan),
                Step::NotFound(reason, _) => return Err(reason),
                Step::Ask(queries) => {
                    let answers = join_all(queries.iter().map(|query| self.answer(query))).await;
                    known.extend(queries.into_iter().zip(answers.into_iter().map(|(answer, _)| answer)));
                }
            }
        }
    }

    /// The answer, and how long it holds.
    pub async fn answer(&self, query: &Query) -> (Answer, Duration) {
        let open = Open::count(&self.open);
        let (Some(resolver), true) = (&self.resolver, open.before < AT_ONCE + WAITING) else {
            return (Answer::Unavailable, Duration::ZERO);
        };
        let Ok(_permit) = self.at_once.acquire().await else { return (Answer::Unavailable, Duration::ZERO) };
        let found = tokio::time::timeout(self.within, look_up(resolver, query)).await;
        found.unwrap_or((Answer::Unavailable, Duration::ZERO))
    }
}

/// A question that is counted as long as it lives.
struct Open<'a> {
    count: &'a AtomicUsize,
    before: usize,
}

impl<'a> Open<'a> {
    fn count(count: &'a AtomicUsize) -> Self {
        Self { count, before: count.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

fn resolver(setup: &DnsSetup) -> Result<TokioResolver, NetError> {
    let mut builder = if setup.servers.is_empty() {
        TokioResolver::builder_tokio()?
    } else {
        let servers = setup.servers.iter().map(|server| name_server(*server)).collect();
        let config = ResolverConfig::from_name_servers(servers);
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let options: &mut ResolverOpts = builder.options_mut();
    options.timeout = setup.timeout;
    // The resolver counts the tries after the first.
    options.attempts = setup.attempts.saturating_sub(1);
    options.max_active_requests = 2 * AT_ONCE;
    // One cache is enough, and the other one knows who is waiting.
    options.cache_size = 0;
    builder.build()
}

/// Over UDP, and over TCP what UDP cuts off (RFC 7766).
fn name_server(addr: SocketAddr) -> NameServerConfig {
    let at = |mut connection: ConnectionConfig| {
        connection.port = addr.port();
        connection
    };
    NameServerConfig::new(addr.ip(), true, vec![at(ConnectionConfig::udp()), at(ConnectionConfig::tcp())])
}

async fn look_up(resolver: &TokioResolver, query: &Query) -> (Answer, Duration) {
    // A name with dots is whole: the search list of the system would try it below other domains, where nobody means it
    // (RFC 1535). The host names of a private network have none.
    let dots = query.name().contains('.') && !query.name().ends_with('.');
    let name = if dots { format!("{}.", query.name()) } else { query.name().to_owned() };
    match query {
        Query::Naptr { .. } => records(resolver, &name, RecordType::NAPTR, naptr, Answer::Naptr).await,
        Query::Srv { .. } => records(resolver, &name, RecordType::SRV, srv, Answer::Srv).await,
        Query::Addresses { .. } => {
            let (of_six, of_four) = tokio::join!(
                records(resolver, &name, RecordType::AAAA, address, Answer::Addresses),
                records(resolver, &name, RecordType::A, address, Answer::Addresses)
            );
            both(of_six, of_four)
        }
    }
}

/// The AAAA and the A records of a name as one answer, AAAA first: a machine without IPv6 knows at once that it cannot
/// send there, one without IPv4 knows it too, and one that has both prefers IPv6 (RFC 6724 section 2.1).
fn both(of_six: (Answer, Duration), of_four: (Answer, Duration)) -> (Answer, Duration) {
    let silent = |answer: &Answer| *answer == Answer::Unavailable;
    let half = silent(&of_six.0) || silent(&of_four.0);
    let ttl = of_six.1.min(of_four.1);
    let mut addresses = Vec::new();
    let mut exists = false;
    for (answer, _) in [of_six, of_four] {
        if let Answer::Addresses(found) = answer {
            exists = true;
            addresses.extend(found);
        }
    }
    match (half, exists) {
        (true, _) if addresses.is_empty() => (Answer::Unavailable, Duration::ZERO),
        (true, _) => (Answer::Addresses(addresses), HALF),
        (false, true) => (Answer::Addresses(addresses), ttl),
        (false, false) => (Answer::NoSuchName, ttl),
    }
}

async fn records<T>(
    resolver: &TokioResolver,
    name: &str,
    kind: RecordType,
    read: fn(&RData) -> Option<T>,
    answer: fn(Vec<T>) -> Answer,
) -> (Answer, Duration) {
    match resolver.lookup(name, kind).await {
        Ok(found) => {
            let records = found.answers().iter().filter_map(|record| read(&record.data));
            (answer(records.take(RECORDS).collect()), left(&found))
        }
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
            let ttl = none.negative_ttl.map_or(NEGATIVE, |seconds| Duration::from_secs(seconds.into()));
            let exists = none.response_code != hickory_resolver::proto::op::ResponseCode::NXDomain;
            (if exists { answer(Vec::new()) } else { Answer::NoSuchName }, ttl)
        }
        Err(error) => {
            debug!(name, %kind, %error, "DNS did not answer");
            (Answer::Unavailable, Duration::ZERO)
        }
    }
}

fn left(found: &Lookup) -> Duration {
    found.valid_until().saturating_duration_since(Instant::now())
}

fn naptr(data: &RData) -> Option<Naptr> {
    let RData::NAPTR(record) = data else { return None };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(Naptr {
        order: record.order,
        preference: record.preference,
        flags: text(&record.flags),
        services: text(&record.services),
        regexp: text(&record.regexp),
        replacement: without_dot(&record.replacement),
    })
}

fn srv(data: &RData) -> Option<Srv> {
    let RData::SRV(record) = data else { return None };
    let target = without_dot(&record.target);
    Some(Srv { priority: record.priority, weight: record.weight, port: record.port, target })
}

fn address(data: &RData) -> Option<IpAddr> {
    let of_four = if let RData::A(ip) = data { Some(ip.0.into()) } else { None };
    let of_six = if let RData::AAAA(ip) = data { Some(ip.0.into()) } else { None };
    of_four.or(of_six)
}

fn without_dot(name: &Name) -> String {
    let mut text = name.to_ascii();
    if text.len() > 1 && text.ends_with('.') {
        text.pop();
    }
    text
}
