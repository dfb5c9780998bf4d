//! Finds the ledger's currency for a symbol of a file.

use std::collections::HashMap;

/// The currencies that the symbols of a file stand for.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    /// Given by the caller.
    named: HashMap<String, String>,
    /// Found so far, by symbol.
    codes: HashMap<String, String>,
    /// The symbol for which each of those codes was found.
    symbols: HashMap<String, String>,
}

/// Signs of one currency, and signs of several that stand for the best known one.
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
    /// Symbols, some of which the caller gives a currency. The empty symbol stands for amounts without one.
    #[must_use]
    pub fn new(named: HashMap<String, String>) -> Self {
        Self {
            named,
            codes: HashMap::new(),
            symbols: HashMap::new(),
        }
    }

    /// The code that `symbol` stands for: the caller's, that of the sign, or the symbol itself in capital letters.
    ///
    /// # Errors
    /// If it stands for none, or for the same currency as another symbol of the file: a sentence that says what is wrong.
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
