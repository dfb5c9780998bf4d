//! Ids: UUIDv7 inside, [TypeIDs](https://github.com/jetify-com/typeid/tree/main/spec) outside.
//!
//! A line has no id of its own in the database. Entry ids are made with their last twelve bits zero (62 random bits remain
//! beside the millisecond), and a line's public id is its entry's with the line's number in these bits: a TypeID like the others,
//! stable, sorted by entry and line, and decoded without a query.

use chrono::{DateTime, Utc};
use std::fmt;
use std::str::FromStr;
use type_safe_id::{DynamicType, TypeSafeId};
use uuid::Uuid;

/// How many lines an entry can have: well below the 4095 that the free bits of its id can number, so that its lines are one
/// INSERT within every engine's number of parameters.
pub const LINES_PER_ENTRY: usize = 1000;

const LINE_BITS: u128 = 0xfff;
const ACCOUNT: &str = "acct";
const ENTRY: &str = "entry";
const LINE: &str = "line";
const GROUP: &str = "group";
const WEBHOOK: &str = "webhook";

/// The random part of a new id.
pub type Random = [u8; 10];

/// The random part of a new id, from a cryptographic generator that the operating system seeds.
#[must_use]
pub fn random() -> Random {
    let [_, _, _, _, _, _, tail @ ..] = Uuid::new_v4().into_bytes();
    tail
}

/// A new account's id; ids sort by the millisecond of `now`.
#[must_use]
pub fn new_account_id(now: DateTime<Utc>, random: Random) -> Uuid {
    let milliseconds = u64::try_from(now.timestamp_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(milliseconds, &random).into_uuid()
}

/// A new entry's id; ids sort by the millisecond of `now`.
#[must_use]
pub fn new_entry_id(now: DateTime<Utc>, random: Random) -> Uuid {
    Uuid::from_u128(new_account_id(now, random).as_u128() & !LINE_BITS)
}

/// What a public id names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Id {
    /// `acct_…`
    Account(Uuid),
    /// `entry_…`
    Entry(Uuid),
    /// `line_…`
    Line {
        /// The entry that it belongs to.
        entry_id: Uuid,
        /// Its place in the entry, from 1.
        line_no: i32,
    },
    /// `group_…`, a group of accounts
    Group(Uuid),
    /// `webhook_…`
    Webhook(Uuid),
}

/// A string that is no id of the ledger's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not an id: expected acct_…, entry_…, line_…, group_… or webhook_… with 26 characters after the underscore, as the ledger wrote it"
)]
pub struct InvalidId {
    /// What was given, shortened.
    pub text: String,
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (prefix, uuid) = match *self {
            Self::Account(id) => (ACCOUNT, id),
            Self::Entry(id) => (ENTRY, id),
            Self::Group(id) => (GROUP, id),
            Self::Webhook(id) => (WEBHOOK, id),
            Self::Line { entry_id, line_no } => {
                let number = u128::try_from(line_no).unwrap_or(0) & LINE_BITS;
                (
                    LINE,
                    Uuid::from_u128(entry_id.as_u128() & !LINE_BITS | number),
                )
            }
        };
        // The prefixes are constants of this file that the specification allows.
        let prefix = DynamicType::new(prefix).map_err(|_| fmt::Error)?;
        TypeSafeId::from_type_and_uuid(prefix, uuid).fmt(f)
    }
}

