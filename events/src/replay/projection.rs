//! Into a projection: built anew from the event store, beside the tables that are read, whose place it takes at the end.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Progress, ReplayError, ReplayRun, Span, Tally, TypeTally, pace::Pace};
use crate::store::{Place, ProjectionStore, Projections, Rebuilding};

/// Positions are those of this table.
const TOPIC: &str = "store_events";
/// What cannot be done yet is tried again after so long.
const PAUSE: Duration = Duration::from_millis(200);

/// A projection that all events are put into once more.
///
/// What its tables come to is a sum of all events: to apply some of them again would count them twice. So new ones are made, by a build
/// of this replay's own. How far that is lies in its row, and moves with its rows.
pub struct ProjectionReplay<'a> {
    /// Its tables.
    pub store: &'a ProjectionStore,
    /// Those of the application.
    pub projections: &'a Projections,
    /// Which of them.
    pub name: &'a str,
    /// The replay's id: the build is known by it.
    pub id: &'a str,
    /// Events in one transaction, at most.
    pub batch_size: u32,
    /// No faster than so many events in that time.
    pub rate: Option<(u32, Duration)>,
    /// Fires when it is to stop, after the step that it is at.
    pub stop: CancellationToken,
    /// Is told how far it is, and how far there is to go, in positions.
    pub tell: Box<dyn Fn(u64, u64) + Send + Sync + 'a>,
}

impl ProjectionReplay<'_> {
    /// Where it begins and ends: with the last event that is there by now. Later ones are put in as well, and not counted. A
    /// projection that cannot be built now is refused.
    pub async fn begin(&self) -> Result<Progress, ReplayError> {
        let until = self.store.end(self.projections, self.name).await?;
        let span = Span { topic: TOPIC.into(), partition: 0, from: 0, next: 0, until, note: String::new() };
        Ok(Progress { spans: vec![span], note: String::new() })
    }

    /// Counts what would be put in. Changes nothing.
    pub async fn survey(&self) -> Result<Tally, ReplayError> {
        let (progress, mut tally) = (self.begin().await?, Tally::default());
        self.count(0, until(&progress), &mut tally).await?;
        Ok(tally)
    }

    /// Does what is left, and notes how far it is. Says whether it came to its end: else it was stopped.
    pub async fn run(
        &self,
        progress: &mut Progress,
        tally: &mut Tally,
        notes: &mut ReplayRun,
    ) -> Result<bool, ReplayError> {
        let noted = progress.note.parse().ok();
        let mut build = Rebuilding::open(self.store, self.projections, self.name, self.id, noted).await?;
        progress.note = build.build().to_string();
        let (mut pace, end) = (Pace::new(self.rate), until(progress));
        // Where it is the build knows; what was noted may be older, or newer than what PostgreSQL had on its disk.
        *tally = Tally::default();
        let mut counted = 0;
        loop {
            let (at, is_over) = match build.place().await? {
                Place::At(position) => (position, false),
                Place::Live => (end, true),
                Place::Gone => return Err(ReplayError::Refused(self.gone(build.build()))),
            };
            let next = at.min(end);
            self.count(counted, next, tally).await?;
            counted = next;
            if let Some(span) = progress.spans.first_mut() {
                span.next = next;
            }
            let (done, all) = progress.figures();
            (self.tell)(done, all);
            if is_over {
                notes.done(progress, tally).await?;
                return Ok(true);
            }
            if notes.save(progress, tally).await? || self.stop.is_cancelled() {
                return Ok(false);
            }
            // What came since it was asked for is not slowed down: it would never catch up with more than its rate.
            let mut most = self.batch_size;
            if at < end && self.rate.is_some() {
                let step = pace.step();
                most = most.min(u32::try_from(step).unwrap_or(u32::MAX));
                if self.stop.run_until_cancelled(pace.wait(step)).await.is_none() {
                    continue;
                }
            }
            if !build.step(most).await? {
                // Its row is locked, or somebody reads the old tables for long.
                let _ = self.stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
            }
        }
    }

    /// Counts events behind one position and up to another.
    async fn count(&self, after: i64, upto: i64, tally: &mut Tally) -> Result<(), ReplayError> {
        let mut part = Tally::default();
        for stretch in self.store.stretches(self.projections, self.name, (after, upto)).await? {
            let events = u64::try_from(stretch.events).unwrap_or_default();
            part.looked_at += events;
            if stretch.is_wanted {
                part.selected += events;
                let counted = TypeTally { events, first: Some(stretch.first), last: Some(stretch.last) };
                part.topics.entry(stretch.category).or_default().insert(stretch.event_type, counted);
            }
        }
        tally.add(part);
        Ok(())
    }

    fn gone(&self, build: i64) -> String {
        let Self { name, .. } = self;
        format!(
            "build {build} of projection {name}, which this replay made, is not there any more: a newer program or `millgate \
            projections rebuild --anew` has removed it; `millgate projections list` shows those there are"
        )
    }
}

fn until(progress: &Progress) -> i64 {
    progress.spans.first().map_or(0, |span| span.until)
}
