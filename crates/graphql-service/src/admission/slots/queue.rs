//! A queue for slots that gives them to clients in turn.
//!
//! Among the clients that wait, the one with the fewest slots is next; among equals, the one whose last turn is longest ago. So a client that
//! asks a thousand times gets no more than one that asks once.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::client::Client;

/// The slots, and the operations that wait for them. Clones share both.
#[derive(Debug, Clone)]
pub(super) struct FairQueue(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Locked for a few instructions, and for heavy operations only.
    state: Mutex<State>,
    slots: usize,
    /// How many operations may wait.
    places: usize,
}

#[derive(Debug)]
struct State {
    free: usize,
    waiting: VecDeque<Waiting>,
    /// The clients that have a slot or wait for one.
    clients: HashMap<Client, Share>,
    /// The number of operations that have ever waited.
    serial: u64,
    /// The number of slots that were ever given.
    turns: u64,
}

/// The slots and places of one client.
#[derive(Debug, Default)]
struct Share {
    taken: usize,
    waiting: usize,
    last_turn: u64,
}

#[derive(Debug)]
struct Waiting {
    serial: u64,
    client: Client,
    come: oneshot::Sender<()>,
}

/// A slot. Dropping it gives it to the next client.
#[derive(Debug)]
pub(super) struct Turn {
    queue: FairQueue,
    client: Client,
}

/// A place in the queue. Dropping it leaves the queue, or gives back the slot that was given meanwhile.
struct Place {
    queue: FairQueue,
    client: Client,
    serial: u64,
    is_over: bool,
}

impl FairQueue {
    pub(super) fn new(slots: usize, places: usize) -> Self {
        Self(Arc::new(Inner {
            state: Mutex::new(State {
                free: slots,
                waiting: VecDeque::new(),
                clients: HashMap::new(),
                serial: 0,
                turns: 0,
            }),
            slots,
            places,
        }))
    }

    /// How many slots are taken, and how many operations wait.
    pub(super) fn taken_and_waiting(&self) -> (usize, usize) {
        let state = self.lock();
        (self.0.slots - state.free, state.waiting.len())
    }

    /// Waits for a slot; `None` if the queue is full, or this client's turn does not come before `until`.
    ///
    /// # Cancel safety
    /// Cancel safe. Dropping the future leaves the queue.
    pub(super) async fn take(&self, client: Client, until: Instant) -> Option<Turn> {
        let (mut place, called) = {
            let mut state = self.lock();
            let slots_of_one = self.slots_of_one();
            let of_client = state.clients.entry(client.clone()).or_default();
            let may_begin = of_client.taken < slots_of_one;
            let has_place = of_client.waiting < self.places_of_one();
            // If a slot is free, no client that may have it is waiting.
            if state.free > 0 && may_begin {
                state.give(&client);
                return Some(Turn {
                    queue: self.clone(),
                    client,
                });
            }
            if !has_place || state.waiting.len() >= self.0.places {
                state.forget_idle(&client);
                return None;
            }
            state.wait(self.clone(), client)
        };
        match timeout_at(until, called).await {
            Ok(Ok(())) => {
                place.is_over = true;
                Some(Turn {
                    queue: self.clone(),
                    client: place.client.clone(),
                })
            }
            _ => None,
        }
    }

    /// All but one, so that another client finds a slot even if one client's operations never end.
    fn slots_of_one(&self) -> usize {
        self.0.slots.saturating_sub(1).max(1)
    }

    fn places_of_one(&self) -> usize {
        self.0.places.div_ceil(2)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, client: &Client) {
        let mut state = self.lock();
        state.free += 1;
        if let Some(share) = state.clients.get_mut(client) {
            share.taken = share.taken.saturating_sub(1);
        }
        state.call(self.slots_of_one());
        state.forget_idle(client);
    }
}

impl State {
    fn give(&mut self, client: &Client) {
        self.free -= 1;
        self.turns += 1;
        let share = self.clients.entry(client.clone()).or_default();
        share.taken += 1;
        share.last_turn = self.turns;
    }

    fn wait(&mut self, queue: FairQueue, client: Client) -> (Place, oneshot::Receiver<()>) {
        let (come, called) = oneshot::channel();
        self.serial += 1;
        let serial = self.serial;
        self.clients.entry(client.clone()).or_default().waiting += 1;
        self.waiting.push_back(Waiting {
            serial,
            client: client.clone(),
            come,
        });
        let place = Place {
            queue,
            client,
            serial,
            is_over: false,
        };
        (place, called)
    }

