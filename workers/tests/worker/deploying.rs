//! A rolling deploy: workers of the old code and of the new side by side.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use millgate_derive::Job;
use millgate_jobs::JobOptions;
use millgate_testkit::wait_until;
use millgate_workers::{Ctx, Done, Handlers};
use serde::{Deserialize, Serialize};

use crate::bench::{Bench, SOON, Work, config, new};

/// [`Work`] as the new code has it. It reads the old one's, too.
#[derive(Debug, Serialize, Deserialize, Job)]
#[job(queue = "main", kind = "work", version = 2)]
struct NewWork {
    n: u32,
    #[serde(default)]
    colour: Option<String>,
}

/// A kind that only the new code has.
#[derive(Debug, Serialize, Deserialize, Job)]
#[job(queue = "main")]
struct NewKind {
    n: u32,
}

type Runs = Arc<Mutex<HashMap<(&'static str, u32), Vec<u32>>>>;

const JOBS: u32 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn old_and_new_code_side_by_side_lose_nothing_and_spend_no_attempt() {
    let bench = Bench::new();
    let runs = Runs::default();
    let note = |runs: &Runs, what: &'static str, n: u32, ctx: &Ctx| {
        runs.lock().unwrap().entry((what, n)).or_default().push(ctx.attempt);
    };
    let (mut old, mut both) = (Handlers::default(), Handlers::default());
    let noted = runs.clone();
    old.add::<Work>(move |job: Work, ctx: Ctx| {
        note(&noted, "old", job.n, &ctx);
        async { Ok(Done) }
    });
    let noted = runs.clone();
    both.add::<NewWork>(move |job: NewWork, ctx: Ctx| {
        note(&noted, if job.colour.is_some() { "new" } else { "old" }, job.n, &ctx);
        async { Ok(Done) }
    });
    let noted = runs.clone();
    both.add::<NewKind>(move |job: NewKind, ctx: Ctx| {
        note(&noted, "kind", job.n, &ctx);
        async { Ok(Done) }
    });
    let (old, new_one) = (bench.start(&old, &config()), bench.start(&both, &config()));
    // One run is all that any job has: an attempt that was spent would be the last.
    let once = || JobOptions::default().max_attempts(1);
    for n in 0..JOBS {
        let colour = Some("red".to_owned());
        bench
            .enqueue(&[new(&Work { n }, once()), new(&NewWork { n, colour }, once()), new(&NewKind { n }, once())])
            .await;
    }
    // While both are there, all of the old kind is done, and some of the new; the old one gives back what it does not know.
    let did = |runs: &Runs, what| runs.lock().unwrap().keys().filter(|(kind, _)| *kind == what).count();
    wait_until("both take part", SOON, async || {
        let stats = bench.queue().stats().await.unwrap();
        let back: u64 = stats.kinds.values().map(|kind| kind.handed_back).sum();
        back > 0 && did(&runs, "old") == JOBS as usize && did(&runs, "new") > 0 && did(&runs, "kind") > 0
    })
    .await;
    old.stop().await;
    wait_until("all are done", 3 * SOON, async || bench.queue().stats().await.unwrap().done() == u64::from(3 * JOBS))
        .await;
    new_one.stop().await;
    let stats = bench.check().await;
    assert_eq!((stats.dead(), stats.kinds.values().map(|kind| kind.retried).sum::<u64>()), (0, 0));
    let runs = runs.lock().unwrap();
    assert_eq!(runs.len(), 3 * JOBS as usize);
    assert!(runs.values().all(|attempts| *attempts == [1]), "{runs:?}");
}
