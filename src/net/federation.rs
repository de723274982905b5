//! Server-to-server streams: what of them needs sockets.
//!
//! | file | what |
//! |---|---|
//! | `associate` | whether a certificate is that of a domain's server, if need be by asking the domain (RFC 7712) |

pub mod associate;
