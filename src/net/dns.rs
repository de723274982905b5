//! Addresses of next hops, asked of the system's resolver without holding anybody up.

use std::sync::Arc;

use hickory_resolver::TokioResolver;
use tokio::sync::Semaphore;
use tracing::debug;

use super::ToShard;
use crate::gateway::{Input, LookupId};
use crate::sip::locate::{Answer, Query};

/// Questions asked at once; more wait for these. A resolver that is slow for longer is felt as a timeout.
const AT_ONCE: usize = 64;

/// The resolver, with its cache (RFC 1035 TTLs, negative answers as RFC 2308).
#[derive(Clone)]
pub struct Dns {
    resolver: Option<TokioResolver>,
    at_once: Arc<Semaphore>,
    shard: ToShard,
}

impl Dns {
    /// The system's resolver. Where it cannot be set up, every question is answered "not now".
    #[must_use]
    pub fn system(shard: ToShard) -> Self {
        let resolver = TokioResolver::builder_tokio().and_then(|builder| builder.build());
        if let Err(error) = &resolver {
            tracing::warn!(%error, "no resolver: next hops must be IP addresses");
        }
        Self { resolver: resolver.ok(), at_once: Arc::new(Semaphore::new(AT_ONCE)), shard }
    }

    /// Asks; the answer comes to the shard as [`Input::Located`].
    pub fn ask(&self, lookup: LookupId, query: Query) {
        let this = self.clone();
        tokio::spawn(async move {
            let (answer, ttl) = (this.answer(query).await, std::time::Duration::from_secs(60));
            let _ = this.shard.send(vec![Input::Located(lookup, answer, ttl)]).await;
        });
    }

    async fn answer(&self, query: Query) -> Answer {
        let Query::Addresses { name } = query else { return Answer::Unavailable };
        let (Some(resolver), Ok(_permit)) = (&self.resolver, self.at_once.acquire().await) else {
            return Answer::Unavailable;
        };
        match resolver.lookup_ip(name.as_str()).await {
            Ok(found) => Answer::Addresses(found.iter().collect()),
            Err(error) if error.is_nx_domain() => Answer::NoSuchName,
            Err(error) if error.is_no_records_found() => Answer::Addresses(Vec::new()),
            Err(error) => {
                debug!(name, %error, "DNS did not answer");
                Answer::Unavailable
            }
        }
    }
}
