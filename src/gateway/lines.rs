//! One pending at a time between two people, the others in line behind it.
//!
//! RFC 3428 section 8: a user agent must not have a second MESSAGE outside a dialog pending to the same address. The
//! line keeps the order that RFC 6120 section 10.1 asks for, and it is bounded twice: per pair, so that one slow phone
//! costs only its own correspondents, and over all, in messages and in bytes, so that memory has an end.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// The two bare addresses of a direction, as one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Pair(Arc<str>);

impl Pair {
    /// From `from` to `to`; neither can contain U+0000 (RFC 7622 section 3).
    pub(super) fn new(from: &str, to: &str) -> Self {
        let mut key = String::with_capacity(from.len() + to.len() + 1);
        key.push_str(from);
        key.push('\0');
        key.push_str(to);
        Self(key.into())
    }
}

/// What became of somebody who came to a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entered<T> {
    /// Nobody is pending: it is its turn.
    Turn(T),
    /// It waits behind others.
    Waits,
    /// The line, or the sum of all lines, is full.
    Full(T),
}

/// All lines. A pair has an entry exactly while something of it is pending.
#[derive(Debug)]
pub(super) struct Lines<T> {
    lines: HashMap<Pair, Line<T>>,
    waiting: usize,
    bytes: usize,
    most: Most,
}

/// The line of one pair.
#[derive(Debug)]
struct Line<T> {
    /// Bytes of the pending one.
    pending: usize,
    waiting: VecDeque<(usize, T)>,
}

/// What the lines may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Most {
    /// Waiting in one line.
    pub(super) per_pair: usize,
    /// Waiting or pending, in all lines.
    pub(super) in_all: usize,
    /// Bytes of those.
    pub(super) bytes: usize,
}

impl<T> Lines<T> {
    /// No lines yet.
    pub(super) fn new(most: Most) -> Self {
        Self { lines: HashMap::new(), waiting: 0, bytes: 0, most }
    }

    /// `item` of so many bytes comes to the line of `pair`.
    pub(super) fn enter(&mut self, pair: &Pair, item: T, bytes: usize) -> Entered<T> {
        if self.waiting + self.lines.len() >= self.most.in_all || self.bytes + bytes > self.most.bytes {
            return Entered::Full(item);
        }
        let Some(line) = self.lines.get_mut(pair) else {
            self.bytes += bytes;
            self.lines.insert(pair.clone(), Line { pending: bytes, waiting: VecDeque::new() });
            return Entered::Turn(item);
        };
        if line.waiting.len() >= self.most.per_pair {
            return Entered::Full(item);
        }
        self.bytes += bytes;
        line.waiting.push_back((bytes, item));
        self.waiting += 1;
        Entered::Waits
    }

    /// The pending one of `pair` is done; whose turn is it?
    pub(super) fn next(&mut self, pair: &Pair) -> Option<T> {
        let line = self.lines.get_mut(pair)?;
        self.bytes -= line.pending;
        let Some((bytes, item)) = line.waiting.pop_front() else {
            self.lines.remove(pair);
            return None;
        };
        line.pending = bytes;
        self.waiting -= 1;
        Some(item)
    }

    /// The line of `pair` is closed: everything that waited in it.
    pub(super) fn close(&mut self, pair: &Pair) -> Vec<T> {
        let Some(line) = self.lines.remove(pair) else { return Vec::new() };
        self.waiting -= line.waiting.len();
        self.bytes -= line.pending + line.waiting.iter().map(|(bytes, _)| bytes).sum::<usize>();
        line.waiting.into_iter().map(|(_, item)| item).collect()
    }

    /// How many wait, over all pairs.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Pairs with something pending.
    pub(super) fn pending(&self) -> usize {
        self.lines.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(per_pair: usize, in_all: usize) -> Lines<u32> {
        Lines::new(Most { per_pair, in_all, bytes: 1_000 })
    }

    #[test]
    fn the_first_goes_the_others_wait_in_order() {
        let mut lines = lines(10, 100);
        let pair = Pair::new("juliet@xmpp.example", "romeo@sip.example");
        assert_eq!(lines.enter(&pair, 1, 10), Entered::Turn(1));
        assert_eq!(lines.enter(&pair, 2, 10), Entered::Waits);
        assert_eq!(lines.enter(&pair, 3, 10), Entered::Waits);
        assert_eq!((lines.next(&pair), lines.next(&pair), lines.next(&pair)), (Some(2), Some(3), None));
        assert_eq!(lines.enter(&pair, 4, 10), Entered::Turn(4));
    }

    #[test]
    fn pairs_do_not_wait_for_each_other() {
        let mut lines = lines(1, 100);
        assert_eq!(lines.enter(&Pair::new("a", "b"), 1, 10), Entered::Turn(1));
        assert_eq!(lines.enter(&Pair::new("a", "c"), 2, 10), Entered::Turn(2));
        assert_eq!(lines.enter(&Pair::new("b", "a"), 3, 10), Entered::Turn(3));
    }

    #[test]
    fn a_full_line_and_a_full_house_are_told() {
        let mut lines = lines(1, 3);
        let pair = Pair::new("a", "b");
        assert_eq!(lines.enter(&pair, 1, 10), Entered::Turn(1));
        assert_eq!(lines.enter(&pair, 2, 10), Entered::Waits);
        assert_eq!(lines.enter(&pair, 3, 10), Entered::Full(3));
        assert_eq!(lines.enter(&Pair::new("a", "c"), 4, 10), Entered::Turn(4));
        assert_eq!(lines.enter(&Pair::new("a", "d"), 5, 10), Entered::Full(5));
        assert_eq!(lines.close(&pair), [2]);
        assert_eq!((lines.waiting(), lines.pending()), (0, 1));
    }

    #[test]
    fn bytes_are_counted_from_the_first_that_comes_to_the_last_that_goes() {
        let mut lines = lines(10, 100);
        let (a, b) = (Pair::new("a", "b"), Pair::new("b", "a"));
        assert_eq!(lines.enter(&a, 1, 400), Entered::Turn(1));
        assert_eq!(lines.enter(&a, 2, 500), Entered::Waits);
        assert_eq!(lines.enter(&b, 3, 101), Entered::Full(3));
        assert_eq!(lines.enter(&b, 4, 100), Entered::Turn(4));
        assert_eq!(lines.next(&a), Some(2));
        assert_eq!(lines.enter(&a, 5, 401), Entered::Full(5));
        assert_eq!(lines.enter(&a, 6, 400), Entered::Waits);
        assert_eq!(lines.close(&a), [6]);
        assert_eq!((lines.next(&b), lines.bytes), (None, 0));
    }
}
