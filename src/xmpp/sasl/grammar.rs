//! The messages of clients, held to their grammar before rsasl reads them (RFC 4616 section 2, RFC 5802 section 7).
//!
//! Extensions are not taken. RFC 5802 section 5.1 wants optional ones ignored, but they are part of what is signed, and
//! rsasl leaves them out of it, so the proof could only be wrong; none has been registered.

use super::{Condition, Hash, base64};

/// As whom a client wants to act, and who it says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    /// Whose password or certificate it is; empty with EXTERNAL.
    pub(super) name: String,
    /// As whom; empty: as themselves.
    pub(super) authzid: String,
}

/// What a client says of channel binding (gs2-cbind-flag).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag<'a> {
    /// `n`: it cannot.
    Cannot,
    /// `y`: it could, but believes that we cannot.
    NotOffered,
    /// `p=`: it does, with this type.
    Used(&'a str),
}

/// EXTERNAL: nothing but the authorization identity.
pub(super) fn external(message: &[u8]) -> Result<Claim, Condition> {
    let authzid = text(message)?.to_owned();
    Ok(Claim { name: String::new(), authzid })
}

/// PLAIN: `[authzid] NUL authcid NUL passwd`. The password stays where it is.
pub(super) fn plain(message: &[u8]) -> Result<Claim, Condition> {
    let message = std::str::from_utf8(message).map_err(|_| Condition::MalformedRequest)?;
    let parts: Vec<&str> = message.split('\0').collect();
    match parts.as_slice() {
        [authzid, name, password] if !name.is_empty() && !password.is_empty() => {
            Ok(Claim { name: (*name).to_owned(), authzid: (*authzid).to_owned() })
        }
        _ => Err(Condition::MalformedRequest),
    }
}

/// SCRAM's client-first-message.
pub(super) fn client_first(message: &[u8]) -> Result<(Flag<'_>, Claim), Condition> {
    let mut parts = text(message)?.split(',');
    let mut part = || parts.next().ok_or(Condition::MalformedRequest);
    let flag = match part()? {
        "n" => Flag::Cannot,
        "y" => Flag::NotOffered,
        flag => {
            Flag::Used(attribute(flag, "p=").filter(|name| is_binding_name(name)).ok_or(Condition::MalformedRequest)?)
        }
    };
    let authzid = match part()? {
        "" => String::new(),
        authzid => attribute(authzid, "a=").and_then(unescape).ok_or(Condition::MalformedRequest)?,
    };
    let name = part()?;
    if name.starts_with("m=") {
        return Err(Condition::NotAuthorized);
    }
    let name = attribute(name, "n=").and_then(unescape).ok_or(Condition::MalformedRequest)?;
    attribute(part()?, "r=").filter(|nonce| is_nonce(nonce)).ok_or(Condition::MalformedRequest)?;
    match part() {
        Ok(_) => Err(Condition::NotAuthorized),
        Err(_) => Ok((flag, Claim { name, authzid })),
    }
}

/// SCRAM's client-final-message.
pub(super) fn client_final(message: &[u8], hash: Hash) -> Result<(), Condition> {
    let mut parts = text(message)?.split(',');
    let mut part = |name| parts.next().and_then(|part| attribute(part, name)).ok_or(Condition::MalformedRequest);
    let data = |text| base64::decode(text).ok().flatten().ok_or(Condition::MalformedRequest);
    data(part("c=")?)?;
    if !is_nonce(part("r=")?) {
        return Err(Condition::MalformedRequest);
    }
    let proof = data(part("p=")?)?;
    if proof.len() != hash.octets() || parts.next().is_some() {
        return Err(Condition::MalformedRequest);
    }
    Ok(())
}

/// saslname: `=2C` and `=3D` stand for comma and equals sign, and no other equals sign may be there.
pub(super) fn unescape(name: &str) -> Option<String> {
    let mut plain = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('=') {
        plain.push_str(before);
        let (char, after) = match (after.strip_prefix("2C"), after.strip_prefix("3D")) {
            (Some(after), _) => (',', after),
            (None, Some(after)) => ('=', after),
            (None, None) => return None,
        };
        plain.push(char);
        rest = after;
    }
    plain.push_str(rest);
    (!plain.is_empty()).then_some(plain)
}

