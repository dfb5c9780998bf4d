//! Which entries: conditions on them, and the index that each is read by.
//!
//! A page is read in one of two ways. Either from a condition that few entries fulfil, which an index knows, and then these are put in
//! order; or in the order of the list, until enough entries fulfil all conditions. Which is faster depends on how many entries
//! fulfil a condition. That is asked beforehand, in one statement for all conditions, which counts at most `FEW` rows of each index. So
//! the plan does not depend on the statistics of the database, which SQLite does not have.

mod indexed;
mod lines;

use self::indexed::{Each, FEW, Indexed, counts_of};
use self::lines::lines;
use super::page_accounts::after_prefix;
use super::sql::Sql;
use super::{AccountRef, GroupRef, InvalidInput, PageError, find, input, words};
use chrono::{DateTime, Utc};
use daybook_entity::{EntryKind, entry};
use sea_orm::sea_query::{Condition, Expr};
use sea_orm::{
    ActiveEnum, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Select, Statement,
};

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
    /// With a line that touches an account of this group, or of one below it.
    pub account_group: Option<GroupRef>,
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
        select = select.filter(status(hold));
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
fn status(hold: HoldIs) -> Condition {
    let expires = entry::Column::ExpiresAt;
    // What was captured in part and then released was captured.
    let captured = "EXISTS (SELECT 1 FROM entry AS part WHERE part.resolves_id = entry.id AND part.kind = 'CAPTURE')";
    let ended = |captured: &str| {
        // That it is not NULL follows from what it is equal to. MariaDB goes by the index when it is told.
        let over = "EXISTS (SELECT 1 FROM entry AS newest \
             WHERE newest.resolves_id = entry.id AND newest.resolves_id IS NOT NULL AND NOT newest.leaves_rest)";
        let holds = Condition::all().add(kinds(&[EntryKind::Hold]));
        holds.add(Expr::cust(format!("{over} AND {captured}")))
    };
    match hold {
        HoldIs::Open(now) => Condition::any().add(expires.is_null()).add(expires.gt(now)),
        HoldIs::Expired(now) => Condition::all().add(expires.lte(now)),
        HoldIs::Captured => ended(captured),
        HoldIs::Released => ended(&format!("NOT {captured}")),
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
