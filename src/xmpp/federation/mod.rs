//! stox as a server of its own: domains that reach each other over server-to-server streams (RFC 6120, XEP-0220).
//!
//! | file | what |
//! |---|---|
//! | `pair` | two domains that exchange stanzas, and in which direction |
//! | `partner` | what is demanded of, and allowed to, the servers of other domains |
//! | `association` | by what a domain was proven (RFC 7712) |
//! | `locate` | where the servers of a domain are |
//! | `exchange` | what the federation and the tasks of its streams tell each other |
//! | `dialback` | keys |
//! | `machine` | which stanza goes on which stream, and which streams there are |

pub mod association;
pub mod dialback;
pub mod exchange;
pub mod locate;
pub mod machine;
pub mod pair;
pub mod partner;

pub use association::{Association, Judgement};
pub use exchange::{Command, Dial, Report, StreamId, Unreachable, Verdict, Verification};
pub use machine::{Federation, Output, Settings, Stats};
pub use pair::{Pair, Way};
pub use partner::{Authentication, Host, Partner, PartnerLimits, Partners};
