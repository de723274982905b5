//! Runs the vectors of `tests/vectors/` (examples and rules of the RFCs as data), each as a test of its name.
//!
//! Stanzas are compared as infosets, requests by header semantics, URIs by RFC 3261 section 19.1.4. `accept` gives
//! other right answers, `may_differ` what an answer is free in; nothing else is left out. A vector decided against is a
//! row `status = "known-gap"` of `mappings/conformance.toml`. One element is tolerated everywhere: the hop count
//! (XEP-0131) that every stanza from SIP carries so that two gateways cannot loop (RFC 7247 section 8).
//!
//! With `STOX_VECTORS=DIR`, `every_vector_of_the_directory` runs the files of another directory instead.

mod run;

include!("vectors/names.rs");

use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// One vector; fields that nobody reads here are left out.
#[derive(Debug, Clone, Deserialize)]
struct Vector {
    id: String,
    direction: String,
    #[serde(default)]
    section: String,
    input: String,
    output: String,
    #[serde(default)]
    accept: Vec<String>,
    #[serde(default)]
    may_differ: Vec<String>,
    #[serde(default)]
    notes: String,
}

impl Vector {
    fn may_differ(&self, what: &str) -> bool {
        self.may_differ.iter().any(|part| part.to_ascii_lowercase().contains(what))
    }
}

#[derive(Deserialize)]
struct File {
    vector: Vec<Vector>,
}

fn read(directory: &Path) -> Vec<Vector> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    let mut vectors = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let file: File = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        vectors.extend(file.vector);
    }
    vectors
}

fn ours() -> &'static [Vector] {
    static OURS: LazyLock<Vec<Vector>> =
        LazyLock::new(|| read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")));
    &OURS
}

#[derive(Deserialize)]
struct Conformance {
    row: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    id: String,
    status: String,
    #[serde(default)]
    note: String,
}

fn known_gaps() -> &'static BTreeSet<String> {
    static GAPS: LazyLock<BTreeSet<String>> = LazyLock::new(read_known_gaps);
    &GAPS
}

fn read_known_gaps() -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings/conformance.toml");
    let text = std::fs::read_to_string(path).expect("mappings/conformance.toml is there");
    let conformance: Conformance = toml::from_str(&text).expect("mappings/conformance.toml is TOML");
    let gaps = conformance.row.into_iter().filter(|row| row.status == "known-gap");
    gaps.inspect(|row| assert!(!row.note.is_empty(), "{}: a known gap needs its reason", row.id))
        .map(|row| row.id)
        .collect()
}

fn run_by_id(id: &str) {
    let vector = ours().iter().find(|vector| vector.id == id);
    let vector = vector.unwrap_or_else(|| panic!("no vector {id} in tests/vectors; remove its name"));
    if let Err(why) = outcome(vector) {
        panic!("vector {id}: {why}\n{}", vector.input);
    }
}

/// What came of a vector, printed on a line of its own.
fn outcome(vector: &Vector) -> Result<(), String> {
    let result = run::run(vector);
    let is_gap = known_gaps().contains(&vector.id);
    match (&result, is_gap) {
        (Ok(()), false) => println!("vector {} ... ok", vector.id),
        (Err(_), true) => {
            println!("vector {} ... known-gap", vector.id);
            return Ok(());
        }
        (Err(_), false) => println!("vector {} ... FAILED", vector.id),
        (Ok(()), true) => return Err("is a known-gap row of conformance.toml, but passes; remove the row".to_owned()),
    }
    result
}

#[test]
fn every_vector_has_a_test_of_its_name() {
    let files: BTreeSet<String> = ours().iter().map(|vector| vector.id.clone()).collect();
    let named: BTreeSet<String> = NAMED.iter().map(|id| (*id).to_owned()).collect();
    assert_eq!(files, named, "tests/it/vectors/names.rs and tests/vectors differ");
}

#[test]
fn every_known_gap_among_the_vectors_exists() {
    let files: BTreeSet<String> = ours().iter().map(|vector| vector.id.clone()).collect();
    let is_vector = |id: &&String| id.as_bytes().first().is_some_and(u8::is_ascii_digit);
    for id in known_gaps().iter().filter(is_vector) {
        assert!(files.contains(id), "known-gap row {id} is no vector");
    }
}

#[test]
fn every_vector_of_the_directory() {
    let vectors = match std::env::var_os("STOX_VECTORS") {
        Some(directory) => read(Path::new(&directory)),
        None => ours().to_vec(),
    };
    let failed: Vec<String> =
        vectors.iter().filter_map(|vector| outcome(vector).err().map(|why| format!("{}: {why}", vector.id))).collect();
    println!("{} vectors, {} failed", vectors.len(), failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
