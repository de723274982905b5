//! What an administrator does with a store while stox does not run, or beside it: check, export, import.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::batch::{Batch, id_of, kind_of};
use super::engine::{Access, Engine};
use super::error::{Error, Trouble};
use super::lines;
use super::place::Place;
use super::stats::Counts;
use crate::gateway::record::{self, Kind, Record, RecordId};

/// Mistakes of a file that are told one by one.
const TOLD: usize = 20;

/// The longest line of a file: far more than any record that stox makes, and little enough to hold.
const LINE_BYTES: u64 = 1 << 20;

/// What a check has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What is there.
    pub counts: Counts,
    /// What is wrong, some of it if that is much; nothing in good case.
    pub found: Vec<String>,
}

/// Reads everything in the store and tells what is wrong. May run beside stox.
///
/// # Errors
/// What keeps it from being read at all.
pub async fn check(place: &Place) -> Result<Report, Error> {
    let mut engine = Engine::open(place, Access::Read).await?;
    let found = engine.check().await?;
    let counts = if found.is_empty() { engine.counts().await? } else { Counts::default() };
    engine.close().await;
    Ok(Report { counts, found })
}

/// Writes every record, as of one instant, to a file that only its owner may read, in place of one that is there. May run
/// beside stox.
///
/// # Errors
/// What keeps the store from being read, or the file from being written; then there is none.
pub async fn export(place: &Place, file: &Path) -> Result<Counts, Error> {
    let failed = |error: io::Error| {
        let todo = "name a file in a directory that can be written, with room for it";
        Error::new(Trouble::Away, &file.display().to_string(), format!("cannot be written ({error})"), todo)
    };
    let mut engine = Engine::open(place, Access::Read).await?;
    let records = engine.load_all().await?;
    engine.close().await;
    // Under another name until it is whole.
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let written = write(&part, &records).and_then(|()| std::fs::rename(&part, file));
    if written.is_err() {
        // There may be none.
        let _ = std::fs::remove_file(&part);
    }
    written.map_err(failed)?;
    Ok(count(&records))
}

fn write(path: &Path, records: &[Record]) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let mut out = BufWriter::new(file);
    writeln!(out, "{}", lines::head(u64::try_from(records.len()).unwrap_or(u64::MAX)))?;
    for record in records {
        writeln!(out, "{}", lines::line(record))?;
    }
    out.into_inner()?.sync_all()
}

/// Takes every record of a file into the store, or none: into an empty one, or with `merge` beside what is there. A record
/// that is there just so is left as it is.
///
/// # Errors
/// What is wrong with the store, or each line of the file that cannot be taken.
pub async fn import(place: &Place, file: &Path, merge: bool) -> Result<Counts, Vec<Error>> {
    let records = read(file)?;
    let mut engine = Engine::open(place, Access::Own).await.map_err(|error| vec![error])?;
    let imported = import_into(&mut engine, place, file, records, merge).await;
    engine.close().await;
    imported
}

async fn import_into(
    engine: &mut Engine,
    place: &Place,
    file: &Path,
    records: Vec<(usize, Record)>,
    merge: bool,
) -> Result<Counts, Vec<Error>> {
    let there = engine.load_all().await.map_err(|error| vec![error])?;
    if !there.is_empty() && !merge {
        let what = format!("holds records already ({})", count(&there));
        let todo = "name an empty store, or say --merge";
        return Err(vec![Error::new(Trouble::Conflict, &place.to_string(), what, todo)]);
    }
    let mut known = Known::default();
    for record in there {
        known.is_there(record);
    }
    let (mut taken, mut wrong) = (Vec::new(), Vec::new());
    for (line, record) in records {
        match known.add(&record, line) {
            Ok(true) => taken.push(record),
            Ok(false) => {}
            Err(what) => wrong.push(bad_line(file, line, &what)),
        }
    }
    if !wrong.is_empty() {
        return Err(first_of(wrong, file));
    }
    let counts = count(&taken);
    let batch = Batch::of(taken.into_iter().map(|record| record::Write::Put(Box::new(record))));
    engine.commit(&batch).await.map_err(|error| vec![error])?;
    Ok(counts)
}

fn count(records: &[Record]) -> Counts {
    let mut counts = Counts::default();
    records.iter().for_each(|record| counts.add(kind_of(record), 1));
    counts
}

