//! One test binary, so one link.

mod config;
mod torture;
