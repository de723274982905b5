//! Both ends against each other, through every mode; and one end against a peer that does as told.

#![allow(clippy::unwrap_used)]

mod carried;
mod dialback;
mod ends;
mod modes;
mod soup;
mod told;
