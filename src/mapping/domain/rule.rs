//! Rules on the user part: table, prefix, regular expression.

use regex::Regex;

/// Bytes a compiled expression may take; what an administrator writes by hand stays far below.
const REGEX_SIZE: usize = 1 << 20;

/// One way in which the two sides spell users differently. Users are unescaped text on both sides.
#[derive(Debug, Clone)]
pub enum UserRule {
    /// Pairs of (SIP user, XMPP user): extension and name.
    Table(Vec<(String, String)>),
    /// A prefix that is `sip` there and `xmpp` here; either may be empty, not both.
    Prefix {
        /// What SIP users start with.
        sip: String,
        /// What XMPP users start with instead.
        xmpp: String,
    },
    /// Two expressions, each with what a match of it becomes.
    Regex(Box<RegexRule>),
}

/// A rewriting by regular expressions: what matches on one side, and how it is spelt on the other.
#[derive(Debug, Clone)]
pub struct RegexRule {
    sip: Regex,
    to_xmpp: String,
    xmpp: Regex,
    to_sip: String,
}

impl RegexRule {
    /// A SIP user that matches `sip` as a whole is `to_xmpp` in XMPP, an XMPP user that matches `xmpp` as a whole is
    /// `to_sip` in SIP; `${name}` and `${1}` stand for the groups.
    ///
    /// # Errors
    /// A sentence that says which expression is wrong, and how.
    pub fn new(sip: &str, to_xmpp: &str, xmpp: &str, to_sip: &str) -> Result<Self, String> {
        let whole = |pattern: &str| {
            let built = regex::RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(REGEX_SIZE).build();
            built.map_err(|error| format!("`{pattern}` is no regular expression: {error}"))
        };
        Ok(Self { sip: whole(sip)?, to_xmpp: to_xmpp.to_owned(), xmpp: whole(xmpp)?, to_sip: to_sip.to_owned() })
    }
}

impl UserRule {
    /// How SIP spells `user`, if this rule applies to it.
    #[must_use]
    pub fn to_sip(&self, user: &str) -> Option<String> {
        match self {
            Self::Table(pairs) => pairs.iter().find(|(_, xmpp)| xmpp == user).map(|(sip, _)| sip.clone()),
            Self::Prefix { sip, xmpp } => swap_prefix(user, xmpp, sip),
            Self::Regex(rule) => rewrite(&rule.xmpp, &rule.to_sip, user),
        }
    }

    /// How XMPP spells `user`, if this rule applies to it.
    #[must_use]
    pub fn to_xmpp(&self, user: &str) -> Option<String> {
        match self {
            Self::Table(pairs) => pairs.iter().find(|(sip, _)| sip == user).map(|(_, xmpp)| xmpp.clone()),
            Self::Prefix { sip, xmpp } => swap_prefix(user, sip, xmpp),
            Self::Regex(rule) => rewrite(&rule.sip, &rule.to_xmpp, user),
        }
    }

    /// The rule as a person would name it.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Table(pairs) => format!("table of {} pairs", pairs.len()),
            Self::Prefix { sip, xmpp } => format!("prefix `{sip}` (SIP) = `{xmpp}` (XMPP)"),
            Self::Regex(rule) => format!("regex `{}` -> `{}`", rule.sip, rule.to_xmpp),
        }
    }
}

/// A user that is nothing but the prefix is nobody.
fn swap_prefix(user: &str, from: &str, to: &str) -> Option<String> {
    let rest = user.strip_prefix(from).filter(|rest| !rest.is_empty())?;
    Some(format!("{to}{rest}"))
}

fn rewrite(pattern: &Regex, replacement: &str, user: &str) -> Option<String> {
    let groups = pattern.captures(user)?;
    let mut out = String::new();
    groups.expand(replacement, &mut out);
    Some(out).filter(|out| !out.is_empty())
}
