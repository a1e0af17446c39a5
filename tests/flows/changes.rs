//! The example of changes as its users run it, and a real Debezium by the files of `ops/debezium`, as `docs/changes.md` has them.

use millgate_testkit::{Binary, Child, Database, Debezium, KafkaSpace, PostgresServer, RedisSpace, wait_until};
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgPool};

use crate::shop::PATIENCE;

struct World {
    // Dropped in this order.
    debezium: Debezium,
    source: PostgresServer,
    kafka: KafkaSpace,
    redis: RedisSpace,
    database: Database,
}

impl World {
    async fn open() -> Self {
        let (kafka, redis) = (KafkaSpace::fresh("directory"), RedisSpace::fresh("directory"));
        let (source, database) = (PostgresServer::start().await, Database::fresh(None).await);
        run(source.pool(), "CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL, email text NOT NULL)").await;
        run(source.pool(), include_str!("../../ops/debezium/source.sql")).await;
        let debezium = Debezium::new(&kafka).with("directory", &kafka, "dbserver1", &source, &[]);
        Self { debezium, source, kafka, redis, database }
    }

    fn start(&self, arguments: &[&str]) -> Child {
        let (kafka, redis) = (self.kafka.config(), self.redis.config());
        Binary::example("directory")
            .env("KAFKA_BROKERS", kafka.brokers)
            .env("KAFKA_CONSUMER_GROUP", kafka.consumer_group)
            .env("MILLGATE_KAFKA_TOPIC_PREFIX", kafka.topic_prefix)
            .env("MILLGATE_REDIS_URL", redis.url)
            .env("MILLGATE_REDIS_PREFIX", redis.prefix)
            .env("DIRECTORY_PREFIX", self.key(""))
            .env("MILLGATE_POSTGRES_URL", self.database.url())
            .env("MILLGATE_HTTP_LISTEN", "127.0.0.1:0")
            .args(arguments.iter().copied())
            .spawn()
    }

    async fn run(&self, arguments: &[&str]) -> String {
        let child = self.start(arguments);
        let status = child.wait_exit(PATIENCE).await;
        assert!(status.success(), "{arguments:?}: {status}: {}", child.output());
        child.output()
    }

    fn key(&self, name: &str) -> String {
        format!("{{{}:{name}", self.redis.config().prefix)
    }

    async fn change(&self, sql: &str) {
        run(self.source.pool(), sql).await;
    }

    async fn directory_is(&self, wanted: &[(i64, &str)]) {
        wait_until(&format!("the directory to be {wanted:?}"), PATIENCE, async || {
            let read = "SELECT id, name FROM directory ORDER BY id";
            let rows: Vec<(i64, String)> = sqlx::query_as(read).fetch_all(self.database.pool()).await.unwrap();
            rows.iter().map(|(id, name)| (*id, name.as_str())).eq(wanted.iter().copied())
        })
        .await;
    }
}

async fn run(database: &PgPool, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(database).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_follows_a_table_is_told_of_new_names_and_drops_what_was_cached() {
    let world = World::open().await;
    world.run(&["migrate"]).await;
    world.run(&["topics", "apply"]).await;
    let doubling = world.start(&["replay", "--topic", "user.renamed", "--into", "topic:dbserver1.public.users"]);
    assert_eq!(doubling.wait_exit(PATIENCE).await.code(), Some(1), "{}", doubling.output());
    let said = doubling.output();
    assert!(said.contains("users reads topic dbserver1.public.users, and would count what is replayed"), "{said}");
    let running = [world.start(&["streams", "run"]), world.start(&["relay"])];
    world.debezium.restart().await;
    let cached = world.key("user:ann@mail.example");
    let _: () = world.redis.command(&["SET", &cached, "stale"]).await;
    world.change("INSERT INTO users VALUES (1, 'Ann', 'ann@mail.example'), (2, 'Bob', 'bob@mail.example')").await;
    world.directory_is(&[(1, "Ann"), (2, "Bob")]).await;
    world.change("UPDATE users SET name = 'Anne' WHERE id = 1").await;
    world.change("DELETE FROM users WHERE id = 2").await;
    world.directory_is(&[(1, "Anne")]).await;
    let renamed = world.kafka.records("user.renamed", 1).await;
    let value: Value = serde_json::from_slice(renamed[0].value.as_ref().unwrap()).unwrap();
    assert_eq!(value, serde_json::json!({ "id": 1, "to": "Anne" }));
    let left: Option<String> = world.redis.command(&["GET", &cached]).await;
    assert_eq!(left, None);
    let told = world.run(&["events", "list", "--topic", "user.renamed"]).await;
    assert!(told.contains(r#"{"id":1,"to":"Anne"}"#), "{told}");
    for process in &running {
        process.sigterm();
        assert!(process.wait_exit(PATIENCE).await.success(), "{}", process.output());
    }
}
