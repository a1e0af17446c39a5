//! A job that runs again, or twice at once, has its effects once.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use millgate_workers::{Ctx, Done, JobError};
use sqlx::PgPool;
use tokio::sync::Barrier;

use crate::store::Store;

async fn count_up(database: &PgPool, ctx: &Ctx, runs: &AtomicU32) -> Result<Done, JobError> {
    ctx.once(database, async |database| {
        runs.fetch_add(1, Relaxed);
        let count = "UPDATE stock SET available = available - 1 WHERE sku = 'lamp'";
        sqlx::query(count).execute(database).await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_run_after_the_commit_changes_nothing_and_is_done() {
    let (store, runs) = (Store::open().await, AtomicU32::new(0));
    for _ in 0..3 {
        assert_eq!(count_up(store.pool(), &store.ctx("j1"), &runs).await, Ok(Done));
    }
    assert_eq!((store.stock("lamp").await.0, runs.load(Relaxed)), (9, 1));
    // Another job of its queue, and a job of another queue that happens to have the same id.
    count_up(store.pool(), &store.ctx("j2"), &runs).await.unwrap();
    let mut elsewhere = store.ctx("j1");
    elsewhere.queue = "elsewhere".into();
    count_up(store.pool(), &elsewhere, &runs).await.unwrap();
    assert_eq!((store.stock("lamp").await.0, runs.load(Relaxed)), (7, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_at_the_same_time_have_one_effect() {
    let store = Store::open().await;
    let (runs, all_here) = (Arc::new(AtomicU32::new(0)), Arc::new(Barrier::new(4)));
    let at_once = (0..4).map(|_| {
        let (pool, ctx, runs, all_here) = (store.pool().clone(), store.ctx("j1"), runs.clone(), all_here.clone());
        tokio::spawn(async move {
            all_here.wait().await;
            count_up(&pool, &ctx, &runs).await
        })
    });
    for ended in futures::future::join_all(at_once).await {
        assert_eq!(ended.unwrap(), Ok(Done));
    }
    assert_eq!((store.stock("lamp").await.0, runs.load(Relaxed)), (9, 1));
}

#[tokio::test]
async fn an_error_takes_everything_back_and_the_next_run_is_a_first_one() {
    let (store, runs) = (Store::open().await, AtomicU32::new(0));
    let ctx = store.ctx("j1");
    let failed = ctx
        .once(store.pool(), async |database| {
            sqlx::query("UPDATE stock SET available = 0").execute(&mut *database).await?;
            ctx.append(
                database,
                &millgate_workers::inventory::InventoryRejected { order_id: "o".into(), short: vec![] },
            )
            .await?;
            Err(JobError::retry("not now"))
        })
        .await;
    assert_eq!(failed, Err(JobError::retry("not now")));
    assert_eq!((store.stock("lamp").await.0, store.told("inventory.rejected").await.len()), (10, 0));
    count_up(store.pool(), &ctx, &runs).await.unwrap();
    assert_eq!(store.stock("lamp").await.0, 9);
}
