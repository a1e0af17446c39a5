//! Begins sagas and moves them on: each change is one transaction, with the commands and events that it leads to.

use std::{any::TypeId, sync::Arc};

use chrono::{DateTime, Utc};
use millgate_events::{EventMeta, NamedEvent, Outbox, SagaLifecycle, TraceParent};
use serde::Serialize;
use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use tracing::{info, warn};
use uuid::Uuid;

use super::{
    Definition, Definitions, Input, Instance, SagaError, SagaStats, SagaStatus, Transition, instance::Progress, table,
};

/// Ids of sagas are version 5 UUIDs under this one, of name and key.
const SAGA_IDS: Uuid = Uuid::from_u128(0x6d69_6c6c_6761_7465_8000_7361_6761_0002);

/// Begins sagas and moves them on. In the state of every worker of an application that has sagas. Cheap to clone.
#[derive(Clone)]
pub struct Sagas {
    definitions: Arc<Definitions>,
    outbox: Outbox,
    stats: Arc<SagaStats>,
}

/// What became of something that happened to a saga.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// It is so now.
    Done(SagaStatus),
    /// There is no such saga (yet).
    Unknown,
    /// It is of a version that this program does not have.
    Foreign {
        /// Its name.
        saga: String,
        /// The version.
        version: u32,
    },
    /// Somebody else has done it.
    Taken,
}

/// Where a saga comes from.
#[derive(Debug, Clone, Default)]
pub(super) struct Origin {
    pub(super) correlation_id: Option<String>,
    pub(super) causation_id: Option<String>,
    pub(super) traceparent: Option<String>,
}

impl Origin {
    pub(super) fn of(meta: &EventMeta) -> Self {
        // No text column takes a NUL.
        let plain = |text: &str| Some(text.replace('\0', ""));
        Self {
            correlation_id: plain(&meta.correlation_id),
            causation_id: plain(&meta.id),
            traceparent: meta.trace.map(|trace| trace.to_string()),
        }
    }
}

impl Sagas {
    /// With these definitions; events go by the outbox.
    pub fn new(definitions: Arc<Definitions>, outbox: Outbox) -> Self {
        Self { definitions, outbox, stats: Arc::default() }
    }

    /// Its definitions.
    pub fn definitions(&self) -> &Definitions {
        &self.definitions
    }

    /// What it counts.
    pub fn stats(&self) -> Arc<SagaStats> {
        self.stats.clone()
    }

    /// The id that a saga of that name and key has.
    pub fn id(saga: &str, key: &str) -> Uuid {
        Uuid::new_v5(&SAGA_IDS, format!("{}:{saga}{key}", saga.len()).as_bytes())
    }

