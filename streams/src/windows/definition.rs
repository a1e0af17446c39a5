//! Windows as an application says them.

use std::{borrow::Cow, marker::PhantomData, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use millgate_events::{Event, Outbox};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::PgConnection;

use super::{
    Aggregate, Count, Custom, DistinctOf, Extreme, Sum, WindowResult,
    fold::Rules,
    shape::{Shape, whole_millis},
    sink::{CacheSink, PublishSink, Sink, TableSink, TransactionSink},
    stage::WindowStage,
    stats::WindowStats,
};
use crate::{Resources, Stage, StageError, Stream};

pub(super) type KeyOf<E> = Box<dyn for<'a> Fn(&'a E) -> Cow<'a, str> + Send + Sync>;
type When<E> = Box<dyn Fn(&E) -> bool + Send + Sync>;

/// Windows of time.
#[derive(Debug)]
pub struct Windows;

impl Windows {
    /// Windows over events of type `E`, in the order of the times at which they happened (`ce_time`). The name is the stream's.
    pub fn over<E: Event>(name: &str, resources: &Resources) -> WindowsOver<E> {
        WindowsOver {
            name: name.to_owned(),
            resources: resources.clone(),
            shape: None,
            key: Box::new(|_| Cow::Borrowed("")),
            when: Vec::new(),
            allowed: Allowed::default(),
        }
    }
}

/// Where events that come too late go, beside being counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Late {
    Nowhere,
    DeadLetters,
    Topic(String),
}

/// What is allowed to events, and to memory.
#[derive(Debug, Clone)]
pub(super) struct Allowed {
    pub(super) lateness: Duration,
    pub(super) disorder: Duration,
    pub(super) idle_after: Duration,
    pub(super) early: Option<Duration>,
    pub(super) most_open: usize,
    pub(super) late: Late,
    pub(super) keep: Duration,
}

impl Default for Allowed {
    fn default() -> Self {
        Self {
            lateness: Duration::ZERO,
            disorder: Duration::from_secs(5),
            idle_after: Duration::from_mins(1),
            early: Some(Duration::from_secs(1)),
            most_open: 200_000,
            late: Late::Nowhere,
            keep: Duration::from_hours(30 * 24),
        }
    }
}

/// Windows of which is not said yet what they come to.
pub struct WindowsOver<E> {
    pub(super) name: String,
    pub(super) resources: Resources,
    shape: Option<Shape>,
    pub(super) key: KeyOf<E>,
    pub(super) when: Vec<When<E>>,
    pub(super) allowed: Allowed,
}

impl<E: Event> WindowsOver<E> {
    /// One after the other: each moment is in one window. They begin at whole multiples of their size since 1970, UTC.
    ///
    /// # Panics
    /// If the size is less than a millisecond.
    #[must_use]
    pub fn tumbling(self, size: Duration) -> Self {
        self.hopping(size, size)
    }

    /// One of that size every so often: "the last hour, every 5 minutes". Each moment is in several.
    ///
    /// # Panics
    /// If `every` is longer than `size`, or less than a millisecond.
    #[must_use]
    pub fn hopping(self, size: Duration, every: Duration) -> Self {
        Self { shape: Some(Shape::aligned(size, every)), ..self }
    }

    /// As long as a key's events come, until there is none for `gap`.
    ///
    /// # Panics
    /// If the gap is less than a millisecond.
    #[must_use]
    pub fn session(self, gap: Duration) -> Self {
        Self { shape: Some(Shape::session(gap)), ..self }
    }

    /// The key, which need not be that of the topic: `.by(|e| &e.page_url)`. Without it there is one, the empty text. At most
    /// 1,000 bytes; an event with a longer one is a dead letter.
    #[must_use]
    pub fn by(self, key: impl Fn(&E) -> &str + Send + Sync + 'static) -> Self {
        Self { key: Box::new(move |event| Cow::Borrowed(key(event))), ..self }
    }

    /// A key that has to be made: `.by_made(|e| format!("{}/{}", e.country, e.page))`.
    #[must_use]
    pub fn by_made(self, key: impl Fn(&E) -> String + Send + Sync + 'static) -> Self {
        Self { key: Box::new(move |event| Cow::Owned(key(event))), ..self }
    }

    /// Only events of which this is true.
    #[must_use]
    pub fn when(mut self, when: impl Fn(&E) -> bool + Send + Sync + 'static) -> Self {
        self.when.push(Box::new(when));
        self
    }

    /// How long after its end a window still takes events in, before its result is final. None, unless said.
    #[must_use]
    pub fn allow_lateness(mut self, lateness: Duration) -> Self {
        self.allowed.lateness = lateness;
        self
    }

