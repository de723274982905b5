//! Each rule finds what it should, and nothing else.

use super::conformance::{check, known_ids, missing, tests_of_vectors};
use super::rules::*;
use super::source::Source;

/// How many violations a rule finds in `text` as `path`.
fn count(rule: impl Fn(&Source) -> Vec<String>, path: &str, text: &str) -> usize {
    rule(&Source::new(path, text)).len()
}

#[test]
fn imports_that_point_up_or_aside_are_found() {
    for (path, text, wrong) in [
        ("src/xmpp/jid.rs", "use crate::sip::uri::Uri;", 1),
        ("src/sip/mod.rs", "use crate::xmpp::jid::Jid;", 1),
        ("src/model/mod.rs", "fn f() -> crate::xmpp::jid::Jid {}", 1),
        ("src/xml/mod.rs", "use crate::{ids, time::{self, Now}};", 3),
        ("src/mapping/failure.rs", "use super::super::gateway::Gateway;", 1),
        ("src/mapping/mod.rs", "use super::{net, sip};", 1),
        ("src/xmpp/stream/mod.rs", "mod a { use super::super::super::sip::Uri; }", 1),
        ("src/gateway/mod.rs", "use crate::{net::Net, config::Config as C};", 2),
        ("src/net/mod.rs", "use crate::admin;", 1),
        ("src/admin/mod.rs", "use crate::net::Net;", 1),
        ("src/config/mod.rs", "use crate::node;", 1),
        ("src/xml/mod.rs", "use crate::*;", 1),
        ("src/gateway/mod.rs", "use crate::{mapping::Mapping, sip, xmpp::jid::{Jid, BareJid}};", 0),
        ("src/xmpp/jid.rs", "use super::stanza; mod tests { use super::super::stanza; use super::*; }", 0),
        ("src/time.rs", "mod tests { use super::*; }", 0),
        ("src/xml/mod.rs", "/* use crate::sip; */ // use crate::sip;\nconst A: &str = \"crate::sip::x\";", 0),
        ("src/main.rs", "use stox::config::Config;", 0),
    ] {
        assert_eq!(count(layers, path, text), wrong, "{path}: {text}");
    }
}

#[test]
fn a_module_without_layer_is_found() {
    let whole = super::read("src/lib.rs");
    let more = Source::new("src/lib.rs", &format!("{whole}\npub mod util;\n"));
    assert_eq!(modules_without_layer(&more).len(), 1);
    let less = Source::new("src/lib.rs", &whole.replace("pub mod xml;", ""));
    assert_eq!(modules_without_layer(&less).len(), 1);
}

#[test]
fn impure_words_below_the_rim_are_found() {
    for text in [
        "use std::net::TcpStream;",
        "use std::net::{IpAddr, UdpSocket};",
        "use std::net::*;",
        "use std::{fs, io::Read};",
        "fn f() { std::env::var(NAME); }",
        "use std::time::{Duration, Instant};",
        "fn f() { let now = Instant::now(); }",
        "fn f() { let now = SystemTime::now(); }",
        "fn f() { thread::sleep(SECOND); }",
        "fn f() { println!(); }",
        "async fn f() {}",
        "use tokio::sync::mpsc;",
        "const HOME: &str = env!(NAME);",
        "use std::io::stderr;",
    ] {
        assert_eq!(count(impure, "src/sip/uri.rs", text), 1, "{text}");
        assert_eq!(count(impure, "src/net/udp.rs", text), 0, "{text}");
    }
    let pure = "use std::net::{IpAddr, SocketAddr}; use std::time::Duration; use std::io::{self, Read};\n\
                const TABLE: &str = include_str!(FILE); // println!(\"tokio\")\n\
                const WORD: &str = \"tokio::spawn\";\n\
                #[cfg(test)]\nmod tests {\n    fn f() { std::fs::read(P); }\n}\n";
    assert_eq!(count(impure, "src/gateway/mod.rs", pure), 0);
    assert_eq!(count(impure, "src/gateway/tests.rs", "use std::fs;"), 0);
}

#[test]
fn what_is_forbidden_is_found_outside_words_and_tests() {
    for text in ["unsafe fn f() {}", "fn f() { todo!() }", "fn f() { unimplemented!(); }", "fn f() { dbg!(x); }"] {
        for path in ["src/main.rs", "src/sip/uri/tests.rs", "tests/it/jid.rs"] {
            assert_eq!(count(forbidden, path, text), 1, "{path}: {text}");
        }
    }
    assert_eq!(count(forbidden, "src/node.rs", "fn f() { x.unwrap() }"), 1);
    let tested = "fn f() { 'a'.len(); g::<'a>(r#\"x.unwrap()\"#) }\n#[cfg(test)]\nmod tests { fn f() { x.unwrap() } }";
    assert_eq!(count(forbidden, "src/node.rs", tested), 0);
    assert_eq!(count(forbidden, "src/xmpp/stanza/tests.rs", "fn f() { x.unwrap() }"), 0);
    assert_eq!(count(forbidden, "src/node.rs", "#![forbid(unsafe_code)] // unsafe, todo!()"), 0);
    let after = "#[cfg(test)]\nmod tests;\nfn f() { x.unwrap() }";
    assert_eq!(count(forbidden, "src/node.rs", after), 1);
}

