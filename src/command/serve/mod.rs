//! `daybook serve`, step by step.

mod asked;

use std::{io::Write, time::Duration};

use axum::Router;
use sea_orm::DbBackend;
use tokio::{net::TcpListener, time::timeout};
use unit_of_work::{Database, IdempotencySettings, Report, Retrying, UnitOfWorkExtension};

use self::asked::{can_confine, idempotency_keys, recording_clock, warn_of_weaknesses};
use crate::{
    config::{DatabaseUrl, ServeSettings, TokenSettings},
    database,
    error::StartError,
    graphql::{self, Feed, FeedOptions, LedgerSchema},
    http::{self, Access, App, Limits, RequestErrors, Stop, Stopped, TlsListener, Tokens},
    jobs::{
        self, Jobs, certificate::RenewCertificate, expiry::Expiry, keys::RenewKeys, listen::Listen,
        log::ShrinkLog, notify::Notify, seal::Seal, sweep::Sweep, watch::Watch,
        webhooks::SendWebhooks,
    },
    ledger::Clock,
    observe::telemetry,
    signals,
    webhook::Webhooks,
};

/// How long the pools may take to close. With nothing under way they close at once, unless a connection hangs.
const CLOSE: Duration = Duration::from_secs(2);

/// Connects, migrates, builds the schema, listens, and drains when asked to stop.
///
/// # Errors
/// A [`StartError`] if a step before listening fails. Once the server listens, there is none.
pub async fn serve(settings: ServeSettings) -> Result<(), StartError> {
    let settings = database::within_descriptors(settings);
    let database = database::connect(&settings.database, database::options(&settings)).await?;
    if settings.migrate {
        database::bring_up_to_date(&database, &settings.database).await?;
    } else {
        database::refuse_newer(&database, &settings.database).await?;
    }
    warn_of_weaknesses(&database).await;
    let clock = recording_clock(&database, &settings.database).await?;
    let keys = idempotency_keys(&database, &settings.database).await?;

    let mut options = http::options(database::readiness(&database), graphql::operation_schema()?);
    options.operations = graphql::operations();
    options.metrics = settings.metrics.then(telemetry::metrics).flatten();
    options.metrics_apart = settings.metrics_listen.is_some();
    let tokens = match settings.tokens.clone() {
        Some(settings) => {
            let confines = can_confine(&database).await;
            Some(tokens(settings, database.backend(), confines).await?)
        }
        None => None,
    };
    if let Some(tokens) = tokens.clone() {
        options.authentication = Access::Tokens(tokens);
    }
    options.origins = settings.origins.clone();
    options.hosts = settings.hosts.clone();
    options.connections = settings.connections;
    options.limits = settings.limits;
    options.heavy = settings.heavy;
    options.persisted = settings.persisted.clone();
    let mut pages = Router::new();
    if settings.ledger_page {
        pages = pages.merge(http::ledger_page::router());
    }
    if settings.playground {
        pages = pages.merge(http::playground::router());
        // The panel of the playground draws the timeline.
        options.switches = http::reports(Report::Timeline);
    }
    options = options.pages(pages);
    let (feed, watcher) = Feed::new(database.clone(), feed_options(&settings));
    let webhooks = Webhooks::new(settings.webhooks.addresses);
    let limits = (settings.deadline, settings.limits.answer_bytes);
    let heard = (feed.clone(), webhooks.clone());
    let schema = schema_with_feed(&database, heard, clock.clone(), keys.clone(), limits);
    let app = http::app(schema, options);

    let listener = listen(&settings.listen).await?;
    let signal = signals::listen().map_err(|source| StartError::System {
        what: "listen for signals",
        source,
    })?;
    let jobs = Jobs::default();
    if let Some(certificate) = settings.certificate.clone() {
        jobs.start(RenewCertificate::new(certificate, hang_up()?));
    }
    if let Some(tokens) = tokens {
        jobs.start(RenewKeys::new(tokens, hang_up()?));
    }
    announce(&listener, &settings)?;
    jobs.start(Sweep::new(database.clone(), keys));
    jobs.start(Expiry::new(database.clone(), clock.clone()));
    let sending = (settings.webhooks, webhooks.clone());
    jobs.start(SendWebhooks::new(
        database.clone(),
        feed.clone(),
        clock,
        sending,
    ));
    jobs.start(Watch(watcher));
    if settings.seal {
        jobs.start(Seal::new(database.clone(), feed.clone()));
    }
    if database.backend() == DbBackend::Sqlite {
        jobs.start(ShrinkLog::new(database.clone()));
    }
    if database.backend() == DbBackend::Postgres {
        jobs.start(Listen::new(settings.database.clone(), feed.clone()));
        jobs.start(Notify::new(database.clone(), feed));
    }
    let stop = Stop {
        notice: settings.notice,
        drain: settings.drain,
    };
    // At once: another server goes on. In the time that requests have.
    let asked = signal.clone().cancelled_owned();
    let webhooks_stopped = tokio::spawn(async move {
        asked.await;
        timeout(stop.notice + stop.drain, webhooks.stop()).await
    });
    if let (Some(address), Some(app)) = (&settings.metrics_listen, app.metrics()) {
        let listener = listen(address).await?;
        let app = app.clone();
        tokio::spawn(http::serve(
            listener,
            app,
            signal.clone().cancelled_owned(),
            stop,
        ));
    }
    let shutdown = signal.clone().cancelled_owned();
    let stopped = match settings.certificate.clone() {
        None => http::serve(listener, app, shutdown, stop).await,
        Some(certificate) => {
            let listener = TlsListener::new(listener, certificate)
                .handshake_within(settings.connections.header_timeout);
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
    if !matches!(webhooks_stopped.await, Ok(Ok(()))) {
        tracing::warn!(
            "a webhook was not answered in time: another server waits for as long as it may take, and the event is sent again"
        );
    }
    if !jobs.stop(CLOSE).await {
        tracing::warn!("a job did not end in time");
    }
    if timeout(CLOSE, database.close()).await.is_err() {
        tracing::warn!("a database connection did not close in time");
    }
    Ok(())
}

/// The schema as the server executes it: each operation is a unit of work and is retried after a conflict, and errors from before execution
/// are marked as such. No answer is larger than `answer_bytes`.
///
/// Must be called within a Tokio runtime: the feed's watcher runs there for as long as the schema lives.
#[must_use]
pub fn schema(
    database: &Database,
    deadline: Duration,
    answer_bytes: usize,
) -> Retrying<LedgerSchema> {
    let options = FeedOptions {
        deadline,
        ..FeedOptions::default()
    };
    let (feed, watcher) = Feed::new(database.clone(), options);
    tokio::spawn(jobs::supervise(Watch(watcher)));
    let (clock, keys) = (Clock::system(), IdempotencySettings::default());
    let heard = (feed, Webhooks::default());
    schema_with_feed(database, heard, clock, keys, (deadline, answer_bytes))
}

fn feed_options(settings: &ServeSettings) -> FeedOptions {
    // Half of the readers. The other half is left to queries, whatever subscribers do.
    let reads = usize::try_from(settings.max_connections / 2);
    FeedOptions {
        subscriptions: settings.max_subscriptions,
        reads: reads.unwrap_or(usize::MAX).max(1),
        deadline: settings.deadline,
        watches_when_idle: true,
        ..FeedOptions::default()
    }
}

/// As [`schema`], with a feed and webhooks that jobs share.
fn schema_with_feed(
    database: &Database,
    (feed, webhooks): (Feed, Webhooks),
    clock: Clock,
    keys: IdempotencySettings,
    (deadline, answer_bytes): (Duration, usize),
) -> Retrying<LedgerSchema> {
    let limits = Limits::default().answer_bytes(answer_bytes);
    let unit_of_work = UnitOfWorkExtension::new(database.clone())
        .deadline(deadline)
        .idempotency(keys);
    let schema = graphql::schema(clock)
        // The limits of prepared operations apply first, and their errors say what they count.
        .limit_recursive_depth(2 * graphql_operation::MOST_LEVELS)
        .data(feed)
        .data(webhooks)
        .extension(RequestErrors::around_units(unit_of_work, &limits))
        .finish();
    Retrying::new(schema)
}

/// The whole service of a server, for commands that ask it in this process: without a port, and without authentication, since whoever can
/// open the database may do everything. No job runs.
///
/// # Errors
/// [`StartError::NotAsked`] if the database cannot be asked for what decides the time.
pub(super) async fn app_in_process(
    database: &Database,
    url: &DatabaseUrl,
    deadline: Duration,
) -> Result<App, StartError> {
    let clock = recording_clock(database, url).await?;
    let keys = idempotency_keys(database, url).await?;
    let mut options = http::options(database::readiness(database), graphql::operation_schema()?);
    options.operations = graphql::operations();
    // Nobody subscribes, so nobody watches.
    let (feed, _) = Feed::new(database.clone(), FeedOptions::default());
    let limits = (deadline, options.limits.answer_bytes);
    let heard = (feed, Webhooks::default());
    let schema = schema_with_feed(database, heard, clock, keys, limits);
    Ok(http::app(schema, options))
}

async fn tokens(
    settings: TokenSettings,
    engine: DbBackend,
    confines: bool,
) -> Result<Tokens, StartError> {
    let TokenSettings {
        keys,
        issuer,
        audience,
    } = settings;
    Tokens::of_source(keys.clone(), issuer, audience)
        .await
        // What a viewer sees depends on the scopes alone, so viewers with the same scopes can share one response.
        .map(|tokens| {
            let tokens = tokens
                .granting(graphql::grant_on(engine))
                .viewers_are_alike();
            if confines {
                tokens.for_ledgers()
            } else {
                tokens
            }
        })
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

/// Announces the server's address: on standard output, for people and scripts, and in the log.
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
    // If nobody reads standard output, the server still serves.
    let _ = writeln!(
        std::io::stdout(),
        "Daybook is listening on {scheme}://{address} ({paths})"
    );
    Ok(())
}
