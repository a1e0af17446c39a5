//! The example of windows as its users run it, killed in the middle.

use std::collections::BTreeMap;

use millgate_testkit::{Binary, Child, Database, KafkaSpace, RedisSpace, wait_until};
use serde_json::{Value, json};

use crate::shop::PATIENCE;

const BEGIN: i64 = 1_700_000_100_000;

struct Analytics {
    kafka: KafkaSpace,
    redis: RedisSpace,
    database: Database,
}

impl Analytics {
    async fn open() -> Self {
        let (kafka, redis) = (KafkaSpace::fresh("analytics"), RedisSpace::fresh("analytics"));
        let all = Self { kafka, redis, database: Database::fresh(None).await };
        all.run(&["migrate"]).await;
        all.run(&["topics", "apply"]).await;
        all
    }

    fn start(&self, arguments: &[&str]) -> Child {
        self.program().args(arguments.iter().copied()).spawn()
    }

    fn program(&self) -> Binary {
        let (kafka, redis) = (self.kafka.config(), self.redis.config());
        Binary::example("analytics")
            .env("KAFKA_BROKERS", kafka.brokers)
            .env("KAFKA_CONSUMER_GROUP", kafka.consumer_group)
            .env("KAFKA_SESSION_TIMEOUT", "6s")
            .env("MILLGATE_KAFKA_TOPIC_PREFIX", kafka.topic_prefix)
            .env("MILLGATE_TOPICS_PARTITIONS", "3")
            .env("MILLGATE_STREAMS_BATCH_SIZE", "5")
            .env("MILLGATE_REDIS_URL", redis.url)
            .env("MILLGATE_REDIS_PREFIX", redis.prefix.clone())
            .env("ANALYTICS_PREFIX", format!("{{{}:", redis.prefix))
            .env("MILLGATE_POSTGRES_URL", self.database.url())
            .env("MILLGATE_HTTP_LISTEN", "127.0.0.1:0")
    }

    async fn run(&self, arguments: &[&str]) -> String {
        let child = self.start(arguments);
        let status = child.wait_exit(PATIENCE).await;
        assert!(status.success(), "{arguments:?}: {status}: {}", child.output());
        child.output()
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let said = self.run(arguments).await;
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
    }

    async fn put(&self, topic: &str, partition: i32, at: i64, value: Value) {
        let time = chrono::DateTime::from_timestamp_millis(BEGIN + at).unwrap().to_rfc3339();
        let headers = [("ce_type", topic), ("ce_id", "1"), ("ce_source", "test"), ("ce_time", time.as_str())];
        self.kafka.put(topic, partition, None, Some(value.to_string().as_bytes()), &headers).await;
    }
}

