//! One test binary, so one link.

mod config;
mod sip_oracle;
mod sip_properties;
mod torture;
