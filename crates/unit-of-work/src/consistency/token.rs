//! The token as text: `00000002.000000000401abcd.68fa3c2d11e0a7b5`, or `0`.
//!
//! The parts are the timeline, the position in the write-ahead log and the system identifier, each as hexadecimal digits of a fixed number. `0`
//! stands for nothing. A token has one spelling only. So of two tokens of one system, the greater text is the newer token, and a client with
//! several requests under way can keep the greatest. The text `0` is less than all others.

use std::{fmt, num::NonZero, str::FromStr};

use thiserror::Error;

/// What a client has written, or may have seen, up to a position in the history of one database system. A query that shows it reads a
/// snapshot that includes all of that, on a [replica](crate::DatabaseOptions::replicas) or on the primary.
///
/// Put the token of a client into the data of its request. The response of a query that shows one, and of every mutation, has the client's next
/// one if it used the database: as `extensions.consistency` and as the header `x-consistency` in `Response::http_headers`. A client that has none
/// yet shows [`FIRST`](Self::FIRST). Where nobody can put data into a request, the member `consistency` of its `extensions` is read.
///
/// Clients must not rely on what is in it. A response's token includes the one that its request has shown, and takes its place. If another response
/// has come meanwhile, of two tokens of one system the greater text is the newer, and is kept.
///
/// ```
/// use async_graphql::Request;
/// use unit_of_work::ConsistencyToken;
///
/// # fn main() -> Result<(), unit_of_work::InvalidConsistencyToken> {
/// let token: ConsistencyToken = "00000002.000000000401abcd.68fa3c2d11e0a7b5".parse()?;
/// let request = Request::new("{ orders { id } }").data(token);
/// # let _ = request; Ok(()) }
/// ```
///
/// The order of tokens is that of their texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConsistencyToken {
    // The order of the fields is the order of tokens.
    /// The timeline of the primary that wrote up to the position. PostgreSQL begins with 1. `None` for what stands for nothing.
    pub(crate) timeline: Option<NonZero<u32>>,
    /// A position in the write-ahead log (LSN), in bytes from the beginning of the log.
    pub(crate) position: NonZero<u64>,
    /// `system_identifier`: the same for a primary and all of its standbys.
    pub(crate) system: u64,
}

/// A text is not a [`ConsistencyToken`].
///
/// ```
/// use unit_of_work::ConsistencyToken;
///
/// assert!("latest".parse::<ConsistencyToken>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the consistency token is not valid: send one as this server has answered it")]
#[non_exhaustive]
pub struct InvalidConsistencyToken;

const TIMELINE: usize = 8;
const NUMBER: usize = 16;
const FIRST: &str = "0";

impl ConsistencyToken {
    /// What a client shows that has no token yet: `0`. It stands for nothing that was written or seen, so the query is read as one without a
    /// token. But its response has a token, as if it had shown one.
    ///
    /// ```
    /// use unit_of_work::ConsistencyToken;
    ///
    /// assert_eq!("0".parse(), Ok(ConsistencyToken::FIRST));
    /// let other: ConsistencyToken = "00000002.000000000401abcd.68fa3c2d11e0a7b5".parse()?;
    /// assert!(ConsistencyToken::FIRST < other);
    /// # Ok::<_, unit_of_work::InvalidConsistencyToken>(())
    /// ```
    pub const FIRST: Self = Self {
        timeline: None,
        position: NonZero::<u64>::MIN,
        system: 0,
    };
}

impl ConsistencyToken {
    /// Whether whoever has what this one stands for has what the other one stands for. Tokens of two timelines do not tell.
    #[cfg(feature = "postgres")]
    pub(crate) fn includes(&self, other: &Self) -> bool {
        let are_of_one_line = self.system == other.system && self.timeline == other.timeline;
        are_of_one_line && self.position >= other.position
    }
}

impl fmt::Display for ConsistencyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            timeline,
            position,
            system,
        } = self;
        let Some(timeline) = timeline else {
            return f.write_str(FIRST);
        };
        write!(
            f,
            "{timeline:0TIMELINE$x}.{position:0NUMBER$x}.{system:0NUMBER$x}"
        )
    }
}

impl FromStr for ConsistencyToken {
    type Err = InvalidConsistencyToken;

    /// Reads a token as it was written: it has one spelling only.
    fn from_str(text: &str) -> Result<Self, InvalidConsistencyToken> {
        if text == FIRST {
            return Ok(Self::FIRST);
        }
        let mut parts = text.splitn(3, '.');
        let mut part = |digits| hexadecimal(parts.next()?, digits);
        let token = (|| {
            Some(Self {
                timeline: Some(NonZero::new(u32::try_from(part(TIMELINE)?).ok()?)?),
                position: NonZero::new(part(NUMBER)?)?,
                system: part(NUMBER)?,
            })
        })();
        token.ok_or(InvalidConsistencyToken)
    }
}

