//! What of a set of mappings is not reversible, said before anything starts.

use super::{DomainMapping, Home, UserRule};

/// Two things in the configuration that cannot both be true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The mapping, by its place in the list.
    pub domain: usize,
    /// The rule of that mapping, if it is about one.
    pub rule: Option<usize>,
    /// What conflicts, with the addresses by name, and what to do.
    pub text: String,
}

/// Users that are tried through every rule; they look like what PBXs and servers have.
const SAMPLES: &[&str] = &[
    "juliet",
    "romeo.montague",
    "o'malley",
    "a",
    "0",
    "1",
    "100",
    "1001",
    "2002",
    "5551234",
    "+15551234567",
    "004930123456",
    "user1001",
    "x1001",
    "ext-42",
    "müller",
    "a.b-c_d",
    "sip-1001",
    "*67",
    "#31",
    "a b",
];

/// Everything that is wrong with `domains`; empty if each address has one way there and the same way back.
#[must_use]
pub fn check(domains: &[DomainMapping]) -> Vec<Conflict> {
    let domains: &[DomainMapping] = &domains.iter().cloned().map(DomainMapping::settled).collect::<Vec<_>>();
    let mut conflicts = Vec::new();
    for (index, domain) in domains.iter().enumerate() {
        check_names(index, domains, &mut conflicts);
        if domain.is_wildcard() && domain.home == Home::Sip {
            conflicts.push(Conflict {
                domain: index,
                rule: None,
                text: "xmpp = \"*\" with home = \"sip\": which SIP host would any domain be? Name the domain".into(),
            });
        }
        check_numbers(index, domain, &mut conflicts);
        for rule in 0..domain.rules.len() {
            check_rule(index, domain, rule, &mut conflicts);
        }
        check_users(index, domain, &mut conflicts);
    }
    conflicts
}

fn check_names(index: usize, domains: &[DomainMapping], conflicts: &mut Vec<Conflict>) {
    let Some((domain, before)) = domains.get(index).zip(domains.get(..index)) else { return };
    for other in before {
        if other.xmpp == domain.xmpp {
            let text = format!(
                "user@{} would be sip:user@{} and sip:user@{}; keep one",
                domain.xmpp, other.sip_host, domain.sip_host
            );
            conflicts.push(Conflict { domain: index, rule: None, text });
        }
        if other.sip_host == domain.sip_host && other.sip_port == domain.sip_port {
            let text = format!(
                "sip:user@{} would be user@{} and user@{}; give each its own SIP domain",
                domain.sip_host, other.xmpp, domain.xmpp
            );
            conflicts.push(Conflict { domain: index, rule: None, text });
        }
    }
}

fn check_numbers(index: usize, domain: &DomainMapping, conflicts: &mut Vec<Conflict>) {
    let Some(plan) = &domain.numbers else { return };
    if domain.is_wildcard() {
        let text = "numbers with xmpp = \"*\": every domain has its own numbers; remove them".to_owned();
        conflicts.push(Conflict { domain: index, rule: None, text });
    }
    for (key, what, todo) in plan.mistakes() {
        conflicts.push(Conflict { domain: index, rule: None, text: format!("numbers.{key} {what}; {todo}") });
    }
}

