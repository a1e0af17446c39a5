//! What can go wrong with a claim, and with its store.

use super::{Reference, Size};

/// A store that cannot be used, or not now.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// There is no store.
    #[error("there is no claim store; name one in claim_check.store (MILLGATE_CLAIM_CHECK_STORE)")]
    Off,
    /// The configuration names no store that this program can use.
    #[error("claim_check.store: {0}")]
    Config(String),
    /// The store cannot be reached just now, or what is reached is no store.
    #[error("the claim store {store} is away: {reason}")]
    Away {
        /// Where it should be.
        store: String,
        /// What was found there.
        reason: String,
    },
    /// A value that nobody could redeem.
    #[error("the value is too large for a claim ({bytes} bytes, of {max} at most); raise claim_check.max everywhere")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The most that is taken.
        max: Size,
    },
}

impl ClaimError {
    /// Whether the same call may well succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Away { .. })
    }
}

/// Why a record's claim comes to no value, now or later.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadClaim {
    /// A claim where there is no store.
    #[error(
        "the value is in a claim store, and none is configured here; set claim_check.store to that of the producer"
    )]
    Off,
    /// A reference that no store of ours gave out.
    #[error("{0}, so it is no reference into a claim store")]
    Refused(String),
    /// Nothing is there under that name.
    #[error("{reference} is not in the claim store {store}: it has expired, or its producer has another store")]
    Missing {
        /// What was looked for.
        reference: Reference,
        /// Where.
        store: String,
    },
    /// Something else is there.
    #[error("what the claim store has as {reference} has another length or hash")]
    Corrupt {
        /// What was looked for.
        reference: Reference,
    },
    /// A value larger than this program takes.
    #[error("the claimed value is too large ({bytes} bytes, of {max} at most); raise claim_check.max")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The most that is taken.
        max: Size,
    },
}

impl BadClaim {
    /// A word for dashboards and headers.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Off => "claim_off",
            Self::Refused(_) => "claim_refused",
            Self::Missing { .. } => "claim_missing",
            Self::Corrupt { .. } => "claim_corrupt",
            Self::TooLarge { .. } => "claim_too_large",
        }
    }
}
