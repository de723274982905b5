#![allow(clippy::unwrap_used)]
use super::*;
use crate::mapping::domain::check;
use crate::mapping::{DomainMapping, Home, Mapping, UserRule};
use crate::sip::uri::Uri;
use crate::xmpp::jid::Jid;
use proptest::prelude::*;

/// Berlin: extensions of four digits right behind the area code.
fn berlin() -> NumberPlan {
    NumberPlan {
        area: "30".into(),
        extension_length: 4,
        sip: NumberForm::Extension,
        jid: NumberForm::Extension,
        ..NumberPlan::new("49")
    }
}

/// New York: ten digits everywhere, trunk prefix 1.
fn new_york() -> NumberPlan {
    NumberPlan {
        area: "212".into(),
        main: "555".into(),
        extension_length: 4,
        trunk_prefix: "1".into(),
        international_prefix: "011".into(),
        national_length: Some(10),
        sip: NumberForm::Extension,
        jid: NumberForm::Extension,
        ..NumberPlan::new("1")
    }
}

/// Copenhagen: eight digits, no area codes, no trunk prefix.
fn copenhagen() -> NumberPlan {
    let prefixes = NumberPlan { trunk_prefix: String::new(), ..NumberPlan::new("45") };
    NumberPlan { national_length: Some(8), sip: NumberForm::National, jid: NumberForm::National, ..prefixes }
}

fn mapping(plan: NumberPlan) -> Mapping {
    let mut pbx = DomainMapping::new(Home::Sip, "sip.example", "pbx.example", None);
    pbx.numbers = Some(Box::new(plan));
    pbx.rules = vec![UserRule::Table(vec![("+49 30 2000".into(), "reception".into())])];
    Mapping::new(vec![pbx, DomainMapping::new(Home::Xmpp, "xmpp.example", "xmpp.example", None)]).unwrap()
}

fn jid_of(mapping: &Mapping, uri: &str) -> String {
    let address = mapping.uri_to_address(&Uri::parse(uri).unwrap());
    address.map_or_else(|error| error.to_string(), |address| mapping.address_to_jid(&address).unwrap().to_string())
}

fn uri_of(mapping: &Mapping, jid: &str) -> String {
    let address = mapping.jid_to_address(&Jid::parse(jid).unwrap());
    mapping.address_to_uri(&address).map_or_else(|error| error.to_string(), |uri| uri.to_string())
}

#[test]
fn every_spelling_of_a_number_is_one_number() {
    let rows: &[(NumberPlan, &str, &[&str])] = &[
        (
            berlin(),
            "+49301234",
            &[
                "1234",
                "12-34",
                "0301234",
                "030 1234",
                "(030) 12.34",
                "+49301234",
                "+49 30 1234",
                "+49 (0)30 1234",
                "+49(0)301234",
                "0049301234",
                "0049 30-1234",
            ],
        ),
        (berlin(), "+498912345", &["08912345", "+49 89 12345", "00498912345"]),
        (berlin(), "+12125550100", &["+1 (212) 555-0100", "0012125550100"]),
        (
            new_york(),
            "+12125551001",
            &["1001", "2125551001", "12125551001", "(212) 555-1001", "+1.212.555.1001", "01112125551001"],
        ),
        (new_york(), "+4930123456", &["+4930123456", "0114930123456"]),
        (copenhagen(), "+4532123456", &["32123456", "32 12 34 56", "+45 32123456", "004532123456"]),
    ];
    for (plan, number, spellings) in rows {
        for spelling in *spellings {
            let read = plan.read(spelling).map(|reading| reading.number.to_string());
            assert_eq!(read.as_deref(), Some(*number), "{spelling}");
        }
    }
}

#[test]
fn names_and_service_codes_are_no_numbers() {
    for text in [
        "",
        "romeo",
        "112",
        "110",
        "*67",
        "#31",
        "12345",
        "+",
        "+12",
        "+0491234",
        "1234x",
        "x1234",
        "+49 30 1234;ext=1",
        "()",
    ] {
        assert_eq!(berlin().read(text), None, "{text}");
    }
    assert_eq!(berlin().read(&"0".repeat(200)), None);
    assert_eq!(berlin().read("+1234567890123456"), None, "sixteen digits");
    assert_eq!(new_york().read("5551001"), None, "seven digits are nobody's under ten");
}

