//! Ids and keys: what is read and written again is the same.

use daybook::ledger::{Id, decimal};
use unit_of_work::IdempotencyKey;

pub(super) fn run(input: &[u8]) {
    if let Ok(key) = IdempotencyKey::from_header(input) {
        assert!(key.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
        assert_eq!(IdempotencyKey::new(key.as_str()).as_ref(), Ok(&key));
    }
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Ok(id) = text.parse::<Id>() {
        // Two texts are never one id.
        assert_eq!(id.to_string(), text);
    }
    if let Some((amount, places)) = text.split_once(' ')
        && let (Ok(amount), Ok(places)) = (amount.parse::<i64>(), places.parse())
    {
        let digits: String = decimal(amount, places)
            .chars()
            .filter(|c| *c != '.')
            .collect();
        assert_eq!(digits.parse(), Ok(amount));
    }
}
