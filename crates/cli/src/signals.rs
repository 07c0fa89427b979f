//! Ctrl-C and SIGTERM: the first one drains, the second one ends the process at once.
//!
//! The only place that knows how a platform asks a process to stop.

use tokio_util::sync::CancellationToken;

use crate::error::Exit;
use crate::ui::Screen;

/// Waits for requests to stop, for as long as it is polled. Cancelling it changes nothing.
pub(crate) async fn watch(stop: CancellationToken, screen: Screen) {
    asked().await;
    screen.stopping();
    stop.cancel();
    asked().await;
    // Everything is resumable from the ledger, so there is nothing to put in order first.
    std::process::exit(i32::from(Exit::Interrupted.number()));
}

/// Waits until somebody asks the process to stop, once.
#[cfg(unix)]
pub(crate) async fn asked() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    // Dropping the other wait loses nothing: the process goes on to stop.
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Waits until somebody asks the process to stop, once.
#[cfg(not(unix))]
pub(crate) async fn asked() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
