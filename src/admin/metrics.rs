//! OpenMetrics 1.0 text from plain numbers.

use std::fmt::Write;

/// The media type of [`text`]'s result.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// One number with its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The family's name, with `stox_` in front and without `_total`: `stox_messages`.
    pub name: &'static str,
    /// One sentence for the reader of a dashboard; samples of one name share it.
    pub help: &'static str,
    /// What kind of number it is; samples of one name share it.
    pub kind: Kind,
    /// Label names and values; values may be any text.
    pub labels: Vec<(&'static str, String)>,
    /// The number, in the unit that the name says.
    pub value: f64,
}

/// What kind of number a sample is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only rises while the process lives.
    Counter,
    /// It is what it is now.
    Gauge,
}

/// The samples as OpenMetrics text, families in the order in which they first appear.
pub(super) fn text(samples: &[Sample]) -> String {
    let mut out = String::with_capacity(64 * samples.len() + 64);
    let mut done: Vec<&str> = Vec::new();
    for first in samples {
        if done.contains(&first.name) {
            continue;
        }
        done.push(first.name);
        family(first, samples, &mut out);
    }
    out.push_str("# EOF\n");
    out
}

/// OpenMetrics wants the samples of a family together.
fn family(first: &Sample, samples: &[Sample], out: &mut String) {
    let (kind, suffix) = match first.kind {
        Kind::Counter => ("counter", "_total"),
        Kind::Gauge => ("gauge", ""),
    };
    for part in ["# TYPE ", first.name, " ", kind, "\n# HELP ", first.name, " "] {
        out.push_str(part);
    }
    escape(first.help, out);
    out.push('\n');
    for sample in samples.iter().filter(|s| s.name == first.name) {
        out.push_str(sample.name);
        out.push_str(suffix);
        for (at, (name, value)) in sample.labels.iter().enumerate() {
            out.push(if at == 0 { '{' } else { ',' });
            out.push_str(name);
            out.push_str("=\"");
            escape(value, out);
            out.push('"');
        }
        if !sample.labels.is_empty() {
            out.push('}');
        }
        // Writing into a String cannot fail.
        let _ = writeln!(out, " {}", sample.value);
    }
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}
