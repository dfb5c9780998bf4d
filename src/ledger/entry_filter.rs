//! Which entries: conditions on them, and the index that each is read by.
//!
//! A page is read in one of two ways. Either from a condition that few entries fulfil, which an index knows, and then these are put in
//! order; or in the order of the list, until enough entries fulfil all conditions. Which is faster depends on how many entries
//! fulfil a condition. That is asked beforehand, in one statement for all conditions, which counts at most [`FEW`] rows of each index. So
//! the plan does not depend on the statistics of the database, which SQLite does not have.

use super::page_accounts::after_prefix;
use super::sql::Sql;
use super::{AccountRef, InvalidInput, PageError, find, input, words};
use chrono::{DateTime, Utc};
use daybook_entity::{EntryKind, account, entry};
use sea_orm::sea_query::{Condition, Expr};
use sea_orm::{
    ActiveEnum, ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, Select,
    Statement,
};

/// At most so many rows of an index are read to begin with.
const FEW: i64 = 2_000;

/// The most pairs of metadata that are asked for at once.
pub(super) const MOST_PAIRS: usize = 8;

/// Which entries; what is not given does not matter.
#[derive(Clone, Debug, Default)]
pub struct EntryFilter {
    /// Of this kind.
    pub kind: Option<EntryKind>,
    /// Of one of these kinds.
    pub kinds: Option<Vec<EntryKind>>,
    /// With a line that touches this account.
    pub account: Option<AccountRef>,
    /// With a line that touches an account whose code begins with this. It is the same line that the account and the amount are of.
    pub account_code_prefix: Option<String>,
    /// With a line of such an amount.
    pub amount: Option<AmountRange>,
    /// With this reference.
    pub reference: Option<String>,
    /// With a reference that begins with this.
    pub reference_prefix: Option<String>,
    /// With each of these pairs of a key at the top of the metadata and its value: a text, or a whole number, true or false as a text.
    pub metadata: Vec<(String, String)>,
    /// With a description in which each word of this text begins a word.
    pub text: Option<String>,
    /// Holds of this status.
    pub hold: Option<HoldIs>,
    /// Effective at this instant or later.
    pub effective_from: Option<DateTime<Utc>>,
    /// Effective before this instant.
    pub effective_until: Option<DateTime<Utc>>,
    /// Recorded at this instant or later.
    pub recorded_from: Option<DateTime<Utc>>,
    /// Recorded before this instant.
    pub recorded_until: Option<DateTime<Utc>>,
}

/// A range of amounts in a currency, in minor units; both ends are in it.
#[derive(Clone, Debug, Default)]
pub struct AmountRange {
    /// The currency.
    pub currency: String,
    /// The least; none is no limit.
    pub min: Option<i64>,
    /// The largest; none is no limit.
    pub max: Option<i64>,
}

/// The status of a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldIs {
    /// Neither captured nor released, and not expired at this instant.
    Open(DateTime<Utc>),
    /// Neither captured nor released, and expired at this instant.
    Expired(DateTime<Utc>),
    /// Captured.
    Captured,
    /// Released.
    Released,
}

impl AmountRange {
    /// The currency and both ends.
    pub(super) fn check(&self, field: &str) -> Result<(String, i64, i64), InvalidInput> {
        if !input::is_currency_code(&self.currency) {
            let problem = "is not a currency's code";
            return Err(InvalidInput::new(format!("{field}.currency"), problem));
        }
        let (min, max) = (self.min.unwrap_or(i64::MIN), self.max.unwrap_or(i64::MAX));
        if min > max {
            let problem = "must not be less than `min`";
            return Err(InvalidInput::new(format!("{field}.max"), problem));
        }
        Ok((self.currency.clone(), min, max))
    }
}

/// A condition that an index answers.
struct Indexed {
    /// How many rows of the index there are, at most a few more than [`FEW`].
    count: Sql,
    /// The ids of the entries.
    ids: Sql,
    /// The condition for one entry.
    each: Each,
}

enum Each {
    Is(Sql),
    /// That it has a word of this range: not before the words are known, since a range of words is no range of entries.
    HasWord(String, Option<String>),
}

/// The end of an EXISTS that is asked for one entry after the other. Without the OFFSET, PostgreSQL might make a join of it, and read all
/// rows that fulfil the condition for any entry.
const FOR_EACH: &str = " LIMIT 1 OFFSET 0)";

