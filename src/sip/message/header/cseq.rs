//! CSeq (RFC 3261 section 20.16).

use super::{BadHeader, Header};
use crate::sip::message::{Method, Name, lex};

/// The number of a request within its dialog, and its method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CSeq {
    /// Below 2^31 (RFC 3261 section 8.1.1.5).
    pub number: u32,
    /// The request's method, repeated.
    pub method: Method,
}

impl Header for CSeq {
    const NAME: Name<'static> = Name::CSEQ;

    fn parse(value: &[u8]) -> Result<Self, BadHeader> {
        read(value).ok_or(BadHeader(Name::CSEQ))
    }

    fn print(&self, out: &mut Vec<u8>) {
        lex::push_number(u64::from(self.number), out);
        out.push(b' ');
        out.extend_from_slice(self.method.as_str().as_bytes());
    }
}

fn read(value: &[u8]) -> Option<CSeq> {
    let space = value.iter().position(|byte| lex::is_space(*byte))?;
    let number = u32::try_from(lex::number(&value[..space])?).ok().filter(|number| *number < 1 << 31)?;
    Some(CSeq { number, method: Method::parse(lex::trim_start(&value[space..]))? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_and_folds_are_read() {
        assert_eq!(CSeq::parse(b"0009\r\n  INVITE"), Ok(CSeq { number: 9, method: Method::Invite }));
    }

    #[test]
    fn numbers_end_at_two_to_the_31() {
        assert!(CSeq::parse(b"2147483647 MESSAGE").is_ok());
        for text in [&b"2147483648 MESSAGE"[..], b"36893488147419103232 REGISTER", b"-1 A", b"1", b"1 ", b"MESSAGE 1"] {
            assert_eq!(CSeq::parse(text), Err(BadHeader(Name::CSEQ)));
        }
    }
}
