//! The last write of each viewer at this server.
//!
//! A client that shows no token may be read on a replica that is a little behind. It must find its own writes there all the same.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::ConsistencyToken;
use crate::Viewer;

/// How many viewers are known one by one. Beyond that, all that are known are taken for one.
const MOST: usize = 10_000;

/// The last write of each viewer. Clients without a viewer are one.
#[derive(Debug, Default)]
pub(crate) struct Writes(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    of_each: HashMap<Viewer, ConsistencyToken>,
    /// The last of those that are not known one by one.
    of_others: Option<ConsistencyToken>,
}

impl Writes {
    /// Notes a write.
    pub(crate) fn note(&self, viewer: &Viewer, token: ConsistencyToken) {
        let mut known = self.known();
        if known.of_each.len() >= MOST && !known.of_each.contains_key(viewer) {
            let last = known.of_each.drain().map(|(_, token)| token).max();
            known.of_others = known.of_others.max(last);
        }
        match known.of_each.get_mut(viewer) {
            Some(last) => *last = token.max(*last),
            None => {
                known.of_each.insert(viewer.clone(), token);
            }
        }
    }

    /// What a viewer has written, at least.
    pub(crate) fn of(&self, viewer: &Viewer) -> Option<ConsistencyToken> {
        let known = self.known();
        known.of_each.get(viewer).copied().max(known.of_others)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing can panic while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::token::token, *};

    fn viewer(number: usize) -> Viewer {
        Viewer(number.to_string())
    }

    #[test]
    fn last_write_of_each_viewer_is_known() {
        let writes = Writes::default();
        writes.note(&viewer(1), token(1, 20, 7));
        writes.note(&viewer(1), token(1, 10, 7));
        assert_eq!(writes.of(&viewer(1)), Some(token(1, 20, 7)));
        assert_eq!(writes.of(&viewer(2)), None);
    }

    /// Memory is bounded, and no write is forgotten.
    #[test]
    fn too_many_viewers_are_taken_for_one() {
        let writes = Writes::default();
        let at = |number: usize| token(1, 1 + u64::try_from(number).expect("is small"), 7);
        for number in 0..=MOST {
            writes.note(&viewer(number), at(number));
        }
        assert_eq!(writes.known().of_each.len(), 1);
        assert_eq!(writes.of(&viewer(0)), Some(at(MOST - 1)));
        assert_eq!(writes.of(&viewer(MOST)), Some(at(MOST)));
    }
}
