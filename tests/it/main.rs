//! One test binary, so one link.
