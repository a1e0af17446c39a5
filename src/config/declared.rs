//! From what the file says to routes that work: everything in it is held against the events and jobs that the application
//! knows.

use std::{collections::BTreeMap, time::Duration};

use millgate_bridge::{Condition, DeclaredJob, DeclaredRoute, Deed, Routes, Template};
use millgate_jobs::{ArgumentProblem, JobKind};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    key::nearest,
    problem::{ConfigError, Problem},
    written_route::{WrittenRoute, key},
};

/// Identities of routes are version 5 UUIDs under this one.
const IDENTITIES: Uuid = Uuid::from_u128(0x6d69_6c6c_6761_7465_8000_726f_7574_0001);

type Kinds = BTreeMap<&'static str, JobKind>;

/// What belongs to a job, and means nothing where one is cancelled.
const OF_JOBS: [&str; 7] = ["fields", "delay", "priority", "once", "ordered_by", "max_attempts", "timeout"];

/// The routes that are written, or all that is wrong with them. `kinds` have handlers here.
pub(crate) fn declared(
    written: &[WrittenRoute],
    routes: &Routes,
    kinds: &Kinds,
) -> Result<Vec<DeclaredRoute>, ConfigError> {
    let mut problems = Vec::new();
    let mut declared = Vec::new();
    for written in written {
        let mut reader = Reader { written, routes, kinds, problems: Vec::new() };
        let route = reader.read();
        problems.append(&mut reader.problems);
        declared.extend(route);
    }
    if problems.is_empty() { Ok(declared) } else { Err(ConfigError::new(problems)) }
}