#[test]
fn the_zero_in_parentheses_goes_only_where_it_is_the_trunk_prefix() {
    let italy = NumberPlan { trunk_prefix: String::new(), national_length: None, ..NumberPlan::new("39") };
    assert_eq!(italy.read("+39 (0)6 1234567").unwrap().number.to_string(), "+39061234567");
    assert_eq!(berlin().read("+44 (0)20 1234567").unwrap().number.to_string(), "+440201234567");
}

#[test]
fn each_form_is_written_as_its_people_expect() {
    let number = |text: &str| berlin().read(text).unwrap().number;
    for (text, extension, national, e164) in [
        ("1234", "1234", "0301234", "+49301234"),
        ("08912345", "+498912345", "08912345", "+498912345"),
        ("+12125550100", "+12125550100", "0012125550100", "+12125550100"),
    ] {
        assert_eq!(berlin().write(&number(text), NumberForm::Extension), extension);
        assert_eq!(berlin().write(&number(text), NumberForm::National), national);
        assert_eq!(berlin().write(&number(text), NumberForm::E164), e164);
    }
    // +49301 is 0301 in the country, but four digits are an extension.
    assert_eq!(berlin().write(&number("+49301"), NumberForm::National), "+49301");
}

#[test]
fn all_spellings_are_one_jid_and_one_aor() {
    let mapping = mapping(berlin());
    for user in ["1234", "0301234", "+49301234", "+49-30-1234", "0049301234", "+49%20(0)30%201234"] {
        assert_eq!(jid_of(&mapping, &format!("sip:{user}@pbx.example")), "1234@sip.example", "{user}");
        assert_eq!(jid_of(&mapping, &format!("sip:{user}@pbx.example;user=phone")), "1234@sip.example", "{user}");
    }
    for user in ["1234", "0301234", "+49301234", "+49-30-1234", "0049301234", "+49\\2030\\201234"] {
        assert_eq!(uri_of(&mapping, &format!("{user}@sip.example")), "sip:1234@pbx.example", "{user}");
    }
    assert_eq!(jid_of(&mapping, "sip:romeo@pbx.example"), "romeo@sip.example");
    assert_eq!(uri_of(&mapping, "112@sip.example"), "sip:112@pbx.example");
}

#[test]
fn a_table_names_a_number_in_any_spelling() {
    let mapping = mapping(berlin());
    for user in ["2000", "0302000", "+49302000"] {
        assert_eq!(jid_of(&mapping, &format!("sip:{user}@pbx.example")), "reception@sip.example");
        assert!(uri_of(&mapping, &format!("{user}@sip.example")).contains("somebody else"));
    }
    assert_eq!(uri_of(&mapping, "reception@sip.example"), "sip:2000@pbx.example");
}

#[test]
fn tel_uris_find_their_domain() {
    let mapping = mapping(berlin());
    for (uri, jid) in [
        ("tel:+49-30-1234", "1234@sip.example"),
        ("tel:+49302000", "reception@sip.example"),
        ("tel:1234;phone-context=+4930", "1234@sip.example"),
        ("tel:0301234;phone-context=+49", "1234@sip.example"),
        ("tel:1234;phone-context=pbx.example", "1234@sip.example"),
        ("tel:1234;phone-context=+49301200", "1234@sip.example"),
        ("tel:1234", "1234@sip.example"),
        ("tel:+4930;ext=1234", "1234@sip.example"),
        ("tel:+49300;ext=1234", "1234@sip.example"),
        ("tel:+1-212-555-0100", "+12125550100@sip.example"),
        ("tel:+49301234;rn=+4989;npdi", "1234@sip.example"),
        ("sip:1234;phone-context=+4930@pbx.example;user=phone", "1234@sip.example"),
    ] {
        assert_eq!(jid_of(&mapping, uri), jid, "{uri}");
    }
    for (uri, why) in [
        ("tel:1234;phone-context=+1", "valid within +1 only"),
        ("tel:1234;phone-context=other.example", "valid within other.example only"),
        ("tel:+49301234;isub=7", "subaddress"),
        ("tel:+49301234;ext=12", "ext=12"),
        ("tel:+49301999;ext=1234", "ext=1234"),
        ("tel:112", "nobody's"),
        ("sip:1234;phone-context=+1@pbx.example;user=phone", "valid within +1 only"),
    ] {
        assert!(jid_of(&mapping, uri).contains(why), "{uri}: {}", jid_of(&mapping, uri));
    }
}

