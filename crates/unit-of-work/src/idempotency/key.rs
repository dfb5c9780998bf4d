//! Idempotency keys, and the viewers to whom they belong.

use thiserror::Error;

/// The most characters of a key.
const LONGEST: usize = 255;

/// A client's key for one operation that must happen at most once: 1 to 255 visible ASCII characters, preferably a UUID.
///
/// A transport with headers puts it into the request's data.
///
/// ```
/// use unit_of_work::IdempotencyKey;
///
/// let key = IdempotencyKey::from_header(b"\"a-uuid\"")?;
/// assert_eq!(key.as_str(), "a-uuid");
/// let request = async_graphql::Request::new("mutation { pay }").data(key);
/// # let _ = request;
/// # Ok::<(), unit_of_work::idempotency::InvalidIdempotencyKey>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

/// A text is no idempotency key.
///
/// ```
/// use unit_of_work::{IdempotencyKey, idempotency::InvalidIdempotencyKey};
///
/// assert_eq!(IdempotencyKey::new(""), Err(InvalidIdempotencyKey::Empty));
/// ```
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidIdempotencyKey {
    /// There is nothing in it.
    #[error("an idempotency key cannot be empty")]
    Empty,
    /// It is longer than 255 characters.
    #[error("an idempotency key has at most {LONGEST} characters")]
    TooLong,
    /// It has a space, a control character, or one beyond ASCII.
    #[error("an idempotency key has only visible ASCII characters")]
    NotVisibleAscii,
    /// It begins with a quote, but is not one quoted string.
    #[error("an idempotency key that begins with a quote has to be one quoted string")]
    BadQuotes,
}

impl IdempotencyKey {
    /// A key with these characters.
    ///
    /// # Errors
    /// [`InvalidIdempotencyKey`] if it is not valid.
    pub fn new(key: impl Into<String>) -> Result<Self, InvalidIdempotencyKey> {
        let key = key.into();
        if key.is_empty() {
            return Err(InvalidIdempotencyKey::Empty);
        }
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidIdempotencyKey::NotVisibleAscii);
        }
        if key.len() > LONGEST {
            return Err(InvalidIdempotencyKey::TooLong);
        }
        Ok(Self(key))
    }

    /// The key in a header `Idempotency-Key`. It is a quoted string, as draft-ietf-httpapi-idempotency-key-header says (the String of RFC
    /// 8941), or the bare characters, which many clients send. `"a"` and `a` are the same key.
    ///
    /// # Errors
    /// [`InvalidIdempotencyKey`] if it is not valid.
    pub fn from_header(value: &[u8]) -> Result<Self, InvalidIdempotencyKey> {
        let value =
            std::str::from_utf8(value).map_err(|_| InvalidIdempotencyKey::NotVisibleAscii)?;
        match value.trim_matches([' ', '\t']).strip_prefix('"') {
            Some(quoted) => Self::new(unquoted(quoted)?),
            None => Self::new(value.trim_matches([' ', '\t'])),
        }
    }

    /// The characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The contents of a quoted string, from after its opening quote.
fn unquoted(quoted: &str) -> Result<String, InvalidIdempotencyKey> {
    let mut key = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next().ok_or(InvalidIdempotencyKey::BadQuotes)? {
            '"' if characters.as_str().is_empty() => return Ok(key),
            '"' => return Err(InvalidIdempotencyKey::BadQuotes),
            '\\' => match characters.next() {
                Some(escaped @ ('"' | '\\')) => key.push(escaped),
                _ => return Err(InvalidIdempotencyKey::BadQuotes),
            },
            character => key.push(character),
        }
    }
}

/// The authenticated caller, by a short and stable name that the application chooses. Put it into the request's data. Each viewer has keys
/// of their own.
///
/// ```
/// use unit_of_work::Viewer;
///
/// let request = async_graphql::Request::new("mutation { pay }").data(Viewer("alice".to_owned()));
/// # let _ = request;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Viewer(pub String);
