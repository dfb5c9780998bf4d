//! Reads a token's header and claims.
//!
//! A header or a claim that decides something must be fully understood, or the token is refused. So a token is refused for a number where a
//! text is expected, for a member that is there twice, and for an extension (`crit`) that this server does not know. Other members may be
//! anything.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::{Map, Value as Json};

/// How far the issuer's clock and ours may differ.
const LEEWAY_SECONDS: f64 = 5.0;

/// Why a token is refused. Only the log shows it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error(
        "it is not three parts of base64url with JSON objects in them, in which no member is there twice"
    )]
    Malformed,
    /// RFC 7515, section 4.1.11: `crit` names extensions that must be understood, and this server understands none. `b64` (RFC 7797)
    /// changes how the payload is encoded, with or without `crit`.
    #[error("its header has `{0}`, which is not understood")]
    Extension(&'static str),
    /// RFC 8725, section 3.11: a token made for another purpose, such as a logout token, is not accepted.
    #[error("its `typ` is not JWT or at+jwt")]
    Type,
    #[error("its `{0}` is missing, or is not what it should be")]
    Claim(&'static str),
    #[error("it has expired")]
    Expired,
    #[error("it is not valid yet")]
    Early,
    #[error("{0}")]
    Signature(#[from] jsonwebtoken::errors::Error),
}

/// The members of a JSON object. None may be there twice: some readers keep the first and some the last, and so would read different
/// tokens.
struct Members(Map<String, Json>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Members, A::Error> {
                let mut members = Map::new();
                while let Some((name, value)) = access.next_entry::<String, Json>()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member is there twice"));
                    }
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

impl Members {
    fn text(&self, name: &'static str) -> Result<Option<&str>, Refused> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(_) => Err(Refused::Claim(name)),
        }
    }

    /// RFC 7519, section 2, NumericDate: seconds, which may have a fraction.
    fn date(&self, name: &'static str) -> Result<Option<f64>, Refused> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Json::Number(number)) => match number.as_f64() {
                Some(seconds) if seconds.is_finite() => Ok(Some(seconds)),
                _ => Err(Refused::Claim(name)),
            },
            Some(_) => Err(Refused::Claim(name)),
        }
    }

    /// One text, or an array of them.
    fn texts(&self, name: &'static str) -> Result<Option<Vec<&str>>, Refused> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(vec![text])),
            Some(Json::Array(texts)) => {
                let texts: Option<Vec<_>> = texts.iter().map(Json::as_str).collect();
                texts.map(Some).ok_or(Refused::Claim(name))
            }
            Some(_) => Err(Refused::Claim(name)),
        }
    }
}

/// Checks a token's header, and returns the name of the key that signed it, if it has one. The algorithm is compared with the key's own
/// when the signature is verified.
pub(super) fn key_id(token: &str) -> Result<Option<String>, Refused> {
    let header = token.split('.').next().unwrap_or_default();
    let header = URL_SAFE_NO_PAD
        .decode(header)
        .map_err(|_| Refused::Malformed)?;
    let header: Members = serde_json::from_slice(&header).map_err(|_| Refused::Malformed)?;
    for extension in ["crit", "b64"] {
        if header.0.contains_key(extension) {
            return Err(Refused::Extension(extension));
        }
    }
    if let Some(kind) = header.text("typ")? {
        // Media types have no case, and `application/` may be left out.
        let kind = kind.to_ascii_lowercase();
        let kind = kind.strip_prefix("application/").unwrap_or(&kind);
        if !matches!(kind, "jwt" | "at+jwt") {
            return Err(Refused::Type);
        }
    }
    Ok(header.text("kid")?.map(str::to_owned))
}

/// The most characters of a viewer's name. OpenID Connect allows 255.
const SUBJECT_LENGTH: usize = 1024;

/// What a valid token says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Claims {
    /// The viewer.
    pub(super) subject: String,
    /// How long the token stays valid from now on.
    pub(super) seconds_left: f64,
    pub(super) scopes: Vec<String>,
}

/// The claims of a token whose signature is good, before they are checked.
#[derive(Deserialize)]
pub(super) struct Unchecked(Members);

impl Unchecked {
    /// Checks the claims at `now`, in seconds since 1970.
    pub(super) fn check(self, issuer: &str, audience: &str, now: f64) -> Result<Claims, Refused> {
        let Self(members) = self;
        if members.text("iss")? != Some(issuer) {
            return Err(Refused::Claim("iss"));
        }
        let audiences = members.texts("aud")?.unwrap_or_default();
        if !audiences.contains(&audience) {
            return Err(Refused::Claim("aud"));
        }
        let subject = members.text("sub")?.unwrap_or_default();
        // It is stored with what the viewer does, and PostgreSQL cannot store U+0000.
        let length = subject.chars().count();
        if !(1..=SUBJECT_LENGTH).contains(&length) || subject.contains('\0') {
            return Err(Refused::Claim("sub"));
        }
        let expires = members.date("exp")?.ok_or(Refused::Claim("exp"))?;
        let seconds_left = expires + LEEWAY_SECONDS - now;
        if seconds_left <= 0.0 {
            return Err(Refused::Expired);
        }
        if members
            .date("nbf")?
            .is_some_and(|from| from > now + LEEWAY_SECONDS)
        {
            return Err(Refused::Early);
        }
        // It decides nothing, but if it is there, it must be a date.
        members.date("iat")?;
        Ok(Claims {
            subject: subject.to_owned(),
            seconds_left,
            scopes: members.scopes()?,
        })
    }
}

