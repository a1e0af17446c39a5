//! Orders that keep coming.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use millgate::{
    Producer,
    shop::{Item, OrderCreated},
};
use millgate_testkit::wait_until;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{ledger::Ledger, world::PATIENCE};

/// Orders in one go, and the pause after them: some 200 a second.
const HANDFUL: usize = 4;
const PAUSE: Duration = Duration::from_millis(20);

/// A service that publishes orders until it is told to stop.
pub(crate) struct Traffic {
    stop: CancellationToken,
    task: JoinHandle<()>,
    sent: Arc<AtomicUsize>,
}

impl Traffic {
    pub(crate) fn start(producer: &Producer, ledger: &Arc<Ledger>) -> Self {
        let (stop, sent) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
        let task = publish(producer.clone(), ledger.clone(), stop.clone(), sent.clone());
        Self { stop, task: tokio::spawn(task), sent }
    }

    /// Waits until so many more are published.
    pub(crate) async fn more(&self, orders: usize) {
        let target = self.sent.load(Relaxed) + orders;
        wait_until("more orders are published", PATIENCE, async || self.sent.load(Relaxed) >= target).await;
    }

    /// Returns when all that were begun are on Kafka, or are given up.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

async fn publish(producer: Producer, ledger: Arc<Ledger>, stop: CancellationToken, sent: Arc<AtomicUsize>) {
    let mut number = ledger.orders();
    while stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_some() {
        let orders: Vec<_> = (number..number + HANDFUL).map(order).collect();
        number += HANDFUL;
        let answers = producer.publish_batch(&orders).await;
        for (order, answer) in orders.into_iter().zip(answers) {
            match answer {
                Ok(_) => ledger.published(order.order_id),
                Err(_) => ledger.uncertain(order.order_id),
            }
        }
        sent.fetch_add(HANDFUL, Relaxed);
    }
}

fn order(number: usize) -> OrderCreated {
    OrderCreated {
        order_id: format!("order-{number}"),
        customer_name: "Ada".into(),
        customer_email: format!("ada-{number}@mail.example"),
        items: vec![Item { sku: "lamp".into(), quantity: 1 }],
        total_cents: 1_990,
        currency: "EUR".into(),
        ..OrderCreated::default()
    }
}
