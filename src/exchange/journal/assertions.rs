//! Balance assertions: the sum of an account in the file up to a posting.
//!
//! hledger checks them in the order of dates, but a file is read from its beginning to its end. So an assertion is checked if both orders
//! are the same for its account, and otherwise refused.

use super::header::Header;
use super::posting::ParsedPosting;
use crate::exchange::amount::text;
use crate::exchange::refusal::Refusal;
use crate::exchange::transaction::Posting;
use chrono::NaiveDate;
use std::collections::HashMap;

/// The state of an account in one currency.
#[derive(Default)]
struct Running {
    sum: i128,
    /// The latest date of its postings so far.
    latest: Option<NaiveDate>,
    /// The latest date of its assertions so far.
    asserted: Option<NaiveDate>,
}

#[derive(Default)]
pub(super) struct Assertions(HashMap<String, HashMap<String, Running>>);

impl Assertions {
    /// Adds the postings of a transaction, and checks their assertions. `parsed` has the postings as written, `postings` with all amounts.
    pub(super) fn check(
        &mut self,
        header: &Header,
        parsed: &[ParsedPosting],
        postings: &[Posting],
    ) -> Result<(), Refusal> {
        const ORDER: &str = "put transactions in the order of their dates (`hledger print` does), or leave the assertion out";
        // By line, so that the time grows with the postings and not with their square.
        let asserted = parsed
            .iter()
            .filter_map(|it| Some((it.line, it.assertion.as_ref()?)));
        let asserted: HashMap<_, _> = asserted.collect();
        for posting in postings {
            let running = self.running(&posting.account, &posting.symbol);
            let refuse = |problem| Refusal {
                line: posting.line,
                column: None,
                problem,
            };
            running.sum = running.sum.checked_add(posting.quantity).ok_or_else(|| {
                refuse("the amounts of the account add up to more than can be kept".to_owned())
            })?;
            if running
                .asserted
                .is_some_and(|asserted| asserted > header.date)
            {
                return Err(refuse(format!(
                    "the posting is dated before a balance assertion of `{}` above it: {ORDER}",
                    posting.account
                )));
            }
            running.latest = running.latest.max(Some(header.date));
            // Within a transaction, an assertion counts the postings up to its own.
            if let Some(asserted) = asserted.get(&posting.line) {
                let running = self.running(&posting.account, &asserted.symbol);
                if running.latest.is_some_and(|latest| latest > header.date) {
                    return Err(refuse(format!(
                        "the balance cannot be checked, for `{}` has a posting with a later date above it: {ORDER}",
                        posting.account
                    )));
                }
                if running.sum != asserted.number.quantity {
                    return Err(refuse(format!(
                        "the balance of `{}` is asserted to be {} {}, and is {} in this file: correct one of them",
                        posting.account,
                        text(asserted.number.quantity),
                        asserted.symbol,
                        text(running.sum)
                    )));
                }
                running.asserted = Some(header.date);
            }
        }
        Ok(())
    }

    fn running(&mut self, account: &str, symbol: &str) -> &mut Running {
        let by_symbol = self.0.entry(account.to_owned()).or_default();
        by_symbol.entry(symbol.to_owned()).or_default()
    }
}
