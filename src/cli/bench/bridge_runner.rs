//! `millgate bench bridge-runner`: a bridge as production runs it, with one typed route.

use std::sync::Arc;

use millgate_bridge::{Bridge, Routes, on};
use millgate_events::{Claims, DeadLetters, Producer, Trail};
use millgate_jobs::Queues;
use tokio_util::sync::CancellationToken;

use super::{
    load::Load,
    order::{BridgeOrder, BridgeReport},
    parent::{Parent, say},
    shipment::Shipment,
    spent,
};
use crate::cli::Outcome;

/// Bytes of the job that an event comes to.
const JOB_BYTES: u32 = 200;

pub(super) async fn run() -> anyhow::Result<Outcome> {
    let (mut parent, BridgeOrder { kafka, bridge, redis, trail }) = Parent::hear().await?;
    let queues = Queues::new(&redis)?;
    queues.info().await?;
    let dead_letters = DeadLetters::new(Producer::new(&kafka, "/bench")?, bridge.dead_letter_topic.as_str());
    let mut routes = Routes::default();
    routes.add(on::<Shipment>().enqueue(|shipment| Load::new(shipment.due_us, JOB_BYTES)));
    if !parent.ready().await? {
        return Ok(Outcome::Well);
    }
    let before = spent::processor()?;
    let stop = CancellationToken::new();
    let bridge = Bridge::start(&kafka, &bridge, Arc::new(routes), queues, dead_letters, Claims::default())?;
    let trail = trail.map_or_else(|| Ok(Trail::default()), |trail| trail.start())?;
    let running = tokio::spawn(bridge.with_trail(trail.clone()).run(stop.clone()));
    parent.end().await?;
    stop.cancel();
    running.await??;
    // What is noted is not for nothing.
    trail.close().await;
    let cpu_s = spent::processor()?.saturating_sub(before).as_secs_f64();
    say(&BridgeReport { cpu_s, peak_memory_kib: spent::peak_memory_kib()? })?;
    Ok(Outcome::Well)
}
