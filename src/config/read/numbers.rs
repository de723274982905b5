//! `[domain.numbers]`: the telephone numbers of a domain.

use crate::config::section::Section;
use crate::config::value::Bad;
use crate::mapping::{NumberForm, NumberPlan, NumberUri};

/// Digits of one part of a number at most: more are no number (E.164 section 6.1).
const MOST: usize = crate::mapping::number::MAX_DIGITS;

/// The plan of a domain; `None` if it has none, or one whose country is missing (which has been told).
pub(super) fn numbers(section: &Section<'_>) -> Option<Box<NumberPlan>> {
    if !section.exists() {
        return None;
    }
    let country = section.required("country", "write the country code, such as \"49\"");
    let country = country.and_then(|_| section.parsed("country", country_code));
    let part = |key, default: &str| section.parsed(key, digits).unwrap_or_else(|| default.to_owned());
    let extension_length = section.number("extension_length", 0..=MOST, 0);
    let form = if extension_length > 0 { NumberForm::Extension } else { NumberForm::E164 };
    let forms = [("extension", NumberForm::Extension), ("national", NumberForm::National), ("e164", NumberForm::E164)];
    let uris = [("sip", NumberUri::Sip), ("phone", NumberUri::Phone), ("tel", NumberUri::Tel)];
    let plan = NumberPlan {
        area: part("area", ""),
        main: part("main", ""),
        extension_length,
        trunk_prefix: part("trunk_prefix", "0"),
        international_prefix: part("international_prefix", "00"),
        national_length: section.has("national_length").then(|| section.number("national_length", 4..=MOST, MOST)),
        sip: section.choice("sip", &forms).unwrap_or(form),
        jid: section.choice("jid", &forms).unwrap_or(form),
        uri: section.choice("uri", &uris).unwrap_or_default(),
        ..NumberPlan::new(country.as_deref().unwrap_or_default())
    };
    for (key, what, todo) in plan.mistakes() {
        section.error(key, what, todo);
    }
    country.map(|_| Box::new(plan))
}

fn digits(text: &str) -> Result<String, Bad> {
    if text.len() <= MOST && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(text.to_owned());
    }
    let todo = "write digits alone, without + and separators".to_owned();
    Err(Bad { what: "is not digits".to_owned(), todo })
}

fn country_code(text: &str) -> Result<String, Bad> {
    let code = digits(text)?;
    if (1..=3).contains(&code.len()) && !code.starts_with('0') {
        return Ok(code);
    }
    let todo = "write one to three digits, such as \"49\" or \"1\"".to_owned();
    Err(Bad { what: "is no country code".to_owned(), todo })
}
