//! Looking: every job of a state can be paged to, and found by what is said of it.

use std::{collections::HashSet, time::Duration};

use millgate_jobs::{Enqueued, Failure, JobId, JobOptions, JobState, Limits, NewJob, Queue, Verdict};

use crate::{
    bench::{Bench, Play, at, job, jobs},
    worker::Settings,
};

/// All ids of a state by pages of 150, each of them once.
async fn paged(queue: &Queue, state: JobState, kind: Option<&str>) -> Vec<JobId> {
    let (mut all, mut from) = (Vec::new(), None);
    loop {
        let page = queue.page(state, from.as_deref(), 150, kind).await.unwrap();
        assert!(page.ids.len() <= 150);
        all.extend(page.ids);
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    let different: HashSet<_> = all.iter().collect();
    assert_eq!(different.len(), all.len(), "{state}: some came twice");
    all
}

fn play(options: JobOptions) -> NewJob {
    NewJob::new(&Play, options, at(0)).unwrap()
}

fn keys(entered: &[Enqueued]) -> HashSet<JobId> {
    entered.iter().filter_map(Enqueued::id).collect()
}

/// Puts 1,200 of one kind in and 150 of another, in turns, and looks for each in a state that they are in.
async fn complete(bench: &Bench, state: JobState, works: &HashSet<JobId>, plays: &HashSet<JobId>) {
    let of = async |kind| paged(&bench.queue, state, kind).await.into_iter().collect::<HashSet<_>>();
    assert_eq!(&of(Some("work")).await, works, "{state}");
    assert_eq!(&of(Some("play")).await, plays, "{state}");
    assert_eq!(of(None).await.len(), works.len() + plays.len(), "{state}");
    assert!(of(Some("nothing")).await.is_empty(), "{state}");
    let some: Vec<_> = works.iter().take(20).chain(plays.iter().take(20)).copied().collect();
    let views = bench.queue.look(&some).await.unwrap();
    assert!(views.len() == 40 && views.iter().all(|view| view.state == state), "{state}");
    assert!(views[..20].iter().all(|view| view.kind == "work" && view.payload.starts_with(r#"{"n":"#)));
}

async fn enter_both(bench: &Bench, options: JobOptions) -> (HashSet<JobId>, HashSet<JobId>) {
    let works: Vec<_> = (0..1_200).map(|n| job(n, options.clone())).collect();
    let works = keys(&bench.queue.enqueue(&works).await.unwrap());
    let plays = keys(&bench.queue.enqueue(&vec![play(options); 150]).await.unwrap());
    (works, plays)
}

#[tokio::test]
async fn waiting_jobs_in_blocks_and_by_themselves_and_of_tenants() {
    let bench = Bench::new();
    let options = [
        JobOptions::default(),
        JobOptions::default().index("a", "b"),
        JobOptions::default().priority(7),
        JobOptions::default().tenant("t", 2).priority(3),
    ];
    let (mut works, mut plays) = (HashSet::new(), HashSet::new());
    for options in options {
        let (some, others) = enter_both(&bench, options).await;
        works.extend(some);
        plays.extend(others);
    }
    complete(&bench, JobState::Waiting, &works, &plays).await;
    // Some leave from the middle, and one block is begun.
    let gone: Vec<_> = works.iter().copied().step_by(3).collect();
    bench.queue.stop(&gone).await.unwrap();
    works.retain(|key| !gone.contains(key));
    let mut worker = bench.worker(Settings::ONE);
    let run = worker.next().await;
    works.remove(&run.key());
    complete(&bench, JobState::Waiting, &works, &plays).await;
    worker.kill();
    bench.check().await;
}

#[tokio::test]
async fn delayed_and_held_jobs() {
    let bench = Bench::new();
    let later = bench.queue.now().await.unwrap() + Duration::from_hours(1);
    let (works, plays) = enter_both(&bench, JobOptions::default().run_at(later)).await;
    complete(&bench, JobState::Delayed, &works, &plays).await;
    let bench = Bench::new();
    bench.enter(job(0, JobOptions::default().ordered_by("a"))).await;
    let (works, plays) = enter_both(&bench, JobOptions::default().ordered_by("a")).await;
    complete(&bench, JobState::Held, &works, &plays).await;
    bench.check().await;
}

#[tokio::test]
async fn active_dead_and_done_jobs() {
    let bench = Bench::new();
    bench.queue.limit(&Limits { keep_done: Some(5_000), ..Limits::default() }).await.unwrap();
    let (mut works, mut plays) = enter_both(&bench, JobOptions::default()).await;
    let (some, others) = enter_both(&bench, JobOptions::default().index("a", "b")).await;
    works.extend(some);
    plays.extend(others);
    let mut worker = bench.worker(Settings::concurrency(5_000));
    let mut runs = Vec::new();
    for _ in 0..works.len() + plays.len() {
        runs.push(worker.next().await);
    }
    complete(&bench, JobState::Active, &works, &plays).await;
    let (mut dead, mut done) = ((HashSet::new(), HashSet::new()), (HashSet::new(), HashSet::new()));
    for (n, run) in runs.into_iter().enumerate() {
        let (ended, verdict) = if n % 2 == 0 {
            (&mut dead, Verdict::Dead { failure: Failure::new("x", "y") })
        } else {
            (&mut done, Verdict::Done)
        };
        if &*run.job.kind == "work" {
            ended.0.insert(run.key())
        } else {
            ended.1.insert(run.key())
        };
        run.end(verdict);
    }
    worker.stop().await;
    complete(&bench, JobState::Dead, &dead.0, &dead.1).await;
    complete(&bench, JobState::Done, &done.0, &done.1).await;
    bench.check().await;
}

#[tokio::test]
async fn what_waits_is_not_missed_while_workers_take_what_is_ahead_of_it() {
    let bench = Bench::new();
    let mut all = HashSet::new();
    let options = [JobOptions::default(), JobOptions::default().index("a", "b"), JobOptions::default().tenant("t", 2)];
    for options in options {
        let (works, plays) = enter_both(&bench, options).await;
        all.extend(works.into_iter().chain(plays));
    }
    let mut worker = bench.worker(Settings::concurrency(60));
    let (mut seen, mut taken, mut from) = (HashSet::new(), HashSet::new(), None);
    loop {
        let page = bench.queue.page(JobState::Waiting, from.as_deref(), 150, None).await.unwrap();
        seen.extend(page.ids);
        for _ in 0..70 {
            let run = worker.next().await;
            taken.insert(run.key());
            run.end(Verdict::Done);
        }
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    // What it has claimed and not given out.
    taken.extend(paged(&bench.queue, JobState::Active, None).await);
    assert!(seen.len() > all.len() / 2 && taken.len() > 700, "{} {}", seen.len(), taken.len());
    let missed: Vec<_> = all.iter().filter(|id| !seen.contains(id) && !taken.contains(id)).collect();
    assert!(missed.is_empty(), "{} of {}", missed.len(), all.len());
    worker.kill();
    bench.check().await;
}

#[tokio::test]
async fn what_runs_comes_in_pages_that_are_as_large_as_they_may_be() {
    let bench = Bench::new();
    let all = keys(&bench.queue.enqueue(&jobs(6_000)).await.unwrap());
    let mut worker = bench.worker(Settings::concurrency(6_000));
    let mut runs = Vec::new();
    for _ in 0..6_000 {
        runs.push(worker.next().await);
    }
    let first = bench.queue.page(JobState::Active, None, 10_000, None).await.unwrap();
    let second = bench.queue.page(JobState::Active, first.next.as_deref(), 10_000, None).await.unwrap();
    assert_eq!((first.ids.len(), second.ids.len()), (5_000, 1_000));
    assert_eq!(first.ids.into_iter().chain(second.ids).collect::<HashSet<_>>(), all);
    worker.kill();
    bench.check().await;
}

#[tokio::test]
async fn what_stays_is_not_missed_while_others_leave_the_middle() {
    let bench = Bench::new();
    let later = bench.queue.now().await.unwrap() + Duration::from_hours(1);
    bench.enter(job(0, JobOptions::default().ordered_by("a"))).await;
    let options = [
        (JobState::Delayed, JobOptions::default().run_at(later)),
        (JobState::Held, JobOptions::default().ordered_by("a")),
        (JobState::Waiting, JobOptions::default().tenant("t", 2)),
        (JobState::Waiting, JobOptions::default().index("a", "b")),
    ];
    for (state, options) in options {
        let (works, plays) = enter_both(&bench, options).await;
        let (mut seen, mut from) = (HashSet::new(), None);
        loop {
            let page = bench.queue.page(state, from.as_deref(), 150, None).await.unwrap();
            // Also the one that the next page begins behind.
            let gone: Vec<_> = page.ids.iter().rev().step_by(2).copied().collect();
            seen.extend(page.ids);
            bench.queue.stop(&gone).await.unwrap();
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        let missed = works.iter().chain(&plays).filter(|id| !seen.contains(id)).count();
        assert_eq!(missed, 0, "{state}");
    }
    bench.check().await;
}

#[tokio::test]
async fn jobs_are_found_by_what_they_are_indexed_under() {
    let bench = Bench::new();
    let color = |n: usize| ["red", "green", "red=green"][n % 3];
    let all: Vec<_> = (0..1_500).map(|n| job(n, JobOptions::default().index("color", color(n)))).collect();
    let entered: Vec<_> = bench.queue.enqueue(&all).await.unwrap().iter().filter_map(Enqueued::id).collect();
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let some = bench.queue.find("color", "red", after, 100).await.unwrap();
        after = some.last().copied();
        found.extend(some);
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, entered.iter().copied().step_by(3).collect::<Vec<_>>());
    assert!(bench.queue.find("color", "re", None, 9).await.unwrap().is_empty());
    bench.queue.stop(&found).await.unwrap();
    assert!(bench.queue.find("color", "red", None, 9).await.unwrap().is_empty());
    assert_eq!(bench.queue.find("color", "red=green", None, 1_000).await.unwrap().len(), 500);
    bench.check().await;
}

#[tokio::test]
async fn what_is_gone_is_left_out() {
    let bench = Bench::new();
    let entered = keys(&bench.queue.enqueue(&jobs(3)).await.unwrap());
    let entered: Vec<_> = entered.into_iter().collect();
    bench.queue.remove(&entered[1..2]).await.unwrap();
    let seen: Vec<_> = bench.queue.look(&entered).await.unwrap().iter().map(|view| view.key).collect();
    assert_eq!(seen, [entered[0], entered[2]]);
    assert!(bench.queue.page(JobState::Waiting, Some("nonsense"), 9, None).await.is_ok());
    bench.check().await;
}
