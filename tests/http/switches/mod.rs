//! The switches of a request, by header and by extension: what is not understood is refused, and nothing has run.

mod extensions;
mod headers;
mod honoured;
mod misplaced;
mod socket;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value as Json;

use super::{Answer, Server};

const ADD: &str = "mutation { add(by: 1) }";

/// Headers as they are, also those that are there twice.
fn headers(pairs: &[(&str, &[u8])]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value).unwrap());
    }
    headers
}

async fn post(server: &Server, accept: &str, body: &Json, pairs: &[(&str, &[u8])]) -> Answer {
    Answer::of(server.post(accept, body).headers(headers(pairs))).await
}
