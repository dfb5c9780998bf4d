//! Puts accounts, and prefixes of codes, into a group, or takes them out.

use super::find::{self, not_found};
use super::{AccountGroupError, GroupRef, MOST_PREFIXES};
use crate::ledger::dialect;
use crate::ledger::{
    AccountNotFound, AccountRef, Clock, InvalidInput, accounts_by_code, accounts_by_id, input,
};
use daybook_entity::account_group;
use sea_orm::{ConnectionTrait, DbErr, Value};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// The most accounts, or prefixes, of one command.
const MOST: usize = 500;

/// What is put into a group, or taken out.
#[derive(Clone, Debug)]
pub struct ChangeGroupContents {
    /// The group.
    pub group: GroupRef,
    /// At most 500 accounts, by hand.
    pub accounts: Vec<AccountRef>,
    /// At most 500 texts of 1 to 64 characters: accounts whose codes begin so, now or when they are opened.
    pub code_prefixes: Vec<String>,
    /// Who does it: 1 to 1024 characters, as the caller's authentication names them; none where nobody is known.
    pub recorded_by: Option<String>,
}

/// An account, or a prefix of codes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Content {
    Account(Uuid),
    Prefix(String),
}

/// Where something is now: the group's id, and its path.
type Now = BTreeMap<Content, (Uuid, String)>;

/// Puts accounts and prefixes of codes into a group, all or none: at most eight statements. What is in another group of the tree moves; what
/// is in this one stays, which is no change.
///
/// # Errors
/// When the input breaks a rule, when there is no such group or account, or when the database fails.
pub async fn add_to_account_group(
    db: &impl ConnectionTrait,
    command: ChangeGroupContents,
    clock: &Clock,
) -> Result<account_group::Model, AccountGroupError> {
    let (group, contents, now) = read(db, &command).await?;
    let new = |(field, it): (String, Content)| match now.get(&it) {
        Some((group_id, _)) if *group_id == group.id => None,
        _ => Some((field, it)),
    };
    let added: Vec<_> = contents.into_iter().filter_map(new).collect();
    refuse_many_prefixes(db, &group, &added, &now).await?;
    insert(db, &command, &group, added, &now, Some(&group.path), clock).await?;
    Ok(group)
}

/// Takes accounts and prefixes of codes out of a group, all or none: at most seven statements.
///
/// # Errors
/// When the input breaks a rule, when there is no such group or account, when something is not in the group, or when the database fails.
pub async fn remove_from_account_group(
    db: &impl ConnectionTrait,
    command: ChangeGroupContents,
    clock: &Clock,
) -> Result<account_group::Model, AccountGroupError> {
    let (group, contents, now) = read(db, &command).await?;
    for (field, it) in &contents {
        let problem = match now.get(it) {
            Some((group_id, _)) if *group_id == group.id => continue,
            Some((_, path)) => format!("is in the group `{path}`: name that one"),
            None if matches!(it, Content::Account(_)) => {
                "is not in the group by hand: what is there by a prefix of its code is put into another group instead".to_owned()
            }
            None => "is not in the group: see `codePrefixes`".to_owned(),
        };
        return Err(InvalidInput::new(field.as_str(), problem).into());
    }
    insert(db, &command, &group, contents, &now, None, clock).await?;
    Ok(group)
}

/// The group, locked; what the command names, each once and with its field; and where that is now.
async fn read(
    db: &impl ConnectionTrait,
    command: &ChangeGroupContents,
) -> Result<(account_group::Model, Vec<(String, Content)>, Now), AccountGroupError> {
    let (accounts, prefixes) = (&command.accounts, &command.code_prefixes);
    for (field, length) in [
        ("accounts", accounts.len()),
        ("codePrefixes", prefixes.len()),
    ] {
        if length > MOST {
            let problem = format!("has {length} items: at most {MOST} are taken at once");
            return Err(InvalidInput::new(field, problem).into());
        }
    }
    if accounts.is_empty() && prefixes.is_empty() {
        let problem = "is empty, and so is `codePrefixes`: name accounts, or prefixes of codes";
        return Err(InvalidInput::new("accounts", problem).into());
    }
    let mut contents = Vec::new();
    for (index, text) in prefixes.iter().enumerate() {
        let field = format!("codePrefixes[{index}]");
        let prefix = input::account_code(&field, text)?;
        contents.push((field, Content::Prefix(prefix)));
    }
    let group = find::locked(db, &command.group).await?;
    let group = group.ok_or_else(|| not_found("group", &command.group))?;
    let mut found = accounts_of(db, accounts).await?;
    found.append(&mut contents);
    let mut seen = BTreeSet::new();
    found.retain(|(_, it)| seen.insert(it.clone()));
    let now = now(db, &group, &found).await?;
    Ok((group, found, now))
}

