#![allow(clippy::unwrap_used)]
use super::*;

const PIGLET: &str = "From: MR SANDERS <im:piglet@100akerwood.com>\r\n\
To: Depressed Donkey <im:eeyore@100akerwood.com>\r\n\
DateTime: 2000-12-13T13:40:00-08:00\r\n\
Subject: the weather will be fine today\r\n\
Subject:;lang=fr beau temps prevu pour aujourd'hui\r\n\
NS: MyFeatures <mid:MessageFeatures@id.foo.com>\r\n\
Require: MyFeatures.VitalMessageOption\r\n\
MyFeatures.VitalMessageOption: Confirmation-requested\r\n\
MyFeatures.WackyMessageOption: Use-silly-font\r\n\
\r\n\
Content-type: text/plain; charset=utf-8\r\n\
Content-ID: <1234567890@foo.com>\r\n\
\r\n\
Here is the text of my message.";

#[test]
fn the_example_of_section_5_is_read_whole() {
    let cpim = parse(PIGLET.as_bytes()).unwrap();
    assert_eq!(cpim.from.unwrap(), NamedUri { name: "MR SANDERS".into(), uri: "im:piglet@100akerwood.com".into() });
    assert_eq!(cpim.to[0].uri, "im:eeyore@100akerwood.com");
    assert_eq!(cpim.sent, date::parse_rfc3339("2000-12-13T21:40:00Z"));
    assert_eq!(cpim.subjects[1].lang.as_deref(), Some("fr"));
    assert_eq!(cpim.subjects[1].text, "beau temps prevu pour aujourd'hui");
    assert_eq!(cpim.require[0].namespace.as_deref(), Some("mid:MessageFeatures@id.foo.com"));
    assert_eq!(cpim.extensions.len(), 2);
    assert_eq!(cpim.content.header("content-id"), Some("<1234567890@foo.com>"));
    assert_eq!(cpim.content.body, b"Here is the text of my message.");
}

#[test]
fn header_names_are_case_sensitive() {
    let cpim = parse(b"from: <im:a@b>\r\nSUBJECT: x\r\n\r\nContent-Type: text/plain\r\n\r\n").unwrap();
    assert_eq!((cpim.from, cpim.subjects.len(), cpim.extensions.len()), (None, 0, 2));
}

#[test]
fn a_missing_blank_line_before_the_content_is_forgiven() {
    let cpim = parse(b"From: <im:a@b>\nContent-Type: text/plain\n\nhi: there").unwrap();
    assert_eq!(cpim.content.header("Content-Type"), Some("text/plain"));
    assert_eq!(cpim.content.body, b"hi: there");
}

#[test]
fn content_without_mime_headers_is_all_body() {
    assert_eq!(parse(b"From: <im:a@b>\r\n\r\nhi: there").unwrap().content.body, b"hi: there");
    assert_eq!(parse(b"From: <im:a@b>\r\n\r\n\r\nhi").unwrap().content.body, b"hi");
}

#[test]
fn several_recipients_and_a_quoted_name_with_a_bracket() {
    let cpim = parse(b"To: \"a <b> \\\"c\\\"\" <im:a@b>\r\nTo: <im:c@d>\r\n\r\n\r\n").unwrap();
    assert_eq!(cpim.to[0], NamedUri { name: "a <b> \"c\"".into(), uri: "im:a@b".into() });
    assert_eq!(cpim.to[1].uri, "im:c@d");
}

#[test]
fn a_prefix_may_stand_for_the_core_and_the_default_may_change() {
    let text = b"NS: core <urn:ietf:params:cpim-headers:>\r\nNS: <urn:other>\r\nFrom: <im:x@y>\r\ncore.From: <im:a@b>\r\n\r\n\r\n";
    let cpim = parse(text).unwrap();
    assert_eq!(cpim.from.unwrap().uri, "im:a@b");
    assert_eq!(cpim.extensions[0].namespace.as_deref(), Some("urn:other"));
    assert_eq!(parse(b"x.Y: z\r\n\r\n\r\n").unwrap().extensions[0].namespace, None);
}

#[test]
fn escapes_of_section_2_3() {
    for (escaped, plain) in [
        (r"a\tb", "a\tb"),
        (r"a\nb\rc\bd", "a\nb\rc\u{8}d"),
        (r"\u00e9\u0007", "é\u{7}"),
        (r"\ud83d\ude00", "😀"),
        (r"\ud83dx", "\u{FFFD}x"),
        (r"\ude00", "\u{FFFD}"),
        (r"a\qb", "aqb"),
        (r"ab\", "ab"),
        (r"\u12", "u12"),
        (r"\\n\'", "\\n'"),
        (r"\u12é4", "u12é4"),
    ] {
        assert_eq!(unescape(escaped), plain, "{escaped}");
    }
}

#[test]
fn what_is_written_is_read_back() {
    let from = NamedUri { name: "A \"quoted\\\" name\u{7}".into(), uri: "im:a@b".into() };
    let to = NamedUri { name: String::new(), uri: "im:c@d".into() };
    let subjects = [Text::plain("tab\there\\n"), Text { lang: Some("cs".into()), text: "Ahoj!".into() }];
    let at = Timestamp(1_000);
    let text = write_text(&from, &to, Some(at), &subjects, "one\ntwo");
    assert!(text.contains("\r\nSubject:;lang=cs Ahoj!\r\n"));
    let cpim = parse(text.as_bytes()).unwrap();
    assert_eq!((cpim.from.unwrap(), &cpim.to[0], cpim.sent), (from, &to, Some(at)));
    assert_eq!(cpim.subjects, subjects);
    assert_eq!(cpim.content.body, b"one\r\ntwo");
}

#[test]
fn broken_objects_say_what_is_wrong() {
    assert_eq!(parse(b""), Err(CpimError::NoContent));
    assert_eq!(parse(b"From: <im:a@b>"), Err(CpimError::NoContent));
    assert_eq!(parse(b"nonsense\r\n\r\n"), Err(CpimError::NoColon));
    assert_eq!(parse(b"From: \xff\r\n\r\n"), Err(CpimError::NotUtf8));
    assert_eq!(parse("A: b\r\n".repeat(1_000).as_bytes()), Err(CpimError::TooManyHeaders));
}
