//! The thread of a store, and what it is handed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tracing::{error, info, warn};

use super::batch::Batch;
use super::engine::{Access, Engine};
use super::error::{Error, Trouble};
use super::place::Place;
use super::stats::{Counts, View};
use crate::gateway::record::{Record, Write};

/// How soon a commit that failed is tried again: twice as long each time, up to the second. A database that comes back is
/// used within that, and one that is gone is not hammered.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How far a store is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// The writes of all submissions up to this number are durable.
    pub committed: u64,
    /// What is wrong; commits are tried again unless it is [`Trouble::TakenOver`].
    pub trouble: Option<Error>,
}

/// An open store.
pub struct Store {
    shared: Arc<Shared>,
    progress: watch::Receiver<Progress>,
    /// Says when the thread has ended; `None`: there is none.
    thread: Option<oneshot::Receiver<()>>,
}

struct Shared {
    state: Mutex<State>,
    arrived: Notify,
    progress: watch::Sender<Progress>,
}

#[derive(Default)]
struct State {
    batch: Batch,
    submitted: u64,
    read: Option<mpsc::Sender<Piece>>,
    closing: bool,
    /// Since when a commit has been under way, over all its tries.
    committing: Option<Instant>,
    view: View,
}

/// What the thread does next.
enum Task {
    Read(mpsc::Sender<Piece>),
    Commit(Batch, u64),
    Close,
}

/// Part of what is in the store.
enum Piece {
    Records(Vec<Record>),
    /// There is no more, or it cannot be read.
    End(Result<(), Error>),
}

/// Pieces that are read before they are asked for.
const PIECES_AHEAD: usize = 4;

/// What is in a store, on its way.
pub struct Reading {
    place: String,
    /// `None`: there is no more.
    pieces: Option<mpsc::Receiver<Piece>>,
}

impl Reading {
    /// Some more records, authorizations first; `None` after the last.
    ///
    /// # Errors
    /// What cannot be read, and why. Then there is no more.
    pub async fn next(&mut self) -> Result<Option<Vec<Record>>, Error> {
        let Some(pieces) = &mut self.pieces else { return Ok(None) };
        let end = match pieces.recv().await {
            Some(Piece::Records(records)) => return Ok(Some(records)),
            Some(Piece::End(end)) => end,
            None => Err(ended(&self.place)),
        };
        self.pieces = None;
        end.map(|()| None)
    }
}

