//! What people do with projections: pass over an event, wait for one.

use std::{sync::Arc, time::Duration};

use millgate_events::{ProjectionState, StoreError};
use millgate_testkit::{wait_for, wait_until};
use uuid::Uuid;

use crate::accounts::{Balances, Bank, Deposited, SOON, balances, hindered, stream};

/// Stands still at what is 13.
fn thirteen_is_wrong() -> millgate_events::Projections {
    hindered::<1>(Arc::new(|deposited: &Deposited| match deposited.cents {
        13 => Err("thirteen is not to be counted".into()),
        _ => Ok(()),
    }))
}

async fn stands_still(bank: &Bank, state: ProjectionState) -> Uuid {
    wait_for("it stands still", SOON, async || {
        let all = bank.status("balances").await;
        all.iter().find(|status| status.state == state).and_then(|status| status.failed_event)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_passed_over_only_where_it_stands_still_and_the_next_build_tries_it_again() {
    let bank = Bank::open().await;
    for cents in [1, 2, 13, 4, 13, 6] {
        bank.deposit("a", cents).await;
    }
    let events = bank.store.load(&stream("a"), 1).await.unwrap();
    let skip =
        async |version: usize| bank.projections.skip("balances", events[version - 1].id, ("ada", "a typo")).await;
    let refused = skip(3).await.unwrap_err().to_string();
    assert!(refused.contains("does not stand still at event"), "{refused}");
    let projections = thirteen_is_wrong();
    let running = bank.run(&projections);
    assert_eq!(stands_still(&bank, ProjectionState::Live).await, events[2].id);
    let status = bank.status("balances").await.remove(0);
    assert_eq!(
        (status.failed_type.as_deref(), status.failed_stream.as_deref(), status.failed_version, status.skipped),
        (Some("account.deposited"), Some("account-a"), Some(3), 0)
    );
    // Neither one that it has, nor one that is to come.
    for other in [2, 4] {
        let refused = skip(other).await.unwrap_err().to_string();
        assert!(refused.contains(&format!("it stands still at event {}, and not at", events[2].id)), "{refused}");
    }
    let skipped = skip(3).await.unwrap();
    assert_eq!((skipped.position, skipped.builds), (events[2].position, vec![1]));
    assert!(skipped.error.contains("thirteen is not to be counted"), "{}", skipped.error);
    wait_until("it stands still at the next one", SOON, async || {
        bank.status("balances").await[0].failed_event == Some(events[4].id)
    })
    .await;
    skip(5).await.unwrap();
    bank.caught_up("balances").await;
    assert_eq!(bank.balances().await, [("a".into(), 13, 4)], "all but those two");
    let status = bank.status("balances").await.remove(0);
    assert_eq!((status.skipped, status.applied, status.failed_event), (2, 4, None));
    let noted = "SELECT build, event, skipped_by, why FROM store_skips ORDER BY position";
    let noted: Vec<(i64, Uuid, String, String)> = sqlx::query_as(noted).fetch_all(&bank.pool).await.unwrap();
    assert_eq!(noted[1], (1, events[4].id, "ada".into(), "a typo".into()));
    assert!(skip(5).await.is_err(), "it is over that");

    bank.projections.rebuild(&projections, "balances", false).await.unwrap();
    assert_eq!(stands_still(&bank, ProjectionState::Building).await, events[2].id, "tried again");
    assert_eq!(bank.balances().await, [("a".into(), 13, 4)], "and what is read is what was");
    skip(3).await.unwrap();
    bank.projections.rebuild(&projections, "balances", true).await.unwrap();
    wait_until("it stands still there again", SOON, async || {
        bank.status("balances").await.iter().any(|status| {
            status.state == ProjectionState::Building
                && status.failed_event == Some(events[2].id)
                && status.skipped == 0
        })
    })
    .await;
    assert_eq!(skip(3).await.unwrap().builds, [2], "what was begun anew has passed over nothing");
    bank.projections.rebuild(&projections, "balances", true).await.unwrap();
    running.stop().await;
    // The code is mended.
    let running = bank.run(&balances::<1>());
    wait_until("the new one is live", SOON, async || bank.status("balances").await.len() == 1).await;
    bank.caught_up("balances").await;
    assert_eq!(bank.balances().await, bank.truth().await);
    assert_eq!(bank.status("balances").await[0].skipped, 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_what_they_wrote_reads_it() {
    let bank = Bank::open().await;
    let (a, short) = (stream("a"), Duration::from_millis(20));
    let version = bank.deposit("a", 1).await;
    let early = bank.store.wait_for::<Balances<1>>(&a, version, short).await.unwrap_err().to_string();
    assert!(early.contains("it has no tables yet"), "{early}");
    let running = bank.run(&balances::<1>());
    for n in 2..=30 {
        let version = bank.deposit("a", n).await;
        bank.store.wait_for::<Balances<1>>(&a, version, SOON).await.unwrap();
        assert_eq!(bank.balances().await, [("a".into(), n * (n + 1) / 2, n)]);
    }
    running.stop().await;
    let version = bank.deposit("a", 31).await;
    let behind = bank.store.wait_for::<Balances<1>>(&a, version, short).await;
    let Err(StoreError::Behind { name, position, at, problem }) = behind else { panic!("{behind:?}") };
    assert!(name == "balances" && at < position && problem.contains("projections run"), "{at} {position} {problem}");
    bank.store.wait_for::<Balances<1>>(&a, version - 1, short).await.unwrap();
    bank.store.wait_for::<Balances<1>>(&stream("nobody"), 0, short).await.unwrap();
}
