//! Whether anything was changed: every hash is computed again, chain by chain, with one entry in memory at a time.

use std::{collections::HashMap, fmt};

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use serde::Serialize;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::{
    AUDIT, AuditHead, AuditLog, AuditLogs,
    chain::{self, Anchor, Chain},
    entry::{COLUMNS, to_hex},
    hash::{BEGIN, hash},
};
use crate::StreamError;

/// Findings that anybody reads. There may be more.
const MOST: usize = 1_000;
/// Between two times that it is said how far it is.
const STEP: u64 = 10_000;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuditFlaw {
    /// An entry is not what was recorded, or does not follow from the one before it.
    Changed,
    /// Entries are not there.
    Missing,
    /// An entry is there that was never recorded, or that an anchor says was dropped.
    Added,
    /// An entry stands where another one was.
    Reordered,
    /// All follows from each other, and is not what it was: a chain was written anew.
    Rewritten,
}

/// Something that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditFinding {
    /// What it is.
    pub flaw: AuditFlaw,
    /// The topic, as Kafka names it.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Which chain of that partition.
    pub epoch: i32,
    /// The entry's number in it, or the first one's.
    pub number: i64,
    /// The last one's, if it is about several.
    pub until: i64,
    /// The offset of its record, if it is there.
    pub offset: Option<i64>,
}

impl fmt::Display for AuditFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { flaw, topic, partition, epoch, number, until, offset } = self;
        write!(f, "{topic} partition {partition}")?;
        if *epoch > 1 {
            write!(f, " (chain {epoch})")?;
        }
        if number == until {
            write!(f, ": entry {number}")?;
        } else {
            write!(f, ": entries {number} to {until}")?;
        }
        if let Some(offset) = offset {
            write!(f, " (offset {offset})")?;
        }
        f.write_str(match flaw {
            AuditFlaw::Changed => " was changed, or does not follow from the one before it",
            AuditFlaw::Missing if number == until => " is missing",
            AuditFlaw::Missing => " are missing",
            AuditFlaw::Added => " was added and never recorded, or is said to be dropped",
            AuditFlaw::Reordered => " stands in another's place",
            AuditFlaw::Rewritten => " has another hash than was known of it: the chain was written anew",
        })
    }
}

/// What was verified, and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AuditReport {
    /// Entries that were looked at.
    pub entries: u64,
    /// Where each chain ends. Kept elsewhere, they prove that nothing before them was written anew.
    pub heads: Vec<AuditHead>,
    /// Heads that were known and nothing could be held against: they lie before what was looked at. Up to there a chain was dropped, which an
    /// anchor says, or only later entries were asked for.
    pub unchecked: Vec<AuditHead>,
    /// What is wrong; the first thousand.
    pub findings: Vec<AuditFinding>,
    /// How many findings there are.
    pub flaws: u64,
}

impl AuditLogs {
    /// Computes every hash again, or those of what was recorded since a time. `known` are heads that were kept elsewhere. `progress` hears
    /// how many entries were looked at, and how many there are.
    pub async fn verify(
        &self,
        since: Option<DateTime<Utc>>,
        known: &[AuditHead],
        mut progress: impl FnMut(u64, u64) + Send,
    ) -> Result<AuditReport, StreamError> {
        let mut connection = self.database.acquire().await?;
        let chains = chain::all(&mut connection).await?;
        let all = total(&mut connection).await?;
        let mut report = AuditReport::default();
        for chain in &chains {
            let mut transaction = connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
            // Before the snapshot: a month that is dropped meanwhile would be missing in it.
            sqlx::raw_sql("LOCK TABLE audit_logs IN ACCESS SHARE MODE").execute(&mut *transaction).await?;
            let head = chain::all(&mut transaction).await?.into_iter().find(|head| head.id == chain.id);
            let Some(head) = head else { continue };
            let mut walk = Walk::begin(head, known, since, &mut transaction).await?;
            walk.go(&mut transaction, &mut report, &mut |done| progress(done, all)).await?;
            transaction.commit().await?;
            report.heads.push(walk.chain.head());
            report.unchecked.append(&mut walk.unchecked);
        }
        gone(&chains, known, &mut report);
        of_no_chain(&mut connection, &mut report).await?;
        behind(&mut connection, &mut report).await?;
        progress(report.entries, all);
        Ok(report)
    }
}

impl AuditReport {
    fn found(&mut self, finding: AuditFinding) {
        self.flaws += 1;
        if self.findings.len() < MOST {
            self.findings.push(finding);
        }
    }
}

