//! Notes that an attempt leaves for the next one.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use crate::UnitOfWork;

type ByType = HashMap<TypeId, Box<dyn Any + Send + Sync>>;

/// The notes for the next attempt, and those of the attempt before.
#[derive(Default)]
pub(crate) struct Notes {
    last: Option<Arc<Notes>>,
    own: Mutex<ByType>,
}

impl Notes {
    /// The notes of the attempt that follows one with these notes.
    pub(crate) fn after(last: &Arc<Self>) -> Arc<Self> {
        // Only the last attempt's notes are kept. A chain of all would grow with every attempt.
        let own = std::mem::take(&mut *last.own());
        let last = Self {
            last: None,
            own: Mutex::new(own),
        };
        Arc::new(Self {
            last: Some(Arc::new(last)),
            own: Mutex::default(),
        })
    }

    fn own(&self) -> std::sync::MutexGuard<'_, ByType> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the note of this type from the attempt before.
    pub(crate) fn of_last<T: Any, R>(&self, read: impl FnOnce(&T) -> R) -> Option<R> {
        let own = self.last.as_ref()?.own();
        own.get(&TypeId::of::<T>())?.downcast_ref().map(read)
    }

    /// Changes the note of this type for the next attempt.
    pub(crate) fn for_next<T: Any + Default + Send + Sync, R>(
        &self,
        change: impl FnOnce(&mut T) -> R,
    ) -> Option<R> {
        let mut own = self.own();
        let note = own
            .entry(TypeId::of::<T>())
            .or_insert_with(|| Box::new(T::default()));
        note.downcast_mut().map(change)
    }
}

impl UnitOfWork {
    /// Reads the value that the previous attempt has left with [`Self::for_next_attempt`]. `None` in a first attempt, or if there is no
    /// value of this type.
    pub fn from_last_attempt<T: Any, R>(&self, read: impl FnOnce(&T) -> R) -> Option<R> {
        self.notes()?.of_last(read)
    }

    /// Changes the value for the next attempt, in case this one fails by a conflict. There is one value of each type, which starts as its
    /// default. `None` if nothing would run the operation again.
    ///
    /// An attempt can pass on what the next one cannot know at its beginning: for example the rows that the operation locks, so that the
    /// next attempt locks all of them first, in one order.
    ///
    /// ```no_run
    /// # fn example(unit: &unit_of_work::UnitOfWork) {
    /// #[derive(Default)]
    /// struct Locked(Vec<i64>);
    ///
    /// let mut first = unit.from_last_attempt(|locked: &Locked| locked.0.clone()).unwrap_or_default();
    /// first.sort();
    /// // … lock the rows in `first`, then do the work …
    /// unit.for_next_attempt(|locked: &mut Locked| locked.0.push(7));
    /// # }
    /// ```
    pub fn for_next_attempt<T: Any + Default + Send + Sync, R>(
        &self,
        change: impl FnOnce(&mut T) -> R,
    ) -> Option<R> {
        self.notes()?.for_next(change)
    }
}

impl fmt::Debug for Notes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Notes").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_finds_what_the_one_before_it_has_left_and_nothing_older() {
        let first = Arc::<Notes>::default();
        assert_eq!(first.of_last(Vec::<i32>::len), None);
        first.for_next(|numbers: &mut Vec<i32>| numbers.push(1));
        first.for_next(|numbers: &mut Vec<i32>| numbers.push(2));
        first.for_next(|text: &mut String| text.push('a'));
        let second = Notes::after(&first);
        assert_eq!(second.of_last(Vec::<i32>::clone), Some(vec![1, 2]));
        assert_eq!(second.of_last(String::clone), Some("a".to_owned()));
        second.for_next(|text: &mut String| text.push('b'));
        let third = Notes::after(&second);
        assert_eq!(third.of_last(Vec::<i32>::clone), None);
        assert_eq!(third.of_last(String::clone), Some("b".to_owned()));
    }
}
