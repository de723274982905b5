//! The `stox` command.

fn main() {}
