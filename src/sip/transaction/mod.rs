//! Transactions of RFC 3261 section 17 as pure machines: an input and the time go in, one effect comes out.
//!
//! | machine | states held here | then |
//! |---|---|---|
//! | [`client::NonInvite`] (17.1.2) | Trying, Proceeding | Completed: the key stays in a [`linger::Lingering`] for Timer K |
//! | [`calling::Invite`] (17.1.1, RFC 6026) | Calling, Proceeding, Accepted | Completed: the ACK stays in a [`linger::Lingering`] for Timer D |
//! | [`server::NonInvite`] (17.2.2) | Trying, Proceeding | Completed: the answer stays in a [`linger::Lingering`] for Timer J |
//! | [`server::Invite`] (17.2.1, RFC 6026) | Proceeding, Completed, Confirmed, Accepted | forgotten |
//!
//! The Completed state of a non-INVITE transaction has one input and one answer and lasts 32 s, so at 50,000 messages
//! a second there are 1.6 million of them. They are therefore no machines any more but 40 bytes in a table.

pub mod calling;
pub mod client;
pub mod key;
pub mod linger;
pub mod server;
pub mod timers;
