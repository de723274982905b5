//! Every number that bounds a search, with its reason.

use std::time::Duration;

/// Addresses of one name that are tried; a name with more is a mistake or an attack on our patience.
pub(super) const ADDRESSES: usize = 8;

/// SRV records of one service that are looked at, lowest priorities first: each may be a question of its own. Large
/// SIP providers publish about a dozen.
pub(super) const SRV_RECORDS: usize = 16;

/// NAPTR records that are looked at: three services, each in a few orders.
pub(super) const NAPTR_RECORDS: usize = 8;

/// Targets that one request may try. A TCP connection is given up after seconds, and nobody waits for more than a few of
/// those.
pub(super) const TARGETS: usize = 8;

/// Rounds of questions in one search: NAPTR, SRV, addresses, for each order of NAPTR records in turn.
pub(super) const ROUNDS: u32 = 20;

/// Answers kept: a few hundred domains with all their questions.
pub(super) const ANSWERS: usize = 4_096;

/// An answer counts for at least this, so that a TTL of 0 does not make each message ask anew.
pub(super) const SHORTEST: Duration = Duration::from_secs(1);

/// An answer counts for no more than this, whatever its TTL: a mistake in a zone ends some day.
pub(super) const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// How long a silent DNS is not asked the same again (RFC 2308 section 7: at most five minutes; people wait for this).
pub(super) const UNAVAILABLE: Duration = Duration::from_secs(5);

/// How long the last known targets serve after their end while DNS is silent (RFC 8767 section 5: one to three days; a
/// phone system that moved would be missed sooner).
pub(super) const STALE: Duration = Duration::from_secs(3_600);

/// The first rest of a target that failed.
pub(super) const REST: Duration = Duration::from_secs(30);

/// The longest rest that failures alone lead to.
pub(super) const LONGEST_REST: Duration = Duration::from_secs(300);

/// The longest that a server may tell us to stay away: more is a mistake, or an attempt to keep us from our users.
pub(super) const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(600);

/// How long a target after its rest is tried with one request before the next may try: Timer F and a little.
pub(super) const TRIAL: Duration = Duration::from_secs(35);

/// Places that peers have named and that are kept at once: about 500 KiB. Each is one proxy or phone by name, and those that are
/// used are looked for again when they were forgotten.
pub(super) const PASSING: usize = 1_024;

/// Targets whose failures are remembered.
pub(super) const RESTING: usize = 4_096;

/// How long after its rest a failure still makes the next rest longer.
pub(super) const FORGET: Duration = Duration::from_secs(600);
