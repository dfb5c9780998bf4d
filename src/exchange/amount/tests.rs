use super::*;

fn read(input: &str) -> Result<(String, String, u32), String> {
    let (amount, rest) = amount(input, &Marks::default())?;
    assert_eq!(rest, "", "{input}");
    Ok((
        text(amount.number.quantity),
        amount.symbol,
        amount.number.places,
    ))
}

#[test]
fn amounts_are_read_in_every_way_of_writing() {
    for (input, number, symbol, places) in [
        ("$1", "1", "$", 0),
        ("-$1.50", "-1.5", "$", 2),
        ("$-1", "-1", "$", 0),
        ("$ -225.00", "-225", "$", 2),
        ("- 3 EUR", "-3", "EUR", 0),
        ("500.00€", "500", "€", 2),
        ("EUR 1.234.567,89", "1234567.89", "EUR", 2),
        ("$1,173.15", "1173.15", "$", 2),
        ("1 000 000,00 SEK", "1000000", "SEK", 2),
        ("₹1,00,00,000.5", "10000000.5", "₹", 1),
        ("\"Chocolate Frogs\" 3", "3", "Chocolate Frogs", 0),
        ("3 \"Chocolate Frogs\"", "3", "Chocolate Frogs", 0),
        ("0,125 BTC", "0.125", "BTC", 3),
        ("1,5", "1.5", "", 1),
        ("10.125 BTC", "10.125", "BTC", 3),
        ("100. JPY", "100", "JPY", 0),
        (".5 h", "0.5", "h", 1),
        ("1,000,000 $", "1000000", "$", 0),
        ("9223372036854775807 WEI", "9223372036854775807", "WEI", 0),
        (
            "0.000000000000000001 ETH",
            "0.000000000000000001",
            "ETH",
            18,
        ),
    ] {
        assert_eq!(
            read(input),
            Ok((number.to_owned(), symbol.to_owned(), places)),
            "{input}"
        );
    }
}

#[test]
fn what_could_be_two_amounts_is_neither() {
    for (input, word) in [
        ("$1,000", "can be 1000 or 1.000"),
        ("12,345 X", "can be 12345 or 12.345"),
        ("EUR", "is no number"),
        ("1E3 EUR", "has an exponent"),
        ("\"x 1", "has a quote"),
        ("1.2.3,4,5 EUR", "different marks"),
        ("1,,000 EUR", "two marks"),
        ("1,000,000, EUR", "two marks"),
        ("1.000 000 EUR", "white space"),
        ("0.0000000000000000001 ETH", "19 decimal places"),
        ("99999999999999999999 X", "too large"),
    ] {
        let problem = read(input).unwrap_err();
        assert!(problem.contains(word), "{input}: {problem}");
    }
}

#[test]
fn a_number_is_not_written_against_its_decimal_mark() {
    for (input, mark) in [
        ("1 000,00", '.'),
        ("1 000.5", ','),
        ("1.000,5", '.'),
        ("1,000.5", ','),
        ("1.5.0", '.'),
        ("5.", ','),
    ] {
        let problem = number(input, Some(mark)).unwrap_err();
        assert!(problem.contains("decimal mark"), "{input}: {problem}");
    }
}

#[test]
fn directives_say_what_the_decimal_mark_is() {
    for (input, mark) in [
        ("$1,000.00", Some('.')),
        ("1.000,00 EUR", Some(',')),
        ("1000. JPY", Some('.')),
        ("1,000 X", Some(',')),
        ("1,000,000 X", Some('.')),
        ("1.000,00€", Some(',')),
        ("EUR 1000", None),
    ] {
        assert_eq!(style(input).unwrap().1, mark, "{input}");
    }
}
