//! What happened: domain events on Kafka, in and out.
//!
//! [`Event`] is a type's name and key; [`EventMeta`] its CloudEvents attributes; [`Producer`] puts it
//! on its topic, [`Consumer`] takes batches off, [`DeadLetters`] keeps what could not be used. [`Outbox`] takes events in within a
//! transaction, and [`Relay`] publishes them. [`EventStore`] keeps what happened to a thing as its stream of events. [`Trail`] takes notes of what became of each event. Values that are too large for
//! Kafka lie elsewhere, behind [`Claims`]; those of other services may be in Confluent's wire format, by a [`SchemaRegistry`]. [`Values`] opens both.

mod claims;
mod client;
mod complaints;
mod config;
mod consumer;
mod dead_letter;
mod decode;
mod error;
mod event;
mod headers;
mod lag;
mod layout;
mod log_shipping;
mod log_tail;
mod logs;
mod membership;
mod meta;
mod metrics;
mod outbox;
mod producer;
mod reading;
mod record;
mod registry;
mod replay;
mod saga;
mod scan;
mod schema;
mod spans;
mod store;
mod tables;
mod topics;
mod trace;
mod trail;
mod troubles;
mod values;

pub use claims::{BadClaim, ClaimConfig, ClaimDay, ClaimError, ClaimSweep, Claims, Redeemed, Reference, Size};
pub use client::{BrokerInfo, describe};
pub use config::KafkaConfig;
pub use consumer::{Batch, BatchToken, Consumer, ConsumerConfig, Holding, Holdings};
pub use dead_letter::{
    Action, Attempt, Claim, DEAD_LETTER_HEADERS, DeadLetter, DeadLetterError, DeadLetterStore, DeadLetterTopics,
    DeadLetters, LetterCause, LetterFilter, LetterGroup, LetterKind, LetterStats, LetterStatus, OpenLetters, Origin,
    PastAction, Position, StoredLetter, Trend, readable,
};
pub use decode::{DecodeError, Glance, Incoming};
pub use error::KafkaError;
pub use event::Event;
pub use headers::Headers;
pub use lag::Lag;
pub use layout::{PartitionLayout, TopicLayout};
pub use log_shipping::{LOG_SHIPPING, LogShipping, LogShippingConfig};
pub use log_tail::LogTail;
pub use logs::{Committed, Found, Logs};
pub use membership::{GroupMember, Membership};
pub use meta::EventMeta;
pub use metrics::{KafkaMetrics, metrics};
pub use outbox::{
    Backlog, NamedEvent, Outbox, OutboxError, OutboxRows, OutboxStore, Relay, RelayConfig, RelayStats, StuckCounts,
    StuckKey,
};
pub use producer::{Delivery, Producer, Published};
pub use reading::{Reading, Start};
pub use record::{OutRecord, Record};
pub use registry::{BadWire, RegistryError, SchemaRegistry, SchemaRegistryConfig};
pub use replay::{
    Chosen, Destination, IntoFile, IntoTopic, OffsetRange, PastReplay, Progress, ProjectionReplay, REPLAY_HEADERS,
    Replay, ReplayError, ReplayRun, ReplayStatus, ReplayStore, Selection, Span, StartOffset, Taken, Tally, TypeTally,
};
pub use saga::{Lifecycle, SagaCommand, SagaEvent, SagaLifecycle, StepCommand, idempotency_key};
pub use scan::{Place, Scan, Scanned};
pub use schema::{Change, Compatibility, Direction, breaking_changes};
pub use schemars;
pub use serde_json::Value;
pub use spans::{SPANS, client_span, processing, spans_are_on};
pub use store::{
    Aggregate, CommandError, Commands, EventSet, EventStore, Expected, Loaded, Metadata, NewEvent, Projection,
    ProjectionConfig, ProjectionRunner, ProjectionState, ProjectionStatus, ProjectionStore, Projections, SkippedEvent,
    Snapshots, StoreError, StoredEvent, StreamId, StreamInfo, projection_metrics,
};
pub use tables::migrate;
pub use topics::{Topic, TopicAdmin, TopicChange, TopicSpec};
pub use trace::TraceParent;
pub use trail::{
    Became, EventNote, Gap, JobNote, PastEvent, PastRun, Run, RunEnd, RunStart, Story, Trail, TrailConfig, TrailError,
    TrailStore, Wanted,
};
pub use troubles::{Spot, Troubles, Waiting};
pub use values::{BadValue, Opened, ValueError, Values};
