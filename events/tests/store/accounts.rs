//! What the tests work with: accounts, their store, a read model of their balances.

use std::{sync::Arc, time::Duration};

use millgate_events::{
    Aggregate, Commands, DecodeError, Event, EventSet, EventStore, Expected, Metadata, NewEvent, Projection,
    ProjectionConfig, ProjectionRunner, ProjectionStatus, ProjectionStore, Projections, Snapshots, StoredEvent,
    StreamId, Value, migrate,
};
use millgate_testkit::{Database, wait_until};
use serde::{Deserialize, Serialize};
use sqlx::{
    PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// For everything that takes as long as the machine makes it.
pub(crate) const SOON: Duration = Duration::from_mins(2);

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Opened {
    pub(crate) account: String,
    pub(crate) owner: String,
}

impl Event for Opened {
    const TYPE: &'static str = "account.opened";
    const VERSION: u32 = 2;
    const TOPIC: &'static str = "accounts";

    fn key(&self) -> String {
        self.account.clone()
    }

    /// Version 1 had the owner's two names.
    fn upcast(from: u32, mut data: Value) -> Result<Value, String> {
        assert_eq!(from, 1);
        let name = |data: &Value, field: &str| data[field].as_str().map(str::to_owned).ok_or(format!("no {field}"));
        data["owner"] = format!("{} {}", name(&data, "first")?, name(&data, "last")?).into();
        Ok(data)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Deposited {
    pub(crate) account: String,
    pub(crate) cents: i64,
}

impl Event for Deposited {
    const TYPE: &'static str = "account.deposited";
    const TOPIC: &'static str = "accounts";

    fn key(&self) -> String {
        self.account.clone()
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum AccountEvent {
    Opened(Opened),
    Deposited(Deposited),
}

/// What the derive macro writes, which is tested with the front door.
impl EventSet for AccountEvent {
    fn types() -> Vec<&'static str> {
        vec![Opened::TYPE, Deposited::TYPE]
    }

    fn decode(event: &StoredEvent) -> Option<Result<Self, DecodeError>> {
        let opened = Opened::decode(event).map(|event| event.map(Self::Opened));
        opened.or_else(|| Deposited::decode(event).map(|event| event.map(Self::Deposited)))
    }

    fn encode(&self) -> Result<NewEvent, millgate_events::KafkaError> {
        match self {
            Self::Opened(event) => event.encode(),
            Self::Deposited(event) => event.encode(),
        }
    }
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) owner: Option<String>,
    pub(crate) cents: i64,
}

pub(crate) enum Command {
    Open(String, String),
    Deposit(String, i64),
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("it is open already")]
    Open,
    #[error("it is not open")]
    NotOpen,
    #[error("there is not so much")]
    TooMuch,
}

impl Aggregate for Account {
    const CATEGORY: &'static str = "account";
    const SNAPSHOTS: Snapshots = Snapshots::every(10);
    type Event = AccountEvent;
    type Command = Command;
    type Refusal = Refusal;

    fn apply(&mut self, event: &AccountEvent) {
        match event {
            AccountEvent::Opened(opened) => self.owner = Some(opened.owner.clone()),
            AccountEvent::Deposited(deposited) => self.cents += deposited.cents,
        }
    }

    fn handle(&self, command: &Command) -> Result<Vec<AccountEvent>, Refusal> {
        match command {
            Command::Open(..) if self.owner.is_some() => Err(Refusal::Open),
            Command::Open(account, owner) => {
                Ok(vec![AccountEvent::Opened(Opened { account: account.clone(), owner: owner.clone() })])
            }
            Command::Deposit(..) if self.owner.is_none() => Err(Refusal::NotOpen),
            Command::Deposit(_, cents) if self.cents + cents < 0 => Err(Refusal::TooMuch),
            Command::Deposit(account, cents) => Ok(vec![deposited(account, *cents)]),
        }
    }
}

pub(crate) fn deposited(account: &str, cents: i64) -> AccountEvent {
    AccountEvent::Deposited(Deposited { account: account.to_owned(), cents })
}

pub(crate) fn stream(id: &str) -> StreamId {
    StreamId::new(Account::CATEGORY, id).unwrap()
}

pub(crate) struct Bank {
    pub(crate) database: Database,
    /// Of the size that an application has.
    pub(crate) pool: PgPool,
    pub(crate) store: EventStore,
    pub(crate) accounts: Commands<Account>,
    pub(crate) projections: ProjectionStore,
}

/// A runner in this process. Dropped, it is gone as after a kill.
pub(crate) struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    pub(crate) async fn abort(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

impl Bank {
    pub(crate) async fn open() -> Self {
        let database = Database::fresh(None).await;
        migrate(database.pool()).await.unwrap();
        let options: PgConnectOptions = database.url().parse().unwrap();
        let pool = PgPoolOptions::new().max_connections(20).connect_with(options).await.unwrap();
        let store = EventStore::new(pool.clone(), "bank");
        let accounts = Commands::new(store.clone());
        let projections = ProjectionStore::new(pool.clone());
        Self { database, pool, store, accounts, projections }
    }

    /// Appends to whatever is there.
    pub(crate) async fn deposit(&self, account: &str, cents: i64) -> i64 {
        self.store
            .append(&stream(account), Expected::Any, &[deposited(account, cents)], &Metadata::default())
            .await
            .unwrap()
    }

    pub(crate) fn run(&self, projections: &Projections) -> Running {
        let config = ProjectionConfig { batch_size: 50, poll_interval: Duration::from_millis(200) };
        let runner = ProjectionRunner::new(self.pool.clone(), projections, config);
        let stop = CancellationToken::new();
        Running { task: tokio::spawn(runner.run(stop.clone())), stop }
    }

    pub(crate) async fn status(&self, name: &str) -> Vec<ProjectionStatus> {
        let all = self.projections.list().await.unwrap();
        all.into_iter().filter(|status| status.name == name).collect()
    }

    /// Waits until nothing is under way, and nothing is left to do.
    pub(crate) async fn caught_up(&self, name: &str) {
        wait_until("the projection has caught up", SOON, async || {
            let all = self.status(name).await;
            matches!(&*all, [status] if status.lag == 0 && status.error.is_none())
        })
        .await;
    }

    /// Account, sum and count of the read model, in order.
    pub(crate) async fn balances(&self) -> Vec<(String, i64, i64)> {
        let balances = "SELECT account, cents::bigint, deposits FROM balances ORDER BY account";
        sqlx::query_as(balances).fetch_all(&self.pool).await.unwrap()
    }

    /// The same by the events themselves.
    pub(crate) async fn truth(&self) -> Vec<(String, i64, i64)> {
        let truth = "SELECT data->>'account', sum((data->>'cents')::bigint)::bigint, count(*) FROM store_events \
            WHERE type = 'account.deposited' GROUP BY 1 ORDER BY 1";
        sqlx::query_as(truth).fetch_all(&self.pool).await.unwrap()
    }
}

/// How an event is kept from being applied.
pub(crate) type Hindrance = Arc<dyn Fn(&Deposited) -> Result<(), BoxError> + Send + Sync>;

/// Sums by account. Adds, so that an event that is applied twice is seen.
pub(crate) struct Balances<const VERSION: u32>(pub(crate) Hindrance);

impl<const V: u32> Projection for Balances<V> {
    const NAME: &'static str = "balances";
    const VERSION: u32 = V;

    fn wants(&self) -> Vec<&'static str> {
        Deposited::types()
    }

    async fn create(&self, database: &mut PgConnection) -> Result<(), BoxError> {
        let create = "CREATE TABLE balances (account TEXT PRIMARY KEY, cents BIGINT NOT NULL, deposits BIGINT NOT NULL); \
            CREATE TABLE balance_log (number BIGINT GENERATED ALWAYS AS IDENTITY, id UUID PRIMARY KEY, version INTEGER); \
            CREATE INDEX balances_by_cents ON balances (cents);";
        sqlx::raw_sql(create).execute(database).await?;
        Ok(())
    }

    async fn apply(&self, database: &mut PgConnection, event: &StoredEvent) -> Result<(), BoxError> {
        let Some(deposited) = event.decode::<Deposited>()? else { return Err("it wants none of these".into()) };
        (self.0)(&deposited)?;
        let add = "INSERT INTO balances VALUES ($1, $2, 1) \
            ON CONFLICT (account) DO UPDATE SET cents = balances.cents + $2, deposits = balances.deposits + 1";
        sqlx::query(add).bind(&deposited.account).bind(deposited.cents).execute(&mut *database).await?;
        // A second time would be an error.
        let version = i32::try_from(V).unwrap();
        let log = sqlx::query("INSERT INTO balance_log (id, version) VALUES ($1, $2)").bind(event.id).bind(version);
        log.execute(database).await?;
        Ok(())
    }
}

pub(crate) fn balances<const V: u32>() -> Projections {
    hindered::<V>(Arc::new(|_| Ok(())))
}

pub(crate) fn hindered<const V: u32>(hindrance: Hindrance) -> Projections {
    let mut projections = Projections::default();
    projections.add(Balances::<V>(hindrance));
    projections
}
