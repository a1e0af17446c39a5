//! What the model says of claims, of what comes of them, and of those that are lost.

use millgate_jobs::{Claimed, JobState, JobView, Verdict};

use crate::{
    books::{Books, Moment},
    entry::{Entry, State},
    spec::{LaneKind, Work},
};

/// What was claimed in one call.
pub(crate) struct Lease {
    /// Whose it is; none's any more after a crash.
    pub(crate) hand: Option<usize>,
    pub(crate) jobs: Vec<Claimed>,
    pub(crate) till: Moment,
}

pub(crate) fn number(job: &Claimed) -> usize {
    serde_json::from_str::<Work>(&job.payload).unwrap().n
}

fn millis(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap()
}

impl Books {
    /// Leases with jobs.
    pub(crate) fn open_leases(&self) -> Vec<usize> {
        let mut leases: Vec<_> = self.live().filter_map(Entry::lease).collect();
        leases.sort_unstable();
        leases.dedup();
        leases
    }

    /// Jobs that are under a lease still.
    pub(crate) fn under(&self, lease: usize) -> Vec<usize> {
        let all = self.leases[lease].jobs.iter().map(number);
        all.filter(|n| self.entries[*n].state == State::Active(lease)).collect()
    }

    /// Whether what was looked at says that a lease was taken from its holder.
    pub(crate) fn is_lost(&self, lease: usize, brought: &[Claimed], views: &[JobView]) -> bool {
        let under = self.under(lease);
        let kept = |n: &&usize| {
            let entry = &self.entries[**n];
            let view = views.iter().find(|view| Some(view.key) == entry.key);
            view.is_some_and(|view| view.state == JobState::Active && view.attempts == entry.attempts)
                && !brought.iter().any(|job| number(job) == **n)
        };
        let many = under.iter().filter(kept).count();
        assert!(
            many == 0 || many == under.len(),
            "of lease {lease} a part is lost: {many} of {} are kept",
            under.len()
        );
        many == 0
    }

    /// A lease was lost: its jobs run again, or have come to their end.
    pub(crate) fn lose(&mut self, lease: usize, now: Moment) {
        assert!(self.leases[lease].till.0 <= now.1, "lease {lease} is lost before its time");
        for n in self.under(lease) {
            let doomed = self.is_doomed(n);
            let entry = &mut self.entries[n];
            if doomed || entry.stopping {
                self.end(n, State::Cancelled, now);
                continue;
            }
            entry.attempts += 1;
            if entry.attempts >= entry.spec.attempts {
                self.end(n, State::Dead, now);
            } else {
                entry.put_off(now, i64::MIN / 4, 0);
                entry.due.1 = 0;
            }
        }
    }

    /// Books what a claim brought.
    pub(crate) fn claimed(&mut self, hand: usize, jobs: Vec<Claimed>, lease_ms: i64, now: Moment) {
        let lease = self.leases.len();
        for job in &jobs {
            let n = number(job);
            let doomed = self.is_doomed(n);
            let entry = &mut self.entries[n];
            if entry.state == State::Unsure {
                entry.state = State::Pending;
            }
            assert!(entry.is_pending(), "job {n} runs and is {:?}", entry.state);
            assert!(entry.due.0 <= now.1, "job {n} is early by {} ms", entry.due.0 - now.1);
            assert!(!doomed, "job {n} was cancelled and runs");
            assert_eq!(job.attempt, entry.attempts + 1, "of job {n}");
            assert_eq!(job.max_attempts, entry.spec.attempts, "of job {n}");
            assert_eq!(&*job.kind, entry.spec.kind(), "of job {n}");
            (entry.state, entry.open) = (State::Active(lease), true);
            self.name(n, job.key());
            if self.entries[n]
                .spec
                .unique
                .as_ref()
                .is_some_and(|unique| unique.hold == millgate_jobs::Hold::UntilStarted)
            {
                self.free_key(n);
            }
            self.check_lane(n);
            self.check_spacing(n, now);
            self.check_callback(n, job);
        }
        for job in &jobs {
            self.check_order(number(job));
            self.entries[number(job)].fresh = false;
        }
        if !jobs.is_empty() {
            let till = (now.0 + lease_ms, now.1 + lease_ms);
            self.leases.push(Lease { hand: Some(hand), jobs, till });
        }
    }

