//! What the ends of a stream between servers are told.

use std::sync::Arc;
use std::time::Duration;

use crate::xml::Limits;
use crate::xmpp::federation::Partners;
use crate::xmpp::federation::dialback::Keys;
use crate::xmpp::stream::StreamConfig;
use crate::xmpp::stream::manage::ManageConfig;

/// What every stream between servers needs to know; one for all of them.
#[derive(Clone)]
pub struct ServerConfig {
    /// Limits and deadlines. The size of stanzas is the partner's, once one is proven.
    pub stream: StreamConfig,
    /// Whether we serve this domain, spelled as [`Jid::domain`](crate::xmpp::jid::Jid::domain) spells it.
    pub hosts: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    /// What is demanded of whom.
    pub partners: Arc<Partners>,
    /// For dialback keys that we give out, and those that we are asked about.
    pub keys: Arc<Keys>,
    /// Whether we have a certificate: STARTTLS is offered, and EXTERNAL tried.
    pub tls: bool,
    /// Whether one connection may carry stanzas both ways (XEP-0288).
    pub bidi: bool,
    /// Whether stanzas are acknowledged (XEP-0198), and how.
    pub manage: Option<ManageConfig>,
    /// What our domains can do (`<c/>`, XEP-0115 section 6.3), as XML, for the features of streams that peers open.
    pub caps: Option<Arc<str>>,
    /// How long a stream may be without stanzas before [`Report::Idle`](crate::xmpp::federation::Report::Idle) tells of it;
    /// `None`: for ever.
    pub idle_after: Option<Duration>,
}

/// Before a peer is proven, its elements are short: the longest are keys and base64 of domains. RFC 6120 section 13.12
/// allows no smaller limit.
pub(super) const UNPROVEN: usize = Limits::SMALLEST_STANZA;

/// Domain pairs that one stream may prove: more are told `resource-constraint`, upon which the peer opens another stream
/// (XEP-0220 section 2.4.2). A hoster with a thousand domains needs one.
pub(super) const MAX_PAIRS: usize = 1000;

/// Questions of one kind that may wait for an answer on one stream: dialback keys to be verified, pairs to be judged.
pub(super) const MAX_WAITING: usize = 64;

/// Octets of a dialback key. XEP-0185 makes 64; others may make what they like within reason.
pub(super) const MAX_KEY: usize = 512;

/// White space as a sign of life goes no more often than this (RFC 6120 section 4.6.4).
pub(super) const WHITE_SPACE_EVERY: Duration = Duration::from_secs(300);

impl std::fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerConfig")
            .field("stream", &self.stream)
            .field("tls", &self.tls)
            .field("bidi", &self.bidi)
            .field("manage", &self.manage)
            .field("idle_after", &self.idle_after)
            .finish_non_exhaustive()
    }
}
