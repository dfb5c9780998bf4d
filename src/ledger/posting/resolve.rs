//! Which accounts an entry is about, and what it does to each.

use super::draft::{Draft, DraftLine, ExpectedVersion};
use super::error::PostEntryError;
use super::movement::Movement;
use crate::ledger::locking::{self, Locking};
use crate::ledger::{AccountRef, InvalidInput, LINES_PER_ENTRY, statement_cache::StatementCache};
use daybook_entity::{LineEffect, Side, account};
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, QueryTrait, Statement, Value};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// A line whose accounts are known.
pub(super) struct ResolvedLine {
    pub(super) debit: Uuid,
    pub(super) credit: Uuid,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) effect: LineEffect,
}

/// The whole entry.
pub(super) struct Resolved {
    pub(super) lines: Vec<ResolvedLine>,
    /// One for each account, by its id.
    pub(super) movements: BTreeMap<Uuid, Movement>,
}

/// Checks what can be checked without the database.
pub(super) fn check(lines: &[DraftLine], expect: &[ExpectedVersion]) -> Result<(), InvalidInput> {
    if lines.is_empty() {
        return Err(InvalidInput::new(
            "lines",
            "is empty: an entry has at least one line",
        ));
    }
    if lines.len() > LINES_PER_ENTRY {
        let problem = format!(
            "has {} lines: an entry has at most {LINES_PER_ENTRY}",
            lines.len()
        );
        return Err(InvalidInput::new("lines", problem));
    }
    if expect.len() > LINES_PER_ENTRY {
        return Err(InvalidInput::new(
            "expect",
            format!("has more than {LINES_PER_ENTRY} accounts"),
        ));
    }
    for (index, line) in lines.iter().enumerate() {
        if line.amount <= 0 {
            let problem = "must be positive: to move money the other way, swap debit and credit";
            return Err(InvalidInput::new(format!("lines[{index}].amount"), problem));
        }
    }
    Ok(())
}

/// Accounts that are locked, by the names that callers use for them.
#[derive(Default)]
pub(super) struct Locked {
    /// By id, in their order, as they are to be before the next entry.
    pub(super) accounts: BTreeMap<Uuid, account::Model>,
    ids: HashMap<String, Uuid>,
}

impl Locked {
    fn add(&mut self, accounts: Vec<account::Model>) {
        let ids = accounts.iter().map(|it| (it.code.clone(), it.id));
        self.ids.extend(ids);
        let accounts = accounts.into_iter().map(|it| (it.id, it));
        self.accounts.extend(accounts);
    }

    fn find(&self, by: &AccountRef) -> Result<&account::Model, PostEntryError> {
        let id = match by.normalised() {
            Some(AccountRef::Id(id)) => Some(id),
            Some(AccountRef::Code(code)) => self.ids.get(&code).copied(),
            None => None,
        };
        id.and_then(|id| self.accounts.get(&id))
            .ok_or_else(|| PostEntryError::AccountNotFound {
                account: by.clone(),
            })
    }
}

/// Sums up what an entry does to each account.
pub(super) fn resolve(
    locked: &Locked,
    lines: &[DraftLine],
    expect: &[ExpectedVersion],
) -> Result<Resolved, PostEntryError> {
    let find = |by: &AccountRef| locked.find(by);
    let mut movements: BTreeMap<Uuid, Movement> = BTreeMap::new();
    let mut resolved = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().enumerate() {
        let debit = find(&line.debit)?;
        let credit = find(&line.credit)?;
        if debit.id == credit.id {
            let problem =
                "is the account that the line debits: a line moves money between two accounts";
            return Err(InvalidInput::new(format!("lines[{index}].credit"), problem).into());
        }
        for (account, side) in [(debit, Side::Debit), (credit, Side::Credit)] {
            if account.currency != line.currency {
                return Err(PostEntryError::CurrencyMismatch {
                    line: index,
                    account_id: account.id,
                    account_code: account.code.clone(),
                    account_currency: account.currency.clone(),
                    line_currency: line.currency.clone(),
                });
            }
            movements.entry(account.id).or_default().add(
                account,
                side,
                line.effect,
                line.amount,
            )?;
        }
        resolved.push(ResolvedLine {
            debit: debit.id,
            credit: credit.id,
            amount: line.amount,
            currency: line.currency.clone(),
            effect: line.effect,
        });
    }
    for (index, expected) in expect.iter().enumerate() {
        let account = find(&expected.account)?;
        let movement = movements.entry(account.id).or_default();
        if movement
            .expected_version
            .replace(expected.version)
            .is_some()
        {
            let problem = "names an account a second time: expect one version of each";
            return Err(InvalidInput::new(format!("expect[{index}].account"), problem).into());
        }
    }
    Ok(Resolved {
        lines: resolved,
        movements,
    })
}

/// Locks and reads all accounts of these entries that are not locked yet: in one statement, or none.
pub(super) async fn lock(
    db: &impl ConnectionTrait,
    drafts: &[Draft],
    locked: &mut Locked,
) -> Result<(), PostEntryError> {
    let (mut ids, mut codes) = (Vec::new(), Vec::new());
    let lines = drafts.iter().flat_map(|draft| &draft.lines);
    let named = lines.flat_map(|line| [&line.debit, &line.credit]);
    let expected = drafts.iter().flat_map(|draft| &draft.expect);
    for by in named.chain(expected.map(|expected| &expected.account)) {
        match by.normalised() {
            Some(AccountRef::Id(id)) if locked.accounts.contains_key(&id) => {}
            Some(AccountRef::Code(code)) if locked.ids.contains_key(&code) => {}
            Some(AccountRef::Id(id)) => ids.push(id),
            Some(AccountRef::Code(code)) => codes.push(code),
            None => {
                return Err(PostEntryError::AccountNotFound {
                    account: by.clone(),
                });
            }
        }
    }
    ids.sort_unstable();
    ids.dedup();
    codes.sort_unstable();
    codes.dedup();
    if ids.is_empty() && codes.is_empty() {
        return Ok(());
    }
    let engine = db.get_database_backend();
    let statement = match locking::wanted() {
        Some(wanted) => locking::statement(&ids, &codes, &wanted).build(engine),
        None => statement(engine, &ids, &codes),
    };
    let accounts = account::Model::find_by_statement(statement).all(db).await;
    let accounts = accounts.map_err(|source| PostEntryError::Accounts { source })?;
    // An account that a caller names in two ways (id and code) is read again. What entries before have made of it is kept.
    let accounts = accounts.into_iter();
    let accounts = accounts.filter(|it| !locked.accounts.contains_key(&it.id));
    locked.add(accounts.collect());
    Ok(())
}

/// The statement that locks and reads these accounts.
fn statement(engine: DbBackend, ids: &[Uuid], codes: &[String]) -> Statement {
    /// The most accounts of a statement whose text is kept.
    const KEPT: usize = 8;
    static STATEMENTS: StatementCache<(usize, usize)> = StatementCache::new();
    let write = || locking::statement(ids, codes, &Locking::default()).build(engine);
    if ids.len() + codes.len() > KEPT {
        return write();
    }
    let ids_first = ids.iter().copied().map(Value::from);
    let parameters = ids_first.chain(codes.iter().map(|code| Value::from(code.as_str())));
    STATEMENTS.statement(engine, (ids.len(), codes.len()), parameters, write)
}
