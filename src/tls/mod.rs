//! TLS: certificates are read from files, and those of peers are checked.
//!
//! Nothing here opens a connection. For SIP, a [`Store`] holds what the configuration names and, when the files change,
//! what they say now; [`verify`] decides about a peer's certificate during the handshake, and [`names`] says which SIP
//! domains it proves (RFC 5922). XMPP servers have a store of their own, [`xmpp`], with a certificate for each domain,
//! and judge after the handshake, when the stream has said whom it is for; [`identity`] has the rules for names there.
//! What a domain says of its certificates over HTTPS and in DNS, [`posh`] and [`dane`] read.
//! What is wrong with our own certificates, [`audit`] tells.

pub mod audit;
pub mod dane;
pub mod files;
pub mod identity;
pub mod names;
pub mod posh;
mod store;
#[cfg(test)]
mod tests;
pub mod verify;
mod watched;
pub mod xmpp;

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
