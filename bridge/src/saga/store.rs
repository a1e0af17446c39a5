//! Sagas as people see them.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::{FromRow, PgPool, Postgres, QueryBuilder};
use uuid::Uuid;

use super::{
    Applied, Cause, Definitions, Input, Instance, SagaError, SagaStatus, Sagas, StepStatus, TimelineEntry,
    table::{self, COLUMNS, Row},
};

/// Looks at sagas, and acts on them. Cheap to clone.
#[derive(Clone)]
pub struct SagaStore {
    database: PgPool,
    sagas: Sagas,
}

/// Which sagas.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SagaFilter {
    /// Of these; all if none is named.
    pub statuses: Vec<SagaStatus>,
    /// Of this name.
    pub saga: Option<String>,
    /// About this.
    pub key: Option<String>,
}

/// Some sagas, the newest first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SagaPage {
    /// They.
    pub sagas: Vec<SagaRow>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One saga in a line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SagaRow {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub saga: String,
    /// The version of its definition.
    pub version: u32,
    /// What it is about.
    pub key: String,
    /// How it is.
    pub status: SagaStatus,
    /// How many of its steps are done and not taken back.
    pub done: usize,
    /// How many it has.
    pub steps: usize,
    /// The step that it is at, or its compensation, and how that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<(String, StepStatus)>,
    /// Why it turned back, or is stuck.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// When its next timer fires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<DateTime<Utc>>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it last changed.
    pub changed_at: DateTime<Utc>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
    /// Whether this program has its definition. If no program has, it waits.
    pub is_known: bool,
}

/// All there is to say of one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SagaDetail {
    /// In a line.
    #[serde(flatten)]
    pub row: SagaRow,
    /// Shared by all events that go back to the one that it began with: what `millgate trace` takes.
    pub correlation_id: String,
    /// What the application keeps.
    pub state: Value,
    /// Its steps, in order.
    pub progress: Vec<StepView>,
    /// What happened, in order.
    pub timeline: Vec<TimelineEntry>,
    /// Replies that wait for a program that has its definition.
    pub parked: i64,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepView {
    /// Its name.
    pub name: String,
    /// Steps of one stage are done at the same time. Unknown, if its definition is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<usize>,
    /// What takes it back, if anything does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compensation: Option<String>,
    /// How it is.
    pub status: StepStatus,
    /// Commands that were sent, of those that do it or of those that take it back.
    pub tries: u32,
    /// When its timer fires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<DateTime<Utc>>,
    /// What went wrong last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Cause>,
    /// When it was first begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub began_at: Option<DateTime<Utc>>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
}

/// How many sagas of a name are how, as far as they have not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub struct Census {
    /// The name.
    pub saga: String,
    /// How they are.
    pub status: String,
    /// The version of their definition.
    pub version: i32,
    /// How many.
    pub count: i64,
    /// When the oldest of them began.
    pub oldest: DateTime<Utc>,
    /// When the first of their timers fires, or should have.
    pub due: Option<DateTime<Utc>>,
}

impl SagaStore {
    /// The tables in the schema that this pool's connections are in.
    pub fn new(database: PgPool, sagas: Sagas) -> Self {
        Self { database, sagas }
    }

    /// The definitions of this program.
    pub fn definitions(&self) -> &Definitions {
        self.sagas.definitions()
    }

    /// Up to `most` sagas, the newest first; from `after` on, which the page before gave.
    pub async fn list(&self, filter: &SagaFilter, after: Option<&str>, most: usize) -> Result<SagaPage, SagaError> {
        let after = after.map(|after| place(after).ok_or_else(|| SagaError::Place(after.to_owned()))).transpose()?;
        if [&filter.saga, &filter.key].into_iter().flatten().any(|text| text.contains('\0')) {
            // No text in PostgreSQL has one.
            return Ok(SagaPage { sagas: Vec::new(), next: None });
        }
        let mut query: QueryBuilder<Postgres> = QueryBuilder::new(format!("SELECT {COLUMNS} FROM sagas WHERE TRUE"));
        if !filter.statuses.is_empty() {
            query.push(" AND status IN (");
            let mut statuses = query.separated(", ");
            for status in &filter.statuses {
                statuses.push_bind(status.as_str());
            }
            query.push(")");
        }
        if let Some(saga) = &filter.saga {
            query.push(" AND saga = ").push_bind(saga.as_str());
        }
        if let Some(key) = &filter.key {
            query.push(" AND key = ").push_bind(key.as_str());
        }
        if let Some((at, id)) = after {
            query.push(" AND (started_at < ").push_bind(at);
            query.push(" OR (started_at = ").push_bind(at);
            query.push(" AND id < ").push_bind(id).push("))");
        }
        query.push(" ORDER BY started_at DESC, id DESC LIMIT ");
        query.push_bind(i64::try_from(most.saturating_add(1)).unwrap_or(i64::MAX));
        let rows: Vec<Row> = query.build_query_as().fetch_all(&self.database).await?;
        let mut sagas = rows.into_iter().map(|row| self.row(row).map(|(row, _)| row)).collect::<Result<Vec<_>, _>>()?;
        let is_more = sagas.len() > most;
        sagas.truncate(most);
        let last = sagas.last().filter(|_| is_more);
        let next = last.map(|last| format!("{}/{}", last.started_at.timestamp_micros(), last.id));
        Ok(SagaPage { sagas, next })
    }

