//! Large queues: what a look, a search and a stop cost Redis, by its own figures, where 200,000 jobs wait.

use std::time::Duration;

use millgate_jobs::{Acted, Enqueued, JobId, JobOptions, JobState, NewJob, RedisConfig, Verdict};
use millgate_testkit::{RedisServer, wait_until};

use crate::{
    bench::{Bench, SOON, job, jobs},
    worker::Settings,
};

const CROWD: usize = 200_000;

/// The longest that one command took, by the server's slow log, which has all above a millisecond.
async fn longest(server: &RedisServer) -> Duration {
    let log: Vec<redis::Value> = server.command(&["SLOWLOG", "GET", "-1"]).await;
    let micros = log.iter().filter_map(|entry| match entry {
        // Number, time, how many µs it took, the command.
        redis::Value::Array(parts) => match (&parts[2], &parts[3]) {
            (redis::Value::Int(micros), redis::Value::Array(words)) => {
                let is_ours = matches!(&words[0], redis::Value::BulkString(name) if name.starts_with(b"EVALSHA"));
                is_ours.then(|| u64::try_from(*micros).unwrap())
            }
            _ => None,
        },
        _ => None,
    });
    Duration::from_micros(micros.max().unwrap_or_default())
}

/// Of five rounds the best: another process may have had the processor in the others.
async fn cost(server: &RedisServer, mut round: impl AsyncFnMut(usize)) -> Duration {
    let mut best = Duration::MAX;
    for number in 0..5 {
        server.command::<()>(&["SLOWLOG", "RESET"]).await;
        round(number).await;
        best = best.min(longest(server).await);
    }
    best
}

async fn looking_is_cheap(new: impl Fn(usize) -> NewJob) {
    let server = RedisServer::start().await;
    server.command::<()>(&["CONFIG", "SET", "slowlog-log-slower-than", "1000"]).await;
    // The check at the end takes its time.
    let bench = Bench::at(RedisConfig { response_timeout: SOON * 3, ..server.config("queue") });
    // Some that are found by a name, in the middle of the others.
    let crowd: Vec<_> = (0..CROWD).map(new).collect();
    let mut keys: Vec<JobId> = Vec::new();
    for half in crowd.chunks(CROWD / 2) {
        keys.extend(bench.queue.enqueue(half).await.unwrap().iter().filter_map(Enqueued::id));
        let some = (0..500).map(|n| job(n, JobOptions::default().index("color", "red")));
        bench.queue.enqueue(&some.collect::<Vec<_>>()).await.unwrap();
    }
    let queue = &bench.queue;
    // From the beginning on, and at the end of a long line.
    let page = cost(&server, async |round| {
        for from in [String::new(), format!("5 {} 0", (CROWD - 1_000) / 5 * round)] {
            queue.page(JobState::Waiting, Some(&from), 200, None).await.unwrap();
        }
    })
    .await;
    let find = cost(&server, async |_| {
        assert_eq!(queue.find("color", "red", None, 1_000).await.unwrap().len(), 1_000);
    })
    .await;
    let look = cost(&server, async |round| {
        let some: Vec<_> = keys.iter().copied().skip(round).step_by(CROWD / 100).collect();
        assert_eq!(queue.look(&some).await.unwrap().len(), 100);
    })
    .await;
    let stop = cost(&server, async |round| {
        assert_eq!(queue.stop(&keys[CROWD / 2 + round..=CROWD / 2 + round]).await.unwrap(), [Acted::Well]);
    })
    .await;
    for (what, took) in [("page", page), ("find", find), ("look", look), ("stop", stop)] {
        assert!(took < Duration::from_millis(5), "a {what} took {took:?}");
    }
    let stats = bench.stats().await;
    assert_eq!((stats.waiting, stats.cancelled()), (CROWD as u64 + 1_000 - 5, 5));
    bench.check().await;
}

#[tokio::test]
async fn to_look_at_a_crowd_in_blocks_is_cheap() {
    looking_is_cheap(|n| job(n, JobOptions::default())).await;
}

