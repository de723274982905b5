#![allow(clippy::unwrap_used)]

use super::*;

const HEAD: &str = "MESSAGE sip:romeo@example.net SIP/2.0\r\n\
    Via: SIP/2.0/UDP a.example.com;branch=z9hG4bKna998sk\r\n\
    From: <sip:juliet@example.com>;tag=49583\r\n\
    To: <sip:romeo@example.net>\r\n\
    Call-ID: asd88asd77a\r\n\
    CSeq: 1 MESSAGE\r\n";

fn with(lines: &str) -> Vec<u8> {
    format!("{HEAD}{lines}").into_bytes()
}

fn problem(input: &[u8]) -> Problem {
    parse(input).unwrap_err().problem
}

#[test]
fn what_was_read_is_printed_byte_for_byte() {
    let text = with("s :\r\nX-Odd\t:  a\r\n\t b \r\nSubject: caf\u{e9}\r\nCONTENT-length: 3\r\n\r\n\0\r\u{7f}");
    let mut out = Vec::new();
    parse(&text).unwrap().print(&mut out);
    assert_eq!(out, text);
}

#[test]
fn the_body_ends_where_content_length_says() {
    let message = parse(&with("l: 3\r\n\r\nabcdef")).unwrap();
    assert_eq!(message.body(), b"abc");
    assert_eq!(parse(&with("\r\nabcdef")).unwrap().body(), b"abcdef");
    assert_eq!(problem(&with("l: 7\r\n\r\nabcdef")), Problem::ShortBody);
    for value in [
        "3\r\nContent-Length: 2",
        "3\r\nContent-Length: 3",
        "\r\n 3",
        "3\r\n ",
        "-3",
        "+3",
        "",
        "3, 3",
        "0x3",
        "99999999999999999999999999",
    ] {
        let text = with(&format!("l: {value}\r\n\r\nabc"));
        assert!(matches!(problem(&text), Problem::ContentLength | Problem::ShortBody), "{value}");
    }
}

#[test]
fn line_ends_cannot_be_smuggled() {
    for lines in ["X: a\rEvil: b\r\n\r\n", "X: a\nEvil: b\r\n\r\n", "X: a\0b\r\n\r\n", "X: a\r\r\n\r\n"] {
        let error = parse(&with(lines)).unwrap_err();
        assert_eq!(error.problem, Problem::Control, "{lines:?}");
        assert_eq!(error.response().unwrap().status, Status::BAD_REQUEST);
    }
    assert_eq!(problem(b"MESSAGE\0sip:a SIP/2.0\r\n\r\n"), Problem::Control);
    assert_eq!(problem(&with("X: a\\\0b\r\n\r\n")), Problem::Control);
    assert!(parse(&with("X: \"a\\\0b\"\r\n\r\n")).is_ok());
}

#[test]
fn a_message_all_in_bare_lf_is_read_but_not_a_mixed_one() {
    let text = String::from_utf8(with("Content-Length: 4\r\n\r\na\r\nb")).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let all = format!("{}\n\n{body}", head.replace("\r\n", "\n"));
    assert_eq!(parse(all.as_bytes()), parse(text.as_bytes()));
    let mixed = all.replacen("\nFrom", "\r\nFrom", 1);
    assert_eq!(problem(mixed.as_bytes()), Problem::Control);
}

#[test]
fn header_lines_are_names_and_values() {
    for lines in [
        " folded: onto nothing\r\n\r\n",
        "no colon\r\n\r\n",
        ": no name\r\n\r\n",
        "a b: c\r\n\r\n",
        "\u{fc}: x\r\n\r\n",
    ] {
        let text = format!("OPTIONS sip:a SIP/2.0\r\n{lines}");
        assert_eq!(problem(text.as_bytes()), Problem::HeaderLine, "{lines:?}");
    }
    for lines in ["", "X: y", "X: y\r\n", "X: y\r\n z\r\n"] {
        assert_eq!(problem(&with(lines)), Problem::NoEnd, "{lines:?}");
    }
    assert_eq!(problem(b"\r\n\r\n"), Problem::Empty);
}

