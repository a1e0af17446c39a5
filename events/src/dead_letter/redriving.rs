//! From dead to redriven or discarded.
//!
//! A redrive is begun in the table, done in Redis, and ended in the table. One that is cut off between leaves letters
//! as `redriving`; the next redrive takes these, too, and what Redis has taken in already it takes in once.

use sqlx::{Postgres, QueryBuilder, types::Json};
use uuid::Uuid;

use super::{Action, DeadLetterError, DeadLetterStore, LetterFilter, Position, StoredLetter, store::WHOLE};

/// A letter whose redrive is begun, and which try this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The letter.
    pub letter: Uuid,
    /// Redrives of it that were taken back before.
    pub tries: i32,
}

impl Claim {
    /// That of a letter which [`DeadLetterStore::claim`] gave.
    pub fn of(letter: &StoredLetter) -> Self {
        Self { letter: letter.id, tries: letter.tries }
    }

    /// What Redis is to know it by: the same for each who does this redrive, and for no other redrive.
    pub fn once(&self) -> String {
        format!("redrive:{}:{}", self.letter, self.tries)
    }
}

impl DeadLetterStore {
    /// Begins to redrive up to `most` letters behind a place, the oldest first, and gives them.
    pub async fn claim(
        &self,
        filter: &LetterFilter,
        after: Position,
        most: u32,
        action: i64,
    ) -> Result<Vec<StoredLetter>, DeadLetterError> {
        let mut query = QueryBuilder::new(
            "UPDATE dead_letters SET status = 'redriving', redriving_since = COALESCE(redriving_since, now()), \
             actions = array_append(actions, ",
        );
        query.push_bind(action).push(") WHERE id IN (SELECT id FROM dead_letters WHERE TRUE");
        filter.push_where(&mut query);
        after.push_where(&mut query);
        query.push(" ORDER BY failed_at, id LIMIT ").push_bind(i64::from(most));
        query.push(format!(" FOR UPDATE) RETURNING {WHOLE}"));
        let mut letters: Vec<StoredLetter> = query.build_query_as().fetch_all(&self.database).await?;
        letters.sort_unstable_by_key(|letter| (letter.failed_at, letter.id));
        Ok(letters)
    }

    /// Ends redrives that were done. Gives how many nobody else had ended.
    pub async fn redriven(&self, claims: &[Claim], action: i64) -> Result<u64, DeadLetterError> {
        let end = "status = 'redriven', settled_at = now()";
        self.settle(end, claims, action).await
    }

    /// Takes back redrives that could not be done.
    pub async fn release(&self, claims: &[Claim]) -> Result<(), DeadLetterError> {
        let back = "status = 'dead', redriving_since = NULL, tries = letter.tries + 1";
        self.settle(back, claims, 0).await.map(drop)
    }

    /// Only redrives of that try: another command may have taken one back, and yet another begun it anew.
    async fn settle(&self, change: &str, claims: &[Claim], action: i64) -> Result<u64, DeadLetterError> {
        if claims.is_empty() {
            return Ok(0);
        }
        // Locked in the order in which they are claimed, so that two commands wait for each other and never in a ring.
        let mut query = QueryBuilder::new("WITH meant AS (SELECT letter.id FROM dead_letters AS letter JOIN UNNEST(");
        query.push_bind(claims.iter().map(|claim| claim.letter).collect::<Vec<_>>()).push("::uuid[], ");
        query.push_bind(claims.iter().map(|claim| claim.tries).collect::<Vec<_>>());
        query.push(
            "::int[]) AS claim (id, tries) ON letter.id = claim.id AND letter.tries = claim.tries \
             WHERE letter.status = 'redriving' ORDER BY letter.failed_at, letter.id FOR UPDATE OF letter), \
             changed AS (UPDATE dead_letters AS letter SET ",
        );
        query.push(change).push(" FROM meant WHERE letter.id = meant.id RETURNING 1), ");
        push_count(&mut query, action);
        let count: i64 = query.build_query_scalar().fetch_one(&self.database).await?;
        Ok(count.unsigned_abs())
    }

