//! Event notification (RFC 6665): the machines of one subscription, without documents, dialogs and clocks.

pub mod notifier;
pub mod publication;
pub mod subscriber;