/// The records of a file with their lines.
fn read(file: &Path) -> Result<Vec<(usize, Record)>, Vec<Error>> {
    let unreadable = |error: &io::Error| {
        let name = file.display().to_string();
        vec![Error::new(
            Trouble::Away,
            &name,
            format!("cannot be read ({error})"),
            "name a file of \"stox store export\"",
        )]
    };
    let opened = File::open(file).map_err(|error| unreadable(&error))?;
    let mut reader = BufReader::new(opened);
    let (mut records, mut wrong, mut announced, mut number) = (Vec::new(), Vec::new(), None, 0);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let length = io::Read::take(&mut reader, LINE_BYTES).read_until(b'\n', &mut bytes);
        if length.map_err(|error| unreadable(&error))? == 0 {
            break;
        }
        number += 1;
        let whole = bytes.last() == Some(&b'\n');
        let line = match std::str::from_utf8(&bytes) {
            Ok(line) => line.trim_end(),
            Err(_) => {
                wrong.push(bad_line(file, number, "is not UTF-8"));
                continue;
            }
        };
        if number == 1 {
            match lines::read_head(line) {
                Ok(records) => announced = Some(records),
                Err(what) => return Err(vec![bad_line(file, number, &what)]),
            }
            continue;
        }
        match lines::read(line) {
            Ok(record) => records.push((number, record)),
            Err(_) if !whole => wrong.push(bad_line(file, number, "is not whole")),
            Err(what) => wrong.push(bad_line(file, number, &what)),
        }
    }
    let found = u64::try_from(records.len() + wrong.len()).unwrap_or(u64::MAX);
    match announced {
        None => wrong.push(bad_line(file, 1, "is missing")),
        Some(announced) if announced != found => {
            let what = format!("announces {announced} records, and {found} follow: the file is not whole");
            wrong.push(bad_line(file, 1, &what));
        }
        Some(_) => {}
    }
    if wrong.is_empty() { Ok(records) } else { Err(first_of(wrong, file)) }
}

fn bad_line(file: &Path, line: usize, what: &str) -> Error {
    let todo = "mend the line, or export anew; nothing was taken";
    Error::new(Trouble::Conflict, &format!("{}:{line}", file.display()), what, todo)
}

/// Not more than a person reads.
fn first_of(mut wrong: Vec<Error>, file: &Path) -> Vec<Error> {
    if wrong.len() > TOLD {
        let more = wrong.len() - TOLD;
        wrong.truncate(TOLD);
        let what = format!("{more} more lines cannot be taken");
        wrong.push(Error::new(Trouble::Conflict, &file.display().to_string(), what, "mend these first"));
    }
    wrong
}

/// What there is, by name and by what it is about.
#[derive(Default)]
struct Known {
    by_name: HashMap<(Kind, RecordId), From>,
    /// Two authorizations of one pair could contradict each other. By what they are about; 0: in the store.
    by_pair: HashMap<Pair, usize>,
}

/// Which way, the watcher, and the target.
type Pair = (record::Direction, String, String);

/// What an authorization is about that no other may be about. Of an XMPP user's that was refused only the last word to her
/// is kept, and she may have asked anew.
fn pair(record: &Record) -> Option<Pair> {
    let Record::Authorization(of) = record else { return None };
    let is_word = of.direction == record::Direction::ToSip && of.state == record::Authorization::Refused;
    (!is_word).then(|| (of.direction, of.watcher.clone(), of.target.clone()))
}

/// Where a record was found.
enum From {
    Store(Box<Record>),
    Line(usize),
}

impl Known {
    /// What is in the store is taken as it is.
    fn is_there(&mut self, record: Record) {
        if let Some(pair) = pair(&record) {
            self.by_pair.insert(pair, 0);
        }
        self.by_name.insert((kind_of(&record), id_of(&record)), From::Store(Box::new(record)));
    }

    /// Whether the record of this line is new.
    fn add(&mut self, record: &Record, line: usize) -> Result<bool, String> {
        let place = |line: usize| if line == 0 { "the store".to_owned() } else { format!("line {line}") };
        let name = (kind_of(record), id_of(record));
        match self.by_name.get(&name) {
            Some(From::Store(there)) if **there == *record => return Ok(false),
            Some(From::Store(_)) => return Err(format!("has the id of another record, of {}", place(0))),
            Some(From::Line(other)) => return Err(format!("has the id of another record, of {}", place(*other))),
            None => {}
        }
        if let Some((direction, watcher, target)) = pair(record)
            && let Some(other) = self.by_pair.insert((direction, watcher.clone(), target.clone()), line)
        {
            return Err(format!("is about {watcher} watching {target}, as {} is", place(other)));
        }
        self.by_name.insert(name, From::Line(line));
        Ok(true)
    }
}