    /// Gives the free slots to the next clients.
    fn call(&mut self, slots_of_one: usize) {
        while self.free > 0 {
            let waiting = self.waiting.iter().enumerate();
            let may_begin = waiting.filter_map(|(at, waiting)| {
                let share = self.clients.get(&waiting.client)?;
                (share.taken < slots_of_one).then_some((share.taken, share.last_turn, at))
            });
            let Some((_, _, next)) = may_begin.min() else {
                return;
            };
            let Some(next) = self.leave(next) else { return };
            self.give(&next.client);
            // The receiver exists: a place that is dropped leaves the queue first.
            let _ = next.come.send(());
        }
    }

    fn leave(&mut self, at: usize) -> Option<Waiting> {
        let waiting = self.waiting.remove(at)?;
        if let Some(share) = self.clients.get_mut(&waiting.client) {
            share.waiting = share.waiting.saturating_sub(1);
        }
        Some(waiting)
    }

    fn forget_idle(&mut self, client: &Client) {
        let is_idle = |share: &Share| share.taken == 0 && share.waiting == 0;
        if self.clients.get(client).is_some_and(is_idle) {
            self.clients.remove(client);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.queue.give_back(&self.client);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let mut state = self.queue.lock();
        let mut waiting = state.waiting.iter();
        if let Some(at) = waiting.position(|waiting| waiting.serial == self.serial) {
            state.leave(at);
            state.forget_idle(&self.client);
        } else {
            drop(state);
            self.queue.give_back(&self.client);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, time::Duration};

    use futures_util::FutureExt;

    use super::*;

    fn client(n: u8) -> Client {
        Client::Address(Ipv4Addr::new(10, 0, 0, n).into())
    }

    /// Asks, and is given a slot at once or waits.
    macro_rules! ask {
        ($queue:expr, $client:expr) => {{
            let until = Instant::now() + Duration::from_secs(60);
            let mut asked = Box::pin($queue.take(client($client), until));
            let now = asked.as_mut().now_or_never();
            (now, asked)
        }};
    }

    #[tokio::test]
    async fn who_asks_often_waits_for_who_asks_once() {
        let queue = FairQueue::new(1, 8);
        let (first, _) = ask!(queue, 1);
        let (_, many_1) = ask!(queue, 1);
        let (_, many_2) = ask!(queue, 1);
        let (_, other) = ask!(queue, 2);
        assert_eq!(queue.taken_and_waiting(), (1, 3));
        drop(first);
        let other = other.await.unwrap();
        assert_eq!(queue.taken_and_waiting(), (1, 2));
        drop(other);
        let many_1 = many_1.await.unwrap();
        drop(many_1);
        drop(many_2.await.unwrap());
        assert_eq!(queue.taken_and_waiting(), (0, 0));
        assert!(queue.lock().clients.is_empty());
    }

    #[tokio::test]
    async fn one_client_never_has_every_slot_or_every_place() {
        let queue = FairQueue::new(3, 4);
        let (a, _) = ask!(queue, 1);
        let (b, _) = ask!(queue, 1);
        assert!(a.flatten().is_some() && b.flatten().is_some());
        let queue = FairQueue::new(3, 4);
        let (a, _) = ask!(queue, 1);
        let (b, _) = ask!(queue, 1);
        let (third, waits_1) = ask!(queue, 1);
        let (fourth, waits_2) = ask!(queue, 1);
        assert!(third.is_none() && fourth.is_none());
        assert!(ask!(queue, 1).0.unwrap().is_none(), "a third place");
        // Somebody else is served at once, and waits where nothing is free.
        let (other, _) = ask!(queue, 2);
        assert!(other.as_ref().unwrap().is_some());
        let (waiting, _place) = ask!(queue, 2);
        assert!(waiting.is_none());
        drop((a, b, other, waits_1, waits_2));
    }

    #[tokio::test]
    async fn a_place_that_is_given_up_is_free_also_where_a_slot_was_given() {
        let queue = FairQueue::new(1, 2);
        let (first, _) = ask!(queue, 1);
        let (_, waiting) = ask!(queue, 2);
        drop(waiting);
        assert_eq!(queue.taken_and_waiting(), (1, 0));
        let (_, called) = ask!(queue, 2);
        drop(first);
        assert_eq!(queue.taken_and_waiting(), (1, 0));
        // It was given a slot, and does not come for it.
        drop(called);
        assert_eq!(queue.taken_and_waiting(), (0, 0));
        assert!(queue.lock().clients.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_longer_than_they_want() {
        let queue = FairQueue::new(1, 2);
        let (first, _) = ask!(queue, 1);
        let until = Instant::now() + Duration::from_millis(5);
        assert!(queue.take(client(2), until).await.is_none());
        assert_eq!(queue.taken_and_waiting(), (1, 0));
        drop(first);
    }
}
