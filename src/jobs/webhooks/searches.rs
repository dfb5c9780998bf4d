//! How far was searched for each endpoint. It is only in memory: whoever does not know searches again.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use daybook_entity::webhook;
use uuid::Uuid;

use crate::ledger::Searched;

/// How far was searched, and how often the database had lost events by then.
#[derive(Default)]
pub(super) struct Searches(Mutex<HashMap<Uuid, (u64, Searched)>>);

impl Searches {
    /// How far was searched for an endpoint, if no events were lost since then.
    pub(super) fn of(&self, id: Uuid, losses: u64) -> Option<Searched> {
        let (then, searched) = self.lock().get(&id).copied()?;
        (then == losses).then_some(searched)
    }

    pub(super) fn remember(&self, webhook: &webhook::Model, until: i64, losses: u64) -> Searched {
        let searched = Searched {
            choice: webhook.choice,
            until,
        };
        self.lock().insert(webhook.id, (losses, searched));
        searched
    }

    /// Forgets endpoints that are not there any more.
    pub(super) fn forget(&self, is_there: impl Fn(&Uuid) -> bool) {
        self.lock().retain(|id, _| is_there(id));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, (u64, Searched)>> {
        // Nothing can panic while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
