//! `daybook migrate`.

use crate::{config::MigrateSettings, database, error::StartError};

/// Brings the database's schema up to date.
///
/// # Errors
/// [`StartError`] about the database.
pub async fn migrate(settings: MigrateSettings) -> Result<(), StartError> {
    database::migrate(&settings.database).await
}