impl FromStr for Id {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidId {
            text: text.chars().take(64).collect(),
        };
        // The parser cuts a long prefix at a byte, and panics where that is inside a character.
        if !text.is_ascii() {
            return Err(invalid());
        }
        let id: TypeSafeId<DynamicType> = text.parse().map_err(|_| invalid())?;
        let uuid = id.uuid();
        match id.type_prefix() {
            ACCOUNT => Ok(Self::Account(uuid)),
            ENTRY => Ok(Self::Entry(uuid)),
            GROUP => Ok(Self::Group(uuid)),
            WEBHOOK => Ok(Self::Webhook(uuid)),
            LINE => {
                let line_no = i32::try_from(uuid.as_u128() & LINE_BITS).map_err(|_| invalid())?;
                if line_no == 0 {
                    return Err(invalid());
                }
                Ok(Self::Line {
                    entry_id: Uuid::from_u128(uuid.as_u128() & !LINE_BITS),
                    line_no,
                })
            }
            _ => Err(invalid()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the specification's `valid.json` and `invalid.json`.
    const VALID: &[(&str, &str)] = &[
        (
            "00000000000000000000000000",
            "00000000-0000-0000-0000-000000000000",
        ),
        (
            "0000000000000000000000000g",
            "00000000-0000-0000-0000-000000000010",
        ),
        (
            "00000000000000000000000010",
            "00000000-0000-0000-0000-000000000020",
        ),
        (
            "7zzzzzzzzzzzzzzzzzzzzzzzzz",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
        ),
        (
            "0123456789abcdefghjkmnpqrs",
            "0110c853-1d09-52d8-d73e-1194e95b5f19",
        ),
        (
            "01h455vb4pex5vsknk084sn02q",
            "01890a5d-ac96-774b-bcce-b302099a8057",
        ),
    ];
    const INVALID: &[&str] = &[
        "",
        "acct",
        "acct_",
        "_01h455vb4pex5vsknk084sn02q",
        "01h455vb4pex5vsknk084sn02q",
        "acct_01h455vb4pex5vsknk084sn02",
        "acct_01h455vb4pex5vsknk084sn02qq",
        "acct_8zzzzzzzzzzzzzzzzzzzzzzzzz",
        "acct_01H455VB4PEX5VSKNK084SN02Q",
        "ACCT_01h455vb4pex5vsknk084sn02q",
        "acct_ooooooooooooooooooooooooooo",
        "acct_iiiiiiiiiiiiiiiiiiiiiiiiii",
        "acct_1mcx-3s5cwbqv7kqzrnqvnmvvv",
        "other_01h455vb4pex5vsknk084sn02q",
        "acct_01h455vb4pex5vsknk084sn02é",
    ];

    #[test]
    fn the_specification_s_vectors_hold() {
        for (suffix, uuid) in VALID {
            let id = Id::Account(uuid.parse().unwrap());
            assert_eq!(id.to_string(), format!("acct_{suffix}"));
            assert_eq!(format!("acct_{suffix}").parse(), Ok(id));
        }
        for text in INVALID {
            assert!(text.parse::<Id>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_character_across_any_byte_is_no_id() {
        for before in 0..100 {
            let text = format!("{}é_01h455vb4pex5vsknk084sn02q", "a".repeat(before));
            assert!(text.parse::<Id>().is_err(), "{text}");
            let text = format!("acct_{}é", "0".repeat(before));
            assert!(text.parse::<Id>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_line_s_id_is_its_entry_s_with_its_number() {
        let entry_id = new_entry_id(DateTime::UNIX_EPOCH, [0xff; 10]);
        assert_eq!(entry_id.get_version_num(), 7);
        assert_eq!(entry_id.as_u128() & 0xfff, 0);
        for line_no in [1, 2, 4095] {
            let id = Id::Line { entry_id, line_no };
            let text = id.to_string();
            assert!(text.starts_with("line_"));
            assert_eq!(text.parse(), Ok(id));
        }
        let zeroth = Id::Entry(entry_id).to_string().replace("entry", "line");
        assert!(zeroth.parse::<Id>().is_err());
    }

    #[test]
    fn ids_sort_by_time() {
        let earlier = new_account_id(DateTime::UNIX_EPOCH, [0xff; 10]);
        let later = new_account_id(DateTime::from_timestamp_millis(1).unwrap(), [0; 10]);
        assert!(earlier < later);
        assert!(Id::Account(earlier).to_string() < Id::Account(later).to_string());
    }
}
