//! Digest authentication (RFC 3261 section 22, RFC 7616, RFC 8760), both ends of it, without a socket or a clock.
//!
//! | file | what |
//! |---|---|
//! | [`algorithm`] | the hashes and what is hashed |
//! | [`key`] | a password, or hashes made of it, that never is printed |
//! | [`challenge`], [`credentials`], [`info`] | the header values, read and printed |
//! | [`client`] | answers challenges, and credentials before anybody asks |
//! | [`server`] | challenges, and who answered them |
//!
//! Basic is neither understood nor offered (RFC 8760 section 2.6).
//!
//! # Why the values are not rsip's
//! `rsip` 0.4 has types for these headers and a `DigestGenerator`. Its source departs from RFC 7616 in four places: it
//! prints the nonce count in decimal, hashes an empty body for `auth-int` whatever the body, leaves the session part out of
//! every `-sess` algorithm, and calls the others `SHA256` and `SHA512`, so that it reads neither `SHA-256` nor
//! `SHA-512-256`. What remained would be MD5 with some 17 crates behind it.
//!
//! # What is hashed
//! `unq(X)` of RFC 7616 section 3.4 is the text between the quotes with its backslashes, as every implementation we met
//! has it. So values are kept as they stand between the quotes, sent back the same, and hashed the same.

pub mod algorithm;
pub mod challenge;
pub mod client;
pub mod credentials;
pub mod info;
pub mod key;
pub mod server;
mod value;

pub use algorithm::{Algorithm, Hash, Qop};
pub use challenge::Challenge;
pub use client::{Account, Answer, Attempts, Client, Refusal};
pub use credentials::Credentials;
pub use info::AuthenticationInfo;
pub use key::Key;
pub use server::{AuthOutcome, Server};

use super::message::Name;

/// Bytes of one header value that is read: several times the longest nonce seen (Microsoft's, about 700).
pub const MAX_VALUE: usize = 4_096;

/// Parameters of one header value that are read; the grammars have at most eleven.
pub const MAX_PARAMS: usize = 32;

/// On whose behalf a challenge is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    /// The server that the request is for: 401, WWW-Authenticate, Authorization.
    Server,
    /// A proxy on the way: 407, Proxy-Authenticate, Proxy-Authorization.
    Proxy,
}

impl Door {
    /// The header that challenges.
    #[must_use]
    pub fn challenge(self) -> Name<'static> {
        match self {
            Self::Server => Name::WWW_AUTHENTICATE,
            Self::Proxy => Name::PROXY_AUTHENTICATE,
        }
    }

    /// The header that answers.
    #[must_use]
    pub fn credentials(self) -> Name<'static> {
        match self {
            Self::Server => Name::AUTHORIZATION,
            Self::Proxy => Name::PROXY_AUTHORIZATION,
        }
    }
}
