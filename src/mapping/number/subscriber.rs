//! The telephone-subscriber of RFC 3966 section 3: a number with parameters, in a `tel` URI or in the user part of a SIP
//! URI that says `user=phone` (RFC 3261 section 19.1.6).
//!
//! Of the parameters three decide who is meant. `phone-context` says where a local number is valid; it is no prefix
//! (section 5.1.5), so a local number is read by the plan where the plan's own house, area or country is named, and is
//! nobody we know elsewhere. `ext` is an extension behind the main number. `isub` names a device behind the number, for
//! which JIDs have no place. The others (RFC 4694, post-dial) say how to reach the number and are passed over.

use super::{NumberPlan, ReadBy, Reading};

/// Why a telephone-subscriber is nobody under a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// A local number of some other place.
    #[error("the number is valid within {0} only, which the number plan does not know")]
    ForeignContext(String),
    /// An `ext` that is no extension of the plan.
    #[error("ext={0} is no extension of the number plan's main number")]
    Extension(String),
    /// An ISDN subaddress.
    #[error("a number with a subaddress (isub) has no address of its own")]
    Subaddress,
}

impl NumberPlan {
    /// What a number with parameters means; `Ok(None)`: it is no number of the plan, such as `*67`. `names` are domains
    /// within which local numbers are ours.
    ///
    /// # Errors
    /// [`NumberError`], where a parameter says that somebody else is meant.
    pub fn subscriber<'p>(
        &self,
        number: &str,
        parameters: impl Iterator<Item = (&'p str, Option<&'p str>)>,
        names: &[&str],
    ) -> Result<Option<Reading>, NumberError> {
        let mut extension = None;
        for (name, value) in parameters {
            let value = value.unwrap_or_default();
            if name.eq_ignore_ascii_case("isub") {
                return Err(NumberError::Subaddress);
            } else if name.eq_ignore_ascii_case("ext") {
                extension = Some(value);
            } else if name.eq_ignore_ascii_case("phone-context")
                && !number.starts_with('+')
                && !self.knows_context(value, names)
            {
                return Err(NumberError::ForeignContext(value.to_owned()));
            }
        }
        match extension {
            None => Ok(self.read(number)),
            Some(extension) => self.behind_main(number, extension).map(Some),
        }
    }

    /// Whether local numbers of this context are dialled as in the house.
    fn knows_context(&self, context: &str, names: &[&str]) -> bool {
        let Some(digits) = context.strip_prefix('+') else {
            let context = context.trim_end_matches('.');
            return names.iter().any(|name| name.eq_ignore_ascii_case(context));
        };
        let digits: String = digits.chars().filter(char::is_ascii_digit).collect();
        let own = self.own();
        // The country, the area, the house, or (as section 5.1.5 advises) one number of the house.
        digits.starts_with(&self.country) && (own.starts_with(&digits) || digits.starts_with(&own))
    }

    /// RFC 3966 section 5.3. The main number may be written with the digit that calls the switchboard.
    fn behind_main(&self, number: &str, extension: &str) -> Result<Reading, NumberError> {
        let error = || NumberError::Extension(extension.to_owned());
        let own = self.own();
        let is_main = |digits: &str| digits.strip_prefix(own.as_str()).is_some_and(|rest| matches!(rest, "" | "0"));
        let global = number.strip_prefix('+').map(|rest| rest.chars().filter(char::is_ascii_digit).collect());
        let digits: String = global.or_else(|| Some(self.read(number)?.number.0)).ok_or_else(error)?;
        let reading = self.read(extension).filter(|reading| reading.by == ReadBy::Extension);
        let reading = reading.filter(|_| is_main(&digits)).ok_or_else(error)?;
        Ok(Reading { by: ReadBy::Ext, ..reading })
    }
}

/// `number;name=value;…` taken apart, for a SIP user part.
pub(in crate::mapping) fn split(user: &str) -> (&str, impl Iterator<Item = (&str, Option<&str>)>) {
    let mut parts = user.split(';');
    let number = parts.next().unwrap_or_default();
    let parameters = parts.filter(|part| !part.is_empty()).map(|part| match part.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (part, None),
    });
    (number, parameters)
}
