//! Stages that are given their records by hand: what one does that begins with other rules, and what does not depend on when it reads.

use std::time::Duration;

use chrono::DateTime;
use millgate_events::{Event, Holding, Record};
use millgate_streams::{
    Stage, Turn,
    windows::{WindowProgress, WindowStore, Windows, WindowsOver},
};
use sqlx::Connection;

use crate::rig::{Popular, Rig, Seen, Viewed, record};

/// A whole multiple of ten seconds.
const BEGIN: i64 = 1_700_000_000_000;
const SECOND: i64 = 1_000;
const TEN: Duration = Duration::from_secs(10);

/// Has a stage that has just begun take records, and then turns its clock until there is no more to do.
async fn run(rig: &Rig, stage: &impl Stage, records: &[Record]) {
    let mut connection = rig.database.pool().acquire().await.unwrap();
    let mut transaction = connection.begin().await.unwrap();
    let mut state = stage.open(&Holding::alone(Viewed::TYPE, 0), &mut transaction).await.unwrap();
    stage.take(&mut state, records, &mut transaction).await.unwrap();
    transaction.commit().await.unwrap();
    stage.taken(&mut state);
    let (topics, at) = ([(Viewed::TYPE.to_owned(), 1)], DateTime::from_timestamp_millis(BEGIN).unwrap());
    let mut again = true;
    while again {
        let mut transaction = connection.begin().await.unwrap();
        let turn = Turn { topics: &topics, holdings: &[], at, again: false };
        again = stage.turn(&turn, &mut transaction).await.unwrap();
        transaction.commit().await.unwrap();
        stage.turned();
    }
}

async fn progress(rig: &Rig) -> WindowProgress {
    WindowStore::new(rig.database.pool().clone()).list().await.unwrap().remove(0)
}

fn views(rig: &Rig) -> WindowsOver<Viewed> {
    Windows::over::<Viewed>("views", &rig.resources())
}

#[tokio::test]
async fn what_was_final_when_less_lateness_was_allowed_stays_closed() {
    type Of = fn(WindowsOver<Viewed>) -> WindowsOver<Viewed>;
    // And in how many windows an event is.
    let shapes: [(Of, i64); 3] =
        [(|it| it.tumbling(TEN), 1), (|it| it.hopping(2 * TEN, TEN), 2), (|it| it.session(TEN), 1)];
    for (shape, times) in shapes {
        let rig = Rig::fresh(0).await;
        let stage = |lateness| {
            let over = shape(views(&rig)).by(|viewed| &viewed.page).allow_disorder(Duration::from_secs(1));
            over.allow_lateness(lateness).count().into_table().into_stage()
        };
        let first = [record(0, 0, BEGIN, "/a", 1), record(0, 1, BEGIN + 60 * SECOND, "/b", 1)];
        run(&rig, &stage(Duration::ZERO), &first).await;
        let finals = |results: Vec<millgate_streams::windows::StoredWindow>| {
            let finals = results.into_iter().filter(|result| result.is_final);
            finals.map(|result| (result.key, result.window_start, result.events)).collect::<Vec<_>>()
        };
        let before = finals(rig.results().await);
        assert!(!before.is_empty());
        // In what is final; and in what is not, and would have been late without the new lateness.
        let more = [record(0, 2, BEGIN + 5 * SECOND, "/a", 1), record(0, 3, BEGIN + 59_500, "/b", 1)];
        run(&rig, &stage(Duration::from_hours(1)), &more).await;
        let now = progress(&rig).await;
        assert_eq!((now.events, now.late), (3, 1), "{}", now.windows);
        let end = [record(0, 4, BEGIN + 8_000 * SECOND, "/end", 1)];
        run(&rig, &stage(Duration::from_hours(1)), &end).await;
        let after = finals(rig.results().await);
        assert!(before.iter().all(|result| after.contains(result)), "{}: what is final stays", now.windows);
        let of_b = after.iter().filter(|(key, ..)| key == "/b").map(|(.., events)| *events).sum::<i64>();
        assert_eq!(of_b, 2 * times, "{}: what counts is there", now.windows);
    }
}

#[tokio::test]
async fn events_of_several_kinds_tell_of_one_window_each_under_an_id_of_its_own() {
    let rig = Rig::fresh(0).await;
    let stage = views(&rig).tumbling(TEN).by(|viewed| &viewed.page).count();
    let popular = |page: &str, views| Some(Popular { page: page.to_owned(), views });
    let stage = stage
        .publish(move |result| popular(&result.key, 1))
        .publish(|result| Some(Seen { page: result.key.clone() }))
        .publish(move |result| popular(&result.key, 2))
        .into_stage();
    run(&rig, &stage, &[record(0, 0, BEGIN, "/a", 1), record(0, 1, BEGIN + 60 * SECOND, "/b", 1)]).await;
    let told = "SELECT type, count(DISTINCT id) FROM outbox GROUP BY type ORDER BY type";
    let told: Vec<(String, i64)> = sqlx::query_as(told).fetch_all(rig.database.pool()).await.unwrap();
    assert_eq!(told, [(Popular::TYPE.to_owned(), 2), (Seen::TYPE.to_owned(), 1)]);
}

#[tokio::test]
async fn an_event_of_the_future_is_one_however_late_it_is_read() {
    let rig = Rig::fresh(0).await;
    rig.kafka.create("dead-letter-queue", 1).await;
    let stage = views(&rig).tumbling(TEN).by(|viewed| &viewed.page).count().into_table().into_stage();
    let (minute, far) = (60 * SECOND, 4_000_000_000_000);
    let at = |offset, time, written| Record { timestamp: written, ..record(0, offset, time, "/a", 1) };
    let records = [
        at(0, BEGIN + 59 * minute, Some(BEGIN)),
        // Two hours ahead of when it was written, years ago.
        at(1, BEGIN + 120 * minute, Some(BEGIN)),
        // Of a clock that gave the record its time, too.
        at(2, far, Some(far)),
        // Nobody knows when it was written.
        at(3, BEGIN + 180 * minute, None),
    ];
    run(&rig, &stage, &records).await;
    let now = progress(&rig).await;
    assert_eq!((now.events, now.ahead), (2, 2));
    let letters = rig.kafka.records("dead-letter-queue", 2).await;
    assert!(letters.iter().all(|letter| letter.headers.text("x-dlq-code") == Some("of_the_future")));
    assert_eq!(now.newest.unwrap().timestamp_millis(), BEGIN + 180 * minute);
}
