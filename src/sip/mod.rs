//! (being built)

pub mod locate;
pub mod transaction;
