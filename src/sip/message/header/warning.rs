//! Warning (RFC 3261 section 20.43).

use super::{BadHeader, Header};
use crate::sip::message::{Name, lex};

/// What went wrong, for people: `399 gateway.example "text"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Three digits; 399 is "miscellaneous".
    pub code: u16,
    /// Who warns: a host or a name.
    pub agent: String,
    /// The text, without quotes.
    pub text: String,
}

impl Header for Warning {
    const NAME: Name<'static> = Name::WARNING;
    const LIST: bool = true;

    fn parse(value: &[u8]) -> Result<Self, BadHeader> {
        read(value).ok_or(BadHeader(Name::WARNING))
    }

    fn print(&self, out: &mut Vec<u8>) {
        lex::push_number(u64::from(self.code), out);
        out.push(b' ');
        out.extend(self.agent.bytes().map(|byte| if byte.is_ascii_graphic() { byte } else { b'-' }));
        out.push(b' ');
        lex::push_quoted(self.text.as_bytes(), out);
    }
}

fn read(value: &[u8]) -> Option<Warning> {
    let flat = lex::unfold(value);
    let code = lex::number(flat.get(..3)?).and_then(|code| u16::try_from(code).ok())?;
    let rest = lex::trim_start(flat[3..].strip_prefix(b" ")?);
    let space = memchr::memchr(b' ', rest)?;
    let agent = std::str::from_utf8(&rest[..space]).ok()?.to_owned();
    let quoted = lex::trim(&rest[space..]);
    if lex::quoted_len(quoted) != Some(quoted.len()) {
        return None;
    }
    Some(Warning { code, agent, text: String::from_utf8_lossy(&lex::unquote(quoted)).into_owned() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_warning_is_read_and_printed() {
        let text = br#"307 isi.edu "Session parameter \"foo\" not understood""#;
        let warning = Warning::parse(text).unwrap();
        assert_eq!((warning.code, warning.agent.as_str()), (307, "isi.edu"));
        assert_eq!(warning.text, "Session parameter \"foo\" not understood");
        let mut out = Vec::new();
        warning.print(&mut out);
        assert_eq!(out, text);
        for text in [&b""[..], b"30", b"307 isi.edu text", b"307 \"x\""] {
            assert!(Warning::parse(text).is_err());
        }
    }
}