    fn check_spacing(&mut self, n: usize, now: Moment) {
        let Some((LaneKind::Spaced(interval), lane)) = self.entries[n].spec.lane else { return };
        if let Some(last) = self.starts.insert(lane, now) {
            assert!(now.1 - last.0 >= interval, "job {n} of a spaced lane starts after {} ms", now.1 - last.0);
        }
    }

    fn check_callback(&self, n: usize, job: &Claimed) {
        let batch = self.batches.iter().find(|batch| batch.callback == n);
        assert_eq!(batch.is_some(), job.batch.is_some(), "of job {n}");
        if let (Some(batch), Some(outcome)) = (batch, &job.batch) {
            assert!(batch.called, "the batch of job {n} is not over");
            assert_eq!((&outcome.id, outcome.total as usize), (&batch.id, batch.total), "of job {n}");
        }
    }

    /// Among those that went in at once and never left their line the first goes first.
    fn check_order(&self, n: usize) {
        let entry = &self.entries[n];
        if !entry.fresh {
            return;
        }
        let queue = |entry: &Entry| match (entry.spec.lane, entry.spec.tenant) {
            (Some((LaneKind::Ordered, lane)), _) => Some((Some(lane), None, 0)),
            (Some(_), _) => None,
            (None, tenant) => Some((None, tenant.map(|(tenant, _)| tenant), entry.spec.priority)),
        };
        let mine = queue(entry);
        if mine.is_none() {
            return;
        }
        let earlier = |before: &Entry| {
            before.is_pending()
                && before.fresh
                && before.key.is_some()
                && before.key < entry.key
                && queue(before) == mine
        };
        for other in self.numbers(earlier) {
            assert!(self.is_doomed(other), "job {n} runs before job {other}");
        }
    }

    /// A claim that could have brought more has left nothing behind that can run.
    pub(crate) fn check_nothing_left(&self, now: Moment) {
        for n in self.numbers(|entry| entry.is_pending() && entry.due.1 <= now.0) {
            let can_run = !self.is_doomed(n) && !self.waits_in_lane(n, now);
            assert!(!can_run, "job {n} can run, and is not claimed: {:?}", self.entries[n]);
        }
    }

    /// Books a verdict; gives whether it came in time.
    pub(crate) fn settled(&mut self, job: &Claimed, lease: usize, verdict: &Verdict, now: Moment) -> bool {
        let n = number(job);
        if self.entries[n].state != State::Active(lease) {
            return false;
        }
        let doomed = self.is_doomed(n) || self.entries[n].stopping;
        let entry = &mut self.entries[n];
        let last = entry.attempts + 1 >= entry.spec.attempts;
        match verdict {
            Verdict::Done => self.end(n, State::Done, now),
            Verdict::Cancel { .. } => self.end(n, State::Cancelled, now),
            Verdict::Retry { .. } | Verdict::Snooze { .. } | Verdict::HandBack { .. } if doomed => {
                self.end(n, State::Cancelled, now);
            }
            Verdict::Dead { .. } => {
                entry.attempts += 1;
                self.end(n, State::Dead, now);
            }
            Verdict::Retry { .. } if last => {
                entry.attempts += 1;
                self.end(n, State::Dead, now);
            }
            Verdict::Retry { after, .. } => {
                entry.attempts += 1;
                entry.put_off(now, millis(*after), millis(*after));
            }
            Verdict::Snooze { after } => entry.put_off(now, millis(*after), millis(*after)),
            Verdict::HandBack { after } => {
                let after = millis(*after);
                let longest = (after << entry.backs.min(10)).min(after.max(60_000));
                entry.backs += u32::from(after > 0);
                entry.put_off(now, after, longest);
            }
        }
        true
    }
}
