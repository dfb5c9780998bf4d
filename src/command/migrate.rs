//! `daybook migrate`.

use crate::{config::MigrateSettings, database, error::StartError};

/// Brings the database's schema up to date, and sets up what tokens for some ledgers need, if that is wanted.
///
/// # Errors
/// [`StartError`] about the database.
pub async fn migrate(settings: MigrateSettings) -> Result<(), StartError> {
    database::migrate(&settings.database).await?;
    if settings.confine {
        database::confine(&settings.database).await?;
    }
    Ok(())
}
