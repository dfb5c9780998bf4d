//! Builds the server: its routes, and the state that they share.

use std::sync::Arc;

use async_graphql::Executor;
use axum::{
    Router,
    extract::State,
    routing::{any, get},
};
use graphql_operation::Preparer;

use crate::{
    Authentication,
    admission::slots,
    connection,
    edge::{
        app::{App, Handler},
        options::Options,
    },
    graphql::{handle, state::GraphqlState},
    lifecycle::Lifecycle,
    observe::{health, metrics},
    request::persisted,
};

/// Connections at once of the server of `/metrics`, where that has a port of its own.
const METRICS_CONNECTIONS: usize = 32;

/// Builds a server with the routes `/graphql`, `/healthz`, `/readyz`, `/metrics` (where there are metrics) and the application's pages.
///
/// The schema of the executor has to have [`RequestErrors`](crate::RequestErrors) as its first extension. It executes operations as they
/// were prepared here; without it, operations would run as the engine reads them.
///
/// There is an example at [`App`].
pub fn app<E: Executor, A: Authentication>(executor: E, options: Options<A>) -> App {
    let authentication = options.authentication;
    let lifecycle = Lifecycle::default();
    let connections = Arc::new(connection::Table::new(options.connections));
    let slots = slots::Slots::new(
        options.limits.operations,
        options.limits.subscriptions_of_client,
        options.heavy,
    );
    // In an `Arc`, since axum clones the state several times for every request.
    let state = Arc::new(GraphqlState {
        executor,
        limits: options.limits,
        slots: slots.clone(),
        documents: persisted::Documents::new(options.persisted),
        preparer: Preparer::new(
            options.schema,
            options.operations.limits(options.limits.of_operation()),
        ),
        authentication: authentication.clone(),
        origins: options.origins.clone().into(),
        socket: options.socket,
        switches: options.switches,
        lifecycle: lifecycle.clone(),
    });
    let graphql = any(handle::handle::<E, A>).with_state(Arc::clone(&state));
    let handler: Handler =
        Arc::new(move |request| Box::pin(handle::handle(State(Arc::clone(&state)), request)));
    let ready = get(health::ready).with_state(health::HealthState {
        readiness: options.readiness,
        lifecycle: lifecycle.clone(),
    });
    let mut metrics_alone = None;
    let mut router = Router::new()
        .route("/graphql", graphql)
        .route("/healthz", get(health::alive))
        .route("/readyz", ready);
    if let Some(metrics) = options.metrics {
        let state = metrics::MetricsState {
            metrics,
            slots,
            connections: connections.clone(),
            lifecycle: lifecycle.clone(),
            authentication: (!options.metrics_apart).then_some(authentication),
        };
        let metrics = get(metrics::write::<A>).with_state(state);
        if options.metrics_apart {
            metrics_alone = Some(Router::new().route("/metrics", metrics));
        } else {
            router = router.route("/metrics", metrics);
        }
    }
    if let Some(pages) = options.pages {
        router = router.merge(pages);
    }
    let metrics = metrics_alone.map(|metrics| {
        let hosts = (options.hosts.clone(), options.host_advice);
        // Few connections are enough there, and each takes one of the process's file descriptors.
        let mut connections = options.connections;
        connections.connections = connections.connections.min(METRICS_CONNECTIONS);
        let connections = connection::Table::new(connections);
        App::new(
            None,
            metrics,
            Vec::new(),
            hosts,
            Arc::new(connections),
            Lifecycle::default(),
            None,
        )
    });
    App::new(
        Some(handler),
        router,
        options.origins,
        (options.hosts, options.host_advice),
        connections,
        lifecycle,
        metrics,
    )
}
