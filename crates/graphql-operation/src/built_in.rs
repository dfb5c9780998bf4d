//! Values of GraphQL's own scalars: `Int`, `Float`, `String`, `Boolean` and `ID`.

use async_graphql::Value;
use async_graphql_value::Number;

/// Coerces a value to one of GraphQL's own scalars. A value of another scalar stays unchanged.
pub(crate) fn coerce(name: &str, value: Value) -> Result<Value, (Value, String)> {
    let message = match (name, &value) {
        ("Int", Value::Number(number)) => match whole(number) {
            Some(number) if i32::try_from(number).is_ok() => return Ok(Value::from(number)),
            Some(_) => "Int cannot represent non 32-bit signed integer value",
            None if number.is_u64() => "Int cannot represent non 32-bit signed integer value",
            None => "Int cannot represent non-integer value",
        },
        ("Int", _) => "Int cannot represent non-integer value",
        ("Float", Value::Number(_))
        | ("String", Value::String(_))
        | ("Boolean", Value::Boolean(_))
        | ("ID", Value::String(_)) => return Ok(value),
        ("Float", _) => "Float cannot represent non numeric value",
        ("String", _) => "String cannot represent a non string value",
        ("Boolean", _) => "Boolean cannot represent a non boolean value",
        ("ID", Value::Number(number)) => match whole(number) {
            Some(number) => return Ok(Value::String(number.to_string())),
            None if number.is_u64() => return Ok(Value::String(number.to_string())),
            None => "ID cannot represent value",
        },
        ("ID", _) => "ID cannot represent value",
        _ => return Ok(value),
    };
    let message = format!("{message}: {}", shown(&value));
    Err((value, message))
}

/// A whole number, however it is written, if no digit can have been lost.
pub(crate) fn whole(number: &Number) -> Option<i64> {
    let is_whole = |number: &f64| number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0;
    number.as_i64().or_else(|| {
        let number = number.as_f64().filter(is_whole)?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it is whole, and below 2^53"
        )]
        Some(number as i64)
    })
}

/// A value as errors show it: shortened.
pub(crate) fn shown(value: &Value) -> String {
    const LONGEST: usize = 100;
    let shown = match value {
        // Written out, it could be as long as the request.
        Value::List(_) => return "a list".to_owned(),
        Value::Object(_) => return "an object".to_owned(),
        Value::String(text) => format!("{:?}", text.chars().take(LONGEST).collect::<String>()),
        other => other.to_string(),
    };
    if shown.len() > 2 * LONGEST {
        format!("{}…", shown.chars().take(LONGEST).collect::<String>())
    } else {
        shown
    }
}
