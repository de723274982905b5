#![allow(clippy::unwrap_used)]
use super::*;

fn domain(rules: Vec<UserRule>) -> DomainMapping {
    let mut domain = DomainMapping::new(Home::Sip, "sip.example", "pbx.example", None);
    domain.rules = rules;
    domain
}

fn table(pairs: &[(&str, &str)]) -> UserRule {
    UserRule::Table(pairs.iter().map(|(sip, xmpp)| ((*sip).to_owned(), (*xmpp).to_owned())).collect())
}

fn prefix(sip: &str, xmpp: &str) -> UserRule {
    UserRule::Prefix { sip: sip.to_owned(), xmpp: xmpp.to_owned() }
}

fn regex(sip: &str, to_xmpp: &str, xmpp: &str, to_sip: &str) -> UserRule {
    UserRule::Regex(Box::new(RegexRule::new(sip, to_xmpp, xmpp, to_sip).unwrap()))
}

fn complaint(rules: Vec<UserRule>) -> String {
    check(&[domain(rules)]).into_iter().map(|conflict| conflict.text).collect::<Vec<_>>().join("\n")
}

#[test]
fn rules_that_are_inverse_pass() {
    assert_eq!(complaint(vec![table(&[("1001", "juliet"), ("1002", "romeo")]), prefix("9", "ext-")]), "");
    assert_eq!(complaint(vec![regex(r"x(\d+)", "ext${1}", r"ext(\d+)", "x${1}")]), "");
    assert_eq!(complaint(vec![prefix("0049", "de-"), prefix("00", "int-")]), "");
}

#[test]
fn a_table_that_names_somebody_twice_is_refused_by_name() {
    let text = complaint(vec![table(&[("1001", "juliet"), ("1001", "romeo"), ("1002", "juliet")])]);
    assert!(text.contains("SIP user 1001 stands for both juliet and romeo"), "{text}");
    assert!(text.contains("XMPP user juliet stands for both 1001 and 1002"), "{text}");
    assert!(complaint(vec![table(&[("1", "Juliet")])]).contains("`Juliet` cannot be the user of a JID"));
    assert!(complaint(vec![table(&[("", "x")])]).contains("empty side"));
}

#[test]
fn a_pair_that_an_earlier_rule_takes_is_refused_by_name() {
    let text = complaint(vec![prefix("1", "one-"), table(&[("1001", "juliet")])]);
    assert!(text.contains("1001 = juliet is never reached") && text.contains("one-001"), "{text}");
    let text = complaint(vec![table(&[("1001", "juliet")]), table(&[("1002", "juliet")])]);
    assert!(text.contains("1002 = juliet is never reached"), "{text}");
}

#[test]
fn prefixes_that_shadow_one_another_are_refused() {
    assert!(complaint(vec![prefix("00", "int-"), prefix("0049", "de-")]).contains("put the longer prefix first"));
    assert!(complaint(vec![prefix("00", "x"), prefix("1", "xy")]).contains("give each its own XMPP prefix"));
    assert!(complaint(vec![prefix("a", "a")]).contains("changes nothing"));
}

#[test]
fn expressions_that_lose_something_are_refused_with_a_sample() {
    let text = complaint(vec![regex(r"\d+", "number", "number", "1001")]);
    assert!(text.contains("becomes number, which does not become"), "{text}");
    assert!(RegexRule::new("(", "", "x", "y").unwrap_err().contains("`(` is no regular expression"));
}

#[test]
fn what_the_samples_miss_is_refused_when_it_comes() {
    let lossy = domain(vec![regex("zz(.).", "q${1}", "q(.)", "zz${1}0")]);
    assert_eq!(check(std::slice::from_ref(&lossy)), []);
    assert_eq!(lossy.to_xmpp("zz10"), Some(("q1".into(), Some(0))));
    assert_eq!(lossy.to_xmpp("zz11"), None);
}

#[test]
fn two_mappings_of_one_domain_are_refused() {
    let one = DomainMapping::new(Home::Sip, "a.example", "pbx.example", None);
    let same_sip = DomainMapping::new(Home::Xmpp, "b.example", "pbx.example", None);
    let same_xmpp = DomainMapping::new(Home::Xmpp, "a.example", "c.example", None);
    assert!(check(&[one.clone(), same_sip])[0].text.contains("user@a.example and user@b.example"));
    assert!(check(&[one.clone(), same_xmpp])[0].text.contains("sip:user@pbx.example and sip:user@c.example"));
    let other_port = DomainMapping::new(Home::Sip, "b.example", "pbx.example", Some(5070));
    assert_eq!(check(&[one, other_port]), []);
    assert_eq!(check(&[DomainMapping::new(Home::Sip, "*", "x.example", None)]).len(), 1);
}
