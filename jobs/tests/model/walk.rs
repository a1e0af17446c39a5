//! The walk: steps at random, each booked in the model. Here is what producers and workers do.

use std::{collections::VecDeque, time::Duration};

use millgate_jobs::{Claimed, Failure, Hand, Limits, Queue, QueueError, Queues, RedisConfig, Verdict};
use millgate_testkit::RedisSpace;
use rand::{RngExt, SeedableRng, rngs::SmallRng};

use crate::{
    books::{Batch, Books, Door, Moment},
    claims::number,
    entry::{Entry, State},
    spec::Spec,
};

pub(crate) const LEASE: Duration = Duration::from_secs(30);
const WINDOW: Duration = Duration::from_mins(10);
pub(crate) const HANDS: usize = 4;
/// More jobs than that are not put in.
const CROWD: usize = 300;
/// Steps that are shown when something is wrong.
const SHOWN: usize = 50;

pub(crate) struct Walk {
    pub(crate) seed: u64,
    pub(crate) checked: usize,
    pub(crate) random: SmallRng,
    pub(crate) space: RedisSpace,
    pub(crate) queues: Queues,
    pub(crate) queue: Queue,
    pub(crate) hands: Vec<Hand>,
    pub(crate) books: Books,
    pub(crate) limits: Limits,
    pub(crate) paused: bool,
    /// Starts under the rate that holds.
    pub(crate) starts: Vec<i64>,
    pub(crate) done: Vec<(Claimed, usize)>,
    pub(crate) steps: VecDeque<String>,
    /// The moment of the last step.
    pub(crate) last: i64,
    pub(crate) taken: usize,
}

impl Drop for Walk {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let steps: Vec<_> = self.steps.iter().map(String::as_str).collect();
            eprintln!("the last steps of {}:\n{}", self.taken, steps.join("\n"));
            eprintln!("MILLGATE_SEED={} repeats it; keys: {}", self.seed, self.space.config().prefix);
        }
    }
}

impl Walk {
    /// One that looks at the whole queue after so many steps.
    pub(crate) fn new(seed: u64, checked: usize) -> Self {
        let space = RedisSpace::fresh("model");
        let config = RedisConfig { dedupe_window: WINDOW, ..space.config() };
        let queues = Queues::new(&config).unwrap();
        let queue = queues.queue("main");
        Self {
            seed,
            checked,
            random: SmallRng::seed_from_u64(seed),
            hands: (0..HANDS).map(|_| Hand::new(&queue, LEASE)).collect(),
            space,
            queues,
            queue,
            books: Books::new(millis(WINDOW)),
            limits: Limits::default(),
            paused: false,
            starts: Vec::new(),
            done: Vec::new(),
            steps: VecDeque::new(),
            last: 0,
            taken: 0,
        }
    }

    pub(crate) fn say(&mut self, step: &str) {
        if self.steps.len() == SHOWN {
            self.steps.pop_front();
        }
        self.steps.push_back(format!("{:6} {step}", self.taken));
    }

    /// The moment between the last one and now.
    pub(crate) async fn moment(&mut self) -> Moment {
        let now = self.queue.now().await.unwrap().timestamp_millis();
        (std::mem::replace(&mut self.last, now), now)
    }

    pub(crate) async fn pass(&mut self, time: i64) {
        self.say(&format!("{time} ms pass"));
        self.queues.pass(Duration::from_millis(time.unsigned_abs()));
        self.moment().await;
    }

    pub(crate) async fn step(&mut self) {
        self.taken += 1;
        if self.last == 0 {
            self.moment().await;
        }
        match self.random.random_range(0..100) {
            0..6 => self.enqueue_plain().await,
            6..22 => self.enqueue_any().await,
            22..24 => self.enqueue_batch().await,
            24..27 => self.enqueue_chain().await,
            27..48 => self.claim().await,
            48..70 => self.settle().await,
            70..78 => self.let_time_pass().await,
            78..81 => self.renew().await,
            81..83 => self.crash(),
            83..86 => self.cancel().await,
            86..88 => self.stop().await,
            88..91 => self.reschedule().await,
            91..92 => self.remove().await,
            92..94 => self.note().await,
            94..96 => self.bury().await,
            96..98 => self.set_limits().await,
            _ => self.look_around().await,
        }
        self.check().await;
    }

