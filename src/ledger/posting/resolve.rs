//! Which accounts an entry is about, and what it does to each.

use super::draft::Draft;
use super::error::PostEntryError;
use super::movement::Movement;
use crate::ledger::closing::{self, Asked, Closed};
use crate::ledger::input::Checks;
use crate::ledger::locking::{self, Locking, mariadb};
use crate::ledger::{
    AccountRef, InvalidInput, LINES_PER_ENTRY, MOST_PROBLEMS, find, statement_cache::StatementCache,
};
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
    /// The ledger of all accounts of the lines.
    pub(super) ledger: Option<String>,
}

/// What is wrong with the lines, expected versions and conditions, as far as that shows without the database.
pub(super) fn check(draft: &Draft) -> Vec<InvalidInput> {
    let lines = &draft.lines;
    let mut checks = Checks::default();
    if lines.is_empty() {
        let problem = "is empty: an entry has at least one line";
        checks.add(InvalidInput::new("lines", problem));
    }
    if lines.len() > LINES_PER_ENTRY {
        let problem = format!(
            "has {} lines: an entry has at most {LINES_PER_ENTRY}",
            lines.len()
        );
        checks.add(InvalidInput::new("lines", problem));
    }
    if draft.expect.len() > LINES_PER_ENTRY {
        let problem = format!("has more than {LINES_PER_ENTRY} accounts");
        checks.add(InvalidInput::new("expect", problem));
    }
    if draft.conditions.len() > LINES_PER_ENTRY {
        let problem = format!("has more than {LINES_PER_ENTRY} of them");
        checks.add(InvalidInput::new("conditions", problem));
    }
    for (index, line) in lines.iter().enumerate() {
        if line.amount <= 0 {
            let problem = "must be positive: to move money the other way, swap debit and credit";
            checks.add(InvalidInput::new(format!("lines[{index}].amount"), problem));
        }
    }
    for (place, condition) in draft.conditions.iter().enumerate() {
        checks.take(condition.check(place));
    }
    checks.into_problems()
}

/// The refusal of an entry that has these problems. It also names those that only the database knows: nothing is locked for that.
pub(super) async fn refused(
    db: &impl ConnectionTrait,
    draft: &Draft,
    problems: Vec<InvalidInput>,
) -> PostEntryError {
    let mut problems: Vec<_> = problems.into_iter().map(PostEntryError::Input).collect();
    // What is too long is not read.
    let lengths = [
        draft.lines.len(),
        draft.expect.len(),
        draft.conditions.len(),
    ];
    if lengths.into_iter().all(|length| length <= LINES_PER_ENTRY) {
        let mut locked = Locked::default();
        let (ids, codes) = unknown(std::slice::from_ref(draft), &locked);
        let found = async {
            let by_id = find::accounts_by_id(db, ids).await?;
            let by_code = find::accounts_by_code(db, codes).await?;
            Ok(by_id.into_values().chain(by_code.into_values()).collect())
        };
        match found.await {
            Ok(accounts) => locked.add(accounts),
            Err(source) => return PostEntryError::Accounts { source },
        }
        problems.extend(resolved(&locked, draft).1);
    }
    match PostEntryError::all(problems) {
        Err(refusal) => refusal,
        // Only called with problems.
        Ok(()) => InvalidInput::new("lines", "cannot be posted").into(),
    }
}

/// Accounts that are locked, by the names that callers use for them.
#[derive(Default)]
pub(super) struct Locked {
    /// By id, in their order, as they are to be before the next entry.
    pub(super) accounts: BTreeMap<Uuid, account::Model>,
    pub(super) closed: Closed,
    ids: HashMap<String, Uuid>,
}

impl Locked {
    fn add(&mut self, accounts: Vec<account::Model>) {
        let ids = accounts.iter().map(|it| (it.code.clone(), it.id));
        self.ids.extend(ids);
        let accounts = accounts.into_iter().map(|it| (it.id, it));
        self.accounts.extend(accounts);
    }

    fn find(&self, by: &AccountRef) -> Option<&account::Model> {
        let id = match by.normalised()? {
            AccountRef::Id(id) => Some(id),
            AccountRef::Code(code) => self.ids.get(&code).copied(),
            AccountRef::NoId(_) => None,
        };
        self.accounts.get(&id?)
    }
}

/// Sums up what an entry does to each account.
pub(super) fn resolve(locked: &Locked, draft: &Draft) -> Result<Resolved, PostEntryError> {
    let (resolved, problems) = resolved(locked, draft);
    PostEntryError::all(problems)?;
    Ok(resolved)
}

