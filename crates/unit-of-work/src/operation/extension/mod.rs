//! The request-data hook and the response extension: one async-graphql [`Extension`] that acts in `execute`.
//!
//! `execute` is the only hook that runs after validation, once per query, mutation and subscription event on every transport, and that can
//! both put data into the operation and replace its response. It does the following:
//!
//! 1. makes a unit, and lends it to the resolvers through the operation's data;
//! 2. runs the resolvers and their loaders within the deadline, and catches panics;
//! 3. finishes the unit: a query's snapshot ends in the background, a mutation is committed or rolled back;
//! 4. only then answers, with what really happened.
//!
//! If the future is dropped in step 2, the client is gone, and the unit is rolled back in the background. Operations of a batch that is all
//! or nothing share one unit: `batch` makes it and finishes it, instead of steps 1 and 3.

use std::{sync::Arc, time::Duration};

use async_graphql::{
    Error, Request,
    extensions::{Extension, ExtensionContext, ExtensionFactory},
};
use sea_orm::IsolationLevel;

use crate::{
    Database, FieldRule, Report, ResolverError, Settings, Shown,
    idempotency::Recorder,
    operation::{field_rule::FieldRules, mask::MapError},
};

mod alone;
mod databases;
mod per_request;

use databases::{Choice, Databases, Find};
use per_request::PerRequest;

/// Makes every GraphQL operation of a schema one unit of work.
///
/// ```no_run
/// # use async_graphql::{EmptyMutation, EmptySubscription, Object, Schema};
/// # struct Query;
/// # #[Object] impl Query { async fn one(&self) -> i32 { 1 } }
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use unit_of_work::{Database, DatabaseOptions, UnitOfWorkExtension};
///
/// let database = Database::connect("sqlite://app.db?mode=rwc", DatabaseOptions::default()).await?;
/// let schema = Schema::build(Query, EmptyMutation, EmptySubscription)
///     .extension(UnitOfWorkExtension::new(database))
///     .finish();
/// # Ok(()) }
/// ```
///
/// Register it *after* (inside) extensions that trace and log, and *before* (outside) any that can add errors to a response. An extension
/// outside of it would add its error after COMMIT.
#[derive(Clone, Debug)]
pub struct UnitOfWorkExtension {
    databases: Arc<Databases>,
    settings: Arc<Settings>,
    idempotency: Option<Recorder>,
    map_error: MapError,
    field_rules: Option<FieldRules>,
}

