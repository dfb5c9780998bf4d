//! Stored responses: everything that a client sees of a response, except the report of its unit.

use std::collections::BTreeMap;

use async_graphql::{CacheControl, Response, Value};
use http::{HeaderMap, HeaderName, HeaderValue};
use sea_orm::DbErr;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The JSON of a response without errors. Members keep their order, so the replay has the same text.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored {
    /// The attempt that was committed. It must be the first member, since the beginning of the text distinguishes attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attempt: Option<Uuid>,
    data: Value,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    extensions: BTreeMap<String, Value>,
    /// Names and values. A value's bytes are stored as the characters U+0000 to U+00FF.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<(String, String)>,
    public: bool,
    max_age: i32,
}

impl Stored {
    /// The text of a response.
    ///
    /// # Errors
    /// If the response has a value that JSON cannot express.
    pub(super) fn of(response: &Response, attempt: Uuid) -> Result<String, DbErr> {
        let headers = response.http_headers.iter();
        let stored = Self {
            attempt: Some(attempt),
            data: response.data.clone(),
            extensions: response.extensions.clone(),
            headers: headers
                .map(|(name, value)| {
                    let value = value.as_bytes().iter().copied().map(char::from);
                    (name.as_str().to_owned(), value.collect())
                })
                .collect(),
            public: response.cache_control.public,
            max_age: response.cache_control.max_age,
        };
        serde_json::to_string(&stored).map_err(|error| DbErr::Json(error.to_string()))
    }

    /// The beginning of the text of a response that only this attempt can have written.
    pub(super) fn beginning(attempt: Uuid) -> String {
        format!(r#"{{"attempt":"{attempt}","#)
    }

    /// Reads what [`Stored::of`] wrote.
    ///
    /// # Errors
    /// If the text is something else.
    pub(super) fn read(text: &str) -> Result<Self, DbErr> {
        serde_json::from_str(text).map_err(|error| DbErr::Json(error.to_string()))
    }

    pub(super) fn into_response(self) -> Response {
        let mut response = Response::new(self.data).cache_control(CacheControl {
            public: self.public,
            max_age: self.max_age,
        });
        response.extensions = self.extensions;
        response.http_headers = headers(&self.headers);
        response
    }
}

fn headers(stored: &[(String, String)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in stored {
        let value: Option<Vec<u8>> = value
            .chars()
            .map(|byte| u8::try_from(u32::from(byte)).ok())
            .collect();
        // Both are valid, since they came from a header.
        if let (Ok(name), Some(Ok(value))) = (
            HeaderName::try_from(name),
            value.map(|value| HeaderValue::from_bytes(&value)),
        ) {
            headers.append(name, value);
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_stored_is_read_again() {
        let data = r#"{"z":1,"a":[null,0.1,2.2250738585072014e-308,18446744073709551615],"m":{"b":"\u0000é","a":true}}"#;
        let data: Value = serde_json::from_str(data).expect("is JSON");
        let mut response = Response::new(data).cache_control(CacheControl {
            public: false,
            max_age: 7,
        });
        response.extensions.insert(
            "cost".to_owned(),
            Value::from_json(json!({ "n": 1 })).expect("is a value"),
        );
        let latin = HeaderValue::from_bytes(b"caf\xe9").expect("is a value");
        response.http_headers.append("x-name", latin);
        for cookie in ["a=1", "b=2"] {
            let cookie = HeaderValue::from_static(cookie);
            response.http_headers.append("set-cookie", cookie);
        }
        let attempt = Uuid::new_v4();
        let text = Stored::of(&response, attempt).expect("is stored");
        assert!(text.starts_with(&Stored::beginning(attempt)), "{text}");
        let read = Stored::read(&text).expect("is read").into_response();
        assert_eq!(read, response);
        let json = |response| serde_json::to_string(response).expect("is JSON");
        assert_eq!(json(&read), json(&response));
        assert!(Stored::read("{").is_err());
        // What was stored before attempts were told apart.
        let old = r#"{"data":null,"public":true,"max_age":0}"#;
        assert!(Stored::read(old).is_ok());
    }

    #[test]
    fn a_number_stays_the_same_number() {
        for n in 1..5_000_u32 {
            for number in [
                1.0 / f64::from(n),
                1e300 / f64::from(n),
                f64::from(n).sqrt(),
            ] {
                let response = Response::new(Value::from(number));
                let text = Stored::of(&response, Uuid::nil()).expect("is stored");
                let read = Stored::read(&text).expect("is read").into_response();
                assert_eq!(read.data, Value::from(number));
            }
        }
    }
}
