//! DNS: the questions of the shard and those about peers, asked without holding anybody up.
//!
//! Nothing is kept here but the resolver's connections: what an answer is worth and for how long is decided by
//! [`Finder`](crate::sip::locate::Finder). Every question gets an answer, if need be "not now".

mod tlsa;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::dnssec::TrustAnchors;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::sync::Semaphore;
use tracing::debug;

use super::ToShard;
use crate::dns::{Answer, Dice, Naptr, Query, Srv};
use crate::gateway::{Input, LookupId};
use crate::sip::locate::search::{Step, search};
use crate::sip::locate::{Destination, Plan, Reason, Transports};
use crate::xmpp::federation::locate::{self, Known, Target};
use crate::xmpp::federation::{Host, Unreachable};

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
    /// Whether answers are to be proven.
    pub dnssec: Dnssec,
}

/// Whether DNSSEC proves answers. Where it does, a forged answer is none; one of a zone that is not signed still counts,
/// and is told apart ([`Found::secure`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Dnssec {
    /// It is not looked at.
    #[default]
    Off,
    /// From the keys of the root zone.
    Root,
    /// From those in a file of DNSKEY records, for zones of one's own.
    File(PathBuf),
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
            let Found { answer, ttl, .. } = this.answer(&query).await;
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
                    known.extend(queries.into_iter().zip(answers.into_iter().map(|found| found.answer)));
                }
            }
        }
    }

    /// Where the servers of an XMPP domain are, in the order in which to try them; `host`: where the configuration says
    /// that they are.
    ///
    /// # Errors
    /// Why none is known.
    pub async fn find_server(&self, domain: &str, host: Option<&Host>) -> Result<Vec<Target>, Unreachable> {
        let seed = getrandom::u64().unwrap_or_default();
        let mut known: HashMap<Query, Found> = HashMap::new();
        loop {
            let look =
                |query: &Query| known.get(query).map(|found| Known { answer: &found.answer, secure: found.secure });
            match locate::search(domain, host, look, Dice::new(seed)) {
                locate::Step::Found(targets) => return Ok(targets),
                locate::Step::NotFound(why) => return Err(why),
                locate::Step::Ask(queries) => {
                    let answers = join_all(queries.iter().map(|query| self.answer(query))).await;
                    known.extend(queries.into_iter().zip(answers));
                }
            }
        }
    }

    /// The answer.
    pub async fn answer(&self, query: &Query) -> Found {
        let open = Open::count(&self.open);
        let (Some(resolver), true) = (&self.resolver, open.before < AT_ONCE + WAITING) else {
            return Found::nothing();
        };
        let Ok(_permit) = self.at_once.acquire().await else { return Found::nothing() };
        tokio::time::timeout(self.within, look_up(resolver, query)).await.unwrap_or_else(|_| Found::nothing())
    }
}

/// What DNS said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The answer.
    pub answer: Answer,
    /// How long it holds.
    pub ttl: Duration,
    /// Whether there are records and DNSSEC proves every one of them.
    pub secure: bool,
}

impl Found {
    fn nothing() -> Self {
        Self { answer: Answer::Unavailable, ttl: Duration::ZERO, secure: false }
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
    match &setup.dnssec {
        Dnssec::Off => {}
        Dnssec::Root => options.validate = true,
        Dnssec::File(file) => {
            let anchors = TrustAnchors::from_file(file).map_err(|error| NetError::Msg(error.to_string()))?;
            builder = builder.with_trust_anchor(Arc::new(anchors));
        }
    }
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

async fn look_up(resolver: &TokioResolver, query: &Query) -> Found {
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
fn both(of_six: Found, of_four: Found) -> Found {
    let silent = |found: &Found| found.answer == Answer::Unavailable;
    let half = silent(&of_six) || silent(&of_four);
    let ttl = of_six.ttl.min(of_four.ttl);
    let (mut addresses, mut exists, mut secure) = (Vec::new(), false, true);
    for found in [of_six, of_four] {
        if let Answer::Addresses(these) = found.answer {
            exists = true;
            secure &= found.secure || these.is_empty();
            addresses.extend(these);
        }
    }
    let secure = secure && !addresses.is_empty();
    match (half, exists) {
        (true, _) if addresses.is_empty() => Found::nothing(),
        (true, _) => Found { answer: Answer::Addresses(addresses), ttl: HALF, secure },
        (false, true) => Found { answer: Answer::Addresses(addresses), ttl, secure },
        (false, false) => Found { answer: Answer::NoSuchName, ttl, secure },
    }
}

async fn records<T>(
    resolver: &TokioResolver,
    name: &str,
    kind: RecordType,
    read: fn(&RData) -> Option<T>,
    answer: fn(Vec<T>) -> Answer,
) -> Found {
    match resolver.lookup(name, kind).await {
        Ok(found) => {
            let all = found.answers();
            let secure = !all.is_empty() && all.iter().all(|record| record.proof.is_secure());
            let records = all.iter().filter_map(|record| read(&record.data)).take(RECORDS).collect();
            Found { answer: answer(records), ttl: left(&found), secure }
        }
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
            let ttl = none.negative_ttl.map_or(NEGATIVE, |seconds| Duration::from_secs(seconds.into()));
            let exists = none.response_code != hickory_resolver::proto::op::ResponseCode::NXDomain;
            let answer = if exists { answer(Vec::new()) } else { Answer::NoSuchName };
            Found { answer, ttl, secure: false }
        }
        Err(error) => {
            debug!(name, %kind, %error, "DNS did not answer");
            Found::nothing()
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
