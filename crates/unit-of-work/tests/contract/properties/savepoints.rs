//! Steps on a savepoint of the unit, and what they note down. The resolver goes on, whatever becomes of it.

use std::sync::{Arc, Mutex};

use futures_util::{FutureExt, future::BoxFuture, poll};
use sea_orm::{ConnectionTrait, DbErr};
use tokio::task::yield_now;
use unit_of_work::{Savepoint, UnitError, UnitOfWork};

use super::{
    operation::{Inside, Kind},
    resolvers::{OnPurpose, Run, TAKEN},
    trace::{Doom, Trace},
};
use crate::stage::{count_marks, insert_mark, lock};

impl Run {
    /// Takes steps on a savepoint of the unit.
    ///
    /// # Errors
    /// When the unit refuses the savepoint. One that failed, and was undone, is none.
    pub fn savepoint<'a>(
        self: &'a Arc<Self>,
        unit: &'a UnitOfWork,
        steps: &'a [Inside],
    ) -> BoxFuture<'a, Result<(), DbErr>> {
        async move {
            let part = Part::new(&self.trace, self.kind(), None);
            let result = unit
                .savepoint(async |tx| {
                    part.entered();
                    self.inside(unit, tx, &part, steps).await
                })
                .await;
            part.ended(result)
        }
        .boxed()
    }

    fn inside<'a>(
        self: &'a Arc<Self>,
        unit: &'a UnitOfWork,
        tx: &'a Savepoint,
        part: &'a Part<'a>,
        steps: &'a [Inside],
    ) -> BoxFuture<'a, Result<(), DbErr>> {
        async move {
            for step in steps {
                self.take_one_inside(unit, tx, part, step).await?;
            }
            Ok(())
        }
        .boxed()
    }

    async fn take_one_inside(
        self: &Arc<Self>,
        unit: &UnitOfWork,
        tx: &Savepoint,
        part: &Part<'_>,
        step: &Inside,
    ) -> Result<(), DbErr> {
        match step {
            Inside::Insert => {
                let name = self.trace.inserting();
                part.statement(insert_mark(tx, &name)).await?;
                lock(&part.notes).inserted.push(name);
            }
            Inside::Read => {
                let least = self.trace.rows().0 + part.rows();
                let seen = part.statement(count_marks(tx)).await?;
                self.trace.read(least, seen);
            }
            Inside::Yield => yield_now().await,
            Inside::Effect => {
                let run = Arc::clone(self);
                let name = self.trace.effect(|name| {
                    tx.after_commit(async move { run.trace.effect_ran(name) });
                });
                lock(&part.notes).effects.push(name);
            }
            Inside::Fail => return Err(DbErr::Custom("the table mark is a mess".to_owned())),
            Inside::Panic => std::panic::panic_any(OnPurpose),
            Inside::Swallow => {
                let _ = part.statement(insert_mark(tx, TAKEN)).await;
            }
            Inside::Abandon => {
                let mut statement = Box::pin(part.statement(count_marks(tx)));
                if poll!(&mut statement).is_pending() {
                    drop(statement);
                    // A savepoint is used by one at a time, so the statement was on its way to the database.
                    if self.kind() == Kind::Mutation {
                        part.fail(Doom::Certain);
                    }
                }
            }
            Inside::Unit => {
                let refused = unit.execute_unprepared("SELECT 1").await;
                let refusal = refused.as_ref().err().and_then(UnitError::in_db_err);
                if refusal != Some(&UnitError::InsideSavepoint) {
                    self.trace.violated(format!(
                        "the unit answered inside its savepoint: {refused:?}"
                    ));
                }
                part.fail(Doom::Certain);
            }
            Inside::Savepoint(steps) => {
                let inner = Part::new(&self.trace, self.kind(), Some(part));
                let result = tx
                    .savepoint(async |tx| {
                        inner.entered();
                        self.inside(unit, tx, &inner, steps).await
                    })
                    .await;
                inner.ended(result)?;
            }
        }
        Ok(())
    }
}

/// One savepoint, as those see it who are inside.
struct Part<'a> {
    trace: &'a Trace,
    kind: Kind,
    outer: Option<&'a Part<'a>>,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    entered: bool,
    ended: bool,
    failed: Doom,
    inserted: Vec<String>,
    effects: Vec<String>,
}

