//! `millgate bench eventstore`: the figures of appending, loading and projecting, on the PostgreSQL of the configuration.

use std::time::{Duration, Instant};

use anyhow::Context;
use millgate_events::{
    Aggregate, Commands, EventSet, EventStore, Expected, Metadata, Projection, ProjectionConfig, ProjectionRunner,
    Projections, Snapshots, StoredEvent, StreamId,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    figures::Figures,
    median::{Percentiles, median},
    shipment::Shipment,
};
use crate::{
    BoxError,
    cli::{Call, Outcome},
    lifecycle::stop_on_signal,
    servers::Servers,
};

#[derive(clap::Args)]
pub(in crate::cli) struct Args {
    /// Measure only this
    #[arg(long, value_name = "NAME")]
    only: Option<Measurement>,
    /// The PostgreSQL to measure, if it is not that of the configuration
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// Appends in one measurement, and events of a projection
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    appends: u32,
    /// Events of the aggregate that is loaded
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(200..=1_000_000))]
    events: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Measurement {
    Append,
    Load,
    Project,
}

const WRITERS: u32 = 8;
/// Streams of each writer.
const STREAMS: u32 = 100;
const SNAPSHOT_LOADS: u32 = 300;
const FULL_LOADS: u32 = 20;
/// Events in one append, when streams are filled.
const STEP: usize = 500;
const LOOK: Duration = Duration::from_millis(5);
/// A projection that does so few events a second is no projection.
const SLOWEST: u32 = 20;

pub(super) async fn run(call: Call, args: Args) -> anyhow::Result<Outcome> {
    if cfg!(debug_assertions) {
        eprintln!("warning: this is a debug build; its figures say nothing about a release build");
    }
    let stop = stop_on_signal()?;
    let (app, mut config) = (call.app, call.configuration.config);
    config.postgres.url = args.postgres.unwrap_or(config.postgres.url);
    config.postgres.schema = format!("bench_{}", uuid::Uuid::new_v4().simple());
    config.postgres.pool_size = config.postgres.pool_size.max(2 * WRITERS);
    let servers = Servers::new(app, config)?;
    servers.postgres_version().await?;
    let rig = Rig { servers, appends: args.appends, events: args.events };
    let mut figures = Figures::default();
    figures.note("appends", json!(args.appends));
    figures.note("aggregate_events", json!(args.events));
    let work = async {
        rig.open().await?;
        measure(&rig, args.only, &mut figures).await
    };
    let measured = stop.run_until_cancelled(work).await;
    // Whatever came of it: what lies in PostgreSQL is of no use to anybody.
    let closed = rig.close().await;
    measured.unwrap_or_else(|| Err(anyhow::anyhow!("interrupted; nothing is left in PostgreSQL")))?;
    closed?;
    if call.json {
        println!("{}", figures.to_json());
    } else {
        println!("{} appends of one event of 250 bytes, with its row of the outbox", args.appends);
        print!("{figures}");
    }
    Ok(Outcome::Well)
}

async fn measure(rig: &Rig, only: Option<Measurement>, figures: &mut Figures) -> anyhow::Result<()> {
    let wanted = |measurement| only.is_none_or(|only| only == measurement);
    if wanted(Measurement::Append) {
        for (name, writers, apart) in
            [("append_1_per_s", 1, false), ("append_8_per_s", WRITERS, false), ("append_8_apart_per_s", WRITERS, true)]
        {
            eprintln!("{name} …");
            let mut runs = Vec::new();
            for run in 1..=3 {
                // One writer alone waits for the disk each time: as long as all of them would be too long.
                let count = if writers == 1 { rig.appends.div_ceil(4) } else { rig.appends };
                let per_s = append(rig, run, writers, apart, count).await?;
                eprintln!("  run {run} of 3: {per_s:.0}");
                runs.push(per_s);
            }
            figures.set(name, median(runs));
        }
    }
    if wanted(Measurement::Load) {
        eprintln!("load …");
        rig.fill("long", rig.events).await?;
        figures.set_percentiles("load_full_ms", load::<Replayed>(rig, FULL_LOADS).await?);
        // The first one takes the snapshot; some events come after it, as nearly always.
        Commands::<Kept>::new(rig.store()).execute("long", &()).await.map_err(|error| anyhow::anyhow!("{error:?}"))?;
        rig.fill("long", 50).await?;
        let loaded = Commands::<Kept>::new(rig.store()).load("long").await?;
        anyhow::ensure!(loaded.snapshot > 0 && loaded.state.shipments > 0, "there is no snapshot");
        figures.set_percentiles("load_snapshot_ms", load::<Kept>(rig, SNAPSHOT_LOADS).await?);
    }
    if wanted(Measurement::Project) {
        eprintln!("project …");
        figures.set("projection_events_per_s", project(rig).await?);
    }
    Ok(())
}

/// A schema of the bench's own.
struct Rig {
    servers: Servers,
    appends: u32,
    events: u32,
}

