//! What units of this process are going to lock, by names of the application's own, on an engine with many writers.
//!
//! There, mutations do not wait for one connection, but for the rows that others have locked, until their COMMIT. A unit that says what it
//! is going to lock ([`UnitOfWork::will_lock`]) is in this register until its transaction has ended. Another one that names the same waits
//! here and not in the database, so that it can be handed the open transaction.
//!
//! A unit holds all of its names or waits in the queue of one that is taken, so it never holds one while it waits for another. A
//! transaction that is handed on keeps its names and takes those of the unit that joins. No unit joins if another transaction has one of
//! its names: it would wait for that one with the locks of its group in hand, and the two could wait for each other.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use super::{
    UnitOfWork,
    waiting::{Handed, Waiter},
};

/// The most names of one unit. One that has more waits for its locks in the database.
const MOST_NAMES: usize = 16;

/// How many waiting units are looked at, for each name, to find one that can join.
const LOOKED_AT: usize = 64;

/// The names of what a unit is going to lock, each once, as hashes. Two names with the same hash make one unit wait for another without
/// need, and nothing worse.
#[derive(Clone, Debug)]
pub(crate) struct Names(Arc<[u64]>);

impl Names {
    /// `None` if there are none, or too many.
    pub(crate) fn of(names: impl IntoIterator<Item = impl Hash>) -> Option<Self> {
        let mut hashes = Vec::new();
        for name in names {
            let mut hasher = DefaultHasher::new();
            name.hash(&mut hasher);
            let hash = hasher.finish();
            if !hashes.contains(&hash) {
                hashes.push(hash);
            }
            if hashes.len() > MOST_NAMES {
                return None;
            }
        }
        (!hashes.is_empty()).then(|| Self(hashes.into()))
    }
}

/// The register of one database.
#[derive(Clone, Default)]
pub(crate) struct NamedLocks(Arc<Mutex<Register>>);

#[derive(Default)]
struct Register {
    taken: HashMap<u64, Taken>,
    transactions: u64,
}

/// A name that a transaction has.
struct Taken {
    by: u64,
    queue: VecDeque<Place>,
}

/// A unit's place in the queue of a name.
struct Place {
    names: Names,
    waiter: Waiter,
    /// Where the unit is told that its names are its own.
    granted: oneshot::Sender<Held>,
}

/// The names of an open transaction. Dropped, they are free for those who wait.
pub(crate) struct Held {
    locks: NamedLocks,
    by: u64,
    names: Vec<u64>,
}

/// What a unit gets, if it does not go away before.
pub(super) enum Given {
    /// Its names, for a transaction of its own.
    Names(Held),
    /// A transaction that others have begun.
    Transaction(Box<Handed>),
}

impl NamedLocks {
    /// Waits until the unit has its names, or is handed a transaction that has them.
    ///
    /// # Cancel safety
    /// Cancel safe: what it is given meanwhile is given to the next.
    pub(super) async fn wait(&self, unit: &UnitOfWork, names: &Names) -> Given {
        loop {
            let (mut handed, mut granted) = match self.take_or_queue(unit, names) {
                Ok(held) => return Given::Names(held),
                Err(receivers) => receivers,
            };
            tokio::select! {
                biased;
                Ok(handed) = &mut handed => return Given::Transaction(Box::new(handed)),
                Ok(held) = &mut granted => return Given::Names(held),
                // Its place is gone. That cannot be, but must not be the end of the unit.
                else => {}
            }
        }
    }

    fn take_or_queue(
        &self,
        unit: &UnitOfWork,
        names: &Names,
    ) -> Result<Held, (oneshot::Receiver<Handed>, oneshot::Receiver<Held>)> {
        let mut register = self.register();
        let Some(taken) = register.taken_of(names) else {
            return Ok(self.hold(&mut register, names));
        };
        let (waiter, handed) = Waiter::new(unit);
        let (granted, receiver) = oneshot::channel();
        // Units that have given up would otherwise stay until the name is free.
        let gone = taken.queue.iter().take_while(|place| place.has_gone());
        let gone = gone.count();
        taken.queue.drain(..gone);
        taken.queue.push_back(Place {
            names: names.clone(),
            waiter,
            granted,
        });
        Err((handed, receiver))
    }

    /// Takes names that are free.
    fn hold(&self, register: &mut Register, names: &Names) -> Held {
        register.transactions += 1;
        let by = register.transactions;
        for name in &*names.0 {
            let queue = VecDeque::new();
            register.taken.insert(*name, Taken { by, queue });
        }
        Held {
            locks: self.clone(),
            by,
            names: names.0.to_vec(),
        }
    }

    fn register(&self) -> MutexGuard<'_, Register> {
        // Nothing can panic while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Register {
    /// The first of the names that is taken.
    fn taken_of(&mut self, names: &Names) -> Option<&mut Taken> {
        let mut names = names.0.iter();
        let name = names.find(|name| self.taken.contains_key(name))?;
        self.taken.get_mut(name)
    }

    /// Whether the unit of this place can join the transaction.
    fn can_join(&self, place: &Place, transaction: u64) -> bool {
        let is_others = |name| {
            let taken = self.taken.get(name);
            taken.is_some_and(|taken: &Taken| taken.by != transaction)
        };
        !place.has_gone() && !place.names.0.iter().any(is_others)
    }
}

impl Place {
    fn has_gone(&self) -> bool {
        self.granted.is_closed()
    }
}

impl Held {
    /// Takes a unit out of the queues that waits for one of these names and can join. The transaction has its names from now on.
    pub(super) fn next(&mut self) -> Option<Waiter> {
        let mut register = self.locks.register();
        let place = self.names.iter().find_map(|name| {
            let queue = &register.taken.get(name)?.queue;
            let mut places = queue.iter().take(LOOKED_AT);
            let at = places.position(|place| register.can_join(place, self.by))?;
            register.taken.get_mut(name)?.queue.remove(at)
        })?;
        for name in &*place.names.0 {
            if !self.names.contains(name) {
                let queue = VecDeque::new();
                register.taken.insert(*name, Taken { by: self.by, queue });
                self.names.push(*name);
            }
        }
        Some(place.waiter)
    }
}

impl Drop for Held {
    /// Whoever waits for one of the names, and for no other that is taken, gets its names.
    fn drop(&mut self) {
        let mut granted = Vec::new();
        {
            let mut register = self.locks.register();
            let freed = self.names.iter();
            let queues: Vec<_> = freed
                .filter_map(|name| register.taken.remove(name))
                .collect();
            for place in queues.into_iter().flat_map(|taken| taken.queue) {
                if place.has_gone() {
                    continue;
                }
                match register.taken_of(&place.names) {
                    Some(taken) => taken.queue.push_back(place),
                    None => {
                        let held = self.locks.hold(&mut register, &place.names);
                        granted.push((place, held));
                    }
                }
            }
        }
        for (place, held) in granted {
            // If the unit has gone away meanwhile, its names are free again.
            drop(place.granted.send(held));
        }
    }
}

impl fmt::Debug for NamedLocks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("NamedLocks")
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Held")
            .field("names", &self.names.len())
            .finish_non_exhaustive()
    }
}
