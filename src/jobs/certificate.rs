//! Reads the TLS certificate again, so that a renewed certificate is used without a restart.

use std::time::Duration;

use tokio::task::{JoinError, spawn_blocking};

use super::{Job, time_or_hang_up};
use crate::{
    http::{Certificate, CertificateError},
    signals::HangUp,
};

/// How often the files are read. They are small, and whoever renewed the certificate is waiting.
const EVERY: Duration = Duration::from_secs(60);

pub(crate) struct RenewCertificate {
    certificate: Certificate,
    hang_up: HangUp,
}

impl RenewCertificate {
    pub(crate) fn new(certificate: Certificate, hang_up: HangUp) -> Self {
        Self {
            certificate,
            hang_up,
        }
    }
}

impl Job for RenewCertificate {
    const NAME: &'static str = "certificate";
    /// After a failure, it is tried again at the usual time.
    const FIRST_WAIT: Duration = EVERY;
    const LONGEST_WAIT: Duration = EVERY;
    type Error = RenewError;

    async fn due(&mut self) -> bool {
        time_or_hang_up(EVERY, &mut self.hang_up).await;
        true
    }

    /// Files that cannot be read, or do not yet belong together, change nothing.
    async fn activate(&mut self) -> Result<(), RenewError> {
        let certificate = self.certificate.clone();
        let is_new = spawn_blocking(move || certificate.reload()).await?;
        let is_new = is_new.inspect_err(|error| {
            tracing::error!(expected = %error, "the certificate cannot be renewed: the one before stays");
        })?;
        if is_new {
            tracing::info!("the certificate is renewed");
        }
        Ok(())
    }
}

/// Why the certificate was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RenewError {
    #[error("the certificate cannot be read")]
    Read(#[from] JoinError),
    #[error("the certificate is none: expected {0}")]
    Certificate(#[from] CertificateError),
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn time_alone_is_enough() {
        let mut hang_up = HangUp::new().unwrap();
        let due = time_or_hang_up(Duration::from_millis(1), &mut hang_up);
        let outcome = timeout(Duration::from_secs(20), due).await;
        assert!(outcome.is_ok(), "it waits for SIGHUP");
    }
}