async fn count(database: &Database, of: &'static str) -> i64 {
    sqlx::query_scalar(of).fetch_one(database.pool()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_are_exact_through_kills_and_rebalances() {
    let analytics = Analytics::open().await;
    let (seconds, pages) = (1_000, ["/", "/lamps", "/tables"]);
    let mut wanted: BTreeMap<(String, i64), i64> = BTreeMap::new();
    let mut workers = vec![analytics.start(&["streams", "run"])];
    for number in 0..300_i64 {
        let (at, page) = (number * 4 * seconds, pages[usize::try_from(number % 3).unwrap()]);
        let start = (BEGIN + at).div_euclid(300_000) * 300_000;
        *wanted.entry((page.to_owned(), start)).or_default() += 1;
        analytics
            .put("page-views", i32::try_from(number % 3).unwrap(), at, json!({ "pageUrl": page, "other": 1 }))
            .await;
        if number % 75 == 74 {
            let taken = "SELECT count(*) FROM window_partials";
            wait_until("something is taken", PATIENCE, async || count(&analytics.database, taken).await > 0).await;
            workers.push(analytics.start(&["streams", "run"]));
            workers.remove(0).kill9();
        }
    }
    analytics.put("user-actions", 0, 0, json!({ "userId": "ada", "action": "purchase" })).await;
    analytics.put("user-actions", 1, 30 * seconds, json!({ "userId": "ada", "action": "click" })).await;
    analytics.put("user-actions", 0, 30 * seconds, json!({ "userId": "bob", "action": "click" })).await;
    // Long after that, eve buys twice.
    for at in [4_000, 4_100] {
        analytics.put("user-actions", 2, at * seconds, json!({ "userId": "eve", "action": "purchase" })).await;
    }
    let key = format!("{{{}:user:activity:ada", analytics.redis.config().prefix);
    let all = json!({ "pageViews": 0, "clicks": 1, "searches": 0, "purchases": 1 });
    wait_until("Redis has what ada did", PATIENCE, async || {
        let text: Option<String> = analytics.redis.command(&["GET", &key]).await;
        text.is_some_and(|text| serde_json::from_str::<Value>(&text).unwrap() == all)
    })
    .await;
    let lifetime: i64 = analytics.redis.command(&["TTL", &key]).await;
    assert!((1..=3_600).contains(&lifetime), "{lifetime}");
    for partition in 0..3 {
        analytics.put("page-views", partition, 7_200 * seconds, json!({ "pageUrl": "/end" })).await;
        analytics.put("user-actions", partition, 9_000 * seconds, json!({ "userId": "end", "action": "search" })).await;
    }
    let finals = "SELECT count(*) FROM window_results WHERE stream = 'page-views-5min' AND final";
    let windows = i64::try_from(wanted.len()).unwrap();
    wait_until("all windows are final", PATIENCE, async || count(&analytics.database, finals).await >= windows).await;
    let behaviour = "SELECT count(*) FROM window_results WHERE stream = 'user-behavior' AND final";
    // Twelve windows of each.
    wait_until("those of users, too", PATIENCE, async || count(&analytics.database, behaviour).await >= 24).await;
    for worker in &workers {
        worker.sigterm();
        assert!(worker.wait_exit(PATIENCE).await.success(), "{}", worker.output());
    }
    let told = "SELECT aggregateid FROM outbox WHERE type = 'high-value-user-detected' ORDER BY id";
    let mut told: Vec<String> = sqlx::query_scalar(told).fetch_all(analytics.database.pool()).await.unwrap();
    told.sort();
    assert_eq!(told, ["ada", "eve"], "once, though many windows hold what they did");
    let shown = analytics.json(&["windows", "show", "page-views-5min", "--limit", "1000", "--json"]).await;
    let found = shown.as_array().unwrap().iter().filter(|result| result["final"] == true).map(|result| {
        let start: chrono::DateTime<chrono::Utc> = result["window_start"].as_str().unwrap().parse().unwrap();
        assert_eq!(result["value"], result["events"]);
        ((result["key"].as_str().unwrap().to_owned(), start.timestamp_millis()), result["value"].as_i64().unwrap())
    });
    assert_eq!(found.collect::<BTreeMap<_, _>>(), wanted);
    let shown = analytics.json(&["windows", "show", "user-behavior", "--key", "bob", "--json"]).await;
    assert_eq!(shown, json!([]), "bob did nothing of interest");
    let listed = analytics.json(&["windows", "list", "--json"]).await;
    assert_eq!(
        (&listed[0]["stream"], &listed[0]["events"], &listed[0]["late"]),
        (&json!("page-views-5min"), &json!(303), &json!(0))
    );
}

/// A batch has a connection for as long as it takes; what is put aside must not wait for another one of the same pool.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_event_is_put_aside_also_where_the_batch_has_the_last_connection() {
    let analytics = Analytics::open().await;
    for partition in 0..3 {
        analytics.put("page-views", partition, 0, json!({ "no": "page" })).await;
        analytics.put("page-views", partition, 0, json!({ "pageUrl": "/" })).await;
    }
    let one = analytics.program().env("MILLGATE_POSTGRES_POOL_SIZE", "1").args(["streams", "run", "page-views-5min"]);
    let _running = one.spawn();
    let aside = "SELECT count(*) FROM dead_letters WHERE topic LIKE '%page-views'";
    wait_until("all are put aside", PATIENCE, async || count(&analytics.database, aside).await == 3).await;
    let counted = "SELECT COALESCE(sum(events), 0)::bigint FROM window_results WHERE stream = 'page-views-5min'";
    wait_until("the others are counted", PATIENCE, async || count(&analytics.database, counted).await == 3).await;
}
