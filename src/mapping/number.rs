//! Telephone numbers: the spellings of a domain that mean one subscriber.
//!
//! People and PBXs write one number in several ways: `1234` inside the house, `0301234` from the town, `+49 30 1234`
//! from anywhere. A [`NumberPlan`] says what they have in common, so that all of them are one JID and one SIP address.
//!
//! ```text
//!   1234                        an extension          country + area + main + 1234
//!   0301234                     trunk prefix          country + 301234
//!   0049301234                  international prefix  49301234
//!   +49 30 1234, +49(0)30-1234  global (RFC 3966)     49301234
//!        |                                                |
//!      read                                             write, in the form that each side is to see
//! ```
//!
//! What the plan cannot read as a number (`romeo`, `*67`, `112`) is a name like any other and keeps its spelling. What is
//! written is always read again as the same number; a form under which it would not be is passed over for the global one.
//! So two numbers never share a spelling, whatever the plan says.

mod subscriber;
#[cfg(test)]
mod tests;
mod uri;

pub use subscriber::NumberError;

use std::fmt;

/// Digits of a number from its country code on, at most (ITU-T E.164 section 6.1).
pub const MAX_DIGITS: usize = 15;
/// Digits of a number from its country code on, at least: what is shorter is a service code or a name. The shortest in
/// use have five (E.164 country code 290).
pub const MIN_DIGITS: usize = 5;
/// Digits that a national number has at least where neither a trunk prefix nor a fixed length tells it from a name.
const MIN_NATIONAL: usize = 5;
/// The longest text looked at: fifteen digits, each with separators around it.
const MAX_TEXT: usize = 64;

/// How a number is spelt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NumberForm {
    /// `1234`; numbers outside the house as [`NumberForm::E164`].
    Extension,
    /// As dialled in the country, `0301234`; numbers of other countries with the international prefix.
    National,
    /// `+49301234`.
    E164,
}

/// What the SIP address of a number is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum NumberUri {
    /// `sip:1234@pbx.example`
    #[default]
    Sip,
    /// `sip:1234@pbx.example;user=phone` (RFC 3261 section 19.1.6)
    Phone,
    /// `tel:+49301234`, or `tel:1234;phone-context=+4930` (RFC 3966)
    Tel,
}

/// The numbers of one domain. All texts are digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberPlan {
    /// The country code, `49`.
    pub country: String,
    /// The area code without trunk prefix, `30`; empty where a country has none.
    pub area: String,
    /// What stands between area code and extension: the number of the company; empty if extensions follow at once.
    pub main: String,
    /// Digits of an extension; 0: there are none.
    pub extension_length: usize,
    /// What is dialled before an area code within the country, `0`; may be empty.
    pub trunk_prefix: String,
    /// What is dialled before a country code, `00`; may be empty.
    pub international_prefix: String,
    /// Digits of every number of the country without the trunk prefix, where all have as many (10 in North America).
    /// They may then be written without the prefix.
    pub national_length: Option<usize>,
    /// What the SIP side, and the SIP side of rules, sees.
    pub sip: NumberForm,
    /// What JIDs, and the XMPP side of rules, have.
    pub jid: NumberForm,
    /// What SIP addresses are written as.
    pub uri: NumberUri,
}

/// A number from its country code on, without `+`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Number(String);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.0)
    }
}

/// By what a text was known for a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadBy {
    /// Its length is that of an extension.
    Extension,
    /// It has a `+`.
    Plus,
    /// It has the international prefix.
    International,
    /// It has the trunk prefix.
    Trunk,
    /// It is a national number as it stands.
    National,
    /// `ext` of RFC 3966 section 5.3, behind the main number.
    Ext,
}

impl fmt::Display for ReadBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ReadBy::Extension => "it is as long as an extension",
            ReadBy::Plus => "it is global",
            ReadBy::International => "it has the international prefix",
            ReadBy::Trunk => "it has the trunk prefix",
            ReadBy::National => "it is as long as a national number",
            ReadBy::Ext => "it is an extension of the main number",
        })
    }
}

/// A number, and by what it was known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The number.
    pub number: Number,
    /// By what it was known.
    pub by: ReadBy,
}

impl NumberPlan {
    /// A plan of a country, with the prefixes that ITU-T E.164 recommends, and nothing else.
    #[must_use]
    pub fn new(country: &str) -> Self {
        Self {
            country: country.to_owned(),
            area: String::new(),
            main: String::new(),
            extension_length: 0,
            trunk_prefix: "0".to_owned(),
            international_prefix: "00".to_owned(),
            national_length: None,
            sip: NumberForm::E164,
            jid: NumberForm::E164,
            uri: NumberUri::Sip,
        }
    }

    /// What `text` means, if it is a number under this plan. Visual separators do not count (RFC 3966 section 5.1.1),
    /// nor does the `(0)` of `+49(0)30`, which no telephone takes but people write.
    #[must_use]
    pub fn read(&self, text: &str) -> Option<Reading> {
        let (plus, digits) = self.digits(text)?;
        let (number, by) = if plus {
            (digits, ReadBy::Plus)
        } else if digits.len() == self.extension_length {
            (self.own() + &digits, ReadBy::Extension)
        } else if let Some(rest) = prefixed(&digits, &self.international_prefix) {
            (rest.to_owned(), ReadBy::International)
        } else {
            let (rest, by) = self.national(&digits)?;
            (format!("{}{rest}", self.country), by)
        };
        let whole = (MIN_DIGITS..=MAX_DIGITS).contains(&number.len()) && !number.starts_with('0');
        whole.then_some(Reading { number: Number(number), by })
    }

