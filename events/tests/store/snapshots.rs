//! Loading, with snapshots and without.

use millgate_events::{Aggregate, Commands, Event, Loaded, Snapshots, StoreError};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::accounts::{Account, AccountEvent, Bank, Command, Opened, Refusal, stream};

/// The same account in another shape: it counts.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Counted {
    cents: i64,
    deposits: u32,
}

/// The shape has changed, and nobody has said so.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Forgotten {
    cents: i64,
    deposits: u32,
}

/// No snapshots.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Plain {
    cents: i64,
}

macro_rules! account {
    ($name:ident, $snapshots:expr, $apply:expr) => {
        impl Aggregate for $name {
            const CATEGORY: &'static str = "account";
            const SNAPSHOTS: Snapshots = $snapshots;
            type Event = AccountEvent;
            type Command = Command;
            type Refusal = Refusal;

            fn apply(&mut self, event: &AccountEvent) {
                let apply: fn(&mut Self, i64) = $apply;
                if let AccountEvent::Deposited(deposited) = event {
                    apply(self, deposited.cents);
                }
            }

            fn handle(&self, _: &Command) -> Result<Vec<AccountEvent>, Refusal> {
                Ok(Vec::new())
            }
        }
    };
}

account!(Counted, Snapshots::every(10).shape(2), |state, cents| {
    state.cents += cents;
    state.deposits += 1;
});
account!(Forgotten, Snapshots::every(10), |state, cents| {
    state.cents += cents;
    state.deposits += 1;
});
account!(Plain, Snapshots::NEVER, |state, cents| state.cents += cents);

/// Shapes and versions of the snapshots that there are.
async fn snapshots(bank: &Bank) -> Vec<(i32, i64)> {
    let all = "SELECT shape, version FROM store_snapshots ORDER BY shape";
    sqlx::query_as(all).fetch_all(&bank.pool).await.unwrap()
}

async fn filled(deposits: i64) -> Bank {
    let bank = Bank::open().await;
    bank.accounts.execute("a", &Command::Open("a".into(), "Ada".into())).await.unwrap();
    for _ in 0..deposits {
        bank.accounts.execute("a", &Command::Deposit("a".into(), 1)).await.unwrap();
    }
    bank
}

#[tokio::test]
async fn a_state_is_kept_every_so_many_events_and_what_came_after_is_applied() {
    let bank = filled(24).await;
    assert_eq!(snapshots(&bank).await, [(1, 20)]);
    let state = Account { owner: Some("Ada".into()), cents: 24 };
    assert_eq!(bank.accounts.load("a").await.unwrap(), Loaded { state, version: 25, snapshot: 20 });
    // That it is read: events before it are not.
    sqlx::query("UPDATE store_events SET data = '{}' WHERE version <= 20").execute(&bank.pool).await.unwrap();
    assert_eq!(bank.accounts.load("a").await.unwrap().state.cents, 24);
    sqlx::query("DELETE FROM store_snapshots").execute(&bank.pool).await.unwrap();
    let error = bank.accounts.load("a").await.unwrap_err();
    assert!(matches!(&error, StoreError::Decode { version: 1, .. }), "{error}");
}

#[tokio::test]
async fn a_snapshot_of_another_shape_is_not_read() {
    let bank = filled(24).await;
    let counted: Commands<Counted> = Commands::new(bank.store.clone());
    let loaded = counted.load("a").await.unwrap();
    assert_eq!(loaded, Loaded { state: Counted { cents: 24, deposits: 24 }, version: 25, snapshot: 0 });
    // Kept beside that of the older program, which goes on with its own.
    assert_eq!(counted.execute("a", &Command::Deposit("a".into(), 0)).await.unwrap().snapshot, 25);
    assert_eq!(snapshots(&bank).await, [(1, 20), (2, 25)]);
    assert_eq!(counted.load("a").await.unwrap().state, Counted { cents: 24, deposits: 24 });
    assert_eq!(bank.accounts.load("a").await.unwrap().snapshot, 20);
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_read_is_done_without() {
    let bank = filled(24).await;
    let forgotten: Commands<Forgotten> = Commands::new(bank.store.clone());
    let loaded = forgotten.load("a").await.unwrap();
    assert_eq!(loaded, Loaded { state: Forgotten { cents: 24, deposits: 24 }, version: 25, snapshot: 0 });
}

#[tokio::test]
async fn without_snapshots_all_events_are_read() {
    let bank = filled(24).await;
    let plain: Commands<Plain> = Commands::new(bank.store.clone());
    assert_eq!(plain.load("a").await.unwrap(), Loaded { state: Plain { cents: 24 }, version: 25, snapshot: 0 });
    let nothing = plain.load("b").await.unwrap();
    assert_eq!(nothing, Loaded { state: Plain::default(), version: 0, snapshot: 0 });
}

#[tokio::test]
async fn older_versions_of_events_are_lifted_and_newer_ones_are_said_to_be() {
    let bank = Bank::open().await;
    let insert = "WITH made AS (INSERT INTO store_streams (stream, version) VALUES ('account-old', 1)) \
        INSERT INTO store_events (stream, version, id, type, type_version, data, metadata, time) \
        VALUES ('account-old', 1, $1, $2, 1, '{\"account\": \"old\", \"first\": \"Ada\", \"last\": \"Lovelace\"}', '{}', now())";
    sqlx::query(insert).bind(Uuid::new_v4()).bind(Opened::TYPE).execute(&bank.pool).await.unwrap();
    let loaded = bank.accounts.load("old").await.unwrap();
    assert_eq!(loaded.state.owner.as_deref(), Some("Ada Lovelace"));
    let event = bank.store.load(&stream("old"), 1).await.unwrap().remove(0);
    assert_eq!(event.decode::<Opened>().unwrap().unwrap().owner, "Ada Lovelace");
    sqlx::query("UPDATE store_events SET type_version = 3").execute(&bank.pool).await.unwrap();
    let error = bank.accounts.load("old").await.unwrap_err().to_string();
    assert!(error.contains("account.opened has version 3; this program knows versions up to 2"), "{error}");
}
