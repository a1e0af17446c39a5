//! How far long work is, where somebody looks.

use std::{io::IsTerminal, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use millgate_dashboard::act::Work;

/// How often the bar is drawn.
const EVERY: Duration = Duration::from_millis(100);

/// Does it, and shows on a terminal how far it is. Ctrl-C stops it after the step that it is at: then what is done is told.
pub(super) async fn shown<T>(work: &Work, doing: impl Future<Output = T>) -> T {
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos} of {len} ({eta} left)") {
        bar.set_style(style);
    }
    let mut doing = std::pin::pin!(doing);
    let done = loop {
        tokio::select! {
            done = &mut doing => break done,
            () = tokio::time::sleep(EVERY) => {
                let (done, total) = work.progress();
                bar.set_length(total);
                bar.set_position(done);
            }
            // Where signals cannot be listened to the process just ends.
            Ok(()) = tokio::signal::ctrl_c(), if !work.is_stopped() => work.stop(),
        }
    };
    bar.finish_and_clear();
    done
}
