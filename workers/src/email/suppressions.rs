//! Addresses that no mail goes to.

use std::{fmt, str::FromStr, sync::LazyLock};

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgPool, migrate::Migrator};

/// Noted in a table of their own: an application counts its migrations from 1, too.
static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!("src/email/migrations");
    migrations.dangerous_set_table_name("millgate_mail_migrations");
    migrations
});

/// A note is for people; a server can say pages.
const LONGEST_NOTE: usize = 500;

/// The table of addresses that no mail goes to. Cheap to clone.
#[derive(Clone)]
pub struct Suppressions {
    database: PgPool,
}

/// Why no mail goes to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Suppression {
    /// A mail server has said that there is nobody of that name. Noted by the worker.
    Bounced,
    /// The recipient has asked for it: only letters that one can unsubscribe from stay away.
    Unsubscribed,
    /// An operator wants it.
    Blocked,
}

/// One address, and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Suppressed {
    /// The address, in lower case.
    pub address: String,
    /// Why.
    pub reason: Suppression,
    /// What the mail server said, or who asked for it.
    pub note: String,
    /// Since when.
    pub suppressed_at: DateTime<Utc>,
}

/// Why the table could not be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuppressionError {
    /// It is not there.
    #[error("the table of suppressed addresses is missing; create it with `millgate migrate`")]
    NoTable,
    /// The database cannot be asked.
    #[error(
        "the suppressed addresses cannot be asked for: {0}; is PostgreSQL up, and postgres.url (MILLGATE_POSTGRES_URL) right?"
    )]
    Database(#[source] sqlx::Error),
    /// The table cannot be created.
    #[error("the table of suppressed addresses cannot be created: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
}

impl From<sqlx::Error> for SuppressionError {
    fn from(error: sqlx::Error) -> Self {
        // undefined_table
        let missing = error.as_database_error().is_some_and(|error| error.code().is_some_and(|code| code == "42P01"));
        if missing { Self::NoTable } else { Self::Database(error) }
    }
}

impl Suppression {
    fn word(self) -> &'static str {
        match self {
            Self::Bounced => "bounced",
            Self::Unsubscribed => "unsubscribed",
            Self::Blocked => "blocked",
        }
    }

    /// Whether it keeps a letter away that one can, or cannot, unsubscribe from.
    pub fn stops(self, can_unsubscribe: bool) -> bool {
        can_unsubscribe || self != Self::Unsubscribed
    }
}

impl fmt::Display for Suppression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Suppression {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let all = [Self::Bounced, Self::Unsubscribed, Self::Blocked];
        let found = all.into_iter().find(|reason| reason.word() == word);
        found.ok_or_else(|| format!("expected one of bounced, unsubscribed, blocked, found {word:?}"))
    }
}

impl Suppressions {
    /// The table in the schema that this pool's connections are in.
    pub fn new(database: PgPool) -> Self {
        Self { database }
    }

    /// Creates the table, or brings it up to date. Gives how many migrations there are.
    pub async fn migrate(&self) -> Result<usize, SuppressionError> {
        MIGRATIONS.run(&self.database).await?;
        Ok(MIGRATIONS.iter().count())
    }

    /// Sends no more mail to an address. Of two reasons the one that stops more stays, and of the same the first note.
    pub async fn suppress(&self, address: &str, reason: Suppression, note: &str) -> Result<(), SuppressionError> {
        let note: String = note.chars().filter(|c| *c != '\0').take(LONGEST_NOTE).collect();
        let put = "INSERT INTO mail_suppressions (address, reason, note) VALUES ($1, $2, $3) \
                   ON CONFLICT (address) DO UPDATE SET reason = EXCLUDED.reason, note = EXCLUDED.note, suppressed_at = now() \
                   WHERE mail_suppressions.reason = 'unsubscribed' AND EXCLUDED.reason <> 'unsubscribed'";
        sqlx::query(put).bind(plain(address)).bind(reason.word()).bind(note).execute(&self.database).await?;
        Ok(())
    }

    /// Notes that somebody wants no more letters that one can unsubscribe from. What an application's own page calls.
    pub async fn unsubscribe(&self, address: &str) -> Result<(), SuppressionError> {
        self.suppress(address, Suppression::Unsubscribed, "asked for it").await
    }

    /// Sends mail to an address again. Gives whether it was kept from it.
    pub async fn unsuppress(&self, address: &str) -> Result<bool, SuppressionError> {
        let taken = sqlx::query("DELETE FROM mail_suppressions WHERE address = $1").bind(plain(address));
        Ok(taken.execute(&self.database).await?.rows_affected() > 0)
    }

    /// What is known of one address.
    pub async fn of(&self, address: &str) -> Result<Option<Suppressed>, SuppressionError> {
        let query = "SELECT address, reason, note, suppressed_at FROM mail_suppressions WHERE address = $1";
        let row: Option<Row> = sqlx::query_as(query).bind(plain(address)).fetch_optional(&self.database).await?;
        row.map(read).transpose()
    }

    /// The addresses that no mail goes to, the newest first, up to `most`; of one reason, if one is given.
    pub async fn list(&self, reason: Option<Suppression>, most: u32) -> Result<Vec<Suppressed>, SuppressionError> {
        let query = "SELECT address, reason, note, suppressed_at FROM mail_suppressions \
                     WHERE $1::text IS NULL OR reason = $1 ORDER BY suppressed_at DESC, address LIMIT $2";
        let query = sqlx::query_as(query).bind(reason.map(Suppression::word)).bind(i64::from(most));
        let rows: Vec<Row> = query.fetch_all(&self.database).await?;
        rows.into_iter().map(read).collect()
    }
}

type Row = (String, String, String, DateTime<Utc>);

fn read((address, reason, note, suppressed_at): Row) -> Result<Suppressed, SuppressionError> {
    let reason = reason.parse().map_err(|wrong: String| sqlx::Error::Decode(wrong.into()))?;
    Ok(Suppressed { address, reason, note, suppressed_at })
}

/// Before the @, too: no provider of note tells `Ada@` from `ada@`, and whoever does has two bounces.
fn plain(address: &str) -> String {
    address.trim().replace('\0', "").to_lowercase()
}
