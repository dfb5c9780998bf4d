//! The service around all routes.
//!
//! From the outside in: a span, an id and a log line; the check of `Host`; compression; CORS; an answer in place of a panic, and of a
//! request that is cut off when the server ends; the routes.
//!
//! It is one service instead of layers of axum, each of which allocates for every request. `/graphql` is found without axum's router,
//! which would take a tenth of the time of `{ __typename }`.

use std::{
    convert::Infallible,
    fmt,
    future::ready,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    Router,
    extract::{MatchedPath, Request},
    http::HeaderValue,
    middleware,
    response::Response,
};
use futures_util::{FutureExt, future::BoxFuture};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_http::cors::CorsLayer;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::{
    answer::{media::MediaType, panic},
    connection::Table,
    edge::{browser, host::Hosts},
    lifecycle::Lifecycle,
    observe::trace,
};

/// A complete server: the routes, and the checks around them. [`app`](crate::app) builds it and [`serve`](crate::serve) serves it.
///
/// It is a [`tower::Service`] too, for tests and for a server of your own. Clones share everything.
///
/// ```
/// use async_graphql::{EmptyMutation, EmptySubscription, Object, Schema};
/// use axum::{body::Body, extract::Request};
/// use graphql_service::{Anyone, Limits, Options, RequestErrors, app};
/// use tower::ServiceExt;
///
/// struct Query;
///
/// #[Object]
/// impl Query {
///     async fn one(&self) -> i32 {
///         1
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let schema = Schema::build(Query, EmptyMutation, EmptySubscription)
///     .extension(RequestErrors::within(&Limits::default()))
///     .finish();
/// let definition = graphql_operation::Schema::parse(&schema.sdl())?;
/// let app = app(schema, Options::new(definition, Anyone));
///
/// // As in a test: no connection is needed.
/// let request = Request::post("/graphql")
///     .header("host", "localhost")
///     .header("content-type", "application/json")
///     .body(Body::from(r#"{"query": "{ one }"}"#))?;
/// let response = app.oneshot(request).await?;
/// let body = axum::body::to_bytes(response.into_body(), 1024).await?;
/// assert_eq!(body, r#"{"data":{"one":1}}"#);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct App(Arc<Shared>);

impl fmt::Debug for App {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("App").finish_non_exhaustive()
    }
}

/// Answers the requests to one path.
pub(crate) type Handler = Arc<dyn Fn(Request) -> BoxFuture<'static, Response> + Send + Sync>;

/// The path of [`Shared::graphql`].
const GRAPHQL: &str = "/graphql";

struct Shared {
    /// Answers `/graphql` without the router, for requests whose span is not recorded. The routes have it too.
    graphql: Option<Handler>,
    routes: Router,
    /// The same routes, for requests whose span is recorded: it is told the route.
    recorded_routes: Router,
    cors: Option<CorsLayer>,
    /// The names that are answered, and the advice for clients that use another one.
    hosts: (Hosts, &'static str),
    connections: Arc<Table>,
    lifecycle: Lifecycle,
    /// The server of `/metrics`, where that has a port of its own.
    metrics: Option<App>,
}

impl App {
    pub(crate) fn new(
        graphql: Option<Handler>,
        routes: Router,
        origins: Vec<HeaderValue>,
        hosts: (Hosts, &'static str),
        connections: Arc<Table>,
        lifecycle: Lifecycle,
        metrics: Option<Self>,
    ) -> Self {
        Self(Arc::new(Shared {
            recorded_routes: routes.clone().layer(middleware::map_request(record_route)),
            graphql,
            routes,
            cors: browser::cors(origins),
            hosts,
            connections,
            lifecycle,
            metrics,
        }))
    }

    /// The server of `/metrics` if [`Options::metrics_apart`](crate::Options::metrics_apart) gives it a port of its own. Serve it on a
    /// listener that only the monitoring can reach: it asks nobody who they are.
    pub fn metrics(&self) -> Option<&Self> {
        self.0.metrics.as_ref()
    }

    pub(crate) fn connections(&self) -> &Arc<Table> {
        &self.0.connections
    }

    pub(crate) fn lifecycle(&self) -> &Lifecycle {
        &self.0.lifecycle
    }
}

impl Service<Request> for App {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let shared = Arc::clone(&self.0);
        let answer = trace::trace(request, move |request, is_recorded| async move {
            let (hosts, advice) = &shared.hosts;
            if let Err(refusal) = hosts.check(&request, advice) {
                return refusal.into_http(MediaType::Json);
            }
            browser::compress(request, move |request| shared.consent(request, is_recorded)).await
        });
        Box::pin(answer.map(Ok))
    }
}

impl Shared {
    /// Adds the answers to pages of other origins (CORS).
    async fn consent(self: Arc<Self>, request: Request, is_recorded: bool) -> Response {
        let Some(cors) = &self.cors else {
            return self.guard(request, is_recorded).await;
        };
        let inner = service_fn(|request| {
            let shared = Arc::clone(&self);
            async move { Ok::<_, Infallible>(shared.guard(request, is_recorded).await) }
        });
        let Ok(response) = Box::pin(cors.layer(inner).oneshot(request)).await;
        response
    }

    /// Routes a request, and answers in place of one that panics, or that is cut off when the server ends.
    async fn guard(&self, request: Request, is_recorded: bool) -> Response {
        let answer = match &self.graphql {
            Some(graphql) if !is_recorded && request.uri().path() == GRAPHQL => graphql(request),
            _ => {
                let routes = if is_recorded {
                    &self.recorded_routes
                } else {
                    &self.routes
                };
                let answer = routes.clone().call(request);
                Box::pin(answer.map(|Ok(response)| response))
            }
        };
        self.lifecycle.cut_off(panic::catch(answer)).await
    }
}

/// Records the route in the request's span.
fn record_route(request: Request) -> std::future::Ready<Request> {
    if let Some(route) = request.extensions().get::<MatchedPath>() {
        Span::current().set_attribute("http.route", route.as_str().to_owned());
    }
    ready(request)
}
