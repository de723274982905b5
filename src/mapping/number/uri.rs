//! Numbers in URIs: which domain a `tel` URI belongs to, and what the URI of a number is.

use super::subscriber::split;
use super::{NumberError, NumberPlan, NumberUri, ReadBy};
use crate::mapping::domain::UserRule;
use crate::mapping::{AddressError, DomainMapping, Home, Mapping, UriForm};
use crate::model::Address;
use crate::sip::uri::{Scheme, Uri, UriError};
use std::borrow::Cow;

impl Mapping {
    /// Whose a `tel` URI is. A table that names the number decides, then a plan that has it as an extension, then the
    /// one SIP side that can have any number; each in the domains of `home` first, and only where it is exactly one.
    ///
    /// A recipient is looked for among the users of XMPP first, since a SIP side that calls us about one of its own
    /// numbers would call in vain; a sender only among those of SIP.
    pub(in crate::mapping) fn number_to_address(&self, uri: &Uri, home: Home) -> Result<Address, AddressError> {
        let (domain, user) = self.owner(uri, home)?;
        let spelt = domain.to_xmpp(&user).ok_or_else(|| AddressError::Shadowed(user.into_owned()))?;
        Ok(Address { user: Some(spelt.0), domain: domain.xmpp.clone(), instance: None })
    }

    /// The domain that a `tel` URI in From speaks for; its SIP host is what the sender must be trusted with.
    #[must_use]
    pub fn domain_of_number(&self, uri: &Uri) -> Option<&DomainMapping> {
        let uri = Some(uri).filter(|uri| uri.scheme() == Scheme::Tel)?;
        self.owner(uri, Home::Sip).ok().map(|(domain, _)| domain)
    }

    /// The domain that has the number, and the user in the spelling that rules have.
    pub(in crate::mapping) fn owner<'m, 'u>(
        &'m self,
        uri: &'u Uri,
        home: Home,
    ) -> Result<(&'m DomainMapping, Cow<'u, str>), AddressError> {
        let written = uri.user_decoded().map_err(|_| AddressError::NotUtf8)?.unwrap_or_default();
        let homes: &[Home] = if home == Home::Sip { &[Home::Sip] } else { &[Home::Xmpp, Home::Sip] };
        let mut refused = None;
        for class in [Claim::Named, Claim::Extension, Claim::Any] {
            for home in homes {
                let domains = self.domains().iter().filter(|domain| domain.home == *home && !domain.is_wildcard());
                let mut claims = Vec::new();
                for domain in domains {
                    match domain.claim(uri, &written) {
                        Ok(Some((claim, user))) if claim == class => claims.push((domain, user)),
                        Ok(_) => {}
                        Err(error) => refused = Some(error),
                    }
                }
                match claims.pop() {
                    Some(claim) if claims.is_empty() => return Ok(claim),
                    Some(_) => return Err(AddressError::NobodysNumber),
                    None => {}
                }
            }
        }
        Err(refused.map_or(AddressError::NobodysNumber, AddressError::Number))
    }
}

/// How good the reason is to take a number for a domain's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    /// A table names it.
    Named,
    /// It is one of the house.
    Extension,
    /// The SIP side may reach any number.
    Any,
}

impl DomainMapping {
    fn claim<'u>(&self, uri: &'u Uri, written: &Cow<'u, str>) -> Result<Option<(Claim, Cow<'u, str>)>, NumberError> {
        let names = |user: &str| {
            self.rules
                .iter()
                .any(|rule| matches!(rule, UserRule::Table(pairs) if pairs.iter().any(|(sip, _)| sip == user)))
        };
        let Some(plan) = &self.numbers else {
            // Without a plan a table is all there is; it names numbers without separators.
            let bare: String = written.chars().filter(|digit| !matches!(digit, '-' | '.' | '(' | ')')).collect();
            let known = names(&bare) && uri.params().all(|(name, _)| !is_somebody_else(name));
            return Ok(known.then_some((Claim::Named, Cow::Owned(bare))));
        };
        let Some(reading) = plan.subscriber(written, uri.params(), &[&self.sip_host, &self.xmpp])? else {
            return Ok(Some((Claim::Named, written.clone())).filter(|_| names(written)));
        };
        let user = plan.write(&reading.number, plan.sip);
        let claim = match (names(&user), plan.extension(&reading.number)) {
            (true, _) => Claim::Named,
            (false, Some(_)) => Claim::Extension,
            (false, None) if self.home == Home::Sip => Claim::Any,
            (false, None) => return Ok(None),
        };
        Ok(Some((claim, Cow::Owned(user))))
    }

    /// The user of a SIP URI, without the parameters that `user=phone` lets stand behind a number.
    pub(in crate::mapping) fn phone_user<'u>(
        &self,
        uri: &Uri,
        user: Cow<'u, str>,
    ) -> Result<Cow<'u, str>, NumberError> {
        let phone = || uri.param("user").is_some_and(|value| value.eq_ignore_ascii_case("phone"));
        let Some(plan) = self.numbers.as_ref().filter(|_| phone()) else { return Ok(user) };
        let (number, parameters) = split(&user);
        let reading = plan.subscriber(number, parameters, &[&self.sip_host, &self.xmpp])?;
        Ok(reading.map_or_else(|| user.clone(), |reading| plan.write(&reading.number, plan.sip).into()))
    }

    /// How a user of SIP is written, if it is a number.
    pub(in crate::mapping) fn number_uri(&self, user: &str) -> Option<(&NumberPlan, NumberUri)> {
        let plan = self.numbers.as_ref().filter(|plan| plan.uri != NumberUri::Sip && self.form == UriForm::Sip)?;
        plan.read(user).map(|_| (plan.as_ref(), plan.uri))
    }
}

/// Parameters under which a number is not the number alone.
fn is_somebody_else(parameter: &str) -> bool {
    ["ext", "isub"].iter().any(|name| parameter.eq_ignore_ascii_case(name))
}

impl NumberPlan {
    /// The `tel` URI of a user that is a number: global, or local with the context in which it is dialled so.
    pub(in crate::mapping) fn tel(&self, user: &str) -> Result<Uri, UriError> {
        match self.read(user).map(|reading| reading.by) {
            None | Some(ReadBy::Plus) => Uri::parse(&format!("tel:{user}")),
            Some(ReadBy::Extension) => Uri::parse(&format!("tel:{user};phone-context=+{}", self.own())),
            Some(_) => Uri::parse(&format!("tel:{user};phone-context=+{}", self.country)),
        }
    }
}
