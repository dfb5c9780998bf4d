//! `daybook migrate`.

use unit_of_work::DatabaseOptions;

use crate::{config::MigrateSettings, database, error::StartError};

/// Brings the database's schema up to date.
///
/// # Errors
/// [`StartError`] about the database.
pub async fn migrate(settings: MigrateSettings) -> Result<(), StartError> {
    // Opened first as the server does, so that a database that cannot be opened gives the same message.
    let database = database::connect(&settings.database, DatabaseOptions::default()).await?;
    database.close().await;
    database::migrate(&settings.database).await
}
