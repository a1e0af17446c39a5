//! Windows as a stage: the records of a partition, folded and stored.

use std::{
    marker::PhantomData,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use chrono::{DateTime, Utc};
use futures::future::try_join_all;
use millgate_events::{DeadLetter, DecodeError, Event, Glance, Holding, Incoming, OutRecord, Record, Values};
use sqlx::PgConnection;

use super::{
    Aggregate, WindowStats,
    changed::Changed,
    definition::{Aggregated, Allowed, Late},
    fold::{Fold, Folding, Rules},
    partials::{self, Changes, Found, Mark, Tally},
};
use crate::{Clock, Resources, Stage, StageError, Turn};

/// An event that says it happens so much later than it was written has a wrong clock; the watermark must not follow it.
const AHEAD: i64 = 60 * 60 * 1000;
/// Between turns, where no early results are wanted.
const TURN: Duration = Duration::from_secs(1);
/// Bytes of a key. An index of PostgreSQL takes not much more.
const LONGEST_KEY: usize = 1000;
/// Letters that are on their way at a time.
const AT_ONCE: usize = 64;

pub(super) struct WindowStage<E, A: Aggregate<E>> {
    pub(super) windows: Aggregated<E, A>,
    pub(super) rules: Rules,
    pub(super) stats: Arc<WindowStats>,
    changed: Mutex<Changed>,
    group: String,
}

pub(super) struct State<P> {
    partition: Holding,
    fold: Fold<P>,
    /// As it is stored.
    mark: Mark,
    changed: Vec<Box<str>>,
    tally: Tally,
}

pub(super) struct Folder<'a, E, A>(pub(super) &'a A, pub(super) PhantomData<fn(E)>);

impl<E, A: Aggregate<E>> Folding for Folder<'_, E, A> {
    type Partial = A::Partial;

    fn begin(&self) -> A::Partial {
        self.0.begin()
    }

    fn merge(&self, into: &mut A::Partial, later: A::Partial) {
        self.0.merge(into, later);
    }
}

/// Why a record is put aside.
struct Aside<'a> {
    record: &'a Record,
    code: &'static str,
    message: String,
}

impl<E: Event, A: Aggregate<E>> WindowStage<E, A> {
    pub(super) fn new(windows: Aggregated<E, A>, stats: Arc<WindowStats>) -> Self {
        // `WindowsOver::into` refuses it before.
        let Some(rules) = windows.over.rules() else { panic!("no windows were named") };
        let group = format!("{}.{}", windows.over.resources.consumer_group, windows.over.name);
        let changed = Mutex::new(Changed::new(windows.over.allowed.most_open));
        Self { windows, rules, stats, changed, group }
    }

    pub(super) fn name(&self) -> &str {
        &self.windows.over.name
    }

    pub(super) fn resources(&self) -> &Resources {
        &self.windows.over.resources
    }

    pub(super) fn allowed(&self) -> &Allowed {
        &self.windows.over.allowed
    }

    pub(super) fn folder(&self) -> Folder<'_, E, A> {
        Folder(&self.windows.aggregate, PhantomData)
    }

    pub(super) fn changed(&self) -> MutexGuard<'_, Changed> {
        // Every change is one step.
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Folds a record, or says why it is put aside.
    fn fold(&self, state: &mut State<A::Partial>, record: &Record, horizon: i64) -> Result<(), (&'static str, String)> {
        let read = read::<E>(record).map_err(|error| (error.code(), error.to_string()))?;
        let Some((time, event)) = read else { return Ok(()) };
        if time > horizon {
            state.tally.ahead += 1;
            return Err(("of_the_future", format!("it says that it happens at {}", super::result::moment(time))));
        }
        let is_late = state.fold.is_late(time);
        state.fold.saw(time);
        if !self.windows.over.when.iter().all(|when| when(&event)) {
            return Ok(());
        }
        if is_late {
            state.tally.late += 1;
            let watermark = super::result::moment(state.fold.watermark());
            return Err((TOO_LATE, format!("its windows are closed: the watermark is {watermark}")));
        }
        let key = (self.windows.over.key)(&event);
        if key.len() > LONGEST_KEY || key.contains('\0') {
            return Err(("bad_key", format!("a window's key has {LONGEST_KEY} bytes at most, and no character 0")));
        }
        state.tally.events += 1;
        state.fold.add(&key, time, &self.folder(), |partial| self.windows.aggregate.fold(partial, &event));
        Ok(())
    }

    /// Puts records aside that do not count; each before the position passes it.
    async fn put_aside(&self, aside: &[Aside<'_>]) -> Result<(), StageError> {
        let resources = self.resources();
        for some in aside.chunks(AT_ONCE) {
            let put = some.iter().map(async |Aside { record, code, message }| {
                match (&self.allowed().late, *code == TOO_LATE) {
                    (Late::Nowhere, true) => {}
                    (Late::Topic(topic), true) => {
                        let Record { key, value, headers, .. } = (*record).clone();
                        let record = OutRecord { topic: topic.clone(), key, value, headers };
                        resources.producer.publish_record(record).await?;
                    }
                    (Late::DeadLetters, true) | (_, false) => {
                        let letter = DeadLetter::of_event(record, &self.group, code, message, now());
                        resources.dead_letters.write(&letter).await?;
                    }
                }
                Ok::<_, StageError>(())
            });
            try_join_all(put).await?;
        }
        Ok(())
    }

    /// Stores what has changed.
    async fn store(&self, state: &mut State<A::Partial>, database: &mut PgConnection) -> Result<(), StageError> {
        let (name, folder) = (self.name(), self.folder());
        let unknown: Vec<String> = state.fold.unknown().into_iter().map(str::to_owned).collect();
        if !unknown.is_empty() {
            let after = state.fold.asked_from(state.mark.watermark);
            let rows = partials::of_partition(name, &state.partition, &unknown, after, database).await?;
            let mut rows = rows.into_iter().peekable();
            let mut unknown = unknown;
            // As the rows come.
            unknown.sort_unstable();
            for key in unknown {
                let mut stored = Vec::new();
                while let Some(row) = rows.next_if(|row| row.key == key) {
                    stored.push(row.cell(name)?);
                }
                state.fold.adopt(&key, stored, &folder);
            }
        }
        let changes = Changes::of(&state.fold.changes(), self.rules.shape, &state.partition)?;
        changes.store(name, &state.partition, database).await?;
        self.advance(state, database).await?;
        Ok(())
    }

    async fn advance(&self, state: &mut State<A::Partial>, database: &mut PgConnection) -> Result<(), StageError> {
        let to = Mark { watermark: state.fold.watermark(), newest: state.fold.newest() };
        partials::advance(self.name(), &state.partition, (state.mark, to), state.tally, database).await?;
        state.mark = to;
        state.changed.extend(state.fold.stored(self.allowed().most_open));
        Ok(())
    }
}

