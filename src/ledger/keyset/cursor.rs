//! Cursors: a position in an order, in URL-safe base64. Opaque to clients, so its form may change; an old one is then refused.
//!
//! One byte of the order's tag, sixteen of the id, then the key: text as it is, an instant as microseconds since 1970, a
//! version as it is, an instant and a version one after the other.

use crate::ledger::{InvalidInput, input};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use sea_orm::Value;
use uuid::Uuid;

const TEXT: u8 = 0;
const INSTANT: u8 = 1;
const VERSION: u8 = 2;
const INSTANT_AND_VERSION: u8 = 3;

/// The value that rows are ordered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ledger) enum Key {
    /// An account's code, or a group's path.
    Text(String),
    /// An instant in whole microseconds.
    Instant(DateTime<Utc>),
    /// An account's version.
    Version(i64),
    /// An instant in whole microseconds, and an account's version.
    InstantAndVersion(DateTime<Utc>, i64),
}

impl Key {
    /// What the column of an order is compared with.
    pub(super) fn to_value(&self) -> Value {
        match self {
            Self::Text(text) => text.clone().into(),
            Self::Instant(instant) | Self::InstantAndVersion(instant, _) => (*instant).into(),
            Self::Version(version) => (*version).into(),
        }
    }
}

/// A row's position in an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ledger) struct Position {
    pub(in crate::ledger) key: Key,
    pub(in crate::ledger) id: Uuid,
}

impl Position {
    pub(in crate::ledger) fn encode(&self, tag: u8) -> String {
        let mut bytes = vec![tag];
        bytes.extend(self.id.as_bytes());
        match &self.key {
            Key::Text(text) => {
                bytes.push(TEXT);
                bytes.extend(text.as_bytes());
            }
            Key::Instant(instant) => {
                bytes.push(INSTANT);
                bytes.extend(instant.timestamp_micros().to_be_bytes());
            }
            Key::Version(version) => {
                bytes.push(VERSION);
                bytes.extend(version.to_be_bytes());
            }
            Key::InstantAndVersion(instant, version) => {
                bytes.push(INSTANT_AND_VERSION);
                bytes.extend(instant.timestamp_micros().to_be_bytes());
                bytes.extend(version.to_be_bytes());
            }
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(super) fn decode(field: &str, cursor: &str, tag: u8) -> Result<Self, InvalidInput> {
        let position = || {
            let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
            let (head, rest) = bytes.split_first_chunk::<17>()?;
            let (kind, key) = rest.split_first()?;
            let [for_tag, id @ ..] = *head;
            let instant = |microseconds: &[u8]| {
                let microseconds = i64::from_be_bytes(microseconds.try_into().ok()?);
                let instant = DateTime::from_timestamp_micros(microseconds)?;
                input::instant(field, instant).ok()
            };
            let key = match *kind {
                // Codes and paths keep the rules of references, which may be as long as paths.
                TEXT => Key::Text(input::reference(field, str::from_utf8(key).ok()?).ok()?),
                INSTANT => Key::Instant(instant(key)?),
                VERSION => Key::Version(i64::from_be_bytes(key.try_into().ok()?)),
                INSTANT_AND_VERSION => {
                    let (microseconds, version) = key.split_at_checked(8)?;
                    let version = i64::from_be_bytes(version.try_into().ok()?);
                    Key::InstantAndVersion(instant(microseconds)?, version)
                }
                _ => return None,
            };
            (for_tag == tag).then(|| Self {
                key,
                id: Uuid::from_bytes(id),
            })
        };
        position().ok_or_else(|| {
            InvalidInput::new(field, "is not a cursor of this connection in this order: pass one on as it was given, or none")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back_as_they_were() {
        for key in [
            Key::Text("資産 A".to_owned()),
            Key::Instant("2026-11-23T01:02:03.000004Z".parse().unwrap()),
            Key::Instant("0001-01-01T00:00:00Z".parse().unwrap()),
            Key::Version(i64::MAX),
            Key::InstantAndVersion("2026-11-23T01:02:03.000004Z".parse().unwrap(), 7),
        ] {
            let position = Position {
                key,
                id: Uuid::from_u128(7),
            };
            assert_eq!(
                Position::decode("after", &position.encode(3), 3),
                Ok(position)
            );
        }
    }

    #[test]
    fn what_is_no_cursor_of_this_order_is_refused() {
        let position = Position {
            key: Key::Text("cash".to_owned()),
            id: Uuid::from_u128(7),
        };
        let cursor = position.encode(3);
        let instant = |microseconds: i64| {
            URL_SAFE_NO_PAD.encode([&[3; 17], &[INSTANT][..], &microseconds.to_be_bytes()].concat())
        };
        let instant_and_version = |microseconds: i64, version: &[u8]| {
            let instant = microseconds.to_be_bytes();
            let head = [&[3; 17], &[INSTANT_AND_VERSION][..]].concat();
            URL_SAFE_NO_PAD.encode([&head, &instant[..], version].concat())
        };
        let with_nul = Position {
            key: Key::Text("a\0".to_owned()),
            id: position.id,
        }
        .encode(3);
        for bad in [
            "",
            "!",
            "AAAA",
            &cursor[1..],
            &cursor[..20],
            &format!("{cursor}="),
            &instant(i64::MAX),
            &instant_and_version(0, &[0; 7]),
            &instant_and_version(i64::MAX, &[0; 8]),
            &with_nul,
        ] {
            assert!(Position::decode("after", bad, 3).is_err(), "{bad}");
        }
        assert!(Position::decode("after", &cursor, 4).is_err());
    }
}
