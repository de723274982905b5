//! When two URIs mean the same (RFC 3261 section 19.1.4; RFC 3966 section 4 for telephone numbers).

use super::chars::escaped;
use super::{Scheme, Uri};

impl Uri {
    /// Whether both URIs are equivalent. Not transitive, as RFC 3261 section 19.1.4 says itself: never a key of a map.
    #[must_use]
    pub fn same(&self, other: &Uri) -> bool {
        if self.scheme != other.scheme {
            return false;
        }
        match self.scheme {
            Scheme::Sip | Scheme::Sips | Scheme::Im | Scheme::Pres => self.same_address(other),
            Scheme::Tel => same_number(self, other),
            Scheme::Other => {
                self.scheme_text().eq_ignore_ascii_case(other.scheme_text()) && self.opaque() == other.opaque()
            }
        }
    }

    fn same_address(&self, other: &Uri) -> bool {
        let same_host = match (self.host(), other.host()) {
            (Some(one), Some(two)) => one.same(two),
            (_, _) => false,
        };
        same_host
            && self.port == other.port
            && same_option(self.user(), other.user())
            && same_option(self.password(), other.password())
            && self.params_match(other)
            && other.params_match(self)
            && self.headers_match(other)
    }

    /// Every parameter of ours agrees with theirs; most may be missing there, five may not.
    fn params_match(&self, other: &Uri) -> bool {
        const DECISIVE: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];
        self.params().all(|(name, value)| match other.params().find(|(found, _)| found.eq_ignore_ascii_case(name)) {
            Some((_, theirs)) => match (value, theirs) {
                (Some(one), Some(two)) => same_text(one, two, true),
                (one, two) => one.is_none() && two.is_none(),
            },
            None => !DECISIVE.iter().any(|decisive| decisive.eq_ignore_ascii_case(name)),
        })
    }

    /// Header components are never ignored.
    fn headers_match(&self, other: &Uri) -> bool {
        self.headers().count() == other.headers().count()
            && self.headers().all(|(name, value)| {
                other.headers().any(|(found, theirs)| found.eq_ignore_ascii_case(name) && same_option(value, theirs))
            })
    }
}

fn same_option(one: Option<&str>, two: Option<&str>) -> bool {
    match (one, two) {
        (Some(one), Some(two)) => same_text(one, two, false),
        (one, two) => one.is_none() && two.is_none(),
    }
}

/// An escape equals the character it spells, unless that is one of the reserved ones.
fn same_text(one: &str, two: &str, ignore_case: bool) -> bool {
    let fold = |(byte, is_escape): (u8, bool)| (if ignore_case { byte.to_ascii_lowercase() } else { byte }, is_escape);
    units(one).map(fold).eq(units(two).map(fold))
}

fn units(text: &str) -> impl Iterator<Item = (u8, bool)> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let byte = *bytes.get(at)?;
        if byte == b'%'
            && let Some(spelled) = escaped(bytes, at)
        {
            at += 3;
            return Some((spelled, b";/?:@&=+$,".contains(&spelled)));
        }
        at += 1;
        Some((byte, false))
    })
}

fn same_number(one: &Uri, two: &Uri) -> bool {
    let digits = |uri: &Uri| {
        let number = uri.user().unwrap_or("");
        number.bytes().filter(|byte| !b"-.()".contains(byte)).map(|byte| byte.to_ascii_lowercase()).collect::<Vec<_>>()
    };
    digits(one) == digits(two)
        && one.params().count() == two.params().count()
        && one.params().all(|(name, value)| {
            two.params().any(|(found, theirs)| {
                found.eq_ignore_ascii_case(name) && value.unwrap_or("").eq_ignore_ascii_case(theirs.unwrap_or(""))
            })
        })
}
