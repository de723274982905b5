//! stox, an interworking gateway between XMPP and SIP/SIMPLE.
//!
//! ```text
//!  7  main                         arguments, exit code
//!  6  node  config                 build everything, drain, stop
//!  5  shard                        the loop: inputs -> Gateway -> deliver
//!  4  net   admin                  tokio, DNS | HTTP              (do not import each other)
//!  3  gateway                      interworking state, sans-IO    (knows both sides through mapping)
//!  2  mapping                      pure functions and tables      (the only place where xmpp meets sip)
//!  1  xmpp  sip  model             three vocabularies + protocol machines (do not import each other)
//!  0  xml   time   ids             elements; Now, Timers; Ids
//! ```
//!
//! Imports point down only. `xmpp` and `sip` never meet outside [`mapping`] and [`gateway`]; nothing below layer 4
//! is async, reads a clock, or opens anything; nothing above layer 3 knows what a stanza or a request means.

pub mod ids;
pub mod time;
pub mod xml;

pub mod model;
pub mod sip;
pub mod xmpp;

pub mod mapping;

pub mod gateway;

pub mod admin;
pub mod net;

pub mod shard;

pub mod config;
pub mod node;
