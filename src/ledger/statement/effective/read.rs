//! Reads lines in this order, and balances at places in it.

use super::{EffectiveLine, EffectiveLines, EffectiveSlice, LinePlace, mariadb, sql};
use crate::ledger::statement::read::line;
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult};
use std::collections::HashMap;

/// The lines of each slice, from the edge on that it is read from: one statement, however many slices; two on MariaDB.
///
/// # Errors
/// When the database fails.
pub async fn effective_lines(
    db: &impl ConnectionTrait,
    slices: &[EffectiveSlice],
) -> Result<HashMap<EffectiveSlice, EffectiveLines>, DbErr> {
    let slices: Vec<&EffectiveSlice> = slices.iter().filter(|it| !it.is_empty()).collect();
    let mut read: HashMap<EffectiveSlice, EffectiveLines> = HashMap::new();
    if slices.is_empty() {
        return Ok(read);
    }
    let edges = match db.get_database_backend() {
        DbBackend::MySql => Some(edges_on_mariadb(db, &slices).await?),
        _ => None,
    };
    let statement = match &edges {
        Some((in_order, _)) => mariadb::lines(&slices, in_order),
        None => sql::lines(db, &slices),
    };
    for row in db.query_all_raw(statement).await? {
        let number: i32 = row.try_get("", "slice")?;
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        let Some(slice) = slices.get(number) else {
            continue;
        };
        let of_slice = read.entry((*slice).clone()).or_default();
        of_slice.balance = match &edges {
            Some((_, balances)) => balances.get(number).copied().unwrap_or_default(),
            None => Parts::from_query_result(&row, "")?.balance()?,
        };
        let effective_at: DateTime<Utc> = row.try_get("", "effective_at")?;
        let is_late: i32 = row.try_get("", "is_late")?;
        of_slice.lines.push(EffectiveLine {
            line: line(&row)?,
            effective_at,
            is_late: is_late != 0,
        });
    }
    for (slice, read) in &mut read {
        read.lines
            .sort_by_key(|read| (read.effective_at, read.line.version()));
        if slice.newest_first {
            read.lines.reverse();
        }
        // Both lists were read to the limit.
        read.lines.truncate(slice.limit);
    }
    Ok(read)
}

/// The posted balance after each of these lines, positive on the normal side, in minor units: one statement for up to two thousand lines, by
/// index, whatever the number of lines of their accounts.
///
/// # Errors
/// When the database fails.
pub async fn running_balances(
    db: &impl ConnectionTrait,
    places: &[LinePlace],
) -> Result<HashMap<LinePlace, i64>, DbErr> {
    // Within every engine's number of parameters.
    const PLACES: usize = 2000;
    let mut balances = HashMap::new();
    for places in places.chunks(PLACES) {
        for row in db.query_all_raw(sql::balances(db, places)).await? {
            let number: i32 = row.try_get("", "slice")?;
            let place = usize::try_from(number).ok().and_then(|it| places.get(it));
            if let Some(place) = place {
                balances.insert(*place, Parts::from_query_result(&row, "")?.balance()?);
            }
        }
    }
    Ok(balances)
}

/// The parts of a balance at a place.
#[derive(FromQueryResult)]
struct Parts {
    /// The balance after the last line in order up to the place, in the order of posting.
    at_version: i64,
    /// What the late lines that were posted by then add to it.
    late_by_then: i64,
    /// What the late lines add that count from earlier instants than that of the place.
    late_before: i64,
    /// What the late lines from its instant add, up to it.
    late_since: i64,
}

impl Parts {
    fn balance(&self) -> Result<i64, DbErr> {
        // The result fits 64 bits; the terms on the way to it need not.
        let sum = i128::from(self.at_version) - i128::from(self.late_by_then)
            + i128::from(self.late_before)
            + i128::from(self.late_since);
        i64::try_from(sum).map_err(|_| DbErr::Type(format!("{sum} is no balance")))
    }
}

/// For each slice, the last versions in order up to both edges, and the balance at the edge that it is read from.
async fn edges_on_mariadb(
    db: &impl ConnectionTrait,
    slices: &[&EffectiveSlice],
) -> Result<(Vec<[i64; 2]>, Vec<i64>), DbErr> {
    let mut in_order = vec![[0; 2]; slices.len()];
    let mut balances = vec![0; slices.len()];
    for row in db.query_all_raw(mariadb::edges(slices)).await? {
        let [slice, edge] = ["slice", "edge"].map(|name| row.try_get::<i32>("", name));
        let [slice, edge] = [slice?, edge?].map(|it| usize::try_from(it).unwrap_or(usize::MAX));
        if let Some(version) = in_order.get_mut(slice).and_then(|it| it.get_mut(edge)) {
            *version = row.try_get("", "in_order")?;
            if edge == usize::from(slices[slice].newest_first) {
                balances[slice] = Parts::from_query_result(&row, "")?.balance()?;
            }
        }
    }
    Ok((in_order, balances))
}
