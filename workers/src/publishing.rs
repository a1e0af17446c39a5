//! Publishing an event that another one led to.

use millgate_events::{EventMeta, OutRecord, Producer, TraceParent};
use millgate_jobs::PublishEvent;

use crate::{Ctx, Done, JobError};

/// Does [`PublishEvent`], with the [`Producer`] in the state.
///
/// A run may publish and then be cut off, and so the next one publishes again: the same event with the same id, which is
/// the job's, as its consumers can tell.
pub async fn publish_event(job: PublishEvent, ctx: Ctx) -> Result<Done, JobError> {
    let producer = ctx.state::<Producer>()?;
    let record = record(job, &ctx, producer.source())?;
    producer.publish_record(record).await?;
    Ok(Done)
}

fn record(job: PublishEvent, ctx: &Ctx, source: &str) -> Result<OutRecord, JobError> {
    let meta = ctx.caused(EventMeta {
        id: ctx.job_id.clone(),
        source: source.to_owned(),
        event_type: job.event_type,
        version: job.version,
        time: ctx.time,
        subject: Some(job.key.clone()),
        correlation_id: ctx.job_id.clone(),
        causation_id: None,
        trace: TraceParent::fresh(),
        trace_state: None,
        baggage: None,
    });
    Ok(OutRecord {
        topic: job.topic,
        key: Some(job.key.into()),
        value: Some(serde_json::to_vec(&job.data)?.into()),
        headers: meta.to_headers("application/json"),
    })
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use millgate_jobs::Origin;
    use serde_json::json;

    use super::*;
    use crate::State;

    #[test]
    fn an_event_has_the_id_of_its_job_and_says_what_led_to_it() {
        let mut ctx = Ctx::for_test("job-7", DateTime::UNIX_EPOCH, State::new());
        ctx.origin = Some(Box::new(Origin {
            event_id: "e1".into(),
            event_source: "web".into(),
            event_type: "order.created".into(),
            correlation_id: "c1".into(),
            traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
            record: "orders/0/1".into(),
            ..Origin::default()
        }));
        let job = PublishEvent {
            event_type: "order.large".into(),
            version: 2,
            topic: "orders".into(),
            key: "o1".into(),
            data: json!({ "order_id": "o1" }),
        };
        let record = record(job, &ctx, "shop").unwrap();
        assert_eq!((record.topic.as_str(), record.key.as_deref()), ("orders", Some(b"o1".as_slice())));
        assert_eq!(record.value.as_deref(), Some(br#"{"order_id":"o1"}"#.as_slice()));
        for (name, value) in [
            ("ce_id", "job-7"),
            ("ce_source", "shop"),
            ("ce_type", "order.large"),
            ("ce_dataversion", "2"),
            ("ce_time", "1970-01-01T00:00:00.000Z"),
            ("ce_correlationid", "c1"),
            ("ce_causationid", "e1"),
        ] {
            assert_eq!(record.headers.text(name), Some(value), "{name}");
        }
        assert!(record.headers.text("traceparent").unwrap().starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
    }
}
