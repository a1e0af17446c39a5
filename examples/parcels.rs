//! An application of one's own: an event, a job, a route, a handler. `cargo run --example parcels --features embedded`

use std::process::ExitCode;

use millgate::{App, BoxError, Ctx, Done, Event, Job, JobError, Producer, on};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event(type = "parcel.sent", key = "parcel_id")]
struct ParcelSent {
    parcel_id: u64,
    to: String,
}

#[derive(Serialize, Deserialize, Job)]
#[job(queue = "tracking", max_attempts = 8, timeout = "5s")]
struct TrackParcel {
    parcel_id: u64,
}

async fn track_parcel(job: TrackParcel, ctx: Ctx) -> Result<Done, JobError> {
    println!("tracking parcel {} (attempt {})", job.parcel_id, ctx.attempt);
    Ok(Done)
}

async fn samples(producer: Producer) -> Result<u64, BoxError> {
    producer.publish(&ParcelSent { parcel_id: 1, to: "Ada".into() }).await?;
    Ok(1)
}

fn main() -> ExitCode {
    App::new("parcels")
        .route(on::<ParcelSent>().enqueue(|e| TrackParcel { parcel_id: e.parcel_id }))
        .worker(track_parcel)
        .samples(|producer, _| samples(producer))
        .main()
}
