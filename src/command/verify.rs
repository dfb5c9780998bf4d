//! `daybook verify`.

use std::time::Duration;

use sea_orm::DbErr;
use unit_of_work::DatabaseOptions;

use super::print;
use crate::{config::VerifySettings, database, error::StartError, ledger};

/// Checks the ledger, and prints every difference and how much was checked.
///
/// # Errors
/// [`StartError::Unsound`], [`StartError::Damaged`] or [`StartError::Incomplete`] if something is wrong, and those about the database.
pub async fn verify(settings: VerifySettings) -> Result<(), StartError> {
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
    // Without its triggers, the ledger may be sound and yet not be kept so. What else is wrong is told first.
    let complete = database::refuse_incomplete(&database, &settings.database).await;
    let numbers: Vec<_> = settings.receipts.iter().map(|it| it.0).collect();
    // In one snapshot: the chain of seals that is checked is the one that the receipts are compared with.
    let checked = database
        .read(async |unit| {
            let check = ledger::verify(&unit, MOST_DIFFERENCES).await?;
            Ok::<_, DbErr>((check, ledger::receipts(&unit, &numbers).await?))
        })
        .await;
    database.close().await;
    let (check, sealed) = match (checked, complete.is_ok()) {
        (Ok(checked), _) => checked,
        (Err(error), true) => return Err(failed(error)),
        // The functions that are missing may be those that the check needs.
        (Err(_), false) => return complete,
    };
    for difference in &check.differences {
        print(&format!("{difference}\n"))?;
    }
    let mut wrong_receipts = 0;
    for (number, hash) in &settings.receipts {
        let problem = match sealed.get(number) {
            Some(receipt) if receipt.hash == *hash => continue,
            Some(_) => {
                "has another hash now: it, or something before it, was changed since the receipt was given"
            }
            None => "is not sealed: it is not in this ledger any more, or never was",
        };
        wrong_receipts += 1;
        print(&format!("the event {number} {problem}\n"))?;
    }
    print(&format!(
        "checked {} accounts, {} entries and {} lines\n",
        check.accounts, check.entries, check.lines
    ))?;
    if !settings.receipts.is_empty() {
        print(&format!("checked {} receipts\n", settings.receipts.len()))?;
    }
    if check.is_sound() && wrong_receipts == 0 {
        return complete;
    }
    if let Err(incomplete) = complete {
        print(&format!("{incomplete}\n"))?;
    }
    let more = if check.truncated { " and more" } else { "" };
    Err(StartError::Unsound {
        differences: format!("{}{more}", check.differences.len() + wrong_receipts),
    })
}