    pub(crate) async fn check(&mut self) {
        if self.taken.is_multiple_of(self.checked) {
            let (wrong, stats) = tokio::join!(self.queue.check(), self.queue.stats());
            let (wrong, stats) = (wrong.unwrap(), stats.unwrap());
            assert!(wrong.is_empty(), "{wrong:#?}");
            assert!(stats.adds_up(), "{stats:?}");
        }
        if self.books.count(|entry| entry.state == State::Unsure) > 0 || self.taken.is_multiple_of(25) {
            self.compare().await;
        }
    }

    pub(crate) fn crowded(&self) -> bool {
        self.books.count(Entry::is_here) > CROWD
    }

    pub(crate) async fn enqueue_plain(&mut self) {
        let many = self.random.random_range(1..60);
        let same = Spec::plain(&mut self.random);
        let mixed = self.random.random_bool(0.2);
        let specs = (0..many).map(|_| if mixed { Spec::plain(&mut self.random) } else { same.clone() }).collect();
        self.enqueue(specs).await;
    }

    pub(crate) async fn enqueue_any(&mut self) {
        let many = self.random.random_range(1..4);
        let specs = (0..many).map(|_| Spec::any(&mut self.random, self.last)).collect();
        self.enqueue(specs).await;
    }

    pub(crate) async fn enqueue(&mut self, specs: Vec<Spec>) {
        if self.crowded() {
            return;
        }
        let numbers: Vec<usize> = specs.into_iter().map(|spec| self.books.add(spec)).collect();
        let jobs: Vec<_> = numbers.iter().map(|n| self.books.entries[*n].spec.job(*n)).collect();
        let full = self.is_full();
        let results = self.queue.enqueue(&jobs).await;
        let now = self.moment().await;
        self.say(&format!("enqueue {numbers:?}: {results:?}"));
        if full {
            assert!(matches!(results, Err(QueueError::QueueFull(_))), "{results:?}");
            return;
        }
        for (n, result) in numbers.into_iter().zip(results.unwrap()) {
            self.books.entered(n, result, now);
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        let here = self.books.count(Entry::is_here) as u64;
        self.limits.max_jobs.is_some_and(|most| here >= most)
    }

    /// A job without anything that the door looks at.
    pub(crate) fn simple(&mut self) -> Spec {
        Spec { id: None, once: None, ..Spec::any(&mut self.random, self.last) }.without_key()
    }

    pub(crate) async fn enqueue_batch(&mut self) {
        if self.crowded() || self.limits.max_jobs.is_some() {
            return;
        }
        let many = self.random.random_range(0..5);
        let members: Vec<usize> = (0..many)
            .map(|_| {
                let spec = if self.random.random_bool(0.5) { self.simple() } else { Spec::plain(&mut self.random) };
                self.books.add(spec)
            })
            .collect();
        let callback = Spec::plain(&mut self.random);
        // The callback's attempts are its kind's.
        let callback = self.books.add(Spec { attempts: 4, ..callback });
        let jobs = members.iter().map(|n| self.books.entries[*n].spec.job(*n)).collect();
        let id = self.queue.enqueue_batch(jobs, &self.books.entries[callback].spec.job(callback)).await.unwrap();
        let now = self.moment().await;
        self.say(&format!("batch {id}: {members:?}, then {callback}"));
        let number = self.books.batches.len();
        let (left, total) = (members.len(), members.len());
        self.books.batches.push(Batch { id, left: left + 1, total, dead: 0, callback, called: false });
        for n in members {
            self.books.entries[n].batch = Some(number);
            self.books.pass_door(n, Door::In(None), None, now);
        }
        let closing = self.books.add(Spec::plain(&mut self.random));
        self.books.entries[closing].batch = Some(number);
        self.books.entries[closing].state = State::Refused;
        self.books.close_in_batch(closing, State::Done, now);
        self.compare().await;
    }

    pub(crate) async fn enqueue_chain(&mut self) {
        if self.crowded() || self.is_full() {
            return;
        }
        let links: Vec<usize> = (0..self.random.random_range(2..4))
            .map(|link| {
                let spec = Spec::any(&mut self.random, self.last);
                let spec = if link == 0 { spec } else { Spec { id: None, once: None, ..spec } };
                self.books.add(spec)
            })
            .collect();
        let jobs = links.iter().map(|n| self.books.entries[*n].spec.job(*n));
        let chain = jobs.reduce(millgate_jobs::NewJob::then).unwrap();
        self.books.entries[links[0]].following = links[1..].to_vec();
        let results = self.queue.enqueue(&[chain]).await.unwrap();
        let now = self.moment().await;
        self.say(&format!("chain {links:?}: {results:?}"));
        self.books.entered(links[0], results[0], now);
    }

    pub(crate) async fn claim(&mut self) {
        let hand = self.random.random_range(0..HANDS);
        let most = self.random.random_range(1..80);
        self.claim_by(hand, most).await;
    }

    pub(crate) async fn claim_by(&mut self, hand: usize, most: usize) -> usize {
        let active = self.books.count(Entry::is_active);
        let jobs = self.hands[hand].claim(most).await.unwrap();
        let now = self.moment().await;
        let numbers: Vec<_> = jobs.iter().map(number).collect();
        self.say(&format!("hand {hand} claims {most}: {numbers:?}"));
        for lease in self.books.open_leases() {
            if self.books.leases[lease].till.0 > now.1 {
                continue;
            }
            let keys: Vec<_> = self.books.under(lease).into_iter().filter_map(|n| self.books.entries[n].key).collect();
            let views = self.queue.look(&keys).await.unwrap();
            if self.books.is_lost(lease, &jobs, &views) {
                self.say(&format!("lease {lease} is lost"));
                self.books.lose(lease, now);
            }
        }
        let brought = jobs.len();
        assert!(brought <= most && (brought == 0 || !self.paused));
        if let Some(limit) = self.limits.concurrency {
            let active_now = self.books.count(Entry::is_active) + brought;
            assert!(brought == 0 || active_now as u64 <= limit, "{active} and {brought} more are active of {limit}");
        }
        if let Some(rate) = self.limits.rate {
            self.starts.extend(std::iter::repeat_n(now.1, brought));
            let from = now.0 - millis(rate.per);
            let recent = self.starts.iter().filter(|start| **start > from).count();
            assert!(recent <= 2 * rate.jobs as usize, "{recent} started at a rate of {rate:?}");
        }
        self.books.claimed(hand, jobs, millis(LEASE), now);
        let swept = self.sweep_doomed().await;
        // Whose place in a lane one has that was swept away may come to the next claim.
        if brought < most && !swept && !self.paused && self.limits.concurrency.is_none() && self.limits.rate.is_none() {
            self.books.check_nothing_left(now);
        }
        brought
    }

    /// Waiting jobs that were cancelled go as soon as a claim comes to them.
    pub(crate) async fn sweep_doomed(&mut self) -> bool {
        let doomed = self.books.numbers(Entry::is_pending);
        let doomed: Vec<_> = doomed.into_iter().filter(|n| self.books.is_doomed(*n)).collect();
        let keys: Vec<_> = doomed.iter().filter_map(|n| self.books.entries[*n].key).collect();
        if keys.is_empty() {
            return false;
        }
        let views = self.queue.look(&keys).await.unwrap();
        let now = (self.last, self.last);
        let before = self.books.count(Entry::is_pending);
        for n in doomed {
            let Some(key) = self.books.entries[n].key else { continue };
            if !views.iter().any(|view| view.key == key) {
                self.books.end(n, State::Cancelled, now);
            }
        }
        self.books.count(Entry::is_pending) < before
    }

    pub(crate) fn verdict(&mut self) -> Verdict {
        let after = Duration::from_millis(*self.pick(&[0, 1, 500, 5_000, 40_000]));
        match self.random.random_range(0..20) {
            0..10 => Verdict::Done,
            10..14 => Verdict::Retry { after, failure: Failure::new("broken", "it broke") },
            14..16 => Verdict::Snooze { after },
            16..18 => Verdict::HandBack { after },
            18 => Verdict::Cancel { reason: "no longer".into() },
            _ => Verdict::Dead { failure: Failure::new("hopeless", "no") },
        }
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.random.random_range(0..from.len())]
    }

