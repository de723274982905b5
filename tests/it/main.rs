//! One test binary, so one link.

mod associate;
mod broken_rules;
#[allow(clippy::unwrap_used)]
mod certs;
mod component;
mod config;
mod documents;
mod federation;
mod fuzz;
mod jid;
mod mappings;
mod net;
mod scenarios;
mod sim;
mod sip_auth;
mod sip_oracle;
mod sip_properties;
mod store;
mod tidy;
mod torture;
mod vectors;
mod world;
mod xml;
mod years;
