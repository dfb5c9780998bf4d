//! Closes the books, and reopens them.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use chrono::Utc;
use daybook_entity::closing;
use futures_util::FutureExt as _;
use unit_of_work::ContextExt as _;

use crate::{
    graphql::{
        context::LedgerContext as _,
        input::viewer,
        object::Closing,
        refusal::refuse,
        scopes::{CLOSE, REOPEN, require},
        time::{Days, Time},
    },
    ledger::{self, CloseBooks},
};

/// Until when to close the books.
#[derive(InputObject)]
pub struct CloseBooksInput {
    /// The first instant that stays open: nothing is posted any more that counts from before it. Not in the future, and not before the
    /// instant until which they are closed. A date closes that day, too: `2026-01-31` is all of January.
    closed_until: Time,
    /// Whose day it is, if `closedUntil` is a date, by its name in the IANA database, such as `Europe/Berlin`; UTC by default.
    time_zone: Option<String>,
    /// Of the accounts whose codes begin with this, now or when they are opened; all accounts by default.
    code_prefix: Option<String>,
    /// A text for people: at most 1000 characters.
    reason: Option<String>,
}

/// From when on to open the books again.
#[derive(InputObject)]
pub struct ReopenBooksInput {
    /// The first instant that is open again, before the one until which they are closed; everything by default. A date stays closed.
    closed_until: Option<Time>,
    /// Whose day it is, if `closedUntil` is a date, by its name in the IANA database, such as `Europe/Berlin`; UTC by default.
    time_zone: Option<String>,
    /// As they were closed: a prefix in `closedPeriods`; that of all accounts by default.
    code_prefix: Option<String>,
    /// A text for people: at most 1000 characters.
    reason: Option<String>,
}

/// The books as they are closed now.
#[derive(SimpleObject)]
pub struct BooksPayload {
    /// What was done; if they were closed until that instant before, by whom then.
    closing: Closing,
}

#[derive(Default)]
pub struct CloseBooksMutation;

#[Object]
impl CloseBooksMutation {
    /// Closes the books until an instant: an entry that counts from before it is refused with `PERIOD_CLOSED`, of whatever kind it is. The
    /// token needs the scope `ledger:close`, too.
    async fn close_books(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Until when, and of which accounts.")] input: CloseBooksInput,
    ) -> Result<BooksPayload> {
        require(ctx, CLOSE)?;
        let until = closed_until(Some(input.closed_until), input.time_zone.as_deref())?;
        let command = command(ctx, until, input.code_prefix, input.reason);
        let closing = ledger::close_books(ctx.unit(), command, ctx.clock());
        Ok(payload(closing.boxed().await.map_err(refuse)?))
    }

    /// Opens the books again, all of them or from an instant on. The token needs the scope `ledger:reopen`, too.
    async fn reopen_books(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "From when on, and of which accounts.")] input: ReopenBooksInput,
    ) -> Result<BooksPayload> {
        require(ctx, REOPEN)?;
        let until = closed_until(input.closed_until, input.time_zone.as_deref())?;
        let command = command(ctx, until, input.code_prefix, input.reason);
        let closing = ledger::reopen_books(ctx.unit(), command, ctx.clock());
        Ok(payload(closing.boxed().await.map_err(refuse)?))
    }
}

/// The first instant that is open: the end of a range, as everywhere.
fn closed_until(
    until: Option<Time>,
    time_zone: Option<&str>,
) -> Result<Option<chrono::DateTime<Utc>>> {
    let mut days = Days::of("timeZone", time_zone)?;
    let until = days.until("closedUntil", until)?;
    days.finish("a date in `closedUntil`")?;
    Ok(until)
}

fn command(
    ctx: &Context<'_>,
    closed_until: Option<chrono::DateTime<Utc>>,
    code_prefix: Option<String>,
    reason: Option<String>,
) -> CloseBooks {
    CloseBooks {
        random: ledger::random(),
        code_prefix: code_prefix.unwrap_or_default(),
        closed_until,
        reason,
        recorded_by: viewer(ctx),
    }
}

fn payload(closing: closing::Model) -> BooksPayload {
    BooksPayload {
        closing: Closing(closing),
    }
}
