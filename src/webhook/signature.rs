//! Signatures as Standard Webhooks has them: `v1,` and the Base64 of the HMAC-SHA256 of the message's id, its timestamp and its body, with
//! points between.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{
    hmac,
    rand::{SecureRandom as _, SystemRandom},
};

/// What every secret begins with.
const PREFIX: &str = "whsec_";

/// A new secret: 32 bytes of the operating system's generator, as users have it. `None` if the system has none.
pub(crate) fn new_secret() -> Option<String> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(format!("{PREFIX}{}", STANDARD.encode(bytes)))
}

/// The header `webhook-signature` of a message: one signature for each secret. `None` if a secret is none.
pub(crate) fn sign(secrets: &[&str], id: &str, timestamp: i64, body: &str) -> Option<String> {
    let content = format!("{id}.{timestamp}.{body}");
    let signatures: Option<Vec<_>> = secrets
        .iter()
        .map(|secret| {
            let key = STANDARD.decode(secret.strip_prefix(PREFIX)?).ok()?;
            let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
            let tag = hmac::sign(&key, content.as_bytes());
            Some(format!("v1,{}", STANDARD.encode(tag)))
        })
        .collect();
    Some(signatures?.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the specification's own example.
    #[test]
    fn the_specification_s_example_holds() {
        let signature = sign(
            &["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signature.as_deref(), Some(expected));
    }

    #[test]
    fn secrets_differ_and_are_signed_with_each() {
        let (one, two) = (new_secret().unwrap(), new_secret().unwrap());
        assert_ne!(one, two);
        let both = sign(&[&one, &two], "id", 1, "{}").unwrap();
        let alone = |secret: &str| sign(&[secret], "id", 1, "{}").unwrap();
        assert_eq!(both, format!("{} {}", alone(&one), alone(&two)));
        assert_eq!(sign(&["secret"], "id", 1, "{}"), None);
    }
}
