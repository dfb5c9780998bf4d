//! SIGTERM and SIGINT: the first asks the server to stop, the second ends the process at once.

use std::io;

use tokio_util::sync::CancellationToken;

/// Listens for signals from now on; the token is cancelled by the first.
///
/// # Errors
/// When the operating system does not let the process listen.
pub fn listen() -> io::Result<CancellationToken> {
    let mut signals = Signals::new()?;
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        let first = signals.next().await;
        tracing::info!(
            signal = first.name,
            "stopping; a second signal ends at once"
        );
        stop.cancel();
        let second = signals.next().await;
        tracing::warn!(signal = second.name, "ended at once");
        // As a shell reports a process that a signal ended.
        std::process::exit(128 + second.number);
    });
    Ok(token)
}

struct Signal {
    name: &'static str,
    number: i32,
}

const INTERRUPT: Signal = Signal {
    name: "SIGINT",
    number: 2,
};

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => INTERRUPT,
            _ = self.terminate.recv() => Signal { name: "SIGTERM", number: 15 },
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    #[expect(clippy::unnecessary_wraps, reason = "as on Unix")]
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Signal {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        INTERRUPT
    }
}
