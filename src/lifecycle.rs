//! Being told to stop.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// A token that fires at the first SIGTERM or SIGINT. A second one ends the process at once, which loses nothing:
/// offsets are not committed and leases are not settled, so whatever was in hand comes again.
pub(crate) fn stop_on_signal() -> std::io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let fired = stop.clone();
    tokio::spawn(async move {
        let number = tokio::select! {
            _ = terminate.recv() => 15,
            _ = interrupt.recv() => 2,
        };
        info!(signal = number, "stopping; a second signal exits at once");
        fired.cancel();
        let number = tokio::select! {
            _ = terminate.recv() => 15,
            _ = interrupt.recv() => 2,
        };
        warn!("exiting at once; what was in hand will come again");
        // As shells have it: 128 and the signal's number.
        std::process::exit(128 + number);
    });
    Ok(stop)
}