impl Store {
    /// Opens the store at `place`, makes its tables or brings them up to date, and makes it ours alone.
    ///
    /// # Errors
    /// Whatever keeps it from being used.
    pub async fn open(place: &Place) -> Result<Self, Error> {
        let (progress, receiver) = watch::channel(Progress::default());
        let view = View { place: place.to_string(), ..View::default() };
        let state = Mutex::new(State { view, ..State::default() });
        let shared = Arc::new(Shared { state, arrived: Notify::new(), progress });
        if matches!(place, Place::Memory) {
            return Ok(Self { shared, progress: receiver, thread: None });
        }
        let (opened, open) = oneshot::channel();
        let (end, ended) = oneshot::channel::<()>();
        let (theirs, place_there) = (Arc::clone(&shared), place.clone());
        let failed =
            |what: String| Error::new(Trouble::Away, &place.to_string(), what, "look at the limits of the process");
        let thread = std::thread::Builder::new().name("stox-store".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match runtime {
                Ok(runtime) => runtime.block_on(keep(&place_there, theirs, opened)),
                Err(error) => warn!(%error, "the store's runtime could not be started"),
            }
            drop(end);
        });
        thread.map_err(|error| failed(format!("its thread could not be started ({error})")))?;
        open.await.unwrap_or_else(|_| Err(failed("its thread ended".to_owned())))?;
        Ok(Self { shared, progress: receiver, thread: Some(ended) })
    }

    /// Every record, authorizations first.
    ///
    /// # Errors
    /// What cannot be read, and why.
    pub async fn load(&self) -> Result<Vec<Record>, Error> {
        let (mut reading, mut records) = (self.read(), Vec::new());
        while let Some(piece) = reading.next().await? {
            records.extend(piece);
        }
        Ok(records)
    }

    /// The same in pieces. The thread reads on while one is worked at, and not far, so that it takes little memory.
    #[must_use]
    pub fn read(&self) -> Reading {
        let (to, pieces) = mpsc::channel(PIECES_AHEAD);
        let mut state = self.shared.lock();
        let place = state.view.place.clone();
        if self.thread.is_none() {
            return Reading { place, pieces: None };
        }
        state.read = Some(to);
        drop(state);
        self.shared.arrived.notify_one();
        Reading { place, pieces: Some(pieces) }
    }

    /// Hands over the writes of one step; the number by which [`Progress::committed`] will tell of them. Writes are committed
    /// in the order of their submission, those of one record as one.
    pub fn submit(&self, writes: impl IntoIterator<Item = Write>) -> u64 {
        let mut state = self.shared.lock();
        state.submitted += 1;
        let number = state.submitted;
        if self.thread.is_none() {
            drop(state);
            // Ends what the iterator may hold on to.
            writes.into_iter().for_each(drop);
            self.shared.progress.send_modify(|progress| progress.committed = number);
            return number;
        }
        writes.into_iter().for_each(|write| state.batch.add(write));
        drop(state);
        self.shared.arrived.notify_one();
        number
    }

    /// How far it is, and a way to wait for more.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// [`submit`](Self::submit), and waits until that is durable.
    ///
    /// # Errors
    /// [`Trouble::TakenOver`]; whatever else is wrong is waited for.
    pub async fn commit(&self, writes: impl IntoIterator<Item = Write>) -> Result<(), Error> {
        let number = self.submit(writes);
        let mut progress = self.progress();
        let over = |progress: &Progress| {
            let taken = progress.trouble.as_ref().is_some_and(|error| error.trouble == Trouble::TakenOver);
            progress.committed >= number || taken
        };
        let place = self.view().place;
        let reached = progress.wait_for(over).await.map_err(|_| ended(&place))?;
        match &reached.trouble {
            Some(error) if reached.committed < number => Err(error.clone()),
            Some(_) | None => Ok(()),
        }
    }

    /// How it is doing.
    #[must_use]
    pub fn view(&self) -> View {
        self.shared.view()
    }

    /// The same, for whoever does not have the store itself.
    pub fn viewer(&self) -> impl Fn() -> View + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move || shared.view()
    }

    /// Commits what is left, if that succeeds at once, and gives the store up.
    pub async fn close(mut self) {
        self.end();
        if let Some(ended) = self.thread.take() {
            // An error is the sign: the thread has dropped its end.
            let _ = ended.await;
        }
    }

    fn end(&self) {
        self.shared.lock().closing = true;
        self.shared.arrived.notify_one();
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.end();
    }
}

fn ended(place: &str) -> Error {
    Error::new(Trouble::Away, place, "it has been closed", "start anew")
}

impl Shared {
    /// What is inside is plain values, whole after each statement, so a panic elsewhere has broken nothing.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn view(&self) -> View {
        let progress = self.progress.borrow().clone();
        let state = self.lock();
        let waiting = state.committing.map_or(Duration::ZERO, |since| since.elapsed());
        View {
            trouble: progress.trouble.map(|error| error.to_string()).unwrap_or_default(),
            pending: state.submitted.saturating_sub(progress.committed),
            waiting_millis: u64::try_from(waiting.as_millis()).unwrap_or(u64::MAX),
            ..state.view.clone()
        }
    }

    async fn next(&self) -> Task {
        loop {
            // Made before the look, so that what comes in between is not missed.
            let arrived = self.arrived.notified();
            {
                let mut state = self.lock();
                if let Some(to) = state.read.take() {
                    return Task::Read(to);
                }
                // A submission may be empty: it is durable when all before it are.
                if state.submitted > self.progress.borrow().committed {
                    state.committing = Some(Instant::now());
                    return Task::Commit(std::mem::take(&mut state.batch), state.submitted);
                }
                if state.closing {
                    return Task::Close;
                }
            }
            arrived.await;
        }
    }

    fn is_closing(&self) -> bool {
        self.lock().closing
    }

    fn set_counts(&self, counts: Counts) {
        self.lock().view.counts = counts;
    }

    fn trouble(&self, error: &Error) {
        self.lock().view.failed += 1;
        self.progress.send_if_modified(|progress| {
            let new = progress.trouble.as_ref() != Some(error);
            if new {
                progress.trouble = Some(error.clone());
            }
            new
        });
    }

    fn recovered(&self) {
        if self.progress.send_if_modified(|progress| progress.trouble.take().is_some()) {
            info!("the store is back");
        }
    }
}

