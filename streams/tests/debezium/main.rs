//! Changes as a real Debezium tells them, of a real PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test, a panic with a line number is the report")]

use std::time::Duration;

use millgate_testkit::{Debezium, KafkaSpace, PostgresServer, wait_for};

#[tokio::test]
async fn explore() {
    let kafka = KafkaSpace::fresh("debezium");
    let source = PostgresServer::start().await;
    let sql = |text: &'static str| {
        let pool = source.pool().clone();
        async move { sqlx::raw_sql(text).execute(&pool).await.unwrap() }
    };
    sql(include_str!("users.sql")).await;
    sql(include_str!("../../../ops/debezium/source.sql")).await;
    sql("GRANT SELECT ON public.slim TO debezium; ALTER PUBLICATION millgate ADD TABLE public.slim").await;
    sql("INSERT INTO users (id, name, email) VALUES (1, 'Ann', 'ann@old.example')").await;
    let tables = ("table.include.list", "public.users,public.slim");
    let debezium = Debezium::new(&kafka).with("plain", &kafka, "plain", &source, &[tables]).with(
        "wrapped",
        &kafka,
        "wrapped",
        &source,
        &[tables, ("key.converter", "org.apache.kafka.connect.json.JsonConverter"), ("value.converter", "org.apache.kafka.connect.json.JsonConverter"),
            ("key.converter.schemas.enable", "true"), ("value.converter.schemas.enable", "true"),
            ("decimal.handling.mode", "precise")],
    );
    debezium.restart().await;
    let text = "INSERT INTO users (id, name, email, bio, balance, born, seen, at, tags, extra, photo) SELECT 2, 'Bob', 'bob@example.com', \
        string_agg(md5(i::text), ''), 12.50, '2000-02-29', '2026-01-02 03:04:05.678901', '2026-01-02 03:04:05+02', '{a,b}', '{\"x\": 1}', '\\x0102' FROM generate_series(1, 200) AS i;\
        UPDATE users SET email = 'robert@example.com' WHERE id = 2; UPDATE users SET id = 20 WHERE id = 2; DELETE FROM users WHERE id = 20; \
        SELECT pg_logical_emit_message(true, 'note', 'hello'); \
        TRUNCATE users; INSERT INTO users (id, name, email) VALUES (3, 'Cid', 'cid@example.com');";
    sqlx::raw_sql(sqlx::AssertSqlSafe(text.to_owned())).execute(source.pool()).await.unwrap();
    let text = text.replace("users", "slim");
    sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(source.pool()).await.unwrap();
    for (prefix, count) in [("plain", 9), ("wrapped", 9)] {
        for table in ["users", "slim"] {
            let topic = format!("{prefix}.public.{table}");
            let count = if table == "users" { count + 1 } else { count };
            let records = wait_for("records", Duration::from_mins(1), async || {
                let ends = kafka.ends(&topic).await;
                if ends.iter().sum::<i64>() >= count as i64 { Some(kafka.records(&topic, count).await) } else { eprintln!("{topic} {ends:?}"); tokio::time::sleep(Duration::from_secs(1)).await; None }
            })
            .await;
            let mut out = String::new();
            for record in records {
                let text = |bytes: Option<bytes::Bytes>| bytes.map_or("null".to_owned(), |bytes| String::from_utf8_lossy(&bytes).into_owned());
                out += &format!("{{\"key\": {}, \"value\": {}}}\n", text(record.key), text(record.value));
            }
            std::fs::write(format!("/tmp/{prefix}.{table}.jsonl"), out).unwrap();
        }
    }
}
