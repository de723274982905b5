//! Every rule of streams between servers, broken once: what is broken, what the peer sees, and whether the stream goes on.
//!
//! `cargo test --test it broken_rules -- --nocapture` prints the table. Each row runs twice, with its bytes in one piece
//! and one at a time; both must give the same.

mod rows;
mod victim;

use std::fmt::Write;

use rows::{Input, Row};
use victim::{Seen, Victim};

/// The largest input is fed one byte at a time up to this size.
const SLOWLY_UP_TO: usize = 300_000;
/// No more than the largest stanza of a proven partner and one read is ever held.
const MOST_HELD: usize = 256 * 1024 + victim::READ;

fn run(row: &Row, chunk: usize) -> Seen {
    let mut victim = Victim::at(row.stage);
    match row.input {
        Input::Text(text) => victim.feed(text.as_bytes(), chunk),
        Input::Bytes(bytes) => victim.feed(bytes, chunk),
        Input::Repeated { head, unit, times, tail } => {
            let text = format!("{head}{}{tail}", unit.repeat(times));
            victim.feed(text.as_bytes(), chunk);
        }
        Input::Nested { head, open, close, times, tail } => {
            let text = format!("{head}{}{}{tail}", open.repeat(times), close.repeat(times));
            victim.feed(text.as_bytes(), chunk);
        }
        Input::Reads(reads) => reads.iter().for_each(|bytes| victim.feed(bytes, usize::MAX)),
        Input::BytePerSecond(text) => victim.feed_slowly(text.as_bytes()),
        Input::Silence => victim.wait(),
        Input::Stolen(theft) => {
            let text = victim.stolen_key(theft);
            victim.feed(text.as_bytes(), chunk);
        }
    }
    victim.seen()
}

fn length(row: &Row) -> usize {
    match row.input {
        Input::Text(text) | Input::BytePerSecond(text) => text.len(),
        Input::Bytes(bytes) => bytes.len(),
        Input::Repeated { head, unit, times, tail } => head.len() + unit.len() * times + tail.len(),
        Input::Reads(_) | Input::Silence | Input::Stolen(_) | Input::Nested { .. } => 0,
    }
}

#[test]
fn every_rule_broken_once_is_answered_by_the_error_that_the_standards_name() {
    let mut table = String::from("| what is broken | when | what the peer sees | the stream |\n|---|---|---|---|\n");
    let mut wrong = String::new();
    for row in rows::rows() {
        let mut chunks = vec![victim::READ];
        if length(row) <= SLOWLY_UP_TO {
            chunks.push(1);
        }
        let end = if row.goes_on { "goes on" } else { "ends" };
        let _ = writeln!(table, "| {} | {} | {} | {end} |", row.broken, row.stage.name(), row.sees);
        for chunk in chunks {
            let seen = run(row, chunk);
            if (seen.errors.as_str(), seen.goes_on) != (row.sees, row.goes_on) || seen.most_held > MOST_HELD {
                let Seen { errors, goes_on, most_held } = seen;
                let _ =
                    writeln!(wrong, "{} ({chunk} bytes): {errors}; goes on: {goes_on}; held {most_held}", row.broken);
            }
        }
    }
    println!("{table}");
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn ten_thousand_streams_opened_and_closed_leave_nothing_behind() {
    for _ in 0..10_000 {
        let mut victim = Victim::at(rows::Stage::Connected);
        victim.feed(rows::HEADER.as_bytes(), usize::MAX);
        victim.feed(b"</stream:stream>", usize::MAX);
        let seen = victim.seen();
        assert_eq!((seen.errors.as_str(), seen.goes_on), ("nothing", false));
    }
}
