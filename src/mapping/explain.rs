//! What an address becomes on the other side, by which mapping, and why: for `stox explain` and for people.

use super::address::host_text;
use super::domain::{DomainMapping, Home};
use super::{AddressError, Mapping};
use crate::model::Address;
use crate::sip::uri::{Scheme, Uri};
use crate::xmpp::jid::Jid;
use std::fmt;

/// One address, looked at step by step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What was asked.
    pub input: String,
    /// What was done, in order.
    pub steps: Vec<Step>,
    /// The XMPP name of the mapping that it belongs to, if there is one.
    pub domain: Option<String>,
    /// The address as XMPP has it, if it has any there.
    pub jid: Option<String>,
    /// The address as SIP has it, if it has any there.
    pub uri: Option<String>,
    /// What it is on the other side, or why it is nothing there.
    pub outcome: Result<String, String>,
}

/// One step: what was looked at and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The rule, with its section where it has one.
    pub what: String,
    /// What it gave.
    pub result: String,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.input)?;
        for step in &self.steps {
            writeln!(f, "  {}: {}", step.what, step.result)?;
        }
        match &self.outcome {
            Ok(address) => write!(f, "= {address}"),
            Err(why) => write!(f, "= nothing: {why}"),
        }
    }
}

impl Mapping {
    /// Explains a JID (with or without `xmpp:`), or a `sip:`, `sips:`, `im:`, `pres:` or `tel:` URI.
    #[must_use]
    pub fn explain(&self, input: &str) -> Explanation {
        let text = input.trim();
        let mut steps = Vec::new();
        let scheme = text.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
        let (outcome, jid, uri) = match scheme.as_deref() {
            Some("sip" | "sips" | "im" | "pres" | "tel") => {
                let jid = self.explain_uri(text, &mut steps);
                (jid.clone(), jid.ok(), Some(text.to_owned()))
            }
            xmpp => {
                let jid = match xmpp {
                    Some("xmpp") => {
                        super::failure::parse_xmpp_uri(text).ok_or("not an xmpp: URI (RFC 5122)".to_owned())
                    }
                    _ => Jid::parse(text).map_err(|error| error.to_string()),
                };
                let uri = jid.as_ref().map_err(Clone::clone).and_then(|jid| self.explain_jid(jid, &mut steps));
                (uri.clone(), jid.ok().map(|jid| jid.to_string()), uri.ok())
            }
        };
        explain_characters(jid.as_deref().unwrap_or_default(), &mut steps);
        let known = jid.as_ref().and_then(|jid| Jid::parse(jid).ok());
        let domain = known.and_then(|jid| Some(self.domain_of_xmpp(jid.domain())?.xmpp.clone()));
        Explanation { input: input.to_owned(), steps, domain, jid, uri, outcome }
    }

    fn explain_uri(&self, text: &str, steps: &mut Vec<Step>) -> Result<String, String> {
        let uri = Uri::parse(text).map_err(|error| error.to_string())?;
        if uri.scheme() == Scheme::Sips {
            return Err(AddressError::Secure.to_string());
        }
        match uri.scheme() {
            Scheme::Sip | Scheme::Im | Scheme::Pres => self.explain_host(&uri, steps),
            Scheme::Tel => self.explain_number(&uri, steps),
            Scheme::Sips | Scheme::Other => {}
        }
        let address = self.uri_to_address(&uri).map_err(|error| error.to_string())?;
        say(steps, "user and device, unescaped (RFC 7247 section 6.4)", &address);
        let jid = self.address_to_jid(&address).map_err(|error| error.to_string())?;
        say(steps, "escaped for a JID (XEP-0106)", &jid);
        say(steps, "its users live", &home(self.domain_of_xmpp(&address.domain)));
        Ok(jid.to_string())
    }

    fn explain_host(&self, uri: &Uri, steps: &mut Vec<Step>) {
        let host = host_text(uri);
        let found = self.domain_of_sip(&host, uri.port());
        say(steps, &format!("mapping for SIP host {host}"), &found.map_or("none".to_owned(), DomainMapping::name));
        let user = uri.user_decoded().ok().flatten();
        if let Some((domain, user)) = found.zip(user).filter(|(domain, _)| !domain.is_wildcard()) {
            let bare = domain.phone_user(uri, user.clone()).unwrap_or(user);
            let user = domain.user_in_sip(&bare);
            explain_plan(domain, &bare, &user, "SIP has", steps);
            explain_rule(domain, domain.to_xmpp(&user), &user, steps);
            explain_form(domain, domain.to_xmpp(&user), "JIDs have", steps);
        }
    }