    /// Some of a claim, with verdicts of all kinds, and with results that come late or twice.
    pub(crate) async fn settle(&mut self) {
        let open = self.books.open_leases();
        let mut results: Vec<(Claimed, Verdict, usize)> = Vec::new();
        if !open.is_empty() {
            let share = *self.pick(&[1.0, 0.9, 0.5, 0.2]);
            let all_done = self.random.random_bool(0.4);
            for _ in 0..self.random.random_range(1..3) {
                let lease = *self.pick(&open);
                for job in self.books.leases[lease].jobs.clone() {
                    let active = self.books.entries[number(&job)].state == State::Active(lease);
                    let told = results.iter().any(|(other, ..)| number(other) == number(&job));
                    if active && !told && self.random.random_bool(share) {
                        let verdict = if all_done { Verdict::Done } else { self.verdict() };
                        results.push((job, verdict, lease));
                    }
                }
            }
        }
        if !self.done.is_empty() && self.random.random_bool(0.2) {
            for _ in 0..self.random.random_range(1..4) {
                let (job, lease) = self.pick(&self.done.clone()).clone();
                results.push((job, self.verdict(), lease));
            }
        }
        // Twice in one call, as two answers to the same question.
        let twice: Vec<_> = results.iter().filter(|(_, verdict, _)| *verdict == Verdict::Done).cloned().collect();
        if self.random.random_bool(0.1) {
            results.extend(twice);
        }
        self.settle_all(results).await;
    }

