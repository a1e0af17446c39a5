//! An application: its events, routes, handlers and state.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use futures::future::BoxFuture;
use millgate_bridge::{
    Route, Routes, on,
    saga::{Definitions, Saga},
};
use millgate_dashboard::EventRegistry;
use millgate_events::{Event, Producer, Projection, Projections, SagaCommand, StepCommand};
use millgate_jobs::{Job, PublishEvent, Schedule, ScheduleError};
use millgate_streams::{Audit, Resources, Stream};
use millgate_workers::{
    BatchHandler, ErrorClass, Handler, Handlers, JobError, JobLayer, Replied, State, StepCtx, StepJob,
    email::limit_domains, publish_event,
};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{PgPool, migrate::Migrator};

use crate::{
    cli,
    config::{self, Config, ConfigError, Loaded, NoSettings, Setting, WrittenRoute},
    group::{Group, Know, MAIN},
    housekeeping::{ExpireDeadLetters, expire_dead_letters},
};

type Environment = Box<dyn Iterator<Item = (String, String)>>;
type Load = Box<dyn FnOnce(App, Option<&Path>, Environment) -> Result<(App, Configuration), ConfigError>>;

/// Publishes sample events for `millgate dev`, and gives their number.
pub(crate) type Samples = Arc<dyn Fn(Producer, PgPool) -> BoxFuture<'static, Result<u64, BoxError>> + Send + Sync>;

/// Looks at what the application's jobs came to, for `millgate dev`; a line each.
pub(crate) type Report = Arc<dyn Fn(PgPool) -> BoxFuture<'static, Result<Vec<String>, BoxError>> + Send + Sync>;

/// Makes a stream, once there is a way to the servers.
pub(crate) type MakeStream = Box<dyn Fn(&Resources) -> Stream + Send + Sync>;

/// Any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What is in force, and where each value came from.
pub(crate) struct Configuration {
    pub(crate) config: Config,
    pub(crate) settings: Vec<Setting>,
}

