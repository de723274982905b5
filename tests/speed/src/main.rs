//! How fast messages are read and printed, beside the quickest readers that others have published.
//!
//! ```text
//! cargo run --release                          a table; exit 1 if stox is not the quickest everywhere
//! cargo run --release -- once READER ACT       one reader, for a profiler: parse, heads or print
//! ```
//! The messages are `tests/torture/simple`, those that every reader here takes, so that nobody is paid for refusing. All
//! take turns within one run and each keeps its best turn: on a busy machine the ratios hold and the figures do not.

mod readers;

use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use readers::{READERS, Reader};

/// Turns of each reader, and how often it does everything in one.
const TURNS: usize = 60;
const PER_TURN: usize = 60;

/// What is measured.
const ACTS: [&str; 3] = ["parse", "heads", "print"];

/// All that one reader does in an act, over all messages.
type Work = Box<dyn Fn() -> usize>;

fn main() -> ExitCode {
    let messages = messages();
    let bytes: usize = messages.iter().map(Vec::len).sum();
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [once, reader, act] = &words[..]
        && once == "once"
        && let Some(reader) = READERS.iter().find(|known| known.name == reader)
    {
        let Some(work) = work(reader, act, &messages) else { return ExitCode::FAILURE };
        for _ in 0..100 {
            black_box(work());
        }
        return ExitCode::SUCCESS;
    }
    println!("{} messages, {bytes} bytes; best of {TURNS} turns", messages.len());
    let mut lost = false;
    for act in ACTS {
        lost |= !measure(act, &messages, bytes);
    }
    if lost { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Prints the rows of an act; whether stox is the quickest.
fn measure(act: &str, messages: &[Vec<u8>], bytes: usize) -> bool {
    let mut runners: Vec<(&str, Work, Duration)> =
        READERS.iter().filter_map(|reader| Some((reader.name, work(reader, act, messages)?, Duration::MAX))).collect();
    for _ in 0..TURNS {
        for (_, work, best) in &mut runners {
            let begin = Instant::now();
            for _ in 0..PER_TURN {
                black_box(work());
            }
            *best = begin.elapsed().min(*best);
        }
    }
    let ours = runners[0].2.as_secs_f64();
    for (name, _, best) in &runners {
        let best = best.as_secs_f64();
        let done = PER_TURN as f64;
        println!(
            "{act:6} {name:10} {:7.0} MB/s {:9.0} messages/s  stox is {:.2} times as fast",
            bytes as f64 * done / best / 1e6,
            messages.len() as f64 * done / best,
            best / ours
        );
    }
    runners.iter().all(|(_, _, best)| best.as_secs_f64() >= ours)
}

fn work(reader: &Reader, act: &str, messages: &[Vec<u8>]) -> Option<Work> {
    let all = messages.to_vec();
    let each = |read: fn(&[u8]) -> bool| -> Work {
        Box::new(move || all.iter().filter(|message| read(black_box(message))).count())
    };
    match act {
        "parse" => Some(each(reader.parse)),
        "heads" => reader.heads.map(each),
        "print" => {
            let printers: Option<Vec<_>> = messages.iter().map(|message| (reader.printer)(message)).collect();
            let printers = printers?;
            Some(Box::new(move || printers.iter().map(|print| print()).sum()))
        }
        _ => None,
    }
}

/// The messages that every reader reads, with their four headers.
fn messages() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../torture/simple");
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .expect("the corpus is there")
        .map(|entry| entry.expect("the folder can be read").path())
        .collect();
    paths.sort();
    let all = paths.iter().map(|path| std::fs::read(path).expect("a message can be read"));
    let takes = |reader: &Reader, message: &[u8]| {
        (reader.parse)(message)
            && reader.heads.is_none_or(|heads| heads(message))
            && (reader.printer)(message).is_some()
    };
    all.filter(|message| READERS.iter().all(|reader| takes(reader, message))).collect()
}