/// What one rule says against itself.
fn check_rule(index: usize, domain: &DomainMapping, at: usize, conflicts: &mut Vec<Conflict>) {
    let Some(rule) = domain.rules.get(at) else { return };
    let mut say = |text: String| conflicts.push(Conflict { domain: index, rule: Some(at), text });
    match rule {
        UserRule::Table(pairs) => {
            for (place, (sip, xmpp)) in pairs.iter().enumerate() {
                if sip.is_empty() || xmpp.is_empty() {
                    say("a pair with an empty side; write both users".into());
                }
                if !crate::mapping::address::is_canonical_user(xmpp) {
                    say(format!(
                        "`{xmpp}` cannot be the user of a JID as it stands; write it in lower case, unescaped, \
                         without space at its ends"
                    ));
                }
                for (other_sip, other_xmpp) in pairs.iter().take(place) {
                    if other_sip == sip {
                        say(format!("SIP user {sip} stands for both {other_xmpp} and {xmpp}; keep one"));
                    }
                    if other_xmpp == xmpp {
                        say(format!("XMPP user {xmpp} stands for both {other_sip} and {sip}; keep one"));
                    }
                }
            }
        }
        UserRule::Prefix { sip, xmpp } if sip == xmpp => {
            say(format!("prefix `{sip}` on both sides changes nothing; remove it"))
        }
        UserRule::Prefix { .. } => {}
        UserRule::Regex(_) => {
            let broken = SAMPLES.iter().find_map(|sample| {
                let there = rule.to_xmpp(sample).filter(|there| rule.to_sip(there).as_deref() != Some(sample));
                let back = rule.to_sip(sample).filter(|there| rule.to_xmpp(there).as_deref() != Some(sample));
                there.map(|there| ("SIP", sample, there)).or_else(|| back.map(|there| ("XMPP", sample, there)))
            });
            if let Some((side, sample, there)) = broken {
                say(format!(
                    "{side} user {sample} becomes {there}, which does not become {sample} again; \
                     the two expressions must be inverse"
                ));
            }
        }
    }
}

/// What the rules of one mapping say against each other. A named user that cannot be reached is a conflict; an unnamed
/// one that is shadowed (the extension whose number a name took) is refused at run time and needs no complaint.
fn check_users(index: usize, domain: &DomainMapping, conflicts: &mut Vec<Conflict>) {
    for (at, rule) in domain.rules.iter().enumerate() {
        match rule {
            UserRule::Table(pairs) => {
                for (sip, xmpp) in pairs {
                    check_pair(index, domain, at, sip, xmpp, conflicts);
                }
            }
            UserRule::Prefix { sip, xmpp } => check_prefix(index, domain, at, sip, xmpp, conflicts),
            UserRule::Regex(_) => {}
        }
    }
}

fn check_pair(index: usize, domain: &DomainMapping, at: usize, sip: &str, xmpp: &str, conflicts: &mut Vec<Conflict>) {
    let earlier = domain.rules.iter().enumerate().take(at);
    for (other, rule) in earlier {
        let taken = rule.to_xmpp(sip).filter(|taken| taken != xmpp).map(|taken| (sip, taken));
        let taken = taken.or_else(|| rule.to_sip(xmpp).filter(|taken| taken != sip).map(|taken| (xmpp, taken)));
        if let Some((user, taken)) = taken {
            let text = format!(
                "{sip} = {xmpp} is never reached: rule {} ({}) makes {user} {taken}; put the table first or drop the pair",
                other + 1,
                rule.describe()
            );
            conflicts.push(Conflict { domain: index, rule: Some(at), text });
        }
    }
}

/// Two prefixes of which one starts with the other would give one user two spellings, unless the longer comes first
/// on both sides.
fn check_prefix(index: usize, domain: &DomainMapping, at: usize, sip: &str, xmpp: &str, conflicts: &mut Vec<Conflict>) {
    for (other, rule) in domain.rules.iter().enumerate().take(at) {
        let UserRule::Prefix { sip: first_sip, xmpp: first_xmpp } = rule else { continue };
        if sip.starts_with(first_sip.as_str()) {
            let text = format!(
                "sip:{sip}1@{} is taken by rule {} (prefix `{first_sip}`) and never comes here; put the longer prefix first",
                domain.sip_host,
                other + 1
            );
            conflicts.push(Conflict { domain: index, rule: Some(at), text });
        } else if xmpp.starts_with(first_xmpp.as_str()) {
            let text = format!(
                "{xmpp}1@{} is taken by rule {} (prefix `{first_xmpp}`) and never comes here; give each its own XMPP prefix",
                domain.xmpp,
                other + 1
            );
            conflicts.push(Conflict { domain: index, rule: Some(at), text });
        }
    }
}