/// An application. Ends with [`App::main`].
pub struct App {
    pub(crate) name: &'static str,
    pub(crate) routes: Routes,
    /// Readers beside the one that has these routes.
    pub(crate) groups: Vec<Group>,
    /// Event types, by their topics, for groups that read the same topics.
    known: Vec<(&'static str, Know)>,
    pub(crate) handlers: Handlers,
    pub(crate) schedules: Vec<Result<Schedule, ScheduleError>>,
    pub(crate) sagas: Definitions,
    pub(crate) events: EventRegistry,
    pub(crate) projections: Projections,
    pub(crate) state: State,
    pub(crate) migrations: Option<&'static Migrator>,
    /// Makers of streams, which need the servers.
    pub(crate) streams: Vec<MakeStream>,
    /// What is recorded in the audit log, if there is to be one.
    pub(crate) audit: Option<Arc<Audit>>,
    pub(crate) samples: Option<Samples>,
    pub(crate) report: Option<Report>,
    /// The configuration file, and the routes that it declared when it was read.
    pub(crate) declared: Option<(PathBuf, Vec<WrittenRoute>)>,
    pub(crate) dev_settings: Vec<(&'static str, &'static str)>,
    load: Load,
}

impl App {
    /// An application of that name, which is also its section in the configuration file and the `source` of the
    /// events it publishes.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            routes: Routes::default(),
            groups: Vec::new(),
            known: Vec::new(),
            handlers: Handlers::default(),
            schedules: Vec::new(),
            sagas: Definitions::default(),
            events: EventRegistry::default(),
            projections: Projections::default(),
            state: State::new(),
            migrations: None,
            streams: Vec::new(),
            audit: None,
            samples: None,
            report: None,
            declared: None,
            dev_settings: Vec::new(),
            load: loader::<NoSettings>(|app, _| app),
        }
    }

    /// Adds what depends on the application's own section of the configuration. Its default says which settings there
    /// are: see [`config::load`].
    #[must_use]
    pub fn configure<S>(mut self, add: impl FnOnce(Self, S) -> Self + 'static) -> Self
    where
        S: Serialize + DeserializeOwned + Default + 'static,
    {
        self.load = loader::<S>(add);
        self
    }

    /// Makes an event known that has no route (yet). Without this it would be poison.
    #[must_use]
    pub fn event<E: Event>(mut self) -> Self {
        self.events.add::<E>();
        self.known.push((E::TOPIC, Routes::know::<E>));
        self.routes.know::<E>();
        self
    }

    /// Adds tables that follow from the events of the [event store](crate::EventStore); `millgate projections run` keeps them up to date.
    ///
    /// # Panics
    /// If its name is taken, or none.
    #[must_use]
    pub fn projection<P: Projection>(mut self, projection: P) -> Self {
        self.projections.add(projection);
        self
    }

    /// Adds a route: when this event happens, do these jobs.
    #[must_use]
    pub fn route<E: Event>(mut self, route: Route<E>) -> Self {
        self.events.add::<E>();
        self.known.push((E::TOPIC, Routes::know::<E>));
        if route.publishes() && !self.handlers.handles(PublishEvent::KIND) {
            self.handlers.add(publish_event);
        }
        self.routes.add(route);
        self
    }

    /// Adds a second reader of the events, a consumer group with routes, offsets and watermarks of its own: that one is
    /// stopped, behind or read again is nothing to the others. Its jobs should be of kinds of their own.
    ///
    /// `millgate bridge` runs all groups, `millgate bridge --group crm` one of them.
    ///
    /// # Panics
    /// If there is a group of that name, or it is `main`: that is the group of [`route`](Self::route).
    #[must_use]
    pub fn group(mut self, name: &'static str, add: impl FnOnce(Group) -> Group) -> Self {
        let is_taken = name == MAIN || self.groups.iter().any(|group| group.name == name);
        assert!(!is_taken, "there is a group `{name}` already");
        let group = add(Group::new(name));
        for (topic, know, register) in &group.events {
            self.known.push((topic, *know));
            register(&mut self.events);
        }
        if group.publishes && !self.handlers.handles(PublishEvent::KIND) {
            self.handlers.add(publish_event);
        }
        self.groups.push(group);
        self
    }

    /// Adds the handler for jobs of kind `J`: an `async fn(J, Ctx) -> Result<Done, JobError>`, or one that takes other
    /// arguments after the job, see [`FromCtx`](crate::FromCtx); with layers of its own by [`Handler::layer`].
    #[must_use]
    pub fn worker<J: Job, A: 'static>(mut self, handler: impl Handler<J, A>) -> Self {
        self.handlers.add_handler(handler);
        self
    }

    /// Puts a tower layer around every handler; the one added last is outermost. See [`Handlers::layer`].
    #[must_use]
    pub fn layer(mut self, layer: impl JobLayer) -> Self {
        self.handlers.layer(layer);
        self
    }

    /// Says what becomes of jobs that fail with this code, whatever their handler says. `worker.retry_codes` and
    /// `worker.dead_codes` of the configuration go before it.
    #[must_use]
    pub fn classify(mut self, code: &str, class: ErrorClass) -> Self {
        self.handlers.classify(code, class);
        self
    }

    /// Adds a handler that does several jobs of kind `J` at once, an `async fn(Vec<J>, BatchCtx) -> Vec<Result<Done,
    /// JobError>>`: up to `most`, or those there are `wait` after the first of them came. See [`Handlers::add_batch`].
    #[must_use]
    pub fn batch_worker<J: Job>(mut self, most: usize, wait: Duration, handler: impl BatchHandler<J>) -> Self {
        self.handlers.add_batch(most, wait, handler);
        self
    }

    /// Adds a schedule: `job` is done at the times that `cron` names, on the wall clock of `zone`, an IANA name. See
    /// [`Schedule::new`] for what can be written. A wrong one keeps the program from starting.
    #[must_use]
    pub fn schedule<J: Job>(self, name: &str, cron: &str, zone: &str, job: J) -> Self {
        self.schedule_with(name, cron, zone, job, |schedule| schedule)
    }

    /// The same with more to say: `|schedule| schedule.catch_up(CatchUp::All)`.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "a schedule reads as a sentence: do this job")]
    pub fn schedule_with<J: Job>(
        mut self,
        name: &str,
        cron: &str,
        zone: &str,
        job: J,
        more: impl FnOnce(Schedule) -> Schedule,
    ) -> Self {
        let taken = self.schedules.iter().flatten().find(|other| other.name() == name);
        let schedule = match taken {
            Some(other) => Err(ScheduleError::Taken { name: name.to_owned(), queue: other.queue().to_owned() }),
            None => Schedule::new(name, cron, zone, &job).map(more),
        };
        self.schedules.push(schedule);
        self
    }

    /// Adds a saga, which `millgate saga run` drives: `.saga(Saga::<Booking>::named("booking").step(…))`. For as long as
    /// there are sagas under way of an older version, its definition has to be there beside the new one.
    ///
    /// # Panics
    /// If it has no steps, two commands of one name, or the name and the version of another one.
    #[must_use]
    pub fn saga<S>(mut self, saga: Saga<S>) -> Self
    where
        S: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        let added = saga.build().and_then(|definition| self.sagas.add(definition));
        assert!(added.is_ok(), "{}", added.err().unwrap_or_default());
        self.sagas.know(&mut self.routes);
        self
    }

    /// Adds the worker of a saga's command `C`: an `async fn(C, StepCtx<C>) -> Result<Replied, JobError>`. The command's
    /// events come to jobs of queue `C::QUEUE`, and what the handler comes to is replied to the saga.
    #[must_use]
    pub fn saga_worker<C, F, Fut>(mut self, handler: F) -> Self
    where
        C: StepCommand,
        F: Fn(C, StepCtx<C>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Replied, JobError>> + Send + 'static,
    {
        self.handlers.add_step(handler);
        self.routes.know_named(C::DONE, C::DONE);
        self.routes.know_named(C::FAILED, C::FAILED);
        self.route(on::<SagaCommand<C>>().enqueue(|command| StepJob(command.event.clone())))
    }

    /// Adds the schedule `expire-dead-letters`: dead letters that were redriven or discarded longer ago than
    /// `postgres.dead_letter_retention` are removed, at the times that `cron` names. What is still dead stays.
    #[must_use]
    pub fn housekeeping(self, cron: &str, zone: &str) -> Self {
        self.worker(expire_dead_letters).schedule("expire-dead-letters", cron, zone, ExpireDeadLetters {})
    }

    /// Adds a stream, which folds records into tables: a consumer group of its own, run by `millgate streams run`.
    #[must_use]
    pub fn stream<S: Into<Stream>>(mut self, make: impl Fn(&Resources) -> S + Send + Sync + 'static) -> Self {
        self.streams.push(Box::new(move |resources| make(resources).into()));
        self
    }

    /// Keeps an audit log: the stream `audit` records every event of the chosen topics, and every dead letter, in a table that only
    /// grows. See `docs/audit.md`.
    #[must_use]
    pub fn audit(mut self, choose: impl FnOnce(Audit) -> Audit) -> Self {
        self.audit = Some(Arc::new(choose(Audit::default())));
        self
    }

    /// Gives handlers something to share; they take it as `State<T>`, or by `ctx.state::<T>()`. A PostgreSQL pool, a
    /// [`Producer`], a [`Mailer`](crate::email::Mailer), [`Templates`](crate::email::Templates) and
    /// [`Webhooks`](crate::webhook::Webhooks) are there already.
    #[must_use]
    pub fn state<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.state = self.state.with(value);
        self
    }

    /// Tables that `millgate migrate` creates: `static TABLES: Migrator = sqlx::migrate!();`
    #[must_use]
    pub fn migrations(mut self, migrations: &'static Migrator) -> Self {
        self.migrations = Some(migrations);
        self
    }

    /// Sample traffic for `millgate dev`. Gives the number of events that it published.
    #[must_use]
    pub fn samples<F, Fut>(mut self, samples: F) -> Self
    where
        F: Fn(Producer, PgPool) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<u64, BoxError>> + Send + 'static,
    {
        self.samples = Some(Arc::new(move |producer, database| Box::pin(samples(producer, database))));
        self
    }

    /// What `millgate dev` shows of the application's own tables, a line each.
    #[must_use]
    pub fn report<F, Fut>(mut self, report: F) -> Self
    where
        F: Fn(PgPool) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Vec<String>, BoxError>> + Send + 'static,
    {
        self.report = Some(Arc::new(move |database| Box::pin(report(database))));
        self
    }

    /// A setting that has another default in `millgate dev`, by the name of its environment variable:
    /// `("MILLGATE_SHOP_REMINDER_DELAY", "3s")`.
    #[must_use]
    pub fn dev_setting(mut self, variable: &'static str, value: &'static str) -> Self {
        self.dev_settings.push((variable, value));
        self
    }

    /// The routes of all groups, the main one first, by their names.
    pub(crate) fn tables(&self) -> impl Iterator<Item = (&str, &Routes)> + Clone {
        std::iter::once((MAIN, &self.routes)).chain(self.groups.iter().map(|group| (group.name, &group.routes)))
    }

    /// Whether something of it is kept in a database: tables of its own, or those of streams, the audit log, projections, sagas
    /// or the workers of their steps.
    pub(crate) fn keeps_tables(&self) -> bool {
        self.migrations.is_some()
            || !self.streams.is_empty()
            || self.audit.is_some()
            || !self.projections.is_empty()
            || !self.sagas.is_empty()
            || !self.handlers.steps().is_empty()
    }

    /// Runs the command line. Exit codes: 0 well, 1 failed, 2 not understood (a wrong argument or setting).
    pub fn main(self) -> ExitCode {
        cli::main(self)
    }

    /// Names of the queues that some handler works on or some route fills.
    pub(crate) fn queue_names(&self) -> Vec<String> {
        let groups = self.groups.iter().map(|group| &group.routes);
        queue_names(&self.handlers, std::iter::once(&self.routes).chain(groups))
    }

    /// Reads the configuration and adds what depends on it.
    pub(crate) fn load(
        mut self,
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)> + 'static,
    ) -> Result<(Self, Configuration), ConfigError> {
        let load = std::mem::replace(&mut self.load, loader::<NoSettings>(|app, _| app));
        load(self, file, Box::new(environment))
    }
}