impl Members {
    /// The scopes. `scope` is a text with spaces between scopes (RFC 8693, section 4.2); some issuers make it an array. Without it, `scp`
    /// is read, in which Entra has a text and Okta an array.
    fn scopes(&self) -> Result<Vec<String>, Refused> {
        let name = if self.0.contains_key("scope") {
            "scope"
        } else {
            "scp"
        };
        Ok(match self.0.get(name) {
            // RFC 6749, section 3.3: only U+0020 separates scopes.
            Some(Json::String(scopes)) => scopes.split(' ').map(str::to_owned).collect(),
            _ => {
                let scopes = self.texts(name)?.unwrap_or_default();
                scopes.into_iter().map(str::to_owned).collect()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: f64 = 1_800_000_000.0;

    fn check(change: impl FnOnce(&mut Json)) -> Result<Claims, Refused> {
        let mut claims =
            json!({ "iss": "issuer", "aud": "daybook", "sub": "ann", "exp": 1_800_000_060 });
        change(&mut claims);
        let claims: Unchecked = serde_json::from_str(&claims.to_string()).unwrap();
        claims.check("issuer", "daybook", NOW)
    }

    #[test]
    fn a_date_is_any_number_of_seconds() {
        for (expires, left) in [
            (json!(1_800_000_000), 5.0),
            (json!(1_800_000_000.5), 5.5),
            (json!(1.8e9), 5.0),
            (json!(1_799_999_995.5), 0.5),
        ] {
            let claims = check(|claims| claims["exp"] = expires.clone());
            assert_eq!(claims.unwrap().seconds_left, left, "{expires}");
        }
        for far in [
            json!(1e308),
            json!(i64::MAX),
            json!(u64::MAX),
            json!(253_402_300_800_u64),
        ] {
            assert!(check(|claims| claims["exp"] = far.clone()).is_ok(), "{far}");
            assert_eq!(
                check(|claims| claims["nbf"] = far.clone()),
                Err(Refused::Early),
                "{far}"
            );
        }
        for past in [
            json!(0),
            json!(-1),
            json!(-1e308),
            json!(i64::MIN),
            json!(-0.0),
        ] {
            assert_eq!(
                check(|claims| claims["exp"] = past.clone()),
                Err(Refused::Expired),
                "{past}"
            );
            assert!(
                check(|claims| claims["nbf"] = past.clone()).is_ok(),
                "{past}"
            );
        }
        for wrong in [
            json!("1800000060"),
            json!("NaN"),
            json!(null),
            json!(true),
            json!([1]),
        ] {
            for name in ["exp", "nbf", "iat"] {
                assert_eq!(
                    check(|claims| claims[name] = wrong.clone()),
                    Err(Refused::Claim(name)),
                    "{wrong}"
                );
            }
        }
        assert!(serde_json::from_str::<Unchecked>(r#"{"exp": 1e400}"#).is_err());
    }

    #[test]
    fn scopes_are_told_apart_by_the_space_alone() {
        let scopes = |name: &str, value: Json| {
            check(|claims| claims[name] = value).map(|claims| claims.scopes)
        };
        assert_eq!(scopes("scope", json!("a b")).unwrap(), ["a", "b"]);
        assert_eq!(scopes("scp", json!("a b")).unwrap(), ["a", "b"]);
        assert_eq!(scopes("scp", json!(["a", "b"])).unwrap(), ["a", "b"]);
        assert_eq!(scopes("scope", json!(["a", "b c"])).unwrap(), ["a", "b c"]);
        for other in ['\u{a0}', '\t', '\n', '\u{2003}', '\u{3000}', ','] {
            assert_eq!(
                scopes("scope", json!(format!("a{other}b"))).unwrap().len(),
                1,
                "{other:?}"
            );
        }
        for wrong in [json!(null), json!(1), json!(["a", 1]), json!({ "a": true })] {
            assert_eq!(scopes("scope", wrong.clone()), Err(Refused::Claim("scope")));
            assert_eq!(scopes("scp", wrong), Err(Refused::Claim("scp")));
        }
    }

    #[test]
    fn a_header_is_understood_or_refused() {
        let id = |header: &str| key_id(&format!("{}.e30.x", URL_SAFE_NO_PAD.encode(header)));
        assert_eq!(id(r#"{"alg":"HS256"}"#), Ok(None));
        assert_eq!(
            id(r#"{"kid":"a","typ":"application/at+JWT"}"#),
            Ok(Some("a".to_owned()))
        );
        for (header, refused) in [
            (r#"{"crit":["exp"],"exp":1}"#, Refused::Extension("crit")),
            (r#"{"crit":[]}"#, Refused::Extension("crit")),
            (r#"{"crit":null}"#, Refused::Extension("crit")),
            (r#"{"b64":false}"#, Refused::Extension("b64")),
            (r#"{"typ":"logout+jwt"}"#, Refused::Type),
            (r#"{"typ":1}"#, Refused::Claim("typ")),
            (r#"{"kid":1}"#, Refused::Claim("kid")),
            (r#"{"kid":"a","kid":"b"}"#, Refused::Malformed),
            (r#"{"alg":"none","\u0061lg":"HS256"}"#, Refused::Malformed),
            ("[]", Refused::Malformed),
            ("", Refused::Malformed),
        ] {
            assert_eq!(id(header), Err(refused), "{header}");
        }
    }
}
