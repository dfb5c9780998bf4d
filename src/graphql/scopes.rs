//! What a caller's token allows beyond reading and writing, and which ledgers it is for.
//!
//! Where there is no authentication, everyone may do everything.

use async_graphql::{Context, Error, ErrorExtensions, Request, Result};
use sea_orm::DbBackend;
use unit_of_work::SessionSettings;

use super::context::LedgerContext as _;
use crate::ledger::Visible;

/// The scope of `verifyLedger`, beside that of queries.
pub const VERIFY: &str = "ledger:verify";
/// The scope of `closeBooks`, beside that of mutations.
pub const CLOSE: &str = "ledger:close";
/// The scope of `reopenBooks`, beside that of mutations.
pub const REOPEN: &str = "ledger:reopen";
/// The scope of everything about webhooks, beside that of queries or mutations.
pub const WEBHOOKS: &str = "ledger:webhooks";

/// The scopes of the caller's token, of those that are known here.
struct Granted(Vec<&'static str>);

/// What tells the schema what a caller's token allows, on a database of this engine: its scopes, and the codes of the ledgers that it is
/// for, if not for all. Then the operation sees these alone: that is the database's to hold, by what is put into the request here.
#[must_use]
pub fn grant_on(engine: DbBackend) -> fn(&mut Request, &[String], Option<&[String]>) {
    match engine {
        DbBackend::Postgres => |request, scopes, ledgers| {
            grant(request, scopes, ledgers, |visible| {
                let settings = visible.settings().into_iter();
                settings.fold(SessionSettings::new(), |all, (name, value)| {
                    all.set(name, value)
                })
            });
        },
        _ => |request, scopes, ledgers| {
            grant(request, scopes, ledgers, |visible| {
                let rows = visible.rows().into_iter();
                rows.fold(SessionSettings::new(), |all, (table, rows)| {
                    all.rows(table, rows)
                })
            });
        },
    }
}

fn grant(
    request: &mut Request,
    scopes: &[String],
    ledgers: Option<&[String]>,
    settings: fn(&Visible) -> SessionSettings,
) {
    let known = [VERIFY, CLOSE, REOPEN, WEBHOOKS].into_iter();
    let granted = known.filter(|known| scopes.iter().any(|scope| scope == known));
    request.data.insert(Granted(granted.collect()));
    if let Some(ledgers) = ledgers {
        let visible = Visible::new(ledgers.iter().cloned());
        request.data.insert(settings(&visible));
        request.data.insert(visible);
    }
}

/// Refuses a caller whose token is for some ledgers alone: what is asked for is about all of them.
pub(super) fn require_all_ledgers(ctx: &Context<'_>) -> Result<()> {
    let Some(visible) = ctx.visible() else {
        return Ok(());
    };
    let codes: Vec<_> = visible.codes().collect();
    let message = "the token is for some ledgers, and this is about all of them";
    Err(Error::new(message).extend_with(|_, extensions| {
        extensions.set("code", "FORBIDDEN");
        extensions.set("retryable", false);
        extensions.set("ledgers", codes.clone());
    }))
}

/// Refuses a caller whose token does not have this scope, or is for some ledgers alone.
pub(super) fn require(ctx: &Context<'_>, scope: &'static str) -> Result<()> {
    require_all_ledgers(ctx)?;
    match ctx.data_opt::<Granted>() {
        Some(Granted(granted)) if !granted.contains(&scope) => {
            let message = format!("the token does not have the scope `{scope}`");
            Err(Error::new(message).extend_with(|_, extensions| {
                extensions.set("code", "FORBIDDEN");
                extensions.set("retryable", false);
                extensions.set("scope", scope);
            }))
        }
        _ => Ok(()),
    }
}
