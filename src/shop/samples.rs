//! Sample traffic for `millgate dev`, with everything that can go wrong in a shop.

use millgate_events::{EventMeta, Headers, OutRecord};
use sqlx::PgPool;

use super::{
    Item, NotificationRequested, OrderCanceled, OrderConfirmed, OrderCreated, PaymentCreated, PaymentUpdated,
    UserRegistered,
    sagas::{BookingRequested, OrderPlaced},
};
use crate::{BoxError, Event, Producer};

/// Things in stock, and how many of each before the first order.
const STOCK: [(&str, i32); 3] = [("lamp", 100), ("chair", 60), ("table", 25)];
const CUSTOMERS: i32 = 12;
const ORDERS: i32 = 24;

/// Publishes about a hundred events: most in order; some twice; a broken one, one of an unknown type, a mail address
/// that the server refuses, one that it takes at the second attempt, an order for more than there is.
pub(super) async fn publish(producer: Producer, database: PgPool) -> Result<u64, BoxError> {
    for (sku, available) in STOCK {
        let fill = "INSERT INTO stock (sku, available) VALUES ($1, $2) \
                    ON CONFLICT (sku) DO UPDATE SET available = EXCLUDED.available";
        sqlx::query(fill).bind(sku).bind(available).execute(&database).await?;
    }
    let mut published = 0;
    for number in 0..CUSTOMERS {
        let user = UserRegistered {
            user_id: format!("user-{number}"),
            email: address(number),
            name: name(number),
            ..UserRegistered::default()
        };
        published += once(&producer, &user).await?;
    }
    for number in 0..ORDERS {
        let order = order(number);
        // Every sixth order is published twice, as a service does that crashed before it noted the first time.
        published += if number % 6 == 0 { twice(&producer, &order).await? } else { once(&producer, &order).await? };
        published += once(&producer, &OrderConfirmed { order_id: order.order_id.clone() }).await?;
        match number % 4 {
            0 | 1 => published += pay(&producer, number, &order).await?,
            2 => {
                let reason = "changed my mind".into();
                published += once(&producer, &OrderCanceled { order_id: order.order_id, reason }).await?;
            }
            // Nobody pays: the reminder fires.
            _ => {}
        }
    }
    published += trouble(&producer).await?;
    Ok(published)
}

/// The same, and sagas: one of each that ends well, and one of each that is taken back.
pub(super) async fn publish_with_sagas(producer: Producer, database: PgPool) -> Result<u64, BoxError> {
    let wallets = "INSERT INTO wallets (customer, cents) VALUES ('customer-1', 100000), ('customer-2', 0) \
        ON CONFLICT (customer) DO UPDATE SET cents = EXCLUDED.cents";
    sqlx::query(wallets).execute(&database).await?;
    for seat in ["A1", "A2", "B1", "B2"] {
        let seats = "INSERT INTO seats (seat) VALUES ($1) ON CONFLICT (seat) DO NOTHING";
        sqlx::query(seats).bind(seat).execute(&database).await?;
    }
    let mut published = publish(producer.clone(), database).await?;
    for number in 1..=2 {
        // The second has no money, so that what was reserved by then is released.
        let customer = format!("customer-{number}");
        let order = OrderPlaced {
            order_id: format!("placed-{number}"),
            customer: customer.clone(),
            items: vec![Item { sku: "chair".into(), quantity: 2 }],
            amount_cents: 4_990,
            address: "1 High Street".into(),
        };
        let booking = BookingRequested {
            booking_id: format!("booking-{number}"),
            customer,
            email: address(number),
            seats: vec![format!("A{number}"), format!("B{number}")],
            amount_cents: 2_400,
        };
        published += once(&producer, &order).await? + once(&producer, &booking).await?;
    }
    Ok(published)
}

/// What the sagas came to: money and seats.
async fn of_sagas(database: &PgPool) -> Result<Option<String>, BoxError> {
    let wallets: Vec<i64> = sqlx::query_scalar("SELECT cents FROM wallets").fetch_all(database).await?;
    if wallets.is_empty() {
        return Ok(None);
    }
    let paid: Vec<i64> =
        sqlx::query_scalar("SELECT cents FROM payments WHERE status = 'paid'").fetch_all(database).await?;
    let (wallets, paid, all): (i64, i64, i64) = (wallets.iter().sum(), paid.iter().sum(), 100_000);
    let seats: i64 =
        sqlx::query_scalar("SELECT count(*) FROM seats WHERE booking_id IS NOT NULL").fetch_one(database).await?;
    let holds = if wallets + paid == all { "=" } else { "and NOT" };
    Ok(Some(format!("money      {wallets} in wallets + {paid} paid {holds} {all} · {seats} seats taken")))
}