/// The most words that one word of a text may begin, where many entries have one of them.
const MOST_BEGUN: usize = 50;

/// The entries of this filter: one statement if it has an account, and one if it has a condition that an index answers.
pub(super) async fn select(
    db: &impl ConnectionTrait,
    filter: &EntryFilter,
) -> Result<Select<entry::Entity>, PageError> {
    selected(db, filter, &mut None).await
}

/// As [`select`]. What is counted beforehand is noted.
pub(super) async fn selected(
    db: &impl ConnectionTrait,
    filter: &EntryFilter,
    notes: &mut Option<Vec<Statement>>,
) -> Result<Select<entry::Entity>, PageError> {
    let engine = db.get_database_backend();
    let mut select = entry::Entity::find();
    if let Some(kind) = filter.kind {
        select = select.filter(kinds(&[kind]));
    }
    if let Some(of) = &filter.kinds {
        select = select.filter(kinds(of));
    }
    let ranges = [
        ("effectiveFrom", filter.effective_from),
        ("effectiveUntil", filter.effective_until),
        ("recordedFrom", filter.recorded_from),
        ("recordedUntil", filter.recorded_until),
    ];
    for (field, instant) in ranges {
        let Some(instant) = instant else {
            continue;
        };
        let instant = input::instant(&format!("filter.{field}"), instant)?;
        select = select.filter(match field {
            "effectiveFrom" => entry::Column::EffectiveAt.gte(instant),
            "effectiveUntil" => entry::Column::EffectiveAt.lt(instant),
            "recordedFrom" => entry::Column::RecordedAt.gte(instant),
            _ => entry::Column::RecordedAt.lt(instant),
        });
    }
    if let Some(reference) = &filter.reference {
        // Of a text that cannot be a reference, there is no entry.
        let stored = find::stored_reference(reference).unwrap_or_default();
        select = select.filter(entry::Column::Reference.eq(stored));
    }
    if let Some(hold) = filter.hold {
        select = select.filter(status(hold, engine));
    }
    if let Some((line, count)) = lines(db, filter, notes).await? {
        select = select.filter(line.filter(db, count, notes).await?);
    }
    let conditions = conditions(filter)?;
    if conditions.is_empty() {
        return Ok(select);
    }
    let counts = conditions.iter().map(|it| it.count.clone()).collect();
    let counts = counts_of(db, counts, notes).await?;
    for (condition, count) in conditions.into_iter().zip(counts) {
        select = select.filter(condition.filter(db, count, notes).await?);
    }
    Ok(select)
}

/// The condition of these kinds. The words are this program's. Where POST is not among them, an index of the others helps.
fn kinds(kinds: &[EntryKind]) -> Expr {
    let words: Vec<_> = kinds
        .iter()
        .map(|kind| format!("'{}'", kind.to_value()))
        .collect();
    Expr::cust(match (kinds.contains(&EntryKind::Post), words.is_empty()) {
        (_, true) => "1 = 0".to_owned(),
        (true, _) => format!("entry.kind IN ({})", words.join(", ")),
        (false, _) => format!(
            "entry.kind <> 'POST' AND entry.kind IN ({})",
            words.join(", ")
        ),
    })
}

/// What is asked of a hold besides that it is open, which a table of its own says.
fn status(hold: HoldIs, engine: DbBackend) -> Condition {
    let expires = entry::Column::ExpiresAt;
    let ended = |kind: EntryKind| {
        let ended = "EXISTS (SELECT 1 FROM entry AS ended WHERE ended.resolves_id = entry.id AND ended.kind = ?)";
        let ended = Sql::new(ended).bind(kind.to_value()).expr(engine);
        Condition::all().add(kinds(&[EntryKind::Hold])).add(ended)
    };
    match hold {
        HoldIs::Open(now) => Condition::any().add(expires.is_null()).add(expires.gt(now)),
        HoldIs::Expired(now) => Condition::all().add(expires.lte(now)),
        HoldIs::Captured => ended(EntryKind::Capture),
        HoldIs::Released => ended(EntryKind::Release),
    }
}

