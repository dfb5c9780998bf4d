//! What a server asks its database at the start: when it was last written to, and what it is set up for.

use std::time::Duration;

use sea_orm::{DbBackend, DbErr};
use unit_of_work::{Database, IdempotencySettings};

use crate::{
    config::DatabaseUrl,
    database,
    error::StartError,
    ledger::{self, Clock},
};

/// How far the clocks of two servers usually differ, at most.
const CLOCK_AHEAD: Duration = Duration::from_secs(5);

/// The clock that stamps entries. It is never before the latest entry, even if the machine's clock was set back.
///
/// # Errors
/// [`StartError::NotAsked`] if the latest entry cannot be read: the clock could then run backwards.
pub(super) async fn recording_clock(
    database: &Database,
    url: &DatabaseUrl,
) -> Result<Clock, StartError> {
    let latest = database
        .read(async |unit| {
            // With --no-migrate, a database may have no tables yet, and so no entries.
            if database::has_table(&unit, "entry").await? {
                ledger::latest_recorded_at(&unit).await
            } else {
                Ok(None)
            }
        })
        .await;
    let latest = latest.map_err(|error| StartError::NotAsked {
        database: url.clone(),
        what: "when its latest entry was recorded",
        reason: error.to_string(),
    })?;
    let clock = Clock::system();
    if let Some(ahead) = latest.and_then(|latest| (latest - clock.now()).to_std().ok())
        && ahead > CLOCK_AHEAD
    {
        tracing::warn!(
            ?ahead,
            "the latest entry was recorded later than the machine's clock says that it is: the clock was set back, or was wrong then; \
             until it has caught up, entries are recorded at the instant of the latest one"
        );
    }
    Ok(clock.never_backwards(latest))
}

/// How idempotency keys are kept: also where the machine's clock was set forward meanwhile, for as long as they should be.
///
/// # Errors
/// [`StartError::NotAsked`] where the last key of a database that has its tables cannot be read.
pub(super) async fn idempotency_keys(
    database: &Database,
    url: &DatabaseUrl,
) -> Result<IdempotencySettings, StartError> {
    let keys = IdempotencySettings::default();
    let table = "unit_of_work_idempotency";
    let remembered = async {
        // With --no-migrate, a database may have no tables yet.
        if database
            .read(async |unit| database::has_table(&unit, table).await)
            .await?
        {
            keys.remember(database).await?;
        }
        Ok::<_, DbErr>(())
    };
    remembered.await.map_err(|error| StartError::NotAsked {
        database: url.clone(),
        what: "when its last idempotency key was claimed",
        reason: error.to_string(),
    })?;
    Ok(keys)
}

/// Says what of the database server weakens what is promised.
pub(super) async fn warn_of_weaknesses(database: &Database) {
    match database.weaknesses().await {
        Ok(settings) => {
            for setting in settings {
                tracing::warn!(
                    setting,
                    "is off at the database server: an entry that was acknowledged can be lost when its machine fails"
                );
            }
        }
        Err(error) => {
            tracing::warn!(%error, "the database server cannot be asked whether it keeps what it acknowledges");
        }
    }
}

/// Whether tokens can be for some ledgers. If not, such tokens have no scope.
pub(super) async fn can_confine(database: &Database) -> bool {
    match database
        .read(async |unit| ledger::can_confine(&unit).await)
        .await
    {
        Ok(true) => true,
        Ok(false) if database.backend() == DbBackend::MySql => {
            tracing::info!(
                "tokens for some ledgers (`ledger:read:CODE`) are not taken: no rows are hidden from an operation on MariaDB"
            );
            false
        }
        Ok(false) => {
            tracing::info!(
                "tokens for some ledgers (`ledger:read:CODE`) are not taken: `daybook migrate --confine` sets the database up for them"
            );
            false
        }
        Err(error) => {
            tracing::warn!(%error, "tokens for some ledgers are not taken: the database cannot be asked whether it is set up for them");
            false
        }
    }
}
