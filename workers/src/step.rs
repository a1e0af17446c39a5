//! Steps of sagas: handlers whose outcome is a reply to the orchestrator.

use std::{
    collections::HashMap,
    marker::PhantomData,
    time::{Instant, SystemTime},
};

use chrono::{DateTime, TimeDelta, Utc};
use millgate_events::{EventMeta, NamedEvent, Outbox, SagaCommand, SagaEvent, StepCommand, client_span};
use millgate_jobs::{Failure, Job};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use tracing::{Instrument, info};
use uuid::Uuid;

use crate::{Ctx, Done, JobError};

/// Ids of replies are version 5 UUIDs under this one, of their command's id: a reply that is written twice is one.
const REPLY_IDS: Uuid = Uuid::from_u128(0x6d69_6c6c_6761_7465_8000_7361_6761_0003);

/// The job that a command comes to.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent, bound = "C: StepCommand")]
pub struct StepJob<C>(
    /// The command.
    pub SagaCommand<C>,
);

impl<C: StepCommand> Job for StepJob<C> {
    const KIND: &'static str = C::TOPIC;
    const QUEUE: &'static str = C::QUEUE;
    const MAX_ATTEMPTS: u32 = C::ATTEMPTS;
    const SENSITIVE: &'static [&'static str] = C::SENSITIVE;

    fn index(&self) -> Vec<(&'static str, String)> {
        vec![("saga_id", self.0.saga_id.clone())]
    }
}

/// One run of one step of a saga. Its way out is a reply: by [`once`](Self::once), or by [`reply`](Self::reply).
pub struct StepCtx<C> {
    /// What a handler knows of any run.
    pub ctx: Ctx,
    /// The command, without its data.
    pub command: SagaCommand<()>,
    began: (DateTime<Utc>, Instant),
    types: PhantomData<fn(C)>,
}

/// A handler's word that its step is done and has been replied to. Only a [`StepCtx`] gives it.
#[derive(Debug)]
pub struct Replied(());

/// What a worker writes where it is done with a command.
const KEEP: &str = "INSERT INTO saga_replies (idempotency_key, reply) VALUES ($1, $2) ON CONFLICT DO NOTHING";

impl<C: StepCommand> StepCtx<C> {
    fn new(ctx: Ctx, command: SagaCommand<C>) -> (C, Self) {
        let SagaCommand {
            message_id,
            correlation_id,
            saga_id,
            saga_name,
            step_name,
            step_index,
            idempotency_key,
            timeout_at,
            retry_count,
            max_retries,
            compensates,
            data,
        } = command;
        let command = SagaCommand {
            message_id,
            correlation_id,
            saga_id,
            saga_name,
            step_name,
            step_index,
            idempotency_key,
            timeout_at,
            retry_count,
            max_retries,
            compensates,
            data: (),
        };
        (data, Self { ctx, command, began: (now(), Instant::now()), types: PhantomData })
    }

    /// Runs `effects` in a transaction with the reply: both are there, or neither, and once for all runs and retries of the
    /// command. An error takes everything back.
    ///
    /// Effects anywhere but in this transaction are not covered.
    pub async fn once<F>(&self, effects: F) -> Result<Replied, JobError>
    where
        F: AsyncFnOnce(&mut PgConnection) -> Result<C::Reply, JobError>,
    {
        let span = client_span("postgresql", "transaction");
        self.transaction(effects).instrument(span).await
    }

    async fn transaction<F>(&self, effects: F) -> Result<Replied, JobError>
    where
        F: AsyncFnOnce(&mut PgConnection) -> Result<C::Reply, JobError>,
    {
        let mut transaction = self.database()?.begin().await?;
        // First, so that another run of it is waited for, and does nothing.
        let key = &self.command.idempotency_key;
        let kept = sqlx::query(KEEP).bind(key).bind("").execute(&mut *transaction).await?;
        if kept.rows_affected() == 0 {
            drop(transaction);
            return self.again().await?.ok_or_else(|| JobError::retry("its reply was there a moment ago"));
        }
        let reply = effects(&mut transaction).await?;
        let reply = self.success(&reply)?;
        let keep = "UPDATE saga_replies SET reply = $2 WHERE idempotency_key = $1";
        sqlx::query(keep).bind(key).bind(serde_json::to_string(&reply)?).execute(&mut *transaction).await?;
        self.send(&mut transaction, &reply, C::DONE).await?;
        transaction.commit().await?;
        Ok(Replied(()))
    }

    /// Replies that the step is done, by effects elsewhere: those of a service, say, which takes
    /// `command.idempotency_key` and does nothing twice. A run that is cut off before this runs again.
    pub async fn reply(&self, reply: C::Reply) -> Result<Replied, JobError> {
        self.once(async |_| Ok(reply)).await
    }

    /// The reply that an earlier run gave, sent again: it may not have come through.
    async fn again(&self) -> Result<Option<Replied>, JobError> {
        let mut transaction = self.database()?.begin().await?;
        let find = "SELECT reply FROM saga_replies WHERE idempotency_key = $1";
        let key = &self.command.idempotency_key;
        let found: Option<String> = sqlx::query_scalar(find).bind(key).fetch_optional(&mut *transaction).await?;
        let Some(found) = found else { return Ok(None) };
        let first: SagaEvent = serde_json::from_str(&found)?;
        let reply = SagaEvent { message_id: self.message_id(), retry_count: Some(self.command.retry_count), ..first };
        self.send(&mut transaction, &reply, C::DONE).await?;
        transaction.commit().await?;
        info!(key, "this step is done already; replied again");
        Ok(Some(Replied(())))
    }

