//! Tests of the gateway: one step at a time, in virtual time.