/// The life of the thread.
async fn keep(place: &Place, shared: Arc<Shared>, opened: oneshot::Sender<Result<(), Error>>) {
    let mut engine = match open(place, &shared).await {
        Ok(engine) => engine,
        Err(error) => {
            // Whoever asked is told, or has gone.
            let _ = opened.send(Err(error));
            return;
        }
    };
    let _ = opened.send(Ok(()));
    loop {
        let task = match engine.tend_every() {
            None => shared.next().await,
            Some(every) => match tokio::time::timeout(every, shared.next()).await {
                Ok(task) => task,
                Err(_) => match tend(&mut engine, &shared).await {
                    Ok(()) => continue,
                    Err(_) => return,
                },
            },
        };
        match task {
            Task::Read(to) => read(&mut engine, &to).await,
            Task::Commit(batch, number) => {
                if commit(&mut engine, &shared, batch, number).await.is_err() {
                    return;
                }
            }
            Task::Close => {
                engine.close().await;
                return;
            }
        }
    }
}

/// Reads everything for whoever waits for it, or has gone.
async fn read(engine: &mut Engine, to: &mpsc::Sender<Piece>) {
    let read = engine
        .load(async |records| {
            let _ = to.send(Piece::Records(records)).await;
        })
        .await;
    let _ = to.send(Piece::End(read)).await;
}

async fn open(place: &Place, shared: &Shared) -> Result<Engine, Error> {
    let mut engine = Engine::open(place, Access::Own).await?;
    shared.set_counts(engine.counts().await?);
    Ok(engine)
}

/// Keeps the store ours while nothing is written.
async fn tend(engine: &mut Engine, shared: &Shared) -> Result<(), Error> {
    match engine.tend().await {
        Ok(()) => shared.recovered(),
        Err(error) => {
            shared.trouble(&error);
            if error.trouble == Trouble::TakenOver {
                error!("{error}");
                return Err(error);
            }
            warn!("{error}");
        }
    }
    Ok(())
}

/// Commits the batch, however long that takes. Fails only where it never will succeed, or the store is to be closed.
async fn commit(engine: &mut Engine, shared: &Shared, mut batch: Batch, mut number: u64) -> Result<(), Error> {
    let mut pause = RETRY.0;
    loop {
        let began = Instant::now();
        match engine.commit(&batch).await {
            Ok(changed) => {
                let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                let mut state = shared.lock();
                state.committing = None;
                let view = &mut state.view;
                view.counts = view.counts.after(changed.added, changed.removed);
                view.commits += 1;
                view.changes += u64::try_from(batch.len()).unwrap_or(u64::MAX);
                view.micros += took;
                view.slowest_micros = view.slowest_micros.max(took);
                drop(state);
                shared.recovered();
                shared.progress.send_modify(|progress| progress.committed = number);
                return Ok(());
            }
            Err(error) => {
                shared.trouble(&error);
                let taken = error.trouble == Trouble::TakenOver;
                if taken || shared.is_closing() {
                    error!("{error}");
                    return Err(error);
                }
                warn!("{error}; what depends on it waits, and it is tried again");
            }
        }
        // What has come meanwhile goes along, so that nothing gathers in two places.
        let closing = async {
            while !shared.is_closing() {
                shared.arrived.notified().await
            }
        };
        let _ = tokio::time::timeout(pause, closing).await;
        pause = (pause * 2).min(RETRY.1);
        let mut state = shared.lock();
        let newer = std::mem::take(&mut state.batch);
        number = state.submitted;
        drop(state);
        batch.extend(newer);
    }
}
