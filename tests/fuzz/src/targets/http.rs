//! HTTP requests that hyper has read.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, Method, Request, header},
};
use daybook_test_harness::Engine;

use crate::stand;

/// A request, as HTTP/1.1 writes it with `\n` at the end of a line. Where its first line begins with `!`, the server has authentication.
pub(super) fn run(input: &[u8]) {
    let (guarded, input) = match input.strip_prefix(b"!") {
        Some(rest) => (true, rest),
        None => (false, input),
    };
    if let Some(request) = request(input) {
        stand::on(Engine::Sqlite, |stand| drop(stand.ask(request, guarded)));
    }
}

fn request(input: &[u8]) -> Option<Request<Body>> {
    let end = input.windows(2).position(|two| two == b"\n\n");
    let (head, body) = match end {
        Some(end) => (&input[..end], &input[end + 2..]),
        None => (input, &[][..]),
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = lines.next()?;
    let space = first.iter().position(|byte| *byte == b' ')?;
    let mut request = Request::builder()
        .method(Method::from_bytes(&first[..space]).ok()?)
        .uri(&first[space + 1..]);
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
        request = request.header(name, value);
    }
    if !request.headers_ref()?.contains_key(header::HOST) {
        request = request.header(header::HOST, "localhost");
    }
    request.body(Body::from(body.to_vec())).ok()
}
