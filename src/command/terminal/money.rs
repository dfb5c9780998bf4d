//! Amounts as the API has them. They are added up as whole numbers, never as fractions.

use serde::{Deserialize, Serialize};

use super::failure::{Failure, Outcome};
use crate::ledger::sum_decimal;

/// An amount of a currency.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Money {
    /// Minor units.
    pub(super) amount: String,
    /// For people.
    pub(super) decimal: String,
}

impl Money {
    pub(super) fn minor_units(&self) -> Result<i128, Failure> {
        self.amount.parse().map_err(|_| {
            let problem = format!("the ledger answered with {:?} for an amount", self.amount);
            Failure::new(Outcome::Failed, problem)
        })
    }

    /// How many decimal places its currency has.
    pub(super) fn places(&self) -> usize {
        let fraction = self.decimal.split_once('.');
        fraction.map_or(0, |(_, fraction)| fraction.len())
    }

    pub(super) fn is_zero(&self) -> bool {
        self.amount == "0"
    }

    pub(super) fn is_negative(&self) -> bool {
        self.amount.starts_with('-')
    }

    /// How large it is, whatever its sign.
    pub(super) fn unsigned(&self) -> Self {
        let unsigned = |text: &str| text.trim_start_matches('-').to_owned();
        Self {
            amount: unsigned(&self.amount),
            decimal: unsigned(&self.decimal),
        }
    }
}

/// Minor units for people.
pub(super) fn decimal(minor_units: i128, places: usize) -> String {
    sum_decimal(minor_units, i32::try_from(places).unwrap_or(i32::MAX))
}

/// The sum of amounts in one currency, for people.
pub(super) fn sum(amounts: &[Money], places: usize) -> Result<String, Failure> {
    let mut total = 0_i128;
    for amount in amounts {
        total = total
            .checked_add(amount.minor_units()?)
            .ok_or_else(|| Failure::new(Outcome::Failed, "the total is too large"))?;
    }
    Ok(decimal(total, places))
}
