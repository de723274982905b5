//! Headers whose value is a number.

use super::{BadHeader, Header, Params};
use crate::sip::message::{Name, lex};

/// How many hops a request may still take (RFC 3261 section 20.22).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxForwards(pub u8);

impl Header for MaxForwards {
    const NAME: Name<'static> = Name::MAX_FORWARDS;

    fn parse(value: &[u8]) -> Result<Self, BadHeader> {
        let hops = lex::number(value).and_then(|hops| u8::try_from(hops).ok());
        hops.map(Self).ok_or(BadHeader(Name::MAX_FORWARDS))
    }

    fn print(&self, out: &mut Vec<u8>) {
        lex::push_number(u64::from(self.0), out);
    }
}

macro_rules! delta_seconds {
    ($($(#[$doc:meta])* $type:ident = $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $type(pub u32);

        impl Header for $type {
            const NAME: Name<'static> = Name::$name;

            fn parse(value: &[u8]) -> Result<Self, BadHeader> {
                seconds(value).map(Self).ok_or(BadHeader(Name::$name))
            }

            fn print(&self, out: &mut Vec<u8>) {
                lex::push_number(u64::from(self.0), out);
            }
        }
    )*};
}

delta_seconds! {
    /// Seconds until something ends (RFC 3261 section 20.19); what exceeds 32 bits is as good as for ever.
    Expires = EXPIRES;
    /// The shortest time in seconds that a server lets something live (RFC 3261 section 20.23).
    MinExpires = MIN_EXPIRES;
}

fn seconds(value: &[u8]) -> Option<u32> {
    lex::number(value).map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX))
}

/// When to try again (RFC 3261 section 20.33).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryAfter {
    /// Seconds from now.
    pub seconds: u32,
    /// `duration` and others. A comment in front of them is for people and is passed over.
    pub params: Params,
}

impl Header for RetryAfter {
    const NAME: Name<'static> = Name::RETRY_AFTER;

    fn parse(value: &[u8]) -> Result<Self, BadHeader> {
        let read = || {
            let end = value.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(value.len());
            let seconds = seconds(&value[..end])?;
            let rest = lex::trim_start(&value[end..]);
            let rest = if rest.first() == Some(&b'(') { after_comment(rest)? } else { rest };
            Some(Self { seconds, params: Params::parse(rest)? })
        };
        read().ok_or(BadHeader(Name::RETRY_AFTER))
    }

    fn print(&self, out: &mut Vec<u8>) {
        lex::push_number(u64::from(self.seconds), out);
        self.params.print(out);
    }
}

/// What follows the `(comment (nested))` at the front.
fn after_comment(text: &[u8]) -> Option<&[u8]> {
    let mut depth = 0usize;
    let mut at = 0;
    loop {
        match text.get(at)? {
            b'\\' => at += 1,
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return text.get(at..);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn hops_are_a_byte() {
        assert_eq!(MaxForwards::parse(b"0068"), Ok(MaxForwards(68)));
        for text in [&b"300"[..], b"-1", b"", b"7 0"] {
            assert_eq!(MaxForwards::parse(text), Err(BadHeader(Name::MAX_FORWARDS)));
        }
    }

    #[test]
    fn endless_times_end_at_32_bits() {
        assert_eq!(Expires::parse(b"10000000000000000000000000000"), Ok(Expires(u32::MAX)));
        assert!(Expires::parse(b"soon").is_err());
    }

    #[test]
    fn retry_after_may_carry_a_comment_and_parameters() {
        let retry = RetryAfter::parse(b"18000 (in a \\) (long) meeting) ;duration=3600").unwrap();
        assert_eq!((retry.seconds, retry.params.get("duration")), (18000, Some("3600")));
        assert!(RetryAfter::parse(b"120 (open").is_err());
        assert!(RetryAfter::parse(b"later").is_err());
    }
}
