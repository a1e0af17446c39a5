//! Schedules: each tick once, whoever fires it, whenever they are there, and whatever is changed meanwhile.

use std::time::Duration;

use chrono::{DateTime, Utc};
use millgate_jobs::{CatchUp, Job, RedisConfig, Schedule, ScheduleError, Scheduler, Schedules, Times};
use millgate_testkit::{Proxy, wait_for};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::{
    bench::{Bench, SOON, Work},
    worker::Settings,
};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

fn schedule(name: &str, cron: &str) -> Schedule {
    Schedule::new(name, cron, "UTC", &Work { n: 7 }).unwrap()
}

/// The schedules of the bench's queue, on a connection of their own, by a clock that is so much ahead.
fn schedules(bench: &Bench, ahead: i64) -> Schedules {
    at(&bench.redis().config(), ahead)
}

fn at(config: &RedisConfig, ahead: i64) -> Schedules {
    let queues = millgate_jobs::Queues::new(config).unwrap();
    Schedules::new(&queues, [Work::QUEUE]).with_clock_shift(ahead)
}

/// One turn of a scheduler that has just been started: gives how many ticks it fired, and the time.
async fn turn(bench: &Bench, ahead: i64) -> (usize, DateTime<Utc>) {
    let turn = Scheduler::new(schedules(bench, ahead)).turn().await.unwrap();
    (turn.fired, turn.now)
}

/// The ticks that jobs in the queue were made for, in order, with repetitions.
async fn ticks(bench: &Bench) -> Vec<i64> {
    let mut ticks = Vec::new();
    for key in bench.redis().keys().await {
        if bench.redis().command::<String>(&["TYPE", &key]).await != "hash" {
            continue;
        }
        for text in bench.redis().command::<Vec<String>>(&["HVALS", &key]).await {
            if let Some((_, rest)) = text.split_once("\"tick\":") {
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                ticks.push(digits.parse().unwrap());
            }
        }
    }
    ticks.sort_unstable();
    ticks
}

/// What the schedule's expression names after one moment, up to another.
fn named(schedule: &Schedule, after: DateTime<Utc>, end: DateTime<Utc>) -> Vec<i64> {
    let ticks = std::iter::successors(schedule.next_after(after), |tick| schedule.next_after(*tick));
    ticks.take_while(|tick| *tick <= end).map(|tick| tick.timestamp_millis()).collect()
}

/// Lets the schedule begin at the start of a minute, whatever time it is: ahead of Redis' clock by so much.
async fn ahead_to_the_minute(bench: &Bench) -> i64 {
    let now = bench.redis().now().await;
    // Tests must not be slower than the rest of that minute.
    HOUR - now % MINUTE
}

/// A scheduler on a runtime of its own, so that it can be killed.
struct Running {
    runtime: Option<Runtime>,
    stop: CancellationToken,
}

impl Running {
    fn start(schedules: Schedules) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let stop = CancellationToken::new();
        runtime.spawn(Scheduler::new(schedules).run(stop.clone()));
        Self { runtime: Some(runtime), stop }
    }
}

