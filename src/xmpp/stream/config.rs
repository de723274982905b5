//! What the ends of a stream are told.

use std::time::Duration;

use crate::xml::Limits;
use crate::xmpp::jid::BareJid;

/// What either end of a stream needs to know.
#[derive(Debug, Clone)]
pub struct StreamConfig {
    /// How much XML is taken. A stanza past them costs itself, not the stream, if `skip` allows.
    pub limits: Limits,
    /// Bytes that may wait to be sent; beyond, [`Stream::send`](super::Stream::send) refuses. About a second of full
    /// load.
    pub max_queued: usize,
    /// From the connection to [`Event::Ready`](super::Event::Ready).
    pub negotiate_within: Duration,
    /// From our `</stream:stream>` to the peer's.
    pub close_within: Duration,
    /// Silence after which the peer is asked whether it lives.
    pub ping_every: Duration,
    /// Silence after that question which means that it does not.
    pub ping_timeout: Duration,
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self {
            limits: Limits { skip: 16 * 1024 * 1024, ..Limits::default() },
            max_queued: 16 * 1024 * 1024,
            negotiate_within: Duration::from_secs(15),
            close_within: Duration::from_secs(5),
            ping_every: Duration::from_secs(60),
            ping_timeout: Duration::from_secs(20),
        }
    }
}

/// What a component needs to know.
#[derive(Clone)]
pub struct ComponentConfig {
    /// The name under which the server knows the component. All stanzas we send come from it, all we get are for it.
    pub domain: BareJid,
    /// The secret shared with the server.
    pub secret: String,
    /// Whom to ping. XEP-0114 does not tell the server's own name; without one we ping ourselves, which the server has to
    /// route back to us.
    pub server: Option<BareJid>,
    /// The rest.
    pub stream: StreamConfig,
}

/// What a server needs to know to accept a component.
#[derive(Clone)]
pub struct AcceptConfig {
    /// Names and secrets of the components it knows.
    pub components: Vec<(BareJid, String)>,
    /// The id of this stream: unpredictable, used once (RFC 6120 section 4.7.3).
    pub id: String,
    /// The rest.
    pub stream: StreamConfig,
}

impl std::fmt::Debug for ComponentConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ComponentConfig")
            .field("domain", &self.domain)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for AcceptConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.components.iter().map(|(name, _)| name).collect();
        f.debug_struct("AcceptConfig").field("components", &names).finish_non_exhaustive()
    }
}
