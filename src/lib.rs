//! Kafka events become Redis-backed jobs, and none is lost on the way.
//!
//! An application says which events there are, which jobs they come to, and who does them; [`App::main`] makes
//! it a program with every subcommand: `dev`, `bridge`, `worker`, `schedules`, `publish`, `topics`, `migrate`, `doctor` …
//!
//! ```no_run
//! use millgate::{App, Ctx, Done, Event, Job, JobError, on};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, Event)]
//! #[event(type = "order.created", key = "order_id")]
//! struct OrderCreated { order_id: String }
//!
//! #[derive(Serialize, Deserialize, Job)]
//! #[job(queue = "parcels", max_attempts = 8)]
//! struct PackParcel { order_id: String }
//!
//! async fn pack_parcel(job: PackParcel, _: Ctx) -> Result<Done, JobError> {
//!     println!("packing {}", job.order_id);
//!     Ok(Done)
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     App::new("parcels")
//!         .route(on::<OrderCreated>().enqueue(|e| PackParcel { order_id: e.order_id.clone() }))
//!         .worker(pack_parcel)
//!         .main()
//! }
//! ```

/// The examples of the documentation, which have to compile.
#[cfg(doctest)]
#[doc = include_str!("../docs/schedules.md")]
struct SchedulesDocumentation;

/// The same.
#[cfg(doctest)]
#[doc = include_str!("../docs/jobs.md")]
struct JobsDocumentation;

/// The same.
#[cfg(doctest)]
#[doc = include_str!("../docs/routes.md")]
struct RoutesDocumentation;

/// The same.
#[cfg(doctest)]
#[doc = include_str!("../docs/outbox.md")]
struct OutboxDocumentation;

/// The same.
#[cfg(doctest)]
#[doc = include_str!("../docs/event-store.md")]
struct EventStoreDocumentation;

/// The same.
#[cfg(doctest)]
#[doc = include_str!("../docs/inventory.md")]
struct InventoryDocumentation;

/// The same.
#[cfg(doctest)]
#[doc = include_str!("../docs/writing-workers.md")]
struct WorkersDocumentation;

/// The same.
#[cfg(doctest)]
#[doc = include_str!("../docs/webhooks.md")]
struct WebhooksDocumentation;

/// The same.
#[cfg(doctest)]
#[doc = include_str!("../docs/email.md")]
struct EmailDocumentation;

/// The same.
#[cfg(doctest)]
#[doc = include_str!("../docs/reminders.md")]
struct RemindersDocumentation;

/// The same.
#[cfg(doctest)]
#[doc = include_str!("../docs/sagas.md")]
struct SagasDocumentation;

/// The same.
#[cfg(doctest)]
#[doc = include_str!("../docs/groups.md")]
struct GroupsDocumentation;

/// The same.
#[cfg(doctest)]
#[doc = include_str!("../docs/replay.md")]
struct ReplayDocumentation;

/// The same.
#[cfg(doctest)]
#[doc = include_str!("../docs/logs.md")]
struct LogsDocumentation;

/// The same.
#[cfg(doctest)]
#[doc = include_str!("../docs/audit.md")]
struct AuditDocumentation;

/// The same.
#[cfg(doctest)]
#[doc = include_str!("../docs/streams.md")]
struct StreamsDocumentation;

/// The same.
#[cfg(doctest)]
#[doc = include_str!("../docs/changes.md")]
struct ChangesDocumentation;

/// The same.
#[cfg(doctest)]
#[doc = include_str!("../docs/windows.md")]
struct WindowsDocumentation;

/// The same.
#[cfg(doctest)]
#[doc = include_str!("../docs/schema-registry.md")]
struct SchemaRegistryDocumentation;

/// The same.
#[cfg(doctest)]
#[doc = include_str!("../docs/schemas.md")]
struct SchemasDocumentation;

// What the derive macros write names `::millgate`, also in here.
extern crate self as millgate;

mod app;
mod asyncapi;
mod claim_expiry;
mod cli;
pub mod config;
mod dashboard;
mod dev;
mod drain;
mod group;
mod health;
mod housekeeping;
mod http;
mod lag;
mod lifecycle;
mod log_alerts;
mod log_layer;
mod metrics;
pub mod replay;
mod reporter;
mod route_file;
mod servers;
pub mod shop;
mod telemetry;
pub mod testing;
mod topics_file;

/// Records folded into tables, each once: `docs/streams.md`.
pub mod streams {
    pub use millgate_events::{Headers, Holding, Record};
    pub use millgate_streams::*;
}

pub use app::{App, BoxError};
pub use group::Group;
pub use millgate_bridge::{
    Received, Route, on,
    saga::{Cause, Input as SagaInput, Parallel, Saga, SagaFilter, SagaStatus, SagaStore, Sagas, Step},
};
pub use millgate_derive::{Event, EventSet, Job};
pub use millgate_events::{
    Aggregate, ClaimConfig, Claims, CommandError, Commands, DecodeError, Event, EventMeta, EventSet, EventStore,
    Expected, KafkaConfig, KafkaError, Loaded, Metadata, NewEvent, Outbox, OutboxError, Producer, Projection,
    Published, SagaCommand, SagaEvent, SagaLifecycle, SchemaRegistry, SchemaRegistryConfig, Snapshots, StepCommand,
    StoreError, StoredEvent, StreamId, Value, Values, schemars,
};
pub use millgate_jobs::{
    Backoff, CatchUp, ErrorCode, Job, JobOptions, Lane, Origin, PublishEvent, Queues, RedisConfig, Schedule,
    ScheduleError, ScheduleState, Schedules, delay, once_per_event, priority, unique,
};
pub use millgate_workers::{
    BatchCtx, BatchHandler, Breaker, BreakerConfig, BreakerState, Cancelled, Ctx, Done, ErrorClass, FromCtx, Handler,
    HandlerService, Handlers, JobCall, JobError, JobLayer, LoadShed, Noted, Progress, QuietHours, Replied, State,
    StepCtx, email, inventory, webhook,
};