#[tokio::test]
async fn to_look_at_a_crowd_of_jobs_with_options_is_cheap() {
    looking_is_cheap(|n| job(n, JobOptions::default().index("n", n))).await;
}

/// Work must not cost more by the job the more there is.
#[tokio::test]
async fn a_job_costs_the_same_at_any_depth() {
    let server = RedisServer::start().await;
    let bench = Bench::on(&server);
    let commands = async || server.info("stats").await.get::<u64>("total_commands_processed").unwrap();
    let micros = async || {
        let info: String = server.command(&["INFO", "commandstats"]).await;
        let line = info.lines().find(|line| line.starts_with("cmdstat_evalsha:")).unwrap().to_owned();
        line.split(',').find_map(|part| part.strip_prefix("usec=")).unwrap().parse::<u64>().unwrap()
    };
    let mut costs = Vec::new();
    let mut done = 0;
    for depth in [2_000, 50_000] {
        bench.queue.enqueue(&jobs(depth)).await.unwrap();
        let before = (commands().await, micros().await);
        // A thousand of them, and no more.
        let mut worker = bench.worker(Settings::concurrency(100));
        let mut runs = Vec::new();
        for _ in 0..10 {
            for _ in 0..100 {
                runs.push(worker.next().await);
            }
            runs.drain(..).for_each(crate::worker::Run::done);
            done += 100;
            bench.until("they are done", |stats| stats.done() == done).await;
        }
        costs.push((commands().await - before.0, micros().await - before.1));
        worker.kill();
    }
    let [(few, short), (many, long)] = costs[..] else { panic!("two") };
    // Looking for the end costs commands, too.
    assert!(many < few * 3 && long < short * 5, "at 2,000: {few} commands, {short} µs; at 50,000: {many}, {long} µs");
    bench.check().await;
}

#[tokio::test]
async fn a_backlog_that_comes_due_at_once_is_done() {
    let bench = Bench::new();
    // Each has a record of its own, and all are due at one moment.
    let new = |n| job(n, JobOptions::default().index("n", n).run_at(crate::bench::at(10_000_000_000)));
    bench.queue.enqueue(&(0..8_500).map(new).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(bench.stats().await.delayed, 8_500);
    bench.skip(Duration::from_hours(24 * 365 * 400)).await;
    let worker = bench.worker(Settings::concurrency(100)).answer_all(|_| Verdict::Done);
    wait_until("all are done", SOON * 3, async || bench.stats().await.done() == 8_500).await;
    worker.stop().await;
    bench.check().await;
}

/// An idle worker asks now and then. On a server of its own, so that all that is counted is its doing.
#[tokio::test]
async fn an_idle_worker_is_quiet() {
    let server = RedisServer::start().await;
    let bench = Bench::on(&server);
    let worker = bench.worker(Settings::concurrency(10)).answer_all(|_| Verdict::Done);
    bench.queue.enqueue(&jobs(100)).await.unwrap();
    // One is far off, and one is in another's hand: there is something to wait for.
    bench.enter(job(1, JobOptions::default().run_at(crate::bench::at(10_000_000_000)))).await;
    bench.until("all are done", |stats| stats.done() == 100).await;
    let commands = async || server.info("stats").await.get::<u64>("total_commands_processed").unwrap();
    let calls = async || {
        let info: String = server.command(&["INFO", "commandstats"]).await;
        let of = |name: &str| {
            let line = info.lines().find(|line| line.starts_with(&format!("cmdstat_{name}:"))).map(str::to_owned);
            line.and_then(|line| line.split(&['=', ','][..]).nth(1)?.parse::<u64>().ok()).unwrap_or_default()
        };
        of("evalsha") + of("blpop")
    };
    // It may still be about to see that there is no more.
    let settled = server.now().await + 500;
    wait_until("it is idle", SOON, async || server.now().await > settled).await;
    let before = (calls().await, commands().await);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (asked, all) = (calls().await - before.0, commands().await - before.1);
    assert!(asked <= 3 * 5, "{asked} calls in 5 s");
    // A call of a script is some commands to the server.
    assert!(all <= 15 * 5, "{all} commands in 5 s");
    worker.stop().await;
    bench.check().await;
}
