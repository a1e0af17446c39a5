//! A job about to be enqueued, and its options.

use std::{fmt::Display, time::Duration};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{
    Conflict, Hold, Job, Lane, Origin, QueueError, Unique,
    job::{DEFAULT_ATTEMPTS, DEFAULT_TIMEOUT},
    record::More,
};

/// What may be said of one job beyond its kind's defaults. Built by [`delay`], [`priority`] and [`unique`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JobOptions {
    /// Not before this long after the event (or after now, without an event).
    pub delay: Option<Duration>,
    /// Not before this; goes before `delay`.
    pub run_at: Option<DateTime<Utc>>,
    /// 0 runs first, 9 last.
    pub priority: Option<u8>,
    /// At most one job of this kind and key; also the handle for cancelling it.
    pub unique: Option<Unique>,
    /// How often it may run before it is dead.
    pub max_attempts: Option<u32>,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
    /// Of the jobs of one lane only some may be under way.
    pub lane: Option<Lane>,
    /// Whose job it is, and how large that tenant's share of the workers is beside the others': 1 is usual.
    pub tenant: Option<(String, u32)>,
    /// Drops the job if one with this key was enqueued within this time.
    pub once: Option<(String, Duration)>,
    /// Drops the job if one was enqueued that goes back to the same event, within `redis.dedupe_window`.
    pub once_per_event: bool,
    /// Words to find it by, beside those that its type declares: `order_id=17`.
    pub index: Vec<String>,
}

/// Runs no sooner than `time` after its event.
pub fn delay(time: Duration) -> JobOptions {
    JobOptions::default().delay(time)
}

/// Runs before jobs of a higher number: 0 is first, 9 last.
pub fn priority(priority: u8) -> JobOptions {
    JobOptions::default().priority(priority)
}

/// At most one of this kind and key waits or runs at a time; another is not taken in.
pub fn unique(key: impl Display) -> JobOptions {
    JobOptions::default().unique(key)
}

/// Not a second time if the event's service publishes it twice.
pub fn once_per_event() -> JobOptions {
    JobOptions::default().once_per_event()
}

impl JobOptions {
    /// Runs no sooner than `time` after its event.
    #[must_use]
    pub fn delay(self, time: Duration) -> Self {
        Self { delay: Some(time), ..self }
    }

    /// Runs no sooner than that.
    #[must_use]
    pub fn run_at(self, time: DateTime<Utc>) -> Self {
        Self { run_at: Some(time), ..self }
    }

    /// Runs before jobs of a higher number; above 9 counts as 9.
    ///
    /// Of two jobs the one runs first that was enqueued first, where each step of priority counts as a minute (see
    /// [`Limits::ageing`](crate::Limits::ageing)): so the lowest is put off, and never kept for ever.
    #[must_use]
    pub fn priority(self, priority: u8) -> Self {
        Self { priority: Some(priority.min(9)), ..self }
    }

    /// At most one of this kind and key waits or runs at a time; another is not taken in.
    #[must_use]
    pub fn unique(self, key: impl Display) -> Self {
        self.unique_by(Unique::key(key))
    }

    /// The same, where it matters for how long the key is held and what happens to another.
    #[must_use]
    pub fn unique_by(self, unique: Unique) -> Self {
        Self { unique: Some(unique), ..self }
    }

    /// Jobs with this key run one at a time and in the order they came, also where one of them has to be retried.
    #[must_use]
    pub fn ordered_by(self, key: impl Display) -> Self {
        Self { lane: Some(Lane::ordered(key)), ..self }
    }

    /// At most `most` jobs with this key run at a time, in the whole cluster.
    #[must_use]
    pub fn at_most(self, most: u32, key: impl Display) -> Self {
        Self { lane: Some(Lane::limited(most, key)), ..self }
    }

    /// Jobs with this key start no sooner than `interval` after each other, in the whole cluster.
    #[must_use]
    pub fn spaced(self, interval: Duration, key: impl Display) -> Self {
        Self { lane: Some(Lane::spaced(interval, key)), ..self }
    }

