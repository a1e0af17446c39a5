//! Windows off Kafka: several processes, idle partitions, late events, and what comes to Redis.

use std::time::Duration;

use millgate_events::Event;
use millgate_streams::{
    Stream,
    windows::{Aggregated, Count, WindowStore, Windows, WindowsOver},
};
use millgate_testkit::wait_until;
use serde_json::json;

use crate::rig::{Popular, Rig, SOON, Viewed};

const BEGIN: i64 = 1_700_000_000_000;
const SECOND: i64 = 1_000;

fn views(rig: &Rig) -> WindowsOver<Viewed> {
    let views = Windows::over::<Viewed>("views", &rig.resources()).tumbling(Duration::from_secs(10));
    views.by(|viewed| &viewed.page).allow_disorder(Duration::from_secs(1)).early_every(Duration::from_millis(50))
}

fn counted(rig: &Rig) -> Aggregated<Viewed, Count> {
    // Within the test no partition is idle.
    views(rig).idle_after(Duration::from_hours(1)).count().into_table()
}

#[tokio::test]
async fn two_processes_one_of_which_dies_count_each_event_once() {
    let rig = Rig::fresh(4).await;
    let first = rig.start(counted(&rig));
    let second = rig.start(counted(&rig));
    let pages = ["/a", "/b", "/c"];
    for number in 0..240_i64 {
        rig.put(
            i32::try_from(number % 4).unwrap(),
            BEGIN + number * 100,
            pages[usize::try_from(number % 3).unwrap()],
            1,
        )
        .await;
        if number == 100 {
            // Not ended: it leaves the group without a word of what it has in hand.
            wait_until("something is taken", SOON, async || !rig.results().await.is_empty()).await;
            first.task.abort();
        }
    }
    // Past the last window, in each partition.
    for partition in 0..4 {
        rig.put(partition, BEGIN + 60 * SECOND, "/end", 1).await;
    }
    let results = rig.until_final(9).await;
    wait_until("what is open is shown, too", SOON, async || {
        rig.results().await.iter().any(|result| !result.is_final && (&*result.key, result.events) == ("/end", 4))
    })
    .await;
    second.end().await;
    let finals: Vec<_> = results.iter().filter(|result| result.is_final).collect();
    assert_eq!(finals.len(), 9, "three pages in three windows");
    assert_eq!(finals.iter().map(|result| result.events).sum::<i64>(), 240);
    for result in &finals[..2] {
        assert!((33..=34).contains(&result.value.as_i64().unwrap()), "{result:?}");
    }
}

#[tokio::test]
async fn partitions_that_there_are_no_more_hold_nobody_up() {
    let rig = Rig::fresh(1).await;
    rig.put(0, BEGIN, "/a", 1).await;
    let running = rig.start(counted(&rig));
    wait_until("it is counted", SOON, async || rig.results().await.len() == 1).await;
    running.end().await;
    // As if the topic had had three before it was made anew.
    let more = "INSERT INTO window_watermarks (stream, topic, partition, watermark, newest) \
        SELECT stream, topic, partition + more, watermark, newest FROM window_watermarks, generate_series(1, 2) AS more";
    sqlx::query(more).execute(rig.database.pool()).await.unwrap();
    rig.put(0, BEGIN + 30 * SECOND, "/a", 1).await;
    let running = rig.start(counted(&rig));
    assert_eq!(rig.until_final(1).await.len(), 2);
    running.end().await;
}

#[tokio::test]
async fn a_partition_without_events_holds_nobody_up_once_it_is_idle() {
    let rig = Rig::fresh(3).await;
    rig.put(0, BEGIN, "/a", 1).await;
    rig.put(0, BEGIN + 30 * SECOND, "/a", 1).await;
    let waiting = rig.start(counted(&rig));
    wait_until("it is counted", SOON, async || rig.results().await.len() == 2).await;
    wait_until("all partitions are known", SOON, async || {
        let known = sqlx::query_scalar("SELECT count(*) FROM window_watermarks");
        known.fetch_one(rig.database.pool()).await.is_ok_and(|known: i64| known == 3)
    })
    .await;
    waiting.end().await;
    assert!(rig.results().await.iter().all(|result| !result.is_final), "two partitions have said nothing yet");
    let running = rig.start(views(&rig).idle_after(Duration::from_millis(200)).count());
    let results = rig.until_final(2).await;
    running.end().await;
    assert_eq!(results.iter().map(|result| result.events).collect::<Vec<_>>(), [1, 1]);
}

#[tokio::test]
async fn a_stream_says_where_its_windows_write() {
    let rig = Rig::fresh(0).await;
    let windows = views(&rig).late_to("late").count().publish(|_| None::<Popular>);
    let stream = Stream::from(windows);
    assert_eq!(stream.written().collect::<Vec<_>>(), ["late", Popular::TOPIC]);
}