#[test]
fn start_lines_have_single_spaces_and_version_two() {
    for (line, expected) in [
        ("MESSAGE  sip:a SIP/2.0", Problem::Uri(UriError::Scheme)),
        ("MESSAGE sip:a  SIP/2.0", Problem::Uri(UriError::Host)),
        ("MESSAGE sip:a SIP/2.0 ", Problem::StartLine),
        ("MESSAGE\tsip:a SIP/2.0", Problem::StartLine),
        ("MESSAGE sip:a SIP/7.0", Problem::Version),
        ("MESSAGE sip:a HTTP/1.1", Problem::StartLine),
        ("MESSAGE sip:a", Problem::StartLine),
        ("ME(SS)AGE sip:a SIP/2.0", Problem::StartLine),
        ("MESSAGE <sip:a> SIP/2.0", Problem::Uri(UriError::Scheme)),
        ("SIP/2.0 99 x", Problem::StartLine),
        ("SIP/2.0 700 x", Problem::StartLine),
        ("SIP/2.0 4294967301 x", Problem::StartLine),
        ("SIP/2.0 +20 x", Problem::StartLine),
        ("SIP/3.0 200 OK", Problem::Version),
    ] {
        assert_eq!(problem(format!("{line}\r\n\r\n").as_bytes()), expected, "{line}");
    }
    for line in ["MESSAGE sip:a sip/2.0", "SIP/2.0 200", "SIP/2.0 200 ", "sip/2.0 200 caf\u{e9} and more"] {
        assert!(parse(format!("{line}\r\n\r\n").as_bytes()).is_ok(), "{line}");
    }
}

#[test]
fn limits_hold() {
    let long = format!("X: {}\r\n\r\n", "a".repeat(MAX_HEADER));
    assert_eq!(problem(&with(&long)), Problem::TooLarge);
    assert_eq!(problem(&with(&format!("{}\r\n", "X: y\r\n".repeat(MAX_HEADERS)))), Problem::TooLarge);
    let wide = format!("X: {}\r\n", "a".repeat(MAX_HEADER - 10)).repeat(5) + "\r\n";
    let error = parse(&with(&wide)).unwrap_err();
    assert_eq!(error.response().unwrap().status, Status::MESSAGE_TOO_LARGE);
}

#[test]
fn the_answer_to_a_broken_request_finds_its_way_back() {
    let text = with("v: SIP/2.0/TCP b\r\n ;branch=z9hG4bKx\r\nX: \0\r\nTo: <sip:other@x>\r\nl: -1\r\n\r\n");
    let mut out = Vec::new();
    parse(&text).unwrap_err().response().unwrap().print(&mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "SIP/2.0 400 Stray Control Character\r\n\
         Via: SIP/2.0/UDP a.example.com;branch=z9hG4bKna998sk\r\n\
         From: <sip:juliet@example.com>;tag=49583\r\n\
         To: <sip:romeo@example.net>\r\n\
         Call-ID: asd88asd77a\r\n\
         CSeq: 1 MESSAGE\r\n\
         Via: SIP/2.0/TCP b ;branch=z9hG4bKx\r\n\
         Content-Length: 0\r\n\r\n"
    );
}

#[test]
fn what_may_not_be_answered_is_dropped() {
    for text in [
        "SIP/2.0 4294967301 x\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKx\r\n\r\n",
        "ACK sip:a SIP/7.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKx\r\n\r\n",
        "MESSAGE sip:a SIP/7.0\r\n\r\n",
        "MESSAGE sip:a SIP/7.0\r\nVia: garbage\r\n\r\n",
        "\r\n\r\n",
        "garbage",
        "",
    ] {
        assert_eq!(parse(text.as_bytes()).unwrap_err().response(), None, "{text:?}");
    }
}
