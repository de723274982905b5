//! One test binary, so one link.

mod config;
mod jid;
mod sip_oracle;
mod sip_properties;
mod torture;
mod xml;

mod mappings;
mod vectors;
