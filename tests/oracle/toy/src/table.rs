//! The table: what each field of each object answers, as a function of a number.
//!
//! `table.js` is the same function in JavaScript. A field's number comes from its object's, its own name and its coerced
//! arguments; from it come its value, whether it is null where it may be, and whether it fails.

use std::collections::BTreeMap;

use async_graphql::{Context, Error, ID, Json, Result};
use serde::Serialize;

use crate::inputs::{Even, Style};

/// The table of this request.
#[derive(Clone, Copy)]
pub struct Table(pub u32);

/// Goes on from `number` over the bytes of a text (FNV-1a).
pub fn mix(number: u32, text: &str) -> u32 {
    text.bytes().fold(number, |number, byte| {
        (number ^ u32::from(byte)).wrapping_mul(16_777_619)
    })
}

/// Spreads what `mix` leaves in a few bits over all of them (MurmurHash3's last step).
pub fn spread(number: u32) -> u32 {
    let mut number = number;
    number = (number ^ (number >> 16)).wrapping_mul(0x85eb_ca6b);
    number = (number ^ (number >> 13)).wrapping_mul(0xc2b2_ae35);
    number ^ (number >> 16)
}

/// The number of an item of a list.
fn item(number: u32, index: u32) -> u32 {
    spread(
        number
            .wrapping_add(index.wrapping_mul(0x9e37_79b9))
            .wrapping_add(1),
    )
}

/// Whether a number means null, where that can be.
fn is_null(number: u32) -> bool {
    spread(number ^ 0xa).is_multiple_of(8)
}

/// What a number means as a value of a type.
pub trait Answer: Sized {
    /// Whether the type has null.
    const NULLABLE: bool = false;

    /// The value.
    fn of(number: u32) -> Self;
}

/// Null goes before failure, whichever of `Option` and `Result` is around the other.
impl<T: Answer> Answer for Result<T> {
    fn of(number: u32) -> Self {
        let fails = spread(number ^ 0xe).is_multiple_of(14);
        if fails && !(T::NULLABLE && is_null(number)) {
            return Err(Error::new("the table says so"));
        }
        Ok(T::of(number))
    }
}

impl<T: Answer> Answer for Option<T> {
    const NULLABLE: bool = true;

    fn of(number: u32) -> Self {
        (!is_null(number)).then(|| T::of(number))
    }
}

impl<T: Answer> Answer for Vec<T> {
    fn of(number: u32) -> Self {
        let length = spread(number ^ 0x1) % 4;
        (0..length)
            .map(|index| T::of(item(number, index)))
            .collect()
    }
}

impl Answer for i32 {
    fn of(number: u32) -> Self {
        i32::try_from(number % 201).unwrap_or_default() - 100
    }
}

impl Answer for f64 {
    fn of(number: u32) -> Self {
        (Self::from(number % 2001) - 1000.0) / 4.0
    }
}

impl Answer for bool {
    fn of(number: u32) -> Self {
        number % 2 == 1
    }
}

const TEXTS: [&str; 7] = [
    "",
    "plain",
    "a \"quoted\" one",
    "naïve",
    "😀",
    "two\nlines",
    "\u{1}\\/",
];

impl Answer for String {
    fn of(number: u32) -> Self {
        TEXTS[number as usize % TEXTS.len()].to_owned()
    }
}

impl Answer for ID {
    fn of(number: u32) -> Self {
        Self(format!("id-{}", number % 1000))
    }
}

impl Answer for Even {
    fn of(number: u32) -> Self {
        Self(i64::from(number % 50) * 2)
    }
}

impl Answer for Style {
    fn of(number: u32) -> Self {
        match number % 3 {
            0 => Self::Plain,
            1 => Self::Bold,
            _ => Self::Fancy,
        }
    }
}

impl Answer for Json<serde_json::Value> {
    fn of(number: u32) -> Self {
        Self(match number % 4 {
            0 => serde_json::json!({ "a": [true, null, "x"], "b": 1 }),
            1 => serde_json::json!([1, [2.5], {}]),
            2 => serde_json::json!("text"),
            _ => serde_json::json!(number % 10),
        })
    }
}

/// Arguments after coercion, in the order of the schema, without those that are absent.
#[derive(Default)]
pub struct Arguments(String);

impl Arguments {
    /// Adds one; `None` is absent.
    pub fn add(&mut self, name: &str, value: Option<serde_json::Value>) {
        if let Some(value) = value {
            self.0.push_str(name);
            self.0.push(':');
            write(&value, &mut self.0);
            self.0.push(' ');
        }
    }

    /// Their canonical text.
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// A value as it is given to JSON. The inputs of the schema cannot fail at that.
pub fn json(value: &impl Serialize) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// Writes JSON with its members sorted. A number is its value as a double: `1.0` is `1`.
fn write(value: &serde_json::Value, out: &mut String) {
    match value {
        serde_json::Value::Array(items) => {
            out.push('[');
            for item in items {
                write(item, out);
                out.push(',');
            }
            out.push(']');
        }
        serde_json::Value::Object(members) => {
            out.push('{');
            let sorted: BTreeMap<_, _> = members.iter().collect();
            for (name, value) in sorted {
                out.push_str(name);
                out.push(':');
                write(value, out);
                out.push(',');
            }
            out.push('}');
        }
        serde_json::Value::Number(number) => {
            // Negative zero is zero.
            let bits = (number.as_f64().unwrap_or(f64::NAN) + 0.0).to_bits();
            out.push_str(&format!("#{bits:x}"));
        }
        simple => out.push_str(&simple.to_string()),
    }
}

/// The answer of a field.
pub fn answer<T: Answer>(ctx: &Context<'_>, of: u32, field: &str, arguments: &Arguments) -> T {
    let number = match of {
        0 => mix(2_166_136_261, &ctx.data_unchecked::<Table>().0.to_string()),
        of => of,
    };
    T::of(spread(mix(mix(number, field), arguments.text())))
}

/// `arguments!(a, [b])`: the arguments of a resolver by their names in the schema; those in brackets can be absent.
macro_rules! arguments {
    ($($argument:tt),* $(,)?) => {{
        #[allow(unused_mut)]
        let mut arguments = $crate::table::Arguments::default();
        $(arguments!(@ arguments $argument);)*
        arguments
    }};
    (@ $arguments:ident [$name:ident]) => {
        $arguments.add(stringify!($name), (!$name.is_undefined()).then(|| $crate::table::json(&$name)))
    };
    (@ $arguments:ident $name:ident) => {
        $arguments.add(stringify!($name), Some($crate::table::json(&$name)))
    };
}
pub(crate) use arguments;
