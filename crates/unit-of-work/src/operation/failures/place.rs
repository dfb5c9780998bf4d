//! The field that the running code is resolving.

use std::{cell::Cell, future::poll_fn, sync::Arc};

use async_graphql::QueryPathNode;
use futures_util::task::FutureObj;

use super::Failures;
use crate::{UnitOfWork, subscription::streaming::Streaming, unit::UnitId};

thread_local! {
    /// The place of the code that this thread is polling. It is a plain cell, because every field sets it on every poll.
    static PLACE: Cell<Place> = const { Cell::new(Place { at: At::Nowhere, found: Found { asked: 0, has_failed: false } }) };
}

tokio::task_local! {
    /// Where failures of the running operation are noted, including those of other units that its resolvers use.
    static OPERATION: Sink;
}

#[derive(Clone, Copy, Debug)]
struct Place {
    at: At,
    found: Found,
}

/// What has happened in a field so far.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    /// The loaders that the field has used, one bit for each.
    asked: u64,
    /// Whether a failure of the field was noted.
    has_failed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    Nowhere,
    /// A field, identified by the address of its path while it is being resolved.
    Field(usize),
    /// A batch of this loader.
    Loader(u64),
}

#[derive(Clone)]
enum Sink {
    Operation(UnitOfWork),
    /// A subscription's stream, between its events.
    Stream(Arc<Streaming>),
}

impl Sink {
    fn failures(&self) -> &Failures {
        match self {
            Self::Operation(unit) => unit.failures(),
            Self::Stream(streaming) => streaming.failures(),
        }
    }
}

/// Runs an operation's resolvers. Failures inside are noted in its unit.
pub(crate) fn in_operation<T>(
    unit: &UnitOfWork,
    resolvers: impl Future<Output = T>,
) -> impl Future<Output = T> {
    OPERATION.scope(Sink::Operation(unit.clone()), resolvers)
}

/// Polls a subscription's stream. Failures outside of its events are noted there.
pub(crate) fn in_stream<T>(streaming: &Arc<Streaming>, poll: impl FnOnce() -> T) -> T {
    OPERATION.sync_scope(Sink::Stream(Arc::clone(streaming)), poll)
}

/// Runs a loader's batch. Failures inside are noted for the fields that have used this loader.
pub(crate) fn in_loader(loader: u64, mut batch: FutureObj<'static, ()>) -> FutureObj<'static, ()> {
    let place = Place {
        at: At::Loader(loader),
        found: Found::default(),
    };
    let batch = poll_fn(move |context| {
        let _inside = Inside::new(place, None);
        std::pin::Pin::new(&mut batch).poll(context)
    });
    Box::new(batch).into()
}

/// Notes that the running field uses a loader.
pub(crate) fn asked(loader: u64) {
    PLACE.with(|place| {
        let mut here = place.get();
        here.found.asked |= loader;
        place.set(here);
    });
}

/// A field that is being resolved.
pub(crate) struct InField<'a> {
    path: &'a QueryPathNode<'a>,
    found: Found,
}

impl<'a> InField<'a> {
    pub(crate) fn new(path: &'a QueryPathNode<'a>) -> Self {
        Self {
            path,
            found: Found::default(),
        }
    }

    pub(super) fn path(&self) -> &QueryPathNode<'a> {
        self.path
    }

    /// Whether the field has used this loader.
    pub(super) fn has_asked(&self, loader: u64) -> bool {
        loader & self.found.asked != 0
    }

    pub(super) fn id(&self) -> usize {
        std::ptr::from_ref(self.path).addr()
    }

    /// Runs code of the field. Failures inside are noted for the field.
    pub(crate) fn enter<T>(&mut self, run: impl FnOnce() -> T) -> T {
        let place = Place {
            at: At::Field(self.id()),
            found: self.found,
        };
        let _inside = Inside::new(place, Some(&mut self.found));
        run()
    }
}

impl Drop for InField<'_> {
    /// Called when the field is resolved, or dropped because a sibling has failed.
    fn drop(&mut self) {
        // Every field comes here, and hardly any has a failure.
        if self.found.has_failed || self.found.asked != 0 {
            let _ = OPERATION.try_with(|sink| sink.failures().left(self));
        }
    }
}

/// Restores the previous place, also if the code inside panics.
struct Inside<'a> {
    outer: Place,
    found: Option<&'a mut Found>,
}

impl<'a> Inside<'a> {
    fn new(place: Place, found: Option<&'a mut Found>) -> Self {
        Self {
            outer: PLACE.replace(place),
            found,
        }
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        let here = PLACE.replace(self.outer);
        if let Some(found) = &mut self.found {
            **found = here.found;
        }
    }
}

/// The owner of the running code: a field, a batch, or a task outside of both. It is the same on every poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whose {
    at: At,
    task: Option<tokio::task::Id>,
}

/// The owner of the running code.
pub(crate) fn whose() -> Whose {
    Whose {
        at: PLACE.with(Cell::get).at,
        task: tokio::task::try_id(),
    }
}

/// The place of a failure of this unit, if it is the unit of the running operation.
pub(super) fn here(unit: UnitId) -> Option<At> {
    let is_own = |sink: &Sink| matches!(sink, Sink::Operation(own) if own.id() == unit);
    let is_own = OPERATION.try_with(is_own).unwrap_or(false);
    is_own.then(place_of_failure)
}

/// The place for a failure that is about to be noted.
fn place_of_failure() -> At {
    PLACE.with(|place| {
        let mut here = place.get();
        here.found.has_failed = true;
        place.set(here);
        here.at
    })
}

/// Calls `note` with the failures of the running operation or stream, and the current place.
pub(super) fn with_operation(note: impl FnOnce(&Failures, At)) {
    let _ = OPERATION.try_with(|sink| note(sink.failures(), place_of_failure()));
}