    /// Discards up to `most` dead letters that a filter lets through. Gives how many.
    pub async fn discard(&self, filter: &LetterFilter, most: u32, action: i64) -> Result<u64, DeadLetterError> {
        let mut query = QueryBuilder::new(
            "WITH changed AS (UPDATE dead_letters SET status = 'discarded', settled_at = now(), \
             actions = array_append(actions, ",
        );
        query
            .push_bind(action)
            .push(") WHERE status = 'dead' AND id IN (SELECT id FROM dead_letters WHERE status = 'dead'");
        filter.push_where(&mut query);
        query.push(" ORDER BY failed_at, id LIMIT ").push_bind(i64::from(most)).push(" FOR UPDATE) RETURNING 1), ");
        push_count(&mut query, action);
        let count: i64 = query.build_query_scalar().fetch_one(&self.database).await?;
        Ok(count.unsigned_abs())
    }

    /// How many of the letters that were discarded by that action are discarded still.
    pub async fn count_discarded(&self, discard: i64) -> Result<u64, DeadLetterError> {
        let count =
            "SELECT count(*) FROM dead_letters WHERE status = 'discarded' AND actions[cardinality(actions)] = $1";
        let count: i64 = sqlx::query_scalar(count).bind(discard).fetch_one(&self.database).await?;
        Ok(count.unsigned_abs())
    }

    /// Takes back a discard, for up to `most` of its letters: they are dead again. Gives how many.
    pub async fn restore(&self, discard: i64, most: u32, action: i64) -> Result<u64, DeadLetterError> {
        let mut query = QueryBuilder::new(
            "WITH changed AS (UPDATE dead_letters SET status = 'dead', settled_at = NULL, actions = array_append(actions, ",
        );
        // What was done last to a discarded letter is its discard.
        query
            .push_bind(action)
            .push(") WHERE status = 'discarded' AND id IN (SELECT id FROM dead_letters WHERE status = 'discarded' ")
            .push("AND actions[cardinality(actions)] = ")
            .push_bind(discard)
            .push(" ORDER BY failed_at, id LIMIT ")
            .push_bind(i64::from(most))
            .push(" FOR UPDATE) RETURNING 1), ");
        push_count(&mut query, action);
        let count: i64 = query.build_query_scalar().fetch_one(&self.database).await?;
        Ok(count.unsigned_abs())
    }

    /// Puts a payload over that of a dead letter, which is kept; or takes it away again. Gives whether the letter was dead.
    pub async fn edit(
        &self,
        letter: Uuid,
        payload: Option<&[u8]>,
        action: &Action<'_>,
    ) -> Result<bool, DeadLetterError> {
        // One transaction: an edit without its row of the audit would be nobody's.
        let mut transaction = self.database.begin().await?;
        let insert = "INSERT INTO dead_letter_actions (what, who, why, filter, ended_at, letters) \
            VALUES ($1, $2, $3, $4, now(), 1) RETURNING id";
        let insert = sqlx::query_scalar(insert).bind(action.what).bind(action.who).bind(action.why);
        let number: i64 = insert.bind(Json(action.filter)).fetch_one(&mut *transaction).await?;
        let update = "UPDATE dead_letters SET edited = $2, actions = array_append(actions, $3) \
            WHERE id = $1 AND status = 'dead'";
        let update = sqlx::query(update).bind(letter).bind(payload).bind(number);
        let changed = update.execute(&mut *transaction).await?.rows_affected() == 1;
        if changed {
            transaction.commit().await?;
        }
        Ok(changed)
    }
}

/// Adds the letters that were changed to those of the action, and gives how many they are.
fn push_count(query: &mut QueryBuilder<Postgres>, action: i64) {
    query.push(
        "counted AS (UPDATE dead_letter_actions SET letters = letters + (SELECT count(*) FROM changed) WHERE id = ",
    );
    query.push_bind(action).push(" RETURNING 1) SELECT count(*) FROM changed");
}