/// A prefix of codes or references.
fn prefix(field: &str, text: &str) -> Result<(String, Option<String>), InvalidInput> {
    if text.chars().any(char::is_control) {
        let problem = "has a control character: leave it out";
        return Err(InvalidInput::new(field, problem));
    }
    if text.chars().count() > 200 {
        return Err(InvalidInput::new(field, "has more than 200 characters"));
    }
    Ok((text.to_owned(), after_prefix(text)))
}

/// A pair of metadata, as it is stored.
pub(super) fn pair(
    index: usize,
    (key, value): &(String, String),
) -> Result<(String, String), InvalidInput> {
    for (name, text) in [("key", key), ("value", value)] {
        let problem = if text.contains('\0') {
            "has the character U+0000, which no metadata has"
        } else if text.chars().count() > 200 {
            "has more than 200 characters: what is longer is not found by"
        } else {
            continue;
        };
        let field = format!("filter.metadata[{index}].{name}");
        return Err(InvalidInput::new(field, problem));
    }
    Ok((key.clone(), value.clone()))
}

/// More pairs of metadata than can be asked for.
pub(super) fn check_pairs(pairs: &[(String, String)]) -> Result<(), InvalidInput> {
    if pairs.len() > MOST_PAIRS {
        let problem = format!(
            "has {} pairs: at most {MOST_PAIRS} are asked for",
            pairs.len()
        );
        return Err(InvalidInput::new("filter.metadata", problem));
    }
    Ok(())
}

/// The conditions on the entry itself that an index answers.
fn conditions(filter: &EntryFilter) -> Result<Vec<Indexed>, InvalidInput> {
    let mut conditions = Vec::new();
    let begins = filter.reference_prefix.as_deref();
    if let Some(text) = begins.filter(|text| !text.is_empty()) {
        let (from, until) = prefix("filter.referencePrefix", text)?;
        let range = |column: &str| Sql::range(column, &from, until.as_deref());
        conditions.push(Indexed {
            count: Sql::count("entry AS named", range("named.reference"), FEW),
            ids: Sql::new("SELECT named.id FROM entry AS named WHERE ")
                .and(range("named.reference")),
            // Not the column itself, so that its index is not taken: too many entries are in it.
            each: Each::Is(range("(entry.reference || '')")),
        });
    }
    check_pairs(&filter.metadata)?;
    for (index, asked) in filter.metadata.iter().enumerate() {
        let (key, value) = pair(index, asked)?;
        let is = || {
            let is = Sql::new("found.key = ? AND found.value = ?");
            is.bind(key.clone()).bind(value.clone())
        };
        conditions.push(Indexed::in_table("entry_metadata", is()));
    }
    if let Some(text) = &filter.text {
        for word in words::wanted("filter.text", text)? {
            let until = after_prefix(&word);
            let range = Sql::range("found.word", &word, until.as_deref());
            conditions.push(Indexed {
                each: Each::HasWord(word, until),
                ..Indexed::in_table("entry_word", range)
            });
        }
    }
    if matches!(filter.hold, Some(HoldIs::Open(_) | HoldIs::Expired(_))) {
        conditions.push(Indexed::in_table("open_hold", Sql::new("1 = 1")));
    }
    Ok(conditions)
}

impl Indexed {
    /// Entries with such a row, `found`, of a table of entries.
    fn in_table(table: &str, is: Sql) -> Self {
        let from = format!("{table} AS found");
        let each = format!("EXISTS (SELECT 1 FROM {from} WHERE found.entry_id = entry.id AND ");
        Self {
            count: Sql::count(&from, is.clone(), FEW),
            ids: Sql::new(&format!("SELECT found.entry_id FROM {from} WHERE ")).and(is.clone()),
            each: Each::Is(Sql::new(&each).and(is).then(FOR_EACH)),
        }
    }

    /// The condition on an entry, of which the index has so many rows.
    async fn filter(
        self,
        db: &impl ConnectionTrait,
        count: i64,
        notes: &mut Option<Vec<Statement>>,
    ) -> Result<Expr, PageError> {
        let engine = db.get_database_backend();
        if count <= FEW {
            let by_ids = Sql::new("entry.id IN (").and(self.ids).then(")");
            return Ok(by_ids.expr(engine));
        }
        let each = match self.each {
            Each::Is(each) => each,
            Each::HasWord(from, until) => {
                let words = begun(db, &from, until.as_deref(), notes).await?;
                let words = words.into_iter().map(|word| Sql::new("?").bind(word));
                let has = Sql::new(
                    "EXISTS (SELECT 1 FROM entry_word AS found WHERE found.entry_id = entry.id AND found.word IN (",
                );
                has.and(Sql::join(words, ", ")).then(")").then(FOR_EACH)
            }
        };
        Ok(each.expr(engine))
    }
}

