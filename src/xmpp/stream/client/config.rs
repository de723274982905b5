//! What the stream of a client is told.

use std::sync::Arc;

use crate::xml::Limits;
use crate::xmpp::jid::{BareJid, Jid};
use crate::xmpp::sasl::Accounts;
use crate::xmpp::stream::{Secured, StreamConfig};

/// What every client's stream needs to know; one for all of them.
#[derive(Clone)]
pub struct ClientConfig {
    /// Limits and deadlines. The size of stanzas holds once a resource is bound.
    pub stream: StreamConfig,
    /// Whether we serve this domain, spelled as [`Jid::domain`] spells it.
    pub hosts: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    /// Who may come in by password; `None`: nobody.
    pub accounts: Option<Arc<dyn Accounts>>,
    /// Whether a full address can be bound now. What is said here holds at once: the owner hears of it by
    /// [`ClientEvent::Bound`](super::ClientEvent::Bound).
    pub vacancy: Arc<dyn Fn(&Jid) -> Vacancy + Send + Sync>,
    /// What becomes of a client that wants what another one has.
    pub conflict: Conflict,
}

/// Whether an address can be bound (RFC 6120 sections 7.6.2 and 7.7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vacancy {
    /// It can.
    Free,
    /// Another stream has it.
    Taken,
    /// The account has as many connected resources as it may have.
    Full,
    /// This account binds nothing.
    Forbidden,
}

/// RFC 6120 section 7.7.2.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Conflict {
    /// It gets another resource, of our making: what the RFC encourages.
    #[default]
    Rename,
    /// It is told, and may ask for another.
    Refuse,
    /// It gets it. The owner ends the older stream, with `conflict`.
    Replace,
}

/// TLS, once its handshake is done.
#[derive(Debug, Clone)]
pub struct ClientTls {
    /// What every stream is told.
    pub secured: Secured,
    /// The data of `tls-server-end-point` for the certificate that we showed:
    /// [`end_point`](crate::xmpp::sasl::end_point).
    pub end_point: Option<Vec<u8>>,
    /// The addresses that the client's certificate proves, chain and validity included (XEP-0178 section 2).
    pub proven: Vec<BareJid>,
}

/// Before a resource is bound, elements are short. RFC 6120 section 13.12 allows no smaller limit.
pub(super) const UNBOUND: usize = Limits::SMALLEST_STANZA;

/// Attempts to bind a resource, the first one counted: section 7.7.3 allows five to ten retries.
pub(super) const BIND_TRIES: usize = 6;

impl std::fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientConfig")
            .field("stream", &self.stream)
            .field("conflict", &self.conflict)
            .finish_non_exhaustive()
    }
}