    /// How far events of one partition may be out of order: the watermark stays so far behind the latest event. 5 s, unless said.
    #[must_use]
    pub fn allow_disorder(mut self, disorder: Duration) -> Self {
        self.allowed.disorder = disorder;
        self
    }

    /// A partition of which nothing came for so long goes by the clock. A minute, unless said.
    #[must_use]
    pub fn idle_after(mut self, idle_after: Duration) -> Self {
        self.allowed.idle_after = idle_after;
        self
    }

    /// How often results of windows that are still open are given out, to those sinks that want them. Every second, unless said.
    ///
    /// # Panics
    /// If it is less than a millisecond.
    #[must_use]
    pub fn early_every(mut self, early: Duration) -> Self {
        whole_millis(early);
        self.allowed.early = Some(early);
        self
    }

    /// Results only once they are final.
    #[must_use]
    pub fn final_only(mut self) -> Self {
        self.allowed.early = None;
        self
    }

    /// Slices and sessions of a partition that are kept in memory. What is beyond that is read again from PostgreSQL when it is
    /// needed. 200,000, unless said.
    #[must_use]
    pub fn most_open(mut self, most: usize) -> Self {
        self.allowed.most_open = most.max(1);
        self
    }

    /// Events that come too late become dead letters, of code `too_late`.
    #[must_use]
    pub fn late_to_dead_letters(mut self) -> Self {
        self.allowed.late = Late::DeadLetters;
        self
    }

    /// Events that come too late are put on a topic (without the prefix), as they are. After a failure they may be there twice.
    #[must_use]
    pub fn late_to(mut self, topic: &str) -> Self {
        self.allowed.late = Late::Topic(topic.to_owned());
        self
    }

    /// How many events there are.
    pub fn count(self) -> Aggregated<E, Count> {
        self.into(Count)
    }

    /// The sum of something, in whole numbers.
    pub fn sum<F: Fn(&E) -> i64 + Send + Sync + 'static>(self, of: F) -> Aggregated<E, Sum<E, F>> {
        self.into(Sum(of, PhantomData))
    }

    /// The least of something.
    pub fn min<V, F>(self, of: F) -> Aggregated<E, Extreme<E, V, F>>
    where
        V: Ord + Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        F: Fn(&E) -> V + Send + Sync + 'static,
    {
        self.into(Extreme { of, wins: |held, other| other < held, event: PhantomData })
    }

    /// The greatest of something.
    pub fn max<V, F>(self, of: F) -> Aggregated<E, Extreme<E, V, F>>
    where
        V: Ord + Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        F: Fn(&E) -> V + Send + Sync + 'static,
    {
        self.into(Extreme { of, wins: |held, other| other > held, event: PhantomData })
    }

    /// About how many different texts there are, with a standard error of 1.6 %: see [`Distinct`](super::Distinct).
    pub fn distinct<F: Fn(&E) -> &str + Send + Sync + 'static>(self, of: F) -> Aggregated<E, DistinctOf<E, F>> {
        self.into(DistinctOf(of, PhantomData))
    }

    /// Something of one's own: what no events come to, one more event, and what two parts come to together. Parts are made of events
    /// in no order that could be relied on.
    pub fn aggregate<P, B, F, M>(self, begin: B, fold: F, merge: M) -> Aggregated<E, Custom<E, B, F, M>>
    where
        P: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        B: Fn() -> P + Send + Sync + 'static,
        F: Fn(&mut P, &E) + Send + Sync + 'static,
        M: Fn(&mut P, P) + Send + Sync + 'static,
    {
        self.into(Custom { begin, fold, merge, event: PhantomData })
    }

    /// An [`Aggregate`] of a type of its own.
    ///
    /// # Panics
    /// If it was not said which windows there are.
    pub fn into<A: Aggregate<E>>(self, aggregate: A) -> Aggregated<E, A> {
        assert!(
            self.shape.is_some(),
            "stream {}: say tumbling, hopping or session before what they come to",
            self.name
        );
        Aggregated { over: self, aggregate, only: None, sinks: Vec::new(), published: Vec::new() }
    }

    /// The rules, once it was said which windows there are.
    pub(super) fn rules(&self) -> Option<Rules> {
        let millis = |time: Duration| if time.is_zero() { 0 } else { whole_millis(time) };
        let Allowed { lateness, disorder, .. } = self.allowed;
        Some(Rules { shape: self.shape?, lateness: millis(lateness), disorder: millis(disorder) })
    }
}

pub(super) type Only<V> = Box<dyn Fn(&WindowResult<V>) -> bool + Send + Sync>;

/// Windows and what they come to. It becomes a [`Stream`], with the table for a sink if none was named.
pub struct Aggregated<E, A: Aggregate<E>> {
    pub(super) over: WindowsOver<E>,
    pub(super) aggregate: A,
    pub(super) only: Option<Only<A::Value>>,
    pub(super) sinks: Vec<Box<dyn Sink<A::Value>>>,
    /// Topics of the events that it publishes.
    published: Vec<&'static str>,
}

