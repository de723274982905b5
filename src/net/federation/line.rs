//! What the federation wants of one stream, on its way to the task that carries it.

use std::collections::VecDeque;
use std::mem::take;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::xmpp::federation::Command;

/// Stanzas that may wait for a task that is busy, beside those that it has put into its buffers: a step of the shard or two.
const STANZAS: usize = 1_024;

/// Commands of one stream in order. While nothing waits it has no memory of its own, and a flush of many stanzas wakes the
/// task once.
#[derive(Debug, Default)]
pub(super) struct Line(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    commands: VecDeque<Command>,
    closes: bool,
    task: Option<Waker>,
}

impl Line {
    /// Adds a command.
    ///
    /// # Errors
    /// A stanza comes back when too many wait. What steers the stream always finds room: there is little of it.
    #[expect(clippy::result_large_err, reason = "it is given back whole, and most pushes succeed")]
    pub(super) fn push(&self, command: Command) -> Result<(), Command> {
        let mut waiting = self.waiting();
        if matches!(command, Command::Send(_)) && waiting.commands.len() >= STANZAS {
            return Err(command);
        }
        waiting.closes |= matches!(command, Command::Close(_));
        waiting.commands.push_back(command);
        if let Some(task) = waiting.task.take() {
            task.wake();
        }
        Ok(())
    }

    /// All that waits, once there is something.
    pub(super) fn poll_take(&self, cx: &Context<'_>) -> Poll<VecDeque<Command>> {
        let mut waiting = self.waiting();
        if waiting.commands.is_empty() {
            waiting.task = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(take(&mut waiting.commands))
    }

    /// Waits until the stream is to be closed. What waits stays.
    pub(super) fn poll_closes(&self, cx: &Context<'_>) -> Poll<()> {
        let mut waiting = self.waiting();
        if waiting.closes {
            return Poll::Ready(());
        }
        waiting.task = Some(cx.waker().clone());
        Poll::Pending
    }

    /// All that waits now.
    pub(super) fn take(&self) -> VecDeque<Command> {
        take(&mut self.waiting().commands)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::xmpp::federation::Pair;
    use crate::xmpp::jid::Jid;
    use crate::xmpp::stanza::{Iq, Stanza};

    fn stanza() -> Command {
        let jid = Jid::parse("a.example").unwrap();
        Command::Send(Stanza::Iq(Iq::ping(jid.clone(), jid, "1".to_owned())))
    }

    #[test]
    fn stanzas_find_so_much_room_and_what_steers_the_stream_always() {
        let line = Line::default();
        let taken = (0..2 * STANZAS).filter(|_| line.push(stanza()).is_ok()).count();
        assert_eq!(taken, STANZAS);
        assert_eq!(line.push(Command::Prove(Pair::new("a.example", "b.example"))), Ok(()));
        assert_eq!(line.take().len(), STANZAS + 1);
        assert_eq!(line.push(stanza()), Ok(()));
    }

    #[test]
    fn an_order_to_close_is_seen_while_the_rest_waits() {
        let line = Line::default();
        let cx = Context::from_waker(Waker::noop());
        line.push(stanza()).unwrap();
        assert!(line.poll_closes(&cx).is_pending());
        line.push(Command::Close(None)).unwrap();
        assert!(line.poll_closes(&cx).is_ready());
        assert!(matches!(line.poll_take(&cx), Poll::Ready(commands) if commands.len() == 2));
        assert!(line.poll_take(&cx).is_pending());
    }
}
