//! Tells subscribers how far the outbox is settled, a slice of them at a time.
//!
//! If thousands of subscribers were woken at once, they would fill the runtime's queues, and a query would wait until all of them have
//! written. So they are woken in slices, and other tasks run between two slices.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{runtime::Handle, sync::watch, task::yield_now};

/// How many channels subscribers are spread over.
const CHANNELS: usize = 128;

/// How many subscribers are woken before other tasks run.
const SLICE: usize = 32;

/// How far the outbox is settled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Settled {
    /// `None` until it is known.
    pub(super) number: Option<i64>,
    /// How often the database lost events. Numbers from before and after a loss are not comparable.
    pub(super) losses: u64,
}

/// The state that is announced, and the channels to subscribers. Clones share both.
#[derive(Clone, Debug)]
pub(super) struct Announcements(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// The current state. Channels are only ever given this one, so no channel gets an older state after a newer one.
    now: Mutex<Settled>,
    channels: Vec<watch::Sender<Settled>>,
    /// The channel of the next subscriber.
    next: AtomicUsize,
}

impl Announcements {
    pub(super) fn new() -> Self {
        let channel = |_| watch::Sender::new(Settled::default());
        Self(Arc::new(Shared {
            now: Mutex::default(),
            channels: (0..CHANNELS).map(channel).collect(),
            next: AtomicUsize::new(0),
        }))
    }

    /// Adds a subscriber, which knows the current state.
    pub(super) fn subscribe(&self) -> watch::Receiver<Settled> {
        let next = self.0.next.fetch_add(1, Ordering::Relaxed);
        let channel = &self.0.channels[next % CHANNELS];
        let receiver = channel.subscribe();
        // The other subscribers of this channel are woken in their own turn.
        channel.send_if_modified(|state| {
            *state = self.0.now();
            false
        });
        receiver
    }

    /// The current state.
    pub(super) fn now(&self) -> Settled {
        self.0.now()
    }

    /// How many subscribers there are.
    pub(super) fn subscribers(&self) -> usize {
        self.0
            .channels
            .iter()
            .map(watch::Sender::receiver_count)
            .sum()
    }

    /// Changes the current state, and tells all subscribers. If there are many, it goes on in the background.
    pub(super) fn tell(&self, change: impl FnOnce(&mut Settled)) {
        // Nothing can panic while the lock is held.
        change(&mut self.0.now.lock().unwrap_or_else(PoisonError::into_inner));
        let shared = Arc::clone(&self.0);
        match Handle::try_current() {
            Ok(runtime) if self.subscribers() > SLICE => {
                runtime.spawn(async move {
                    let mut woken = 0;
                    for channel in &shared.channels {
                        woken += shared.tell(channel);
                        if woken >= SLICE {
                            woken = 0;
                            yield_now().await;
                        }
                    }
                });
            }
            _ => {
                for channel in &shared.channels {
                    shared.tell(channel);
                }
            }
        }
    }
}

impl Shared {
    fn now(&self) -> Settled {
        // Nothing can panic while the lock is held.
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the subscribers of one channel, and returns how many were woken.
    fn tell(&self, channel: &watch::Sender<Settled>) -> usize {
        channel.send_modify(|state| *state = self.now());
        channel.receiver_count()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{task::JoinSet, time::timeout};

    use super::*;

    /// One thread: whoever is woken stands in its queue.
    #[tokio::test]
    async fn others_have_a_turn_between_two_slices_and_all_are_told() {
        const SUBSCRIBERS: usize = 20 * SLICE;
        let announcements = Announcements::new();
        let told = Arc::new(AtomicUsize::new(0));
        let mut subscribers = JoinSet::new();
        for _ in 0..SUBSCRIBERS {
            let (mut receiver, told) = (announcements.subscribe(), Arc::clone(&told));
            subscribers.spawn(async move {
                receiver.changed().await.unwrap();
                told.fetch_add(1, Ordering::Relaxed);
                assert_eq!(receiver.borrow().number, Some(1));
            });
        }
        yield_now().await;
        announcements.tell(|settled| settled.number = Some(1));
        let mut between = Vec::new();
        while told.load(Ordering::Relaxed) < SUBSCRIBERS {
            yield_now().await;
            between.push(told.load(Ordering::Relaxed));
        }
        let longest = between.windows(2).map(|two| two[1] - two[0]).max();
        assert!(longest.unwrap() <= 4 * SLICE, "{between:?}");
        subscribers.join_all().await;
    }

    #[tokio::test]
    async fn who_comes_while_others_are_told_knows_it() {
        let announcements = Announcements::new();
        let _others: Vec<_> = (0..10 * SLICE).map(|_| announcements.subscribe()).collect();
        announcements.tell(|settled| settled.number = Some(1));
        assert_eq!(announcements.subscribe().borrow().number, Some(1));
        let mut late = announcements.subscribe();
        announcements.tell(|settled| settled.number = Some(2));
        let all = timeout(
            Duration::from_secs(5),
            late.wait_for(|it| it.number == Some(2)),
        );
        all.await.unwrap().unwrap();
    }
}
