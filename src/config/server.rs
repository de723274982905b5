//! `[xmpp.server]` and `[[xmpp.partner]]`: stox as an XMPP server of its own, which other servers reach (RFC 6120).

use std::time::Duration;

use super::value::Listen;
use crate::tls::xmpp::Files;
use crate::xmpp::federation::Partners;

/// `[xmpp.server]`: the domains that stox serves without an XMPP server beside it, and how others reach them.
#[derive(Clone, Debug)]
pub struct Server {
    /// The domains, spelt as JIDs have them: each the `xmpp` of a `[[domain]]` with `home = "sip"`, and none a component's.
    pub domains: Vec<String>,
    /// Sockets for other servers: `tcp` with STARTTLS, `tls` with TLS from the first byte (XEP-0368). At least one, none
    /// twice.
    pub listen: Vec<Listen>,
    /// Own certificates, and whose signatures count; they could be read when the configuration was. No certificate only if
    /// every partner may go without TLS.
    pub tls: Files,
    /// Who is to be written to about this server (XEP-0157): each purpose, such as `abuse`, that has addresses, and those:
    /// URIs.
    pub contacts: Vec<(String, Vec<String>)>,
    /// How long one server of a domain may take, TLS included, before the next that DNS names is tried.
    pub connect_timeout: Duration,
    /// Silence on a stream after which the other server is asked whether it is there.
    pub ping_every: Duration,
    /// How long that may stay unanswered before the stream counts as dead.
    pub ping_timeout: Duration,
    /// A stream that carries no stanza for so long is ended; it comes back when there is one.
    pub idle: Duration,
    /// Stanzas that may wait for a stream, for one pair of domains.
    pub queue: usize,
    /// How long a stanza may wait for a stream before its sender is told.
    pub queue_timeout: Duration,
    /// Streams, all together and in both directions.
    pub connections: usize,
    /// Streams that are opened from one address; of IPv6, from one /64.
    pub connections_per_source: usize,
    /// Whether a domain may prove its server over HTTPS (RFC 7711) where the certificate does not.
    pub posh: bool,
    /// `[[xmpp.partner]]`: what is demanded of, and allowed to, the servers of each domain.
    pub partners: Partners,
}

impl Default for Server {
    /// No domain, no socket, no certificate; every other value is the configuration's default.
    fn default() -> Self {
        Self {
            domains: Vec::new(),
            listen: Vec::new(),
            tls: Files::default(),
            contacts: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            ping_every: Duration::from_secs(60),
            ping_timeout: Duration::from_secs(20),
            idle: Duration::from_secs(600),
            queue: 1_000,
            queue_timeout: Duration::from_secs(30),
            connections: 4_096,
            connections_per_source: 128,
            posh: true,
            partners: Partners::default(),
        }
    }
}