    /// Shares the workers fairly between tenants: each gets on by its weight (1 is usual), however much it has waiting.
    #[must_use]
    pub fn tenant(self, name: impl Display, weight: u32) -> Self {
        Self { tenant: Some((name.to_string(), weight.max(1))), ..self }
    }

    /// Runs at most this often before it is dead.
    #[must_use]
    pub fn max_attempts(self, attempts: u32) -> Self {
        Self { max_attempts: Some(attempts.max(1)), ..self }
    }

    /// One attempt may take this long.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// Is dropped if a job with this key was enqueued within `window`.
    #[must_use]
    pub fn once(self, key: impl Display, window: Duration) -> Self {
        Self { once: Some((key.to_string(), window)), ..self }
    }

    /// Is dropped if the same event came to it before, within `redis.dedupe_window`: the same id from the same source, as when
    /// a service publishes an event twice. A record that is read twice comes to its jobs once in any case.
    #[must_use]
    pub fn once_per_event(self) -> Self {
        Self { once_per_event: true, ..self }
    }

    /// Can be found by `field=value`.
    #[must_use]
    pub fn index(mut self, field: &str, value: impl Display) -> Self {
        self.index.push(format!("{field}={value}"));
        self
    }
}

/// A job with everything that the queue needs to know of it.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// An id of its own, if it has one: the same id again, within the dedupe window, is the same job.
    pub id: Option<String>,
    /// Its kind.
    pub kind: String,
    /// Its queue.
    pub queue: String,
    /// 0 to 9.
    pub priority: u8,
    /// When what it is about happened, if that was before it is enqueued. A cancel of its unique key reaches it if it
    /// happened no earlier; without a time, if it waits, or was enqueued no later than what the cancel is about.
    pub time: Option<DateTime<Utc>>,
    pub(crate) version: u32,
    pub(crate) options: JobOptions,
    pub(crate) more: More,
    pub(crate) payload: String,
    pub(crate) batch: Option<String>,
    pub(crate) following: Vec<NewJob>,
}

/// What Lua has to know of a job: `docs/protocol.md` describes each.
#[derive(Serialize, Default)]
pub(crate) struct LuaOptions {
    p: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    d: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    o: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ow: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    yw: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    u: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uw: Option<u64>,
    #[serde(skip_serializing_if = "is_false")]
    us: bool,
    #[serde(skip_serializing_if = "is_false")]
    uc: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    e: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    l: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<u32>,
    #[serde(skip_serializing_if = "is_false")]
    h: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    r: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    t: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    w: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    x: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    b: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    c: Vec<LuaFollowing>,
}

/// A job of a chain that waits for the one before it.
#[derive(Serialize)]
struct LuaFollowing {
    kind: String,
    priority: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<LuaOptions>,
    record: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

impl NewJob {
    /// A job of kind `J`, about now.
    pub fn of<J: Job>(job: &J, options: JobOptions) -> Result<Self, QueueError> {
        let payload =
            serde_json::to_string(job).map_err(|error| QueueError::Encode { kind: J::KIND, source: error.into() })?;
        let mut options = options;
        options.index.extend(job.index().into_iter().map(|(field, value)| format!("{field}={value}")));
        if J::INDEX_KIND {
            options.index.push(format!("kind={}", J::KIND));
        }
        options.lane = options.lane.or_else(|| job.lane());
        Ok(Self {
            id: None,
            kind: J::KIND.to_owned(),
            queue: J::QUEUE.to_owned(),
            priority: options.priority.unwrap_or(J::PRIORITY).min(9),
            time: None,
            version: J::VERSION,
            more: More {
                max_attempts: Some(options.max_attempts.unwrap_or(J::MAX_ATTEMPTS))
                    .filter(|most| *most != DEFAULT_ATTEMPTS),
                timeout_ms: Some(options.timeout.unwrap_or(J::TIMEOUT))
                    .filter(|time| *time != DEFAULT_TIMEOUT)
                    .map(millis),
                ..More::default()
            },
            options,
            payload,
            batch: None,
            following: Vec::new(),
        })
    }

