//! What is read again while the server serves: nobody restarts a ledger because a certificate or a key was renewed.

use std::time::Duration;

use tokio::{task::spawn_blocking, time::sleep};

use crate::{
    http::{Certificate, Tokens},
    signals::HangUp,
};

/// Reading two small files costs nothing, and whoever renews them waits for it.
const CERTIFICATE: Duration = Duration::from_secs(60);

/// How long a key that was withdrawn is taken. A new one is looked for when a token names it.
const KEYS: Duration = Duration::from_secs(5 * 60);

/// Reads the certificate again every minute and on SIGHUP. What cannot be read, or is not a pair (yet), changes nothing.
pub(crate) async fn certificate(certificate: Certificate, mut hang_up: HangUp) {
    loop {
        due(CERTIFICATE, &mut hang_up).await;
        let certificate = certificate.clone();
        match spawn_blocking(move || certificate.renew()).await {
            Ok(Ok(false)) => {}
            Ok(Ok(true)) => tracing::info!("the certificate is renewed"),
            Ok(Err(error)) => tracing::error!(
                expected = %error,
                "the certificate cannot be renewed: the one before stays"
            ),
            Err(error) => tracing::error!(%error, "the certificate cannot be read"),
        }
    }
}

/// Gets the keys of tokens again every five minutes and on SIGHUP. Where there are none, those before stay.
pub(crate) async fn keys(tokens: Tokens, mut hang_up: HangUp) {
    loop {
        due(KEYS, &mut hang_up).await;
        match tokens.renew().await {
            Ok(()) => tracing::debug!("the keys are read again"),
            Err(error) => {
                tracing::warn!(%error, "the keys cannot be renewed: those before stay");
            }
        }
    }
}

/// Comes back after this time, or on SIGHUP.
async fn due(time: Duration, hang_up: &mut HangUp) {
    tokio::select! {
        () = hang_up.next() => {}
        () = sleep(time) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn time_alone_is_enough() {
        let mut hang_up = HangUp::new().unwrap();
        let due = due(Duration::from_millis(1), &mut hang_up);
        let outcome = tokio::time::timeout(Duration::from_secs(20), due).await;
        assert!(outcome.is_ok(), "it waits for SIGHUP");
    }
}