/// As [`resolve`], with all problems.
fn resolved(locked: &Locked, draft: &Draft) -> (Resolved, Vec<PostEntryError>) {
    let lines = &draft.lines;
    let mut problems = Vec::new();
    let mut movements: BTreeMap<Uuid, Movement> = BTreeMap::new();
    let mut resolved = Vec::with_capacity(lines.len());
    let mut ledger: Option<&Option<String>> = None;
    for (index, line) in lines.iter().enumerate() {
        let sides = [("debit", &line.debit), ("credit", &line.credit)];
        let [debit, credit] = sides.map(|(side, by)| {
            let account = locked.find(by);
            if account.is_none() {
                problems.push(PostEntryError::AccountNotFound {
                    field: format!("lines[{index}].{side}"),
                    account: by.clone(),
                });
            }
            account
        });
        if let (Some(debit), Some(credit)) = (debit, credit)
            && debit.id == credit.id
        {
            let problem =
                "is the account that the line debits: a line moves money between two accounts";
            let field = format!("lines[{index}].credit");
            problems.push(InvalidInput::new(field, problem).into());
            continue;
        }
        for (account, side) in [(debit, Side::Debit), (credit, Side::Credit)] {
            let Some(account) = account else {
                continue;
            };
            let entry_ledger = *ledger.get_or_insert(&account.ledger);
            if account.ledger != *entry_ledger {
                problems.push(PostEntryError::CrossesLedgers {
                    line: index,
                    account_id: account.id,
                    account_code: account.code.clone(),
                    account_ledger: account.ledger.clone(),
                    entry_ledger: entry_ledger.clone(),
                });
                break;
            }
            if account.currency != line.currency {
                problems.push(PostEntryError::CurrencyMismatch {
                    line: index,
                    account_id: account.id,
                    account_code: account.code.clone(),
                    account_currency: account.currency.clone(),
                    line_currency: line.currency.clone(),
                });
                break;
            }
            let movement = movements.entry(account.id).or_default();
            // An amount that is not positive is refused already.
            let added = movement.add(account, side, line.effect, line.amount.max(0));
            problems.extend(added.err());
        }
        if let (Some(debit), Some(credit)) = (debit, credit) {
            resolved.push(ResolvedLine {
                debit: debit.id,
                credit: credit.id,
                amount: line.amount,
                currency: line.currency.clone(),
                effect: line.effect,
            });
        }
        if problems.len() >= MOST_PROBLEMS {
            break;
        }
    }
    for (index, expected) in draft.expect.iter().enumerate() {
        if problems.len() >= MOST_PROBLEMS {
            break;
        }
        let field = format!("expect[{index}].account");
        let Some(account) = locked.find(&expected.account) else {
            problems.push(PostEntryError::AccountNotFound {
                field,
                account: expected.account.clone(),
            });
            continue;
        };
        let movement = movements.entry(account.id).or_default();
        if movement
            .expected_version
            .replace(expected.version)
            .is_some()
        {
            let problem = "names an account a second time: expect one version of each";
            problems.push(InvalidInput::new(field, problem).into());
        }
    }
    for (place, condition) in draft.conditions.iter().enumerate() {
        if problems.len() >= MOST_PROBLEMS {
            break;
        }
        let Some(account) = locked.find(&condition.account) else {
            problems.push(PostEntryError::AccountNotFound {
                field: format!("conditions[{place}].account"),
                account: condition.account.clone(),
            });
            continue;
        };
        let movement = movements.entry(account.id).or_default();
        movement.conditions.push(condition.resolved(place));
    }
    let resolved = Resolved {
        lines: resolved,
        movements,
        ledger: ledger.cloned().flatten(),
    };
    (resolved, problems)
}

/// The ids and codes that these entries name accounts by, without those that are locked.
fn unknown(drafts: &[Draft], locked: &Locked) -> (Vec<Uuid>, Vec<String>) {
    let (mut ids, mut codes) = (Vec::new(), Vec::new());
    let lines = drafts.iter().flat_map(|draft| &draft.lines);
    let named = lines.flat_map(|line| [&line.debit, &line.credit]);
    let expected = drafts.iter().flat_map(|draft| &draft.expect);
    let conditions = drafts.iter().flat_map(|draft| &draft.conditions);
    let others = expected
        .map(|expected| &expected.account)
        .chain(conditions.map(|condition| &condition.account));
    for by in named.chain(others) {
        match by.normalised() {
            Some(AccountRef::Id(id)) if locked.accounts.contains_key(&id) => {}
            Some(AccountRef::Code(code)) if locked.ids.contains_key(&code) => {}
            Some(AccountRef::Id(id)) => ids.push(id),
            Some(AccountRef::Code(code)) => codes.push(code),
            // No account can be called so, and `resolve` says which field it was.
            Some(AccountRef::NoId(_)) | None => {}
        }
    }
    ids.sort_unstable();
    ids.dedup();
    codes.sort_unstable();
    codes.dedup();
    (ids, codes)
}

/// Locks and reads all accounts of these entries that are not locked yet: in one statement, or none.
pub(super) async fn lock(
    db: &impl ConnectionTrait,
    drafts: &[Draft],
    locked: &mut Locked,
) -> Result<(), PostEntryError> {
    let (ids, codes) = unknown(drafts, locked);
    if ids.is_empty() && codes.is_empty() {
        return Ok(());
    }
    let engine = db.get_database_backend();
    let statement = match locking::wanted() {
        wanted if engine == DbBackend::MySql => {
            let (wanted, asking) = (wanted.unwrap_or_default(), &closing::ON_MARIADB);
            let statement = mariadb::statement(&ids, &codes, &wanted, Some(asking));
            statement.map_err(|source| PostEntryError::Accounts { source })?
        }
        Some(wanted) => {
            closing::ask(locking::statement(&ids, &codes, &wanted), engine).build(engine)
        }
        None => statement(engine, &ids, &codes),
    };
    let asked = Asked::find_by_statement(statement).all(db).await;
    let asked = asked.map_err(|source| PostEntryError::Accounts { source })?;
    let mut accounts = Vec::with_capacity(asked.len());
    for Asked {
        account,
        closed_until,
    } in asked
    {
        if let Some(until) = closed_until {
            locked.closed.insert(account.id, until);
        }
        accounts.push(account);
    }
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
    let write =
        || closing::ask(locking::statement(ids, codes, &Locking::default()), engine).build(engine);
    if ids.len() + codes.len() > KEPT {
        return write();
    }
    let ids_first = ids.iter().copied().map(Value::from);
    let parameters = ids_first.chain(codes.iter().map(|code| Value::from(code.as_str())));
    STATEMENTS.statement(engine, (ids.len(), codes.len()), parameters, write)
}