    fn explain_number(&self, uri: &Uri, steps: &mut Vec<Step>) {
        let Ok((domain, user)) = self.owner(uri, Home::Xmpp) else {
            return say(steps, "domain that has the number", &"none, or several");
        };
        say(steps, "domain that has the number", &domain.name());
        explain_plan(domain, uri.user().unwrap_or_default(), &user, "SIP has", steps);
        explain_rule(domain, domain.to_xmpp(&user), &user, steps);
        explain_form(domain, domain.to_xmpp(&user), "JIDs have", steps);
    }

    fn explain_jid(&self, jid: &Jid, steps: &mut Vec<Step>) -> Result<String, String> {
        let address = self.jid_to_address(jid);
        say(steps, "unescaped (XEP-0106)", &address);
        let found = self.domain_of_xmpp(&address.domain);
        let name = found.map_or("none".to_owned(), DomainMapping::name);
        say(steps, &format!("mapping for XMPP domain {}", address.domain), &name);
        let Some(domain) = found else {
            if self.domain_of_sip(&address.domain, None).is_some() {
                say(steps, "a SIP address is written", &format!("sip:{}", jid.bare()));
            }
            return Err(AddressError::NoDomain(address.domain).to_string());
        };
        if let Some(user) = address.user.as_deref().filter(|_| !domain.is_wildcard()) {
            let known = domain.user_in_jid(user);
            explain_plan(domain, user, &known, "JIDs have", steps);
            explain_rule(domain, domain.to_sip(&known), &known, steps);
            explain_form(domain, domain.to_sip(&known), "SIP has", steps);
        }
        say(steps, "its users live", &home(Some(domain)));
        self.explain_spelling(&address, steps)
    }

    fn explain_spelling(&self, address: &Address, steps: &mut Vec<Step>) -> Result<String, String> {
        let uri = self.address_to_uri(address).map_err(|error| error.to_string())?;
        say(steps, "escaped for a URI (RFC 7247 section 6.5)", &uri.as_str());
        Ok(uri.as_str().to_owned())
    }
}

fn explain_rule(domain: &DomainMapping, spelt: Option<(String, Option<usize>)>, user: &str, steps: &mut Vec<Step>) {
    let rule = |at: usize| domain.rules.get(at).map_or(String::new(), super::UserRule::describe);
    let (what, result) = match spelt {
        Some((spelt, Some(at))) => (format!("rule {} ({})", at + 1, rule(at)), format!("{user} is {spelt}")),
        Some((_, None)) if domain.rules.is_empty() => return,
        Some((_, None)) if domain.user_in_sip(user) != domain.user_in_jid(user) => return,
        Some((_, None)) => (format!("none of {} rules applies", domain.rules.len()), format!("{user} stays {user}")),
        None => ("the way back".to_owned(), AddressError::Shadowed(user.to_owned()).to_string()),
    };
    say(steps, &what, &result);
}

/// How a number was known, and the spelling that `side` and the rules have it in.
fn explain_plan(domain: &DomainMapping, written: &str, known: &str, side: &str, steps: &mut Vec<Step>) {
    let Some(plan) = &domain.numbers else { return };
    let what = format!("number plan {}", plan.describe());
    match plan.read(known) {
        Some(reading) => {
            let by = plan.read(written).unwrap_or(reading.clone()).by;
            say(steps, &what, &format!("{written} is {}: {by}", reading.number));
            say(steps, &format!("as {side} it, and the rules"), &known);
        }
        None => say(steps, &what, &format!("{written} is no number")),
    }
}

/// The spelling that the other side has a number in, where that is another one.
fn explain_form(domain: &DomainMapping, spelt: Option<(String, Option<usize>)>, side: &str, steps: &mut Vec<Step>) {
    if let Some((plan, (spelt, None))) = domain.numbers.as_ref().zip(spelt)
        && plan.read(&spelt).is_some()
    {
        say(steps, &format!("as {side} it"), &spelt);
    }
}

