//! Projections that follow, fail, and are followed by others.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI64, Ordering::Relaxed},
};

use millgate_events::{Event, EventSet, Projection, Projections, StoredEvent};
use millgate_testkit::wait_until;
use sqlx::PgConnection;

use crate::accounts::{Bank, BoxError, Command, Deposited, SOON, balances, hindered};

/// Names of all who opened an account, and the number of events that it saw.
struct Owners;

impl Projection for Owners {
    const NAME: &'static str = "owners";

    async fn create(&self, database: &mut PgConnection) -> Result<(), BoxError> {
        sqlx::raw_sql("CREATE TABLE owners (event UUID PRIMARY KEY, type TEXT)").execute(database).await?;
        Ok(())
    }

    async fn apply(&self, database: &mut PgConnection, event: &StoredEvent) -> Result<(), BoxError> {
        let insert = sqlx::query("INSERT INTO owners VALUES ($1, $2)").bind(event.id).bind(&event.event_type);
        insert.execute(database).await?;
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_follow_the_events_that_a_projection_wants() {
    let bank = Bank::open().await;
    bank.accounts.execute("a", &Command::Open("a".into(), "Ada".into())).await.unwrap();
    bank.deposit("a", 5).await;
    let mut projections = balances::<1>();
    projections.add(Owners);
    let running = bank.run(&projections);
    bank.caught_up("balances").await;
    bank.deposit("a", 7).await;
    bank.deposit("b", 1).await;
    bank.caught_up("balances").await;
    bank.caught_up("owners").await;
    assert_eq!(bank.balances().await, [("a".into(), 12, 2), ("b".into(), 1, 1)]);
    let status = bank.status("balances").await.remove(0);
    assert_eq!((status.applied, status.tables), (3, vec!["balance_log".to_owned(), "balances".to_owned()]));
    let all: i64 = sqlx::query_scalar("SELECT count(*) FROM owners").fetch_one(&bank.pool).await.unwrap();
    assert_eq!(all, 4, "one that names no types wants all");
    running.stop().await;
    // What happens while nobody follows is behind.
    bank.deposit("a", 1).await;
    assert_eq!(bank.status("balances").await[0].lag, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runners_and_kills_put_each_event_in_once() {
    let bank = Arc::new(Bank::open().await);
    let writing = {
        let bank = bank.clone();
        tokio::spawn(async move {
            for n in 0..600 {
                bank.deposit(&format!("s{}", n % 7), n).await;
            }
        })
    };
    let projections = balances::<1>();
    let mut first = bank.run(&projections);
    let second = bank.run(&projections);
    for kill in 1..=4 {
        wait_until("it gets on", SOON, async || {
            bank.status("balances").await.first().is_some_and(|status| status.applied >= kill * 100)
        })
        .await;
        // In the middle of whatever it does.
        first.abort().await;
        first = bank.run(&projections);
    }
    writing.await.unwrap();
    bank.caught_up("balances").await;
    assert_eq!(bank.balances().await, bank.truth().await);
    assert_eq!(bank.status("balances").await[0].applied, 600);
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_fails_stops_there_and_says_so_and_goes_on_once_that_is_mended() {
    let bank = Bank::open().await;
    let mended = Arc::new(AtomicBool::new(false));
    let hindrance = {
        let mended = mended.clone();
        move |deposited: &Deposited| match deposited.cents {
            13 if !mended.load(Relaxed) => Err("thirteen is not to be counted".into()),
            _ => Ok(()),
        }
    };
    let mut projections = hindered::<1>(Arc::new(hindrance));
    projections.add(Owners);
    for cents in [1, 2, 13, 4, 5] {
        bank.deposit("a", cents).await;
    }
    let running = bank.run(&projections);
    wait_until("it says so", SOON, async || {
        bank.status("balances").await.first().is_some_and(|status| status.error.is_some())
    })
    .await;
    let status = bank.status("balances").await.remove(0);
    let event = bank.store.load(&crate::accounts::stream("a"), 3).await.unwrap().remove(0);
    let said = status.error.unwrap();
    assert!(said.contains(&format!("projection balances fails at event {}", event.id)), "{said}");
    assert!(said.contains("thirteen is not to be counted"), "{said}");
    assert_eq!((status.failed_position, status.lag), (Some(event.position), 3));
    assert_eq!(bank.balances().await, [("a".into(), 3, 2)], "what came before it is there");
    bank.caught_up("owners").await;
    mended.store(true, Relaxed);
    bank.caught_up("balances").await;
    assert_eq!(bank.balances().await, [("a".into(), 25, 5)]);
    // What PostgreSQL said when it went away is past, though no event comes.
    let away = "UPDATE store_projections SET error = 'terminating connection', failed_at = now()";
    sqlx::query(away).execute(bank.database.pool()).await.unwrap();
    wait_until("nothing to be told", SOON, async || {
        bank.status("balances").await.iter().all(|status| status.error.is_none())
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_and_a_wrong_statement_are_errors_of_their_event() {
    let bank = Bank::open().await;
    let fail = Arc::new(AtomicI64::new(2));
    let hindrance = {
        let fail = fail.clone();
        move |deposited: &Deposited| {
            assert!(deposited.cents != 2 || fail.load(Relaxed) != 2, "two is too much");
            Ok(())
        }
    };
    bank.deposit("a", 1).await;
    bank.deposit("a", 2).await;
    let running = bank.run(&hindered::<1>(Arc::new(hindrance)));
    let says = async |what: &str| {
        wait_until("it says so", SOON, async || {
            let all = bank.status("balances").await;
            all.first().and_then(|status| status.error.as_ref()).is_some_and(|error| error.contains(what))
        })
        .await;
    };
    says("panicked: two is too much").await;
    sqlx::query("ALTER TABLE balances RENAME TO elsewhere").execute(&bank.pool).await.unwrap();
    fail.store(0, Relaxed);
    says("relation \"balances\" does not exist").await;
    sqlx::query("ALTER TABLE elsewhere RENAME TO balances").execute(&bank.pool).await.unwrap();
    bank.caught_up("balances").await;
    assert_eq!(bank.balances().await, [("a".into(), 3, 2)]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_are_somebody_elses_are_left_alone() {
    let bank = Bank::open().await;
    sqlx::raw_sql("CREATE TABLE owners (mine INTEGER)").execute(&bank.pool).await.unwrap();
    let mut projections = Projections::default();
    projections.add(Owners);
    let error = bank.projections.rebuild(&projections, "owners", false).await.unwrap_err().to_string();
    assert!(error.contains("relation \"owners\" already exists") && error.contains("remove or rename it"), "{error}");
    let error = bank.projections.rebuild(&projections, "woners", false).await.unwrap_err().to_string();
    assert!(error.contains("projection woners: this application has no such projection; there are: owners"), "{error}");
    assert!(!bank.projections.remove(&projections, "woners").await.unwrap());
    let error = bank.projections.remove(&projections, "owners").await.unwrap_err().to_string();
    assert!(error.contains("the application still has it"), "{error}");
    let mine: i64 = sqlx::query_scalar("SELECT count(mine) FROM owners").fetch_one(&bank.pool).await.unwrap();
    assert_eq!((mine, bank.status("owners").await.len()), (0, 0));
    assert_eq!(Deposited::types(), [Deposited::TYPE]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_the_application_has_no_more_can_be_removed() {
    let bank = Bank::open().await;
    bank.deposit("a", 1).await;
    let running = bank.run(&balances::<1>());
    bank.caught_up("balances").await;
    running.stop().await;
    bank.projections.rebuild(&balances::<1>(), "balances", false).await.unwrap();
    assert!(bank.projections.remove(&Projections::default(), "balances").await.unwrap());
    assert_eq!(bank.status("balances").await, []);
    let left =
        "SELECT count(*) FROM pg_class WHERE relname LIKE 'balance%' AND relnamespace = current_schema()::regnamespace";
    assert_eq!(sqlx::query_scalar::<_, i64>(left).fetch_one(&bank.pool).await.unwrap(), 0);
}
