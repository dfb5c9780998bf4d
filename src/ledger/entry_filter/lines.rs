//! The conditions that one line of an entry has to fulfil: its accounts, and its amount.

use super::super::group::{named_group, place::in_group};
use super::super::sql::Sql;
use super::super::{PageError, find};
use super::indexed::{Each, FEW, FOR_EACH, Indexed, counts_of};
use super::{EntryFilter, prefix};
use daybook_entity::account;
use sea_orm::{ConnectionTrait, DbBackend, Statement};

/// The condition that one line fulfils all that is asked of lines.
pub(super) async fn lines(
    db: &impl ConnectionTrait,
    filter: &EntryFilter,
    notes: &mut Option<Vec<Statement>>,
) -> Result<Option<(Indexed, i64)>, PageError> {
    let engine = db.get_database_backend();
    let sides = ["debit", "credit"];
    let (mut all, mut ways) = (Vec::new(), Vec::new());
    let of_account = match &filter.account {
        Some(by) => Some(find::named_account(db, "filter.account", by).await?),
        None => None,
    };
    if let Some(account::Model { id, version, .. }) = of_account {
        let is = Sql::new("? IN (entry_line.debit_account_id, entry_line.credit_account_id)");
        all.push(is.bind(id));
        let side = |side: &str| {
            let from = format!(
                "SELECT entry_line.entry_id FROM entry_line WHERE entry_line.{side}_account_id = ?"
            );
            (Sql::new(&from).bind(id), Sql::new(""))
        };
        // As many lines touch it as it has versions.
        let count = Sql::new("CAST(? AS bigint)").bind(version);
        ways.push((count, sides.map(side).to_vec()));
    }
    for owner in owners(db, filter).await? {
        let is = "EXISTS (SELECT 1 FROM account AS owner
            WHERE owner.id IN (entry_line.debit_account_id, entry_line.credit_account_id) AND ";
        all.push(Sql::new(is).and(owner.clone()).then(")"));
        let side = |side: &str| match engine {
            // One account after the other, which OFFSET makes sure of: PostgreSQL might read all lines and look for their accounts.
            DbBackend::Postgres => {
                let head = format!(
                    "SELECT touched.entry_id FROM account AS owner CROSS JOIN LATERAL (
                        SELECT entry_line.entry_id FROM entry_line WHERE entry_line.{side}_account_id = owner.id"
                );
                let tail = Sql::new(" OFFSET 0) AS touched WHERE ").and(owner.clone());
                (Sql::new(&head), tail)
            }
            // CROSS makes SQLite begin with the accounts, and STRAIGHT_JOIN MariaDB.
            _ => {
                let join = match engine {
                    DbBackend::MySql => "STRAIGHT_JOIN",
                    _ => "CROSS JOIN",
                };
                let head = format!(
                    "SELECT entry_line.entry_id FROM account AS owner {join} entry_line
                     WHERE entry_line.{side}_account_id = owner.id AND "
                );
                (Sql::new(&head).and(owner.clone()), Sql::new(""))
            }
        };
        let some = Sql::new("SELECT owner.version FROM account AS owner WHERE ").and(owner.clone());
        let count = Sql::new("SELECT CAST(COALESCE(SUM(version), 0) + COUNT(*) AS bigint) FROM (");
        let count = count
            .and(some)
            .then(&format!(" LIMIT {}) AS owners", FEW + 1));
        ways.push((count, sides.map(side).to_vec()));
    }
    if let Some(amount) = &filter.amount {
        let (currency, min, max) = amount.check("filter.amount")?;
        let is = |text: &str| {
            let is = Sql::new(text).bind(currency.clone());
            is.bind(min).bind(max)
        };
        let by_index = || is("entry_line.currency = ? AND entry_line.amount BETWEEN ? AND ?");
        // Not the columns themselves: of one entry, SQLite would otherwise read all lines of such amounts.
        all.push(is(
            "(entry_line.currency || '') = ? AND entry_line.amount + 0 BETWEEN ? AND ?",
        ));
        let ids = Sql::new("SELECT entry_line.entry_id FROM entry_line WHERE ").and(by_index());
        ways.push((
            Sql::count("entry_line", by_index(), FEW),
            vec![(ids, Sql::new(""))],
        ));
    }
    if ways.is_empty() {
        return Ok(None);
    }
    let all = Sql::all(all);
    // Of several ways to begin, the one with the fewest rows.
    let counts = ways.iter().map(|(count, _)| count.clone()).collect();
    let counts = counts_of(db, counts, notes).await?;
    let ways = ways.into_iter().zip(counts);
    let Some(((_, arms), count)) = ways.min_by_key(|(_, count)| *count) else {
        return Ok(None);
    };
    let arms = arms.into_iter();
    let arms = arms.map(|(head, tail)| head.then(" AND ").and(all.clone()).and(tail));
    let each =
        Sql::new("EXISTS (SELECT 1 FROM entry_line WHERE entry_line.entry_id = entry.id AND ");
    let line = Indexed {
        count: Sql::new(""),
        ids: Sql::join(arms, " UNION ALL "),
        each: Each::Is(each.and(all).then(FOR_EACH)),
    };
    Ok(Some((line, count)))
}

/// The conditions on an account, `owner`, that a line touches: each of an account of its own.
async fn owners(db: &impl ConnectionTrait, filter: &EntryFilter) -> Result<Vec<Sql>, PageError> {
    let mut owners = Vec::new();
    let begins = filter.account_code_prefix.as_deref();
    if let Some(text) = begins.filter(|text| !text.is_empty()) {
        let (from, until) = prefix("filter.accountCodePrefix", text)?;
        owners.push(Sql::range("owner.code", &from, until.as_deref()));
    }
    if let Some(by) = &filter.account_group {
        let group = named_group(db, "filter.accountGroup", by).await?;
        let engine = db.get_database_backend();
        owners.push(in_group(engine, "owner.id", &group, true));
    }
    Ok(owners)
}
