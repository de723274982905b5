//! The rules on Rust files. Each gives a line for every violation: where, what, and what holds instead.

use super::source::{Source, line, words};

/// Each module of ours and which others it may name. `lib.rs` draws the same as a figure.
const LAYERS: &[(&str, &[&str])] = &[
    ("time", &[]),
    ("ids", &[]),
    ("xml", &[]),
    ("dns", &[]),
    ("model", &["time", "ids", "xml"]),
    ("xmpp", &["time", "ids", "xml", "dns"]),
    ("sip", &["time", "ids", "dns"]),
    ("mapping", &["time", "ids", "xml", "model", "xmpp", "sip"]),
    ("gateway", &["time", "ids", "xml", "model", "xmpp", "sip", "mapping"]),
    ("tls", &["time", "model", "xmpp"]),
    ("net", &["time", "ids", "xml", "dns", "xmpp", "sip", "gateway", "tls"]),
    ("admin", &["time", "gateway"]),
    ("store", &["time", "gateway"]),
    ("shard", &["time", "ids", "gateway", "net", "store"]),
    ("config", &["time", "ids", "xml", "model", "xmpp", "sip", "mapping", "gateway", "tls", "store"]),
    (
        "node",
        &[
            "time", "ids", "xml", "model", "xmpp", "sip", "mapping", "gateway", "tls", "net", "admin", "store",
            "shard", "config",
        ],
    ),
];

/// The modules of layers 0 to 3: functions of input and time.
const PURE: &[&str] = &["time", "ids", "xml", "dns", "model", "xmpp", "sip", "mapping", "gateway"];

/// What waits, reads a clock or the environment, or opens something.
const IMPURE: &[&str] = &[
    "async fn",
    "async move",
    ".await",
    "Instant::now",
    "SystemTime::now",
    "thread::sleep",
    "println!",
    "eprintln!",
    "print!",
    "eprint!",
    "env!",
    "option_env!",
    "tokio",
    "socket2",
    "hickory_resolver",
    "axum",
    "sd_notify",
    "clap",
    "getrandom",
    "tracing_subscriber",
    "prometheus_client",
];

/// The parts of std that open something, wait, or hold the clock.
const IMPURE_STD: &[&str] = &["fs", "env", "process", "thread", "os"];

/// The names of `std::net` that are values.
const ADDRESSES: &[&str] =
    &["IpAddr", "Ipv4Addr", "Ipv6Addr", "SocketAddr", "SocketAddrV4", "SocketAddrV6", "AddrParseError"];

/// Lines of a file and of a function beyond which it is two.
const FILE: usize = 500;
const FUNCTION: usize = 60;

/// Files that may be longer, and why.
const LONG_FILES: &[(&str, &str)] = &[];

/// Functions that may be longer, and why.
const LONG_FUNCTIONS: &[(&str, &str)] = &[];

/// An import that points up or aside.
pub(super) fn layers(source: &Source) -> Vec<String> {
    let module = source.module();
    let Some(own) = module.first() else { return Vec::new() };
    let may = LAYERS.iter().find(|(name, _)| name == own).map_or(&[][..], |(_, may)| may);
    let wrong = source.imports().into_iter().filter(|(_, named)| named != own && !may.contains(&named.as_str()));
    wrong.map(|(line, named)| format!("{}:{line}: {own} may not name {named}", source.path)).collect()
}

/// A module of `lib.rs` that [`LAYERS`] does not know, or the reverse.
pub(super) fn modules_without_layer(lib: &Source) -> Vec<String> {
    let declared: Vec<&str> = lib.code.lines().filter_map(|line| line.strip_prefix("pub mod ")).collect();
    let declared: Vec<&str> = declared.iter().map(|name| name.trim_end_matches(';')).collect();
    let unknown = declared.iter().filter(|name| LAYERS.iter().all(|(known, _)| known != *name));
    let absent = LAYERS.iter().filter(|(known, _)| !declared.contains(known));
    let unknown = unknown.map(|name| format!("src/lib.rs: {name} has no row in LAYERS"));
    unknown.chain(absent.map(|(name, _)| format!("src/lib.rs: no module {name}"))).collect()
}

