//! The size of a value, written as JSON.
//!
//! Every member of an object and every item of a list is counted with a comma. That is one comma too many for each object or list that is
//! not empty, so its two brackets count as one byte.

use async_graphql::{
    Name, ServerError, Value,
    indexmap::IndexMap,
    parser::types::{Selection, SelectionSet},
};

/// The least size of an error. The error that clients are shown instead may be longer than the resolver's own.
const ERROR: usize = 400;

/// The size of the brackets of a list or an object.
pub(crate) fn list_or_object(is_empty: bool) -> usize {
    if is_empty { 2 } else { 1 }
}

/// The size of a member of an object without its value: the key in quotes, a colon and a comma.
pub(crate) fn of_member(key: &str) -> usize {
    of_text(key) + 2
}

/// As [`of_member`], for a field: its key is a name, which needs no escapes.
pub(crate) fn of_field(key: &str) -> usize {
    key.len() + 4
}

/// The size of a whole value.
pub(crate) fn of_value(value: &Value) -> usize {
    match value {
        Value::Null => 4,
        Value::Boolean(true) => 4,
        Value::Boolean(false) => 5,
        Value::Number(number) => of_number(number),
        Value::String(text) => of_text(text),
        Value::Enum(name) => of_text(name),
        // Bytes are written as a list of numbers.
        Value::Binary(bytes) => 2 + 4 * bytes.len(),
        Value::List(items) => {
            let of_items = items.iter().map(|item| 1 + of_value(item));
            list_or_object(items.is_empty()) + of_items.sum::<usize>()
        }
        Value::Object(fields) => {
            let of_fields = fields.iter();
            let of_fields = of_fields.map(|(key, value)| of_member(key) + of_value(value));
            list_or_object(fields.is_empty()) + of_fields.sum::<usize>()
        }
    }
}

/// The size of `__typename` fields, which the engine does not show to extensions.
pub(crate) fn of_type_names(selected: &SelectionSet, fields: &IndexMap<Name, Value>) -> usize {
    let of_selection = |selection: &Selection| match selection {
        Selection::Field(field) if field.node.name.node.as_str() == "__typename" => {
            let key = &field.node.response_key().node;
            let value = fields.get(key);
            value.map_or(0, |value| of_field(key) + of_value(value))
        }
        Selection::Field(_) => 0,
        Selection::InlineFragment(fragment) => {
            of_type_names(&fragment.node.selection_set.node, fields)
        }
        // Normalised operations have no spreads.
        Selection::FragmentSpread(_) => 0,
    };
    let selections = selected.items.iter();
    selections
        .map(|selection| of_selection(&selection.node))
        .sum()
}

fn of_number(number: &async_graphql::Number) -> usize {
    let digits = |number: u64| number.checked_ilog10().unwrap_or(0) as usize + 1;
    match (number.as_u64(), number.as_i64()) {
        (Some(number), _) => digits(number),
        (None, Some(number)) => 1 + digits(number.unsigned_abs()),
        // The longest number that is written.
        (None, None) => 24,
    }
}

fn of_text(text: &str) -> usize {
    // Most texts need no escapes. This loop checks many bytes at a time.
    let has_escaped = |has, byte| has | (byte < 0x20) | (byte == b'"') | (byte == b'\\');
    if !text.bytes().fold(false, has_escaped) {
        return 2 + text.len();
    }
    let escaped = text.bytes().map(|byte| match byte {
        b'"' | b'\\' | 0x08 | b'\t' | b'\n' | 0x0c | b'\r' => 1,
        0..0x20 => 5,
        _ => 0,
    });
    2 + text.len() + escaped.sum::<usize>()
}

/// The size of an error, with a comma.
pub(crate) fn of_error(error: &ServerError) -> usize {
    let written = serde_json::to_vec(error).map_or(0, |written| written.len());
    1 + written.max(ERROR)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    use super::*;

    fn json() -> impl Strategy<Value = Json> {
        let scalar = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            (0..20_i64).prop_map(Json::from),
            any::<u64>().prop_map(Json::from),
            any::<String>().prop_map(Json::from),
            "[ -~]{0,20}".prop_map(Json::from),
        ];
        scalar.prop_recursive(4, 60, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
                prop::collection::hash_map("[_a-zA-Z]{1,4}", inner, 0..6)
                    .prop_map(|members| Json::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_counted_is_what_is_written(json in json()) {
            let value = Value::from_json(json).unwrap();
            let written = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(of_value(&value), written.len(), "{}", written);
        }

        #[test]
        fn no_number_is_longer_than_it_counts(number in any::<f64>()) {
            let value = Value::from_json(json!(number)).unwrap();
            prop_assert!(of_value(&value) >= serde_json::to_string(&value).unwrap().len());
        }
    }

    #[test]
    fn bytes_are_a_list_of_numbers() {
        let value = Value::Binary(vec![255; 100].into());
        assert!(of_value(&value) >= serde_json::to_string(&value).unwrap().len());
    }
}
