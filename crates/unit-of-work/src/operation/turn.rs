//! Long answers take turns with the other work of their thread.
//!
//! The engine resolves fields that do not wait one after the other, without a pause, however many there are. So each field first asks
//! whether the turn is over. When a turn has lasted long enough, the remaining fields wait for the next one. In between, the deadline is
//! checked, and other tasks run.
//!
//! Tokio's own budget would not help: it counts steps and not time, and a field without budget is woken only after all of its siblings were
//! polled.

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

/// The approximate length of a turn.
const TURN: Duration = Duration::from_micros(250);

/// The clock is read after this many fields. Most operations have fewer, and never read it.
const FIELDS: u32 = 16;

/// The permits for turns after the first: one for each processor. The other long operations wait in this queue, and not in the runtime's,
/// where short operations would have to wait behind them.
static TURNS: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(available_parallelism().map_or(1, usize::from)));

/// The longest that an operation waits for its turn, in case the permit is held by one that nobody polls.
const PATIENCE: Duration = Duration::from_secs(1);

/// The turn of one operation. One task resolves all its fields, so load and store need not be one step.
#[derive(Default)]
pub(crate) struct Turn {
    fields: AtomicU32,
    began: Mutex<Option<Instant>>,
    is_over: AtomicBool,
}

impl Turn {
    /// Ready if a field may be resolved now; otherwise it waits for the next turn.
    #[inline]
    pub(crate) fn poll_field(&self, context: &Context<'_>) -> Poll<()> {
        if self.is_over.load(Relaxed) {
            // The engine's join stops polling further fields after two that wake themselves.
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

    /// Whether a field has begun since the last poll of the operation.
    pub(crate) fn has_begun_fields(&self) -> bool {
        self.fields.load(Relaxed) > 0
    }

    /// Polls an operation in turns. `beside` is polled whenever the operation waits for something other than its next turn.
    pub(crate) async fn drive<T>(
        &self,
        mut operation: Pin<&mut impl Future<Output = T>>,
        mut beside: impl FnMut(&mut Context<'_>),
    ) -> T {
        // Most operations end in their first turn, and need no permit.
        let mut place = None;
        loop {
            let turn = poll_fn(|context| {
                self.begin();
                // This turn is over: the permit is released.
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
            // Waiting fields have already woken this task, so the first yield returns at once. The second one returns after other tasks
            // have run and sockets were checked.
            yield_now().await;
            yield_now().await;
            place = timeout(PATIENCE, TURNS.acquire())
                .await
                .ok()
                .and_then(Result::ok);
        }
    }
}
