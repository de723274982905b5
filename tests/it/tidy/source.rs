//! Rust files as text: what is code in them, which of it is tests, what they import, how long their functions are.
//!
//! No parser: it leans on rustfmt's layout and on comments and literals being blanked first.

/// One file.
pub(super) struct Source {
    /// From the root of the project, with `/`.
    pub(super) path: String,
    /// All of it, comments and literals as spaces.
    pub(super) code: String,
    /// The same without `#[cfg(test)]` items; empty if the file is nothing but tests.
    pub(super) product: String,
    /// As it stands.
    pub(super) text: String,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let code = blank(text);
        let only_tests = path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs");
        let product = if only_tests { String::new() } else { without_tests(&code) };
        Self { path: path.to_owned(), code, product, text: text.to_owned() }
    }

    /// Its module path: `src/sip/message/mod.rs` is `["sip", "message"]`, `src/lib.rs` and `src/main.rs` are `[]`,
    /// `tests/it/jid.rs` is `["it", "jid"]`.
    pub(super) fn module(&self) -> Vec<String> {
        let path = self.path.trim_end_matches(".rs");
        let path = path.strip_prefix("src/").or_else(|| path.strip_prefix("tests/")).unwrap_or(path);
        let parts = path.split('/').map(str::to_owned);
        let mut parts: Vec<String> = parts.collect();
        if parts.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
            parts.pop();
        }
        parts
    }

    /// Names of all tests in it, with the modules they stand in.
    pub(super) fn tests(&self) -> Vec<String> {
        let marks = ["#[test]", "#[tokio::test"].into_iter().flat_map(|mark| find_all(&self.code, mark));
        let name = |at: usize| {
            let at = at + word_in(&self.code[at..], "fn")? + 2;
            let mut path = self.module();
            path.extend(self.modules_around(at));
            path.push(ident(self.code[at..].trim_start()).to_owned());
            Some(path.join("::"))
        };
        marks.filter_map(name).collect()
    }

    /// The modules written out in the file that a place stands in.
    fn modules_around(&self, place: usize) -> Vec<String> {
        let named = words(&self.code, "mod").filter_map(|at| {
            let rest = self.code[at + 3..].trim_start();
            let name = ident(rest);
            let open = self.code.len() - rest.len() + name.len();
            let open = open + self.code[open..].len() - self.code[open..].trim_start().len();
            let inside = self.code[open..].starts_with('{') && (open..closing(&self.code, open)).contains(&place);
            inside.then(|| name.to_owned())
        });
        named.collect()
    }

    /// Every path that begins with one of `roots`, a `use` tree giving each of its leaves; with its place.
    pub(super) fn paths(&self, code: &str, roots: &[&str]) -> Vec<(usize, Vec<String>)> {
        let mut found = Vec::new();
        for root in roots {
            for at in words(code, root).filter(|at| !code[..*at].trim_end().ends_with("::")) {
                let mut paths = Vec::new();
                path_tree(&code[at..], &mut Vec::new(), &mut paths);
                found.extend(paths.into_iter().filter(|path| path.len() > 1).map(|path| (at, path)));
            }
        }
        found
    }

    /// The top-level modules of our own that it names: line and name.
    pub(super) fn imports(&self) -> Vec<(usize, String)> {
        let named = self.paths(&self.code, &["crate", "stox", "super"]).into_iter().filter_map(|(at, path)| {
            let ups = path.iter().take_while(|part| *part == "super").count();
            let is_inside = ups > 0 && ups < self.module().len() + self.modules_around(at).len();
            let top = path.get(ups.max(1)).filter(|_| !is_inside)?;
            Some((line(&self.code, at), top.clone()))
        });
        named.collect()
    }

    /// Functions longer than `most` lines: line, name, length.
    pub(super) fn long_functions(&self, most: usize) -> Vec<(usize, String, usize)> {
        let long = words(&self.code, "fn").filter_map(|at| {
            let name = ident(self.code[at + 2..].trim_start());
            let open = at + body(&self.code[at..])?;
            let lines = 1 + self.code[at..closing(&self.code, open)].matches('\n').count();
            (!name.is_empty() && lines > most).then(|| (line(&self.code, at), name.to_owned(), lines))
        });
        long.collect()
    }
}

