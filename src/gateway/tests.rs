//! Tests of the gateway: one step at a time, in virtual time. What takes two sides to tell is in `tests/scenarios`.

#![allow(clippy::unwrap_used)]

mod authorize;
mod bench;
mod directions;
mod doing;
mod entrance;
mod held_pings;
mod hop;
mod hostile;
mod lists;
mod numbers;
mod prove;
mod proxy;
mod publish;
mod register;
mod serve;
mod serve_more;
mod serve_vectors;
mod served;
mod shares;
mod to_sip;
mod to_xmpp;
mod usages;
mod voicemail;
mod watch;
mod watch_again;
