//! Whether Kafka gives what the tables have not: they may be behind it (a backup, or a standby that had not all), and a topic may
//! have been made anew.

use millgate_events::Holding;
use tracing::{error, info};

use crate::{
    Stage, StreamError,
    partition::{Partitions, Servers, lock},
};

impl<S: Stage> Partitions<S> {
    /// Where a partition has to be read again from, of which a batch that begins at `first` has come: there if the tables are
    /// behind that, and it is not known that nothing is between.
    pub(crate) async fn behind(
        &self,
        next: Option<i64>,
        first: i64,
        holding: &Holding,
        servers: &Servers,
    ) -> Result<Option<i64>, StreamError> {
        let Some(next) = next.filter(|&next| next != first) else { return Ok(None) };
        let (begin, _) = self.bounds(next, holding, servers).await?;
        if next > first {
            // Taken before. That is for each record to say.
            return Ok(None);
        }
        let from = next.max(begin);
        // Where its group had begun there, the client has left out nothing, unless it went to the end from what is deleted.
        let is_whole = holding.began() == Some(next) && (begin <= next || !servers.begins_at_the_end);
        if first > from && !is_whole && !self.was_rewound(holding, from) {
            return Ok(Some(from));
        }
        // Records may be missing that were compacted away, or never were any. That Kafka deleted them is worth to be known.
        if begin > next {
            error!(
                stream = self.stream, topic = %holding.topic(), partition = holding.partition(), next, begin,
                "Kafka has deleted records that are not in the tables; raise the topic's retention"
            );
        }
        Ok(None)
    }

    /// The same for a partition of which no batch is out: it is compared by where Kafka goes on, and read again if that is too late.
    /// `taken` is what this process has taken of it before, if anything.
    pub(crate) async fn catch_up(
        &self,
        next: Option<i64>,
        taken: Option<i64>,
        holding: &Holding,
        servers: &Servers,
    ) -> Result<(), StreamError> {
        let goes_on = taken.or(holding.began());
        // From what is deleted a client goes on with what is left, or else with the end.
        let is_there = goes_on == next && !servers.begins_at_the_end;
        let Some(next) = next.filter(|_| !is_there) else { return Ok(()) };
        let (begin, end) = self.bounds(next, holding, servers).await?;
        let from = next.max(begin);
        let goes_on = match goes_on {
            Some(offset) if (begin..=end).contains(&offset) => offset,
            _ if servers.begins_at_the_end => end,
            _ => begin,
        };
        if goes_on > from && holding.rewind(from).await {
            info!(
                stream = self.stream, topic = %holding.topic(), partition = holding.partition(), goes_on, from,
                "Kafka is ahead of what is in the tables; reading again"
            );
        }
        Ok(())
    }

    /// Whether this was asked before, and what comes first now is all that there is.
    fn was_rewound(&self, holding: &Holding, to: i64) -> bool {
        let place = (holding.topic().clone(), holding.partition());
        let before = lock(&self.rewound).insert(place, (holding.clone(), to));
        before.is_some_and(|(before, place)| before.is(holding) && place == to)
    }

    /// Where a partition begins and ends, in which a position is; if it can be one of this partition.
    async fn bounds(&self, position: i64, holding: &Holding, servers: &Servers) -> Result<(i64, i64), StreamError> {
        let (begin, end) = servers.logs.bounds(holding.topic(), holding.partition()).await?;
        if position <= end {
            return Ok((begin, end));
        }
        let (stream, topic) = (self.stream.clone(), holding.topic().to_string());
        Err(StreamError::TopicIsAnother { stream, topic, partition: holding.partition(), position, end })
    }
}
