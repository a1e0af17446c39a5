//! From an id that somebody typed to its job.

use millgate_jobs::{JobId, JobView, Queues};

/// A job and the queue it is in.
pub(super) struct Found {
    pub(super) queue: String,
    pub(super) job: JobView,
}

/// The job of that id in one of these queues: that of the queue, or an id of its own, as logs have it. Else why there
/// is none.
pub(super) async fn find(queues: &Queues, names: &[String], id: &str) -> anyhow::Result<Result<Found, String>> {
    let mut found = Vec::new();
    for name in names {
        let queue = queues.queue(name);
        let mut keys = queue.find("id", id, None, 10).await?;
        keys.extend(id.parse::<JobId>().ok());
        let jobs = queue.look(&keys).await?;
        found.extend(jobs.into_iter().map(|job| Found { queue: name.clone(), job }));
    }
    if found.len() > 1 {
        let places: Vec<_> = found.iter().map(|found| format!("{} in {}", found.job.key, found.queue)).collect();
        return Ok(Err(format!("{id} may be {}; say which by --queue or by that id", places.join(" or "))));
    }
    let gone = || {
        let names = names.join(", ");
        format!("there is no job {id} in {names}; what is done, cancelled or on the dead-letter topic is gone")
    };
    Ok(found.pop().ok_or_else(gone))
}
