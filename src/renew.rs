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
    use std::sync::mpsc::channel as thread_channel;

    use axum::{Router, routing::get};
    use tokio::{
        net::TcpListener,
        sync::mpsc,
        task::yield_now,
        time::{Instant, advance, timeout},
    };

    use super::*;
    use crate::http::KeySource;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// RFC 8037, appendix A.2.
    const SET: &str = r#"{ "keys": [
        { "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }
    ] }"#;

    #[tokio::test]
    async fn time_alone_is_enough() {
        let mut hang_up = HangUp::new().unwrap();
        let due = due(Duration::from_millis(1), &mut hang_up);
        let outcome = timeout(PATIENCE, due).await;
        assert!(outcome.is_ok(), "it waits for SIGHUP");
    }

    #[tokio::test(start_paused = true)]
    async fn the_keys_of_a_url_are_got_again_after_five_minutes() {
        // While a thread is at work, time stands still but for `advance`: what goes over a socket takes none of it.
        let (_at_work, ended) = thread_channel::<()>();
        let _thread = spawn_blocking(move || ended.recv_timeout(PATIENCE));

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let (asked, mut questions) = mpsc::unbounded_channel();
        let answer = move || {
            asked.send(Instant::now()).unwrap();
            async { SET }
        };
        let issuer = Router::new().route("/keys", get(answer));
        tokio::spawn(axum::serve(listener, issuer).into_future());

        let source = KeySource::Url(url.parse().unwrap());
        let tokens = Tokens::of_source(source, "issuer".to_owned(), "audience".to_owned());
        let tokens = tokens.await.unwrap();
        let began = questions.recv().await.unwrap();
        tokio::spawn(keys(tokens.clone(), HangUp::new().unwrap()));
        yield_now().await;

        advance(Duration::from_secs(5 * 60 - 1)).await;
        // The one question until then is the test's own.
        tokens.renew().await.unwrap();
        questions.recv().await.unwrap();
        assert!(questions.is_empty(), "they are got too soon");
        advance(Duration::from_secs(1)).await;
        let again = timeout(PATIENCE, questions.recv()).await;
        let again = again.expect("they are not got again").unwrap();
        assert_eq!(again - began, Duration::from_secs(5 * 60));
    }
}
