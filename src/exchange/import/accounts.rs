//! The accounts of the ledger that a file means.
//!
//! An account of the ledger has one currency, and one of a journal has as many as are posted to it. The one that the ledger has under the
//! name, or the first one posted to, keeps the name; each other is called `NAME [CURRENCY]`.
//!
//! What a file says of an account's limits holds from the end of the file on: it is what they are now, and what was posted before may have been
//! beyond them.
//!
//! Two names of one file never become one account of the ledger: a file that has `a` in two currencies and also `a [USD]` is refused.

use super::error::ImportError;
use crate::exchange::item::Declared;
use crate::exchange::name::class_by_name;
use crate::exchange::note::{AccountNote, LedgerNote};
use crate::exchange::refusal::Refusal;
use crate::exchange::transaction::Posting;
use crate::ledger::{
    self, AccountRef, Clock, CreateLedger, CreateLedgerError, OpenAccount, OpenAccountError,
    UpdateAccount, UpdateAccountError, new_account_id, random,
};
use daybook_entity::{AccountClass, LimitPolicy, Side};
use sea_orm::{ActiveEnum, ConnectionTrait};
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

#[derive(Default)]
pub(super) struct Accounts {
    /// By name, then by currency.
    known: HashMap<String, Vec<(String, Uuid)>>,
    /// What the file says of an account by itself.
    classes: HashMap<String, AccountClass>,
    notes: HashMap<String, AccountNote>,
    /// By account of the ledger, the name that the file has for it.
    names: HashMap<Uuid, String>,
    /// The codes of ledgers that are there.
    ledgers: HashSet<String>,
    /// Of accounts that were opened: the line of the file, and the limits to set at its end.
    limits: Vec<(u64, UpdateAccount)>,
    pub(super) opened: u64,
}

impl Accounts {
    /// Remembers what the file says of an account, and opens it where the file says everything, as Daybook's own do.
    pub(super) async fn declare(
        &mut self,
        db: &impl ConnectionTrait,
        declared: Declared,
        clock: &Clock,
    ) -> Result<(), ImportError> {
        if let Some(class) = declared.class {
            self.classes.insert(declared.name.clone(), class);
        }
        if let Some(note) = declared.note {
            let currency = note.currency.clone();
            self.notes.insert(declared.name.clone(), note);
            self.find_or_open(db, declared.line, &declared.name, None, &currency, clock)
                .await?;
        }
        Ok(())
    }

    /// The account of the ledger that a posting in this currency is about, opened where there is none yet: no statement but for the first
    /// posting of each.
    pub(super) async fn id(
        &mut self,
        db: &impl ConnectionTrait,
        posting: &Posting,
        currency: &str,
        clock: &Clock,
    ) -> Result<Uuid, ImportError> {
        let known = self.known.get(&posting.account).into_iter().flatten();
        if let Some((_, id)) = known.into_iter().find(|(code, _)| code == currency) {
            return Ok(*id);
        }
        self.find_or_open(
            db,
            posting.line,
            &posting.account,
            posting.side,
            currency,
            clock,
        )
        .await
    }

    async fn find_or_open(
        &mut self,
        db: &impl ConnectionTrait,
        line: u64,
        name: &str,
        side: Option<Side>,
        currency: &str,
        clock: &Clock,
    ) -> Result<Uuid, ImportError> {
        let note = self.notes.get(name);
        let plain = note
            .and_then(|it| it.code.as_deref())
            .unwrap_or(name)
            .to_owned();
        let note = note.filter(|it| it.currency == currency).cloned();
        let other = format!("{plain} [{currency}]");
        let mut id = None;
        let mut free = None;
        for code in [plain, other] {
            match ledger::account(db, &AccountRef::Code(code.clone())).await? {
                Some(account) if account.currency == currency => id = Some(account.id),
                Some(_) => continue,
                None => free = Some(code),
            }
            break;
        }
        let id = match (id, free) {
            (Some(id), _) => id,
            (None, Some(code)) => {
                if let Some(ledger) = note.as_ref().and_then(|note| note.ledger.as_ref())
                    && self.ledgers.insert(ledger.code.clone())
                {
                    create_ledger(db, line, ledger, clock).await?;
                }
                let mut account = new_account(line, code, currency, note.as_ref(), clock)?;
                match (&note, side) {
                    // Daybook wrote all of the account: its class is its own tag, and not what hledger would make of its name.
                    (Some(_), _) => account.class = self.classes.get(name).copied(),
                    (None, Some(side)) => account.normal_side = side,
                    (None, None) => {
                        account.class = self.class(name);
                        // What is positive in the file is positive in the ledger.
                        account.normal_side =
                            account.class.map_or(Side::Debit, AccountClass::usual_side);
                    }
                }
                let id = account.id;
                if let Some(limits) = note
                    .as_ref()
                    .map_or(Ok(None), |note| limits(line, note, id))?
                {
                    self.limits.push((line, limits));
                }
                open(db, line, account, clock).await?;
                self.opened += 1;
                id
            }
            (None, None) => {
                let problem = format!(
                    "the ledger has an account `{name} [{currency}]`, and it is not in {currency}: post to another account"
                );
                return Err(Refusal::of_line(line, problem).into());
            }
        };
        let owner = self.names.entry(id).or_insert_with(|| name.to_owned());
        if owner != name {
            let problem = format!(
                "`{name}` in {currency} would be the same account of the ledger as `{owner}`, which this file has too: \
                 give one of them another name"
            );
            return Err(Refusal::of_line(line, problem).into());
        }
        let known = self.known.entry(name.to_owned()).or_default();
        known.push((currency.to_owned(), id));
        Ok(id)
    }

