//! What lies around every request, whichever route it takes.
//!
//! From the outside in: a span, an id and a log line; the name of the server that is asked for; compression; consent to pages of other origins; an answer in place of
//! a panic, and of what the end of the server cuts off; the routes.
//!
//! It is one service instead of axum's layers, each of which is a box around every request, and around every copy of what is
//! inside. `/graphql` itself is found without axum's router, which would cost `{ __typename }` a tenth of its time.

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

/// The whole of what clients meet: what [`serve`](crate::serve) serves. Clones share it.
#[derive(Clone)]
pub struct App(Arc<Shared>);

impl fmt::Debug for App {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("App").finish_non_exhaustive()
    }
}

/// Answers requests of one path.
pub(crate) type Handler = Arc<dyn Fn(Request) -> BoxFuture<'static, Response> + Send + Sync>;

/// The path of [`Shared::graphql`].
const GRAPHQL: &str = "/graphql";

struct Shared {
    /// `/graphql`, for requests whose span is sent nowhere. The routes have it too.
    graphql: Option<Handler>,
    routes: Router,
    /// The same, for requests whose span is sent somewhere.
    recorded_routes: Router,
    cors: Option<CorsLayer>,
    /// The names that are answered, and what is advised about others.
    hosts: (Hosts, &'static str),
    connections: Arc<Table>,
    lifecycle: Lifecycle,
    /// `/metrics`, where it has a port of its own.
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
            recorded_routes: routes.clone().layer(middleware::map_request(tell_route)),
            graphql,
            routes,
            cors: browser::cors(origins),
            hosts,
            connections,
            lifecycle,
            metrics,
        }))
    }

    /// `/metrics`, where [`Options::metrics_apart`](crate::Options::metrics_apart) says that it has a port of its own.
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
    /// Answers a page of another origin as the settings say.
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

    /// Answers in place of a request that panics, or that has not finished when the time for it is over.
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

/// Tells the request's span which route it took.
fn tell_route(request: Request) -> std::future::Ready<Request> {
    if let Some(route) = request.extensions().get::<MatchedPath>() {
        Span::current().set_attribute("http.route", route.as_str().to_owned());
    }
    ready(request)
}