    /// A job of kind `J` about something that happened at `time`, from which its delay counts.
    pub fn new<J: Job>(job: &J, options: JobOptions, time: DateTime<Utc>) -> Result<Self, QueueError> {
        let mut new = Self::of(job, options)?;
        new.time = Some(time);
        new.more.time = Some(time.timestamp_millis());
        Ok(new)
    }

    /// The same with a name that follows from its event. By itself that keeps no second job of the name away; with
    /// [`JobOptions::once_per_event`] it is an id as by [`with_id`](Self::with_id).
    #[must_use]
    pub fn caused_by(mut self, id: String, origin: impl Into<Box<Origin>>) -> Self {
        if self.options.once_per_event {
            self.id = Some(id.clone());
        }
        self.more.id = Some(id);
        self.more.origin = Some(origin.into());
        self
    }

    /// Its trace goes on from there, and that of the jobs that follow it.
    pub fn traced_by(&mut self, traceparent: &str) {
        if let Some(origin) = &mut self.more.origin {
            origin.traceparent = Some(traceparent.to_owned());
        }
        for following in &mut self.following {
            following.traced_by(traceparent);
        }
    }

    /// Its own name, if it has one.
    pub fn name(&self) -> Option<&str> {
        self.more.id.as_deref()
    }

    /// The same with an id of its own: enqueued again within the dedupe window, or while it is here, it is the same job.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        let id = id.into();
        self.id = Some(id.clone());
        self.more.id = Some(id);
        self
    }

    /// The same under another name: a job of its own, that nothing keeps away or leaves out which was remembered under the
    /// first one.
    #[must_use]
    pub fn renamed(mut self, name: String) -> Self {
        if self.id.is_some() {
            self.id = Some(name.clone());
        }
        self.more.id = Some(name);
        self
    }

    /// The same, taken in once under `once` within `window`, unless its route has said by what it is taken in once.
    #[must_use]
    pub fn taken_in_once(mut self, once: String, window: Duration) -> Self {
        self.options.once.get_or_insert((once, window));
        self
    }

    /// The same, come back from the dead letters for the `redrives`-th time; taken in once under `once` within `window`,
    /// unless its route has said by what it is taken in once.
    #[must_use]
    pub fn redriven(mut self, redrives: u32, once: String, window: Duration) -> Self {
        self.more.redrives = redrives;
        self.options.once.get_or_insert((once, window));
        self
    }

    /// When this job is done, `next` is enqueued, in the same atomic step. Both must be of one queue.
    ///
    /// It comes in like any other job: not if its id is known or its unique key is held by then, and what was to follow
    /// it does not come either.
    #[must_use]
    pub fn then(mut self, next: Self) -> Self {
        let mut next = next;
        let rest = std::mem::take(&mut next.following);
        self.following.push(next);
        self.following.extend(rest);
        self
    }

    /// Its unique key within its kind, if it has one.
    pub fn unique(&self) -> Option<&str> {
        Some(&self.options.unique.as_ref()?.key)
    }

    /// What is said of it beyond its kind's defaults.
    pub fn options(&self) -> &JobOptions {
        &self.options
    }

    /// Its arguments as JSON.
    pub fn payload(&self) -> &str {
        &self.payload
    }

    /// When it may run, if that is told by a point in time.
    pub fn run_at(&self) -> Option<DateTime<Utc>> {
        let after_event = || {
            let delay = chrono::Duration::from_std(self.options.delay?).unwrap_or(chrono::Duration::MAX);
            Some(self.time?.checked_add_signed(delay).unwrap_or(DateTime::<Utc>::MAX_UTC))
        };
        self.options.run_at.or_else(after_event)
    }

