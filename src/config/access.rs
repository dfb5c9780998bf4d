//! Settings of access: who may do what, and from where. Some make sense only together.

use axum::http::HeaderValue;

use super::{
    args::{AccessArgs, ServeArgs},
    value,
    wrong::Reader,
};
use crate::http::{Hosts, KeySource};

/// Which tokens are accepted.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TokenSettings {
    /// Where the keys come from.
    pub keys: KeySource,
    /// The issuer that a token must have (`iss`).
    pub issuer: String,
    /// The audience that a token must have (`aud`).
    pub audience: String,
}

/// The address to listen on. Without authentication it must be one that only this machine can reach, or `--without-authentication` is
/// needed.
pub(super) fn listen(args: &ServeArgs, values: &mut Reader<'_>) -> Option<String> {
    let address = values.read("listen", &args.listen, value::address)?;
    let access = &args.access;
    if is_guarded(access) || access.without_authentication || value::is_loopback(&address) {
        return Some(address);
    }
    values.read("listen", &args.listen, |_| {
        Err("a loopback address, authentication (--jwt-secret-file or --jwks), or --without-authentication, \
             by which everyone who reaches the port may read and write the ledger"
            .to_owned())
    })
}

/// The address of `/metrics`; `Some(None)` if it is served beside the API.
pub(super) fn metrics_listen(args: &ServeArgs, values: &mut Reader<'_>) -> Option<Option<String>> {
    let Some(address) = &args.metrics_listen else {
        return Some(None);
    };
    if args.no_metrics {
        values.refuse("metrics_listen", "to stand alone, without --no-metrics");
        return None;
    }
    values
        .read("metrics_listen", address, value::address)
        .map(Some)
}

fn is_guarded(access: &AccessArgs) -> bool {
    access.jwt_secret_file.is_some() || access.jwks.is_some()
}

/// The names that requests may use for the server.
///
/// A server that trusts everyone on this machine answers to the names of loopback and those of `--allow-host`. A server that can be reached
/// from elsewhere answers to any name, unless `--allow-host` is given: only the operator knows its names.
pub(super) fn hosts(args: &ServeArgs, values: &mut Reader<'_>) -> Option<Hosts> {
    let access = &args.access;
    let allowed: Option<Vec<_>> = access
        .allow_host
        .iter()
        .map(|host| values.read("allow_host", host, value::host))
        .collect();
    let allowed = allowed?;
    let trusts_this_machine = !is_guarded(access) && value::is_loopback(&args.listen);
    Some(if trusts_this_machine || !allowed.is_empty() {
        Hosts::LoopbackAnd(allowed)
    } else {
        Hosts::Any
    })
}

pub(super) fn access(
    args: &AccessArgs,
    values: &mut Reader<'_>,
) -> Option<(Option<TokenSettings>, Vec<HeaderValue>)> {
    let origins: Option<Vec<_>> = args
        .allow_origin
        .iter()
        .map(|origin| values.read("allow_origin", origin, value::origin))
        .collect();
    let keys = match (&args.jwt_secret_file, &args.jwks) {
        (None, None) => return Some((None, origins?)),
        (Some(path), None) => values.read("jwt_secret_file", path, value::secret),
        (None, Some(path)) => values.read("jwks", path, value::key_set),
        (Some(_), Some(_)) => {
            values.refuse("jwks", "to stand alone, without --jwt-secret-file");
            None
        }
    };
    let mut text = |id: &str, value: &Option<String>| {
        let text = value.clone().filter(|text| !text.is_empty());
        if text.is_none() {
            values.refuse(
                id,
                "a text: tokens are taken of one issuer, for one audience",
            );
        }
        text
    };
    let issuer = text("jwt_issuer", &args.jwt_issuer);
    let audience = text("jwt_audience", &args.jwt_audience);
    let tokens = TokenSettings {
        keys: keys?,
        issuer: issuer?,
        audience: audience?,
    };
    Some((Some(tokens), origins?))
}
