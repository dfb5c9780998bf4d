//! The program: connects, serves, and stops on Ctrl-C.

use std::{
    env,
    time::{Duration, SystemTime},
};

use graphql_service::{Stop, serve};
use tokio::{net::TcpListener, signal, time};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};
use unit_of_work::{Database, DatabaseOptions, IdempotencySettings, idempotency, marker};

use {{crate_name}}::server::server;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // RUST_LOG chooses what is logged.
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .from_env_lossy();
    tracing_subscriber::fmt().with_env_filter(filter).init();
    let url = setting("DATABASE_URL", "sqlite://{{project-name}}.db?mode=rwc");
    let database = Database::connect(&url, DatabaseOptions::default()).await?;
    let app = server(database.clone()).await?;
    let listener = TcpListener::bind(setting("ADDRESS", "127.0.0.1:8000")).await?;
    tracing::info!("serving on http://{}/graphql", listener.local_addr()?);
    let sweep = tokio::spawn(sweep(database.clone()));
    let interrupted = async {
        if signal::ctrl_c().await.is_err() {
            // It cannot be heard: the server ends when it is killed.
            std::future::pending::<()>().await;
        }
    };
    let stop = Stop {
        notice: Duration::ZERO,
        drain: Duration::from_secs(10),
    };
    serve(listener, app, interrupted, stop).await;
    sweep.abort();
    // Effects that outlive their responses are waited for.
    database.close().await;
    Ok(())
}

fn setting(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}

/// Deletes markers and idempotency keys that have expired, every hour.
async fn sweep(database: Database) {
    let mut hours = time::interval(Duration::from_secs(60 * 60));
    loop {
        hours.tick().await;
        let markers = marker::sweep(&database, SystemTime::now()).await;
        let keys = idempotency::sweep(&database, IdempotencySettings::default().now()).await;
        for error in [markers.err(), keys.err()].into_iter().flatten() {
            tracing::warn!(%error, "what has expired was not deleted");
        }
    }
}
