//! From an id to a life: one store after another is asked, and what one says is asked of the next.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use humantime::format_duration;
use millgate_events::{Became, Logs, Place, Record, Scan, Story, TraceParent, TrailStore, Wanted};
use millgate_jobs::JobId;
use uuid::Uuid;

use super::{EventLife, JobLife, LetterLife, Life, Look, moment::timeline};
use crate::{Site, see::record::Opened};

/// For one question to Kafka.
const QUESTION: Duration = Duration::from_secs(5);
/// A search on Kafka is no longer, and looks at no more.
const SEARCH: Duration = Duration::from_secs(15);
const RECORDS: u64 = 200_000;
/// An event's id may be made a little before it, and clocks differ.
const BEFORE: TimeDelta = TimeDelta::minutes(1);
/// More of one story would not be read.
const LETTERS: u32 = 100;
const OPENED: usize = 50;

pub(super) async fn life(site: &Site, wanted: Wanted, look: &Look<'_>) -> Life {
    let mut life = Life {
        wanted,
        searched: Vec::new(),
        problems: Vec::new(),
        events: Vec::new(),
        jobs: Vec::new(),
        letters: Vec::new(),
        gaps: Vec::new(),
        timeline: Vec::new(),
        now: look.now,
    };
    let first = [life.wanted.clone()];
    let mut story = ask_trail(site, &mut life, &first).await;
    add_events(&mut life, &story);
    ask_letters(site, &mut life, &story).await;
    let mut records = Vec::new();
    if life.events.is_empty() && look.on_kafka {
        records = look_on_kafka(site, &mut life, look).await;
    }
    let prefix = site.readers.first().map(|reader| reader.kafka.topic_prefix.clone()).unwrap_or_default();
    let opened = join_all(records.into_iter().map(|record| Opened::of(record, &prefix, &site.claims, look.mask))).await;
    if !opened.is_empty() {
        add_opened(site, &mut life, opened, &prefix);
        // What failed of a story that is not noted is; and its letters go by its ids.
        let others: BTreeSet<_> = life.events.iter().map(|event| event.correlation_id.clone()).collect();
        let others: Vec<_> = others.into_iter().map(Wanted::Correlation).collect();
        story = ask_trail(site, &mut life, &others).await;
        add_events(&mut life, &story);
        ask_letters(site, &mut life, &story).await;
    }
    read_records(site, &mut life, look, &prefix).await;
    life.events.sort_by_key(EventLife::published_at);
    add_causes(&mut life);
    add_jobs(&mut life, &story);
    ask_queues(site, &mut life, look).await;
    life.jobs.iter_mut().for_each(JobLife::settle);
    life.timeline = timeline(&life);
    if let (Some(trail), Some(first)) = (&site.trail, life.timeline.first().map(|moment| moment.at)) {
        match trail.gaps(first - BEFORE, look.now).await {
            Ok(gaps) => life.gaps = gaps,
            Err(error) => life.problems.push(error.to_string()),
        }
        life.timeline = timeline(&life);
    }
    life.problems.dedup();
    life
}

async fn ask_trail(site: &Site, life: &mut Life, wanted: &[Wanted]) -> Story {
    let Some(trail) = &site.trail else {
        life.searched.push("no trail, as there is no database".to_owned());
        return Story::default();
    };
    if !site.trail_is_kept {
        life.searched.push("the trail, which is switched off now (trail.keep)".to_owned());
    } else if wanted.first() == Some(&life.wanted) {
        life.searched.push("the trail".to_owned());
    }
    match stories(trail, wanted).await {
        Ok(story) => story,
        Err(error) => {
            life.problems.push(error.to_string());
            Story::default()
        }
    }
}

async fn stories(trail: &TrailStore, wanted: &[Wanted]) -> Result<Story, millgate_events::TrailError> {
    let mut all = Story::default();
    for wanted in wanted {
        let story = trail.story(wanted).await?;
        all.events.extend(story.events);
        all.runs.extend(story.runs);
    }
    Ok(all)
}