#[test]
fn tests_that_sleep_or_are_left_out_are_found() {
    let sleeps = "fn f() { thread::sleep(x) }";
    assert_eq!(count(idle_tests, "tests/it/jid.rs", sleeps), 1);
    assert_eq!(count(idle_tests, "src/net/udp.rs", sleeps), 0);
    assert_eq!(count(idle_tests, "src/net/udp.rs", &format!("#[cfg(test)]\nmod tests {{ {sleeps} }}")), 1);
    assert_eq!(count(idle_tests, "src/net/tests/udp.rs", "fn f() { time::sleep(x).await }"), 1);
    assert_eq!(count(idle_tests, "tests/it/jid.rs", "#[test]\n#[ignore]\nfn f() {}"), 1);
}

#[test]
fn long_files_and_functions_are_found() {
    assert_eq!(count(large, "src/a.rs", &"// x\n".repeat(501)), 1);
    assert_eq!(count(large, "src/a.rs", &"// x\n".repeat(500)), 0);
    let function = |lines: usize| format!("fn f() -> [u8; 2] {{\n{}}}\n", "g('{');\n".repeat(lines));
    assert_eq!(count(large, "src/a.rs", &function(59)), 1);
    assert_eq!(count(large, "src/a.rs", &function(58)), 0);
    assert_eq!(count(large, "src/a.rs", &format!("trait A {{ fn f(); }}\n{}", "const A: fn(u8) = g;\n".repeat(99))), 0);
}

#[test]
fn files_that_nothing_compiles_and_tables_that_nothing_reads_are_found() {
    let main = Source::new("tests/it/main.rs", "mod a;\n// mod b;\n");
    let files = ["a", "b", "a/c", "main"].map(|name| format!("tests/it/{name}.rs"));
    assert_eq!(undeclared(&main, &files), ["tests/it/main.rs: no mod b"]);

    let tables = ["mappings/a.toml", "mappings/b.toml"].map(str::to_owned);
    let user = Source::new("src/a.rs", "//! mappings/b.toml\nconst A: &str = include_str!(\"../mappings/a.toml\");");
    assert_eq!(unused_tables(&tables, &[user]), ["mappings/b.toml: nothing reads it"]);
}

#[test]
fn tests_are_found_by_name() {
    let text = "fn a() {}\n#[test]\nfn b() {}\nmod tests {\n    #[tokio::test(start_paused = true)]\n    async fn c() {}\n\
                proptest! {\n #[test]\n fn d(x in y()) {}\n }\n}\n// #[test]\nfn e() {}";
    assert_eq!(
        Source::new("src/xmpp/jid.rs", text).tests(),
        ["xmpp::jid::b", "xmpp::jid::tests::d", "xmpp::jid::tests::c"]
    );
    assert_eq!(Source::new("tests/it/tidy/planted.rs", "#[test]\nfn b() {}").tests(), ["it::tidy::planted::b"]);
    assert_eq!(tests_of_vectors("vectors! {\n    v7572_01 = \"7572-01\";\n}"), ["it::vectors::v7572_01"]);
}

#[test]
fn empty_promises_are_found() {
    let known = known_ids(&["7572-01".to_owned()]);
    let tests = ["it::a::b".to_owned(), "mapping::c::tests::d".to_owned(), "scenario:e.scn".to_owned()];
    let wrong = |row: &str| check(&format!("[[row]]\n{row}"), &known, &tests).len();
    for row in [
        "id = \"STOX-IM-01\"\nstatus = \"yes\"",
        "id = \"STOX-IM-34\"\nstatus = \"yes\"\ntest = \"it::a::b\"",
        "id = \"STOX-IM-01\"\nstatus = \"maybe\"\ntest = \"it::a::b\"",
        "id = \"STOX-IM-01\"\nstatus = \"yes\"\ntest = \"it::a::c\"",
        "id = \"STOX-IM-01\"\nstatus = \"yes\"\ntest = [\"it::a::b\", \"scenario:f.scn\"]",
        "id = \"STOX-IM-01\"\nstatus = \"part\"\ntest = \"it::a::b\"",
        "id = \"7572-01\"\nstatus = \"known-gap\"",
        "id = \"SIP-16\"\nstatus = \"n/a\"",
        "id = \"SIP-16\"\nstatus = \"no\"\nnote = \"x\"\n[[row]]\nid = \"SIP-16\"\nstatus = \"no\"\nnote = \"x\"",
    ] {
        assert_eq!(wrong(row), 1, "{row}");
    }
    for row in [
        "id = \"STOX-ERR-X-gone\"\nstatus = \"yes\"\ntest = [\"scenario:e.scn\", \"mappings::c::tests::d\"]",
        "id = \"7572-01\"\nstatus = \"known-gap\"\nnote = \"because\"",
    ] {
        assert_eq!(wrong(row), 0, "{row}");
    }
    let all = missing("[[row]]\nid = \"E2E-01\"\nstatus = \"no\"\nnote = \"x\"").len();
    let but_one = missing("[[row]]\nid = \"STOX-ERR-S-6xx\"\nstatus = \"no\"\nnote = \"x\"").len();
    assert_eq!((all, but_one), (all, all - 1));
    assert!(all > 200);
}
