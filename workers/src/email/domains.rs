//! Domains that take only so many mails: a large provider defers, or blocks, who sends it too many at a time.
//!
//! A mail to such a domain waits in a lane of its queue, so that the limit holds in the whole cluster and the mails to
//! all others go on. A job comes into its lane when it is enqueued; so limits belong to a process, as its routes do.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
    time::Duration,
};

use millgate_jobs::Lane;
use serde::{Deserialize, Serialize};

use super::Letter;

static LIMITS: RwLock<BTreeMap<String, DomainLimit>> = RwLock::new(BTreeMap::new());

/// What one domain takes. As in `[smtp.domains."example.org"]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DomainLimit {
    /// So many mails are on their way to it at a time. 0: as many as there are workers.
    pub most: u32,
    /// Each begins no sooner than this after the one before. 0: at once.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
}

/// Puts limits in force for mails that this process enqueues from now on, in place of those that were. An [`App`] does
/// so with `smtp.domains` when it starts.
///
/// [`App`]: https://docs.rs/millgate
pub fn limit_domains(limits: &BTreeMap<String, DomainLimit>) {
    let limits = limits.iter().map(|(domain, limit)| (domain.to_ascii_lowercase(), *limit)).collect();
    *LIMITS.write().unwrap_or_else(PoisonError::into_inner) = limits;
}

/// The lane of a letter, if the domain that it goes to is limited. For a kind of your own:
/// `#[job(queue = "email", lane = "millgate::email::lane_of_domain")]`.
pub fn lane_of_domain(letter: &impl Letter) -> Option<Lane> {
    let limits = LIMITS.read().unwrap_or_else(PoisonError::into_inner);
    if limits.is_empty() {
        return None;
    }
    let domain = letter.to().rsplit_once('@')?.1.to_ascii_lowercase();
    limits.get(&domain)?.lane(&domain)
}

impl DomainLimit {
    fn lane(self, domain: &str) -> Option<Lane> {
        let key = format!("mail to {domain}");
        match (self.most, self.interval) {
            (0, Duration::ZERO) => None,
            (0, interval) => Some(Lane::spaced(interval, key)),
            (most, Duration::ZERO) => Some(Lane::limited(most, key)),
            (most, interval) => Some(Lane::limited(most, key).and_spaced(interval)),
        }
    }
}

#[cfg(test)]
mod tests {
    use millgate_jobs::{Job, JobOptions, NewJob};

    use super::*;
    use crate::email::WelcomeEmail;

    fn welcome(to: &str) -> WelcomeEmail {
        WelcomeEmail { to: to.into(), ..WelcomeEmail::default() }
    }

    #[test]
    fn only_mails_to_a_limited_domain_have_a_lane() {
        let second = Duration::from_secs(1);
        limit_domains(&BTreeMap::from([
            ("Few.example".into(), DomainLimit { most: 4, ..DomainLimit::default() }),
            ("slow.example".into(), DomainLimit { most: 0, interval: second }),
            ("both.example".into(), DomainLimit { most: 4, interval: second }),
            ("free.example".into(), DomainLimit::default()),
        ]));
        let lane = |to| welcome(to).lane();
        assert_eq!(lane("ada@few.EXAMPLE"), Some(Lane::limited(4, "mail to few.example")));
        assert_eq!(lane("ada@slow.example"), Some(Lane::spaced(second, "mail to slow.example")));
        assert_eq!(lane("ada@both.example"), Some(Lane::limited(4, "mail to both.example").and_spaced(second)));
        for to in ["ada@free.example", "ada@sub.few.example", "few.example", ""] {
            assert_eq!(lane(to), None, "{to}");
        }
        let job = NewJob::of(&welcome("ada@few.example"), JobOptions::default()).unwrap();
        assert_eq!(job.options().lane.as_ref().map(Lane::key), Some("mail to few.example"));
        let own = NewJob::of(&welcome("ada@few.example"), JobOptions::default().ordered_by("own")).unwrap();
        assert_eq!(own.options().lane.as_ref().map(Lane::key), Some("own"));
    }
}