/// The accounts, with their fields: at most two statements.
async fn accounts_of(
    db: &impl ConnectionTrait,
    accounts: &[AccountRef],
) -> Result<Vec<(String, Content)>, AccountGroupError> {
    let (ids, codes) = AccountRef::ids_and_codes(accounts);
    let by_id = accounts_by_id(db, ids).await?;
    let by_code = accounts_by_code(db, codes).await?;
    let found = accounts.iter().enumerate().map(|(index, by)| {
        let field = format!("accounts[{index}]");
        let account = match by.normalised() {
            Some(AccountRef::Id(id)) => by_id.get(&id),
            Some(AccountRef::Code(code)) => by_code.get(&code),
            Some(AccountRef::NoId(_)) | None => None,
        };
        match account {
            Some(account) => Ok((field, Content::Account(account.id))),
            None => Err(AccountNotFound {
                field,
                account: by.clone(),
            }),
        }
    });
    Ok(found.collect::<Result<_, _>>()?)
}

/// The groups of the tree in which these are now: one statement for accounts, and one for prefixes.
async fn now(
    db: &impl ConnectionTrait,
    group: &account_group::Model,
    contents: &[(String, Content)],
) -> Result<Now, DbErr> {
    let mut now = Now::new();
    for (table, column) in [
        ("group_member", "account_id"),
        ("group_prefix", "code_prefix"),
    ] {
        let values: Vec<Value> = contents
            .iter()
            .filter_map(|(_, it)| match it {
                Content::Account(id) if column == "account_id" => Some((*id).into()),
                Content::Prefix(prefix) if column == "code_prefix" => Some(prefix.as_str().into()),
                _ => None,
            })
            .collect();
        if values.is_empty() {
            continue;
        }
        let places: Vec<_> = (2..=values.len() + 1).map(|n| format!("${n}")).collect();
        let sql = format!(
            "SELECT {column} AS content, group_id, path FROM {table} JOIN account_group ON account_group.id = {table}.group_id
             WHERE {table}.tree_id = $1 AND {column} IN ({})",
            places.join(", ")
        );
        let parameters = std::iter::once(group.tree_id.into()).chain(values);
        let statement = dialect::statement(db.get_database_backend(), sql, parameters);
        for row in db.query_all_raw(statement).await? {
            let content = match column {
                "account_id" => Content::Account(row.try_get("", "content")?),
                _ => Content::Prefix(row.try_get("", "content")?),
            };
            now.insert(
                content,
                (row.try_get("", "group_id")?, row.try_get("", "path")?),
            );
        }
    }
    Ok(now)
}

async fn refuse_many_prefixes(
    db: &impl ConnectionTrait,
    group: &account_group::Model,
    added: &[(String, Content)],
    now: &Now,
) -> Result<(), AccountGroupError> {
    let new = added.iter();
    let new = new.filter(|(_, it)| matches!(it, Content::Prefix(_)) && !now.contains_key(it));
    let new = new.count();
    if new == 0 {
        return Ok(());
    }
    let statement = dialect::statement(
        db.get_database_backend(),
        "SELECT COUNT(*) AS prefix_count FROM group_prefix WHERE tree_id = $1",
        [group.tree_id.into()],
    );
    let row = db.query_one_raw(statement).await?;
    let there: i64 = row.map_or(Ok(0), |row| row.try_get("", "prefix_count"))?;
    if usize::try_from(there).unwrap_or_default() + new > MOST_PREFIXES {
        let problem =
            format!("would be more than {MOST_PREFIXES} in this tree: shorter prefixes are fewer");
        return Err(InvalidInput::new("codePrefixes", problem).into());
    }
    Ok(())
}

/// Writes the history, in the order of the command. The database writes it to the group.
async fn insert(
    db: &impl ConnectionTrait,
    command: &ChangeGroupContents,
    group: &account_group::Model,
    contents: Vec<(String, Content)>,
    now: &Now,
    path_after: Option<&str>,
    clock: &Clock,
) -> Result<(), AccountGroupError> {
    if contents.is_empty() {
        return Ok(());
    }
    let recorded_at = input::instant("now", clock.now())?;
    let mut parameters: Vec<Value> = vec![
        group.tree_id.into(),
        group.id.into(),
        path_after.into(),
        recorded_at.into(),
        command.recorded_by.clone().into(),
    ];
    let mut rows = Vec::new();
    for (_, it) in contents {
        let before = now.get(&it).map(|(_, path)| path.as_str());
        let (account_id, prefix) = match &it {
            Content::Account(id) => (Some(*id), None),
            Content::Prefix(prefix) => (None, Some(prefix.as_str())),
        };
        let n = parameters.len();
        parameters.extend([account_id.into(), prefix.into(), before.into()]);
        rows.push(format!(
            "($1, $2, ${}, ${}, ${}, $3, $4, $5)",
            n + 1,
            n + 2,
            n + 3
        ));
    }
    let sql = format!(
        "INSERT INTO group_change (tree_id, group_id, account_id, code_prefix, path_before, path_after, recorded_at, recorded_by)
         VALUES {}",
        rows.join(", ")
    );
    let statement = dialect::statement(db.get_database_backend(), sql, parameters);
    db.execute_raw(statement).await?;
    Ok(())
}
