//! Jobs that belong together, and one that follows them.

use serde::Serialize;
use uuid::Uuid;

use crate::{
    NewJob, Queue, QueueError,
    enqueue::{Call, STEP},
    new_job::LuaOptions,
    record::More,
};

/// What lies in Redis of a batch: `lua/ending.lua` counts it down.
#[derive(Serialize)]
struct Batch {
    left: usize,
    total: usize,
    callback: Callback,
}

#[derive(Serialize)]
struct Callback {
    kind: String,
    priority: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<LuaOptions>,
    head: String,
    more: More,
    payload: String,
}

impl Queue {
    /// Enqueues jobs and one that follows them: when all are done or cancelled, or as soon as one is dead. It learns
    /// which by [`Claimed::batch`](crate::Claimed::batch). All or none are enqueued. Gives the batch's id.
    ///
    /// Up to 1,000 jobs; all of one queue, the callback too. Jobs that are not taken in, as their unique key is held,
    /// count as done. The callback is always taken in: an id of its own or a unique key do not keep it away.
    pub async fn enqueue_batch(&self, jobs: Vec<NewJob>, callback: &NewJob) -> Result<String, QueueError> {
        if jobs.len() > STEP {
            return Err(QueueError::BatchTooLarge { jobs: jobs.len(), limit: STEP });
        }
        self.accept(&jobs)?;
        self.accept(std::slice::from_ref(callback))?;
        let id = Uuid::new_v4().simple().to_string();
        let window = self.queues.config.dedupe_window;
        let batch = Batch {
            left: jobs.len() + 1,
            total: jobs.len(),
            callback: Callback {
                kind: callback.kind.clone(),
                priority: callback.priority,
                options: (!callback.is_plain()).then(|| callback.lua_options(window)),
                head: callback.head(),
                more: callback.more.clone(),
                payload: callback.payload.clone(),
            },
        };
        let mut call = Call::default();
        call.add_batch(&id, serde_json::to_string(&batch).unwrap_or_default());
        let jobs: Vec<NewJob> = jobs.into_iter().map(|job| NewJob { batch: Some(id.clone()), ..job }).collect();
        call.add_all(&jobs, window);
        call.close_batch(&id);
        let mut results = Vec::with_capacity(jobs.len());
        self.send(&call, &mut results).await?;
        Ok(id)
    }
}
