//! Extensions: for each a reader or builder of its elements, no behaviour.

pub mod chatstates;
pub mod datetime;
pub mod delay;
pub mod disco;
pub mod encryption;
pub mod forward;
pub mod hints;
pub mod nick;
pub mod ping;
pub mod shim;
pub mod sid;
pub mod time;
pub mod vcard;
pub mod version;

#[cfg(test)]
mod tests;