/// The words of descriptions in a range: each is looked up after the one before it.
async fn begun(
    db: &impl ConnectionTrait,
    from: &str,
    until: Option<&str>,
    notes: &mut Option<Vec<Statement>>,
) -> Result<Vec<String>, PageError> {
    let sql = Sql::new(
        "WITH RECURSIVE begun(word, number) AS (SELECT MIN(found.word), 1 FROM entry_word AS found WHERE ",
    );
    let sql = sql.and(Sql::range("found.word", from, until));
    let next = " UNION ALL SELECT (SELECT MIN(found.word) FROM entry_word AS found WHERE found.word > begun.word AND ";
    let sql = sql.then(next).and(Sql::range("found.word", from, until));
    let last = format!(
        "), begun.number + 1 FROM begun WHERE begun.word IS NOT NULL AND begun.number <= {MOST_BEGUN}) SELECT word FROM begun WHERE word IS NOT NULL"
    );
    let (sql, values) = sql.then(&last).numbered();
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    if let Some(notes) = notes {
        notes.push(statement.clone());
    }
    let rows = db.query_all_raw(statement).await?;
    if rows.len() > MOST_BEGUN {
        let problem = format!(
            "has `{}`, which begins more than {MOST_BEGUN} words of more than {FEW} descriptions: write more of the word",
            from.escape_debug()
        );
        return Err(InvalidInput::new("filter.text", problem).into());
    }
    let words = rows.iter().map(|row| row.try_get("", "word"));
    Ok(words.collect::<Result<_, _>>()?)
}

/// The condition that one line fulfils all that is asked of lines.
async fn lines(
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
    let begins = filter.account_code_prefix.as_deref();
    if let Some(text) = begins.filter(|text| !text.is_empty()) {
        let (from, until) = prefix("filter.accountCodePrefix", text)?;
        let range = || Sql::range("owner.code", &from, until.as_deref());
        let is = "EXISTS (SELECT 1 FROM account AS owner
            WHERE owner.id IN (entry_line.debit_account_id, entry_line.credit_account_id) AND ";
        all.push(Sql::new(is).and(range()).then(")"));
        let side = |side: &str| match engine {
            // One account after the other, which OFFSET makes sure of: PostgreSQL might read all lines and look for their accounts.
            DbBackend::Postgres => {
                let head = format!(
                    "SELECT touched.entry_id FROM account AS owner CROSS JOIN LATERAL (
                        SELECT entry_line.entry_id FROM entry_line WHERE entry_line.{side}_account_id = owner.id"
                );
                let tail = Sql::new(" OFFSET 0) AS touched WHERE ").and(range());
                (Sql::new(&head), tail)
            }
            // CROSS makes SQLite begin with the accounts.
            _ => {
                let head = format!(
                    "SELECT entry_line.entry_id FROM account AS owner CROSS JOIN entry_line
                     WHERE entry_line.{side}_account_id = owner.id AND "
                );
                (Sql::new(&head).and(range()), Sql::new(""))
            }
        };
        let some = Sql::new("SELECT owner.version FROM account AS owner WHERE ").and(range());
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

/// These numbers, in one statement.
async fn counts_of(
    db: &impl ConnectionTrait,
    counts: Vec<Sql>,
    notes: &mut Option<Vec<Statement>>,
) -> Result<Vec<i64>, PageError> {
    let engine = db.get_database_backend();
    let number = counts.len();
    let columns = counts.into_iter().enumerate().map(|(index, count)| {
        Sql::new("(")
            .and(count)
            .then(&format!(") AS count_{index}"))
    });
    let (sql, values) = Sql::new("SELECT ").and(Sql::join(columns, ", ")).numbered();
    let statement = Statement::from_sql_and_values(engine, sql, values);
    if let Some(notes) = notes {
        notes.push(statement.clone());
    }
    let Some(row) = db.query_one_raw(statement).await? else {
        return Ok(vec![0; number]);
    };
    let counts = (0..number).map(|index| row.try_get("", &format!("count_{index}")));
    Ok(counts.collect::<Result<_, _>>()?)
}