/// The way along a chain.
struct Walk {
    chain: Chain,
    /// The least number that is read.
    first: i64,
    /// The number that comes next.
    next: i64,
    /// The hash before it; `None` behind a gap.
    before: Option<Vec<u8>>,
    /// The offset before it.
    offset: i64,
    /// Hashes that were known, by number.
    known: HashMap<i64, String>,
    /// Those before all that is looked at.
    unchecked: Vec<AuditHead>,
}

impl Walk {
    async fn begin(
        chain: Chain,
        known: &[AuditHead],
        since: Option<DateTime<Utc>>,
        database: &mut PgConnection,
    ) -> Result<Self, StreamError> {
        let anchor = Anchor::of(chain.id, database).await?;
        let is_of = |head: &&AuditHead| {
            (&*head.topic, head.partition, head.epoch) == (&*chain.topic, chain.record_partition, chain.epoch)
        };
        let (mut next, mut before) = match anchor {
            Some(anchor) => (anchor.number + 1, Some(anchor.hash)),
            None => (1, Some(BEGIN.to_vec())),
        };
        // Whoever can write an anchor must not hide what is still there: before one, as before the beginning, there must be nothing.
        let mut least = i64::MIN;
        if let Some(since) = since {
            let first = "SELECT min(number) FROM audit_logs WHERE chain = $1 AND recorded_at >= $2";
            let first: Option<i64> =
                sqlx::query_scalar(first).bind(chain.id).bind(since).fetch_one(&mut *database).await?;
            // What comes first stands on the one before it, which is believed.
            let first = first.unwrap_or(chain.number + 1);
            if first > next {
                let read = "SELECT hash FROM audit_logs WHERE chain = $1 AND number = $2";
                next = first - 1;
                before = sqlx::query_scalar(read).bind(chain.id).bind(next).fetch_optional(database).await?;
                // One that is gone is found missing.
                next += i64::from(before.is_some());
                least = next;
            }
        }
        // The one before the first is held against them, too.
        let compared = next - i64::from(before.is_some());
        let (known, unchecked): (Vec<_>, Vec<_>) = known.iter().filter(is_of).partition(|head| head.number >= compared);
        let known = known.into_iter().map(|head| (head.number, head.hash.clone())).collect();
        let unchecked = unchecked.into_iter().cloned().collect();
        Ok(Self { chain, first: least, next, before, offset: -1, known, unchecked })
    }

