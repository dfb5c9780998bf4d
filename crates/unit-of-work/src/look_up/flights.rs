//! The flights of one database: those under way, and the look-ups that wait for the next one.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use tokio::{runtime::Handle, sync::oneshot, time::timeout};
use tracing::Span;

use super::SharedLookUp;
use crate::{
    Access, ConsistencyToken, Database, UnitOfWork,
    consistency::reading::Reading,
    observe::server::ServerRole,
    unit::{RollBackOnDrop, terms::Terms},
};

/// How many flights of one kind are under way at once: while the database executes one, the results of the other are handed out.
const AT_ONCE: usize = 2;

/// The longest that a flight may take. By then, nobody waits for it any more.
const LONGEST: Duration = Duration::from_secs(5);

/// The flights of each kind of look-up.
#[derive(Default)]
pub(crate) struct LookUps(RwLock<Vec<Kind>>);

type Kind = (TypeId, Arc<dyn Any + Send + Sync>);

impl fmt::Debug for LookUps {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LookUps")
    }
}

impl LookUps {
    pub(super) fn board<L: SharedLookUp>(
        &self,
        database: &Database,
        to: Destination,
        key: &L::Key,
    ) -> Boarded<L> {
        self.flights::<L>().board(database, to, key)
    }

    fn flights<L: SharedLookUp>(&self) -> Arc<Flights<L>> {
        let id = TypeId::of::<L>();
        let find = |kinds: &[Kind]| {
            let (_, flights) = kinds.iter().find(|(kind, _)| *kind == id)?;
            Arc::clone(flights).downcast().ok()
        };
        let kinds = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let known = find(&kinds);
        drop(kinds);
        known.unwrap_or_else(|| {
            let mut kinds = self.0.write().unwrap_or_else(PoisonError::into_inner);
            find(&kinds).unwrap_or_else(|| {
                let flights = Arc::new(Flights::<L>::default());
                kinds.push((id, flights.clone()));
                flights
            })
        })
    }
}

/// Where a look-up may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    Primary,
    /// A replica that has what the token stands for.
    Replica(ConsistencyToken),
}

/// What a flight tells its passengers beside their values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Landing {
    /// What the server is that was read, if the database has several.
    pub(crate) server: Option<ServerRole>,
    /// The token of what was seen, for those who are told one.
    pub(crate) seen: Option<ConsistencyToken>,
}

/// How a look-up proceeds.
pub(super) enum Boarded<L: SharedLookUp> {
    /// Its own statement is a flight.
    Departs(UnderWay<L>),
    /// It waits for a flight. If that fails, the channel closes without a result.
    Waits(oneshot::Receiver<Answer<L>>),
    /// It makes a statement for itself only: the flights under way take too long.
    Alone,
}

/// What a passenger gets.
type Answer<L> = (Option<<L as SharedLookUp>::Value>, Landing);

/// The flights of one kind.
struct Flights<L: SharedLookUp> {
    to_primary: Mutex<Airport<L>>,
    to_replicas: Mutex<Airport<L>>,
}

struct Airport<L: SharedLookUp> {
    /// When the flights under way departed.
    departed: [Option<Instant>; AT_ONCE],
    waiting: Vec<Passenger<L>>,
}

struct Passenger<L: SharedLookUp> {
    key: L::Key,
    to: Destination,
    answer: oneshot::Sender<Answer<L>>,
}

impl<L: SharedLookUp> Default for Flights<L> {
    fn default() -> Self {
        let airport = || {
            Mutex::new(Airport {
                departed: [None; AT_ONCE],
                waiting: Vec::new(),
            })
        };
        Self {
            to_primary: airport(),
            to_replicas: airport(),
        }
    }
}

