//! The names of accounts in a journal.

use daybook_entity::AccountClass;
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

/// The class of an account by its name, as hledger finds its type.
pub(super) fn class_by_name(name: &str) -> Option<AccountClass> {
    let top = name.split(':').next().unwrap_or(name).to_lowercase();
    match top.as_str() {
        "asset" | "assets" => Some(AccountClass::Asset),
        "debt" | "debts" | "liability" | "liabilities" => Some(AccountClass::Liability),
        "equity" => Some(AccountClass::Equity),
        "income" | "incomes" | "revenue" | "revenues" => Some(AccountClass::Income),
        "expense" | "expenses" => Some(AccountClass::Expense),
        _ => None,
    }
}

/// The class of an account by its tag `type:`. hledger's cash is an asset, and its conversions are equity.
pub(super) fn class_by_type(text: &str) -> Option<AccountClass> {
    match text.to_lowercase().as_str() {
        "a" | "asset" | "c" | "cash" => Some(AccountClass::Asset),
        "l" | "liability" => Some(AccountClass::Liability),
        "e" | "equity" | "v" | "conversion" => Some(AccountClass::Equity),
        "r" | "revenue" => Some(AccountClass::Income),
        "x" | "expense" => Some(AccountClass::Expense),
        _ => None,
    }
}

/// The value of the tag `type:` for a class.
pub(super) const fn type_of(class: AccountClass) -> &'static str {
    match class {
        AccountClass::Asset => "A",
        AccountClass::Liability => "L",
        AccountClass::Equity => "E",
        AccountClass::Income => "R",
        AccountClass::Expense => "X",
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
    fn classes_are_hledger_s() {
        assert_eq!(class_by_name("Assets:bank"), Some(AccountClass::Asset));
        assert_eq!(class_by_name("income"), Some(AccountClass::Income));
        assert_eq!(class_by_name("assetsx"), None);
        assert_eq!(class_by_type("Conversion"), Some(AccountClass::Equity));
        assert_eq!(class_by_type("c"), Some(AccountClass::Asset));
    }

    #[test]
    fn a_class_is_written_as_it_is_read() {
        use AccountClass::{Asset, Equity, Expense, Income, Liability};
        for class in [Asset, Liability, Equity, Income, Expense] {
            assert_eq!(class_by_type(type_of(class)), Some(class));
        }
    }
}
