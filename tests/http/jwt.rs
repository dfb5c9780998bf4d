//! Tokens, and the keys they are signed with, as an identity provider makes them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    hmac,
    rand::SystemRandom,
    rsa::PublicKeyComponents,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
        RsaKeyPair,
    },
};
use serde_json::{Value as Json, json};
use tokio_rustls::rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};

/// A key that signs.
pub(super) enum Signer {
    Secret(hmac::Key),
    Es(EcdsaKeyPair),
    Rs(RsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Signer {
    pub(super) fn secret(secret: &[u8]) -> Self {
        Self::Secret(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// A new one for ES256.
    pub(super) fn generate() -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self::es(key.as_ref())
    }

    fn es(pkcs8: &[u8]) -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        Self::Es(EcdsaKeyPair::from_pkcs8(algorithm, pkcs8, &random).unwrap())
    }

    pub(super) fn es_from_pem(pem: &[u8]) -> Self {
        Self::es(&pkcs8(pem))
    }

    pub(super) fn rs_from_pem(pem: &[u8]) -> Self {
        Self::Rs(RsaKeyPair::from_pkcs8(&pkcs8(pem)).unwrap())
    }

    pub(super) fn ed_from_pem(pem: &[u8]) -> Self {
        Self::Ed(Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pkcs8(pem)).unwrap())
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Secret(key) if key.algorithm() == hmac::HMAC_SHA512 => "HS512",
            Self::Secret(_) => "HS256",
            Self::Es(_) => "ES256",
            Self::Rs(_) => "RS256",
            Self::Ed(_) => "EdDSA",
        }
    }

    /// A token with these claims that names this key.
    pub(super) fn sign(&self, id: Option<&str>, claims: &Json) -> String {
        let mut header = json!({ "typ": "JWT" });
        if let Some(id) = id {
            header["kid"] = json!(id);
        }
        self.sign_with(header, &claims.to_string())
    }

    /// A token with these members of the header beside the algorithm, and claims as they are written.
    pub(super) fn sign_with(&self, mut header: Json, claims: &str) -> String {
        if header.get("alg").is_none() {
            header["alg"] = json!(self.algorithm());
        }
        let message = [&header.to_string(), claims].map(|part| encode(part.as_bytes()));
        let message = message.join(".");
        let signature = self.signature(message.as_bytes());
        format!("{message}.{}", encode(&signature))
    }

    fn signature(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Secret(key) => hmac::sign(key, message).as_ref().to_vec(),
            Self::Es(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Rs(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .unwrap();
                signature
            }
            Self::Ed(key) => key.sign(message).as_ref().to_vec(),
        }
    }

    /// The public key as a JSON Web Key of this name.
    pub(super) fn public(&self, id: &str) -> Json {
        let mut key = match self {
            Self::Secret(_) => panic!("a secret is not public"),
            Self::Es(key) => {
                // A point: 4, and its two coordinates.
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) })
            }
            Self::Rs(key) => {
                let PublicKeyComponents { n, e } =
                    PublicKeyComponents::<Vec<u8>>::from(key.public());
                json!({ "kty": "RSA", "n": encode(&n), "e": encode(&e) })
            }
            Self::Ed(key) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(key.public_key().as_ref()) })
            }
        };
        key["kid"] = json!(id);
        key["alg"] = json!(self.algorithm());
        key
    }
}

fn pkcs8(pem: &[u8]) -> Vec<u8> {
    let key = PrivatePkcs8KeyDer::from_pem_slice(pem).unwrap();
    key.secret_pkcs8_der().to_vec()
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Seconds since 1970, as tokens count.
pub(super) fn now() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

/// What a good token says.
pub(crate) fn claims(scope: &str) -> Json {
    json!({ "iss": "issuer", "aud": "daybook", "sub": "ann", "exp": now() + 600, "scope": scope })
}
