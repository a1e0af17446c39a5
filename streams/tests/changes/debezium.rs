//! Changes as a real Debezium tells them, of a real PostgreSQL.
//!
//! With `MILLGATE_KEEP_ENVELOPES` set, what it wrote is kept in `envelopes/`, from which the parser's own tests read.

use std::{fs, path::Path};

use bytes::Bytes;
use millgate_events::Record;
use millgate_streams::changes::{Change, Changes};
use millgate_testkit::{Debezium, PostgresServer, wait_until};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};

use crate::rig::{Directory, Rig, SOON, User, renamed};

const USERS: &str = "plain.public.users";
const ALBUMS: &str = "wrapped.public.albums";

/// Longer than a row may be.
const ALBUM: &str = "INSERT INTO albums SELECT 1, 'Spring', repeat('n', 3000), convert_to(repeat('p', 3000), 'UTF8'), \
    array_fill('tag'::text, ARRAY[1000]), array_fill(7, ARRAY[1000]), array_fill(8::bigint, ARRAY[1000]), \
    array_fill('0191f0c4-0000-7000-8000-000000000000'::uuid, ARRAY[200]), jsonb_build_object('x', repeat('j', 3000))";

struct World {
    // Dropped in this order.
    debezium: Debezium,
    source: PostgresServer,
    rig: Rig,
}

impl World {
    /// Rows that are there before Debezium is.
    async fn begin() -> Self {
        let (rig, source) = (Rig::fresh().await, PostgresServer::start().await);
        run(source.pool(), include_str!("source.sql")).await;
        run(source.pool(), include_str!("../../../ops/debezium/source.sql")).await;
        run(source.pool(), "GRANT SELECT ON albums TO debezium; ALTER PUBLICATION millgate ADD TABLE albums").await;
        run(source.pool(), "INSERT INTO users (id, name, email) VALUES (1, 'Ann', 'ann@x'), (2, 'Bob', 'bob@x')").await;
        run(source.pool(), ALBUM).await;
        let json = "org.apache.kafka.connect.json.JsonConverter";
        let wrapped = [
            ("table.include.list", "public.albums"),
            ("key.converter", json),
            ("key.converter.schemas.enable", "true"),
            ("value.converter", json),
            ("value.converter.schemas.enable", "true"),
        ];
        let debezium = Debezium::new(&rig.kafka)
            .with("plain", &rig.kafka, "plain", &source, &[("table.include.list", "public.users")])
            .with("wrapped", &rig.kafka, "wrapped", &source, &wrapped);
        debezium.restart().await;
        Self { debezium, source, rig }
    }

    async fn run(&self, sql: &str) {
        run(self.source.pool(), sql).await;
    }

    /// Waits until the table that follows is as the table that it follows.
    async fn agrees(&self, after: &str) {
        let read = "SELECT id, name, email, bio FROM";
        wait_until(&format!("the directory to be as the users are, after {after}"), SOON, async || {
            let users: Vec<(i64, String, String, Option<String>)> =
                sqlx::query_as(AssertSqlSafe(format!("{read} users ORDER BY id")))
                    .fetch_all(self.source.pool())
                    .await
                    .unwrap();
            let directory: Vec<(i64, String, String, Option<String>)> =
                sqlx::query_as(AssertSqlSafe(format!("{read} directory ORDER BY id")))
                    .fetch_all(&self.rig.pool())
                    .await
                    .unwrap();
            users == directory
        })
        .await;
    }

    /// Waits until what is remembered of albums is what albums are, as text.
    async fn albums_agree(&self, after: &str) {
        let list =
            "id, title, notes, tags, numbers, sizes, ids, encode(photo, 'base64') AS photo, extra::text AS extra";
        wait_until(&format!("albums to be remembered as they are, after {after}"), SOON, async || {
            let of_source = format!("SELECT to_jsonb(a) FROM (SELECT {list} FROM albums ORDER BY id) AS a");
            let albums: Vec<Value> =
                sqlx::query_scalar(AssertSqlSafe(of_source)).fetch_all(self.source.pool()).await.unwrap();
            let read = "SELECT \"row\" FROM change_rows WHERE stream = 'albums' AND deleted_at IS NULL AND key <> '' \
                ORDER BY \"row\" -> 'id'";
            let mut remembered: Vec<Value> = sqlx::query_scalar(read).fetch_all(&self.rig.pool()).await.unwrap();
            // PostgreSQL breaks Base64 into lines.
            let mut albums = albums;
            for row in albums.iter_mut().chain(&mut remembered) {
                if let Some(photo) = row["photo"].as_str() {
                    row["photo"] = photo.replace('\n', "").into();
                }
            }
            albums == remembered
        })
        .await;
    }
}

async fn run(database: &PgPool, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(database).await.unwrap();
}

