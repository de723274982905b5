//! The program itself against peers that do what nobody expects: real sockets on loopback, real bytes.
//!
//! Each test starts its own gateway on a loopback address of its own, with an XMPP server and a phone that are a few
//! lines of the test. Nothing waits for a time to pass: every wait is for bytes, with a deadline.

#![allow(clippy::unwrap_used)]

mod at_rest;
mod certificates;
mod connections;
mod dns;
mod federation;
mod health;
mod identity;
mod links;
#[allow(dead_code, reason = "some peers are only needed by some tests")]
mod rig;
mod scanners;
mod servers;
mod sip_flood;
mod sip_malformed;
mod stop;
mod store_away;
mod tls;
mod websocket;
mod xmpp_malformed;
mod xmpp_silent;
