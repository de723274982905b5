//! What a stream is told of the TLS under it.

/// TLS, once its handshake is done.
#[derive(Clone, PartialEq, Eq)]
pub struct Secured {
    /// "TLS 1.2" or "TLS 1.3", for people.
    pub version: &'static str,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
    /// Whether the peer showed a certificate. Whom it proves is asked by [`ServerEvent::Judge`](super::ServerEvent::Judge).
    pub certificate: bool,
    /// Keying material that both ends of this very connection know (RFC 9266), for channel binding; where the version of
    /// TLS has it.
    pub exporter: Option<[u8; 32]>,
}

impl std::fmt::Debug for Secured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secured")
            .field("version", &self.version)
            .field("resumed", &self.resumed)
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}