/// A number of exactly so many digits. `from_str_radix` alone would also take a sign, and capital letters.
fn hexadecimal(text: &str, digits: usize) -> Option<u64> {
    let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_number = text.len() == digits && text.bytes().all(is_digit);
    is_number
        .then(|| u64::from_str_radix(text, 16).ok())
        .flatten()
}

#[cfg(test)]
pub(super) fn token(timeline: u32, position: u64, system: u64) -> ConsistencyToken {
    ConsistencyToken {
        timeline: Some(NonZero::new(timeline).expect("is not 0")),
        position: NonZero::new(position).expect("is not 0"),
        system,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "00000002.000000000401abcd.68fa3c2d11e0a7b5";

    #[test]
    fn a_token_is_the_text_that_clients_have() {
        let known = token(2, 0x0401_abcd, 0x68fa_3c2d_11e0_a7b5);
        assert_eq!(known.to_string(), TEXT);
        assert_eq!(TEXT.parse(), Ok(known));
        let first = ConsistencyToken::FIRST;
        assert_eq!(
            (first.to_string(), "0".parse()),
            ("0".to_owned(), Ok(first))
        );
    }

    /// A client that keeps the greatest text has any other token afterwards.
    #[test]
    fn the_first_token_is_less_than_all_others() {
        let least = token(1, 1, 0);
        assert!(ConsistencyToken::FIRST < least);
        assert!(ConsistencyToken::FIRST.to_string() < least.to_string());
    }

    #[test]
    fn whatever_is_no_token_is_refused() {
        let long = "0".repeat(1 << 20);
        for text in [
            "",
            "00",
            "+0",
            " 0",
            "0.",
            "0.0.0",
            ".",
            "..",
            &long,
            "00000002.000000000401abcd",
            "00000002.000000000401abcd.",
            "00000002.000000000401abcd.68fa3c2d11e0a7b5.",
            "00000002.000000000401abcd.68fa3c2d11e0a7b5.0",
            "00000002.000000000401ABCD.68fa3c2d11e0a7b5",
            "00000002.000000000401abcg.68fa3c2d11e0a7b5",
            "+0000002.000000000401abcd.68fa3c2d11e0a7b5",
            "-0000002.000000000401abcd.68fa3c2d11e0a7b5",
            "2.401abcd.68fa3c2d11e0a7b5",
            "00000002.401abcd.68fa3c2d11e0a7b5",
            "00000002.0000000000401abcd.68fa3c2d11e0a7b5",
            "00000002-000000000401abcd-68fa3c2d11e0a7b5",
            " 00000002.000000000401abcd.68fa3c2d11e0a7b5",
            "00000002.000000000401abcd.68fa3c2d11e0a7b5\n",
            "00000002.000000000401abcd.68fa3c2d11e0a7é",
            // There is no timeline 0, and nothing is written at the position 0.
            "00000000.000000000401abcd.68fa3c2d11e0a7b5",
            "00000002.0000000000000000.68fa3c2d11e0a7b5",
        ] {
            assert_eq!(
                text.parse::<ConsistencyToken>(),
                Err(InvalidConsistencyToken),
                "{text:.80?}"
            );
        }
    }

    fn any_token() -> impl Strategy<Value = ConsistencyToken> {
        let edge = prop_oneof![Just(1), Just(u64::MAX), 1..=u64::MAX];
        (1..=u32::MAX, edge, any::<u64>())
            .prop_map(|(timeline, position, system)| token(timeline, position, system))
    }

    proptest! {
        #[test]
        fn a_token_is_read_as_it_was_written(token in any_token()) {
            let text = token.to_string();
            prop_assert!(text.len() <= 128);
            prop_assert_eq!(text.parse(), Ok(token));
        }

        #[test]
        fn of_one_system_the_newer_token_is_the_greater_text(one in any_token(), other in any_token()) {
            let other = ConsistencyToken { system: one.system, ..other };
            let texts = one.to_string().cmp(&other.to_string());
            prop_assert_eq!(texts, one.cmp(&other));
            let newer = (one.timeline, one.position).cmp(&(other.timeline, other.position));
            prop_assert_eq!(texts, newer);
        }

        /// A token has one spelling: if a text with another character in it is read, it is another token.
        #[test]
        fn a_text_that_is_read_is_what_would_be_written(
            token in any_token(),
            at in 0_usize..42,
            other in "[0-9a-fA-F+. -]",
        ) {
            let mut text = token.to_string();
            text.replace_range(at..=at, &other);
            if let Ok(token) = text.parse::<ConsistencyToken>() {
                prop_assert_eq!(token.to_string(), text);
            }
        }
    }
}