impl<L: SharedLookUp> Flights<L> {
    fn airport(&self, to: Destination) -> MutexGuard<'_, Airport<L>> {
        let airport = match to {
            Destination::Primary => &self.to_primary,
            Destination::Replica(_) => &self.to_replicas,
        };
        // Nothing can panic while the lock is held, except a key's own `clone`.
        airport.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn board(self: Arc<Self>, database: &Database, to: Destination, key: &L::Key) -> Boarded<L> {
        let mut airport = self.airport(to);
        let is_free = |departed: &Option<Instant>| departed.is_none();
        if let Some(place) = airport.departed.iter().position(is_free) {
            airport.departed[place] = Some(Instant::now());
            drop(airport);
            return Boarded::Departs(UnderWay {
                flights: self,
                database: database.clone(),
                to,
                place,
            });
        }
        let patience = database.look_up_patience();
        let is_slow = |departed: &Instant| departed.elapsed() > patience;
        if airport.departed.iter().flatten().all(is_slow) {
            return Boarded::Alone;
        }
        let (answer, landing) = oneshot::channel();
        airport.waiting.push(Passenger {
            key: key.clone(),
            to,
            answer,
        });
        Boarded::Waits(landing)
    }
}

/// A flight under way. When it lands or is dropped, the next one departs, if anybody waits.
pub(super) struct UnderWay<L: SharedLookUp> {
    flights: Arc<Flights<L>>,
    database: Database,
    to: Destination,
    place: usize,
}

impl<L: SharedLookUp> Drop for UnderWay<L> {
    fn drop(&mut self) {
        let mut airport = self.flights.airport(self.to);
        airport
            .waiting
            .retain(|waiting| !waiting.answer.is_closed());
        let count = airport.waiting.len().min(L::MOST_KEYS);
        let runtime = Handle::try_current();
        let (true, Ok(runtime)) = (count > 0, runtime) else {
            // Outside of a runtime, or while it shuts down, no flight can depart.
            airport.departed[self.place] = None;
            return;
        };
        let passengers: Vec<_> = airport.waiting.drain(..count).collect();
        airport.departed[self.place] = Some(Instant::now());
        drop(airport);
        let next = Self {
            flights: Arc::clone(&self.flights),
            database: self.database.clone(),
            to: self.to,
            place: self.place,
        };
        let tasks = self.database.tasks();
        tasks.spawn_on(next.fly(passengers), &runtime);
    }
}

impl<L: SharedLookUp> UnderWay<L> {
    /// Looks up the keys of all passengers. If that fails, each makes a statement of its own.
    async fn fly(self, passengers: Vec<Passenger<L>>) {
        // The newest of their tokens includes the others.
        let shown = passengers
            .iter()
            .filter_map(|passenger| match passenger.to {
                Destination::Primary => None,
                Destination::Replica(token) => Some(token),
            });
        let reading = shown.max().map(Reading::with);
        let terms = Terms {
            without_transaction: true,
            reading,
            ..Terms::of(Access::ReadOnly)
        };
        let unit = UnitOfWork::new(self.database.clone(), terms, Span::none());
        let guard = RollBackOnDrop::new(unit.clone());
        let mut asked: HashMap<_, Vec<_>> = HashMap::with_capacity(passengers.len());
        for Passenger { key, answer, .. } in passengers {
            asked.entry(key).or_default().push(answer);
        }
        let keys: Vec<_> = asked.keys().cloned().collect();
        let load = AssertUnwindSafe(L::load(&unit, &keys)).catch_unwind();
        let loaded = timeout(LONGEST, load).await;
        guard.disarm();
        unit.end_read();
        let landing = Landing {
            server: unit.stats().server(),
            seen: unit.seen(),
        };
        let Ok(Ok(Ok(mut found))) = loaded else {
            return;
        };
        if reading.is_some() && landing.seen.is_none() {
            return;
        }
        metrics::counter!("unit_of_work_flights_total").increment(1);
        // First, so that the next flight departs while these results are handed out.
        drop(self);
        for (key, answers) in asked {
            let value = found.remove(&key);
            for answer in answers {
                // A passenger that has gone away is skipped.
                let _ = answer.send((value.clone(), landing));
            }
        }
    }
}