    async fn go(
        &mut self,
        database: &mut PgConnection,
        report: &mut AuditReport,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<(), StreamError> {
        let at_anchor = self.before.clone().filter(|_| self.next > 1).map(|hash| (self.next - 1, hash));
        if let Some((number, hash)) = at_anchor {
            self.compare(number, &hash, report);
        }
        let read =
            format!("SELECT {COLUMNS} FROM audit_logs WHERE chain = $1 AND number >= $2 ORDER BY number, recorded_at");
        let mut rows =
            sqlx::query_as::<_, AuditLog>(AssertSqlSafe(read)).bind(self.chain.id).bind(self.first).fetch(database);
        // Those of one number, which should be one.
        let mut same: Vec<AuditLog> = Vec::new();
        while let Some(row) = rows.try_next().await? {
            report.entries += 1;
            if report.entries.is_multiple_of(STEP) {
                progress(report.entries);
            }
            if same.first().is_some_and(|other| other.number != row.number) {
                self.look(&std::mem::take(&mut same), report);
            }
            same.push(row);
        }
        self.look(&same, report);
        let last = self.next - 1;
        if last < self.chain.number {
            report.found(self.finding(AuditFlaw::Missing, self.next, self.chain.number, None));
        } else if self.before.as_ref().is_some_and(|hash| *hash != self.chain.hash) {
            report.found(self.finding(AuditFlaw::Changed, last, last, Some(self.offset)));
        }
        if let Some(&number) = self.known.keys().filter(|number| **number > self.chain.number).max() {
            report.found(self.finding(AuditFlaw::Missing, self.chain.number + 1, number, None));
        }
        Ok(())
    }

    /// Looks at what has one number.
    fn look(&mut self, same: &[AuditLog], report: &mut AuditReport) {
        let Some(first) = same.first() else { return };
        let number = first.number;
        if number < self.next || number > self.chain.number {
            return same
                .iter()
                .for_each(|row| report.found(self.finding(AuditFlaw::Added, number, number, Some(row.offset))));
        }
        if number > self.next {
            report.found(self.finding(AuditFlaw::Missing, self.next, number - 1, None));
            self.before = None;
        }
        let follows = |before: &Vec<u8>| same.iter().position(|row| hash(before, row)[..] == row.hash[..]);
        // Behind a gap there is nothing to hold it against.
        let genuine = self.before.as_ref().map_or(Some(0), follows);
        let row = &same[genuine.unwrap_or_default()];
        for other in same.iter().filter(|other| !std::ptr::eq(*other, row)) {
            report.found(self.finding(AuditFlaw::Added, number, number, Some(other.offset)));
        }
        if genuine.is_none() {
            let flaw = if row.offset <= self.offset { AuditFlaw::Reordered } else { AuditFlaw::Changed };
            report.found(self.finding(flaw, number, number, Some(row.offset)));
        }
        self.compare(number, &row.hash, report);
        (self.next, self.before, self.offset) = (number + 1, Some(row.hash.clone()), row.offset);
    }

    /// Holds a hash against what was known of it.
    fn compare(&self, number: i64, hash: &[u8], report: &mut AuditReport) {
        if self.known.get(&number).is_some_and(|known| *known != to_hex(hash)) {
            report.found(self.finding(AuditFlaw::Rewritten, number, number, None));
        }
    }

    fn finding(&self, flaw: AuditFlaw, number: i64, until: i64, offset: Option<i64>) -> AuditFinding {
        let Chain { topic, record_partition, epoch, .. } = &self.chain;
        AuditFinding { flaw, topic: topic.clone(), partition: *record_partition, epoch: *epoch, number, until, offset }
    }
}

/// Entries that there should be.
async fn total(database: &mut PgConnection) -> Result<u64, StreamError> {
    let count = "SELECT COALESCE(sum(c.number - COALESCE((SELECT max(number) FROM audit_anchors WHERE chain = c.id), 0)), 0)::bigint \
        FROM audit_chains AS c";
    let count: i64 = sqlx::query_scalar(count).fetch_one(database).await?;
    Ok(count.unsigned_abs())
}

/// Whole chains that were known, and are not there.
fn gone(chains: &[Chain], known: &[AuditHead], report: &mut AuditReport) {
    let is_there = |head: &&AuditHead| {
        let key = (&*head.topic, head.partition, head.epoch);
        chains.iter().any(|chain| (&*chain.topic, chain.record_partition, chain.epoch) == key)
    };
    for head in known.iter().filter(|head| !is_there(head)) {
        let AuditHead { topic, partition, epoch, number, .. } = head.clone();
        report.found(AuditFinding {
            flaw: AuditFlaw::Missing,
            topic,
            partition,
            epoch,
            number: 1,
            until: number,
            offset: None,
        });
    }
}

/// Entries of chains that there are none of.
async fn of_no_chain(database: &mut PgConnection, report: &mut AuditReport) -> Result<(), StreamError> {
    // From chain to chain by the index, and not through all entries.
    let read = format!(
        "WITH RECURSIVE there (chain) AS (SELECT min(chain) FROM audit_logs UNION ALL SELECT (SELECT min(l.chain) FROM audit_logs AS l \
         WHERE l.chain > there.chain) FROM there WHERE there.chain IS NOT NULL) \
         SELECT {COLUMNS} FROM audit_logs WHERE chain IN (SELECT chain FROM there WHERE chain IS NOT NULL \
         AND NOT EXISTS (SELECT 1 FROM audit_chains WHERE id = there.chain)) ORDER BY chain, number LIMIT 1000"
    );
    let rows: Vec<AuditLog> = sqlx::query_as(AssertSqlSafe(read)).fetch_all(database).await?;
    for AuditLog { topic, partition, number, offset, .. } in rows {
        let offset = Some(offset);
        report.found(AuditFinding {
            flaw: AuditFlaw::Added,
            topic,
            partition,
            epoch: 0,
            number,
            until: number,
            offset,
        });
    }
    Ok(())
}

/// Partitions whose chain ends before the stream is: its end was cut off, with its row.
async fn behind(database: &mut PgConnection, report: &mut AuditReport) -> Result<(), StreamError> {
    let read = "SELECT p.topic, p.partition, COALESCE(c.epoch, 1), COALESCE(c.number, 0) FROM stream_positions AS p \
        LEFT JOIN LATERAL (SELECT epoch, number, record_offset FROM audit_chains \
        WHERE topic = p.topic AND record_partition = p.partition ORDER BY epoch DESC LIMIT 1) AS c ON TRUE \
        WHERE p.stream = $1 AND COALESCE(c.record_offset, -1) + 1 < p.next_offset ORDER BY 1, 2";
    let rows: Vec<(String, i32, i32, i64)> = sqlx::query_as(read).bind(AUDIT).fetch_all(database).await?;
    for (topic, partition, epoch, number) in rows {
        let number = number + 1;
        report.found(AuditFinding {
            flaw: AuditFlaw::Missing,
            topic,
            partition,
            epoch,
            number,
            until: number,
            offset: None,
        });
    }
    Ok(())
}
