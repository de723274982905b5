//! The form of the project, from its text: layers, impurity, sizes, tables, and promises that name living tests.
//!
//! Each rule is a function over text, so that `planted` can show that it finds what it should.

mod conformance;
mod planted;
mod rules;
mod source;

use source::Source;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file under a folder of the project whose name ends so, from the root, with `/`.
fn files(folder: &str, ending: &str) -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path: PathBuf = entry.expect("a directory entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                let path = path.strip_prefix(root()).expect("it was found under the root");
                found.push(path.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    found.sort();
    found
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn sources(folder: &str) -> Vec<Source> {
    let sources: Vec<Source> = files(folder, ".rs").iter().map(|path| Source::new(path, &read(path))).collect();
    assert!(!sources.is_empty(), "{folder} has no Rust files");
    sources
}

fn none(found: Vec<String>) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

fn in_each(folder: &str, rule: impl Fn(&Source) -> Vec<String>) {
    none(sources(folder).iter().flat_map(rule).collect());
}

#[test]
fn imports_point_down_only() {
    in_each("src", rules::layers);
}

#[test]
fn every_module_has_its_layer() {
    none(rules::modules_without_layer(&Source::new("src/lib.rs", &read("src/lib.rs"))));
}

#[test]
fn below_the_rim_nothing_waits_reads_a_clock_or_opens_anything() {
    in_each("src", rules::impure);
}

#[test]
fn nothing_unsafe_unfinished_or_unwrapped() {
    in_each("src", rules::forbidden);
    in_each("tests", rules::forbidden);
}

#[test]
fn no_test_sleeps_or_is_left_out() {
    in_each("src", rules::idle_tests);
    in_each("tests", rules::idle_tests);
}

#[test]
fn files_and_functions_fit_a_screen_or_two() {
    in_each("src", rules::large);
}

#[test]
fn every_file_of_the_tests_is_compiled() {
    let main = Source::new("tests/it/main.rs", &read("tests/it/main.rs"));
    none(rules::undeclared(&main, &files("tests/it", ".rs")));
}

#[test]
fn every_table_is_read() {
    let users: Vec<Source> = sources("src").into_iter().chain(sources("tests/it")).collect();
    none(rules::unused_tables(&files("mappings", ".toml"), &users));
}

#[test]
fn every_promise_names_tests_that_exist() {
    let known = conformance::known_ids(&vectors());
    none(conformance::check(&read("mappings/conformance.toml"), &known, &living_tests()));
}

#[test]
fn every_requirement_has_its_promise() {
    none(conformance::missing(&read("mappings/conformance.toml")));
}

/// Ids of all vectors, by which known gaps among them are named.
fn vectors() -> Vec<String> {
    let ids = |path: &String| conformance::ids_of_vectors(&read(path));
    files("tests/vectors", ".toml").iter().flat_map(ids).collect()
}

/// All tests by the names that rows use: `xmpp::jid::tests::x`, `it::jid::x`, `scenario:x`, `interop:x`.
fn living_tests() -> Vec<String> {
    let rust = sources("src").into_iter().chain(sources("tests/it"));
    let mut tests: Vec<String> = rust.flat_map(|source| source.tests()).collect();
    if root().join("tests/it/vectors/names.rs").exists() {
        tests.extend(conformance::tests_of_vectors(&read("tests/it/vectors/names.rs")));
    }
    let scenarios = files("tests/scenarios", "");
    tests.extend(scenarios.iter().map(|path| format!("scenario:{}", path.trim_start_matches("tests/scenarios/"))));
    tests.extend(files("interop/checks", ".py").iter().flat_map(|path| conformance::interop_checks(&read(path))));
    tests
}