#[tokio::test]
async fn late_events_are_counted_and_put_where_they_are_wanted() {
    let rig = Rig::fresh(1).await;
    rig.kafka.create("late", 1).await;
    rig.kafka.create("dead-letter-queue", 1).await;
    let running = rig.start(
        views(&rig).idle_after(Duration::from_hours(1)).late_to("late").count().allow_lateness(Duration::from_secs(5)),
    );
    // The window ends at 10, the watermark is a second behind, and five more are allowed.
    for at in [0, 15_999, 1, 16_000, 2] {
        rig.put(0, BEGIN + at, "/a", at).await;
    }
    // Broken ones, and one of the future.
    rig.kafka
        .put("page.viewed", 0, None, Some(b"{"), &[("ce_type", "page.viewed"), ("ce_id", "1"), ("ce_source", "x")])
        .await;
    rig.put(0, 95_617_584_000_000, "/a", 0).await;
    let results = rig.until_final(1).await;
    let late = rig.kafka.records("late", 1).await;
    let letters = rig.kafka.records("dead-letter-queue", 2).await;
    running.end().await;
    assert_eq!((results[0].events, late.len()), (2, 1), "one that came at the last moment counts");
    assert_eq!(late[0].value.as_deref(), Some(br#"{"amount":2,"page":"/a"}"#.as_slice()));
    let mut codes: Vec<_> =
        letters.iter().map(|letter| letter.headers.text("x-dlq-code").unwrap_or_default()).collect();
    codes.sort_unstable();
    assert_eq!(letters.len(), 2, "{codes:?}");
    let progress = WindowStore::new(rig.database.pool().clone()).list().await.unwrap().remove(0);
    assert_eq!((progress.events, progress.late, progress.ahead), (4, 1, 1));
    assert_eq!(progress.watermark.unwrap().timestamp_millis(), BEGIN + 15_000);
    let age = "UPDATE window_results SET updated_at = now() - interval '31 days'";
    sqlx::query(age).execute(rig.database.pool()).await.unwrap();
    let running = rig.start(counted(&rig).allow_lateness(Duration::from_secs(5)));
    wait_until("what is final is too old, and goes", SOON, async || {
        rig.results().await.iter().all(|result| !result.is_final)
    })
    .await;
    running.end().await;
}

#[tokio::test]
async fn the_cache_has_the_fullest_window_and_a_lifetime_and_events_go_out_once() {
    let rig = Rig::fresh(1).await;
    let cache = rig.resources().cache;
    let pattern = format!("{}:{{key}}", rig.kafka.config().consumer_group);
    let key = pattern.replace("{key}", "ada");
    let over =
        Windows::over::<Viewed>("views", &rig.resources()).hopping(Duration::from_hours(1), Duration::from_mins(5));
    let over = over.allow_disorder(Duration::from_hours(1));
    let windows = over
        .by(|viewed| &viewed.page)
        .idle_after(Duration::from_hours(1))
        .early_every(Duration::from_millis(50))
        .sum(|viewed| viewed.amount)
        .into_table()
        .into_cache(&pattern, Duration::from_hours(1))
        .publish(|result| (result.value > 2).then(|| Popular { page: result.key.clone(), views: 3 }));
    let running = rig.start(windows);
    let minute = 60 * SECOND;
    for (at, amount) in [(0, 1), (50, 2), (3, 4)] {
        rig.put(0, BEGIN + at * minute, "ada", amount).await;
    }
    wait_until("all is summed", SOON, async || cache.get(&key).await.unwrap().as_deref() == Some("7")).await;
    let lifetime = cache.lifetime(&key).await.unwrap().unwrap();
    assert!(lifetime <= Duration::from_hours(1) && lifetime > Duration::from_mins(50), "{lifetime:?}");
    rig.put(0, BEGIN + 300 * minute, "end", 1).await;
    wait_until("ada's windows are final", SOON, async || {
        let results = rig.results().await;
        results.iter().filter(|result| result.key == "ada" && result.is_final).count() == 22
    })
    .await;
    running.end().await;
    let sums: i64 = rig
        .results()
        .await
        .iter()
        .filter(|result| result.key == "ada")
        .map(|result| result.value.as_i64().unwrap())
        .sum();
    assert_eq!(sums, 12 * 7, "each event is in twelve windows");
    let told: Vec<(String, i64)> = sqlx::query_as("SELECT aggregateid, (payload->>'views')::bigint FROM outbox")
        .fetch_all(rig.database.pool())
        .await
        .unwrap();
    let wanted = rig.results().await.iter().filter(|result| result.is_final && result.value.as_i64() > Some(2)).count();
    assert_eq!(told, vec![("ada".to_owned(), 3); wanted]);
    sqlx::query("SELECT 1").execute(rig.database.pool()).await.unwrap();
    rig.redis.command::<i64>(&["DEL", &key]).await;
}

/// Over a restart.
#[tokio::test]
async fn what_goes_out_once_in_a_period_is_told_of_again_when_that_is_over() {
    let rig = Rig::fresh(1).await;
    let (hour, minute) = (Duration::from_hours(1), 60 * SECOND);
    // At a whole hour.
    let begin = BEGIN.div_euclid(60 * minute) * 60 * minute;
    let windows = || {
        let over = Windows::over::<Viewed>("views", &rig.resources()).hopping(hour, Duration::from_mins(5));
        let over = over.by(|viewed| &viewed.page).idle_after(hour).allow_disorder(Duration::from_secs(1));
        over.sum(|viewed| viewed.amount)
            .into_table()
            .publish_once_in(hour, |result| {
                let views = u64::try_from(result.value).unwrap();
                (result.value > 1).then(|| Popular { page: result.key.clone(), views })
            })
            .publish(|result| (result.value > 100).then(|| Popular { page: result.key.clone(), views: 0 }))
    };
    let closed_through = async |end: i64| {
        let closed = "SELECT max(closed_through) FROM window_streams";
        wait_until("windows are closed", SOON, async || {
            let closed: Option<i64> = sqlx::query_scalar(closed).fetch_one(rig.database.pool()).await.unwrap();
            closed.is_some_and(|closed| closed >= begin + end * minute)
        })
        .await;
    };
    // ada at 2 minutes, and once more at 50; bob, of little worth at first.
    for (at, who, amount) in [(2, "ada", 7), (30, "bob", 1), (50, "ada", 8), (51, "bob", 2), (58, "later", 1)] {
        rig.put(0, begin + at * minute, who, amount).await;
    }
    let running = rig.start(windows());
    closed_through(55).await;
    running.end().await;
    for (at, who, amount) in [(200, "ada", 9), (400, "end", 5), (600, "later", 1)] {
        rig.put(0, begin + at * minute, who, amount).await;
    }
    let running = rig.start(windows());
    closed_through(455).await;
    running.end().await;
    let told = "SELECT aggregateid, (payload->>'views')::bigint, \
        ((extract(epoch FROM (headers->>'ce_time')::timestamptz) * 1000)::bigint - $1) / 60000 FROM outbox ORDER BY 3, 1";
    let told: Vec<(String, i64, i64)> = sqlx::query_as(told).bind(begin).fetch_all(rig.database.pool()).await.unwrap();
    let told: Vec<(&str, i64, i64)> = told.iter().map(|(who, views, end)| (&**who, *views, *end)).collect();
    // ada's at 50 is in windows that end from 55 on; the one that is told of is an hour later than the first.
    assert_eq!(told, [("ada", 7, 5), ("bob", 3, 55), ("ada", 8, 65), ("ada", 9, 205), ("end", 5, 405)]);
    let left = sqlx::query_scalar("SELECT key FROM window_notices ORDER BY key");
    let left: Vec<String> = left.fetch_all(rig.database.pool()).await.unwrap();
    assert_eq!(left, ["ada", "end"], "bob is forgotten");
}

#[tokio::test]
async fn a_late_event_joins_sessions_of_two_partitions_and_what_was_shown_of_them_goes() {
    let rig = Rig::fresh(2).await;
    let over =
        Windows::over::<Viewed>("views", &rig.resources()).session(Duration::from_secs(10)).by(|viewed| &viewed.page);
    let over = over.allow_disorder(Duration::from_mins(1)).early_every(Duration::from_millis(50));
    let running = rig.start(over.idle_after(Duration::from_hours(1)).distinct(|viewed| &viewed.page).into_table());
    rig.put(0, BEGIN, "ada", 1).await;
    rig.put(1, BEGIN + 18 * SECOND, "ada", 1).await;
    wait_until("two sessions are shown", SOON, async || rig.results().await.len() == 2).await;
    rig.put(1, BEGIN + 9 * SECOND, "ada", 1).await;
    wait_until("one session is shown", SOON, async || {
        let results = rig.results().await;
        results.len() == 1 && results[0].events == 3
    })
    .await;
    for partition in [0, 1] {
        rig.put(partition, BEGIN + 600 * SECOND, "end", 1).await;
    }
    let results = rig.until_final(1).await;
    running.end().await;
    let ada = results.iter().find(|result| result.key == "ada").unwrap();
    assert_eq!((ada.window_end - ada.window_start).num_seconds(), 28);
    assert_eq!((&ada.value, ada.events, ada.is_final), (&json!(1), 3, true));
}
