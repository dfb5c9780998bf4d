//! Amounts for people.

/// Writes `minor_units` with `exponent` decimal places: `(1234, 2)` is `12.34`, `(-5, 2)` is `-0.05`, `(7, 0)` is `7`.
///
/// Exponents outside of 0..=18 do not occur (the database refuses them) and count as the nearest that does.
#[must_use]
pub fn decimal(minor_units: i64, exponent: i32) -> String {
    sum_decimal(minor_units.into(), exponent)
}

/// Writes a sum of amounts as [`decimal`] does. A sum can be beyond 64 bits.
#[must_use]
pub fn sum_decimal(minor_units: i128, exponent: i32) -> String {
    let places = usize::try_from(exponent.clamp(0, 18)).unwrap_or(0);
    let sign = if minor_units < 0 { "-" } else { "" };
    let digits = format!(
        "{:0>width$}",
        minor_units.unsigned_abs(),
        width = places + 1
    );
    match digits.split_at(digits.len() - places) {
        (whole, "") => format!("{sign}{whole}"),
        (whole, fraction) => format!("{sign}{whole}.{fraction}"),
    }
}

#[cfg(test)]
mod tests {
    use super::decimal;
    use proptest::prelude::*;

    #[test]
    fn amounts_are_written_with_the_currency_s_places() {
        for (minor_units, exponent, text) in [
            (1234, 2, "12.34"),
            (-5, 2, "-0.05"),
            (0, 2, "0.00"),
            (7, 0, "7"),
            (-7, 0, "-7"),
            (1, 3, "0.001"),
            (1, 18, "0.000000000000000001"),
            (i64::MAX, 18, "9.223372036854775807"),
            (i64::MIN, 0, "-9223372036854775808"),
            (i64::MIN, 2, "-92233720368547758.08"),
            (i64::MIN, 18, "-9.223372036854775808"),
        ] {
            assert_eq!(decimal(minor_units, exponent), text);
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost(minor_units: i64, exponent in 0..=18) {
            let text = decimal(minor_units, exponent);
            prop_assert_eq!(text.replace('.', "").parse::<i64>().unwrap(), minor_units);
            let places = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
            prop_assert_eq!(i32::try_from(places).unwrap(), exponent);
            prop_assert!(!text.starts_with('.') && !text.starts_with("-."));
        }
    }
}
