//! The events of a bench.

use millgate_events::{KafkaError, Producer};
use serde::{Deserialize, Serialize};

use super::clock::Micros;
use crate::Event;

/// Bytes of the event's JSON.
const BYTES: usize = 250;
/// Events that are on their way at a time.
const STEP: usize = 5_000;
/// Customers; the first has as many events as the next three, as in most shops.
const CUSTOMERS: f64 = 1_000.0;

/// An event of a usual size.
#[derive(Debug, Serialize, Deserialize, Event)]
#[event(type = "bench.shipment", key = "customer")]
pub(super) struct Shipment {
    customer: String,
    /// When it was published.
    pub(super) due_us: Micros,
    padding: String,
}

impl Shipment {
    pub(super) fn new(number: u32, at: Micros) -> Self {
        // Spread evenly between 0 and 1, and the same in every run.
        let even = (f64::from(number) * 0.618_033_988_75).fract();
        // Zipf's law: who comes n-th has an n-th of what the first one has.
        let mut shipment =
            Self { customer: format!("customer-{:.0}", CUSTOMERS.powf(even)), due_us: at, padding: String::new() };
        let bare = serde_json::to_string(&shipment).map_or(0, |json| json.len());
        shipment.padding = prose(number).take(BYTES.saturating_sub(bare)).collect();
        shipment
    }
}

/// Words in no order, the same in every run: what compresses to nothing, or not at all, is no event of a usual kind.
/// Knuth's linear congruential generator.
fn prose(seed: u32) -> impl Iterator<Item = char> {
    let mut state = u64::from(seed);
    let words = std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        WORDS[usize::from((state >> 60) as u8)]
    });
    words.flat_map(|word| word.chars().chain([' ']))
}

const WORDS: [&str; 16] = [
    "parcel", "street", "lamp", "north", "fragile", "depot", "seven", "carrier", "Tuesday", "box", "signed", "late",
    "return", "kilo", "green", "door",
];

/// Publishes so many events of one moment, and waits until all are on their topic.
pub(super) async fn publish(producer: &Producer, count: u32, at: Micros) -> Result<(), KafkaError> {
    let events: Vec<_> = (0..count).map(|number| Shipment::new(number, at)).collect();
    for events in events.chunks(STEP) {
        producer.publish_batch(events).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    }
    Ok(())
}

/// The name of their topic.
pub(super) const TOPIC: &str = Shipment::TOPIC;
