//! Dates in comments. hledger and ledger read them, and count the posting from that day instead of the transaction's.
//!
//! An entry of the ledger has one date for all of its lines, so such a date is refused. If it were ignored, balances between the two days
//! would be wrong.
//!
//! | in a comment | of a posting, read by | of a transaction, read by |
//! |---|---|---|
//! | `date:2026-02-01` | hledger | nobody: kept as a comment |
//! | `[2026-02-01]`, `[2026-02-01=2026-02-03]` | hledger and ledger | ledger |
//!
//! Secondary dates (`date2:2026-02-03`, `[=2026-02-03]`) move no balance, and are kept with the comment.

/// The part of a posting's comment that hledger or ledger reads as the posting's own date.
pub(super) fn of_posting(comment: &str) -> Option<&str> {
    tag(comment).or_else(|| bracketed(comment))
}

/// The part of a transaction's comment that ledger reads as the transaction's date.
pub(super) fn of_transaction(comment: &str) -> Option<&str> {
    bracketed(comment)
}

/// `date:` where a tag can begin, with the word after it.
///
/// hledger does not read it inside the value of another tag. It is refused there too, since people would read it as a date.
fn tag(comment: &str) -> Option<&str> {
    const NAME: &str = "date:";
    let begins = |at: usize| {
        let before = comment[..at].chars().next_back();
        before.is_none_or(|c| c.is_whitespace() || c == ',')
    };
    let (at, _) = comment.match_indices(NAME).find(|(at, _)| begins(*at))?;
    let value = at + NAME.len();
    let space = comment[value..].len() - comment[value..].trim_start().len();
    let word = &comment[value + space..];
    let word = word
        .find(|c: char| c.is_whitespace() || c == ',')
        .unwrap_or(word.len());
    Some(&comment[at..value + space + word])
}

/// A date in square brackets, or two of them.
fn bracketed(comment: &str) -> Option<&str> {
    comment.match_indices('[').find_map(|(at, _)| {
        let inside = &comment[at + 1..];
        let inside = &inside[..inside.find(']')?];
        let is_date = inside.starts_with(|c: char| c.is_ascii_digit())
            && inside.contains(['-', '/', '.', '='])
            && inside
                .chars()
                .all(|c| c.is_ascii_digit() || "-/.= ".contains(c));
        is_date.then(|| &comment[at..at + inside.len() + 2])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_found_where_hledger_and_ledger_read_them() {
        for (comment, found) in [
            ("date:2026-02-01", Some("date:2026-02-01")),
            ("paid date: 2/1, by card", Some("date: 2/1")),
            ("x,date:2/1", Some("date:2/1")),
            ("date2:2026-02-01", None),
            ("date:", Some("date:")),
            ("see [2026-02-01]", Some("[2026-02-01]")),
            ("[=2/1]", None),
            ("[2026.02.01=2026.02.03] x", Some("[2026.02.01=2026.02.03]")),
            ("update:2026-02-01 (date:1)", None),
            ("[1] [x] [] [ 2026 ] [2026-02-01", None),
            ("Date:2026-02-01", None),
        ] {
            assert_eq!(of_posting(comment), found, "{comment}");
        }
        assert_eq!(of_transaction("date:2026-02-01"), None);
        assert_eq!(of_transaction("[2026-02-01]"), Some("[2026-02-01]"));
    }
}
