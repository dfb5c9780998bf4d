//! Long answers take turns with everything else that their thread has to do.
//!
//! The engine resolves fields that need not wait one after the other, without a pause, however many there are. So each field
//! asks for its part of a turn first. When a turn has lasted long enough, the fields that have not begun wait for the next one; in between
//! the deadline is looked at, and others get the thread.
//!
//! Tokio's own budget would do as little here as it costs: it counts what has been done and not how long that took, and a field that
//! finds none left is woken only after all of its siblings have been asked, each time.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        LazyLock, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll},
    thread::available_parallelism,
    time::{Duration, Instant},
};

use tokio::{sync::Semaphore, task::yield_now, time::timeout};

/// How long a turn lasts, about.
const TURN: Duration = Duration::from_micros(250);

/// The clock is looked at after so many fields. Most operations have fewer, and never look.
const FIELDS: u32 = 16;

/// As many long operations as there are processors may be about to have a turn. The others wait in a queue of their own, where no
/// short operation has to wait for them, however many there are.
static TURNS: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(available_parallelism().map_or(1, usize::from)));

/// Longer than this no operation waits for its turn: it may be up to one that nobody polls.
const PATIENCE: Duration = Duration::from_secs(1);

/// The turn of one operation. Its fields are resolved by one task, so nothing is lost between a load and a store.
#[derive(Default)]
pub(crate) struct Turn {
    fields: AtomicU32,
    began: Mutex<Option<Instant>>,
    is_over: AtomicBool,
}

impl Turn {
    /// Whether a field may be resolved; else it waits for the next turn.
    #[inline]
    pub(crate) fn poll_field(&self, context: &Context<'_>) -> Poll<()> {
        if self.is_over.load(Relaxed) {
            // Whoever polls many fields at once gives up after the second that says this.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let fields = self.fields.load(Relaxed) + 1;
        self.fields.store(fields, Relaxed);
        if fields.is_multiple_of(FIELDS) {
            self.look();
        }
        Poll::Ready(())
    }

    fn look(&self) {
        let mut began = self.began.lock().unwrap_or_else(PoisonError::into_inner);
        match *began {
            Some(began) if began.elapsed() >= TURN => self.is_over.store(true, Relaxed),
            Some(_) => {}
            None => *began = Some(Instant::now()),
        }
    }

    fn begin(&self) {
        if self.fields.load(Relaxed) >= FIELDS {
            *self.began.lock().unwrap_or_else(PoisonError::into_inner) = None;
            self.is_over.store(false, Relaxed);
        }
        self.fields.store(0, Relaxed);
    }

    /// Whether a field has begun since the operation was polled last.
    pub(crate) fn has_begun_fields(&self) -> bool {
        self.fields.load(Relaxed) > 0
    }

    /// Drives an operation, turn by turn. `beside` is polled whenever the operation waits for something else than its next turn.
    pub(crate) async fn drive<T>(
        &self,
        mut operation: Pin<&mut impl Future<Output = T>>,
        mut beside: impl FnMut(&mut Context<'_>),
    ) -> T {
        // Most operations end in their first turn.
        let mut place = None;
        loop {
            let turn = poll_fn(|context| {
                self.begin();
                // What comes next is somebody else's turn, or a wait.
                let _place = place.take();
                match operation.as_mut().poll(context) {
                    Poll::Ready(output) => Poll::Ready(Some(output)),
                    Poll::Pending if self.is_over.load(Relaxed) => Poll::Ready(None),
                    Poll::Pending => {
                        beside(context);
                        Poll::Pending
                    }
                }
            });
            if let Some(output) = turn.await {
                self.begin();
                return output;
            }
            // The fields that wait have woken this task already, so the first ends at once. The second comes after what else there
            // is to do, and after a look at the sockets.
            yield_now().await;
            yield_now().await;
            place = timeout(PATIENCE, TURNS.acquire())
                .await
                .ok()
                .and_then(Result::ok);
        }
    }
}