    pub(crate) async fn settle_all(&mut self, results: Vec<(Claimed, Verdict, usize)>) {
        if results.is_empty() {
            return;
        }
        let hand = self.random.random_range(0..HANDS);
        let told: Vec<_> = results.iter().map(|(job, verdict, _)| (job.clone(), verdict.clone())).collect();
        let late = self.hands[hand].settle(&told).await.unwrap();
        let now = self.moment().await;
        let words: Vec<_> = results.iter().map(|(job, verdict, lease)| (number(job), verdict, *lease)).collect();
        self.say(&format!("settle {words:?}: {late} late"));
        let mut expected = 0;
        for (job, verdict, lease) in &results {
            expected += usize::from(!self.books.settled(job, *lease, verdict, now));
            self.done.push((job.clone(), *lease));
        }
        assert_eq!(late, expected, "results came late");
        if self.done.len() > 100 {
            self.done.drain(..50);
        }
    }

    pub(crate) async fn let_time_pass(&mut self) {
        let time = match self.random.random_range(0..20) {
            0..12 => self.random.random_range(1..5_000),
            12..18 => self.random.random_range(5_000..14_900),
            18 => 60_000,
            _ => 1_200_000,
        };
        self.pass(time).await;
    }

    pub(crate) async fn renew(&mut self) {
        let hand = self.random.random_range(0..HANDS);
        self.hands[hand].renew().await.unwrap();
        let now = self.moment().await;
        self.say(&format!("hand {hand} renews"));
        for lease in self.books.open_leases() {
            if self.books.leases[lease].hand != Some(hand) {
                continue;
            }
            let under = self.books.under(lease);
            let it = &mut self.books.leases[lease];
            it.till = (now.0 + millis(LEASE), now.1 + millis(LEASE));
            for job in &it.jobs {
                let n = number(job);
                if under.contains(&n) {
                    let stopping = self.books.entries[n].stopping;
                    assert_eq!((job.is_cancelled(), job.lost.is_cancelled()), (stopping, stopping), "of job {n}");
                }
            }
        }
    }

    /// A worker dies: nobody renews its leases, though what it had in hand may still come to be told.
    pub(crate) fn crash(&mut self) {
        let hand = self.random.random_range(0..HANDS);
        self.say(&format!("hand {hand} dies"));
        self.hands[hand] = Hand::new(&self.queue, LEASE);
        for lease in &mut self.books.leases {
            if lease.hand == Some(hand) {
                lease.hand = None;
            }
        }
    }
}

pub(crate) fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap()
}
