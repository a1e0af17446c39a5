//! What operators do, and what comes from beside the workers.

use std::time::Duration;

use chrono::DateTime;
use millgate_jobs::{Acted, Cancel, JobId, JobState, Limits, Rate};
use rand::RngExt;

use crate::{
    claims::number,
    entry::State,
    spec::{Spec, Work},
    walk::{LEASE, Walk, millis},
};

impl Walk {
    pub(crate) async fn cancel(&mut self) {
        let spec = Spec::any(&mut self.random, self.last);
        let key = (spec.kind(), self.random.random_range(0..6).to_string());
        let time = self.last - self.random.random_range(0..90_000);
        let cancel = Cancel {
            kind: key.0.to_owned(),
            unique: key.1.clone(),
            time: DateTime::from_timestamp_millis(time).unwrap(),
        };
        let taken = self.queue.cancel(&[cancel]).await.unwrap();
        let now = self.moment().await;
        self.say(&format!("cancel {key:?} before {time}: {taken}"));
        let expected = self.books.cancel(&key, time, now);
        assert_eq!(taken, usize::from(expected), "of key {key:?}");
    }

    /// A few jobs in any state, whose keys are known.
    pub(crate) fn some(&mut self) -> (Vec<usize>, Vec<JobId>) {
        let known = self.books.numbers(|entry| entry.key.is_some() && entry.state != State::Removed);
        let recent = &known[known.len().saturating_sub(200)..];
        if recent.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let mut some: Vec<usize> = (0..self.random.random_range(1..5)).map(|_| *self.pick(recent)).collect();
        some.sort_unstable();
        some.dedup();
        // What a cancel has reached and no claim has swept away is neither here nor gone.
        some.retain(|n| !self.books.is_doomed(*n));
        let keys = some.iter().filter_map(|n| self.books.entries[*n].key).collect();
        (some, keys)
    }

    pub(crate) async fn stop(&mut self) {
        let (numbers, keys) = self.some();
        let acted = self.queue.stop(&keys).await.unwrap();
        let now = self.moment().await;
        self.say(&format!("stop {numbers:?}: {acted:?}"));
        for (n, acted) in numbers.into_iter().zip(acted) {
            match (self.books.entries[n].state, acted) {
                (State::Pending, Acted::Well) => self.books.end(n, State::Cancelled, now),
                (State::Active(_), Acted::Stopping) => self.books.entries[n].stopping = true,
                (State::Dead, Acted::Not(JobState::Dead))
                | (State::Done, Acted::Not(JobState::Done))
                | (State::Done | State::Cancelled | State::Removed, Acted::Gone) => {}
                (state, acted) => panic!("job {n} is {state:?}, and {acted:?}"),
            }
        }
    }

    pub(crate) async fn reschedule(&mut self) {
        let (numbers, keys) = self.some();
        let at = self.random.random_bool(0.6).then(|| self.last + self.random.random_range(1..60_000));
        let before = self.queue.look(&keys).await.unwrap();
        let when = at.map(|at| DateTime::from_timestamp_millis(at).unwrap());
        let acted = self.queue.reschedule(&keys, when).await.unwrap();
        let now = self.moment().await;
        self.say(&format!("reschedule {numbers:?} to {at:?}: {acted:?}"));
        for (n, acted) in numbers.into_iter().zip(acted) {
            let entry = &mut self.books.entries[n];
            match (entry.state, acted) {
                (State::Pending | State::Dead, Acted::Well) => {
                    let was_waiting =
                        before.iter().any(|view| Some(view.key) == entry.key && view.state == JobState::Waiting);
                    let keeps = entry.is_ordered() && (was_waiting || entry.keeps);
                    let dead = entry.state == State::Dead;
                    entry.put_off((0, 0), at.unwrap_or_default(), at.unwrap_or_default());
                    entry.keeps = keeps && at.is_some();
                    if dead {
                        self.books.redrive(n, now);
                    }
                }
                (State::Active(_), Acted::Not(JobState::Active))
                | (State::Done, Acted::Not(JobState::Done))
                | (State::Done | State::Cancelled | State::Removed, Acted::Gone) => {}
                (state, acted) => panic!("job {n} is {state:?}, and {acted:?}"),
            }
        }
    }

    pub(crate) async fn remove(&mut self) {
        let (numbers, keys) = self.some();
        let kept = self.kept(&keys).await;
        let removed = self.queue.remove(&keys).await.unwrap();
        let now = self.moment().await;
        self.say(&format!("remove {numbers:?}: {removed}"));
        let mut expected = kept;
        for n in numbers {
            match self.books.entries[n].state {
                State::Pending => self.books.end(n, State::Cancelled, now),
                State::Dead => self.books.entries[n].state = State::Removed,
                State::Done => {
                    self.books.entries[n].state = State::Removed;
                    continue;
                }
                _ => continue,
            }
            expected += 1;
        }
        assert_eq!(removed, expected);
    }

