//! Partial success: with [`Settings::field_savepoints`], every root field of a mutation has a savepoint of its own.
//!
//! A root field that is null because of an error is undone, and the operation commits what the other fields did. Any other error rolls back
//! the whole operation, as without the setting. So whatever a response shows has happened, and what it does not show has not.
//!
//! Root fields run one after the other, so there is at most one such savepoint. The field's first statement opens it, so a field without
//! statements costs nothing. Resolvers use the plain unit, which sends their statements to the field's savepoint.
//!
//! [`Settings::field_savepoints`]: crate::Settings::field_savepoints

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use async_graphql::{
    PathSegment, Response, ServerError, ServerResult, Value,
    extensions::{ExtensionContext, NextResolve, ResolveInfo},
};

use crate::{UnitOfWork, operation::located};

/// The root fields of one mutation.
pub(crate) struct FieldSavepoints {
    unit: UnitOfWork,
    /// Whether a field below the current root field has failed.
    failed_below: AtomicBool,
    /// Whether a field was undone, by response key. Two fields with the same key share its errors; then neither counts as undone.
    undone: Mutex<HashMap<String, bool>>,
    errors: Mutex<Vec<ServerError>>,
}

impl FieldSavepoints {
    pub(crate) fn new(unit: UnitOfWork) -> Self {
        Self {
            unit,
            failed_below: AtomicBool::new(false),
            undone: Mutex::default(),
            errors: Mutex::default(),
        }
    }

    /// Resolves a field; a root field inside its savepoint.
    pub(crate) async fn resolve(
        &self,
        ctx: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        if info.path_node.parent.is_some() {
            let result = next.run(ctx, info).await;
            if result.is_err() {
                self.failed_below.store(true, Ordering::Relaxed);
            }
            return result;
        }
        let path = info.path_node;
        let key = info.alias.unwrap_or(info.name).to_owned();
        let nullable = !info.return_type.ends_with('!');
        self.failed_below.store(false, Ordering::Relaxed);
        self.unit.enter_field();
        let (undo, answer) = match next.run(ctx, info).await {
            // async-graphql would null the whole response, even though the field is nullable.
            Err(error) if nullable => {
                lock(&self.errors).push(located::remember(located::at(error, path)));
                (true, None)
            }
            // Nothing of the operation will be shown, so all of it is rolled back.
            Err(error) => return Err(error),
            Ok(answer) => {
                let null = matches!(answer, None | Some(Value::Null));
                (null && self.failed_below.load(Ordering::Relaxed), answer)
            }
        };
        self.unit.leave_field(undo).await;
        lock(&self.undone)
            .entry(key)
            .and_modify(|undone| *undone = false)
            .or_insert(undo);
        Ok(answer)
    }

    /// Removes the errors of undone fields from a response, so that they do not roll back the other fields. If the unit is doomed they
    /// stay, since they say why.
    pub(crate) fn set_aside(&self, response: &mut Response) -> Vec<ServerError> {
        let mut errors = std::mem::take(&mut response.errors);
        errors.append(&mut lock(&self.errors));
        if self.unit.doom().is_some() {
            response.errors = errors;
            return Vec::new();
        }
        let undone = lock(&self.undone);
        let (mut aside, others) = errors.into_iter().partition(|error| {
            matches!(error.path.first(), Some(PathSegment::Field(key)) if undone.get(key) == Some(&true))
        });
        response.errors = others;
        for error in &mut aside {
            located::restore(error);
        }
        aside
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing can panic while a lock is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
