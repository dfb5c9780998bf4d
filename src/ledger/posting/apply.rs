//! Movements, applied to the accounts that they are on.

use super::error::PostEntryError;
use super::movement::Movement;
use crate::ledger::MOST_PROBLEMS;
use daybook_entity::{account, entry};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Takes the accounts that the movements of an entry touch out of `accounts`, as they are after it.
pub(super) fn applied(
    accounts: &mut BTreeMap<Uuid, account::Model>,
    movements: &BTreeMap<Uuid, Movement>,
    entry: &entry::Model,
) -> Result<BTreeMap<Uuid, account::Model>, PostEntryError> {
    let refusals = movements.iter().filter_map(|(id, movement)| {
        let account = accounts.get(id)?;
        movement.refusal(account)
    });
    PostEntryError::all(refusals.take(MOST_PROBLEMS).collect())?;
    let mut after = BTreeMap::new();
    for (id, movement) in movements {
        if movement.lines > 0
            && let Some(account) = accounts.remove(id)
        {
            after.insert(*id, movement.applied(account, entry.effective_at));
        }
    }
    Ok(after)
}
