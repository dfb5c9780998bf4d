//! How a unit gets a value from a shared look-up, instead of making its one statement.

use tokio::sync::OwnedMutexGuard;

use super::{State, UnitOfWork, scope};
use crate::observe::server::ServerRole;

/// A unit that waits for a shared look-up in place of its one statement. No other statement can run meanwhile.
pub(crate) struct Boarding(OwnedMutexGuard<State>);

impl UnitOfWork {
    /// `None` if the unit must make its own statement.
    pub(crate) fn board(&self) -> Option<Boarding> {
        let terms = &self.inner.terms;
        // A flight reads the primary.
        let for_a_replica = terms.reading.is_some_and(|reading| reading.on_replica);
        if !terms.without_transaction
            || for_a_replica
            || terms.timeline.is_some()
            || !self.begin_statement().is_plain()
        {
            return None;
        }
        let state = self.inner.state.clone().try_lock_owned().ok()?;
        let is_first = matches!(*state, State::Idle);
        let is_refused = self.refusal().is_some() || scope::refuse_inside(self.id()).is_err();
        (is_first && !is_refused).then_some(Boarding(state))
    }
}

impl Boarding {
    /// The value has arrived, from this server if the database has several. It counts as the unit's one statement.
    pub(crate) fn landed(mut self, unit: &UnitOfWork, server: Option<ServerRole>) {
        *self.0 = State::Spent;
        unit.inner.stats.shared(unit.inner.terms.access, server);
    }
}
