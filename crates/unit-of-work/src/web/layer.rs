//! The layer, and what it is told.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum_core::{extract::Request, response::Response};
use futures_util::future::BoxFuture;
use http::request::Parts;
use tower_layer::Layer;
use tower_service::Service;

use super::{Problem, answer::run, request::access_of};
use crate::{Access, Database, RetryPolicy, UnitTerms, idempotency::Recorder};

/// Which database a request is for.
type Choose = Arc<dyn Fn(&Parts) -> Result<Database, Problem> + Send + Sync>;

/// On what terms a request runs.
type TermsOf = Arc<dyn Fn(&Parts) -> Result<UnitTerms, Problem> + Send + Sync>;

/// Whose a request is.
type ViewerOf = Arc<dyn Fn(&Parts) -> Option<String> + Send + Sync>;

/// Gives each request of the routes that it is put around a unit of work. The module [`web`](super) has the rules.
///
/// ```no_run
/// # use axum::{Router, http::StatusCode, routing::post};
/// # use sea_orm::ConnectionTrait;
/// # async fn example(database: unit_of_work::Database) {
/// use unit_of_work::{IdempotencySettings, RetryPolicy, UnitOfWork, web::{Problem, UnitOfWorkLayer}};
///
/// async fn paid(unit: UnitOfWork) -> Result<StatusCode, Problem> {
///     unit.execute_unprepared("UPDATE invoice SET paid = TRUE").await?;
///     Ok(StatusCode::NO_CONTENT)
/// }
///
/// let units = UnitOfWorkLayer::new(database)
///     .idempotency(IdempotencySettings::default())
///     .retry(RetryPolicy::default());
/// let hooks = Router::new().route("/paid", post(paid)).layer(units);
/// # let _: Router = hooks; }
/// ```
#[derive(Clone)]
pub struct UnitOfWorkLayer {
    pub(super) shared: Arc<Shared>,
}

/// What all requests of a layer share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) choose: Choose,
    pub(super) terms: TermsOf,
    pub(super) access: Arc<dyn Fn(&Parts) -> Access + Send + Sync>,
    pub(super) viewer: ViewerOf,
    pub(super) deadline: Option<Duration>,
    pub(super) retry: RetryPolicy,
    pub(super) recorder: Option<Recorder>,
    pub(super) most: usize,
}

impl UnitOfWorkLayer {
    /// Units on this database, within 30 seconds each.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self::choosing(move |_| Ok(database.clone()))
    }

    /// Units on the database that `choose` finds for the request: a tenant's, for one. It answers a [`Problem`] where there is none.
    ///
    /// ```no_run
    /// # use std::collections::HashMap;
    /// # use unit_of_work::{Database, web::{Problem, UnitOfWorkLayer}};
    /// # fn example(tenants: HashMap<String, Database>) {
    /// let layer = UnitOfWorkLayer::choosing(move |parts| {
    ///     let tenant = parts.headers.get("x-tenant").and_then(|tenant| tenant.to_str().ok());
    ///     let database = tenant.and_then(|tenant| tenants.get(tenant)).cloned();
    ///     database.ok_or_else(|| Problem::new(http::StatusCode::NOT_FOUND, "There is no such tenant.", "NO_TENANT"))
    /// });
    /// # let _ = layer; }
    /// ```
    #[must_use]
    pub fn choosing(
        choose: impl Fn(&Parts) -> Result<Database, Problem> + Send + Sync + 'static,
    ) -> Self {
        let shared = Shared {
            choose: Arc::new(choose),
            terms: Arc::new(|_| Ok(UnitTerms::default())),
            access: Arc::new(|parts| access_of(&parts.method)),
            viewer: Arc::new(|_| None),
            deadline: Some(Duration::from_secs(30)),
            retry: RetryPolicy::default().attempts(1),
            recorder: None,
            most: 2 * 1024 * 1024,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Shared)) -> Self {
        change(Arc::make_mut(&mut self.shared));
        self
    }

    /// How long a handler may take, with its COMMIT and all of its attempts. Default: 30 seconds.
    #[must_use]
    pub fn deadline(self, deadline: impl Into<Option<Duration>>) -> Self {
        let deadline = deadline.into();
        self.with(|shared| shared.deadline = deadline)
    }

    /// What a request may do. Default: GET, HEAD, OPTIONS and TRACE read, other methods may write.
    #[must_use]
    pub fn access(self, access: impl Fn(&Parts) -> Access + Send + Sync + 'static) -> Self {
        self.with(|shared| shared.access = Arc::new(access))
    }

    /// On what terms a request runs: settings for row-level security, an isolation level, a shorter deadline, a name. Its
    /// [`UnitTerms::retry`] holds where it has more attempts than the layer's.
    #[must_use]
    pub fn terms(
        self,
        terms: impl Fn(&Parts) -> Result<UnitTerms, Problem> + Send + Sync + 'static,
    ) -> Self {
        self.with(|shared| shared.terms = Arc::new(terms))
    }

    /// Runs a handler again, with the same request, when it loses a conflict or the database. A handler must be able to: it does nothing
    /// outside of the database that may not happen twice, but by [`UnitOfWork::after_commit`](crate::UnitOfWork::after_commit). The body of
    /// a request is read as a whole for it. Default: one attempt.
    #[must_use]
    pub fn retry(self, policy: RetryPolicy) -> Self {
        self.with(|shared| shared.retry = policy)
    }

    /// Records idempotency keys, in a table that has to be there: see [`idempotency`](crate::idempotency). Without this, a request that may
    /// write and has the header `Idempotency-Key` is refused.
    ///
    /// Two requests with one key are the same if method, path, query and body are. Status, headers and body of a response are kept, so bodies
    /// have at most [`UnitOfWorkLayer::most_bytes`].
    #[cfg(feature = "idempotency")]
    #[must_use]
    pub fn idempotency(self, settings: crate::IdempotencySettings) -> Self {
        self.with(|shared| shared.recorder = Some(Recorder::new(settings)))
    }

    /// Whose a request is: the authenticated caller, as GraphQL's [`Viewer`](crate::Viewer). Idempotency keys are each caller's own, and
    /// who reads without a token on a replica finds what the same caller has written. Default: all callers are one.
    #[must_use]
    pub fn viewer(self, viewer: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static) -> Self {
        self.with(|shared| shared.viewer = Arc::new(viewer))
    }

    /// The most bytes of a body that is read as a whole, because of a key or a retry. Default: 2 MiB.
    #[must_use]
    pub fn most_bytes(self, bytes: usize) -> Self {
        self.with(|shared| shared.most = bytes)
    }
}

impl fmt::Debug for UnitOfWorkLayer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("UnitOfWorkLayer")
            .field("deadline", &self.shared.deadline)
            .field("retry", &self.shared.retry)
            .field("most_bytes", &self.shared.most)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for UnitOfWorkLayer {
    type Service = UnitOfWorkService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        UnitOfWorkService {
            inner,
            shared: Arc::clone(&self.shared),
        }
    }
}

/// A service inside a [`UnitOfWorkLayer`], which makes it and has an example.
#[derive(Clone)]
pub struct UnitOfWorkService<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S: fmt::Debug> fmt::Debug for UnitOfWorkService<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("UnitOfWorkService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<S> Service<Request> for UnitOfWorkService<S>
where
    S: Service<Request, Response = Response> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
{
    type Response = Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The one that is ready runs; its clone has still to become ready.
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(run(Arc::clone(&self.shared), inner, request))
    }
}