/// RFC 7622 section 7.3.2, RFC 7247 section 8: who has to tell twins apart that look alike sees what they are made of.
fn explain_characters(jid: &str, steps: &mut Vec<Step>) {
    let mut names: Vec<String> = Vec::new();
    for char in jid.chars().filter(|char| !char.is_ascii()) {
        let name = format!("{char} is U+{:04X}", u32::from(char));
        if !names.contains(&name) && names.len() < CHARACTERS {
            names.push(name);
        }
    }
    if !names.is_empty() {
        say(steps, "characters that may look like others", &names.join(", "));
    }
}

/// As many as fit a line.
const CHARACTERS: usize = 8;

fn home(domain: Option<&DomainMapping>) -> String {
    match domain.map(|domain| domain.home) {
        Some(Home::Sip) => "on the SIP side".to_owned(),
        Some(Home::Xmpp) => "on the XMPP side".to_owned(),
        None => "nowhere that is configured".to_owned(),
    }
}

fn say(steps: &mut Vec<Step>, what: &str, result: &dyn fmt::Display) {
    steps.push(Step { what: what.to_owned(), result: result.to_string() });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::UserRule;
    use super::*;

    fn mapping() -> Mapping {
        let mut pbx = DomainMapping::new(Home::Sip, "sip.example", "pbx.example", None);
        pbx.rules = vec![UserRule::Table(vec![("1001".into(), "romeo".into())])];
        Mapping::new(vec![pbx, DomainMapping::new(Home::Xmpp, "xmpp.example", "xmpp.example", None)]).unwrap()
    }

    #[test]
    fn a_sip_address_without_its_scheme_is_told_how_it_is_written() {
        let explained = mapping().explain("1001@pbx.example");
        assert!(explained.outcome.is_err());
        let last = explained.steps.last().unwrap();
        assert_eq!((&*last.what, &*last.result), ("a SIP address is written", "sip:1001@pbx.example"));
    }

    #[test]
    fn each_kind_of_address_is_explained() {
        for (input, outcome) in [
            ("romeo@sip.example", "sip:1001@pbx.example"),
            ("xmpp:romeo@sip.example", "sip:1001@pbx.example"),
            ("sip:1001@pbx.example", "romeo@sip.example"),
            ("im:o'malley@xmpp.example", "o\\27malley@xmpp.example"),
            ("pres:juliet@xmpp.example", "juliet@xmpp.example"),
            ("juliet@xmpp.example/balcony", "sip:juliet@xmpp.example;gr=balcony"),
        ] {
            assert_eq!(mapping().explain(input).outcome.as_deref(), Ok(outcome), "{input}");
        }
    }

    #[test]
    fn a_refusal_says_why_and_by_which_rule() {
        let explanation = mapping().explain("1001@sip.example");
        assert!(explanation.outcome.clone().unwrap_err().contains("somebody else"));
        assert!(explanation.to_string().contains("sip.example = pbx.example"), "{explanation}");
        assert!(mapping().explain("a@nowhere.example").outcome.unwrap_err().contains("nowhere.example"));
        assert!(mapping().explain("sips:a@xmpp.example").outcome.unwrap_err().contains("sips:"));
        assert!(mapping().explain("tel:+15550100").outcome.unwrap_err().contains("number"));
        assert!(mapping().explain("sip:").outcome.is_err());
        assert!(mapping().explain("@").outcome.is_err());
    }

    #[test]
    fn characters_that_may_look_like_others_are_named() {
        let text = mapping().explain("jul\u{456}et@xmpp.example").to_string();
        assert!(text.contains("characters that may look like others: \u{456} is U+0456"), "{text}");
        assert!(text.ends_with("= sip:jul%D1%96et@xmpp.example"), "{text}");
        assert!(!mapping().explain("juliet@xmpp.example").to_string().contains("U+"));
    }

    #[test]
    fn the_rule_that_applied_is_named() {
        let text = mapping().explain("romeo@sip.example").to_string();
        assert!(text.contains("rule 1 (table of 1 pairs): romeo is 1001"), "{text}");
    }
}
