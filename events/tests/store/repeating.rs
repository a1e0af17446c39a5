//! Appends that are repeated, since nobody knows what became of them.

use millgate_events::{EventStore, Expected, Metadata, StoreError};
use millgate_testkit::{Proxy, wait_until};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::accounts::{Bank, Command, SOON, deposited, stream};

fn once(key: &str) -> Metadata {
    Metadata::default().once(key)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_whose_answer_is_lost_after_the_commit_is_not_there_twice_when_it_is_repeated() {
    let bank = Bank::open().await;
    let proxy = Proxy::to(&bank.database.address());
    let options: PgConnectOptions = bank.database.url_at(&proxy.address()).parse().unwrap();
    // Nothing is asked on the way but the append itself.
    let pool = PgPoolOptions::new().max_connections(1).test_before_acquire(false).connect_with(options).await.unwrap();
    let (store, a) = (EventStore::new(pool.clone(), "bank"), stream("a"));
    let events = [deposited("a", 5), deposited("a", 6)];
    // So that the connection knows the statement.
    assert_eq!(store.append(&a, Expected::Any, &[deposited("a", 1)], &once("r-0")).await.unwrap(), 1);
    wait_until("the connection is back", SOON, async || pool.num_idle() == 1).await;
    proxy.mute();
    let lost = {
        let (store, a, events) = (store.clone(), a.clone(), events.clone());
        tokio::spawn(async move { store.append(&a, Expected::Any, &events, &once("r-1")).await })
    };
    wait_until("it is committed", SOON, async || bank.store.version(&a).await.unwrap() == 3).await;
    proxy.cut();
    let lost = lost.await.unwrap();
    assert!(matches!(lost, Err(StoreError::Database(_))), "nobody knows: {lost:?}");
    proxy.restore();
    for expected in [Expected::Any, Expected::Version(1), Expected::NoStream] {
        assert_eq!(store.append(&a, expected, &events, &once("r-1")).await.unwrap(), 3, "as the first one");
    }
    assert_eq!(bank.store.load(&a, 1).await.unwrap().len(), 3);
    let published: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(&bank.pool).await.unwrap();
    assert_eq!(published, 3);
    // Keys are those of a stream.
    assert_eq!(store.append(&a, Expected::Any, &events, &once("r-2")).await.unwrap(), 5);
    assert_eq!(store.append(&stream("b"), Expected::Any, &events, &once("r-1")).await.unwrap(), 2);
    assert_eq!((store.appended(&a, "r-1").await.unwrap(), store.appended(&a, "r-3").await.unwrap()), (Some(3), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_append_the_same_at_once_one_does() {
    let bank = Bank::open().await;
    for round in 0..10 {
        let key = format!("r-{round}");
        let same = (0..8).map(|_| {
            let (store, key) = (bank.store.clone(), key.clone());
            tokio::spawn(async move {
                store.append(&stream("a"), Expected::Any, &[deposited("a", 1)], &once(&key)).await.unwrap()
            })
        });
        let versions: Vec<i64> =
            futures::future::join_all(same).await.into_iter().map(|version| version.unwrap()).collect();
        assert_eq!(versions, [round + 1; 8]);
    }
}

#[tokio::test]
async fn what_was_not_appended_does_not_use_up_its_key() {
    let bank = Bank::open().await;
    let (store, a) = (&bank.store, stream("a"));
    let events = [deposited("a", 1)];
    let refused = store.append(&a, Expected::Version(4), &events, &once("r-1")).await;
    assert!(matches!(refused, Err(StoreError::Conflict { actual: 0, .. })), "{refused:?}");
    let mut transaction = bank.pool.begin().await.unwrap();
    store.append_in(&mut transaction, &a, Expected::NoStream, &events, &once("r-1")).await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(store.appended(&a, "r-1").await.unwrap(), None);
    let mut transaction = bank.pool.begin().await.unwrap();
    for _ in 0..2 {
        let version = store.append_in(&mut transaction, &a, Expected::NoStream, &events, &once("r-1")).await;
        assert_eq!(version.unwrap(), 1);
    }
    transaction.commit().await.unwrap();
    assert_eq!(store.version(&a).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_repeated_is_done_once_and_refused_ones_may_come_again() {
    let bank = Bank::open().await;
    let deposit = Command::Deposit("a".into(), 5);
    assert!(bank.accounts.execute_as("a", &deposit, &once("r-1")).await.is_err(), "it is not open");
    let open = || Command::Open("a".into(), "Ada".into());
    // The second time it would be refused.
    for _ in 0..2 {
        let account = bank.accounts.execute_as("a", &open(), &once("r-0")).await.unwrap();
        assert_eq!((account.version, account.state.owner.as_deref()), (1, Some("Ada")));
    }
    let same = (0..8).map(|_| {
        let accounts = bank.accounts.clone();
        tokio::spawn(async move {
            accounts.execute_as("a", &Command::Deposit("a".into(), 5), &once("r-1")).await.unwrap().state.cents
        })
    });
    for cents in futures::future::join_all(same).await {
        assert_eq!(cents.unwrap(), 5);
    }
    assert_eq!(bank.accounts.load("a").await.unwrap().version, 2);
}
