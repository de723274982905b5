//! Outputs that wait for a commit.

use std::collections::VecDeque;

use tokio::time::Instant;

/// Outputs in their order, each with the submission that has to be durable before it may leave. An output of a step without
/// writes waits for the one before it, so order is total.
#[derive(Debug)]
pub(super) struct Held<T> {
    steps: VecDeque<(u64, Vec<T>)>,
    outputs: usize,
    /// Since when nothing has become durable.
    since: Option<Instant>,
    /// So many of the steps, from the first, hold only what depends on the store.
    sorted: usize,
}

impl<T> Held<T> {
    pub(super) fn new() -> Self {
        Self { steps: VecDeque::new(), outputs: 0, since: None, sorted: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// How many outputs wait.
    pub(super) fn len(&self) -> usize {
        self.outputs
    }

    /// Since when nothing has become durable that is waited for.
    pub(super) fn since(&self) -> Option<Instant> {
        self.since
    }

    /// Holds `outputs` until `submission` is durable; `None`: until whatever already waits is.
    pub(super) fn hold(&mut self, submission: Option<u64>, outputs: &mut Vec<T>) {
        self.outputs += outputs.len();
        match (submission, self.steps.back_mut()) {
            (None, Some((_, waiting))) => waiting.append(outputs),
            (None, None) => debug_assert!(outputs.is_empty(), "nothing to wait for"),
            (Some(submission), _) => {
                self.since.get_or_insert_with(Instant::now);
                self.steps.push_back((submission, std::mem::take(outputs)));
            }
        }
    }

    /// Takes what may leave now that everything up to `committed` is durable.
    pub(super) fn release(&mut self, committed: u64, into: &mut Vec<T>) {
        let before = self.steps.len();
        while let Some((_, outputs)) = self.steps.pop_front_if(|(submission, _)| *submission <= committed) {
            self.outputs -= outputs.len();
            into.extend(outputs);
        }
        let left = before - self.steps.len();
        if left > 0 {
            self.sorted = self.sorted.saturating_sub(left);
            self.since = (!self.steps.is_empty()).then(Instant::now);
        }
    }

    /// Takes what does not depend on the store: it may leave although that does not answer. The rest keeps its order.
    pub(super) fn let_by(&mut self, depends: impl Fn(&T) -> bool, into: &mut Vec<T>) {
        for (_, outputs) in self.steps.iter_mut().skip(self.sorted) {
            let before = into.len();
            into.extend(outputs.extract_if(.., |output| !depends(output)));
            self.outputs -= into.len() - before;
        }
        // The last may get more.
        self.sorted = self.steps.len().saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_before_its_commit_and_order_is_kept() {
        let mut held = Held::new();
        held.hold(Some(1), &mut vec!["a"]);
        held.hold(None, &mut vec!["b"]);
        held.hold(Some(2), &mut vec!["c"]);
        held.hold(None, &mut vec!["d"]);
        let mut out = Vec::new();
        held.release(0, &mut out);
        assert!(out.is_empty() && held.len() == 4);
        held.release(1, &mut out);
        assert_eq!(out, ["a", "b"]);
        assert!(held.since().is_some());
        held.release(7, &mut out);
        assert_eq!(out, ["a", "b", "c", "d"]);
        assert!(held.is_empty() && held.outputs == 0 && held.since().is_none());
    }

    #[test]
    fn only_what_does_not_depend_is_let_by() {
        let depends = |output: &&str| output.starts_with('!');
        let mut held = Held::new();
        held.hold(Some(1), &mut vec!["!a", "b", "!c"]);
        let mut out = Vec::new();
        held.let_by(depends, &mut out);
        held.hold(None, &mut vec!["d", "!e"]);
        held.hold(Some(2), &mut vec!["f", "!g"]);
        held.let_by(depends, &mut out);
        held.hold(None, &mut vec!["h"]);
        held.let_by(depends, &mut out);
        assert_eq!(out, ["b", "d", "f", "h"]);
        assert_eq!(held.len(), 4);
        out.clear();
        held.release(1, &mut out);
        assert_eq!(out, ["!a", "!c", "!e"]);
        held.hold(None, &mut vec!["i"]);
        held.let_by(depends, &mut out);
        held.release(2, &mut out);
        assert_eq!(out, ["!a", "!c", "!e", "i", "!g"]);
        assert!(held.is_empty());
    }

    #[test]
    fn a_step_without_outputs_holds_up_those_behind_it() {
        let mut held = Held::new();
        held.hold(Some(1), &mut Vec::new());
        assert!(!held.is_empty());
        held.hold(None, &mut vec!["a"]);
        let mut out = Vec::new();
        held.release(1, &mut out);
        assert_eq!(out, ["a"]);
    }
}
