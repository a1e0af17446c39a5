//! Servers that are away, where their own words do not say what to look at.

use millgate_streams::{StageError, StreamError};

/// Why the tables of streams could not be asked.
pub(super) fn of_streams(error: StreamError) -> anyhow::Error {
    match error {
        StreamError::Stage(StageError::Database(error)) => anyhow::anyhow!(
            "the tables of streams cannot be used: {error}; is PostgreSQL up, and postgres.url (MILLGATE_POSTGRES_URL) \
             right?"
        ),
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_that_waited_in_vain_says_what_to_look_at() {
        let told = of_streams(sqlx::Error::PoolTimedOut.into()).to_string();
        assert!(told.contains("is PostgreSQL up, and postgres.url (MILLGATE_POSTGRES_URL) right?"), "{told}");
        let told = of_streams(StreamError::NoTables).to_string();
        assert!(told.contains("millgate migrate") && !told.contains("is PostgreSQL up"), "{told}");
    }
}