    /// How many are done and kept.
    pub(crate) async fn kept(&self, keys: &[JobId]) -> usize {
        let views = self.queue.look(keys).await.unwrap();
        views.iter().filter(|view| view.state == JobState::Done).count()
    }

    pub(crate) async fn note(&mut self) {
        let open = self.books.open_leases();
        if open.is_empty() {
            return;
        }
        let lease = *self.pick(&open);
        let job = self.pick(&self.books.leases[lease].jobs.clone()).clone();
        let n = number(&job);
        let notes = job.notes(&self.queue);
        notes.progress(50.0).await.unwrap();
        notes.log("half way").await.unwrap();
        self.moment().await;
        self.say(&format!("job {n} notes something"));
        if self.books.entries[n].state == State::Active(lease) {
            let view = self.queue.look(&[job.key()]).await.unwrap().remove(0);
            assert_eq!((view.state, view.progress), (JobState::Active, Some(50.0)));
            assert_eq!(view.log.last().unwrap().1, "half way");
        }
    }

    pub(crate) async fn bury(&mut self) {
        if self.random.random_bool(0.3) {
            let (removed, _) = self.queue.prune_dead(true).await.unwrap();
            self.say(&format!("prune: {removed}"));
            let keys: Vec<_> = self.dead().into_iter().filter_map(|n| self.books.entries[n].key).collect();
            let left = self.queue.look(&keys).await.unwrap();
            assert_eq!(keys.len() - left.len(), usize::try_from(removed).unwrap());
            for n in self.dead() {
                if !left.iter().any(|view| Some(view.key) == self.books.entries[n].key) {
                    self.books.entries[n].state = State::Removed;
                }
            }
            return;
        }
        let most = self.random.random_range(1..10);
        let dead = self.queue.claim_dead(most, LEASE).await.unwrap();
        let now = self.moment().await;
        let numbers: Vec<_> = dead.iter().map(|dead| serde_json::from_str::<Work>(&dead.payload).unwrap().n).collect();
        self.say(&format!("bury {numbers:?}"));
        let ready = self.books.count(|entry| entry.state == State::Dead && entry.buried_till < now.0);
        assert!(dead.len() >= most.min(ready), "{} of {ready} dead are given out", dead.len());
        for (n, dead) in numbers.iter().zip(&dead) {
            let entry = &mut self.books.entries[*n];
            assert_eq!((entry.state, entry.attempts), (State::Dead, dead.attempts), "job {n}");
            assert!(entry.buried_till <= now.1, "job {n} is being buried by another");
            entry.buried_till = now.1 + millis(LEASE);
        }
        let keys: Vec<_> = dead.iter().map(|dead| dead.key).collect();
        if self.random.random_bool(0.5) {
            assert_eq!(self.queue.remove(&keys).await.unwrap(), keys.len());
            for n in numbers {
                self.books.entries[n].state = State::Removed;
            }
        } else {
            self.queue.keep_dead(&keys, LEASE * 2).await.unwrap();
            let now = self.moment().await;
            for n in numbers {
                self.books.entries[n].buried_till = now.1 + millis(LEASE * 2);
            }
        }
    }

    pub(crate) fn dead(&self) -> Vec<usize> {
        self.books.numbers(|entry| entry.state == State::Dead)
    }

    pub(crate) async fn set_limits(&mut self) {
        if self.random.random_bool(0.3) {
            self.paused = !self.paused;
            if self.paused {
                self.queue.pause().await.unwrap();
            } else {
                self.queue.resume().await.unwrap();
            }
            return self.say(&format!("paused: {}", self.paused));
        }
        let mut limits = Limits::default();
        match self.random.random_range(0..12) {
            0 => limits.concurrency = Some(self.random.random_range(5..50)),
            1 => limits.rate = Some(Rate { jobs: self.random.random_range(5..50), per: Duration::from_secs(10) }),
            2 => limits.max_jobs = Some(self.random.random_range(20..200)),
            3 | 4 => limits.keep_done = Some(self.random.random_range(1..30)),
            5 => {
                (limits.keep_done, limits.keep_done_for) = (Some(100), Some(Duration::from_mins(1)));
            }
            6 => limits.dead_keep = Some(5),
            7 => limits.dead_keep_for = Some(Duration::from_mins(5)),
            8 => limits.ageing = Some(Duration::from_secs(1)),
            _ => {}
        }
        self.queue.limit(&limits).await.unwrap();
        self.starts.clear();
        self.say(&format!("{limits:?}"));
        self.limits = limits;
    }
}