#[test]
fn a_number_of_two_houses_is_the_recipients_in_xmpp_and_the_senders_in_sip() {
    let mut pbx = DomainMapping::new(Home::Sip, "sip.example", "pbx.example", None);
    let mut xmpp = DomainMapping::new(Home::Xmpp, "xmpp.example", "xmpp.example", None);
    pbx.numbers = Some(Box::new(berlin()));
    xmpp.numbers = Some(Box::new(berlin()));
    xmpp.rules = vec![UserRule::Table(vec![("1001".into(), "juliet".into())])];
    let mapping = Mapping::new(vec![pbx, xmpp]).unwrap();
    assert_eq!(jid_of(&mapping, "tel:+49301001"), "juliet@xmpp.example");
    assert_eq!(jid_of(&mapping, "tel:+49301234"), "1234@xmpp.example");
    let uri = Uri::parse("tel:+49301001").unwrap();
    assert_eq!(mapping.domain_of_number(&uri).unwrap().sip_host, "pbx.example");
    assert_eq!(mapping.number_to_address(&uri, Home::Sip).unwrap().user.as_deref(), Some("1001"));
    assert_eq!(mapping.domain_of_number(&Uri::parse("sip:1001@pbx.example").unwrap()).map(DomainMapping::name), None);
}

#[test]
fn numbers_leave_as_the_setting_says_and_come_back() {
    for (form, uri, written) in [
        (NumberForm::Extension, NumberUri::Phone, "sip:1234@pbx.example;user=phone"),
        (NumberForm::E164, NumberUri::Phone, "sip:+49301234@pbx.example;user=phone"),
        (NumberForm::Extension, NumberUri::Tel, "tel:1234;phone-context=+4930"),
        (NumberForm::National, NumberUri::Tel, "tel:0301234;phone-context=+49"),
        (NumberForm::E164, NumberUri::Tel, "tel:+49301234"),
        (NumberForm::National, NumberUri::Sip, "sip:0301234@pbx.example"),
    ] {
        let mapping = mapping(NumberPlan { sip: form, uri, ..berlin() });
        assert_eq!(uri_of(&mapping, "1234@sip.example"), written);
        assert_eq!(jid_of(&mapping, written), "1234@sip.example");
        assert_eq!(uri_of(&mapping, "romeo@sip.example"), "sip:romeo@pbx.example");
    }
}

#[test]
fn what_a_plan_cannot_be_is_told_with_its_key() {
    let keys = |plan: NumberPlan| plan.mistakes().into_iter().map(|(key, ..)| key).collect::<Vec<_>>();
    assert_eq!(keys(berlin()), Vec::<&str>::new());
    assert_eq!(keys(new_york()), Vec::<&str>::new());
    assert_eq!(keys(copenhagen()), Vec::<&str>::new());
    assert_eq!(keys(NumberPlan { main: "123456789".into(), ..berlin() }), ["extension_length"]);
    assert_eq!(keys(NumberPlan { extension_length: 0, ..berlin() }), ["sip", "jid"]);
    assert_eq!(keys(NumberPlan { main: "5".into(), ..NumberPlan::new("49") }), ["main"]);
    assert_eq!(keys(NumberPlan { trunk_prefix: "001".into(), ..berlin() }), ["trunk_prefix"]);
    assert_eq!(keys(NumberPlan { national_length: Some(9), ..berlin() }), ["national_length"]);
}

#[test]
fn two_names_for_one_number_are_a_conflict() {
    let mut pbx = DomainMapping::new(Home::Sip, "sip.example", "pbx.example", None);
    pbx.rules = vec![UserRule::Table(vec![("1234".into(), "a".into()), ("030 1234".into(), "b".into())])];
    assert_eq!(check(&[pbx.clone()]), []);
    pbx.numbers = Some(Box::new(berlin()));
    let conflicts = check(&[pbx]);
    assert!(conflicts[0].text.contains("SIP user 1234 stands for both a and b"), "{conflicts:?}");
}