async fn pay(producer: &Producer, number: i32, order: &OrderCreated) -> Result<u64, BoxError> {
    let payment = PaymentCreated {
        payment_id: format!("payment-{number}"),
        order_id: order.order_id.clone(),
        customer_email: order.customer_email.clone(),
        amount_cents: order.total_cents,
        currency: order.currency.clone(),
        locale: None,
    };
    let settled = PaymentUpdated { payment_id: payment.payment_id.clone(), status: "settled".into() };
    Ok(twice(producer, &payment).await? + once(producer, &settled).await?)
}

/// What must not hold the rest up.
async fn trouble(producer: &Producer) -> Result<u64, BoxError> {
    for to in ["refused@mail.example", "later@mail.example"] {
        let mail = NotificationRequested {
            to: to.into(),
            subject: "News from the shop".into(),
            body: "We have new lamps.".into(),
            ..NotificationRequested::default()
        };
        once(producer, &mail).await?;
    }
    let greedy = OrderCreated {
        order_id: "order-greedy".into(),
        items: vec![Item { sku: "table".into(), quantity: 1_000 }],
        ..order(3)
    };
    once(producer, &greedy).await?;
    let broken = OutRecord {
        topic: OrderCreated::TOPIC.into(),
        key: Some("order-broken".into()),
        value: Some(r#"{"order_id": "order-broken", "items": ["#.into()),
        headers: producer.meta::<OrderCreated>().to_headers("application/json"),
    };
    producer.publish_record(broken).await?;
    let unknown = OutRecord {
        topic: OrderCreated::TOPIC.into(),
        key: Some("order-1".into()),
        value: Some(r#"{"order_id": "order-1"}"#.into()),
        headers: Headers::from_iter([("event-type", "order.exploded"), ("event-id", "exploded-1")]),
    };
    producer.publish_record(unknown).await?;
    Ok(5)
}

async fn once<E: Event>(producer: &Producer, event: &E) -> Result<u64, BoxError> {
    producer.publish(event).await?;
    Ok(1)
}

async fn twice<E: Event>(producer: &Producer, event: &E) -> Result<u64, BoxError> {
    let meta: EventMeta = producer.meta::<E>();
    producer.publish_as(event, meta.clone()).await?;
    producer.publish_as(event, meta).await?;
    Ok(2)
}

fn order(number: i32) -> OrderCreated {
    let pick = usize::try_from(number).unwrap_or_default();
    let items = vec![
        Item { sku: STOCK[pick % 3].0.into(), quantity: 1 + number % 2 },
        Item { sku: STOCK[(pick + 1) % 3].0.into(), quantity: 1 },
    ];
    OrderCreated {
        order_id: format!("order-{number}"),
        customer_name: name(number % CUSTOMERS),
        customer_email: address(number % CUSTOMERS),
        total_cents: 1_990 * i64::from(1 + number % 5),
        currency: "EUR".into(),
        items,
        ..OrderCreated::default()
    }
}

fn name(number: i32) -> String {
    format!("Customer {number}")
}

fn address(number: i32) -> String {
    format!("customer-{number}@mail.example")
}

/// What the jobs came to in the shop's tables.
pub(super) async fn report(database: PgPool) -> Result<Vec<String>, BoxError> {
    let stock: Vec<(String, i32)> =
        sqlx::query_as("SELECT sku, available FROM stock ORDER BY sku").fetch_all(&database).await?;
    let taken: Vec<(String, i64)> =
        sqlx::query_as("SELECT sku, -SUM(quantity) FROM stock_movements GROUP BY sku").fetch_all(&database).await?;
    let line = stock.iter().map(|(sku, left)| {
        let taken = taken.iter().find(|(other, _)| other == sku).map_or(0, |(_, taken)| *taken);
        format!("{sku} {left} left, {taken} taken")
    });
    let orders: Vec<(String, i64)> =
        sqlx::query_as("SELECT status, count(*) FROM reservations GROUP BY status ORDER BY status")
            .fetch_all(&database)
            .await?;
    let orders: Vec<String> = orders.iter().map(|(status, count)| format!("{count} {status}")).collect();
    let mut lines = vec![
        format!("stock      {}", line.collect::<Vec<_>>().join(" · ")),
        format!("sales      {}", orders.join(" · ")),
    ];
    lines.extend(of_sagas(&database).await?);
    Ok(lines)
}