fn text(message: &[u8]) -> Result<&str, Condition> {
    let text = std::str::from_utf8(message).map_err(|_| Condition::MalformedRequest)?;
    if text.contains('\0') { Err(Condition::MalformedRequest) } else { Ok(text) }
}

fn attribute<'a>(part: &'a str, name: &str) -> Option<&'a str> {
    part.strip_prefix(name)
}

fn is_nonce(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}

fn is_binding_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(name: &str, authzid: &str) -> Claim {
        Claim { name: name.to_owned(), authzid: authzid.to_owned() }
    }

    #[test]
    fn a_first_message_says_who_and_how() {
        assert_eq!(client_first(b"n,,n=user,r=x"), Ok((Flag::Cannot, claim("user", ""))));
        assert_eq!(client_first(b"y,a=b=2Cc,n==3D=2C,r=x=y"), Ok((Flag::NotOffered, claim("=,", "b,c"))));
        let bound = client_first("p=tls-exporter,,n=é,r=!".as_bytes());
        assert_eq!(bound, Ok((Flag::Used("tls-exporter"), claim("é", ""))));
    }

    #[test]
    fn first_messages_that_break_the_grammar_are_malformed() {
        for bad in [
            "",
            "n",
            "n,",
            "n,,",
            "n,,n",
            "n,a",
            "n,,,,",
            "n,,n=u,r",
            "n,,n=u,",
            "n,,n=u,r=",
            "n,,n=,r=x",
            "N,,n=u,r=x",
            "x,,n=u,r=x",
            "p=,,n=u,r=x",
            "p=a b,,n=u,r=x",
            "p,,n=u,r=x",
            "n,b=c,n=u,r=x",
            "n,a=,n=u,r=x",
            "n,,n=a=2c,r=x",
            "n,,n=a=,r=x",
            "n,,n=a=3,r=x",
            "n,,n=a=b,r=x",
            "n,,r=x,n=u",
            "n,,n=u\0,r=x",
            "n,,n=u,r=a b",
            "n,,n=u,r=é",
            " n,,n=u,r=x",
        ] {
            assert_eq!(client_first(bad.as_bytes()), Err(Condition::MalformedRequest), "{bad:?}");
        }
        assert_eq!(client_first(b"n,,n=\xff,r=x"), Err(Condition::MalformedRequest));
    }

    #[test]
    fn extensions_are_refused() {
        for extended in ["n,,m=x,n=u,r=x", "n,,n=u,r=x,e=f", "n,,n=u,r=x,"] {
            assert_eq!(client_first(extended.as_bytes()), Err(Condition::NotAuthorized), "{extended:?}");
        }
    }

    #[test]
    fn a_last_message_has_binding_nonce_and_a_proof_of_the_right_length() {
        let proof = base64::encode(&[0; 20]);
        let message = |text: &str| client_final(text.as_bytes(), Hash::Sha1);
        assert_eq!(message(&format!("c=biws,r=x,p={proof}")), Ok(()));
        for bad in [
            "".to_owned(),
            "c".to_owned(),
            "c=biws".to_owned(),
            "c=biws,r=x".to_owned(),
            "c=biws,r=x,p".to_owned(),
            "c=biws,r=x,p=".to_owned(),
            "c=biws,r=x,p=YQ==".to_owned(),
            format!("c=,r=x,p={proof}"),
            format!("c=biw,r=x,p={proof}"),
            format!("c=biws,r=,p={proof}"),
            format!("c=biws,r=x,e=f,p={proof}"),
            format!("c=biws,r=x,p={proof},"),
            format!("c=biws,r=x,p={}", base64::encode(&[0; 32])),
        ] {
            assert_eq!(message(&bad), Err(Condition::MalformedRequest), "{bad:?}");
        }
    }

    #[test]
    fn plain_has_three_parts() {
        assert_eq!(plain(b"\0juliet\0r0m30"), Ok(claim("juliet", "")));
        assert_eq!(plain(b"a@b\0juliet\0x"), Ok(claim("juliet", "a@b")));
        for bad in [&b""[..], b"\0", b"\0\0", b"\0a\0", b"\0\0b", b"a\0b", b"\0a\0b\0", b"\0a\0\xff"] {
            assert_eq!(plain(bad), Err(Condition::MalformedRequest), "{bad:?}");
        }
    }
}
