//! All of it at one look: what flows, how fast, and what is wrong.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures::future::{try_join, try_join_all};
use millgate_jobs::{Distribution, History, QueueError, ScheduleError, Span};
use serde::Serialize;

use super::{
    Flow, QueueView, Wrong,
    flow::Sources,
    queue::{queue_names, queues_of},
    schedules,
    wrong::{self, Group, Seen},
};
use crate::{Reader, Site};

/// All of it.
#[derive(Debug, Clone, Serialize)]
pub struct Overview {
    /// When it was looked at, by the clock of Redis.
    pub now: DateTime<Utc>,
    /// What is wrong now, the worst first.
    pub wrong: Vec<Wrong>,
    /// What it comes to in numbers.
    pub figures: Figures,
    /// The flow.
    pub flow: Flow,
    /// What happened in all queues over the span that was asked for.
    pub jobs: Option<History>,
    /// What bridges handed off in that time.
    pub events: Option<History>,
}

/// What it comes to in numbers. Rates are of the last minute or two.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// Events handed off a second.
    pub events_per_second: f64,
    /// Jobs done a second.
    pub jobs_per_second: f64,
    /// Runs failed a second.
    pub failures_per_second: f64,
    /// Jobs that died in the span that was asked for.
    pub dead: u64,
    /// Jobs that wait for a worker.
    pub waiting: u64,
    /// The age of the one that has waited longest, in seconds.
    pub oldest_age_seconds: Option<u64>,
    /// Events that are not handed off yet; nothing while Kafka has not said.
    pub lag: Option<u64>,
    /// The age of the oldest of them, in seconds.
    pub lag_seconds: Option<u64>,
    /// How long jobs waited for their first run, in that span.
    pub pickup: Distribution,
    /// How long runs took, in that span.
    pub run: Distribution,
}

type Events = BTreeMap<(&'static str, &'static str), History>;

/// Looks at all of it, with the last hour, day or week of charts.
pub async fn overview(site: &Site, span: Span) -> Result<Overview, ScheduleError> {
    let groups: Vec<Group> = site.readers.iter().map(group).collect();
    let registry = site.queues.processes();
    let processes = registry.list().await?;
    let names = queue_names(site, &processes);
    // The hour is looked at in any case.
    let longer = async {
        match span {
            Span::Hour => Ok(None),
            span => try_join(queue_histories(site, &names, span), event_histories(site, span)).await.map(Some),
        }
    };
    let (now, queues, hours, events, longer, schedules) = tokio::try_join!(
        registry.now(),
        queues_of(site, &names),
        queue_histories(site, &names, Span::Hour),
        event_histories(site, Span::Hour),
        longer,
        async { Ok(schedules(site).await) },
    )?;
    let schedules = schedules?;
    let (lags, policy, letters) = (site.outside.lags(site), site.outside.policy(site), site.outside.letters(site));
    let stream_lags = site.outside.streams(site);

    let hour = History::merge(hours.iter().cloned());
    let seen = Seen {
        now,
        groups: &groups,
        streams: &site.streams,
        processes: &processes,
        queues: &queues,
        hour: hour.as_ref(),
        schedules: &schedules,
        lags: &lags,
        stream_lags: &stream_lags,
        policy: &policy,
        letters: &letters,
        sagas: &site.outside.sagas(site),
    };
    let wrong = wrong::all(&seen);
    let known = lags.as_ref().and_then(|lags| lags.as_ref().ok());
    let flow = Flow::of(&Sources {
        groups: &groups,
        streams: &site.streams,
        dead_letter_topics: &site.dead_letter_topics,
        processes: &processes,
        queues: &queues,
        hours: &hours,
        events: &events,
        lags: known.map(|lags| &**lags),
        stream_lags: stream_lags.as_ref().and_then(|lags| lags.as_ref().ok()).map(|lags| &**lags),
        dead: hour.as_ref().map(|hour| hour.total().dead).unwrap_or_default(),
    });
    let events_hour = History::merge(events.into_values());
    let (jobs, events) = match longer {
        None => (hour.clone(), events_hour.clone()),
        Some((queues, events)) => (History::merge(queues), History::merge(events.into_values())),
    };
    let total = jobs.as_ref().map(History::total).unwrap_or_default();
    let figures = Figures {
        events_per_second: events_hour.as_ref().map_or(0.0, |hour| hour.rate_now(|point| point.handed_off)),
        jobs_per_second: hour.as_ref().map_or(0.0, |hour| hour.rate_now(|point| point.done)),
        failures_per_second: hour.as_ref().map_or(0.0, |hour| hour.rate_now(millgate_jobs::Point::failed)),
        dead: total.dead,
        waiting: queues.iter().map(|queue| queue.stats.waiting).sum(),
        oldest_age_seconds: queues.iter().filter_map(|queue: &QueueView| queue.oldest_age_seconds).max(),
        lag: known.map(|lags| lags.iter().map(|lag| lag.records).sum()),
        lag_seconds: known.map(|lags| lags.iter().filter_map(|lag| lag.seconds).max().unwrap_or(0)),
        pickup: total.waits,
        run: total.runs,
    };
    Ok(Overview { now, wrong, figures, flow, jobs, events })
}

fn group(reader: &Reader) -> Group {
    Group {
        name: reader.name,
        of_kafka: reader.kafka.consumer_group.clone(),
        topics: reader.routes.topics().collect(),
        queues: reader.routes.queues(),
    }
}

async fn queue_histories(site: &Site, names: &[String], span: Span) -> Result<Vec<History>, QueueError> {
    try_join_all(names.iter().map(|name| async move { site.queues.queue(name).history(span).await })).await
}

async fn event_histories(site: &Site, span: Span) -> Result<Events, QueueError> {
    let names = site.readers.iter().flat_map(|reader| reader.routes.topics().map(|topic| (reader.name, topic)));
    let read = |name: (&'static str, &'static str)| async move {
        let history = site.queues.events(name.0, name.1).history(span).await;
        history.map(|history| (name, history))
    };
    Ok(try_join_all(names.map(read)).await?.into_iter().collect())
}
