//! Counts that are kept elsewhere, and read when Prometheus asks.

use std::fmt;

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

/// A count of a `C`: its name without `millgate_`, what it says, and which it is.
pub(super) type Line<C> = (&'static str, &'static str, fn(&C) -> u64);

/// Says these counts of each as counters.
pub(super) fn counters<L: EncodeLabelSet, C>(
    encoder: &mut DescriptorEncoder<'_>,
    lines: &[Line<C>],
    counts: &[(L, C)],
) -> Result<(), fmt::Error> {
    for (name, help, of) in lines {
        let name = format!("millgate_{name}");
        let mut family = encoder.encode_descriptor(&name, help, None, MetricType::Counter)?;
        for (labels, counts) in counts {
            ConstCounter::new(of(counts)).encode(family.encode_family(labels)?)?;
        }
    }
    Ok(())
}

/// Says these counts of each as gauges.
pub(super) fn gauges<L: EncodeLabelSet, C>(
    encoder: &mut DescriptorEncoder<'_>,
    lines: &[Line<C>],
    counts: &[(L, C)],
) -> Result<(), fmt::Error> {
    for (name, help, of) in lines {
        let name = format!("millgate_{name}");
        let mut family = encoder.encode_descriptor(&name, help, None, MetricType::Gauge)?;
        for (labels, counts) in counts {
            let count = i64::try_from(of(counts)).unwrap_or(i64::MAX);
            ConstGauge::new(count).encode(family.encode_family(labels)?)?;
        }
    }
    Ok(())
}
