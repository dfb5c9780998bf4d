//! What the application says of errors: its hook, and what clients see of a violated constraint.

use std::{collections::HashMap, fmt, panic::AssertUnwindSafe, sync::Arc};

use async_graphql::{Error, ServerError, Value};

use super::{Found, ResolverError, Shown};
use crate::codes;

type Hook = Arc<dyn Fn(ResolverError<'_>) -> Shown + Send + Sync>;

/// What the application says of errors. Cloned for each request; most have nothing to say.
#[derive(Clone, Default)]
pub(crate) struct MapError(Option<Arc<Rules>>);

#[derive(Clone, Default)]
struct Rules {
    hook: Option<Hook>,
    /// What clients see of a violated constraint, by its name.
    constraints: HashMap<String, Arc<Error>>,
}

impl MapError {
    pub(crate) fn set_hook(
        &mut self,
        hook: impl Fn(ResolverError<'_>) -> Shown + Send + Sync + 'static,
    ) {
        self.rules().hook = Some(Arc::new(hook));
    }

    pub(crate) fn add_constraint(&mut self, name: String, error: Arc<Error>) {
        self.rules().constraints.insert(name, error);
    }

    fn rules(&mut self) -> &mut Rules {
        Arc::make_mut(self.0.get_or_insert_default())
    }

    /// Calls the hook, if there is one. If it panics, the error is masked. The names of constraints come second.
    pub(super) fn shown(&self, error: &ServerError, found: Option<&Found<'_>>) -> Shown {
        let Some(rules) = &self.0 else {
            return Shown::ByDefault;
        };
        let resolver = ResolverError {
            error,
            database: found.map(Found::kind),
        };
        let shown = rules.hook.as_ref().map_or(Shown::ByDefault, |hook| {
            std::panic::catch_unwind(AssertUnwindSafe(|| hook(resolver))).unwrap_or(Shown::Masked)
        });
        if matches!(shown, Shown::ByDefault)
            && !rules.constraints.is_empty()
            && let Some(constraint) = found.and_then(Found::constraint)
            && let Some(error) = rules.constraints.get(&constraint)
        {
            return Shown::Instead(Error::clone(error));
        }
        shown
    }

    /// Replaces the error of a COMMIT that was refused because of a constraint whose name is known.
    pub(crate) fn commit_failed(&self, errors: &mut [ServerError]) {
        let Some(rules) = &self.0 else {
            return;
        };
        for error in errors {
            let Some(extensions) = &error.extensions else {
                continue;
            };
            if extensions.get("code") == Some(&codes::COMMIT_FAILED.into())
                && let Some(Value::String(name)) = extensions.get("constraint")
                && let Some(instead) = rules.constraints.get(name)
            {
                error.message.clone_from(&instead.message);
                error.extensions.clone_from(&instead.extensions);
            }
        }
    }
}

impl fmt::Debug for MapError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MapError").finish_non_exhaustive()
    }
}
