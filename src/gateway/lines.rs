//! One pending at a time between two people, the others in line behind it.
//!
//! RFC 3428 section 8: a user agent must not have a second MESSAGE outside a dialog pending to the same address. The
//! line keeps the order that RFC 6120 section 10.1 asks for, and it is bounded twice: per pair, so that one slow phone
//! costs only its own correspondents, and over all, so that memory has an end.

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
    lines: HashMap<Pair, VecDeque<T>>,
    waiting: usize,
    per_pair: usize,
    in_all: usize,
}

impl<T> Lines<T> {
    /// Lines of at most `per_pair` waiting, and `in_all` waiting or pending together.
    pub(super) fn new(per_pair: usize, in_all: usize) -> Self {
        Self { lines: HashMap::new(), waiting: 0, per_pair, in_all }
    }

    /// `item` comes to the line of `pair`.
    pub(super) fn enter(&mut self, pair: &Pair, item: T) -> Entered<T> {
        if self.waiting + self.lines.len() >= self.in_all {
            return Entered::Full(item);
        }
        let Some(line) = self.lines.get_mut(pair) else {
            self.lines.insert(pair.clone(), VecDeque::new());
            return Entered::Turn(item);
        };
        if line.len() >= self.per_pair {
            return Entered::Full(item);
        }
        line.push_back(item);
        self.waiting += 1;
        Entered::Waits
    }

    /// The pending one of `pair` is done; whose turn is it?
    pub(super) fn next(&mut self, pair: &Pair) -> Option<T> {
        let line = self.lines.get_mut(pair)?;
        let item = line.pop_front();
        match item {
            Some(_) => self.waiting -= 1,
            None => {
                self.lines.remove(pair);
            }
        }
        item
    }

    /// The line of `pair` is closed: everything that waited in it.
    pub(super) fn close(&mut self, pair: &Pair) -> VecDeque<T> {
        let line = self.lines.remove(pair).unwrap_or_default();
        self.waiting -= line.len();
        line
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

    #[test]
    fn the_first_goes_the_others_wait_in_order() {
        let mut lines = Lines::new(10, 100);
        let pair = Pair::new("juliet@xmpp.example", "romeo@sip.example");
        assert_eq!(lines.enter(&pair, 1), Entered::Turn(1));
        assert_eq!(lines.enter(&pair, 2), Entered::Waits);
        assert_eq!(lines.enter(&pair, 3), Entered::Waits);
        assert_eq!((lines.next(&pair), lines.next(&pair), lines.next(&pair)), (Some(2), Some(3), None));
        assert_eq!(lines.enter(&pair, 4), Entered::Turn(4));
    }

    #[test]
    fn pairs_do_not_wait_for_each_other() {
        let mut lines = Lines::new(1, 100);
        assert_eq!(lines.enter(&Pair::new("a", "b"), 1), Entered::Turn(1));
        assert_eq!(lines.enter(&Pair::new("a", "c"), 2), Entered::Turn(2));
        assert_eq!(lines.enter(&Pair::new("b", "a"), 3), Entered::Turn(3));
    }

    #[test]
    fn a_full_line_and_a_full_house_are_told() {
        let mut lines = Lines::new(1, 3);
        let pair = Pair::new("a", "b");
        assert_eq!(lines.enter(&pair, 1), Entered::Turn(1));
        assert_eq!(lines.enter(&pair, 2), Entered::Waits);
        assert_eq!(lines.enter(&pair, 3), Entered::Full(3));
        assert_eq!(lines.enter(&Pair::new("a", "c"), 4), Entered::Turn(4));
        assert_eq!(lines.enter(&Pair::new("a", "d"), 5), Entered::Full(5));
        assert_eq!(lines.close(&pair), [2]);
        assert_eq!((lines.waiting(), lines.pending()), (0, 1));
    }
}