pub(crate) fn queue_names<'a>(handlers: &Handlers, routes: impl Iterator<Item = &'a Routes>) -> Vec<String> {
    let routed = routes.flat_map(Routes::queues);
    let mut names: Vec<_> = handlers.queues().iter().map(|&name| name.to_owned()).chain(routed).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn loader<S>(add: impl FnOnce(App, S) -> App + 'static) -> Load
where
    S: Serialize + DeserializeOwned + Default + 'static,
{
    Box::new(|app, file, environment| {
        let Loaded { config, app: settings_of_app, settings, file, routes } =
            config::load::<S>(app.name, file, environment)?;
        limit_domains(&config.smtp.domains);
        let mut app = add(app, settings_of_app);
        app.groups.iter_mut().for_each(|group| group.know(&app.known));
        app.routes.declare(config::declared(&routes, &app.routes, app.handlers.kinds())?);
        app.declared = file.map(|file| (file, routes));
        Ok((app, Configuration { config, settings }))
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::servers::Servers;

    #[derive(Serialize, Deserialize, millgate_derive::Job)]
    #[job(queue = "reports")]
    struct NightlyReport {}

    fn refused(app: App) -> String {
        Servers::new(app, Config::default()).err().unwrap().to_string()
    }

    #[tokio::test]
    async fn a_wrong_schedule_keeps_the_program_from_starting() {
        let app = || App::new("reports").schedule("nightly", "0 3 * * *", "Europe/Berlin", NightlyReport {});
        let twice = refused(app().schedule("nightly", "@daily", "UTC", NightlyReport {}));
        assert!(twice.contains("there is a schedule `nightly` in queue reports already"), "{twice}");
        let never = refused(app().schedule("leap", "0 0 30 2 *", "UTC", NightlyReport {}));
        assert!(never.contains("schedule leap: `0 0 30 2 *` never fires"), "{never}");
        let servers = Servers::new(app(), Config::default()).unwrap();
        let unhandled = servers.scheduler().err().unwrap().to_string();
        assert!(
            unhandled.contains("schedule nightly makes jobs of kind nightly-report, which no handler does"),
            "{unhandled}"
        );
    }
}
