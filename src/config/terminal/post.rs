//! What `post` is to post.

use serde_json::Map;
use unit_of_work::IdempotencyKey;

use super::{
    account_name, optional,
    settings::{PostLine, PostTask},
    value,
};
use crate::config::{args::PostArgs, value::currency_code, wrong::Reader};

/// Reads the arguments of `post`. Each amount is a line, with the account and the currency of its place.
pub(super) fn task(args: &PostArgs, values: &mut Reader<'_>) -> Option<PostTask> {
    let amounts: Vec<_> = args
        .amount
        .iter()
        .map(|text| values.read("amount", text, value::amount))
        .collect();
    let currencies: Vec<_> = args
        .currency
        .iter()
        .map(|text| values.read("currency", text, currency_code))
        .collect();
    let date = optional(values, "date", args.date.as_deref(), value::when);
    let mut metadata = Map::new();
    let pairs: Vec<_> = args
        .metadata
        .iter()
        .map(|text| values.read("metadata", text, |text| value::pair(text, &mut metadata)))
        .collect();
    let key = args.idempotency_key.as_deref();
    let key = optional(values, "idempotency_key", key, |text| {
        IdempotencyKey::new(text)
            .map(|key| key.as_str().to_owned())
            .map_err(|_| "1 to 255 visible ASCII characters".to_owned())
    });

    let count = args.amount.len();
    let mut all_fit = true;
    for (id, given) in [
        ("debit", args.debit.len()),
        ("credit", args.credit.len()),
        ("currency", args.currency.len()),
    ] {
        // clap requires an account of each side.
        if given > 1 && given != count {
            all_fit = false;
            values.refuse(
                id,
                &format!(
                    "to be there once for each of the {count} lines, or once for all: there are {given}, and an --amount makes a line"
                ),
            );
        }
    }
    if !all_fit {
        return None;
    }
    let of_line = |all: &[String], line: usize| {
        let text = all.get(line).or(all.first());
        account_name(text.map_or("", String::as_str))
    };
    let amounts: Option<Vec<_>> = amounts.into_iter().collect();
    let currencies: Option<Vec<_>> = currencies.into_iter().collect();
    let pairs: Option<Vec<()>> = pairs.into_iter().collect();
    let (currencies, date, key) = (currencies?, date?, key?);
    pairs?;
    let lines = amounts?
        .into_iter()
        .enumerate()
        .map(|(line, amount)| PostLine {
            debit: of_line(&args.debit, line),
            credit: of_line(&args.credit, line),
            amount,
            currency: currencies.get(line).or(currencies.first()).cloned(),
        });
    Some(PostTask {
        lines: lines.collect(),
        description: args.description.clone(),
        reference: args.reference.clone(),
        date,
        metadata,
        idempotency_key: key,
        dry_run: args.dry_run,
    })
}
