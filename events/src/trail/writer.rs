//! The task that writes notes, and takes away old ones.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tracing::{info, warn};

use super::{BATCH, Inner, TrailError, buffer::Notes, lock, table::Table};
use crate::{metrics, producer::now};

/// How often it writes what there is.
const ROUND: Duration = Duration::from_millis(250);
/// After a failure it waits so long.
const PAUSE: Duration = Duration::from_secs(1);
/// How often it looks for what is older than it should be.
const EXPIRY: Duration = Duration::from_hours(1);
/// How long notes may still take when everything else has ended.
const LAST_WORDS: Duration = Duration::from_secs(3);

pub(super) async fn run(inner: Arc<Inner>, table: Table, keep: Duration) {
    let mut writer = Writer { inner, table, unwritten: None, is_away: false };
    let mut rounds = interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut expiry = Instant::now();
    let closing = writer.inner.closing.clone();
    while !closing.is_cancelled() {
        tokio::select! {
            _ = rounds.tick() => {}
            () = writer.inner.more.notified() => {}
            () = closing.cancelled() => break,
        }
        let Some(well) = closing.run_until_cancelled(writer.round()).await else { break };
        if !well {
            closing.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
        } else if Instant::now() >= expiry {
            match closing.run_until_cancelled(writer.expire(keep)).await {
                // Step by step, with notes between them.
                Some(Ok(true)) => {}
                _ => expiry = Instant::now() + EXPIRY,
            }
        }
    }
    let _ = timeout(LAST_WORDS, writer.last_words()).await;
    writer.table.close().await;
}

struct Writer {
    inner: Arc<Inner>,
    table: Table,
    /// What was to be written last, and was not.
    unwritten: Option<Notes>,
    /// Whether that was said.
    is_away: bool,
}

impl Writer {
    /// Writes what there is. `false`: it cannot be done now.
    async fn round(&mut self) -> bool {
        let now = now();
        let lost = lock(&self.inner.buffer).note_long_runs(self.inner.room, now);
        metrics().trail_dropped(lost);
        loop {
            // Kept here until it is written, whoever stops waiting for that.
            let notes = self.unwritten.get_or_insert_with(|| lock(&self.inner.buffer).take(BATCH));
            let many = notes.len();
            let written = if many == 0 { Ok(()) } else { self.table.write(notes).await };
            match written {
                Ok(()) => metrics().trail_written(many),
                Err(error) if error.is_about_the_notes() => {
                    warn!(%error, notes = many, "notes of the trail are lost");
                    metrics().trail_dropped(many);
                    lock(&self.inner.buffer).lose(many, now);
                }
                Err(error) => return self.is_off(&error),
            }
            self.unwritten = None;
            lock(&self.inner.buffer).settle(many);
            if many > 0 && std::mem::take(&mut self.is_away) {
                info!("the trail can be written again");
            }
            if many < BATCH {
                return self.tell_gap(false).await;
            }
        }
    }

    async fn tell_gap(&mut self, is_end: bool) -> bool {
        let gap = lock(&self.inner.buffer).take_gap(now(), is_end);
        let Some(gap) = gap else { return true };
        match self.table.write_gap(gap).await {
            Ok(()) => {
                warn!(notes = gap.notes, "the trail lacks notes, as there was no room for them: trail.buffer");
                true
            }
            Err(error) => {
                lock(&self.inner.buffer).keep_gap(gap);
                self.is_off(&error)
            }
        }
    }

    /// Said once for as long as it is so.
    fn is_off(&mut self, error: &TrailError) -> bool {
        if !std::mem::replace(&mut self.is_away, true) {
            warn!(%error, "the trail cannot be written; all else goes on, and notes that find no room are dropped");
        }
        false
    }

    async fn expire(&self, keep: Duration) -> Result<bool, TrailError> {
        let keep = TimeDelta::from_std(keep).unwrap_or(TimeDelta::MAX);
        let Some(before) = now().checked_sub_signed(keep) else { return Ok(false) };
        self.table.expire(before).await
    }

    async fn last_words(&mut self) {
        let _ = self.round().await && self.tell_gap(true).await;
        let left = lock(&self.inner.buffer).len();
        if left > 0 {
            warn!(notes = left, "notes of the trail are lost at the end");
        }
    }
}