/// I/O, waiting and clocks below the rim; tests aside.
pub(super) fn impure(source: &Source) -> Vec<String> {
    if !source.module().first().is_some_and(|own| PURE.contains(&own.as_str())) {
        return Vec::new();
    }
    let said = |line: usize, what: &str| format!("{}:{line}: {what} below the rim", source.path);
    let mut found = found(source, &source.product, IMPURE, said);
    for (at, path) in source.paths(&source.product, &["std"]) {
        let part = |at: usize| path.get(at).map_or("", String::as_str);
        let impure = match (part(1), part(2)) {
            ("net", name) => !ADDRESSES.contains(&name),
            ("time", name) => ["Instant", "SystemTime", "UNIX_EPOCH", "*"].contains(&name),
            ("io", name) => ["stdin", "stdout", "stderr", "*"].contains(&name),
            (name, _) => IMPURE_STD.contains(&name),
        };
        if impure {
            found.push(said(line(&source.product, at), &path.join("::")));
        }
    }
    found
}

/// What no file may hold.
pub(super) fn forbidden(source: &Source) -> Vec<String> {
    let said = |line: usize, what: &str| format!("{}:{line}: {what}", source.path);
    let everywhere = found(source, &source.code, &["unsafe", "todo!", "unimplemented!", "dbg!"], said);
    let product = found(source, &source.product, &[".unwrap()", ".unwrap_err()"], said);
    everywhere.into_iter().chain(product).collect()
}

/// Tests that wait for the clock, or do not run.
pub(super) fn idle_tests(source: &Source) -> Vec<String> {
    let only_tests: String = if source.product.is_empty() {
        source.code.clone()
    } else {
        let both = source.code.bytes().zip(source.product.bytes());
        both.map(|(all, product)| if all == product && all != b'\n' { ' ' } else { char::from(all) }).collect()
    };
    found(source, &only_tests, &["sleep(", "sleep_until(", "#[ignore"], |line, what| {
        format!("{}:{line}: {what} in a test", source.path)
    })
}

fn found(source: &Source, code: &str, what: &[&str], said: impl Fn(usize, &str) -> String) -> Vec<String> {
    debug_assert!(code.is_empty() || code.len() == source.code.len(), "{}: lines must stay", source.path);
    let all = what.iter().flat_map(|word| words(code, word).map(move |at| (line(code, at), *word)));
    all.map(|(line, word)| said(line, word)).collect()
}

/// Files and functions that should be two.
pub(super) fn large(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let lines = source.text.lines().count();
    if lines > FILE && LONG_FILES.iter().all(|(path, _)| *path != source.path) {
        found.push(format!("{}: {lines} lines, more than {FILE}", source.path));
    }
    for (line, name, length) in source.long_functions(FUNCTION) {
        if LONG_FUNCTIONS.iter().all(|(allowed, _)| *allowed != name) {
            found.push(format!("{}:{line}: fn {name} has {length} lines, more than {FUNCTION}", source.path));
        }
    }
    found
}

/// Files beside `main.rs` that it does not declare.
pub(super) fn undeclared(main: &Source, files: &[String]) -> Vec<String> {
    let folder = main.path.trim_end_matches("main.rs");
    let beside = files.iter().filter_map(|path| path.strip_prefix(folder)?.strip_suffix(".rs"));
    let beside = beside.filter(|name| !name.contains('/') && *name != "main");
    let undeclared = beside.filter(|name| words(&main.code, &format!("mod {name};")).next().is_none());
    undeclared.map(|name| format!("{}: no mod {name}", main.path)).collect()
}

/// Tables that no file names, except in prose.
pub(super) fn unused_tables(tables: &[String], users: &[Source]) -> Vec<String> {
    let names = |user: &Source, table: &str| {
        let places = user.text.match_indices(table).map(|(at, _)| user.text[..at].lines().next_back().unwrap_or(""));
        places.into_iter().any(|before| !before.contains("//"))
    };
    let unused = tables.iter().filter(|table| !users.iter().any(|user| names(user, table)));
    unused.map(|table| format!("{table}: nothing reads it")).collect()
}