/// Comments and literals become spaces; lines stay.
fn blank(text: &str) -> String {
    let (bytes, mut out, mut at) = (text.as_bytes(), String::with_capacity(text.len()), 0);
    while at < bytes.len() {
        let end = at + literal(&bytes[at..], at.checked_sub(1).map(|before| bytes[before]));
        if end == at {
            out.push(if bytes[at].is_ascii() { char::from(bytes[at]) } else { '?' });
            at += 1;
        } else {
            out.extend(bytes[at..end].iter().map(|byte| if *byte == b'\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

/// How many bytes of a comment, a string or a character literal begin here; 0 if none.
fn literal(bytes: &[u8], before: Option<u8>) -> usize {
    let until = |end: &[u8], from: usize| {
        let found = bytes[from..].windows(end.len()).position(|window| window == end);
        found.map_or(bytes.len(), |found| from + found + end.len())
    };
    match bytes {
        [b'/', b'/', ..] => until(b"\n", 0),
        [b'/', b'*', ..] => until(b"*/", 2),
        [b'"', ..] => quoted(bytes, b'"'),
        [b'r', b'"' | b'#', ..] if !before.is_some_and(|byte| byte.is_ascii_alphanumeric() && byte != b'b') => {
            let hashes = bytes[1..].iter().take_while(|byte| **byte == b'#').count();
            let end = [b"\"".to_vec(), vec![b'#'; hashes]].concat();
            if bytes.get(1 + hashes) == Some(&b'"') { until(&end, 2 + hashes) } else { 0 }
        }
        [b'\'', b'\\', ..] => quoted(bytes, b'\''),
        [b'\'', first, ..] => {
            let width = match first {
                0..=0x7f => 1,
                0x80..=0xdf => 2,
                0xe0..=0xef => 3,
                _ => 4,
            };
            // Otherwise it is a lifetime.
            if bytes.get(1 + width) == Some(&b'\'') { 2 + width } else { 0 }
        }
        _ => 0,
    }
}

fn quoted(bytes: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

/// Items behind `#[cfg(test)]` become spaces.
fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    for at in find_all(code, "#[cfg(test)]") {
        let rest = &code[at..];
        let end = match (rest.find('{'), rest.find(';')) {
            (Some(open), semicolon) if semicolon.is_none_or(|semicolon| open < semicolon) => closing(code, at + open),
            (_, Some(semicolon)) => at + semicolon,
            (_, None) => code.len(),
        };
        let blanks: String = code[at..end].chars().map(|c| if c == '\n' { c } else { ' ' }).collect();
        out.replace_range(at..end, &blanks);
    }
    out
}

/// Where the brace that opens at `open` is closed.
fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

/// Where the body of a function opens, counted from its `fn`; none if it is only declared.
fn body(code: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate() {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(at),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// Reads a path, or the tree of a `use`; what is left of the text.
fn path_tree<'a>(code: &'a str, prefix: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    let length = prefix.len();
    let mut rest = code.trim_start();
    loop {
        let name = ident(rest);
        prefix.push(if name.is_empty() { "*".to_owned() } else { name.to_owned() });
        rest = rest[name.len()..].trim_start();
        let Some(after) = rest.strip_prefix("::") else { break };
        rest = after.trim_start();
        if let Some(inside) = rest.strip_prefix('{') {
            rest = branches(inside, prefix, found);
            prefix.truncate(length);
            return rest;
        }
        if !rest.starts_with(|c: char| is_word(c) || c == '*') {
            break;
        }
    }
    found.push(prefix.clone());
    prefix.truncate(length);
    rest
}

fn branches<'a>(inside: &'a str, prefix: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    let mut rest = inside.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '}' {
            return &rest[1..];
        }
        let after = path_tree(rest, prefix, found);
        let next = after.find([',', '}']).unwrap_or(after.len());
        rest = after[next..].trim_start_matches(',').trim_start();
    }
    rest
}

/// Places of `word` standing alone.
pub(super) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let free = move |at: &usize| {
        let (before, after) = (code[..*at].chars().next_back(), code[at + word.len()..].chars().next());
        let starts_with_word = word.starts_with(is_word);
        let ends_with_word = word.ends_with(is_word);
        !(starts_with_word && before.is_some_and(is_word) || ends_with_word && after.is_some_and(is_word))
    };
    find_all(code, word).into_iter().filter(free)
}

fn word_in(code: &str, word: &str) -> Option<usize> {
    words(code, word).next()
}

fn find_all(code: &str, what: &str) -> Vec<usize> {
    code.match_indices(what).map(|(at, _)| at).collect()
}

fn ident(code: &str) -> &str {
    &code[..code.find(|c| !is_word(c)).unwrap_or(code.len())]
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The line of a place, from 1.
pub(super) fn line(code: &str, at: usize) -> usize {
    1 + code[..at].matches('\n').count()
}
