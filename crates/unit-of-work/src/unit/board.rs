//! How a unit gets a value from a shared look-up, instead of making its one statement.

use tokio::sync::OwnedMutexGuard;

use super::{State, UnitOfWork, scope};
use crate::{
    database::begin::Begin,
    look_up::{Destination, Landing},
};

/// A unit that waits for a shared look-up in place of its one statement. No other statement can run meanwhile.
pub(crate) struct Boarding {
    state: OwnedMutexGuard<State>,
    to: Destination,
}

impl UnitOfWork {
    /// `None` if the unit must make its own statement.
    pub(crate) fn board(&self) -> Option<Boarding> {
        let terms = &self.inner.terms;
        if !terms.without_transaction || terms.timeline.is_some() {
            return None;
        }
        let to = self.destination()?;
        // The flight asks for the position that a token needs.
        let begin = Begin {
            locate: false,
            ..self.begin_statement()
        };
        if !begin.is_plain() {
            return None;
        }
        let state = self.inner.state.clone().try_lock_owned().ok()?;
        let is_first = matches!(*state, State::Idle);
        let is_refused = self.refusal().is_some() || scope::refuse_inside(self.id()).is_err();
        (is_first && !is_refused).then_some(Boarding { state, to })
    }

    /// Where the unit may be read together with others, if at all.
    fn destination(&self) -> Option<Destination> {
        let Some(reading) = self.reading() else {
            return Some(Destination::Primary);
        };
        if !reading.on_replica {
            return (!reading.is_told).then_some(Destination::Primary);
        }
        let token = reading.shown.filter(|_| reading.staleness.is_none())?;
        let is_known = self.database().replicas_have(&token);
        is_known.then_some(Destination::Replica(token))
    }
}

impl Boarding {
    pub(crate) fn to(&self) -> Destination {
        self.to
    }

    /// The value has arrived. It counts as the unit's one statement.
    pub(crate) fn landed(mut self, unit: &UnitOfWork, landing: Landing) {
        *self.state = State::Spent;
        if let Some(token) = landing.seen {
            unit.has_seen(token);
        }
        unit.inner
            .stats
            .shared(unit.inner.terms.access, landing.server);
    }
}