    /// One saga, by its id, or by its key where only one has that.
    pub async fn find(&self, id_or_key: &str) -> Result<Option<SagaDetail>, SagaError> {
        // Keys can be UUIDs, too.
        if let Ok(id) = id_or_key.parse()
            && let Some(saga) = self.show(id).await?
        {
            return Ok(Some(saga));
        }
        let filter = SagaFilter { key: Some(id_or_key.to_owned()), ..SagaFilter::default() };
        match self.list(&filter, None, 2).await?.sagas.as_slice() {
            [one] => self.show(one.id).await,
            _ => Ok(None),
        }
    }

    /// One saga, with its steps and its timeline.
    pub async fn show(&self, id: Uuid) -> Result<Option<SagaDetail>, SagaError> {
        let mut database = self.database.acquire().await?;
        let Some(row) = table::load(&mut database, id).await? else { return Ok(None) };
        let (row, instance) = self.row(row)?;
        let timeline = table::timeline(&mut database, id).await?;
        let parked = "SELECT count(*) FROM saga_parked WHERE saga_id = $1";
        let parked = sqlx::query_scalar(parked).bind(id).fetch_one(&mut *database).await?;
        let definition = self.definitions().get(&instance.saga, instance.version);
        let steps = instance.steps().iter().enumerate().map(|(number, step)| {
            let defined = definition.and_then(|definition| definition.steps.get(number));
            StepView {
                name: step.name.clone(),
                stage: defined.map(|defined| defined.stage),
                compensation: defined.and_then(|it| it.compensation.as_ref()).map(|it| it.name.to_owned()),
                status: step.status,
                tries: step.tries,
                due: step.due,
                failure: step.failure.clone(),
                began_at: step.began_at,
                ended_at: step.ended_at,
            }
        });
        let progress = steps.collect();
        let (correlation_id, state) = (instance.correlation_id, instance.state);
        Ok(Some(SagaDetail { row, correlation_id, state, progress, timeline, parked }))
    }

    /// How many have not ended, by name, status and version.
    pub async fn census(&self) -> Result<Vec<Census>, SagaError> {
        let census = "SELECT saga, status, version, count(*) AS count, min(started_at) AS oldest, \
            min(due) AS due FROM sagas WHERE status IN ('running', 'compensating', 'stuck') \
            GROUP BY saga, status, version ORDER BY saga, status, version";
        Ok(sqlx::query_as(census).fetch_all(&self.database).await?)
    }

    /// How many there are, by status.
    pub async fn counts(&self) -> Result<BTreeMap<String, i64>, SagaError> {
        let counts: Vec<(String, i64)> =
            sqlx::query_as("SELECT status, count(*) FROM sagas GROUP BY status").fetch_all(&self.database).await?;
        Ok(counts.into_iter().collect())
    }

    /// What somebody wants done to a saga; gives how it is then.
    pub async fn act(&self, id: Uuid, wanted: &Input) -> Result<SagaStatus, SagaError> {
        match self.sagas.apply(&self.database, id, wanted).await? {
            Applied::Done(status) => Ok(status),
            Applied::Foreign { saga, version } => Err(SagaError::Version { id: id.to_string(), saga, version }),
            Applied::Unknown | Applied::Taken => Err(SagaError::Gone(id.to_string())),
        }
    }

    fn row(&self, row: Row) -> Result<(SagaRow, Instance), SagaError> {
        let changed_at = row.changed_at;
        let instance = row.instance()?;
        let definition: Option<&Arc<_>> = self.definitions().get(&instance.saga, instance.version);
        let steps = instance.steps();
        let is_open = |status| {
            use StepStatus as S;
            matches!(status, S::Sent | S::Retrying | S::Undoing | S::UndoRetrying | S::Stuck)
        };
        let stuck = steps.iter().position(|step| step.status == StepStatus::Stuck);
        let at = stuck.or_else(|| steps.iter().position(|step| is_open(step.status))).map(|number| {
            let step = &steps[number];
            let undoes = matches!(step.status, StepStatus::Undoing | StepStatus::UndoRetrying | StepStatus::Stuck);
            let compensation = definition.and_then(|definition| definition.names(number).1).filter(|_| undoes);
            (compensation.map_or_else(|| step.name.clone(), str::to_owned), step.status)
        });
        let of_stuck = stuck.and_then(|number| steps[number].failure.clone());
        let line = SagaRow {
            id: instance.id,
            saga: instance.saga.clone(),
            version: instance.version,
            key: instance.key.clone(),
            status: instance.status,
            done: steps.iter().filter(|step| step.status == StepStatus::Done).count(),
            steps: steps.len(),
            at,
            cause: of_stuck.or_else(|| instance.turned().cloned()),
            due: instance.due(),
            started_at: instance.started_at,
            changed_at,
            ended_at: instance.ended_at,
            is_known: definition.is_some(),
        };
        Ok((line, instance))
    }
}

/// Microseconds since 1970, and an id.
fn place(text: &str) -> Option<(DateTime<Utc>, Uuid)> {
    let (at, id) = text.split_once('/')?;
    // PostgreSQL knows none that chrono knows far before.
    let at = DateTime::from_timestamp_micros(at.parse().ok().filter(|at| *at >= 0)?)?;
    Some((at, id.parse().ok()?))
}
