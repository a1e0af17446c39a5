//! Appends, conflicts, commands.

use std::collections::HashMap;

use millgate_events::{CommandError, Expected, Metadata, StoreError};
use millgate_testkit::wait_until;
use uuid::Uuid;

use crate::accounts::{Account, AccountEvent, Bank, Command, Refusal, SOON, deposited, stream};

#[tokio::test]
async fn what_is_expected_of_a_stream_has_to_be_so() {
    let bank = Bank::open().await;
    let (store, a) = (&bank.store, stream("a"));
    let append = async |expected, cents: &[i64]| {
        let events: Vec<AccountEvent> = cents.iter().map(|cents| deposited("a", *cents)).collect();
        store.append(&a, expected, &events, &Metadata::default()).await
    };
    assert!(matches!(append(Expected::Version(3), &[1]).await, Err(StoreError::Conflict { actual: 0, .. })));
    assert_eq!(append(Expected::NoStream, &[1, 2, 3]).await.unwrap(), 3);
    let error = append(Expected::NoStream, &[4]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "stream account-a was expected to have no events, and has version 3; load it again and decide anew"
    );
    assert!(matches!(append(Expected::Version(2), &[4]).await, Err(StoreError::Conflict { actual: 3, .. })));
    assert_eq!(append(Expected::Version(3), &[4]).await.unwrap(), 4);
    assert_eq!(append(Expected::Any, &[5]).await.unwrap(), 5);
    assert_eq!(append(Expected::Version(1), &[]).await.unwrap(), 5, "nothing is appended to whatever is there");
    let events = store.load(&a, 1).await.unwrap();
    assert_eq!(events.iter().map(|event| event.version).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(store.load(&a, 4).await.unwrap(), events[3..]);
    assert_eq!(store.version(&stream("b")).await.unwrap(), 0);
}

#[tokio::test]
async fn why_and_through_whom_is_kept() {
    let bank = Bank::open().await;
    let metadata = Metadata::default().by("ada").of_request("r-17");
    bank.store.append(&stream("a"), Expected::Any, &[deposited("a", 1)], &metadata).await.unwrap();
    let event = bank.store.load(&stream("a"), 1).await.unwrap().remove(0);
    let kept = event.metadata();
    assert_eq!((kept.user.as_deref(), kept.correlation_id.as_deref()), (Some("ada"), Some("r-17")));
    assert_eq!(event.data(), r#"{"account":"a","cents":1}"#);
    let headers =
        "SELECT headers::jsonb->>'ce_userid', headers::jsonb->>'ce_correlationid', id, aggregateid FROM outbox";
    let (user, correlation, id, key): (String, String, Uuid, String) =
        sqlx::query_as(headers).fetch_one(&bank.pool).await.unwrap();
    assert_eq!((&*user, &*correlation, id, &*key), ("ada", "r-17", event.id, "a"));
    bank.store.unpublished().append(&stream("b"), Expected::Any, &[deposited("b", 1)], &metadata).await.unwrap();
    let published: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(&bank.pool).await.unwrap();
    assert_eq!(published, 1);
}

/// Every append that was accepted is in its stream, once, at the version that was said; versions have no gaps; those that were
/// refused are nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn eight_writers_at_once_lose_and_double_nothing() {
    const EACH: i64 = 150;
    let bank = Bank::open().await;
    let writers = (0..8_i64).map(|writer| {
        // As many processes would: every other one does not share its commits.
        let store = if writer % 2 == 0 {
            bank.store.clone()
        } else {
            millgate_events::EventStore::new(bank.pool.clone(), "bank")
        };
        tokio::spawn(async move {
            let (mut accepted, mut refused) = (Vec::new(), 0);
            let mut versions: HashMap<String, i64> = HashMap::new();
            for n in 0..EACH {
                let id = format!("s{}", (n + writer) % 3);
                let cents = writer * 1_000_000 + n * 100;
                let events = [deposited(&id, cents), deposited(&id, cents + 1)];
                let events = &events[..=usize::try_from(n % 2).unwrap()];
                let version = versions.entry(id.clone()).or_default();
                let expected = if n % 5 == 0 { Expected::Any } else { Expected::Version(*version) };
                match store.append(&stream(&id), expected, events, &Metadata::default()).await {
                    Ok(now) => {
                        let first = now - i64::try_from(events.len()).unwrap();
                        assert!(n % 5 == 0 || first == *version, "it was as expected");
                        accepted.extend(
                            (first + 1..=now).zip([cents, cents + 1]).map(|(at, cents)| (id.clone(), at, cents)),
                        );
                        *version = now;
                    }
                    Err(StoreError::Conflict { actual, .. }) => {
                        assert_ne!(actual, *version, "a conflict is one");
                        *version = actual;
                        refused += 1;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            (accepted, refused)
        })
    });
    let (mut accepted, mut refused) = (Vec::new(), 0);
    for writer in futures::future::join_all(writers).await {
        let (more, refusals) = writer.unwrap();
        accepted.extend(more);
        refused += refusals;
    }
    assert!(refused > 0, "they were in each other's way");
    let all = "SELECT data->>'account', version, (data->>'cents')::bigint FROM store_events";
    let mut stored: Vec<(String, i64, i64)> = sqlx::query_as(all).fetch_all(&bank.pool).await.unwrap();
    stored.sort();
    accepted.sort();
    assert_eq!(stored, accepted);
    for id in ["s0", "s1", "s2"] {
        let versions: Vec<i64> = stored.iter().filter(|(of, ..)| of == id).map(|(_, version, _)| *version).collect();
        assert_eq!(versions, (1..=i64::try_from(versions.len()).unwrap()).collect::<Vec<_>>());
        assert_eq!(bank.store.version(&stream(id)).await.unwrap(), i64::try_from(versions.len()).unwrap());
    }
    let published: i64 =
        sqlx::query_scalar("SELECT count(DISTINCT id) FROM outbox").fetch_one(&bank.pool).await.unwrap();
    assert_eq!(published, i64::try_from(stored.len()).unwrap(), "each is on its way to Kafka, too");
}

#[tokio::test]
async fn in_a_transaction_of_ones_own_events_go_with_it() {
    let bank = Bank::open().await;
    let (store, a) = (&bank.store, stream("a"));
    let mut taken_back = bank.pool.begin().await.unwrap();
    store.append_in(&mut taken_back, &a, Expected::NoStream, &[deposited("a", 1)], &Metadata::default()).await.unwrap();
    taken_back.rollback().await.unwrap();
    assert_eq!(store.load(&a, 1).await.unwrap(), []);
    let mut transaction = bank.pool.begin().await.unwrap();
    store
        .append_in(&mut transaction, &a, Expected::NoStream, &[deposited("a", 2)], &Metadata::default())
        .await
        .unwrap();
    let conflict =
        store.append_in(&mut transaction, &a, Expected::NoStream, &[deposited("a", 3)], &Metadata::default()).await;
    assert!(matches!(conflict, Err(StoreError::Conflict { actual: 1, .. })));
    let none: [AccountEvent; 0] = [];
    let here = store.append_in(&mut transaction, &a, Expected::Any, &none, &Metadata::default()).await;
    assert_eq!(here.unwrap(), 1, "as this transaction sees it");
    // It goes on after that.
    let version =
        store.append_in(&mut transaction, &a, Expected::Version(1), &[deposited("a", 4)], &Metadata::default()).await;
    assert_eq!(version.unwrap(), 2);
    transaction.commit().await.unwrap();
    let cents: Vec<String> = store.load(&a, 1).await.unwrap().iter().map(|event| event.data().to_owned()).collect();
    assert_eq!(cents, [r#"{"account":"a","cents":2}"#, r#"{"account":"a","cents":4}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_somebody_has_locked_holds_up_no_other() {
    let bank = Bank::open().await;
    bank.deposit("busy", 1).await;
    let mut open = bank.pool.begin().await.unwrap();
    bank.store
        .append_in(&mut open, &stream("busy"), Expected::Any, &[deposited("busy", 2)], &Metadata::default())
        .await
        .unwrap();
    bank.store
        .append_in(&mut open, &stream("new"), Expected::Any, &[deposited("new", 2)], &Metadata::default())
        .await
        .unwrap();
    // Several wait for it, and go into one transaction with others.
    let waiting: Vec<_> = ["busy", "new", "busy", "new"]
        .map(|id| {
            let store = bank.store.clone();
            tokio::spawn(async move {
                store.append(&stream(id), Expected::Any, &[deposited(id, 3)], &Metadata::default()).await.unwrap()
            })
        })
        .into();
    // Each for its stream, and none of them in a transaction with others.
    let locks = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%store_append%' \
        AND pid IN (SELECT pid FROM pg_locks WHERE relation = 'store_streams'::regclass)";
    wait_until("two wait", SOON, async || {
        sqlx::query_scalar::<_, i64>(locks).fetch_one(&bank.pool).await.unwrap() == 2
    })
    .await;
    let others = (0..40).map(|n| {
        let store = bank.store.clone();
        let id = format!("other{n}");
        tokio::spawn(async move {
            for _ in 0..3 {
                store.append(&stream(&id), Expected::Any, &[deposited(&id, 1)], &Metadata::default()).await.unwrap();
            }
        })
    });
    for other in futures::future::join_all(others).await {
        other.unwrap();
    }
    assert!(waiting.iter().all(|append| !append.is_finished()), "they wait for the one that is open");
    open.commit().await.unwrap();
    let mut versions: Vec<i64> =
        futures::future::join_all(waiting).await.into_iter().map(|version| version.unwrap()).collect();
    versions.sort_unstable();
    assert_eq!(versions, [2, 3, 3, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_decided_anew_when_others_were_faster() {
    let bank = Bank::open().await;
    let missing = bank.accounts.execute("a", &Command::Deposit("a".into(), 1)).await.unwrap_err();
    assert!(matches!(missing, CommandError::Refused(Refusal::NotOpen)), "{missing}");
    bank.accounts.execute("a", &Command::Open("a".into(), "Ada".into())).await.unwrap();
    bank.accounts.execute("a", &Command::Deposit("a".into(), 100)).await.unwrap();
    // A hundred cents, for eight who want thirteen each, twice: seven get them.
    let takers = (0..8).map(|_| {
        let accounts = bank.accounts.clone();
        tokio::spawn(async move {
            let mut taken = 0;
            for _ in 0..2 {
                match accounts.execute("a", &Command::Deposit("a".into(), -13)).await {
                    Ok(_) => taken += 1,
                    Err(CommandError::Refused(Refusal::TooMuch)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            taken
        })
    });
    let taken: i64 = futures::future::join_all(takers).await.into_iter().map(|taken| taken.unwrap()).sum();
    let loaded = bank.accounts.load("a").await.unwrap();
    assert_eq!((taken, loaded.version), (7, 9));
    assert_eq!(loaded.state, Account { owner: Some("Ada".into()), cents: 100 - 7 * 13 });
}
