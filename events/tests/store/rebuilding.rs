//! Tables that are made anew beside those that are read, and take their place.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use millgate_events::{Projection, ProjectionState, Projections, StoredEvent};
use millgate_testkit::wait_until;
use sqlx::PgConnection;
use tokio::time::sleep;

use crate::accounts::{Bank, BoxError, SOON, balances, hindered};

async fn versions(bank: &Bank) -> Vec<i32> {
    sqlx::query_scalar("SELECT DISTINCT version FROM balance_log ORDER BY 1").fetch_all(&bank.pool).await.unwrap()
}

/// Somebody who reads all the time, and somebody who appends. What is read is never less than what was.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_is_built_beside_the_old_one_and_takes_its_place_while_events_come() {
    let bank = Arc::new(Bank::open().await);
    let old = bank.run(&balances::<1>());
    for n in 0..300 {
        bank.deposit(&format!("s{}", n % 5), n).await;
    }
    bank.caught_up("balances").await;
    let done = Arc::new(AtomicBool::new(false));
    let writing = {
        let (bank, done) = (bank.clone(), done.clone());
        tokio::spawn(async move {
            while !done.load(Relaxed) {
                bank.deposit("more", 1).await;
            }
        })
    };
    let reading = {
        let (bank, done) = (bank.clone(), done.clone());
        tokio::spawn(async move {
            let mut most = 300;
            while !done.load(Relaxed) {
                let count = "SELECT COALESCE(sum(deposits), 0)::bigint FROM balances";
                let now: i64 = sqlx::query_scalar(count).fetch_one(&bank.pool).await.unwrap();
                assert!(now >= most, "{now} events are in the tables, and {most} were");
                most = now;
            }
        })
    };
    let new = bank.run(&balances::<2>());
    wait_until("the new one is live", SOON, async || {
        let all = bank.status("balances").await;
        all.len() == 1 && all[0].version == 2
    })
    .await;
    done.store(true, Relaxed);
    writing.await.unwrap();
    reading.await.unwrap();
    // The old program finds that it has nothing to do any more.
    bank.caught_up("balances").await;
    assert_eq!(bank.balances().await, bank.truth().await);
    assert_eq!(versions(&bank).await, [2]);
    bank.deposit("s1", 1).await;
    bank.caught_up("balances").await;
    assert_eq!(bank.balances().await, bank.truth().await);
    assert_eq!(bank.status("balances").await[0].tables, ["balance_log", "balances"]);
    let index =
        "SELECT count(*) FROM pg_indexes WHERE schemaname = current_schema() AND indexname = 'balances_by_cents'";
    let indexes: i64 = sqlx::query_scalar(index).fetch_one(&bank.pool).await.unwrap();
    assert_eq!(indexes, 1, "indexes come along");
    old.stop().await;
    new.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_is_killed_goes_on_where_it_was_and_the_old_tables_are_read_and_kept_up_meanwhile() {
    let bank = Bank::open().await;
    for n in 0..400 {
        bank.deposit(&format!("s{}", n % 5), n).await;
    }
    let projections = balances::<1>();
    let mut running = bank.run(&projections);
    bank.caught_up("balances").await;
    // As after a mistake by hand.
    sqlx::query("UPDATE balances SET cents = 0").execute(&bank.pool).await.unwrap();
    // It is slow enough to be killed in the middle.
    let gate = Arc::new(AtomicBool::new(false));
    let slow = {
        let gate = gate.clone();
        hindered::<1>(Arc::new(move |deposited| {
            (deposited.cents < 200 || gate.load(Relaxed)).then_some(()).ok_or_else(|| "not yet".into())
        }))
    };
    running.stop().await;
    running = bank.run(&slow);
    assert_eq!(bank.projections.rebuild(&slow, "balances", false).await.unwrap(), 2);
    let error = bank.projections.rebuild(&slow, "balances", false).await.unwrap_err().to_string();
    assert!(error.contains("it is being built already"), "{error}");
    let half = async || {
        let all = bank.status("balances").await;
        all.get(1).is_some_and(|status| status.state == ProjectionState::Building && status.applied == 200)
    };
    wait_until("half of it is built", SOON, half).await;
    running.abort().await;
    running = bank.run(&slow);
    bank.deposit("s1", 7).await;
    wait_until("the old one is kept up", SOON, async || bank.status("balances").await[0].lag == 0).await;
    let s1: i64 =
        sqlx::query_scalar("SELECT cents FROM balances WHERE account = 's1'").fetch_one(&bank.pool).await.unwrap();
    assert_eq!(s1, 7, "the old tables are those that are read");
    gate.store(true, Relaxed);
    bank.caught_up("balances").await;
    assert_eq!(bank.balances().await, bank.truth().await);
    let status = bank.status("balances").await.remove(0);
    assert_eq!((status.build, status.applied), (2, 401), "each event once, also those before the kill");
    // Begun again, it begins at the beginning; and nothing is left of the one before.
    gate.store(false, Relaxed);
    bank.projections.rebuild(&slow, "balances", false).await.unwrap();
    wait_until("half of it is built", SOON, half).await;
    assert_eq!(bank.projections.rebuild(&slow, "balances", true).await.unwrap(), 3);
    gate.store(true, Relaxed);
    bank.caught_up("balances").await;
    assert_eq!(bank.balances().await, bank.truth().await);
    running.stop().await;
    let left = "SELECT nspname::text FROM pg_namespace WHERE nspname LIKE 'balances\\_%' \
        AND nspname LIKE '%' || substr(encode(sha256(current_schema()::text::bytea), 'hex'), 1, 8)";
    let left: Vec<String> = sqlx::query_scalar(left).fetch_all(&bank.pool).await.unwrap();
    assert_eq!(left, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hangs_on_the_old_tables_is_said_and_a_reader_is_waited_for() {
    let bank = Bank::open().await;
    bank.deposit("a", 1).await;
    let projections = balances::<1>();
    let running = bank.run(&projections);
    bank.caught_up("balances").await;
    sqlx::raw_sql("CREATE VIEW rich AS SELECT * FROM balances WHERE cents > 100").execute(&bank.pool).await.unwrap();
    bank.projections.rebuild(&projections, "balances", false).await.unwrap();
    wait_until("it says so", SOON, async || {
        let all = bank.status("balances").await;
        let error = all.get(1).and_then(|status| status.error.clone()).unwrap_or_default();
        error.contains("view rich depends on table") && error.contains("let that be made by the projection")
    })
    .await;
    // The old ones go on.
    bank.deposit("a", 2).await;
    wait_until("the old one is kept up", SOON, async || bank.status("balances").await[0].lag == 0).await;
    let mut reader = bank.pool.begin().await.unwrap();
    sqlx::query("SELECT * FROM balances").execute(&mut *reader).await.unwrap();
    sqlx::raw_sql("DROP VIEW rich").execute(&bank.pool).await.ok();
    // Others read meanwhile, too, and are not kept from it for long.
    sleep(Duration::from_millis(100)).await;
    assert_eq!(bank.balances().await, [("a".into(), 3, 2)]);
    reader.commit().await.unwrap();
    bank.caught_up("balances").await;
    assert_eq!(bank.status("balances").await[0].build, 2);
    assert_eq!(bank.balances().await, bank.truth().await);
    running.stop().await;
    let newer = bank.run(&balances::<2>());
    wait_until("a newer program has it", SOON, async || {
        bank.status("balances").await.iter().all(|status| status.version == 2)
    })
    .await;
    newer.stop().await;
    let refused = bank.projections.rebuild(&projections, "balances", true).await.unwrap_err().to_string();
    assert!(refused.contains("a newer program has taken it over"), "{refused}");
}

/// Makes what would stay behind.
struct Strays;

impl Projection for Strays {
    const NAME: &'static str = "strays";

    async fn create(&self, database: &mut PgConnection) -> Result<(), BoxError> {
        let create =
            "CREATE TABLE strays (at INTEGER); CREATE VIEW stray AS SELECT * FROM strays; CREATE SEQUENCE numbers";
        sqlx::raw_sql(create).execute(database).await?;
        Ok(())
    }

    async fn apply(&self, _: &mut PgConnection, _: &StoredEvent) -> Result<(), BoxError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_projection_that_makes_more_than_tables_is_refused() {
    let bank = Bank::open().await;
    let mut projections = Projections::default();
    projections.add(Strays);
    let error = bank.projections.rebuild(&projections, "strays", false).await.unwrap_err().to_string();
    assert!(error.contains("it can only make tables") && error.contains("view or sequence numbers"), "{error}");
    assert!(error.contains("view or sequence stray"), "{error}");
    assert_eq!(bank.status("strays").await, []);
}