impl<'a> Part<'a> {
    fn new(trace: &'a Trace, kind: Kind, outer: Option<&'a Part<'a>>) -> Self {
        trace.savepoint_starts();
        Self {
            trace,
            kind,
            outer,
            notes: Mutex::default(),
        }
    }

    fn entered(&self) {
        lock(&self.notes).entered = true;
        self.trace.begun();
    }

    /// Rows that were inserted here and further out, and that the unit does not have yet.
    fn rows(&self) -> usize {
        lock(&self.notes).inserted.len() + self.outer.map_or(0, Part::rows)
    }

    fn fail(&self, failed: Doom) {
        let mut notes = lock(&self.notes);
        notes.failed = notes.failed.max(failed);
    }

    fn failed(&self) -> Doom {
        lock(&self.notes).failed
    }

    /// Runs a statement on the savepoint, and holds its answer against what is known.
    async fn statement<T>(
        &self,
        statement: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
        let before = self.failed();
        let dropped = Dropped(self);
        let result = statement.await;
        std::mem::forget(dropped);
        match result.as_ref().err().map(UnitError::in_db_err) {
            None | Some(None) => {
                self.trace.answered();
                if before == Doom::Certain {
                    self.trace
                        .violated("a failed savepoint ran a statement".to_owned());
                }
                if result.is_err() {
                    self.fail(Doom::Certain);
                }
            }
            Some(Some(UnitError::SavepointFailed)) => {
                if before == Doom::No {
                    self.trace
                        .violated("a savepoint failed without a reason".to_owned());
                }
                self.fail(Doom::Certain);
            }
            // Who hides a refusal has left something out.
            Some(Some(refusal)) => {
                self.trace.refused(refusal);
                self.fail(Doom::Certain);
            }
        }
        result
    }

    /// What has become of the savepoint.
    ///
    /// # Errors
    /// When it was refused.
    fn ended(&self, result: Result<(), DbErr>) -> Result<(), DbErr> {
        let Notes {
            entered,
            failed,
            inserted,
            effects,
            ..
        } = std::mem::replace(
            &mut *lock(&self.notes),
            Notes {
                ended: true,
                ..Notes::default()
            },
        );
        let Err(error) = result else {
            if failed == Doom::Certain {
                self.trace
                    .violated("a failed savepoint was kept".to_owned());
            }
            self.trace.savepoint_kept();
            match self.outer {
                Some(outer) => {
                    let mut outer = lock(&outer.notes);
                    outer.inserted.extend(inserted);
                    outer.effects.extend(effects);
                }
                None => inserted
                    .into_iter()
                    .for_each(|name| self.trace.inserted(name)),
            }
            return Ok(());
        };
        self.trace.savepoint_undone(&effects);
        match UnitError::in_db_err(&error) {
            Some(UnitError::SavepointFailed) if entered => {
                if failed == Doom::No {
                    self.trace
                        .violated("a savepoint failed without a reason".to_owned());
                }
                Ok(())
            }
            // The one further out has failed, and takes no more.
            Some(UnitError::SavepointFailed) => {
                let outer = self.outer.inspect(|outer| {
                    if outer.failed() == Doom::No {
                        self.trace
                            .violated("a savepoint failed without a reason".to_owned());
                    }
                    outer.fail(Doom::Certain);
                });
                if outer.is_none() {
                    self.trace
                        .violated("a unit failed like a savepoint".to_owned());
                }
                Err(error)
            }
            Some(refusal) => {
                self.trace.refused(refusal);
                Err(error)
            }
            None => Ok(()),
        }
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        self.trace.savepoint_ends();
        if !lock(&self.notes).ended {
            // Dropped half way: nobody was left to undo it, in a unit that only reads either.
            match self.outer {
                Some(outer) => outer.fail(Doom::Possible),
                None => self.trace.doom(Doom::Possible),
            }
        }
    }
}

/// A statement that is dropped makes the savepoint of a unit that may write fail.
struct Dropped<'a, 'b>(&'a Part<'b>);

impl Drop for Dropped<'_, '_> {
    fn drop(&mut self) {
        if self.0.kind == Kind::Mutation {
            self.0.fail(Doom::Possible);
        }
    }
}
