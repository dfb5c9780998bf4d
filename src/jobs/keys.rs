//! Gets the keys that verify tokens again, so that a renewed key is used without a restart.

use std::time::Duration;

use super::{Job, time_or_hang_up};
use crate::{
    http::{KeyError, Tokens},
    signals::HangUp,
};

/// How often the keys are read, and so how long a withdrawn key is still accepted. A new key is looked for as soon as a token names it.
const EVERY: Duration = Duration::from_secs(5 * 60);

pub(crate) struct RenewKeys {
    tokens: Tokens,
    hang_up: HangUp,
}

impl RenewKeys {
    pub(crate) fn new(tokens: Tokens, hang_up: HangUp) -> Self {
        Self { tokens, hang_up }
    }
}

impl Job for RenewKeys {
    const NAME: &'static str = "keys";
    /// After a failure, it is tried again at the usual time. A server of keys that fails should not be asked more often.
    const FIRST_WAIT: Duration = EVERY;
    const LONGEST_WAIT: Duration = EVERY;
    type Error = KeyError;

    async fn due(&mut self) -> bool {
        time_or_hang_up(EVERY, &mut self.hang_up).await;
        true
    }

    /// If there are no keys, the old ones stay.
    async fn activate(&mut self) -> Result<(), KeyError> {
        self.tokens.reload().await.inspect_err(|error| {
            tracing::warn!(%error, "the keys cannot be renewed: those before stay");
        })?;
        tracing::debug!("the keys are read again");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel as thread_channel;

    use axum::{Router, routing::get};
    use tokio::{
        net::TcpListener,
        sync::mpsc,
        task::{spawn_blocking, yield_now},
        time::{Instant, advance, timeout},
    };

    use super::*;
    use crate::{http::KeySource, jobs::supervise};

    const PATIENCE: Duration = Duration::from_secs(20);

    /// RFC 8037, appendix A.2.
    const SET: &str = r#"{ "keys": [
        { "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }
    ] }"#;

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
        let job = RenewKeys::new(tokens.clone(), HangUp::new().unwrap());
        tokio::spawn(supervise(job));
        yield_now().await;

        advance(Duration::from_secs(5 * 60 - 1)).await;
        // The one question until then is the test's own.
        tokens.reload().await.unwrap();
        questions.recv().await.unwrap();
        assert!(questions.is_empty(), "they are got too soon");
        advance(Duration::from_secs(1)).await;
        let again = timeout(PATIENCE, questions.recv()).await;
        let again = again.expect("they are not got again").unwrap();
        assert_eq!(again - began, Duration::from_secs(5 * 60));
    }
}