    /// Sets the limits of the accounts that were opened: two statements for each that has any.
    pub(super) async fn limit(
        &mut self,
        db: &impl ConnectionTrait,
        clock: &Clock,
    ) -> Result<(), ImportError> {
        for (line, limits) in self.limits.drain(..) {
            match ledger::update_account(db, limits, clock).await {
                Ok(_) => {}
                Err(UpdateAccountError::Database { source, .. }) => return Err(source.into()),
                Err(error) => {
                    let problem =
                        format!("its limits cannot be set after what the file posts: {error}");
                    return Err(Refusal::of_line(line, problem).into());
                }
            }
        }
        Ok(())
    }

    /// The class of an account, as hledger tells its type: by what is said of it or of one above it, or by its name.
    fn class(&self, name: &str) -> Option<AccountClass> {
        let ends = name.rmatch_indices(':').map(|(at, _)| at);
        let mut names = std::iter::once(name.len())
            .chain(ends)
            .map(|end| &name[..end]);
        names
            .find_map(|name| self.classes.get(name).copied())
            .or_else(|| class_by_name(name))
    }
}

fn new_account(
    line: u64,
    code: String,
    currency: &str,
    note: Option<&AccountNote>,
    clock: &Clock,
) -> Result<OpenAccount, Refusal> {
    let mut account = OpenAccount {
        id: new_account_id(clock.now(), random()),
        name: code.clone(),
        code,
        currency: currency.to_owned(),
        normal_side: Side::Debit,
        class: None,
        limit_policy: LimitPolicy::None,
        min_balance: None,
        max_balance: None,
        metadata: None,
        recorded_by: None,
        visible: None,
    };
    if let Some(note) = note {
        account.normal_side = Side::try_from_value(&note.normal_side)
            .map_err(|_| unknown(line, &note.normal_side))?;
        account.name.clone_from(&note.name);
        account.metadata = Some(note.metadata.clone()).filter(|it| !it.is_null());
    }
    Ok(account)
}

fn unknown(line: u64, word: &str) -> Refusal {
    let problem = format!("what Daybook wrote of the account was changed: `{word}` is unknown");
    Refusal::of_line(line, problem)
}

/// The limits that the note has for an account that is opened; none if it has none.
fn limits(line: u64, note: &AccountNote, id: Uuid) -> Result<Option<UpdateAccount>, Refusal> {
    let policy = LimitPolicy::try_from_value(&note.limit_policy)
        .map_err(|_| unknown(line, &note.limit_policy))?;
    let amount = |text: &Option<String>| {
        let amount = text
            .as_ref()
            .map(|text| text.parse::<i64>().map_err(|_| unknown(line, text)));
        amount.transpose()
    };
    let (min_balance, max_balance) = (amount(&note.min_balance)?, amount(&note.max_balance)?);
    if policy == LimitPolicy::None && min_balance.is_none() && max_balance.is_none() {
        return Ok(None);
    }
    Ok(Some(UpdateAccount {
        account: AccountRef::Id(id),
        expected_revision: None,
        name: None,
        class: None,
        limit_policy: Some(policy),
        min_balance: Some(min_balance),
        max_balance: Some(max_balance),
        metadata: None,
        recorded_by: None,
    }))
}

/// Creates the ledger of an account, unless there is one of its code.
async fn create_ledger(
    db: &impl ConnectionTrait,
    line: u64,
    note: &LedgerNote,
    clock: &Clock,
) -> Result<(), ImportError> {
    let command = CreateLedger {
        code: note.code.clone(),
        name: note.name.clone(),
        recorded_by: None,
    };
    match ledger::create_ledger(db, command, clock.now()).await {
        Ok(_) | Err(CreateLedgerError::Taken { .. }) => Ok(()),
        Err(CreateLedgerError::Database(source)) => Err(source.into()),
        Err(error) => {
            let problem = format!("the ledger `{}` cannot be created: {error}", note.code);
            Err(Refusal::of_line(line, problem).into())
        }
    }
}

async fn open(
    db: &impl ConnectionTrait,
    line: u64,
    account: OpenAccount,
    clock: &Clock,
) -> Result<(), ImportError> {
    let code = account.code.clone();
    match ledger::open_account(db, account, clock.now()).await {
        Ok(_) => Ok(()),
        Err(OpenAccountError::Database { source, .. }) => Err(source.into()),
        Err(error) => Err(Refusal::of_line(
            line,
            format!("the account `{code}` cannot be opened: {error}"),
        )
        .into()),
    }
}