    async fn refuse(&self, failure: &Failure, retryable: bool) -> Result<(), JobError> {
        let mut transaction = self.database()?.begin().await?;
        let reply = SagaEvent {
            success: false,
            error_message: failure.message.clone(),
            error_code: failure.code.clone(),
            retryable: Some(retryable),
            ..self.event()
        };
        self.send(&mut transaction, &reply, C::FAILED).await?;
        transaction.commit().await?;
        Ok(())
    }

    fn database(&self) -> Result<&PgPool, JobError> {
        self.ctx.state::<PgPool>()
    }

    fn message_id(&self) -> String {
        reply_id(&self.command.message_id)
    }

    fn success(&self, reply: &C::Reply) -> Result<SagaEvent, JobError> {
        Ok(SagaEvent { data: serde_json::to_value(reply)?, ..self.event() })
    }

    /// A reply that says it is done, with nothing to tell.
    fn event(&self) -> SagaEvent {
        let took = self.began.1.elapsed();
        SagaEvent {
            message_id: self.message_id(),
            started_at: Some(self.began.0),
            finished_at: Some(self.began.0 + TimeDelta::from_std(took).unwrap_or_default()),
            duration: u64::try_from(took.as_nanos()).unwrap_or(u64::MAX),
            ..answer(&self.command)
        }
    }

    async fn send(&self, database: &mut PgConnection, reply: &SagaEvent, topic: &str) -> Result<(), JobError> {
        let outbox = self.ctx.state::<Outbox>()?;
        let meta = self.ctx.caused(outbox.meta_named(topic));
        append(outbox, database, reply, topic, meta).await
    }
}

/// What a reply to a command has of it.
fn answer<D>(command: &SagaCommand<D>) -> SagaEvent {
    SagaEvent {
        message_id: reply_id(&command.message_id),
        saga_id: command.saga_id.clone(),
        saga_name: command.saga_name.clone(),
        step_name: command.step_name.clone(),
        step_index: command.step_index,
        success: true,
        error_message: String::new(),
        error_code: String::new(),
        data: Value::Null,
        started_at: None,
        finished_at: None,
        duration: 0,
        idempotency_key: command.idempotency_key.clone(),
        retry_count: Some(command.retry_count),
        retryable: None,
    }
}

fn reply_id(message_id: &str) -> String {
    Uuid::new_v5(&REPLY_IDS, message_id.as_bytes()).to_string()
}

async fn append(
    outbox: &Outbox,
    database: &mut PgConnection,
    reply: &SagaEvent,
    topic: &str,
    meta: EventMeta,
) -> Result<(), JobError> {
    let payload = serde_json::to_string(reply)?;
    let meta = EventMeta { id: reply.message_id.clone(), ..meta };
    outbox.append_named(database, vec![(NamedEvent { topic, key: &reply.saga_id, payload }, meta)]).await?;
    Ok(())
}

/// Does a command with the application's handler, and sees to it that it comes to a reply.
pub(crate) async fn run<C, F, Fut>(handler: &F, StepJob(command): StepJob<C>, ctx: Ctx) -> Result<Done, JobError>
where
    C: StepCommand,
    F: Fn(C, StepCtx<C>) -> Fut,
    Fut: Future<Output = Result<Replied, JobError>>,
{
    let (data, step) = StepCtx::new(ctx.clone(), command.clone());
    if step.again().await?.is_some() {
        return Ok(Done);
    }
    // Nobody waits for it any more, and what it would do would have to be taken back.
    if !command.compensates && command.timeout_at < step.began.0 {
        let late = step.began.0 - command.timeout_at;
        let message = format!("the command came {} ms after its timeout", late.num_milliseconds());
        step.refuse(&Failure::new("expired", message), true).await?;
        return Ok(Done);
    }
    let answering = StepCtx::<C>::new(ctx, command).1;
    match handler(data, step).await {
        Ok(Replied(())) => Ok(Done),
        // A step that cannot be done is answered, and no letter to anybody.
        Err(JobError::Dead { failure }) => {
            answering.refuse(&failure, false).await?;
            Ok(Done)
        }
        Err(JobError::Cancel { reason }) => {
            answering.refuse(&Failure::new("canceled", reason), false).await?;
            Ok(Done)
        }
        Err(error) => Err(error),
    }
}

/// Replies for commands that died in their queue: with their attempts used up, by a panic, with their worker.
#[derive(Clone)]
pub struct DeadSteps {
    /// Where the outbox is.
    pub database: PgPool,
    /// Where replies go.
    pub outbox: Outbox,
    /// By kind of job, the topic of the reply that says it failed.
    pub failed: HashMap<&'static str, &'static str>,
}

impl DeadSteps {
    /// Replies, if the job is a command. Before anything else is done about a dead job: it may be done again.
    pub(crate) async fn reply(&self, kind: &str, payload: &str, failure: &Failure) -> Result<(), JobError> {
        let Some(topic) = self.failed.get(kind) else { return Ok(()) };
        // What is no command has no saga to reply to; its dead letter says so.
        let Ok(command) = serde_json::from_str::<SagaCommand>(payload) else { return Ok(()) };
        let permanent = ["undecodable", "invalid_request", "validation_failed"];
        let reply = SagaEvent {
            success: false,
            error_message: failure.message.clone(),
            error_code: failure.code.clone(),
            retryable: Some(!permanent.contains(&failure.code.as_str())),
            ..answer(&command)
        };
        let meta = self.outbox.meta_named(topic);
        let mut transaction = self.database.begin().await?;
        append(&self.outbox, &mut transaction, &reply, topic, meta).await?;
        transaction.commit().await?;
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "a reply says when its step began")]
fn now() -> DateTime<Utc> {
    SystemTime::now().into()
}
