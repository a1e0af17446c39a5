//! How far long work is: a bar on a terminal. A signal stops it after the step that it is at.

use std::{io::IsTerminal, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use millgate_dashboard::act::Work;

use crate::lifecycle::stop_on_signal;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// Shows how far that is, until it is done.
pub(super) async fn shown<T>(work: &Work, doing: impl Future<Output = T>) -> anyhow::Result<T> {
    let stop = stop_on_signal()?;
    let is_seen = std::io::stderr().is_terminal();
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len}, {per_sec}, {eta} left; Ctrl-C stops it")?;
    let mut doing = std::pin::pin!(doing);
    loop {
        tokio::select! {
            outcome = &mut doing => {
                bar.finish_and_clear();
                return Ok(outcome);
            }
            () = stop.cancelled(), if !work.is_stopped() => work.stop(),
            () = tokio::time::sleep(LOOK) => {
                let (done, total) = work.progress();
                if is_seen && total > 0 {
                    bar.set_style(style.clone());
                    bar.set_length(total);
                    bar.set_position(done);
                }
            }
        }
    }
}