    /// Whether nothing is said of it that a script has to know: then it can go into a block.
    pub(crate) fn is_plain(&self) -> bool {
        let JobOptions { delay, run_at, unique, lane, tenant, once, index, .. } = &self.options;
        self.id.is_none()
            && delay.is_none()
            && run_at.is_none()
            && unique.is_none()
            && lane.is_none()
            && tenant.is_none()
            && once.is_none()
            && index.is_empty()
            && self.batch.is_none()
            && self.following.is_empty()
    }

    /// What its record starts with: `kind@version`.
    pub(crate) fn head(&self) -> String {
        match self.version {
            1 => self.kind.clone(),
            version => format!("{}@{version}", self.kind),
        }
    }

    /// Its arguments, and those of all that follow it.
    pub(crate) fn payloads(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self).chain(&self.following).map(|job| job.payload.as_str())
    }

    pub(crate) fn more(&self) -> Option<String> {
        // Its parts are numbers and texts; those can always be written.
        (self.more != More::default()).then(|| serde_json::to_string(&self.more).unwrap_or_default())
    }

    pub(crate) fn plain_record(&self) -> String {
        match self.more() {
            None => format!("{}\n{}", self.head(), self.payload),
            Some(more) => format!("{} {more}\n{}", self.head(), self.payload),
        }
    }

    /// Its record, options and all. `window`: for how long its own id is remembered.
    pub(crate) fn record(&self, window: Duration) -> String {
        if self.is_plain() {
            return self.plain_record();
        }
        let options = serde_json::to_string(&self.lua_options(window)).unwrap_or_default();
        format!("+{options}\n{}", self.plain_record())
    }

    pub(crate) fn lua_options(&self, window: Duration) -> LuaOptions {
        let options = &self.options;
        let run_at = self.run_at().map(|at| at.timestamp_millis().max(0));
        let mut lua = LuaOptions {
            p: self.priority,
            at: run_at,
            d: run_at.is_none().then(|| options.delay.map(millis)).flatten(),
            x: options.index.clone(),
            b: self.batch.clone(),
            c: self.following.iter().map(|next| next.as_following(window)).collect(),
            ..LuaOptions::default()
        };
        if let Some(id) = &self.id {
            (lua.o, lua.ow) = (Some(id.clone()), Some(millis(window)));
        }
        if let Some((key, window)) = &options.once {
            (lua.y, lua.yw) = (Some(key.clone()), Some(millis(*window)));
        }
        if let Some(unique) = &options.unique {
            lua.u = Some(unique_key(&self.kind, &unique.key));
            lua.e = self.time.map(|time| time.timestamp_millis());
            lua.us = unique.hold == Hold::UntilStarted;
            lua.uc = unique.conflict == Conflict::Replace;
            if let Hold::For(window) = unique.hold {
                lua.uw = Some(millis(window));
            }
        }
        if let Some(lane) = &options.lane {
            lua.l = Some(lane.key.clone());
            // One is what a script takes where nothing is said; beside an interval that would be no limit.
            lua.n = lane.most.filter(|most| *most > 1 || lane.interval.is_some());
            lua.h = lane.ordered;
            lua.r = lane.interval.map(millis);
        } else if let Some(key) = options.unique.as_ref().filter(|unique| unique.keeps_order()).and(lua.u.as_ref()) {
            // A newer job must not overtake, nor run beside, the one that it could not replace any more.
            (lua.l, lua.h) = (Some(Lane::ordered(format!("unique {key}")).key), true);
        }
        if let Some((tenant, weight)) = &options.tenant {
            (lua.t, lua.w) = (Some(tenant.clone()), (*weight > 1).then_some(*weight));
        }
        lua
    }

    fn as_following(&self, window: Duration) -> LuaFollowing {
        LuaFollowing {
            kind: self.kind.clone(),
            priority: self.priority,
            options: (!self.is_plain()).then(|| self.lua_options(window)),
            record: self.plain_record(),
        }
    }
}

/// A unique key within its kind.
pub(crate) fn unique_key(kind: &str, key: &str) -> String {
    format!("{kind}:{key}")
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A time as scripts and records have it; what cannot be one is the epoch.
pub(crate) fn from_millis(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or(DateTime::UNIX_EPOCH)
}