struct Reader<'a> {
    written: &'a WrittenRoute,
    routes: &'a Routes,
    kinds: &'a Kinds,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    /// What cannot be read is noted, and then nobody asks for the route.
    fn read(&mut self) -> Option<DeclaredRoute> {
        let event_type = self.event_type();
        let version = self.version(event_type.as_deref());
        let when = self.when();
        let deed = match (self.written.text("job"), self.written.text("cancel")) {
            (Some(job), None) => self.job(job),
            (None, Some(kind)) => self.cancel(kind),
            (Some(_), Some(_)) => {
                self.wrong("cancel", "a route has either job or cancel; make it two routes");
                None
            }
            (None, None) => {
                self.wrong_route("a route says what is to be done: job = \"…\" or cancel = \"…\"");
                None
            }
        };
        Some(DeclaredRoute {
            place: self.written.origin.to_string(),
            event_type: event_type?,
            version,
            when,
            deed: deed?,
        })
    }

    fn wrong(&mut self, name: &str, message: impl Into<String>) {
        let origin = self.written.origin(name).clone();
        self.problems.push(Problem::value(origin, key(name), message.into()));
    }

    fn wrong_route(&mut self, message: &str) {
        self.problems.push(Problem::at(self.written.origin.clone(), message.to_owned()));
    }

    fn event_type(&mut self) -> Option<String> {
        let Some(name) = self.written.text("on") else {
            self.wrong_route("a route says which events it is about: on = \"…\"");
            return None;
        };
        if self.routes.version(name).is_none() {
            let known = self.routes.event_types();
            self.wrong("on", format!("unknown event type {name:?}; {}", hint(name, &known)));
            return None;
        }
        Some(name.to_owned())
    }

    fn version(&mut self, event_type: Option<&str>) -> Option<u32> {
        let version = self.number("version", 1, i64::from(u32::MAX))?;
        let newest = self.routes.version(event_type?)?;
        if version > newest {
            self.wrong("version", format!("{} has versions 1 to {newest}", event_type?));
        }
        Some(version)
    }

    fn when(&mut self) -> Vec<Condition> {
        let written = self.written;
        let conditions = written.values.get("when").and_then(Value::as_array).into_iter().flatten();
        let mut when = Vec::new();
        for (index, condition) in conditions.enumerate() {
            match Condition::parse(condition.as_str().unwrap_or_default()) {
                Ok(condition) => when.push(condition),
                Err(message) => {
                    let origin = written.origin(&format!("when.{index}")).clone();
                    self.problems.push(Problem::value(origin, key("when"), message));
                }
            }
        }
        when
    }

    fn job(&mut self, name: &str) -> Option<Deed> {
        let kind = self.kind("job", name);
        let (fields, names) = self.fields();
        if let Some(kind) = &kind {
            self.check_fields(kind, &names);
        }
        let unique = self.template("unique");
        if unique.is_none() && self.written.values.contains_key("once") {
            self.wrong(
                "once",
                "says for how long no other job with the same unique key is taken in; add unique = \"…\"",
            );
        }
        Some(Deed::Enqueue(Box::new(DeclaredJob {
            identity: self.identity(),
            fields,
            delay: self.span("delay"),
            priority: self.number("priority", 0, 9).and_then(|priority| u8::try_from(priority).ok()),
            unique,
            once: self.span("once"),
            ordered_by: self.template("ordered_by"),
            max_attempts: self.number("max_attempts", 1, 1_000),
            timeout: self.span("timeout"),
            kind: kind?,
        })))
    }

    fn cancel(&mut self, name: &str) -> Option<Deed> {
        for other in OF_JOBS {
            if self.written.values.contains_key(other) {
                self.wrong(other, "says something of a job, and this route cancels one; remove it");
            }
        }
        if !self.written.values.contains_key("unique") {
            self.wrong("cancel", "a job is cancelled by its unique key; add unique = \"…\"");
        }
        let unique = self.template("unique");
        Some(Deed::Cancel { kind: self.kind("cancel", name)?, unique: unique? })
    }

    /// A kind that has a handler here, or one of another program, of which the queue must be told.
    fn kind(&mut self, from: &str, name: &str) -> Option<JobKind> {
        match (self.kinds.get(name), self.written.text("queue")) {
            (Some(kind), Some(queue)) if kind.queue() != queue => {
                self.wrong("queue", format!("jobs of kind {name} wait in queue {}; remove queue", kind.queue()));
                None
            }
            (Some(kind), _) => Some(kind.clone()),
            (None, Some(queue)) if !queue.is_empty() && !name.is_empty() => Some(JobKind::elsewhere(name, queue)),
            (None, _) => {
                let known: Vec<&str> = self.kinds.keys().copied().collect();
                let hint = hint(name, &known);
                let message = format!(
                    "no handler does jobs of kind {name:?} (for another program's say where they wait: \
                     queue = \"…\"); {hint}"
                );
                self.wrong(from, message);
                None
            }
        }
    }

    fn fields(&mut self) -> (Template, Vec<String>) {
        let written = self.written;
        let mut table = Vec::new();
        for (name, value) in written.values.get("fields").and_then(Value::as_object).into_iter().flatten() {
            match Template::parse(value) {
                Ok(template) => table.push((name.clone(), template)),
                Err(message) => self.wrong(&format!("fields.{name}"), message),
            }
        }
        // Of those that cannot be read, too: it was meant to be there.
        let names = written.values.get("fields").and_then(Value::as_object).into_iter().flatten();
        (Template::Table(table), names.map(|(name, _)| name.clone()).collect())
    }

    fn check_fields(&mut self, kind: &JobKind, names: &[String]) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        for problem in kind.check(&names) {
            match problem {
                ArgumentProblem::Unknown { name, fields } => {
                    let message = format!("{} has no such field; {}", kind.name(), hint(&name, fields));
                    self.wrong(&format!("fields.{name}"), message);
                }
                ArgumentProblem::Missing(field) => {
                    let place = if names.is_empty() { "job" } else { "fields" };
                    self.wrong(place, format!("{} needs the field {field}", kind.name()));
                }
            }
        }
    }

    fn template(&mut self, name: &str) -> Option<Template> {
        match Template::parse_text(self.written.text(name)?) {
            Ok(template) => Some(template),
            Err(message) => {
                self.wrong(name, message);
                None
            }
        }
    }

    fn number(&mut self, name: &str, least: i64, most: i64) -> Option<u32> {
        let number = self.written.values.get(name)?.as_i64()?;
        if !(least..=most).contains(&number) {
            self.wrong(name, format!("must be from {least} to {most}, found {number}"));
        }
        u32::try_from(number).ok()
    }

    /// That it is one was seen when it was read.
    fn span(&self, name: &str) -> Option<Duration> {
        humantime::parse_duration(self.written.text(name)?).ok()
    }

    /// What the job is: its options may change, and an event that comes again still gives the same job.
    fn identity(&self) -> Uuid {
        let value = |name: &str| self.written.values.get(name);
        let of = json!([value("job"), value("queue"), value("version"), value("when"), value("fields")]);
        Uuid::new_v5(&IDENTITIES, of.to_string().as_bytes())
    }
}

fn hint(name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None if known.is_empty() => "there are none".to_owned(),
        None => format!("there are: {}", known.join(", ")),
    }
}