fn users(rig: &Rig) -> Changes<User> {
    let prefix = rig.prefix.clone();
    Changes::of(USERS).replica_identity_full().sink(Directory::default()).publish(renamed).invalidate(
        move |change: &Change<User>| change.rows().map(|user| format!("{prefix}:{}", user.email)).collect::<Vec<_>>(),
    )
}

#[tokio::test]
async fn what_a_real_debezium_tells_comes_to_what_the_tables_are() {
    let world = World::begin().await;
    let rig = &world.rig;
    let following = rig.start("users", users(rig));
    let albums = rig.start("albums", Changes::<Value>::of(ALBUMS).remember_rows());
    world.agrees("the snapshot").await;
    world.albums_agree("the snapshot").await;
    assert_eq!(rig.events().await, [], "a snapshot is nothing that happened");

    rig.fill(&["ann@x", "anna@x", "bob@x"]).await;
    world.run("UPDATE users SET name = 'Anna', email = 'anna@x' WHERE id = 1").await;
    world.agrees("an update").await;
    wait_until("the keys to go", SOON, async || rig.filled(&["ann@x", "anna@x", "bob@x"]).await == ["bob@x"]).await;

    world
        .run(
            "INSERT INTO users VALUES (3, 'Cid', 'cid@x', repeat('b', 3000), 12.50, '2000-02-29', '2026-01-02 03:04:05.678901', \
             '2026-01-02 03:04:05+02')",
        )
        .await;
    world.run("UPDATE users SET email = 'cid@y' WHERE id = 3").await;
    world.run("UPDATE albums SET title = 'Summer'").await;
    world.agrees("an update beside a long value").await;
    world.albums_agree("an update beside long values").await;

    world.run("UPDATE users SET id = 30 WHERE id = 3; UPDATE albums SET id = 10 WHERE id = 1").await;
    world.agrees("an update of the key").await;
    world.albums_agree("an update of the key").await;

    rig.fill(&["bob@x"]).await;
    world.run("DELETE FROM users WHERE id = 2").await;
    world.agrees("a delete").await;
    wait_until("the keys to go", SOON, async || rig.filled(&["bob@x"]).await.is_empty()).await;

    // Killed: it sends again what it has not noted to have sent, and what came since.
    world.debezium.noted().await;
    world.debezium.kill9();
    world.run("INSERT INTO users VALUES (4, 'Dee', 'dee@x'); UPDATE users SET name = 'Annie' WHERE id = 1").await;
    world.debezium.restart().await;
    world.agrees("a kill of Debezium").await;

    world.run("TRUNCATE users, albums").await;
    world.agrees("a truncate").await;
    world.albums_agree("a truncate").await;
    world.run("INSERT INTO users VALUES (1, 'Ann', 'ann@x')").await;
    world.run(ALBUM).await;
    world.run("UPDATE albums SET title = 'Autumn'; DELETE FROM albums").await;
    world.agrees("an insert after the truncate").await;
    world.albums_agree("an insert and a delete after the truncate").await;
    for (stream, topic) in [("users", USERS), ("albums", ALBUMS)] {
        rig.settled(stream, topic).await;
    }
    following.end().await;
    albums.end().await;

    let told: Vec<_> =
        rig.events().await.into_iter().map(|(_, _, event)| (event["id"].clone(), event["to"].clone())).collect();
    let happened = [(1, "Anna"), (3, "Cid"), (3, "Cid"), (30, "Cid"), (4, "Dee"), (1, "Annie"), (1, "Ann")];
    assert_eq!(told, happened.map(|(id, to)| (json!(id), json!(to))));
    assert_eq!(rig.dead().await, []);
    keep(rig).await;
}

/// Keeps what Debezium wrote, if that is wanted.
async fn keep(rig: &Rig) {
    if std::env::var_os("MILLGATE_KEEP_ENVELOPES").is_none() {
        return;
    }
    for (topic, name) in [(USERS, "plain"), (ALBUMS, "wrapped")] {
        let lines = rig.kafka.records(topic, 1).await.iter().map(|record| line(record) + "\n").collect::<String>();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/changes/envelopes");
        fs::write(folder.join(format!("{name}.jsonl")), lines).unwrap();
    }
}

/// Of which the long values are made.
const PIECES: [&str; 8] = ["n", "cHBw", "\"tag\",", "7,", "8,", "\"0191f0c4-0000-7000-8000-000000000000\",", "j", "b"];

/// A record as JSON, without most of its long values, which nobody wants to look at.
fn line(record: &Record) -> String {
    let cut = |text: String| PIECES.iter().fold(text, |text, piece| text.replace(&piece.repeat(100), ""));
    let text = |bytes: &Option<Bytes>| bytes.as_ref().map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
    let headers: Vec<_> = record.headers.iter().map(|(name, value)| json!([name, text(&value.cloned())])).collect();
    json!({"key": text(&record.key), "value": text(&record.value).map(cut), "headers": headers}).to_string()
}