    /// The spelling of a number in a form, or the global one where it would not be read again as this number.
    #[must_use]
    pub fn write(&self, number: &Number, form: NumberForm) -> String {
        let short = match form {
            NumberForm::Extension => self.extension(number).map(str::to_owned),
            NumberForm::National => match number.0.strip_prefix(self.country.as_str()) {
                Some(rest) => Some(format!("{}{rest}", self.trunk_prefix)),
                None if self.international_prefix.is_empty() => None,
                None => Some(format!("{}{}", self.international_prefix, number.0)),
            },
            NumberForm::E164 => None,
        };
        let same = |text: &String| self.read(text).is_some_and(|reading| reading.number == *number);
        short.filter(same).unwrap_or_else(|| number.to_string())
    }

    /// The digits within the house, if it is one of its numbers.
    #[must_use]
    pub fn extension<'n>(&self, number: &'n Number) -> Option<&'n str> {
        let rest = number.0.strip_prefix(self.country.as_str())?.strip_prefix(self.area.as_str())?;
        rest.strip_prefix(self.main.as_str()).filter(|rest| rest.len() == self.extension_length && !rest.is_empty())
    }

    /// A user part as SIP has it: a number in its form, a name as it is.
    #[must_use]
    pub fn in_sip(&self, user: &str) -> Option<String> {
        Some(self.write(&self.read(user)?.number, self.sip))
    }

    /// A user part as JIDs have it: a number in its form, `None` for a name.
    #[must_use]
    pub fn in_jid(&self, user: &str) -> Option<String> {
        Some(self.write(&self.read(user)?.number, self.jid))
    }

    /// What every number of the house begins with.
    pub(super) fn own(&self) -> String {
        format!("{}{}{}", self.country, self.area, self.main)
    }

    /// The plan as a person would name it.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut text = format!("+{}", self.country);
        for part in [&self.area, &self.main].into_iter().filter(|part| !part.is_empty()) {
            text.push(' ');
            text.push_str(part);
        }
        match self.extension_length {
            0 => text,
            length => format!("{text} and {length} digits"),
        }
    }

    /// What is impossible in the plan itself: the key, what is wrong, and what to do.
    #[must_use]
    pub fn mistakes(&self) -> Vec<(&'static str, String, &'static str)> {
        let mut mistakes = Vec::new();
        let longest = self.own().len() + self.extension_length;
        if longest > MAX_DIGITS {
            let what = format!("gives numbers of {longest} digits, and no number has more than {MAX_DIGITS}");
            mistakes.push(("extension_length", what, "shorten main, or extension_length"));
        }
        if self.extension_length == 0 {
            for (key, form) in [("sip", self.sip), ("jid", self.jid)] {
                if form == NumberForm::Extension {
                    let what = "\"extension\" needs extensions".to_owned();
                    mistakes.push((key, what, "write extension_length, or \"national\" or \"e164\""));
                }
            }
            if !self.main.is_empty() {
                let what = "is followed by extensions, and there are none".to_owned();
                mistakes.push(("main", what, "write extension_length, or remove main"));
            }
        }
        if !self.international_prefix.is_empty() && self.trunk_prefix.starts_with(&self.international_prefix) {
            let what = format!("begins with the international prefix {}", self.international_prefix);
            mistakes.push(("trunk_prefix", what, "write what is dialled before an area code, such as \"0\""));
        }
        if let Some(length) = self.national_length
            && !self.area.is_empty()
            && self.extension_length > 0
            && self.area.len() + self.main.len() + self.extension_length != length
        {
            let has = self.area.len() + self.main.len() + self.extension_length;
            let what = format!("is {length}, but area, main and extension together have {has} digits");
            mistakes.push(("national_length", what, "write area, main and extension_length so that they fill it"));
        }
        mistakes
    }

    /// Whether there is a `+`, and the digits; `None` if anything else stands there.
    fn digits(&self, text: &str) -> Option<(bool, String)> {
        // Nearly every user that is no number says so with its first letter.
        if text.len() > MAX_TEXT || !text.starts_with(|first: char| first.is_ascii_digit() || "+(".contains(first)) {
            return None;
        }
        let (plus, rest) = text.strip_prefix('+').map_or((false, text), |rest| (true, rest));
        let mut digits = String::with_capacity(MAX_DIGITS + 3);
        let mut letters = rest.char_indices();
        while let Some((at, letter)) = letters.next() {
            if plus && letter == '(' && digits == self.country {
                let optional = rest.get(at + 1..).and_then(|rest| prefixed(rest, &self.trunk_prefix));
                if optional.is_some_and(|rest| rest.starts_with(')')) {
                    letters.nth(self.trunk_prefix.len());
                    continue;
                }
            }
            match letter {
                '0'..='9' => digits.push(letter),
                '-' | '.' | '(' | ')' | ' ' => {}
                _ => return None,
            }
        }
        (!digits.is_empty()).then_some((plus, digits))
    }

    /// A number of the country without its trunk prefix.
    fn national<'d>(&self, digits: &'d str) -> Option<(&'d str, ReadBy)> {
        if let Some(length) = self.national_length {
            let trunk = prefixed(digits, &self.trunk_prefix).filter(|rest| rest.len() == length);
            let plain = || Some((digits, ReadBy::National)).filter(|_| digits.len() == length);
            return trunk.map(|rest| (rest, ReadBy::Trunk)).or_else(plain);
        }
        match prefixed(digits, &self.trunk_prefix) {
            Some(rest) => Some((rest, ReadBy::Trunk)),
            None if self.trunk_prefix.is_empty() && digits.len() >= MIN_NATIONAL => Some((digits, ReadBy::National)),
            None => None,
        }
    }
}

/// What follows a prefix that is not empty.
fn prefixed<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    if prefix.is_empty() { None } else { text.strip_prefix(prefix) }
}