const TOO_LATE: &str = "too_late";

/// The event of a record and its time; `None` if it is of another type.
fn read<E: Event>(record: &Record) -> Result<Option<(i64, E)>, DecodeError> {
    let Some(value) = &record.value else { return Ok(None) };
    if let Some(glance) = Incoming::glance(record) {
        let Glance { event_type, version, time } = glance?;
        if event_type != E::TYPE {
            return Ok(None);
        }
        // The usual case: nothing is copied but what the type keeps.
        if version == E::VERSION
            && let Ok(event) = serde_json::from_slice(value)
        {
            return Ok(Some((time.timestamp_millis(), event)));
        }
    }
    let Some(incoming) = Incoming::read(record, E::TOPIC)? else { return Ok(None) };
    if incoming.meta.event_type != E::TYPE {
        return Ok(None);
    }
    Ok(Some((incoming.meta.time.timestamp_millis(), incoming.decode()?)))
}

impl<E: Event, A: Aggregate<E>> Stage for WindowStage<E, A> {
    type State = State<A::Partial>;

    async fn open(&self, partition: &Holding, database: &mut PgConnection) -> Result<Self::State, StageError> {
        let Found { mark, closed, is_new } = partials::open(self.name(), self.rules.shape, partition, database).await?;
        if !is_new && self.allowed().early.is_some() {
            self.changed().add_all(partition.topic(), partition.partition());
        }
        let fold = Fold::new(self.rules, mark.watermark, mark.newest, closed);
        Ok(State { partition: partition.clone(), fold, mark, changed: Vec::new(), tally: Tally::default() })
    }

    async fn take(
        &self,
        state: &mut Self::State,
        records: &[Record],
        database: &mut PgConnection,
    ) -> Result<(), StageError> {
        let now = now().timestamp_millis();
        let mut aside = Vec::new();
        for record in records {
            // By when it was written: what is refused live must not be taken in after a pause. A clock that is ahead may have given the
            // record its time, too.
            let horizon = record.timestamp.map_or(now, |written| written.min(now)) + AHEAD;
            let folded = if Values::is_closed(record) {
                match self.resources().values.open(record).await? {
                    Ok(whole) => self.fold(state, &whole.record, horizon),
                    Err(bad) => Err((bad.code(), bad.to_string())),
                }
            } else {
                self.fold(state, record, horizon)
            };
            if let Err((code, message)) = folded {
                aside.push(Aside { record, code, message });
            }
        }
        self.put_aside(&aside).await?;
        self.store(state, database).await
    }

    fn taken(&self, state: &mut Self::State) {
        let Tally { late, ahead, .. } = mem::take(&mut state.tally);
        let counts = [late, ahead].map(|count| u64::try_from(count).unwrap_or_default());
        let (topic, partition) = (state.partition.topic(), state.partition.partition());
        self.stats.took(topic, partition, state.fold.open(), counts[0], counts[1]);
        let changed = mem::take(&mut state.changed);
        if self.allowed().early.is_some() {
            self.changed().add(topic, partition, changed);
        }
    }

    fn clock(&self) -> Option<Clock> {
        Some(Clock { every: self.allowed().early.unwrap_or(TURN), idle_after: self.allowed().idle_after })
    }

    async fn idle(
        &self,
        state: &mut Self::State,
        _: &Holding,
        at: DateTime<Utc>,
        database: &mut PgConnection,
    ) -> Result<(), StageError> {
        // What comes from now on may have happened when the partition was last heard of, or out of order.
        let idle_after = i64::try_from(self.allowed().idle_after.as_millis()).unwrap_or(i64::MAX);
        let watermark = at.timestamp_millis().saturating_sub(idle_after).saturating_sub(self.rules.disorder);
        if watermark <= state.fold.watermark() {
            return Ok(());
        }
        state.fold.advance(watermark);
        self.advance(state, database).await
    }

    async fn turn(&self, turn: &Turn<'_>, database: &mut PgConnection) -> Result<bool, StageError> {
        self.turned_once(turn, database).await
    }

    fn turned(&self) {
        self.changed().shown();
    }
}

#[expect(clippy::disallowed_methods, reason = "which events are of the future is a question of now")]
fn now() -> DateTime<Utc> {
    SystemTime::now().into()
}
