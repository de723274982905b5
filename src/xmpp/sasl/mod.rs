//! SASL (RFC 4422) as XMPP carries it (RFC 6120 section 6): who is at the other end of a stream.
//!
//! | file | what |
//! |---|---|
//! | `server` | the receiving entity's side: elements come in, elements and at last an address come out |
//! | `client` | the initiating entity's side, by certificate, as servers do it among themselves |
//! | `exchange` | one try with one mechanism, by rsasl, behind a guard |
//! | `grammar` | what clients may say, by mechanism |
//! | `account` | what is known of users |
//! | `binding` | what is known of the TLS connection |
//! | `condition` | why a try failed (section 6.5) |
//! | `base64` | how data are written (section 13.9.1) |
//!
//! The messages of the mechanisms are read and answered by rsasl. It is trusted with arithmetic and with nothing else:
//! it panics on messages that are no messages, so each is held to its grammar first and a panic costs one try; it knows
//! no accounts, so what it proves is a name, and what that name means is decided here; it lets a client take `-PLUS` and
//! bind nothing, so that is decided here too; and what it says of a failure would tell whether a user exists, so nothing
//! of that is passed on.
//!
//! Nothing here is written to a log: what passes through are secrets.

mod account;
pub mod base64;
mod binding;
mod client;
mod condition;
mod exchange;
mod grammar;
mod mechanism;
mod server;

pub use account::{Account, Accounts, Decoy, Hash, Keys, SALT, Standing, Unavailable};
pub use binding::{Binding, end_point};
pub use client::{Client, Next};
pub use condition::Condition;
pub use mechanism::Mechanism;
#[cfg(test)]
pub(in crate::xmpp) use server::scram::Scram;
pub use server::{Reply, Server, Setting, Users};

/// Tries on one stream, the first one counted (RFC 6120 section 6.4.5 allows two to five retries). A person mistypes a
/// password twice; whoever needs more opens another stream, which costs more to guess with.
pub const MAX_TRIES: usize = 5;

/// Octets of one decoded message. A name of 1,023 octets escaped threefold, twice, with nonces and a certificate's hash fits.
pub const MAX_MESSAGE: usize = 8 * 1024;
