//! What keeps projections up to date, in any number of processes.

use std::time::{Duration, Instant};

use sqlx::{PgPool, postgres::PgListener};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{
    ProjectionConfig, ProjectionState, ProjectionStatus, ProjectionStore, Projections, build,
    erased::AnyProjection,
    follower::{Follower, Turn},
    metrics,
    row::Build,
};
use crate::store::StoreError;

/// First pause after something went wrong, then doubled.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// How often it is looked how far all are.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Keeps projections up to date. Several of them share the work; a projection is worked on by one at a time.
pub struct ProjectionRunner {
    database: PgPool,
    config: ProjectionConfig,
    followers: Vec<Follower>,
    statuses: watch::Sender<Vec<ProjectionStatus>>,
}

impl ProjectionRunner {
    /// Connects to nothing yet.
    pub fn new(database: PgPool, projections: &Projections, config: ProjectionConfig) -> Self {
        let states = [ProjectionState::Live, ProjectionState::Building];
        let followers = projections.0.iter().flat_map(|projection| {
            states.map(|state| Follower::new(database.clone(), projection.clone(), state, config.batch_size.max(1)))
        });
        Self { followers: followers.collect(), statuses: watch::Sender::default(), database, config }
    }

    /// When each of its loops last went round, by the name of its projection.
    pub fn turned(&self) -> Vec<(String, watch::Receiver<Instant>)> {
        let name = |follower: &Follower| match follower.state {
            ProjectionState::Live => follower.projection.name().to_owned(),
            ProjectionState::Building => format!("{} (rebuild)", follower.projection.name()),
        };
        self.followers.iter().map(|follower| (name(follower), follower.turned.subscribe())).collect()
    }

    /// How far all are, looked at every few seconds.
    pub fn statuses(&self) -> watch::Receiver<Vec<ProjectionStatus>> {
        self.statuses.subscribe()
    }

    /// Follows the events until `stop` fires. Whatever fails is tried again.
    pub async fn run(self, stop: CancellationToken) {
        let Self { database, config, followers, statuses } = self;
        let wake = watch::Sender::new(());
        let mut running = JoinSet::new();
        for follower in followers {
            running.spawn(follow(follower, wake.subscribe(), config.poll_interval, stop.clone()));
        }
        // Neither of these ends by itself, and nothing is lost with them.
        let mut watching = JoinSet::new();
        watching.spawn(listen(database.clone(), wake));
        watching.spawn(look(ProjectionStore::new(database), statuses));
        while let Some(ended) = running.join_next().await {
            if let Err(error) = ended {
                error!(%error, "a projection is not followed any more; start this process again");
            }
        }
    }
}

/// Follows with one build of one projection.
async fn follow(mut follower: Follower, mut wake: watch::Receiver<()>, poll: Duration, stop: CancellationToken) {
    let name = follower.projection.name();
    let mut pause = PAUSE;
    let mut superseded = false;
    while !stop.is_cancelled() {
        follower.turned.send_replace(Instant::now());
        wake.mark_unchanged();
        let turn = match follower.turn().await {
            Ok(Turn::Nothing | Turn::Other) if follower.state == ProjectionState::Live => {
                keep_built(&follower.database, &*follower.projection, &mut superseded).await
            }
            turn => turn,
        };
        match turn {
            Ok(Turn::Moved) => pause = PAUSE,
            Ok(_) => {
                pause = PAUSE;
                // Woken, or after a while.
                let waiting = timeout(poll, wake.changed());
                let _ = stop.run_until_cancelled(waiting).await;
            }
            Err(error) => {
                error!(projection = name, state = follower.state.name(), %error, ?pause, "it stands still; trying again, others go on");
                follower.note(&error).await;
                stop.run_until_cancelled(sleep(pause)).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Sees to it that there are tables, and that those of this program's version are made.
async fn keep_built(
    database: &PgPool,
    projection: &dyn AnyProjection,
    superseded: &mut bool,
) -> Result<Turn, StoreError> {
    let (name, version) = (projection.name(), projection.version());
    let mut connection = database.acquire().await?;
    let builds = Build::all(&mut connection, name).await?;
    let of = |state: ProjectionState| builds.iter().find(|(is, _)| is == state.name()).map(|(_, build)| build.version);
    match (of(ProjectionState::Live), of(ProjectionState::Building)) {
        // Somebody else works on it.
        (Some(live), _) if live == version => return Ok(Turn::Nothing),
        (Some(live), _) if live > version => {
            if !*superseded {
                warn!(projection = name, version, live, "a newer program has taken it over; this one leaves it alone");
                *superseded = true;
            }
            return Ok(Turn::Nothing);
        }
        (Some(_), Some(building)) if building >= version => return Ok(Turn::Nothing),
        (_, building) => {
            if building.is_some() {
                build::abandon(&mut connection, name, Some(version)).await?;
            }
            if let Some(build) = build::begin(&mut connection, projection, None).await? {
                info!(projection = name, version, build, "it is built");
            }
        }
    }
    Ok(Turn::Moved)
}

/// Wakes all whenever events are committed.
async fn listen(database: PgPool, wake: watch::Sender<()>) {
    loop {
        let listening = async {
            let mut listener = PgListener::connect_with(&database).await?;
            listener.listen("millgate_store").await?;
            loop {
                // What came while nobody listened is found by looking.
                wake.send_replace(());
                listener.recv().await?;
            }
        };
        let ended: sqlx::Result<()> = listening.await;
        if let Err(error) = ended {
            warn!(%error, "nothing wakes projections; they look by themselves");
        }
        sleep(PAUSE).await;
    }
}

/// Says how far all are.
async fn look(store: ProjectionStore, statuses: watch::Sender<Vec<ProjectionStatus>>) {
    loop {
        let all = store.list().await.unwrap_or_default();
        metrics().set(&all);
        statuses.send_replace(all);
        sleep(LOOK_EVERY).await;
    }
}
