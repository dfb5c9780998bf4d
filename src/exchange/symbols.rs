//! Which currency of the ledger a file means.

use std::collections::HashMap;

/// What files call a currency, and the code that it has.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    /// As the caller says.
    named: HashMap<String, String>,
    /// As found so far.
    codes: HashMap<String, String>,
    /// The symbol that each of those codes was found for.
    symbols: HashMap<String, String>,
}

/// Signs that one currency has, or that stand for its best known owner.
const SIGNS: [(&str, &str); 14] = [
    ("$", "USD"),
    ("€", "EUR"),
    ("£", "GBP"),
    ("¥", "JPY"),
    ("₹", "INR"),
    ("₩", "KRW"),
    ("₽", "RUB"),
    ("₺", "TRY"),
    ("₴", "UAH"),
    ("₪", "ILS"),
    ("₫", "VND"),
    ("₦", "NGN"),
    ("zł", "PLN"),
    ("₿", "BTC"),
];

impl Symbols {
    /// Symbols of which some stand for what the caller says; an empty one for amounts without a currency.
    #[must_use]
    pub fn new(named: HashMap<String, String>) -> Self {
        Self {
            named,
            codes: HashMap::new(),
            symbols: HashMap::new(),
        }
    }

    /// The code that `symbol` stands for: what the caller says, the owner of the sign, or the symbol itself in capital letters.
    ///
    /// # Errors
    /// When it stands for none, or for the same as another symbol of the file: what is wrong, as a sentence.
    pub(super) fn code(&mut self, symbol: &str) -> Result<String, String> {
        if let Some(code) = self.named.get(symbol).or_else(|| self.codes.get(symbol)) {
            return Ok(code.clone());
        }
        if symbol.is_empty() {
            return Err("the amount has no currency: write one, or say which it is with `--currency '=CODE'`".to_owned());
        }
        let say = |code: &str| format!("say what it is with `--currency '{symbol}={code}'`");
        let sign = SIGNS.iter().find(|(sign, _)| *sign == symbol);
        let code = sign.map_or_else(
            || symbol.to_ascii_uppercase(),
            |(_, code)| (*code).to_owned(),
        );
        if !(3..=12).contains(&code.len())
            || !code
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        {
            return Err(format!(
                "`{symbol}` is no currency's code, which is 3 to 12 capital letters and digits: {}",
                say("CODE")
            ));
        }
        if let Some(other) = self.symbols.get(&code) {
            return Err(format!(
                "`{symbol}` would be {code}, and so is `{other}` in this file: if they are the same, {}",
                say(&code)
            ));
        }
        self.codes.insert(symbol.to_owned(), code.clone());
        self.symbols.insert(code.clone(), symbol.to_owned());
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_is_one_currency() {
        let named = HashMap::from([
            ("h".to_owned(), "HOUR".to_owned()),
            ("€".to_owned(), "EUR".to_owned()),
        ]);
        let mut symbols = Symbols::new(named);
        for (symbol, code) in [
            ("$", "USD"),
            ("h", "HOUR"),
            ("eur", "EUR"),
            ("€", "EUR"),
            ("GGGGG", "GGGGG"),
        ] {
            assert_eq!(symbols.code(symbol).as_deref(), Ok(code));
        }
        assert!(
            symbols
                .code("USD")
                .unwrap_err()
                .contains("and so is `$` in this file")
        );
        assert!(
            symbols
                .code("m")
                .unwrap_err()
                .contains("--currency 'm=CODE'")
        );
    }
}
