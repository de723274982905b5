//! Extensions: for each a reader or builder of its elements, no behaviour.

pub mod activity;
pub mod caps;
pub mod chatstates;
pub mod contacts;
pub mod datetime;
pub mod delay;
pub mod disco;
pub mod encryption;
pub mod form;
pub mod forward;
pub mod hints;
pub mod idle;
pub mod last;
pub mod mood;
pub mod nick;
pub mod pep;
pub mod ping;
pub mod shim;
pub mod sid;
pub mod time;
pub mod vcard;
pub mod version;

#[cfg(test)]
mod tests;
