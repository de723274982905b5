//! Where records are kept: a file of SQLite, a database of PostgreSQL, or nowhere.
//!
//! The shard lives in memory and the store is its log: it is read once, at the start, and from then on only written.
//! [`Store::submit`] takes the writes of one step and gives their number; when [`Progress::committed`] has reached it, they
//! outlive the process and the power, and only then may anybody hear of them.
//!
//! A store has one thread. It takes everything that waits into one transaction, so while one commit is being made durable
//! the writes of many steps gather for the next, and a commit never waits for more to come.
//!
//! Without a place ([`Place::Memory`]) there is no thread: everything counts as durable at once, and is forgotten.
//!
//! A commit that fails is tried again until it succeeds, with everything that has come meanwhile: [`Progress::trouble`]
//! says so. One that another process has made void ([`Trouble::TakenOver`]) is the end of the store.
//!
//! | file | what |
//! |---|---|
//! | `place` | where it is: URLs |
//! | `engine` | what keeps them, behind one face |
//! | `sqlite`, `postgres` | the two engines, with their schemas in `migrations` |
//! | `writer` | the thread, and what it is handed |
//! | `batch` | what is committed together |
//! | `lines` | records as lines of JSON, for backup and moving |
//! | `words` | how enumerations are written, in tables and lines |

mod batch;
mod engine;
mod error;
mod lines;
mod place;
mod postgres;
mod sqlite;
mod stats;
mod tool;
mod words;
mod writer;

pub use error::{Error, Trouble};
pub use place::{BadUrl, Place};
pub use stats::{Counts, View};
pub use tool::{Report, check, export, import};
pub use writer::{Progress, Reading, Store};
