//! Gateways as servers of their own: beside each other, and before servers that do what nobody expects.

mod hostile;
mod locating;
mod modes;
mod rig;
mod stopping;
