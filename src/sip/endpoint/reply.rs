//! Where responses go, and what is left of them once they are sent.

use std::net::SocketAddr;
use std::num::NonZeroU64;

use super::{Flow, Origin, Transmit, Transport, head};
use crate::sip::message::Status;

/// What answers a request that comes again after its final response.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The response that the request itself and this status make.
    Again(Status),
    /// These bytes.
    Kept(Box<[u8]>),
}

impl Answer {
    pub(super) fn kept_bytes(&self) -> usize {
        match self {
            Answer::Again(_) => 0,
            Answer::Kept(bytes) => bytes.len(),
        }
    }
}

/// Where the responses to a request go (RFC 3261 section 18.2.2, RFC 3581 section 4).
#[derive(Debug, Clone, Copy)]
pub(super) struct Reply {
    pub(super) transport: Transport,
    local: SocketAddr,
    remote: SocketAddr,
    /// Connections are counted from 1.
    flow: Option<NonZeroU64>,
}

impl Reply {
    pub(super) fn new(top: &head::TopVia, flow: &Flow) -> Self {
        let source = flow.remote.ip();
        let port = top.via.port.unwrap_or(flow.transport.default_port());
        let (remote, connection) = if flow.transport.is_reliable() {
            (SocketAddr::new(source, port), NonZeroU64::new(flow.id))
        } else if let Some(maddr) = top.maddr {
            (SocketAddr::new(maddr, port), None)
        } else if top.rport {
            (flow.remote, None)
        } else {
            (SocketAddr::new(source, port), None)
        };
        Self { transport: flow.transport, local: flow.local, remote, flow: connection }
    }

    pub(super) fn transmit(&self, bytes: Vec<u8>, origin: Origin) -> Transmit {
        Transmit {
            transport: self.transport,
            local: Some(self.local),
            remote: self.remote,
            flow: self.flow.map(NonZeroU64::get),
            domain: None,
            bytes,
            origin,
            again: false,
        }
    }
}
