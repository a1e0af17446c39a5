//! Bridges that come and go in mid traffic.

use millgate_testkit::wait_until;
use tokio_util::sync::CancellationToken;

use crate::bench::{Bench, Confirm, Pack, Remind, SOON, ordered};

#[tokio::test]
async fn each_events_jobs_are_there_once() {
    let bench = Bench::new(4).await;
    let stop = CancellationToken::new();
    let traffic = async {
        let mut count = 0;
        while !stop.is_cancelled() {
            bench.publish((count..count + 50).map(|n| ordered(format!("o-{n}")))).await;
            count += 50;
            // No faster than the bridges: else what is left at the end takes longer than anybody waits.
            wait_until("the bridges keep up", SOON, async || bench.enqueued::<Pack>().await + 1_000 > count).await;
        }
        count
    };
    let more = async || {
        let before = bench.enqueued::<Pack>().await;
        wait_until("traffic goes on", SOON, async || bench.enqueued::<Pack>().await > before + 300).await;
    };
    let bridges = async {
        let first = bench.bridge();
        more().await;
        let second = bench.bridge();
        wait_until("the second works", SOON, async || second.counts().handed_off > 0).await;
        more().await;
        let mut counts = vec![first.stop().await];
        more().await;
        let third = bench.bridge();
        wait_until("the third works", SOON, async || third.counts().handed_off > 0).await;
        more().await;
        stop.cancel();
        bench.wait_all_committed().await;
        counts.extend([second.stop().await, third.stop().await]);
        counts
    };
    let (published, counts) = tokio::join!(traffic, bridges);
    bench.wait_all_committed().await;
    for enqueued in
        [bench.enqueued::<Confirm>().await, bench.enqueued::<Remind>().await, bench.enqueued::<Pack>().await]
    {
        assert_eq!(enqueued, published);
    }
    // Who leaves in peace hands on exactly what it has not done: nothing was even done twice.
    assert_eq!(counts.iter().map(|counts| counts.handed_off).sum::<u64>(), published);
    assert_eq!(counts.iter().map(|counts| counts.duplicates).sum::<u64>(), 0);
}
