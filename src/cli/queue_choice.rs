//! Which queues a command is about.

use millgate_jobs::QueueStats;

use crate::servers::Servers;

/// The queue that was named, or all that the application knows. One that it does not know counts if Redis holds
/// anything of it: programs in other languages fill queues, too. Else why it cannot be meant.
pub(super) async fn choose(servers: &Servers, named: Option<&str>) -> anyhow::Result<Result<Vec<String>, String>> {
    let known = servers.queue_names();
    let Some(name) = named else { return Ok(Ok(known)) };
    if !known.iter().any(|known| known == name) && servers.queues.queue(name).stats().await? == QueueStats::default() {
        let known = known.join(", ");
        return Ok(Err(format!("there is no queue `{name}`: Redis holds nothing of it; there are: {known}")));
    }
    Ok(Ok(vec![name.to_owned()]))
}
