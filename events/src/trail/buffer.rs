//! Notes on their way to the database, no more than fit.

use std::{
    mem::take,
    sync::{Weak, atomic::Ordering::Relaxed},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};

use super::note::{Begun, EventNote, RunNote};

/// A run that takes longer is noted before it ends.
pub(super) const MOMENT: Duration = Duration::from_millis(500);
/// A gap is told when nothing more was lost for so long,
const QUIET: TimeDelta = TimeDelta::seconds(1);
/// or when it is this long.
const LONG: TimeDelta = TimeDelta::seconds(10);

/// Notes that could not be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) began: DateTime<Utc>,
    pub(super) ended: DateTime<Utc>,
    pub(super) notes: usize,
}

/// Notes that are written together.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) events: Vec<EventNote>,
    pub(super) runs: Vec<RunNote>,
}

impl Notes {
    pub(super) fn len(&self) -> usize {
        self.events.len() + self.runs.len()
    }
}

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    waiting: Notes,
    /// Those that are being written.
    out: usize,
    begun: Vec<Weak<Begun>>,
    gap: Option<Gap>,
}

impl Buffer {
    /// How many are in memory.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.out
    }

    /// Adds as many as fit; gives how many did not.
    pub(super) fn add_events(&mut self, events: Vec<EventNote>, room: usize, now: DateTime<Utc>) -> usize {
        let (many, fit) = (events.len(), room.saturating_sub(self.len()).min(events.len()));
        self.waiting.events.extend(events.into_iter().take(fit));
        self.lose(many - fit, now);
        many - fit
    }

    /// The same for one run.
    pub(super) fn add_run(&mut self, run: RunNote, room: usize, now: DateTime<Utc>) -> usize {
        if self.len() < room {
            self.waiting.runs.push(run);
            return 0;
        }
        self.lose(1, now);
        1
    }

    /// Remembers a run that begins, for if it takes long.
    pub(super) fn begin(&mut self, run: Weak<Begun>, room: usize) {
        if self.begun.len() < room {
            self.begun.push(run);
        }
    }

    /// Notes those that run for longer than a moment. Gives how many notes did not fit.
    pub(super) fn note_long_runs(&mut self, room: usize, now: DateTime<Utc>) -> usize {
        let (mut still, mut lost) = (Vec::new(), 0);
        for weak in take(&mut self.begun) {
            let Some(run) = weak.upgrade().filter(|run| !run.is_over.load(Relaxed)) else { continue };
            if run.since.elapsed() < MOMENT {
                still.push(weak);
            } else {
                lost += self.add_run(run.note(None), room, now);
            }
        }
        self.begun = still;
        lost
    }

    /// Takes up to `most` out to be written.
    pub(super) fn take(&mut self, most: usize) -> Notes {
        let events = self.waiting.events.len().min(most);
        let runs = self.waiting.runs.len().min(most - events);
        let notes = Notes {
            events: self.waiting.events.drain(..events).collect(),
            runs: self.waiting.runs.drain(..runs).collect(),
        };
        self.out += notes.len();
        notes
    }

    /// So many are written, or given up.
    pub(super) fn settle(&mut self, notes: usize) {
        self.out -= notes;
    }

    /// So many are lost.
    pub(super) fn lose(&mut self, notes: usize, now: DateTime<Utc>) {
        if notes > 0 {
            let gap = self.gap.get_or_insert(Gap { began: now, ended: now, notes: 0 });
            gap.ended = now;
            gap.notes += notes;
        }
    }

    /// A gap that can be told; at the end, any.
    pub(super) fn take_gap(&mut self, now: DateTime<Utc>, is_end: bool) -> Option<Gap> {
        self.gap.take_if(|gap| is_end || now - gap.ended >= QUIET || now - gap.began >= LONG)
    }

    /// What could not be told after all.
    pub(super) fn keep_gap(&mut self, gap: Gap) {
        let later = self.gap.take();
        let notes = gap.notes + later.map_or(0, |later| later.notes);
        self.gap = Some(Gap { began: gap.began, ended: later.map_or(gap.ended, |later| later.ended), notes });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::trail::{RunEnd, RunStart};

    fn begun() -> Begun {
        let start = RunStart {
            queue: "email".into(),
            kind: "mail".into(),
            job_id: "j".into(),
            job_key: "k".into(),
            attempt: 1,
            event_id: None,
            correlation_id: None,
        };
        Begun::new(start, DateTime::UNIX_EPOCH, true)
    }

    fn run() -> RunNote {
        begun().note(Some(RunEnd { verdict: "done", failure: None, is_failure: false }))
    }

    fn second(number: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(number)
    }

    #[test]
    fn what_does_not_fit_is_a_gap_and_what_is_being_written_takes_room() {
        let mut buffer = Buffer::default();
        assert_eq!([(); 3].map(|()| buffer.add_run(run(), 2, second(1))), [0, 0, 1]);
        let out = buffer.take(10);
        assert_eq!((out.len(), buffer.len()), (2, 2));
        assert_eq!(buffer.add_run(run(), 2, second(2)), 1);
        buffer.settle(2);
        assert_eq!(buffer.add_run(run(), 2, second(2)), 0);
        assert_eq!(buffer.take_gap(second(2), false), None, "there may be more");
        let gap = Gap { began: second(1), ended: second(2), notes: 2 };
        assert_eq!(buffer.take_gap(second(3), false), Some(gap));
        buffer.lose(5, second(9));
        buffer.keep_gap(gap);
        assert_eq!(buffer.take_gap(second(9), true), Some(Gap { began: second(1), ended: second(9), notes: 7 }));
    }

    #[test]
    fn a_run_that_is_over_is_not_noted_as_running() {
        let mut buffer = Buffer::default();
        let (long, over, short) = (Arc::new(begun()), Arc::new(begun()), Arc::new(begun()));
        over.is_over.store(true, Relaxed);
        for run in [&long, &over, &short] {
            buffer.begin(Arc::downgrade(run), 10);
        }
        drop(short);
        while long.since.elapsed() < MOMENT {
            std::thread::yield_now();
        }
        assert_eq!((buffer.note_long_runs(10, second(1)), buffer.len()), (0, 1));
        assert_eq!((buffer.note_long_runs(10, second(1)), buffer.len()), (0, 1), "once");
        assert_eq!(buffer.take(10).runs[0].verdict, None);
    }
}