/// Each event once, however many groups have it.
fn add_events(life: &mut Life, story: &Story) {
    for past in &story.events {
        let place = (past.topic.as_str(), past.partition, past.offset);
        let is_it =
            |event: &&mut EventLife| (event.place.topic.as_str(), event.place.partition, event.place.offset) == place;
        if let Some(event) = life.events.iter_mut().find(is_it) {
            event.hand_off(past);
        } else {
            let mut event = EventLife::noted(past);
            event.hand_off(past);
            life.events.push(event);
        }
    }
}

/// Letters of the story, or of what is wanted.
async fn ask_letters(site: &Site, life: &mut Life, story: &Story) {
    let Some(store) = &site.letters else { return };
    let (mut events, mut jobs, mut correlations, mut traces) = <(Vec<_>, Vec<_>, Vec<_>, Vec<_>)>::default();
    let text = life.wanted.text().to_owned();
    match &life.wanted {
        Wanted::Event(_) => events.push(text),
        Wanted::Job(_) => jobs.push(text),
        Wanted::Correlation(_) => correlations.push(text),
        Wanted::Trace(_) => traces.push(text),
        // A letter has its record's key as bytes, and no index of it.
        Wanted::Key(_) => {}
        Wanted::Any(_) => {
            for list in [&mut events, &mut jobs, &mut correlations, &mut traces] {
                list.push(text.clone());
            }
        }
    }
    correlations.extend(life.events.iter().map(|event| event.correlation_id.clone()));
    events.extend(life.events.iter().map(|event| event.id.clone()));
    jobs.extend(story.runs.iter().map(|run| run.job_id.clone()));
    let letters = match store.of_story(&events, &jobs, &correlations, &traces, LETTERS).await {
        Ok(letters) => letters,
        Err(error) => return life.problems.push(error.to_string()),
    };
    if life.letters.is_empty() {
        life.searched.push("the dead letters".to_owned());
    }
    life.letters.clear();
    for letter in letters {
        match store.actions(letter.id).await {
            Ok(actions) => life.letters.push(LetterLife { letter, actions }),
            Err(error) => life.problems.push(error.to_string()),
        }
    }
}

fn logs(site: &Site) -> Option<Logs> {
    Some(Logs::new(&site.readers.first()?.kafka, QUESTION))
}

/// Events that nothing is noted of: where letters say that they lie, or where their time says that they may lie.
async fn look_on_kafka(site: &Site, life: &mut Life, look: &Look<'_>) -> Vec<Record> {
    let Some(logs) = logs(site) else { return Vec::new() };
    let mut places: Vec<Place> = Vec::new();
    for LetterLife { letter, .. } in &life.letters {
        if let (Some(topic), Some(partition), Some(offset)) = (&letter.topic, letter.partition, letter.offset) {
            places.push(Place { topic: topic.clone(), partition, offset });
        }
    }
    places.dedup();
    if !places.is_empty() {
        match logs.records(places).await {
            Ok(records) => return records.into_iter().flatten().collect(),
            Err(error) => life.problems.push(error.to_string()),
        }
    }
    let time = made_at(life.wanted.text()).map(|time| time - BEFORE);
    let Some(since) = look.since.or(time) else {
        let why = "Kafka was not: the id does not say its time; `--since 1h` says where to begin";
        life.searched.push(why.to_owned());
        return Vec::new();
    };
    let topics: BTreeSet<String> =
        site.readers.iter().flat_map(|reader| reader.routes.topics()).map(str::to_owned).collect();
    let names = topics.iter().cloned().collect::<Vec<_>>().join(", ");
    let scan = Scan {
        topics: topics.into_iter().collect(),
        since: Some(since),
        until: None,
        most: 100,
        records: RECORDS,
        within: SEARCH,
    };
    let prefix = logs_prefix(site);
    let wanted = life.wanted.clone();
    match logs.scan(scan, move |record| is_wanted(record, &wanted, &prefix)).await {
        Ok(scanned) => {
            let bound = if scanned.is_whole {
                "to their ends".to_owned()
            } else {
                format!("and no further (at most {RECORDS} records in {})", format_duration(SEARCH))
            };
            let since = since.format("%Y-%m-%d %H:%M:%S UTC");
            life.searched.push(format!("Kafka from {since} on, {} records, {bound}: {names}", scanned.looked_at));
            scanned.found
        }
        Err(error) => {
            life.problems.push(error.to_string());
            Vec::new()
        }
    }
}

