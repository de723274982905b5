//! How fast presence documents are read and written.
//!
//! ```text
//! cargo run --release --bin pidf        a table; exit 1 if a usual document takes longer to read than the mark
//! ```
//! The documents are `tests/documents`, as phones and servers send them. Each act keeps its best turn.

use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use stox::model::pidf::{self, Limits};

/// Turns of each act, and how often it is done in one.
const TURNS: usize = 2000;
const PER_TURN: u32 = 40;
/// What reading may cost for each byte: a document of 500 bytes is read in 5 µs, half of what a whole message costs.
const MARK: Duration = Duration::from_nanos(10);

fn main() -> ExitCode {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../documents");
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .expect("the documents are there")
        .map(|entry| entry.expect("the folder can be read").path())
        .collect();
    paths.sort();
    let mut lost = false;
    for path in paths {
        let document = std::fs::read(&path).expect("a document can be read");
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let limits = Limits::default();
        let presence = pidf::read(&document, &limits).expect("the document is one");
        let read = best(|| drop(black_box(pidf::read(black_box(&document), &limits))));
        let write = best(|| drop(black_box(pidf::write(black_box(&presence)))));
        println!(
            "{name:10} {:5} B  read {:6.2} µs  write {:6.2} µs",
            document.len(),
            read.as_secs_f64() * 1e6,
            write.as_secs_f64() * 1e6
        );
        lost |= read > MARK * u32::try_from(document.len()).unwrap_or(u32::MAX);
    }
    if lost { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn best(act: impl Fn()) -> Duration {
    let turn = || {
        let begin = Instant::now();
        (0..PER_TURN).for_each(|_| act());
        begin.elapsed() / PER_TURN
    };
    (0..TURNS).map(|_| turn()).min().unwrap_or_default()
}