#[test]
fn every_step_is_explained() {
    let mapping = mapping(berlin());
    let text = mapping.explain("0301234@sip.example").to_string();
    for line in [
        "number plan +49 30 and 4 digits: 0301234 is +49301234: it has the trunk prefix",
        "as JIDs have it, and the rules: 1234",
        "= sip:1234@pbx.example",
    ] {
        assert!(text.contains(line), "{text}");
    }
    let text = mapping.explain("tel:+49-30-2000").to_string();
    assert!(text.contains("domain that has the number: sip.example = pbx.example"), "{text}");
    assert!(text.contains("rule 1 (table of 1 pairs): 2000 is reception"), "{text}");
    assert!(mapping.explain("romeo@sip.example").to_string().contains("romeo is no number"));
}

fn any_plan() -> impl Strategy<Value = NumberPlan> {
    let form = || prop_oneof![Just(NumberForm::Extension), Just(NumberForm::National), Just(NumberForm::E164)];
    let digits = |most: usize| proptest::collection::vec(0u8..10, 0..=most);
    let text = |digits: Vec<u8>| digits.into_iter().map(|digit| char::from(b'0' + digit)).collect::<String>();
    let uri = prop_oneof![Just(NumberUri::Sip), Just(NumberUri::Phone), Just(NumberUri::Tel)];
    let lengths = (0usize..6, proptest::option::of(4usize..12));
    ((1u32..1000), digits(3), digits(3), digits(2), digits(3), lengths, form(), form(), uri).prop_map(
        move |(country, area, main, trunk, international, (extension_length, national_length), sip, jid, uri)| {
            NumberPlan {
                country: country.to_string(),
                area: text(area),
                main: text(main),
                extension_length,
                trunk_prefix: text(trunk),
                international_prefix: text(international),
                national_length,
                sip,
                jid,
                uri,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_is_written_is_read_as_the_same_number(plan in any_plan(), text in "[+]?[0-9]{1,16}") {
        if let Some(reading) = plan.read(&text) {
            for form in [NumberForm::Extension, NumberForm::National, NumberForm::E164] {
                let written = plan.write(&reading.number, form);
                prop_assert_eq!(plan.read(&written).map(|again| again.number), Some(reading.number.clone()), "{}", written);
            }
            prop_assert_eq!(plan.in_sip(&plan.in_sip(&text).unwrap()), plan.in_sip(&text));
        }
    }

    #[test]
    fn two_numbers_never_share_an_address(
        plan in any_plan(), one in "[+]?[0-9]{1,12}", other in "[+]?[0-9]{1,12}",
    ) {
        let Some(mapping) = mapping_if_sound(plan) else { return Ok(()) };
        let plan = mapping.domains()[0].numbers.as_deref().unwrap();
        let number = |text: &str| plan.read(text).map(|reading| reading.number);
        let (there, back) = (uri_of(&mapping, &format!("{one}@sip.example")), uri_of(&mapping, &format!("{other}@sip.example")));
        let same = if number(&one).is_some() { number(&one) == number(&other) } else { one == other };
        prop_assert_eq!(there == back, same, "{} {}", there, back);
    }

    #[test]
    fn an_address_leads_back_to_its_canonical_self(plan in any_plan(), user in "[+]?[0-9]{1,12}") {
        let Some(mapping) = mapping_if_sound(plan) else { return Ok(()) };
        let uri = uri_of(&mapping, &format!("{user}@sip.example"));
        let jid = jid_of(&mapping, &uri);
        prop_assert_eq!(uri_of(&mapping, &jid), uri.clone());
        prop_assert_eq!(jid_of(&mapping, &uri), jid);
    }

    #[test]
    fn separators_never_matter(plan in any_plan(), digits in "[0-9]{1,12}", at in 0usize..12, separator in "[-. ]") {
        let mut spaced = digits.clone();
        spaced.insert_str(at.clamp(1, digits.len()), &separator);
        prop_assert_eq!(plan.read(&spaced), plan.read(&digits));
    }

    #[test]
    fn no_text_and_no_parameter_panics(plan in any_plan(), text in "\\PC{0,40}", name in "(ext|isub|phone-context|x)", value in "\\PC{0,10}") {
        let _ = plan.read(&text);
        let _ = plan.subscriber(&text, std::iter::once((name.as_str(), Some(value.as_str()))), &["pbx.example"]);
    }
}

fn mapping_if_sound(plan: NumberPlan) -> Option<Mapping> {
    let mut pbx = DomainMapping::new(Home::Sip, "sip.example", "pbx.example", None);
    pbx.numbers = Some(Box::new(plan));
    Mapping::new(vec![pbx, DomainMapping::new(Home::Xmpp, "xmpp.example", "xmpp.example", None)]).ok()
}
