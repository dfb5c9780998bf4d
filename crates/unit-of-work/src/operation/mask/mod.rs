//! Masks database errors: decides which of the resolvers' errors are shown unchanged, and what is shown instead of the others.
//!
//! Clients must never see the text of a database error, whatever a resolver has made of it. An error counts as the database's
//!
//! 1. if it is, or comes from (`source()`), a database error, also inside `Arc` and `Box`; or
//! 2. if a statement failed in its field, or in a loader's batch that the field used; or
//! 3. if its text contains the text of a database error.
//!
//! Such an error is replaced by a fixed message and a code, and if only operators can do something about it, an id that the log has too.
//! The exception is an error that the application declares: it has a `code` of its own, and contains no text of the database. Errors of
//! other fields are the application's own, and stay unchanged.

use std::collections::HashMap;

use async_graphql::{Error, PathSegment, ServerError};

use crate::{
    FailureKind, UnitError,
    consistency::reading,
    operation::{
        failures::{Failure, Failures, What},
        respond,
    },
    violated_constraint,
};

mod map_error;
mod words;

pub(crate) use map_error::MapError;

use words::{DRIVER_WORDS, Said, bare, database_error, members, texts_of};

/// An error of a resolver, as [`UnitOfWorkExtension::map_error`](crate::UnitOfWorkExtension::map_error) sees it.
///
/// ```
/// use unit_of_work::{FailureKind, ResolverError, Shown};
///
/// fn map(resolver: ResolverError<'_>) -> Shown {
///     match resolver.database {
///         Some(FailureKind::Constraint) => Shown::Instead(async_graphql::Error::new("This is there already.")),
///         _ => Shown::ByDefault,
///     }
/// }
/// # let _ = map;
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ResolverError<'a> {
    /// The error that the resolver returned. `error.source::<T>()` finds the resolver's own type.
    pub error: &'a ServerError,
    /// What failed in the database, if the error counts as the database's.
    pub database: Option<FailureKind>,
}

/// What a client is shown of an error.
///
/// ```
/// # fn example(database: unit_of_work::Database) {
/// use unit_of_work::{Shown, UnitOfWorkExtension};
///
/// // Nothing of any error is shown, but for an id under which the log has it.
/// let units = UnitOfWorkExtension::new(database).map_error(|_| Shown::Masked);
/// # let _ = units; }
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Shown {
    /// As without a hook: an error of the database is masked, any other is shown unchanged.
    #[default]
    ByDefault,
    /// The error unchanged, whatever it contains.
    AsItIs,
    /// `INTERNAL`, with an id under which the log has the error's message.
    Masked,
    /// The message and the extensions of this error.
    Instead(Error),
}

/// Masks the errors of an operation. Nothing is logged yet, since the attempt may be run again, and then nobody sees them.
pub(crate) fn mask(
    errors: &mut [ServerError],
    unit: Option<&Failures>,
    between_events: Option<&Failures>,
    map: Option<&MapError>,
) {
    let Some(failures) = unit.or(between_events).filter(|_| !errors.is_empty()) else {
        return;
    };
    let known = Known::of(failures, unit, between_events);
    for error in errors {
        let found = known.find(error);
        let shown = map.map_or(Shown::ByDefault, |map| map.shown(error, found.as_ref()));
        match (shown, found) {
            (Shown::AsItIs, _) | (Shown::ByDefault, None) => {}
            (Shown::Instead(instead), _) => {
                error.message = instead.message;
                error.extensions = instead.extensions;
            }
            (Shown::Masked, _) => {
                let what = What::Text(error.message.clone());
                let masked = respond::internal(failures.show(&failures.add(what)));
                error.message = masked.message;
                error.extensions = masked.extensions;
            }
            (Shown::ByDefault, Some(found)) => known.replace(error, &found),
        }
    }
}

/// The failure that an error comes from.
struct Found<'a> {
    failed: Failed<'a>,
    /// The texts of the error's own source.
    words: Vec<String>,
}

enum Failed<'a> {
    Noted(&'a Noted<'a>),
    /// A database error that no unit has noted, because it did not happen on a unit.
    Other(What),
}

impl Found<'_> {
    fn kind(&self) -> FailureKind {
        match &self.failed {
            Failed::Noted(noted) => noted.failure.kind,
            Failed::Other(What::Error(error)) => FailureKind::of(error),
            Failed::Other(_) => FailureKind::Other,
        }
    }

    /// The name of the violated constraint.
    fn constraint(&self) -> Option<String> {
        let what = match &self.failed {
            Failed::Noted(noted) => &noted.failure.what,
            Failed::Other(what) => what,
        };
        match what {
            What::Error(error) => violated_constraint(error),
            What::Abandoned | What::Text(_) => None,
        }
    }
}

/// A noted failure, and its place.
struct Noted<'a> {
    failures: &'a Failures,
    failure: Failure,
    texts: Vec<String>,
}

/// All known failures.
struct Known<'a> {
    own: &'a Failures,
    noted: Vec<Noted<'a>>,
    /// The failure of each field, by the field's path.
    by_field: HashMap<String, usize>,
    /// The failure between a stream's events, which belongs to the root field.
    between_events: Option<usize>,
    has_overflowed: bool,
}

