//! `daybook verify`.

use std::time::Duration;

use sea_orm::DbErr;
use unit_of_work::DatabaseOptions;

use super::print;
use crate::{config::MigrateSettings, database, error::StartError, ledger};

/// Checks the ledger, and prints every difference and how much was checked.
///
/// # Errors
/// [`StartError::Unsound`] or [`StartError::Damaged`] if something is wrong, and those about the database.
pub async fn verify(settings: MigrateSettings) -> Result<(), StartError> {
    const MOST_DIFFERENCES: usize = 1000;
    let mut options = DatabaseOptions::default();
    // One query reads the whole ledger.
    options.statement_timeout = Duration::from_secs(60 * 60);
    let database = database::connect(&settings.database, options).await?;
    let failed = |source: DbErr| StartError::Verify {
        database: settings.database.clone(),
        reason: source.to_string(),
    };
    // The file comes first: in a damaged file, sums may be unreadable, or right by chance.
    let damage = database::damage(&database).await.map_err(failed)?;
    if !damage.is_empty() {
        print(&format!("{}\n", damage.join("\n")))?;
        return Err(StartError::Damaged {
            database: settings.database.clone(),
            findings: damage.len(),
        });
    }
    let check = database
        .read(async |unit| ledger::verify(&unit, MOST_DIFFERENCES).await)
        .await
        .map_err(failed)?;
    database.close().await;
    for difference in &check.differences {
        print(&format!("{difference}\n"))?;
    }
    print(&format!(
        "checked {} accounts, {} entries and {} lines\n",
        check.accounts, check.entries, check.lines
    ))?;
    if check.is_sound() {
        return Ok(());
    }
    let more = if check.truncated { " and more" } else { "" };
    Err(StartError::Unsound {
        differences: format!("{}{more}", check.differences.len()),
    })
}
