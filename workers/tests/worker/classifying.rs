//! Which errors are tried again: what PostgreSQL says, and what an application says of a code.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use millgate_jobs::JobOptions;
use millgate_testkit::Database;
use millgate_workers::{Ctx, Done, ErrorClass, Handlers, JobError, WorkerConfig};
use sqlx::{AssertSqlSafe, PgPool, postgres::PgPoolOptions};

use crate::bench::{Bench, Work, config, new};

fn word(error: JobError) -> String {
    match error {
        JobError::Retry { after: None, failure } => format!("retry {}", failure.code),
        JobError::Dead { failure } => format!("dead {}", failure.code),
        other => panic!("{other:?}"),
    }
}

async fn verdict(pool: &PgPool, statement: &str) -> String {
    let result = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(pool).await;
    word(result.expect_err(statement).into())
}

#[tokio::test]
async fn what_postgresql_says_is_tried_again_or_dead() {
    let database = Database::fresh(None).await;
    let pool = PgPoolOptions::new().connect(&database.url()).await.unwrap();
    let tables = "CREATE TABLE parent (id int PRIMARY KEY);
        CREATE TABLE child (id int UNIQUE, parent int REFERENCES parent, size int NOT NULL CHECK (size > 0),
            during int4range, EXCLUDE USING gist (during WITH &&));
        INSERT INTO child VALUES (1, NULL, 1, '[1,5)')";
    sqlx::raw_sql(tables).execute(&pool).await.unwrap();
    for (statement, expected) in [
        ("INSERT INTO child VALUES (1, NULL, 1, NULL)", "dead already_exists"),
        ("INSERT INTO child VALUES (2, 7, 1, NULL)", "dead validation_failed"),
        ("INSERT INTO child VALUES (2, NULL, 0, NULL)", "dead validation_failed"),
        ("INSERT INTO child VALUES (2, NULL, NULL, NULL)", "dead validation_failed"),
        ("INSERT INTO child VALUES (2, NULL, 1, '[2,3)')", "dead validation_failed"),
        ("SELECT 1 / 0", "dead validation_failed"),
        ("INSERT INTO missing VALUES (1)", "retry unavailable"),
    ] {
        assert_eq!(verdict(&pool, statement).await, expected, "{statement}");
    }
    // What cannot be had at will: a lost race, a deadlock, a lock, no memory, no connections, a server that stops.
    for state in ["40001", "40P01", "55P03", "53200", "53300", "57P01", "57014", "58030", "08006"] {
        let statement = format!("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$");
        assert_eq!(verdict(&pool, &statement).await, "retry unavailable", "{state}");
    }
    let none = sqlx::query("SELECT id FROM parent").fetch_one(&pool).await.err().unwrap();
    assert_eq!(word(none.into()), "dead not_found");
    let closed = format!("postgres://nobody@127.0.0.1:{}/nothing", millgate_testkit::free_port());
    let refused = PgPoolOptions::new().connect(&closed).await.err().unwrap();
    assert_eq!(word(refused.into()), "retry unavailable");
    pool.close().await;
    let late = sqlx::query("SELECT 1").execute(&pool).await.err().unwrap();
    assert_eq!(word(late.into()), "retry unavailable");
}

/// Runs of a job that fails with this code, until it is dead.
async fn runs(code: &'static str, config: WorkerConfig, classify: impl Fn(&mut Handlers)) -> u32 {
    let bench = Bench::new();
    bench.enqueue(&[new(&Work { n: 1 }, JobOptions::default().max_attempts(3))]).await;
    let runs = Arc::new(AtomicU32::new(0));
    let count = runs.clone();
    let mut handlers = Handlers::default();
    handlers.add::<Work>(move |_, _: Ctx| {
        count.fetch_add(1, Ordering::SeqCst);
        async move {
            match code {
                "panic" => panic!("on purpose"),
                "not_found" => Err::<Done, _>(JobError::dead(code, "gone")),
                code => Err(JobError::retry_with(code, "busy")),
            }
        }
    });
    classify(&mut handlers);
    let worker = bench.start(&handlers, &config);
    assert_eq!(bench.the_dead().await.failure.code, code);
    worker.stop().await;
    bench.check().await;
    runs.load(Ordering::SeqCst)
}

#[tokio::test]
async fn an_application_says_otherwise_of_a_code() {
    let codes = |retry: &[&str], dead: &[&str]| {
        let list = |codes: &[&str]| codes.iter().map(ToString::to_string).collect();
        WorkerConfig { retry_codes: list(retry), dead_codes: list(dead), ..config() }
    };
    assert_eq!(runs("not_found", config(), |_| {}).await, 1);
    assert_eq!(runs("smtp_450", config(), |_| {}).await, 3);
    assert_eq!(runs("not_found", codes(&["not_found"], &[]), |_| {}).await, 3);
    assert_eq!(runs("smtp_450", codes(&[], &["smtp_450"]), |_| {}).await, 1);
    assert_eq!(runs("panic", codes(&[], &["panic"]), |_| {}).await, 1, "codes of the worker, too");
    let in_code = |handlers: &mut Handlers| handlers.classify("not_found", ErrorClass::Retry);
    assert_eq!(runs("not_found", config(), in_code).await, 3);
    assert_eq!(runs("not_found", codes(&[], &["not_found"]), in_code).await, 1, "the configuration goes first");
}
