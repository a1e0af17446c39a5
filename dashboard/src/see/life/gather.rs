//! From an id to a life: one store after another is asked, and what one says is asked of the next.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use futures::future::join_all;
use millgate_events::{Became, Place, Story, TrailError, TrailStore, Wanted};
use millgate_jobs::JobId;

use super::{
    EventLife, JobLife, LetterLife, Life, Look,
    moment::timeline,
    search::{logs, look_on_kafka, topic_prefix},
};
use crate::{Site, see::record::Opened};

/// An event's id may be made a little before it, and clocks differ.
pub(super) const BEFORE: TimeDelta = TimeDelta::minutes(1);
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
    let prefix = topic_prefix(site);
    let opened = join_all(records.into_iter().map(|record| Opened::of(record, &prefix, &site.values, look.mask))).await;
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

async fn stories(trail: &TrailStore, wanted: &[Wanted]) -> Result<Story, TrailError> {
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
        let opened = Opened::of(record, prefix, &site.values, look.mask).await;
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