impl<'a> Known<'a> {
    fn of(
        own: &'a Failures,
        unit: Option<&'a Failures>,
        between_events: Option<&'a Failures>,
    ) -> Self {
        let noted = |failures: &'a Failures| {
            failures.all().into_iter().map(move |failure| Noted {
                texts: match &failure.what {
                    What::Error(error) => texts_of(error),
                    What::Abandoned | What::Text(_) => Vec::new(),
                },
                failures,
                failure,
            })
        };
        let mut known = Self {
            own,
            noted: unit.into_iter().flat_map(noted).collect(),
            by_field: HashMap::new(),
            between_events: None,
            has_overflowed: own.has_overflowed(),
        };
        for (index, noted) in known.noted.iter().enumerate() {
            // An abandoned statement has no error that a resolver could return.
            let counts = !noted.failure.is_mended && !matches!(noted.failure.what, What::Abandoned);
            if counts {
                for field in &noted.failure.fields {
                    known.by_field.entry(field.clone()).or_insert(index);
                }
            }
        }
        if let Some(between_events) = between_events {
            let first = known.noted.len();
            known.noted.extend(noted(between_events));
            known.between_events = (known.noted.len() > first).then_some(first);
        }
        known
    }

    /// The failure that an error comes from; `None` if the error is the application's.
    fn find(&self, error: &ServerError) -> Option<Found<'_>> {
        let source = error.source.as_deref().and_then(database_error);
        let words = source.as_ref().map(texts_of).unwrap_or_default();
        let said = Said::of(error);
        let has_words = self.words(&words).any(|words| said.has(words));
        let is_declared = error
            .extensions
            .as_ref()
            .is_some_and(|extensions| extensions.get("code").is_some());
        if is_declared && !has_words {
            return None;
        }
        let last =
            |is: &dyn Fn(&Noted<'_>) -> bool| self.noted.iter().rev().find(|noted| is(noted));
        let noted = match &source {
            Some(source) => {
                let text = source.to_string();
                last(
                    &|noted| matches!(&noted.failure.what, What::Error(error) if error.to_string() == text),
                )
            }
            None => self
                .of_field(error)
                .or_else(|| last(&|noted| noted.texts.iter().any(|text| said.has(text))))
                .or_else(|| self.noted.first().filter(|_| self.has_overflowed)),
        };
        let failed = match (noted, source) {
            (Some(noted), _) => Failed::Noted(noted),
            (None, Some(source)) => Failed::Other(What::Error(source)),
            (None, None) if has_words => Failed::Other(What::Text(error.message.clone())),
            (None, None) => return None,
        };
        Some(Found { failed, words })
    }

    /// The texts of the database.
    fn words<'b>(&'b self, own: &'b [String]) -> impl Iterator<Item = &'b str> {
        let noted = self.noted.iter().flat_map(|noted| &noted.texts);
        noted.chain(own).map(String::as_str).chain([DRIVER_WORDS])
    }

    /// The failure in the field of an error, or in an item of the field's list.
    fn of_field(&self, error: &ServerError) -> Option<&Noted<'a>> {
        let path = &error.path;
        let fields = path
            .iter()
            .rposition(|segment| matches!(segment, PathSegment::Field(_)));
        let index = self
            .by_field
            .get(&shown_path(&path[..=fields?]))
            .copied()
            .or_else(|| self.between_events.filter(|_| fields == Some(0)));
        self.noted.get(index?)
    }

    /// Replaces an error by what is shown of a failure.
    fn replace(&self, error: &mut ServerError, found: &Found<'_>) {
        let shown = match &found.failed {
            Failed::Noted(noted) => shown(noted.failures, &noted.failure),
            Failed::Other(what) => shown(self.own, &self.own.add(what.clone())),
        };
        error.message = shown.message;
        let mut extensions = shown.extensions.unwrap_or_default();
        if let Some(declared) = error.extensions.take() {
            let declared = members(&declared);
            if declared.iter().any(|(name, _)| name == "code") {
                // A code that the resolver declares is a promise to clients, and stays.
                extensions.unset("retryable");
            }
            for (name, value) in declared {
                let said = bare(&value.to_string());
                let leaks = self.words(&found.words).any(|words| said.contains(words));
                if !leaks {
                    extensions.set(name, value);
                }
            }
        }
        error.extensions = Some(extensions);
    }
}

fn shown(failures: &Failures, failure: &Failure) -> ServerError {
    match &failure.refusal {
        Some(UnitError::Doomed) => return respond::doomed_before(failures),
        Some(UnitError::SavepointFailed) => return respond::part_undone(failures.show_cause()),
        Some(refusal) => {
            if let Some(told) = reading::told(refusal) {
                return told;
            }
        }
        None => {}
    }
    match failure.kind {
        FailureKind::Conflict => respond::conflict(),
        FailureKind::ConnectionLost | FailureKind::Unavailable => {
            respond::unavailable(failures.show(failure))
        }
        FailureKind::Full => respond::full(failures.show(failure)),
        FailureKind::FileReplaced => respond::file_replaced(failures.show(failure)),
        FailureKind::Damaged => respond::damaged(failures.show(failure)),
        FailureKind::NoConnection => respond::overloaded(),
        FailureKind::Timeout => respond::timed_out(failures, failure),
        _ => respond::internal(failures.show(failure)),
    }
}

/// A path as `QueryPathNode` shows it.
fn shown_path(path: &[PathSegment]) -> String {
    let segments = path.iter().map(|segment| match segment {
        PathSegment::Field(name) => name.clone(),
        PathSegment::Index(index) => index.to_string(),
    });
    segments.collect::<Vec<_>>().join(".")
}
