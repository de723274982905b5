//! SIP (RFC 3261) with what SIMPLE adds (RFC 3428): names, messages, and the machines that exchange them.
//!
//! From the wire up: [`framing`] cuts a connection into messages, [`message::wire`] turns the bytes of one message into
//! a [`message::Request`] or [`message::Response`] and back, [`message::check`] says what RFC 3261 section 8.2 wants
//! checked before anybody acts on a request, and [`message::header`] gives single headers their types on demand.
//! [`uri`] is the name of a person or a place in all of them.
//!
//! # Why the reader is ours, and what rsip is not used for
//!
//! rsip 0.4 read 68 of 129 messages right (RFC 4475, RFC 5118 and ordinary SIMPLE messages; `tests/torture`): no IPv6
//! references, no compact names, no folding, `first.last@host` misread, comma lists unsplit, unknown methods refused,
//! Content-Length ignored, bodies that are not UTF-8 damaged on output, line breaks inside a header let through. So it
//! reads and writes nothing that crosses the wire. Its list of statuses is an enum without reason phrases and its list
//! of methods is closed, so they cannot serve either. Its digests are wrong in four ways, which [`auth`] names. So stox
//! does not depend on it.
//! `sipx-sip`, which reads 128 of the 129, is the oracle of a differential test.

pub mod auth;
pub mod capability;
pub mod dialog;
pub mod endpoint;
pub mod event;
pub mod framing;
pub mod locate;
pub mod message;
pub mod proxy;
pub mod registration;
pub mod transaction;
pub mod uri;
