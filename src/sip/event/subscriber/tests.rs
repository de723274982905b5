//! The machine in virtual time.

#![allow(clippy::unwrap_used)]