fn logs_prefix(site: &Site) -> String {
    site.readers.first().map(|reader| reader.kafka.topic_prefix.clone()).unwrap_or_default()
}

/// The time in a UUID of version 7, as events get them.
fn made_at(id: &str) -> Option<DateTime<Utc>> {
    let uuid: Uuid = id.parse().ok()?;
    if uuid.get_version_num() != 7 {
        return None;
    }
    let (seconds, nanos) = uuid.get_timestamp()?.to_unix();
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)
}

fn is_wanted(record: &Record, wanted: &Wanted, prefix: &str) -> bool {
    let headers = &record.headers;
    let text = wanted.text();
    let is = |names: [&str; 2]| names.iter().any(|name| headers.text(name) == Some(text));
    let is_event = || is(["ce_id", "event-id"]);
    let is_correlation = || is(["ce_correlationid", "correlation-id"]);
    let is_key = || record.key.as_deref() == Some(text.as_bytes()) || headers.text("ce_subject") == Some(text);
    let is_trace =
        || headers.text("traceparent").and_then(TraceParent::parse).is_some_and(|trace| trace.trace_id() == text);
    let by_headers = match wanted {
        Wanted::Event(_) => is_event(),
        Wanted::Correlation(_) => is_correlation(),
        Wanted::Key(_) => is_key(),
        Wanted::Trace(_) => is_trace(),
        Wanted::Job(_) => false,
        Wanted::Any(_) => is_event() || is_correlation() || is_key() || is_trace(),
    };
    // Only what has no attributes in its headers has them in its value.
    by_headers || (headers.text("ce_id").is_none() && in_value(record, wanted, prefix))
}

fn in_value(record: &Record, wanted: &Wanted, prefix: &str) -> bool {
    let topic = record.topic.strip_prefix(prefix).unwrap_or(&record.topic);
    let Ok(Some(incoming)) = millgate_events::Incoming::read(record, topic) else { return false };
    let (meta, text) = (&incoming.meta, wanted.text());
    let (is_event, is_correlation) = (meta.id == text, meta.correlation_id == text);
    let is_key = meta.subject.as_deref() == Some(text);
    match wanted {
        Wanted::Event(_) => is_event,
        Wanted::Correlation(_) => is_correlation,
        Wanted::Key(_) => is_key,
        Wanted::Trace(_) | Wanted::Job(_) => false,
        Wanted::Any(_) => is_event || is_correlation || is_key,
    }
}

fn add_opened(site: &Site, life: &mut Life, opened: Vec<Opened>, prefix: &str) {
    for opened in opened {
        let Some(meta) = opened.meta.clone() else { continue };
        let key = opened.record.key.as_deref().map(|key| String::from_utf8_lossy(key).into_owned());
        let mut event = EventLife::read(meta, opened.view.place.clone(), key);
        event.open(opened, site, prefix);
        life.events.push(event);
    }
}

/// The records of events that are known by notes only.
async fn read_records(site: &Site, life: &mut Life, look: &Look<'_>, prefix: &str) {
    let closed: Vec<usize> =
        (0..life.events.len()).filter(|at| life.events[*at].record.is_none()).take(OPENED).collect();
    let unread: Vec<Place> = closed
        .iter()
        .map(|at| &life.events[*at].place)
        .filter(|place| site.records.get(place).is_none())
        .cloned()
        .collect();
    if let Some(logs) = logs(site).filter(|_| !unread.is_empty()) {
        match logs.records(unread.clone()).await {
            Ok(records) => {
                for (place, record) in unread.into_iter().zip(records) {
                    if let Some(record) = record {
                        site.records.put(place, record);
                    }
                }
            }
            Err(error) => life.problems.push(error.to_string()),
        }
    }
    for at in closed {
        let place = life.events[at].place.clone();
        let Some(record) = site.records.get(&place) else { continue };
        let opened = Opened::of(record, prefix, &site.claims, look.mask).await;
        if opened.meta.as_ref().is_none_or(|meta| meta.id == life.events[at].id) {
            life.events[at].open(opened, site, prefix);
        } else {
            // The topic was made anew.
            site.records.forget(&place);
        }
    }
}