impl<E: Event, A: Aggregate<E>> Aggregated<E, A> {
    /// See [`WindowsOver::allow_lateness`].
    #[must_use]
    pub fn allow_lateness(self, lateness: Duration) -> Self {
        Self { over: self.over.allow_lateness(lateness), ..self }
    }

    /// Only results of which this is true, in all sinks.
    #[must_use]
    pub fn only(self, only: impl Fn(&WindowResult<A::Value>) -> bool + Send + Sync + 'static) -> Self {
        Self { only: Some(Box::new(only)), ..self }
    }

    /// Results, early and final ones, as rows of the table `window_results`.
    #[must_use]
    pub fn into_table(self) -> Self {
        self.sink(TableSink)
    }

    /// How long final results stay in the table. 30 days, unless said.
    #[must_use]
    pub fn keep(mut self, keep: Duration) -> Self {
        self.over.allowed.keep = keep;
        self
    }

    /// Of each key the newest value, as JSON, in Redis: `user:activity:{key}`. It is that of the window which holds the key's latest
    /// event and ends first: of "the last hour, every 5 minutes" the fullest one. It lives for `lifetime` from when it last changed.
    ///
    /// # Panics
    /// If the pattern has no `{key}`.
    #[must_use]
    pub fn into_cache(self, pattern: &str, lifetime: Duration) -> Self {
        assert!(pattern.contains("{key}"), "`{pattern}` would be one key of Redis for all: put {{key}} into it");
        let sink = CacheSink { cache: self.over.resources.cache.clone(), pattern: pattern.to_owned(), lifetime };
        self.sink(sink)
    }

    /// Final results into tables of one's own, in the transaction that makes them final: each once.
    #[must_use]
    pub fn into_transaction<F>(self, write: F) -> Self
    where
        F: for<'a> Fn(&'a mut PgConnection, &'a [WindowResult<A::Value>]) -> BoxFuture<'a, Result<(), StageError>>
            + Send
            + Sync
            + 'static,
    {
        self.sink(TransactionSink(write))
    }

    /// An event of a final result, by the outbox: each window of each key once, under an id that follows from both and the event's type.
    #[must_use]
    pub fn publish<O: Event>(
        self,
        event: impl Fn(&WindowResult<A::Value>) -> Option<O> + Send + Sync + 'static,
    ) -> Self {
        self.publishing(None, event)
    }

    /// The same, but of a key one event in a period at most: after one of a window that ended at noon, `period` being an hour, the next one is
    /// of a window that ends at 13:00 or later. Hopping windows of which several hold the same events are told of once, if it is as long
    /// as they are.
    ///
    /// # Panics
    /// If the period is less than a millisecond.
    #[must_use]
    pub fn publish_once_in<O: Event>(
        self,
        period: Duration,
        event: impl Fn(&WindowResult<A::Value>) -> Option<O> + Send + Sync + 'static,
    ) -> Self {
        self.publishing(Some(whole_millis(period)), event)
    }

    fn publishing<O: Event>(
        mut self,
        period: Option<i64>,
        event: impl Fn(&WindowResult<A::Value>) -> Option<O> + Send + Sync + 'static,
    ) -> Self {
        let number = self.published.iter().filter(|topic| **topic == O::TOPIC).count();
        self.published.push(O::TOPIC);
        let source = self.over.resources.producer.source().to_owned();
        let (outbox, stream) = (Outbox::new(&source), self.over.name.clone());
        self.sink(PublishSink { outbox, source, stream, number, period, event })
    }

    /// The stage alone, for tests that give it records and turns of the clock themselves.
    pub fn into_stage(self) -> impl Stage {
        WindowStage::new(self, Arc::default())
    }

    fn sink(mut self, sink: impl Sink<A::Value> + 'static) -> Self {
        self.sinks.push(Box::new(sink));
        self
    }
}

impl<E: Event, A: Aggregate<E>> From<Aggregated<E, A>> for Stream {
    fn from(windows: Aggregated<E, A>) -> Self {
        let windows = if windows.sinks.is_empty() { windows.into_table() } else { windows };
        let (name, stats) = (windows.over.name.clone(), Arc::new(WindowStats::default()));
        let published = windows.published.iter().map(|topic| (*topic).to_owned());
        let late = match &windows.over.allowed.late {
            Late::Topic(topic) => Some(topic.clone()),
            Late::Nowhere | Late::DeadLetters => None,
        };
        let written: Vec<String> = published.chain(late).collect();
        Self::new(&name, [E::TOPIC], WindowStage::new(windows, stats.clone())).counted(stats).writes(written)
    }
}