    /// Begins a saga in the caller's transaction: `sagas.start(&mut transaction, "order", &order_id, &OrderSaga { … })`. If it
    /// commits the saga has begun, and its first commands are on their way. Gives its id; that of the saga that there is,
    /// if there is one of this name and key.
    pub async fn start<S: Serialize + 'static>(
        &self,
        transaction: &mut PgConnection,
        saga: &str,
        key: &str,
        state: &S,
    ) -> Result<Uuid, SagaError> {
        let definition = self.definitions.newest(saga).ok_or_else(|| SagaError::Unknown {
            name: saga.to_owned(),
            known: self.definitions.names().collect::<Vec<_>>().join(", "),
        })?;
        if definition.state != TypeId::of::<S>() {
            let (name, wanted) = (definition.name, definition.state_name);
            return Err(SagaError::State { name, wanted, given: std::any::type_name::<S>() });
        }
        let state =
            serde_json::to_value(state).map_err(|source| SagaError::Encode { name: definition.name, source })?;
        let (id, _) = self.begin(transaction, definition, key, state, Origin::default()).await?;
        Ok(id)
    }

    /// The saga's id; what it led to if it is a new one.
    pub(super) async fn begin(
        &self,
        transaction: &mut PgConnection,
        definition: &Definition,
        key: &str,
        state: Value,
        origin: Origin,
    ) -> Result<(Uuid, Option<Transition>), SagaError> {
        let id = Self::id(definition.name, key);
        let now = table::now(transaction).await?;
        let instance = Instance {
            id,
            saga: definition.name.to_owned(),
            version: definition.version,
            key: key.to_owned(),
            status: SagaStatus::Running,
            state,
            progress: Progress::default(),
            revision: 1,
            correlation_id: origin.correlation_id.unwrap_or_else(|| id.to_string()),
            causation_id: origin.causation_id,
            traceparent: origin.traceparent.or_else(|| TraceParent::fresh().map(|trace| trace.to_string())),
            started_at: now,
            ended_at: None,
        };
        let (instance, done) = definition.begin(instance, now);
        if !table::insert(transaction, &instance, now).await? {
            info!(saga = definition.name, key, %id, "there is such a saga already; no other one begins");
            return Ok((id, None));
        }
        self.write(transaction, definition, &instance, &done, now).await?;
        // The caller's transaction may yet fail; then one was counted that never was.
        self.stats.count(definition.name, &done);
        Ok((id, Some(done)))
    }

    /// Moves a saga on, as often as it takes: who changed it meanwhile goes first.
    pub async fn apply(&self, database: &PgPool, id: Uuid, input: &Input) -> Result<Applied, SagaError> {
        self.apply_parked(database, id, input, None).await
    }

    /// The same for a reply that was parked.
    pub(super) async fn apply_parked(
        &self,
        database: &PgPool,
        id: Uuid,
        input: &Input,
        parked: Option<i64>,
    ) -> Result<Applied, SagaError> {
        loop {
            let mut transaction = database.begin().await?;
            if let Some(parked) = parked
                && !table::unpark(&mut transaction, parked).await?
            {
                return Ok(Applied::Taken);
            }
            let Some(row) = table::load(&mut transaction, id).await? else { return Ok(Applied::Unknown) };
            let now = row.now;
            let mut instance = row.instance()?;
            let Some(definition) = self.definitions.get(&instance.saga, instance.version) else {
                return Ok(Applied::Foreign { saga: instance.saga, version: instance.version });
            };
            if *input == Input::Timer && instance.due().is_none_or(|due| due > now) {
                return Ok(Applied::Taken);
            }
            instance.revision += 1;
            let done = definition.advance(&mut instance, input.clone(), now)?;
            if !table::update(&mut transaction, &instance, now).await? {
                continue;
            }
            self.write(&mut transaction, definition, &instance, &done, now).await?;
            transaction.commit().await?;
            self.stats.count(&instance.saga, &done);
            if done.stuck {
                warn!(
                    saga = instance.saga, key = instance.key, %id,
                    "a saga is stuck: what it did cannot be taken back; `millgate saga show {id}`"
                );
            }
            return Ok(Applied::Done(instance.status));
        }
    }

    /// What a change leads to, in its transaction.
    async fn write(
        &self,
        transaction: &mut PgConnection,
        definition: &Definition,
        saga: &Instance,
        done: &Transition,
        now: DateTime<Utc>,
    ) -> Result<(), SagaError> {
        table::log(transaction, saga, &done.lines).await?;
        let meta = |event_type: &str| {
            let mut meta = self.outbox.meta_named(event_type);
            meta.correlation_id.clone_from(&saga.correlation_id);
            meta.causation_id.clone_from(&saga.causation_id);
            let trace = saga.traceparent.as_deref().and_then(TraceParent::parse);
            meta.trace = trace.map(TraceParent::child).or(meta.trace);
            meta.time = now;
            meta
        };
        let key = saga.id.to_string();
        let mut events = Vec::new();
        for (topic, command) in &done.commands {
            let meta = EventMeta { id: command.message_id.clone(), ..meta(topic) };
            let payload = serde_json::to_string(command).unwrap_or_default();
            events.push((NamedEvent { topic, key: &key, payload }, meta));
        }
        let told: Vec<_> = done.told.iter().map(|(told, step)| (told.topic(definition.name), *told, step)).collect();
        for (topic, told, step) in &told {
            let payload = SagaLifecycle {
                event: *told,
                saga_id: key.clone(),
                saga_name: saga.saga.clone(),
                saga_version: saga.version,
                key: saga.key.clone(),
                step_name: (*step).clone(),
                error_code: saga.turned().map(|cause| cause.code.clone()),
                error_message: saga.turned().map(|cause| cause.message.clone()),
                started_at: saga.started_at,
                at: now,
            };
            let payload = serde_json::to_string(&payload).unwrap_or_default();
            events.push((NamedEvent { topic, key: &key, payload: payload.clone() }, meta(topic)));
            if let Some(shared) = definition.shared_topic {
                // As its consumers know it: by what the saga is about.
                events.push((NamedEvent { topic: shared, key: &saga.key, payload }, meta(told.shared_type())));
            }
        }
        if let Some(outcome) = &done.outcome {
            let meta = EventMeta { version: outcome.version, ..meta(outcome.event_type) };
            let payload = outcome.data.to_string();
            events.push((NamedEvent { topic: outcome.topic, key: &outcome.key, payload }, meta));
        }
        self.outbox.append_named(transaction, events).await?;
        Ok(())
    }
}
