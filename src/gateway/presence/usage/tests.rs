//! Usages in a gateway.

#![allow(clippy::unwrap_used)]
