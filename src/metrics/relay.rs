//! What relays count.

use std::{fmt, sync::Arc};

use millgate_events::RelayStats;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter},
};

/// The count of a relay.
#[derive(Debug)]
pub(super) struct OfRelay(pub(super) Arc<RelayStats>);

impl Collector for OfRelay {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "Events of the outbox that this relay put on Kafka.";
        let counter = encoder.encode_descriptor("millgate_outbox_published", help, None, MetricType::Counter)?;
        ConstCounter::new(self.0.published()).encode(counter)
    }
}
