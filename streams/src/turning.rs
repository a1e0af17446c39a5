//! The clock's turns: for partitions of which nothing comes, and for a stream as a whole.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use millgate_events::Holding;
use sqlx::Connection;
use tokio::time::sleep;
use tracing::{debug, warn};

use crate::{
    Clock, Stage, StreamError, Turn,
    partition::{Counts, LONGEST_PAUSE, Open, Partitions, Servers, Take, caught, lock},
    position,
};

/// Between looks at the partitions of a stage that has no use for the clock.
const LOOK: Duration = Duration::from_secs(5);
/// A topic may get more partitions; Kafka is asked again after so long.
const COUNTS_LAST: Duration = Duration::from_mins(1);

/// Lets the clock turn until the runner stops.
pub(crate) async fn turn(take: &dyn Take, servers: &Servers, holdings: impl Fn() -> Vec<Holding> + Send) {
    let every = take.clock().map_or(LOOK, |clock| clock.every);
    let mut pause = every;
    while servers.stopping.run_until_cancelled(sleep(pause)).await.is_some() {
        let holdings = holdings();
        let Some(turned) = servers.stopping.run_until_cancelled(take.turn(&holdings, servers)).await else { return };
        pause = match turned {
            Ok(()) => every,
            Err(error) => {
                servers.stats.failed();
                warn!(%error, "a turn of the clock failed; trying again");
                (pause * 2).min(LONGEST_PAUSE.max(every))
            }
        };
    }
}

impl<S: Stage> Partitions<S> {
    pub(crate) async fn turned(&self, holdings: &[Holding], servers: &Servers) -> Result<(), StreamError> {
        let turned = caught(self.turned_each(holdings, servers)).await;
        let target = format!("{}, by the clock", self.stream);
        for holding in holdings {
            let trouble = servers.troubles.of(holding, &target);
            match &turned {
                Ok(()) => trouble.goes_on(),
                Err(error) => trouble.waits(format_args!(
                    "stream {} cannot do what the clock has it do, trying on: {error}",
                    self.stream
                )),
            }
        }
        turned
    }

    async fn turned_each(&self, holdings: &[Holding], servers: &Servers) -> Result<(), StreamError> {
        self.forget_lost(holdings);
        let mut wrong = None;
        let positions = position::read_all(&self.stream, &mut *servers.database.acquire().await?).await?;
        for holding in holdings {
            let position = positions.get(&(holding.topic().to_string(), holding.partition())).copied();
            match self.looked(holding, position, servers).await {
                // It waits, for somebody to say what is right. The others need not.
                Err(error @ StreamError::TopicIsAnother { .. }) => wrong = Some(error),
                looked => looked?,
            }
        }
        if let Some(clock) = self.stage.clock() {
            for holding in holdings {
                self.idled(holding, clock, servers).await?;
            }
            self.turned_whole(holdings, servers).await?;
        }
        wrong.map_or(Ok(()), Err)
    }

    /// Sees to it that a partition is open where the tables are, and that Kafka gives what comes there. `position` is where they were a
    /// moment ago.
    async fn looked(&self, holding: &Holding, position: Option<i64>, servers: &Servers) -> Result<(), StreamError> {
        let slot = self.slot(holding);
        // A batch is out: it sees for itself.
        let Ok(mut held) = slot.try_lock() else { return Ok(()) };
        let known = held.as_ref().filter(|open| open.holding.is(holding)).map(|open| open.next);
        if known == Some(position) {
            return Ok(());
        }
        let mut connection = servers.database.acquire().await?;
        // A batch may have been taken since.
        if let Some(known) = known
            && known == position::read(&self.stream, holding, &mut connection).await?
        {
            return Ok(());
        }
        *held = None;
        let mut transaction = connection.begin().await?;
        let open = self.open(holding, &mut transaction).await?;
        transaction.commit().await?;
        // Others need it while Kafka is asked.
        drop(connection);
        self.catch_up(open.next, known.flatten(), holding, servers).await?;
        *held = Some(open);
        Ok(())
    }

    /// If a partition is idle, has the stage know.
    async fn idled(&self, holding: &Holding, clock: Clock, servers: &Servers) -> Result<(), StreamError> {
        let slot = self.slot(holding);
        let Ok(mut held) = slot.try_lock() else { return Ok(()) };
        let is_due = |open: &mut Open<_>| open.holding.is(holding) && is_to_be_asked(open, clock);
        // Taken out: if anything fails from here on, it is opened anew.
        let Some(mut open) = held.take_if(is_due) else { return Ok(()) };
        open.asked = Some(Instant::now());
        let at = now();
        let is_at_end = match open.next.or(holding.began()) {
            // It began behind all that was there, and nothing came since.
            None if servers.begins_at_the_end => true,
            next => servers.logs.is_at_end(holding.topic(), holding.partition(), next.unwrap_or_default()).await?,
        };
        if is_at_end && !holding.is_revoked() {
            let mut connection = servers.database.acquire().await?;
            let mut transaction = connection.begin().await?;
            if let Err(error) = position::hold(&self.stream, holding, open.next, &mut transaction).await {
                debug!(stream = self.stream, %error, "an idle partition is another's by now");
                return Ok(());
            }
            self.stage.idle(&mut open.state, holding, at, &mut transaction).await?;
            transaction.commit().await?;
            self.stage.taken(&mut open.state);
        }
        *held = Some(open);
        Ok(())
    }

    async fn turned_whole(&self, holdings: &[Holding], servers: &Servers) -> Result<(), StreamError> {
        let topics = self.counts(servers).await?;
        let (mut more, mut again) = (true, false);
        while more {
            let mut connection = servers.database.acquire().await?;
            let mut transaction = connection.begin().await?;
            let turn = Turn { topics: &topics, holdings, at: now(), again };
            more = self.stage.turn(&turn, &mut transaction).await?;
            transaction.commit().await?;
            self.stage.turned();
            again = true;
        }
        Ok(())
    }

    async fn counts(&self, servers: &Servers) -> Result<Counts, StreamError> {
        let known = lock(&self.counts).clone();
        if let Some((_, counts)) = known.filter(|(asked, _)| asked.elapsed() < COUNTS_LAST) {
            return Ok(counts);
        }
        let counts = servers.logs.partitions(&servers.topics).await?;
        let counts: Vec<_> = servers.topics.iter().cloned().zip(counts).collect();
        *lock(&self.counts) = Some((Instant::now(), counts.clone()));
        Ok(counts)
    }
}

/// Whether nothing came for long enough, also since Kafka was last asked.
fn is_to_be_asked<T>(open: &Open<T>, clock: Clock) -> bool {
    let pause = (clock.idle_after / 4).min(LONGEST_PAUSE);
    open.since.elapsed() >= clock.idle_after && open.asked.is_none_or(|asked| asked.elapsed() >= pause)
}

#[expect(clippy::disallowed_methods, reason = "the clock is what turns")]
fn now() -> DateTime<Utc> {
    std::time::SystemTime::now().into()
}