impl Drop for Running {
    /// It dies without a word.
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

#[tokio::test]
async fn two_schedulers_fire_each_tick_once_and_never_early() {
    let bench = Bench::new();
    let every_second = schedule("pulse", "* * * * * *").catch_up(CatchUp::All);
    let keeper = schedules(&bench, 0);
    keeper.put(&every_second).await.unwrap();
    let mut running = vec![Running::start(schedules(&bench, 0)), Running::start(schedules(&bench, 0))];
    let mut worker = bench.worker(Settings::ONE);
    for _ in 0..3 {
        let run = worker.next().await;
        assert_eq!((run.n(), &*run.job.kind), (7, Work::KIND));
        run.done();
    }
    worker.stop().await;
    // One of them is killed, and the other goes on.
    running.pop();
    bench.until("it goes on", |stats| stats.enqueued() >= 6).await;
    running.pop().unwrap().stop.cancel();
    keeper.pause("pulse").await.unwrap();

    let state = keeper.list().await.unwrap().remove(0);
    assert!(state.paused && state.next.is_none());
    let left = ticks(&bench).await;
    assert!(left.windows(2).all(|pair| pair[1] - pair[0] == SECOND), "{left:?}");
    assert_eq!(left.last().copied(), state.last.map(|tick| tick.timestamp_millis()));
    assert!(*left.last().unwrap() <= bench.redis().now().await);
    bench.check().await;
}

#[tokio::test]
async fn of_two_that_see_the_same_tick_one_fires_it() {
    let bench = Bench::new();
    let ahead = ahead_to_the_minute(&bench).await;
    schedules(&bench, ahead).put(&schedule("minutely", "* * * * *")).await.unwrap();
    let (mut one, mut two) =
        (Scheduler::new(schedules(&bench, ahead + MINUTE)), Scheduler::new(schedules(&bench, ahead + MINUTE)));
    let (seen_by_one, seen_by_two) = (one.due().await.unwrap(), two.due().await.unwrap());
    let (fired, again) = tokio::join!(one.fire(&seen_by_one), two.fire(&seen_by_two));
    assert_eq!(fired.unwrap() + again.unwrap(), 1);
    assert_eq!((one.fire(&seen_by_one).await.unwrap(), two.turn().await.unwrap().fired), (0, 0));
    assert_eq!(ticks(&bench).await.len(), 1);

    // To a clock that is behind (another Redis took over), it would be early.
    let seen = Scheduler::new(schedules(&bench, ahead + 3 * MINUTE)).due().await.unwrap();
    assert_eq!(two.fire(&seen).await.unwrap(), 0);
    assert_eq!(Scheduler::new(schedules(&bench, ahead + 3 * MINUTE)).fire(&seen).await.unwrap(), 1);
    bench.check().await;
}

#[tokio::test]
async fn after_downtime_the_policy_decides() {
    for (policy, after_hours, wanted) in
        [(CatchUp::Skip, 0, 0), (CatchUp::One, 0, 0), (CatchUp::Skip, 5, 0), (CatchUp::One, 5, 1), (CatchUp::All, 5, 5)]
    {
        let bench = Bench::new();
        // To half past the hour, where no tick is near.
        let start = 2 * HOUR - (bench.redis().now().await + HOUR / 2) % HOUR;
        schedules(&bench, start).put(&schedule("hourly", "@hourly").catch_up(policy)).await.unwrap();
        let (fired, now) = turn(&bench, start + after_hours * HOUR).await;
        assert_eq!(fired, wanted, "{policy:?} after {after_hours} h");
        let fired = ticks(&bench).await;
        assert_eq!(fired.len(), wanted);
        if let Some(latest) = fired.last() {
            assert!(now.timestamp_millis() - latest < HOUR, "the latest is among them");
        }
        // What is made up for, or not, is done with.
        assert_eq!(turn(&bench, start + after_hours * HOUR).await.0, 0);
        // The next one is nobody's to make up for.
        assert_eq!(turn(&bench, start + (after_hours + 1) * HOUR - HOUR / 2 + SECOND).await.0, 1);
        bench.check().await;
    }
}

#[tokio::test]
async fn of_too_many_missed_ticks_the_latest_thousand_are_made_up_for() {
    let bench = Bench::new();
    schedules(&bench, 0).put(&schedule("pulse", "* * * * * *").catch_up(CatchUp::All)).await.unwrap();
    let (fired, now) = turn(&bench, 24 * HOUR).await;
    assert_eq!(fired, 1_000);
    let fired = ticks(&bench).await;
    assert_eq!(fired.last(), Some(&(now.timestamp_millis() / SECOND * SECOND)));
    assert!(fired.windows(2).all(|pair| pair[1] - pair[0] == SECOND));
    assert_eq!(bench.check().await.waiting, 1_000);
}

/// Whatever downtimes there are, and whoever comes back when: under `All` each tick is fired once.
#[tokio::test]
async fn random_downtimes_neither_double_nor_lose_a_tick() {
    for seed in 0..8 {
        let mut random = SmallRng::seed_from_u64(seed);
        let bench = Bench::new();
        let cron = ["* * * * *", "*/7 * * * *", "0 * * * *", "*/30 * * * * *"][random.random_range(0..4)];
        let jitter = Duration::from_millis(random.random_range(0..90_000));
        let schedule = schedule("steady", cron).catch_up(CatchUp::All).jitter(jitter);
        let begin = bench.redis().now().await;
        schedules(&bench, 0).put(&schedule).await.unwrap();
        let added = bench.redis().now().await;
        let mut ahead = 0;
        for _ in 0..25 {
            let longest = if random.random_bool(0.2) { 3 * HOUR } else { 2 * MINUTE };
            ahead += random.random_range(0..longest);
            tokio::join!(turn(&bench, ahead), turn(&bench, ahead));
        }
        let (_, end) = turn(&bench, ahead + 2 * HOUR).await;
        let fired = ticks(&bench).await;
        let begin = DateTime::from_timestamp_millis(begin).unwrap();
        let wanted = named(&schedule, begin, end);
        // It was added between two moments, and its last tick may be put off.
        let last = *wanted.last().unwrap();
        let lost: Vec<_> =
            wanted.iter().filter(|tick| !fired.contains(tick) && **tick > added && **tick != last).collect();
        assert!(lost.is_empty(), "seed {seed}, {cron}, {jitter:?}: lost {lost:?}");
        let mut once = fired.clone();
        once.dedup();
        assert_eq!(fired, once, "seed {seed}: doubled");
        assert!(fired.iter().all(|tick| wanted.contains(tick)), "seed {seed}: nobody named them");
        bench.check().await;
    }
}

#[tokio::test]
async fn a_change_takes_effect_and_what_was_read_before_it_does_not() {
    let bench = Bench::new();
    let ahead = ahead_to_the_minute(&bench).await;
    let keeper = schedules(&bench, ahead);
    keeper.put(&schedule("report", "* * * * *")).await.unwrap();
    let mut scheduler = Scheduler::new(schedules(&bench, ahead + MINUTE));
    let seen = scheduler.due().await.unwrap();

    // Another payload at the same times: the tick that is due is fired with it.
    let other = Schedule::new("report", "* * * * *", "UTC", &Work { n: 8 }).unwrap();
    schedules(&bench, ahead + MINUTE).put(&other).await.unwrap();
    assert_eq!(scheduler.fire(&seen).await.unwrap(), 0);
    assert_eq!(scheduler.turn().await.unwrap().fired, 1);
    let mut worker = bench.worker(Settings::ONE);
    let run = worker.next().await;
    assert_eq!(run.n(), 8);
    run.done();
    worker.stop().await;

    // Other times: what they had named before now is nobody's to make up for.
    let other = schedule("report", "*/30 * * * * *").catch_up(CatchUp::All);
    schedules(&bench, ahead + 10 * MINUTE).put(&other).await.unwrap();
    assert_eq!(turn(&bench, ahead + 10 * MINUTE).await.0, 0);
    assert_eq!(turn(&bench, ahead + 11 * MINUTE).await.0, 2);

    keeper.remove("report").await.unwrap();
    assert!(keeper.list().await.unwrap().is_empty());
    assert_eq!(turn(&bench, ahead + 20 * MINUTE).await.0, 0);
    let error = keeper.remove("report").await.unwrap_err();
    assert_eq!(error.to_string(), "there is no schedule `report`; there are: none");
    bench.check().await;
}

#[tokio::test]
async fn what_is_paused_fires_nothing_and_makes_up_for_nothing() {
    let bench = Bench::new();
    let ahead = ahead_to_the_minute(&bench).await;
    let after = |minutes: i64| schedules(&bench, ahead + minutes * MINUTE);
    after(0).put(&schedule("report", "* * * * *").catch_up(CatchUp::All)).await.unwrap();
    let seen = Scheduler::new(after(1)).due().await.unwrap();
    after(1).pause("report").await.unwrap();
    assert_eq!(Scheduler::new(after(1)).fire(&seen).await.unwrap(), 0);
    assert_eq!(turn(&bench, ahead + 5 * MINUTE).await.0, 0);
    after(5).resume("report").await.unwrap();
    assert_eq!(turn(&bench, ahead + 5 * MINUTE).await.0, 0);
    // Seen before the pause, fired after it.
    assert_eq!(Scheduler::new(after(5)).fire(&seen).await.unwrap(), 0);
    assert_eq!(turn(&bench, ahead + 7 * MINUTE).await.0, 2);
    // To resume what is not paused leaves nothing out.
    after(9).resume("report").await.unwrap();
    assert_eq!(turn(&bench, ahead + 9 * MINUTE).await.0, 2);
    bench.check().await;
}

#[tokio::test]
async fn run_now_leaves_the_ticks_as_they_are() {
    let bench = Bench::new();
    let ahead = ahead_to_the_minute(&bench).await;
    let keeper = schedules(&bench, ahead);
    keeper.put(&schedule("report", "* * * * *")).await.unwrap();
    let before = keeper.list().await.unwrap().remove(0);
    keeper.run_now("report").await.unwrap();
    keeper.pause("report").await.unwrap();
    keeper.run_now("report").await.unwrap();
    keeper.resume("report").await.unwrap();
    let mut worker = bench.worker(Settings::ONE);
    for _ in 0..2 {
        let run = worker.next().await;
        assert_eq!(run.n(), 7);
        run.done();
    }
    worker.stop().await;
    let after = keeper.list().await.unwrap().remove(0);
    assert_eq!((before.last, before.next), (None, after.next));
    assert_eq!(after.last, None);
    assert_eq!(turn(&bench, ahead + MINUTE).await.0, 1);
    let error = keeper.run_now("rapport").await.unwrap_err();
    assert_eq!(error.to_string(), "there is no schedule `rapport`; there are: report");
    bench.check().await;
}

#[tokio::test]
async fn the_code_has_the_last_word_on_its_own_schedules_but_a_pause_stays() {
    let bench = Bench::new();
    let ahead = ahead_to_the_minute(&bench).await;
    let keeper = schedules(&bench, ahead);
    let (one, two) = (schedule("one", "* * * * *"), schedule("two", "* * * * *"));
    keeper.put(&schedule("theirs", "@yearly")).await.unwrap();
    keeper.declare("shop", &[one.clone(), two.clone()]).await.unwrap();
    keeper.pause("two").await.unwrap();
    // A restart with other code: one has changed, two has gone.
    keeper.declare("shop", &[schedule("one", "@hourly")]).await.unwrap();
    // Another application on the same queue has no say in this.
    keeper.declare("bakery", &[]).await.unwrap();
    let states = keeper.list().await.unwrap();
    let seen: Vec<_> = states
        .iter()
        .map(|state| {
            (state.schedule.name(), state.schedule.cron(), state.application.as_deref(), state.left, state.paused)
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("one", "@hourly", Some("shop"), false, false),
            ("theirs", "@yearly", None, false, false),
            ("two", "* * * * *", Some("shop"), true, true),
        ]
    );
    assert!(states[2].next.is_none());
    for refused in [keeper.put(&one).await, keeper.remove("one").await.map(drop)] {
        assert!(matches!(refused, Err(ScheduleError::InCode { .. })), "{refused:?}");
    }
    // Back in the code, and still paused.
    let mut scheduler = Scheduler::new(keeper.clone()).declaring("shop", vec![one.clone(), two]);
    assert_eq!(scheduler.turn().await.unwrap().fired, 0);
    assert_eq!(turn(&bench, ahead + MINUTE).await.0, 1);
    keeper.resume("two").await.unwrap();
    assert_eq!(turn(&bench, ahead + 2 * MINUTE).await.0, 2);
    // What left the code can be removed.
    keeper.declare("shop", &[one]).await.unwrap();
    assert_eq!(turn(&bench, ahead + 3 * MINUTE).await.0, 1);
    keeper.remove("two").await.unwrap();
    bench.check().await;
}

fn times(cron: &str, zone: &str) -> Times {
    Times { cron: cron.into(), zone: zone.into() }
}

#[tokio::test]
async fn other_times_stay_until_they_are_reset_or_the_code_has_new_ones() {
    let bench = Bench::new();
    let ahead = ahead_to_the_minute(&bench).await;
    let keeper = schedules(&bench, ahead);
    let hourly = schedule("report", "@hourly");
    keeper.declare("shop", std::slice::from_ref(&hourly)).await.unwrap();
    keeper.edit("report", &times(" */2 * * * * ", "Asia/Kathmandu")).await.unwrap();
    let state = keeper.list().await.unwrap().remove(0);
    assert_eq!((state.schedule.cron(), state.schedule.zone()), ("*/2 * * * *", "Asia/Kathmandu"));
    assert_eq!(state.defined, Some(times("@hourly", "UTC")));

    // A restart, even with another payload, leaves them as they are; and they fire.
    let other = Schedule::new("report", "@hourly", "UTC", &Work { n: 8 }).unwrap();
    keeper.declare("shop", std::slice::from_ref(&other)).await.unwrap();
    assert_eq!(turn(&bench, ahead + 2 * MINUTE).await.0, 1);
    let state = schedules(&bench, ahead + 2 * MINUTE).list().await.unwrap().remove(0);
    assert_eq!((state.schedule.cron(), state.jobs.len()), ("*/2 * * * *", 1));
    assert_eq!((state.jobs[0].tick, state.overdue), (state.last, None));

    for wrong in [times("* * *", "UTC"), times("@daily", "Mars/Olympus"), times("0 0 30 2 *", "UTC")] {
        assert!(keeper.edit("report", &wrong).await.is_err(), "{wrong:?}");
    }
    schedules(&bench, ahead + 3 * MINUTE).reset("report").await.unwrap();
    let state = keeper.list().await.unwrap().remove(0);
    assert_eq!((state.schedule.cron(), state.defined), ("@hourly", None));

    // New times of the code are newer than those of the operator.
    keeper.edit("report", &times("@yearly", "UTC")).await.unwrap();
    keeper.declare("shop", &[schedule("report", "@daily")]).await.unwrap();
    let state = keeper.list().await.unwrap().remove(0);
    assert_eq!((state.schedule.cron(), state.defined), ("@daily", None));
    bench.check().await;
}

#[tokio::test]
async fn what_was_removed_can_be_put_back_and_fires_from_then_on() {
    let bench = Bench::new();
    let ahead = ahead_to_the_minute(&bench).await;
    let after = |minutes: i64| schedules(&bench, ahead + minutes * MINUTE);
    after(0).put(&schedule("report", "* * * * *").catch_up(CatchUp::All)).await.unwrap();
    assert_eq!(turn(&bench, ahead + MINUTE).await.0, 1);
    after(1).edit("report", &times("*/2 * * * *", "UTC")).await.unwrap();
    let removed = after(1).remove("report").await.unwrap();
    assert!(after(1).list().await.unwrap().is_empty());
    after(6).restore("report", &removed).await.unwrap();
    assert!(matches!(after(6).restore("report", &removed).await, Err(ScheduleError::Taken { .. })));
    let state = after(6).list().await.unwrap().remove(0);
    assert_eq!((state.schedule.cron(), state.jobs.len()), ("*/2 * * * *", 1));
    assert_eq!(turn(&bench, ahead + 6 * MINUTE).await.0, 0, "what it missed meanwhile is not made up for");
    assert_eq!(turn(&bench, ahead + 8 * MINUTE).await.0, 1);
    bench.check().await;
}

#[tokio::test]
async fn the_last_five_jobs_are_known_and_what_nobody_fired() {
    let bench = Bench::new();
    let ahead = ahead_to_the_minute(&bench).await;
    let after = |minutes: i64| schedules(&bench, ahead + minutes * MINUTE);
    after(0).put(&schedule("report", "* * * * *").catch_up(CatchUp::All)).await.unwrap();
    let state = after(3).list().await.unwrap().remove(0);
    let overdue = state.overdue.unwrap();
    assert_eq!(overdue.timestamp_millis() % MINUTE, 0);
    assert_eq!(turn(&bench, ahead + 6 * MINUTE).await.0, 6);
    let by_hand = after(6).run_now("report").await.unwrap();
    let state = after(6).list().await.unwrap().remove(0);
    assert_eq!((state.jobs.len(), state.overdue), (5, None));
    assert_eq!((state.jobs[0].key.as_str(), state.jobs[0].tick), (by_hand.as_str(), None));
    assert_eq!(state.jobs[1].tick, state.last);
    assert_eq!(state.jobs[1].tick.unwrap() - overdue, chrono::Duration::minutes(5));
    after(6).pause("report").await.unwrap();
    assert_eq!(after(9).list().await.unwrap()[0].overdue, None, "who pauses it misses nothing");
    bench.check().await;
}

#[tokio::test]
async fn a_tick_is_put_off_by_its_jitter_and_not_lost() {
    let bench = Bench::new();
    let ahead = ahead_to_the_minute(&bench).await;
    let jitter = schedule("report", "* * * * *").jitter(Duration::from_secs(50));
    schedules(&bench, ahead).put(&jitter).await.unwrap();
    let due = schedules(&bench, ahead).list().await.unwrap()[0].next.unwrap().timestamp_millis();
    let tick = due / MINUTE * MINUTE;
    let delay = due - tick;
    assert!((0..50 * SECOND).contains(&delay), "{delay}");
    // At its time, and until it is due, nothing.
    let start = ahead + (tick - (bench.redis().now().await + ahead));
    let before = Scheduler::new(schedules(&bench, start)).turn().await.unwrap();
    assert_eq!(usize::from(before.now.timestamp_millis() >= due), before.fired);
    assert_eq!(turn(&bench, start + delay + SECOND).await.0 + before.fired, 1);
    assert_eq!(ticks(&bench).await, [tick]);
    bench.check().await;
}

#[tokio::test]
async fn a_redis_that_is_away_is_waited_for() {
    let bench = Bench::new();
    let proxy = Proxy::to(&bench.redis().address());
    let config = RedisConfig { response_timeout: Duration::from_secs(1), ..bench.redis().config_at(&proxy.address()) };
    schedules(&bench, 0).put(&schedule("pulse", "* * * * * *").catch_up(CatchUp::All)).await.unwrap();
    let running = Running::start(at(&config, 0));
    bench.until("it fires", |stats| stats.enqueued() >= 1).await;
    proxy.cut();
    let cut = bench.stats().await.enqueued();
    bench.pass(Duration::from_secs(3)).await;
    let away = bench.stats().await.enqueued();
    assert!(away <= cut + 1, "it was not away");
    proxy.restore();
    bench.until("it catches up", |stats| stats.enqueued() >= away + 4).await;
    drop(running);
    let fired = ticks(&bench).await;
    assert!(fired.windows(2).all(|pair| pair[1] - pair[0] == SECOND), "{fired:?}");
    bench.check().await;
}

#[tokio::test]
async fn a_schedule_that_cannot_be_read_keeps_none_of_the_others() {
    let bench = Bench::new();
    let ahead = ahead_to_the_minute(&bench).await;
    let keeper = schedules(&bench, ahead);
    keeper.put(&schedule("broken", "* * * * *")).await.unwrap();
    keeper.put(&schedule("whole", "* * * * *")).await.unwrap();
    let entry: String = bench.redis().command(&["HGET", &bench.key("schedules"), "broken"]).await;
    let newer = entry.replace("* * * * *", "* * * * * whatever comes next");
    bench.redis().command::<i64>(&["HSET", &bench.key("schedules"), "broken", &newer]).await;
    assert_eq!(turn(&bench, ahead + MINUTE).await.0, 1);
    assert_eq!(keeper.list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_queue_that_nobody_looks_after_is_refused() {
    let bench = Bench::new();
    let queues = bench.redis().queues();
    let error = Schedules::new(&queues, ["email", "stock"]).put(&schedule("report", "@daily")).await.unwrap_err();
    assert_eq!(error.to_string(), "schedule `report` is for queue main, which is none of: email, stock");
    let first = wait_for("Redis answers", SOON, async || schedules(&bench, 0).list().await.ok()).await;
    assert!(first.is_empty());
}