impl UnitOfWorkExtension {
    /// The extension for units on this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self::of(Choice::One(database))
    }

    /// The extension for units on a database that `choose` finds for each operation, and for each event of a subscription, such as the
    /// database of a tenant. `choose` sees the data that the transport put in the request. If it returns an error, that is the operation's
    /// response, and nothing runs.
    ///
    /// A unit has one database, and so has a batch that is all or nothing. With [`redeliver_shared`](crate::redeliver_shared), the text of
    /// the [`Audience`](crate::Audience) must be different for each database.
    ///
    /// ```no_run
    /// # use std::{collections::HashMap, sync::Arc};
    /// # use async_graphql::Error;
    /// # use unit_of_work::{Database, UnitOfWorkExtension};
    /// # fn example(tenants: HashMap<String, Database>) {
    /// #[derive(Clone)]
    /// struct Tenant(String);
    ///
    /// let units = UnitOfWorkExtension::choosing(move |ctx| {
    ///     let tenant = ctx.data_opt::<Tenant>().and_then(|tenant| tenants.get(&tenant.0));
    ///     tenant.cloned().ok_or_else(|| Error::new("There is no such tenant."))
    /// });
    /// # let _ = units; }
    /// ```
    #[must_use]
    pub fn choosing(
        choose: impl Fn(&ExtensionContext<'_>) -> Result<Database, Error> + Send + Sync + 'static,
    ) -> Self {
        Self::of(Choice::Each(Find(Box::new(choose))))
    }

    fn of(choice: Choice) -> Self {
        Self {
            databases: Databases::of(choice),
            settings: Arc::default(),
            idempotency: None,
            map_error: MapError::default(),
            field_rules: None,
        }
    }

    /// Replaces the [`Settings`].
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = Arc::new(settings);
        self
    }

    /// Sets [`Settings::deadline`].
    #[must_use]
    pub fn deadline(mut self, deadline: impl Into<Option<Duration>>) -> Self {
        Arc::make_mut(&mut self.settings).deadline = deadline.into();
        self
    }

    /// Runs every operation that selects this root field at this isolation level, or a stricter one.
    #[must_use]
    pub fn field_isolation(mut self, field: impl Into<String>, level: IsolationLevel) -> Self {
        let settings = Arc::make_mut(&mut self.settings);
        settings.field_isolation.insert(field.into(), level);
        self
    }

    /// Records [idempotency keys](crate::idempotency), in a table that must exist. Without this, a mutation with a key is refused.
    #[cfg(feature = "idempotency")]
    #[must_use]
    pub fn idempotency(mut self, settings: crate::IdempotencySettings) -> Self {
        self.idempotency = Some(Recorder::new(settings));
        self
    }

    /// Sets a hook that decides what clients see of resolvers' errors. It is called for each error, of the database or of the application.
    /// A second call replaces the hook.
    ///
    /// It is called before it is known whether the attempt is run again, so it must have no side effects. If it panics, the error is
    /// masked.
    ///
    /// ```
    /// # use async_graphql::Error;
    /// # use unit_of_work::{Database, FailureKind, ResolverError, Shown, UnitOfWorkExtension};
    /// # fn example(database: Database) {
    /// let units = UnitOfWorkExtension::new(database).map_error(|resolver: ResolverError<'_>| {
    ///     match resolver.error.source::<std::num::ParseIntError>() {
    ///         Some(_) => Shown::Instead(Error::new("This is not a number.")),
    ///         None => Shown::ByDefault,
    ///     }
    /// });
    /// # let _ = units; }
    /// ```
    #[must_use]
    pub fn map_error(
        mut self,
        map: impl Fn(ResolverError<'_>) -> Shown + Send + Sync + 'static,
    ) -> Self {
        self.map_error.set_hook(map);
        self
    }

    /// Sets what clients see if an operation violates a constraint that has one of these names, at a statement or at COMMIT: the message and
    /// the extensions of `error`. Nothing is logged then. A second call with the same name replaces the error.
    ///
    /// The names are those of [`violated_constraint`](crate::violated_constraint), which differ between the engines. What the hook of
    /// [`UnitOfWorkExtension::map_error`] decides goes first. A COMMIT of a batch that is all or nothing stays
    /// [`COMMIT_FAILED`](crate::codes::COMMIT_FAILED).
    ///
    /// ```
    /// # use async_graphql::{Error, ErrorExtensions};
    /// # use unit_of_work::{Database, UnitOfWorkExtension};
    /// # fn example(database: Database) {
    /// let taken = Error::new("This name is taken.").extend_with(|_, extensions| extensions.set("code", "NAME_TAKEN"));
    /// // The name on PostgreSQL, and the column on SQLite.
    /// let units = UnitOfWorkExtension::new(database).constraint(["person_name_key", "person.name"], taken);
    /// # let _ = units; }
    /// ```
    #[must_use]
    pub fn constraint(
        mut self,
        names: impl IntoIterator<Item = impl Into<String>>,
        error: Error,
    ) -> Self {
        let error = Arc::new(error);
        for name in names {
            self.map_error
                .add_constraint(name.into(), Arc::clone(&error));
        }
        self
    }

    /// Makes a [`FieldRule`] for each attempt at a request. `make` gets the request after all extensions have prepared it. A second call
    /// replaces `make`.
    #[must_use]
    pub fn field_rule(
        mut self,
        make: impl Fn(&ExtensionContext<'_>, &Request) -> Option<Box<dyn FieldRule>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.field_rules = Some(FieldRules::new(make));
        self
    }

    /// Sets [`Settings::field_savepoints`].
    #[must_use]
    pub fn field_savepoints(mut self, field_savepoints: bool) -> Self {
        Arc::make_mut(&mut self.settings).field_savepoints = field_savepoints;
        self
    }

    /// Sets [`Settings::report`].
    #[must_use]
    pub fn report(mut self, report: Report) -> Self {
        Arc::make_mut(&mut self.settings).report = report;
        self
    }
}

impl ExtensionFactory for UnitOfWorkExtension {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(PerRequest::new(self))
    }
}
