//! Authentication-Info (RFC 3261 section 20.6, RFC 7615): what a server says after it has believed us.

use super::algorithm::Qop;
use super::credentials::count;
use super::value::{self, Writer};

/// The parameters of Authentication-Info; texts are as they stand between the quotes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthenticationInfo {
    /// The nonce to use from now on.
    pub next_nonce: Option<String>,
    /// What `response_auth` protects.
    pub qop: Option<Qop>,
    /// The server's proof that it knows the password too.
    pub response_auth: Option<String>,
    /// The client's own.
    pub cnonce: Option<String>,
    /// The count of the request that is answered.
    pub count: Option<u32>,
}

impl AuthenticationInfo {
    /// Reads a value. `None`: malformed.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let mut values = value::bare(value)?;
        Some(Self {
            next_nonce: values.take("nextnonce"),
            qop: values.take("qop").and_then(|name| Qop::named(&name)),
            response_auth: values.take("rspauth"),
            cnonce: values.take("cnonce"),
            count: values.take("nc").and_then(|text| count(&text)),
        })
    }

    /// The header value.
    #[must_use]
    pub fn print(&self) -> String {
        let mut writer = Writer::new("");
        if let Some(nonce) = &self.next_nonce {
            writer.quoted("nextnonce", nonce);
        }
        if let Some(qop) = self.qop {
            writer.token("qop", qop.name());
        }
        if let Some(response) = &self.response_auth {
            writer.quoted("rspauth", response);
        }
        if let Some(cnonce) = &self.cnonce {
            writer.quoted("cnonce", cnonce);
        }
        if let Some(count) = self.count {
            writer.token("nc", &super::algorithm::hex(&count.to_be_bytes()));
        }
        writer.done()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_example_of_rfc_3261_and_a_full_one_are_read_and_printed() {
        let info = AuthenticationInfo::parse(b"nextnonce=\"47364c23432d2e131a5fb210812c\"").unwrap();
        assert_eq!(info.print(), "nextnonce=\"47364c23432d2e131a5fb210812c\"");
        let full = "nextnonce=\"a\", qop=auth, rspauth=\"00\", cnonce=\"c\", nc=0000000a";
        assert_eq!(AuthenticationInfo::parse(full.as_bytes()).unwrap().print(), full);
        assert_eq!(AuthenticationInfo::parse(b"nextnonce"), None);
    }
}
