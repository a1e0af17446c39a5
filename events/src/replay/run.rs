//! A replay from where it is to its end.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::{
    Destination, Progress, ReplayError, ReplayRun, Selection, Taken, Tally,
    choosing::Chooser,
    pace::Pace,
    reader::{Chunk, Reader},
};
use crate::{KafkaConfig, Values};

/// For so long it is tried on while a server is away. Then it is left as it is, to be resumed.
const PATIENCE: Duration = Duration::from_mins(5);
/// So often, while it waits, it looks whether somebody wants it to stop.
const LOOK: Duration = Duration::from_secs(2);

/// What is replayed, and how.
pub struct Replay<'a> {
    /// The way to Kafka.
    pub kafka: &'a KafkaConfig,
    /// Where large values lie.
    pub values: &'a Values,
    /// Which records.
    pub selection: &'a Selection,
    /// No faster than so many records in that time.
    pub rate: Option<(u32, Duration)>,
    /// Ends at the first record that cannot be read, or is gone.
    pub strict: bool,
    /// Fires when it is to stop, after the step that it is at.
    pub stop: CancellationToken,
    /// Is told how many offsets are done, and how many there are.
    pub tell: &'a (dyn Fn(u64, u64) + Send + Sync),
}

/// Why reading begins anew.
enum Broken {
    /// The destination has set the progress back.
    Again,
    /// Somebody wants it to stop.
    Stopped,
    /// Something went wrong.
    Failed(ReplayError),
}

impl From<ReplayError> for Broken {
    fn from(error: ReplayError) -> Self {
        Self::Failed(error)
    }
}

impl Replay<'_> {
    /// Replays what is left into `destination`, and notes in `notes` how far it is; without them nothing is noted, as for a
    /// dry run. Says whether it came to its end: else it was stopped.
    pub async fn run(
        &self,
        progress: &mut Progress,
        tally: &mut Tally,
        destination: &mut impl Destination,
        mut notes: Option<&mut ReplayRun>,
    ) -> Result<bool, ReplayError> {
        let mut pace = Pace::new(self.rate);
        let (mut pause, mut since) = (Duration::from_millis(100), None::<Instant>);
        loop {
            let before = progress.figures().0;
            let broken = match self.round(progress, tally, destination, notes.as_deref_mut(), &mut pace).await {
                Ok(()) => return Ok(true),
                Err(broken) => broken,
            };
            match broken {
                Broken::Stopped => return Ok(false),
                Broken::Again => {
                    if let Some(notes) = notes.as_deref_mut() {
                        notes.save(progress, tally).await?;
                    }
                }
                Broken::Failed(problem) => {
                    if progress.figures().0 > before {
                        (pause, since) = (Duration::from_millis(100), None);
                    }
                    let began = *since.get_or_insert_with(Instant::now);
                    if !problem.is_transient() || began.elapsed() > PATIENCE {
                        return Err(problem);
                    }
                    warn!(%problem, "the replay cannot go on just now; trying on");
                    match self.wait(&mut notes, tokio::time::sleep(pause)).await {
                        Err(Broken::Failed(problem)) => return Err(problem),
                        Err(_) => return Ok(false),
                        Ok(()) => {}
                    }
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
            }
        }
    }

    async fn round(
        &self,
        progress: &mut Progress,
        tally: &mut Tally,
        destination: &mut impl Destination,
        mut notes: Option<&mut ReplayRun>,
        pace: &mut Pace,
    ) -> Result<(), Broken> {
        destination.begin(progress).await?;
        // What it has begun is its own, also when it is cut off before the first step.
        if let Some(notes) = &mut notes
            && notes.save(progress, tally).await?
        {
            return Err(Broken::Stopped);
        }
        let chooser = Chooser {
            selection: self.selection,
            values: self.values,
            topic_prefix: &self.kafka.topic_prefix,
            strict: self.strict,
        };
        let mut reader = Reader::start(self.kafka, self.selection, progress, pace.step());
        loop {
            let (done, all) = progress.figures();
            (self.tell)(done, all);
            let Some(chunk) = self.wait(&mut notes, reader.next()).await? else { break };
            let Chunk { topic, records, ends, looked_at, expired } = chunk.map_err(ReplayError::from)?;
            let mut part = Tally { looked_at, ..Tally::default() };
            for (partition, from, to) in expired {
                self.miss(&format!("{topic}/{partition}"), from, to, &mut part)?;
            }
            let chosen = chooser.choose(records, &mut part).await?;
            self.wait(&mut notes, pace.wait(chosen.len())).await?;
            let mut then = progress.clone();
            for (partition, end) in ends {
                if let Some(span) = then.span(&topic, partition) {
                    span.next = end.min(span.until);
                }
            }
            let reached = then.clone();
            let taken = destination.take(&chosen, &mut then, &mut part).await?;
            tally.add(part);
            *progress = then;
            if taken == Taken::Again {
                tally.read_again += back(&reached, progress);
                return Err(Broken::Again);
            }
            if let Some(notes) = &mut notes
                && notes.save(progress, tally).await?
            {
                return Err(Broken::Stopped);
            }
        }
        let reached = progress.clone();
        if destination.end(progress).await? == Taken::Again {
            tally.read_again += back(&reached, progress);
            return Err(Broken::Again);
        }
        if let Some(notes) = notes {
            notes.done(progress, tally).await?;
            destination.clear(progress).await?;
        }
        Ok(())
    }

    /// Waits for something, and no longer than until it is to stop.
    async fn wait<T>(&self, notes: &mut Option<&mut ReplayRun>, what: impl Future<Output = T>) -> Result<T, Broken> {
        tokio::pin!(what);
        loop {
            match self.stop.run_until_cancelled(timeout(LOOK, &mut what)).await {
                Some(Ok(outcome)) => return Ok(outcome),
                None => return Err(Broken::Stopped),
                Some(Err(_)) => {
                    if let Some(notes) = notes
                        && notes.is_to_stop().await?
                    {
                        return Err(Broken::Stopped);
                    }
                }
            }
        }
    }

    fn miss(&self, partition: &str, from: i64, to: i64, tally: &mut Tally) -> Result<(), ReplayError> {
        let records = u64::try_from(to - from).unwrap_or_default();
        let place = format!("{partition}, offsets {from} to {}", to - 1);
        if self.strict {
            return Err(ReplayError::Expired { place, records });
        }
        error!(place, records, "Kafka has deleted records that were to be replayed");
        tally.expired += records;
        Ok(())
    }
}

/// How many offsets lie between where it was and where it is now.
fn back(was: &Progress, is: &Progress) -> u64 {
    let spans = was.spans.iter().zip(&is.spans);
    spans.map(|(was, is)| u64::try_from(was.next - is.next).unwrap_or_default()).sum()
}
