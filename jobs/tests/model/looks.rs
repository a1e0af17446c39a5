//! Looking at all there is, on the way and at the end.

use std::collections::HashSet;

use millgate_jobs::{Hand, JobState, JobView, Limits, Verdict};
use rand::RngExt;

use crate::{
    claims::number,
    entry::{Entry, State},
    spec::Work,
    walk::{HANDS, LEASE, Walk, millis},
};

impl Walk {
    /// What is found by a word is what there is.
    pub(crate) async fn look_around(&mut self) {
        self.compare().await;
        let tag = self.random.random_range(0..5_u8);
        let found = self.queue.find("tag", &tag.to_string(), None, 1_000).await.unwrap();
        let tagged =
            self.books.numbers(|entry| entry.spec.tag == Some(tag) && (entry.is_here() || entry.state == State::Dead));
        for n in &tagged {
            assert!(self.books.entries[*n].key.is_some_and(|key| found.contains(&key)), "job {n} is not found");
        }
        for id in &found {
            let n = self.books.by_key[id];
            let kept = self.books.entries[n].state == State::Done;
            assert!(kept || tagged.contains(&n), "job {n} is found");
        }
    }

    /// Every job that Redis has.
    pub(crate) async fn views(&self) -> Vec<(JobState, JobView)> {
        let mut views = Vec::new();
        for state in JobState::ALL {
            let (mut from, mut ids) = (None, Vec::new());
            loop {
                let page = self.queue.page(state, from.as_deref(), 100, None).await.unwrap();
                ids.extend(page.ids);
                let Some(next) = page.next else { break };
                from = Some(next);
            }
            let found = self.queue.look(&ids).await.unwrap();
            assert_eq!(found.len(), ids.len(), "of those that are {state}");
            views.extend(found.into_iter().map(|view| (state, view)));
        }
        views
    }

    /// All that Redis has is in the books, and the other way round.
    pub(crate) async fn compare(&mut self) {
        let views = self.views().await;
        let mut met = HashSet::new();
        let mut entered = Vec::new();
        for (state, view) in &views {
            let n = serde_json::from_str::<Work>(&view.payload).unwrap().n;
            assert!(met.insert(n), "job {n} is there twice");
            assert_eq!(*state, view.state, "of job {n}");
            self.books.name(n, view.key);
            let entry = &mut self.books.entries[n];
            if entry.state == State::Unsure {
                entry.state = State::Pending;
                entered.push(n);
            }
            let fits = match state {
                JobState::Waiting | JobState::Delayed | JobState::Held => entry.is_pending(),
                JobState::Active => entry.is_active(),
                JobState::Dead => entry.state == State::Dead,
                JobState::Done => entry.state == State::Done,
            };
            assert!(fits, "job {n} is {state} and booked as {:?}", entry.state);
            assert_eq!(view.attempts, entry.attempts, "of job {n}");
            assert_eq!(view.stopping, entry.stopping, "of job {n}");
        }
        let replaced: Vec<_> = entered.iter().filter_map(|n| self.books.entries[*n].spec.replaces()).collect();
        let now = (self.last, self.last);
        for n in self.books.numbers(|_| true) {
            let met = met.contains(&n);
            let entry = &mut self.books.entries[n];
            if entry.state == State::Unsure && !met {
                entry.state = State::Refused;
            }
            if entry.is_pending() && !met && entry.spec.key().is_some_and(|key| replaced.contains(&key)) {
                self.books.end(n, State::Cancelled, now);
            }
            let entry = &self.books.entries[n];
            assert!(met || !(entry.is_here() || entry.state == State::Dead), "job {n} is lost: {entry:?}");
        }
        for n in entered {
            let entry = &self.books.entries[n];
            if let Some((kind, key)) = entry.spec.key()
                && self.queue.find_unique(kind, &key).await.unwrap() == entry.key
            {
                // In the step before this look.
                let entered = (entry.born - 100, entry.born);
                self.books.take_key(n, entered);
            }
        }
        self.books.forget_ended();
    }

    /// Everything comes to its end.
    pub(crate) async fn drain(&mut self) {
        self.say("drain");
        self.queue.resume().await.unwrap();
        self.queue.limit(&Limits::default()).await.unwrap();
        (self.paused, self.limits) = (false, Limits::default());
        for _ in 0..HANDS {
            self.crash();
        }
        self.hands = (0..HANDS).map(|_| Hand::new(&self.queue, LEASE)).collect();
        for lease in &mut self.books.leases {
            lease.hand = None;
        }
        for _ in 0..2_000 {
            self.taken += 1;
            self.pass(millis(LEASE) / 3).await;
            self.claim_by(0, 200).await;
            let lease = self.books.leases.len().saturating_sub(1);
            let jobs = self.books.under(lease);
            let all = self.books.leases.get(lease).map(|lease| lease.jobs.clone()).unwrap_or_default();
            let told = all.into_iter().filter(|job| jobs.contains(&number(job)));
            let told: Vec<_> = told.map(|job| (job, Verdict::Done, lease)).collect();
            self.settle_all(told).await;
            self.check().await;
            let stats = self.queue.stats().await.unwrap();
            if stats.waiting + stats.delayed + stats.active + stats.held == 0 {
                break;
            }
        }
        self.compare().await;
        assert_eq!(self.books.count(Entry::is_here), 0, "something is left");
        let stats = self.queue.stats().await.unwrap();
        for batch in &self.books.batches {
            assert!(batch.called && self.books.entries[batch.callback].state != State::Out, "batch {}", batch.id);
        }
        let late: u64 = stats.kinds.values().map(|kind| kind.late).sum();
        println!(
            "seed {}: {} steps, {} jobs, {} done, {late} late",
            self.seed,
            self.taken,
            stats.enqueued(),
            stats.done()
        );
    }
}