impl Rig {
    async fn open(&self) -> anyhow::Result<()> {
        let create = format!("CREATE SCHEMA {}", self.servers.config.postgres.schema);
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&self.servers.database).await?;
        millgate_events::migrate(&self.servers.database).await?;
        Ok(())
    }

    async fn close(&self) -> anyhow::Result<()> {
        let drop = format!("DROP SCHEMA IF EXISTS {} CASCADE", self.servers.config.postgres.schema);
        sqlx::raw_sql(AssertSqlSafe(drop)).execute(&self.servers.database).await?;
        Ok(())
    }

    fn store(&self) -> EventStore {
        EventStore::new(self.servers.database.clone(), "/bench")
    }

    /// Appends events to a stream, many at a time.
    async fn fill(&self, id: &str, count: u32) -> anyhow::Result<()> {
        let (store, stream) = (self.store().unpublished(), StreamId::new(Kept::CATEGORY, id)?);
        let events: Vec<Shipment> = (0..count).map(|number| Shipment::new(number, 0)).collect();
        for events in events.chunks(STEP) {
            store.append(&stream, Expected::Any, events, &Metadata::default()).await?;
        }
        Ok(())
    }
}

/// Tasks, each of which appends to a stream of its own, waits for the commit, and appends to the next one. Appends a second.
async fn append(rig: &Rig, run: u32, writers: u32, apart: bool, count: u32) -> anyhow::Result<f64> {
    let shared = rig.store();
    let mut tasks = JoinSet::new();
    let each = count.div_ceil(writers);
    let began = Instant::now();
    for writer in 0..writers {
        let store = if apart { rig.store() } else { shared.clone() };
        tasks.spawn(async move {
            let mut versions = vec![0; STREAMS as usize];
            for n in 0..each {
                let at = n % STREAMS;
                let id = format!("{run}.{writers}.{apart}.{writer}.{at}");
                let stream = StreamId::new(Kept::CATEGORY, &id)?;
                let version = &mut versions[at as usize];
                let events = [Shipment::new(n, 0)];
                *version = store.append(&stream, Expected::Version(*version), &events, &Metadata::default()).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(f64::from(each * writers) / began.elapsed().as_secs_f64())
}

/// Loads the long aggregate again and again. In milliseconds.
async fn load<A: Aggregate>(rig: &Rig, count: u32) -> anyhow::Result<Percentiles> {
    let commands: Commands<A> = Commands::new(rig.store());
    let mut times = Vec::new();
    for _ in 0..count {
        let began = Instant::now();
        let loaded = commands.load("long").await?;
        times.push(began.elapsed().as_secs_f64() * 1000.0);
        anyhow::ensure!(loaded.version >= i64::from(rig.events), "events are missing");
    }
    Ok(Percentiles::of(times))
}

/// All events are there, then a projection begins: until all are in its table. Events a second.
async fn project(rig: &Rig) -> anyhow::Result<f64> {
    rig.fill("projected", rig.appends).await?;
    let all: i64 = sqlx::query_scalar("SELECT count(*) FROM store_events").fetch_one(&rig.servers.database).await?;
    let mut projections = Projections::default();
    projections.add(Customers);
    let database = rig.servers.database.clone();
    let runner = ProjectionRunner::new(database.clone(), &projections, ProjectionConfig::default());
    let stop = CancellationToken::new();
    let began = Instant::now();
    let running = tokio::spawn(runner.run(stop.clone()));
    let longest = Duration::from_secs(60) + Duration::from_secs(1) * rig.appends.div_ceil(SLOWEST);
    let applied = async {
        let applied = "SELECT COALESCE(sum(applied), 0)::bigint FROM store_projections";
        while sqlx::query_scalar::<_, i64>(applied).fetch_one(&database).await? < all {
            sleep(LOOK).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(longest, applied).await.context("the projection does not get on")??;
    let time = began.elapsed();
    stop.cancel();
    running.await?;
    Ok(f64::from(u32::try_from(all)?) / time.as_secs_f64())
}

/// A customer, with snapshots.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    shipments: u64,
}

/// The same without.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Replayed {
    shipments: u64,
}

impl Aggregate for Kept {
    const CATEGORY: &'static str = "customer";
    const SNAPSHOTS: Snapshots = Snapshots::every(100);
    type Event = Shipment;
    type Command = ();
    type Refusal = std::convert::Infallible;

    fn apply(&mut self, _: &Shipment) {
        self.shipments += 1;
    }

    fn handle(&self, (): &()) -> Result<Vec<Shipment>, Self::Refusal> {
        Ok(Vec::new())
    }
}

impl Aggregate for Replayed {
    const CATEGORY: &'static str = Kept::CATEGORY;
    const SNAPSHOTS: Snapshots = Snapshots::NEVER;
    type Event = Shipment;
    type Command = ();
    type Refusal = std::convert::Infallible;

    fn apply(&mut self, _: &Shipment) {
        self.shipments += 1;
    }

    fn handle(&self, (): &()) -> Result<Vec<Shipment>, Self::Refusal> {
        Ok(Vec::new())
    }
}

/// Shipments by customer: a row read and written for each event.
struct Customers;

impl Projection for Customers {
    const NAME: &'static str = "bench_customers";

    fn wants(&self) -> Vec<&'static str> {
        Shipment::types()
    }

    async fn create(&self, database: &mut PgConnection) -> Result<(), BoxError> {
        let create = "CREATE TABLE bench_customers (customer TEXT PRIMARY KEY, shipments BIGINT NOT NULL)";
        sqlx::raw_sql(create).execute(database).await?;
        Ok(())
    }

    async fn apply(&self, database: &mut PgConnection, event: &StoredEvent) -> Result<(), BoxError> {
        let Some(shipment) = event.decode::<Shipment>()? else { return Ok(()) };
        let add = "INSERT INTO bench_customers VALUES ($1, 1) \
            ON CONFLICT (customer) DO UPDATE SET shipments = bench_customers.shipments + 1";
        sqlx::query(add).bind(crate::Event::key(&shipment)).execute(database).await?;
        Ok(())
    }
}
