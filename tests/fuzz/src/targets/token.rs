//! Tokens that are signed as they should be, whatever they say.

use axum::{
    body::Body,
    http::{Request, header},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use daybook_test_harness::Engine;
use ring::hmac;

use crate::stand::{self, SECRET};

/// The first line is the header of the token, the second are its claims. A third is appended to the signature.
pub(super) fn run(input: &[u8]) {
    let mut lines = input.splitn(3, |byte| *byte == b'\n');
    let (Some(head), Some(claims)) = (lines.next(), lines.next()) else {
        return;
    };
    let message = [head, claims]
        .map(|part| URL_SAFE_NO_PAD.encode(part))
        .join(".");
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    let mut signature = hmac::sign(&key, message.as_bytes()).as_ref().to_vec();
    signature.extend_from_slice(lines.next().unwrap_or_default());
    let token = format!("Bearer {message}.{}", URL_SAFE_NO_PAD.encode(signature));
    let request = Request::post("/graphql")
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, token)
        .body(Body::from(r#"{"query":"mutation { openAccount(input: { code: \"cash\", name: \"\", currency: \"EUR\", normalSide: DEBIT }) { account { id } } }"}"#));
    stand::on(Engine::Sqlite, |stand| {
        drop(stand.ask(request.unwrap(), true));
    });
}
