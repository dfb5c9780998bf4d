//! Notes in comments of a journal that Daybook writes, for Daybook to read back: after `daybook: `, one JSON object per line.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};
use std::io;

/// The text before the JSON.
pub(super) const MARK: &str = "daybook: ";

/// The note of an account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AccountNote {
    /// Its code, if that is not the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<String>,
    pub(super) name: String,
    pub(super) currency: String,
    pub(super) normal_side: String,
    pub(super) limit_policy: String,
    /// Minor units, as a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) min_balance: Option<String>,
    /// Minor units, as a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_balance: Option<String>,
    /// For people only: an import opens accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<String>,
    /// The ledger that it is in, if that has a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ledger: Option<LedgerNote>,
    #[serde(default, skip_serializing_if = "is_empty")]
    pub(super) metadata: Json,
}

/// What the note of an account says of its ledger.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LedgerNote {
    pub(super) code: String,
    pub(super) name: String,
}

/// The note of a transaction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct EntryNote {
    pub(super) kind: String,
    pub(super) effective_at: String,
    pub(super) recorded_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resolves: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reverses: Option<String>,
    /// Which part of that other entry it ends or undoes, if not all at once. For people only, as the relation is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) part: Option<i32>,
    /// The description, if the journal's line cannot have it unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    #[serde(default, skip_serializing_if = "is_empty")]
    pub(super) metadata: Json,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reference: Option<String>,
}

fn is_empty(metadata: &Json) -> bool {
    metadata.as_object().is_none_or(serde_json::Map::is_empty)
}

/// Writes `note` as JSON in which hledger and ledger find no date and no account type.
///
/// # Errors
/// Those of writing.
pub(super) fn write(note: &impl Serialize, out: &mut Vec<u8>) -> io::Result<()> {
    out.extend_from_slice(MARK.as_bytes());
    note.serialize(&mut Serializer::with_formatter(out, Harmless))?;
    Ok(())
}

/// Escapes what has a meaning in comments: `[1` is a date for ledger; `date:` and `type:` are tags for hledger.
struct Harmless;

impl Formatter for Harmless {
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"[ ")
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if !fragment.contains(['[', ':']) {
            return CompactFormatter.write_string_fragment(writer, fragment);
        }
        let mut parts = fragment.split('[');
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let is_date = part.starts_with(|c: char| c.is_ascii_digit() || c == '=');
            text += if is_date { "\\u005b" } else { "[" };
            text += part;
        }
        for tag in ["date:", "date2:", "type:"] {
            text = text.replace(tag, &tag.replace(':', "\\u003a"));
        }
        writer.write_all(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn metadata_comes_back_and_means_nothing_to_others() {
        let metadata = json!({ "a": [1, "[2020/01/01]"], "b": "type: x [a] [=2] date:1 date2:2", "date": "\"date:\"\n" });
        let note = EntryNote {
            metadata,
            ..EntryNote::default()
        };
        let mut out = Vec::new();
        write(&note, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        for word in ["[1", "[2", "[=", "type:", "date:", "date2:", "\n"] {
            assert!(!text.contains(word), "{word} is in {text}");
        }
        let json = text.strip_prefix(MARK).unwrap();
        assert_eq!(serde_json::from_str::<EntryNote>(json).unwrap(), note);
    }
}
