//! Tells subscribers how far the outbox is settled, some of them at a time.
//!
//! Thousands that are woken at once stand in the runtime's queues before whatever comes next, and a query waits until all of them have
//! written. So they are woken in slices, and other tasks have their turn between two of them.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{runtime::Handle, sync::watch, task::yield_now};

/// How many channels subscribers are spread over.
const CHANNELS: usize = 128;

/// How many subscribers are woken before others have a turn.
const SLICE: usize = 32;

/// How far the outbox is settled, for subscribers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Settled {
    /// `None` until it is known.
    pub(super) number: Option<i64>,
    /// How often history was lost: the numbers before and after have nothing to do with each other.
    pub(super) losses: u64,
}

/// What is told, and to whom. Clones are one.
#[derive(Clone, Debug)]
pub(super) struct Announcements(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// What holds now. A channel is always given this, so that it is never given something older after something newer.
    now: Mutex<Settled>,
    channels: Vec<watch::Sender<Settled>>,
    /// Where the next subscriber goes.
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

    /// A subscriber, who knows what holds now.
    pub(super) fn subscribe(&self) -> watch::Receiver<Settled> {
        let next = self.0.next.fetch_add(1, Ordering::Relaxed);
        let channel = &self.0.channels[next % CHANNELS];
        let receiver = channel.subscribe();
        // The others of this channel are woken when it is their turn.
        channel.send_if_modified(|told| {
            *told = self.0.now();
            false
        });
        receiver
    }

    /// How many subscribers there are.
    pub(super) fn subscribers(&self) -> usize {
        self.0
            .channels
            .iter()
            .map(watch::Sender::receiver_count)
            .sum()
    }

    /// Tells all subscribers what `change` makes of what holds now. Where there are many, it goes on in the background.
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

    /// Answers how many were woken.
    fn tell(&self, channel: &watch::Sender<Settled>) -> usize {
        channel.send_modify(|told| *told = self.now());
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
