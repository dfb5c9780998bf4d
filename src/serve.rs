//! What `daybook serve` does, in order.

use std::{io::Write, time::Duration};

use tokio::{net::TcpListener, time::timeout};
use unit_of_work::{Database, IdempotencySettings, Report, Retrying, UnitOfWorkExtension};

use crate::{
    config::{ServeSettings, TokenSettings},
    database, expiry,
    graphql::{self, Feed, FeedOptions, LedgerSchema},
    http::{self, Options, RequestErrors, Stop, Stopped, TlsListener, Tokens},
    ledger::Clock,
    renew, signals,
    startup::StartError,
    sweep, telemetry, wake,
};

/// Once nothing is under way, closing the pools takes no time, unless a connection is stuck.
const CLOSE: Duration = Duration::from_secs(2);

/// Connects, migrates, builds the schema, listens, and drains when asked to stop.
///
/// # Errors
/// A [`StartError`] where one of the steps before listening fails; afterwards there is none.
pub async fn serve(settings: ServeSettings) -> Result<(), StartError> {
    let database = database::connect(&settings.database, database::options(&settings)).await?;
    if settings.migrate {
        database::migrate(&settings.database).await?;
    }

    let mut options = Options::new(database::readiness(&database));
    options.metrics = settings.metrics.then(telemetry::metrics).flatten();
    options.tokens = match settings.tokens.clone() {
        Some(settings) => Some(tokens(settings).await?),
        None => None,
    };
    let tokens = options.tokens.clone();
    options.origins = settings.origins.clone();
    options.hosts = settings.hosts.clone();
    options.limits = settings.limits;
    options.persisted = settings.persisted.clone();
    if settings.playground {
        options = options.pages(http::playground::router());
        // Its panel draws them.
        options.most_told = Report::Timeline;
    }
    let (feed, watcher) = Feed::new(database.clone(), FeedOptions::default());
    tokio::spawn(watch(watcher));
    let schema = schema_with_feed(&database, feed.clone(), settings.deadline);
    let app = http::app(schema, options);

    let listener = listen(&settings.listen).await?;
    let signal = signals::listen().map_err(|source| StartError::System {
        what: "listen for signals",
        source,
    })?;
    if let Some(certificate) = settings.certificate.clone() {
        let renewal = renew::certificate(certificate, hang_up()?);
        tokio::spawn(signal.clone().run_until_cancelled_owned(renewal));
    }
    if let Some(tokens) = tokens {
        let renewal = renew::keys(tokens, hang_up()?);
        tokio::spawn(signal.clone().run_until_cancelled_owned(renewal));
    }
    announce(&listener, &settings)?;
    let sweep = sweep::forever(database.clone(), IdempotencySettings::default());
    tokio::spawn(signal.clone().run_until_cancelled_owned(sweep));
    let expiry = expiry::forever(database.clone(), Clock::system());
    tokio::spawn(signal.clone().run_until_cancelled_owned(expiry));
    let wake = wake::forever(settings.database.clone(), database.clone(), feed);
    tokio::spawn(signal.clone().run_until_cancelled_owned(wake));
    let stop = Stop {
        notice: settings.notice,
        drain: settings.drain,
    };
    let shutdown = signal.clone().cancelled_owned();
    let stopped = match settings.certificate.clone() {
        None => http::serve(listener, app, shutdown, stop).await,
        Some(certificate) => {
            let listener = TlsListener::new(listener, certificate);
            http::serve(listener, app, shutdown, stop).await
        }
    };
    match stopped {
        Stopped::Clean => tracing::info!("stopped"),
        Stopped::CutOff => tracing::warn!(
            drain = ?settings.drain,
            "stopped; what had not finished in time was rolled back"
        ),
    }
    if timeout(CLOSE, database.close()).await.is_err() {
        tracing::warn!("a database connection did not close in time");
    }
    Ok(())
}

/// The schema as it is served: what went wrong before execution is marked, everything inside that is a unit of work, and
/// what loses a conflict is run again.
#[must_use]
pub fn schema(database: &Database, deadline: Duration) -> Retrying<LedgerSchema> {
    let (feed, watcher) = Feed::new(database.clone(), FeedOptions::default());
    tokio::spawn(watch(watcher));
    schema_with_feed(database, feed, deadline)
}

async fn watch(mut watcher: crate::graphql::Watcher) {
    while watcher.due().await {
        if let Err(error) = watcher.look().await {
            tracing::warn!(%error, "look");
        }
    }
}


/// The same, around a feed that others know too.
fn schema_with_feed(database: &Database, feed: Feed, deadline: Duration) -> Retrying<LedgerSchema> {
    let unit_of_work = UnitOfWorkExtension::new(database.clone())
        .deadline(deadline)
        .idempotency(IdempotencySettings::default());
    let schema = graphql::schema(Clock::system())
        // The handler's own limits come first, and name what they count.
        .limit_recursive_depth(http::NESTING)
        .data(feed)
        .extension(RequestErrors::around(unit_of_work))
        .finish();
    Retrying::new(schema)
}

async fn tokens(settings: TokenSettings) -> Result<Tokens, StartError> {
    let TokenSettings {
        keys,
        issuer,
        audience,
    } = settings;
    Tokens::of_source(keys.clone(), issuer, audience)
        .await
        .map_err(|problem| StartError::Keys {
            from: keys,
            problem,
        })
}

async fn listen(address: &str) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| StartError::Listen {
            address: address.to_owned(),
            source,
        })
}

fn hang_up() -> Result<signals::HangUp, StartError> {
    signals::HangUp::new().map_err(|source| StartError::System {
        what: "listen for SIGHUP",
        source,
    })
}

/// Says where the server is: on standard output for people and scripts, and in the log.
fn announce(listener: &TcpListener, settings: &ServeSettings) -> Result<(), StartError> {
    let address = listener.local_addr().map_err(|source| StartError::System {
        what: "find out the port",
        source,
    })?;
    tracing::info!(%address, database = %settings.database, "listening");
    if settings.tokens.is_none() && !address.ip().is_loopback() {
        tracing::warn!(
            "there is no authentication: everyone who reaches this port may read and write the ledger"
        );
    }
    let paths = if settings.playground {
        "GraphiQL at /, GraphQL at /graphql"
    } else {
        "GraphQL at /graphql"
    };
    let scheme = if settings.certificate.is_some() {
        "https"
    } else {
        "http"
    };
    // Nobody may be reading, and that is no reason not to serve.
    let _ = writeln!(
        std::io::stdout(),
        "Daybook is listening on {scheme}://{address} ({paths})"
    );
    Ok(())
}
