//! What a caller's token allows beyond reading and writing.
//!
//! Where there is no authentication, everyone may do everything.

use async_graphql::{Context, Error, ErrorExtensions, Request, Result};

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

/// Tells the schema which of these scopes of a caller's token it knows.
pub fn grant(request: &mut Request, scopes: &[String]) {
    let known = [VERIFY, CLOSE, REOPEN, WEBHOOKS].into_iter();
    let granted = known.filter(|known| scopes.iter().any(|scope| scope == known));
    request.data.insert(Granted(granted.collect()));
}

/// Refuses a caller whose token does not have this scope.
pub(super) fn require(ctx: &Context<'_>, scope: &'static str) -> Result<()> {
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
