//! Creates currencies, and changes what people write for them.

use async_graphql::{Context, InputObject, MaybeUndefined, Object, Result, SimpleObject};
use futures_util::FutureExt as _;
use unit_of_work::ContextExt as _;

use crate::{
    graphql::{
        context::LedgerContext as _,
        input::viewer,
        object::Currency,
        refusal::{bad_input, refuse},
        scalars::CurrencyCode,
        scopes::require_all_ledgers,
    },
    ledger::{self, CreateCurrency},
};

/// The currency to create.
#[derive(InputObject)]
pub struct CreateCurrencyInput {
    /// Its unique name: 3 to 12 capital letters and digits. Those of ISO 4217 are there already.
    code: CurrencyCode,
    /// How many decimal places a unit has: 0 to 18. It never changes, since amounts are kept in minor units.
    exponent: i32,
    /// What people write for it: 1 to 12 characters. Several currencies may have the same one.
    symbol: Option<String>,
}

/// A currency, and what people write for it.
#[derive(InputObject)]
pub struct SetCurrencySymbolInput {
    /// The currency.
    code: CurrencyCode,
    /// What people write for it: 1 to 12 characters; null for nothing but its code. It cannot be left out.
    symbol: MaybeUndefined<String>,
}

/// The currency as it is now.
#[derive(SimpleObject)]
pub struct CurrencyPayload {
    /// The currency as it is now.
    currency: Currency,
}

#[derive(Default)]
pub struct CurrencyMutation;

#[Object]
impl CurrencyMutation {
    /// Creates a currency: points, hours, shares, a coin. Accounts can have it from then on, also those of the same operation.
    async fn create_currency(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The currency.")] input: CreateCurrencyInput,
    ) -> Result<CurrencyPayload> {
        require_all_ledgers(ctx)?;
        let command = CreateCurrency {
            code: input.code.0,
            exponent: input.exponent,
            symbol: input.symbol,
            recorded_by: viewer(ctx),
        };
        let currency = ledger::create_currency(ctx.unit(), command, ctx.now())
            .boxed()
            .await
            .map_err(refuse)?;
        Ok(CurrencyPayload {
            currency: Currency(currency),
        })
    }

    /// Changes what people write for a currency. Its code and its decimal places never change.
    async fn set_currency_symbol(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The currency, and its symbol.")] input: SetCurrencySymbolInput,
    ) -> Result<CurrencyPayload> {
        require_all_ledgers(ctx)?;
        let symbol = match &input.symbol {
            MaybeUndefined::Undefined => {
                let problem = "is missing: write the symbol, or null for none";
                return Err(bad_input("symbol", problem));
            }
            MaybeUndefined::Null => None,
            MaybeUndefined::Value(symbol) => Some(symbol.as_str()),
        };
        let currency = ledger::set_currency_symbol(ctx.unit(), &input.code.0, symbol)
            .boxed()
            .await
            .map_err(refuse)?;
        Ok(CurrencyPayload {
            currency: Currency(currency),
        })
    }
}