fn add_causes(life: &mut Life) {
    let caused: Vec<_> =
        life.events.iter().filter_map(|event| Some((event.causation_id.clone()?, event.id.clone()))).collect();
    for event in &mut life.events {
        event.led_to = caused.iter().filter(|(cause, _)| *cause == event.id).map(|(_, id)| id.clone()).collect();
    }
}

/// Each job once, by its queue and id, whoever knows of it.
fn add_jobs(life: &mut Life, story: &Story) {
    let mut jobs: Vec<JobLife> = Vec::new();
    let mut job = |queue: &str, kind: &str, id: &str, event: Option<&str>| -> usize {
        if let Some(at) = jobs.iter().position(|job| job.queue == queue && job.id == id) {
            return at;
        }
        jobs.push(JobLife::new(queue, kind, id, event));
        jobs.len() - 1
    };
    let mut said = Vec::new();
    for event in &life.events {
        let noted = event.handed_off.iter().flat_map(|handed_off| &handed_off.jobs);
        for note in noted.filter(|note| note.became != Became::Cancels) {
            let at = job(&note.queue, &note.kind, &note.id, Some(&event.id));
            said.push((at, note.became, note.key.clone()));
        }
        if event.handed_off.is_empty() {
            for (queue, kind, id) in &event.planned {
                job(queue, kind, id, Some(&event.id));
            }
        }
    }
    let ran: Vec<usize> =
        story.runs.iter().map(|run| job(&run.queue, &run.kind, &run.job_id, run.event_id.as_deref())).collect();
    for LetterLife { letter, .. } in &life.letters {
        if let (Some(queue), Some(kind), Some(id)) = (&letter.queue, &letter.job_kind, &letter.job_id) {
            job(queue, kind, id, letter.event_id.as_deref());
        }
    }
    for (at, became, key) in said {
        // What was said first stands: read again, it was there before.
        let job = &mut jobs[at];
        job.became.get_or_insert(became);
        if let (Became::New, Some(key)) = (became, key) {
            job.is_called(&key);
        }
    }
    for (run, at) in story.runs.iter().zip(ran) {
        jobs[at].ran(run);
    }
    life.jobs = jobs;
}

/// Where jobs are now.
async fn ask_queues(site: &Site, life: &mut Life, look: &Look<'_>) {
    let mut problem = None;
    for job in &mut life.jobs {
        let queue = site.queues.queue(&job.queue);
        let mut keys: Vec<JobId> = job.keys.iter().filter_map(|key| key.parse().ok()).collect();
        let views = async {
            // One that came back from the dead letters is called something else.
            keys.extend(queue.find("id", &job.id, None, 10).await?);
            keys.extend(job.id.parse::<JobId>());
            keys.sort_unstable();
            keys.dedup();
            queue.look(&keys).await
        };
        match views.await {
            Ok(views) => {
                if let Some(view) = views.into_iter().max_by_key(|view| view.key) {
                    job.is(view, look.mask);
                }
            }
            Err(error) => {
                problem = Some(error.to_string());
                break;
            }
        }
    }
    life.problems.extend(problem);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_an_id_is_in_it_if_it_is_of_version_7() {
        // The example of RFC 9562, A.6.
        let time = made_at("017f22e2-79b0-7cc3-98c4-dc0c0c07398f").unwrap();
        assert_eq!(time.to_rfc3339(), "2022-02-22T19:22:22+00:00");
        assert_eq!(made_at("919108f7-52d1-4320-9bac-f847db4148a8"), None);
        assert_eq!(made_at("order-17"), None);
    }
}
