//! The names of accounts in a journal.

use daybook_entity::Side;
use std::borrow::Cow;
use std::fmt::Write as _;

/// The name of an account in a journal: its code. Characters that a journal cannot have there are written as `%` and two hexadecimal digits
/// for each byte. Different codes have different names.
pub(super) fn journal_name(code: &str) -> Cow<'_, str> {
    let mut name = String::new();
    let mut is_same = true;
    let mut before = None;
    for (at, c) in code.char_indices() {
        let is_last = at + c.len_utf8() == code.len();
        let is_fine = match (before, c) {
            // At the beginning, other characters can mean a status or a virtual posting.
            (None, c) => c.is_alphanumeric(),
            // Two spaces would end the name, and a part between colons must not be empty.
            (Some(before), ' ' | ':') => before != c && !is_last,
            (Some(_), '%' | ';') => false,
            (Some(_), c) => !c.is_whitespace(),
        };
        if is_fine {
            name.push(c);
        } else {
            is_same = false;
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                // Writing to a string cannot fail.
                let _ = write!(name, "%{byte:02X}");
            }
        }
        before = Some(c);
    }
    if is_same {
        Cow::Borrowed(code)
    } else {
        Cow::Owned(name)
    }
}

/// The normal side of an account by its name, as hledger finds its type.
pub(super) fn side_by_name(name: &str) -> Option<Side> {
    let top = name.split(':').next().unwrap_or(name).to_lowercase();
    match top.as_str() {
        "asset" | "assets" | "expense" | "expenses" => Some(Side::Debit),
        "debt" | "debts" | "liability" | "liabilities" | "equity" | "income" | "incomes"
        | "revenue" | "revenues" => Some(Side::Credit),
        _ => None,
    }
}

/// The normal side of an account by its tag `type:`.
pub(super) fn side_by_type(text: &str) -> Option<Side> {
    match text.to_lowercase().as_str() {
        "a" | "asset" | "x" | "expense" | "c" | "cash" => Some(Side::Debit),
        "l" | "liability" | "e" | "equity" | "r" | "revenue" | "v" | "conversion" => {
            Some(Side::Credit)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_journal_can_have_are_the_codes() {
        for code in ["cash", "assets:bank [EUR]", "資産:現金", "Kasse Süd", "2a"] {
            assert_eq!(journal_name(code), code);
        }
        for (code, name) in [
            ("a  b", "a %20b"),
            ("(a)", "%28a)"),
            ("a::b:", "a:%3Ab%3A"),
            ("100%;", "100%25%3B"),
            ("a\u{3000}b", "a%E3%80%80b"),
        ] {
            assert_eq!(journal_name(code), name);
        }
    }

    #[test]
    fn sides_are_hledger_s() {
        assert_eq!(side_by_name("Assets:bank"), Some(Side::Debit));
        assert_eq!(side_by_name("income"), Some(Side::Credit));
        assert_eq!(side_by_name("assetsx"), None);
        assert_eq!(side_by_type("Conversion"), Some(Side::Credit));
    }
}
