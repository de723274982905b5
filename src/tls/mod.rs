//! TLS: certificates are read from files, peers' certificates are checked, and their names are what RFC 5922 says.
//!
//! Nothing here opens a connection. A [`Store`] holds what the configuration names and, when the files change, what
//! they say now; [`verify`] decides about a peer's certificate, and [`names`] says which SIP domains it proves.

pub mod files;
pub mod names;
mod store;
#[cfg(test)]
mod tests;
pub mod verify;

pub use files::{Anchors, Files};
pub use store::{Store, StoreError};

/// Whether peers that connect to us show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// They are not asked, and prove no name.
    None,
    /// They are asked; those that have none are let in all the same, and a bad one is refused.
    Ask,
    /// Without a good one there is no connection.
    Require,
}
