//! What happens in the shop.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Event, email::Attachment, schemars::JsonSchema};

/// So many of one thing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(crate = "millgate::schemars")]
pub struct Item {
    /// Which thing.
    pub sku: String,
    /// How many.
    pub quantity: i32,
}

/// Somebody ordered something. Version 1 had one amount in whole units and no currency.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Event)]
#[event(type = "order.created", version = 2, key = "order_id", schema, upcast(1 = "order_created_1_to_2"))]
#[schemars(crate = "millgate::schemars")]
pub struct OrderCreated {
    /// The order.
    pub order_id: String,
    /// Who ordered.
    pub customer_name: String,
    /// Where mail about it goes.
    pub customer_email: String,
    /// What was ordered.
    pub items: Vec<Item>,
    /// What it costs, in hundredths.
    pub total_cents: i64,
    /// Of this currency.
    pub currency: String,
    /// The language that mail about it is to be in: `de-AT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Where the customer lives, as far as the clock goes: `Europe/Vienna`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

fn order_created_1_to_2(mut data: Value) -> Result<Value, String> {
    let units = data["amount"].as_i64().ok_or("a whole `amount` is missing")?;
    let name = data["customer_email"].as_str().unwrap_or_default().to_owned();
    let cents = units.checked_mul(100).ok_or("its `amount` is beyond all measure")?;
    let order = data.as_object_mut().ok_or("it is no object")?;
    order.insert("total_cents".into(), json!(cents));
    order.insert("currency".into(), json!("USD"));
    order.entry("customer_name").or_insert(json!(name));
    Ok(data)
}

/// The shop accepted an order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Event)]
#[event(type = "order.confirmed", key = "order_id", schema)]
#[schemars(crate = "millgate::schemars")]
pub struct OrderConfirmed {
    /// The order.
    pub order_id: String,
}

/// An order will not be carried out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Event)]
#[event(type = "order.canceled", key = "order_id", schema)]
#[schemars(crate = "millgate::schemars")]
pub struct OrderCanceled {
    /// The order.
    pub order_id: String,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// The money for an order went back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Event)]
#[event(type = "order.refunded", key = "order_id", schema)]
#[schemars(crate = "millgate::schemars")]
pub struct OrderRefunded {
    /// The order.
    pub order_id: String,
    /// How much, in hundredths.
    pub amount_cents: i64,
}

/// Somebody paid.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Event)]
#[event(type = "payment.created", key = "order_id", schema)]
#[schemars(crate = "millgate::schemars")]
pub struct PaymentCreated {
    /// The payment.
    pub payment_id: String,
    /// What was paid for.
    pub order_id: String,
    /// Where the receipt goes.
    pub customer_email: String,
    /// How much, in hundredths.
    pub amount_cents: i64,
    /// Of this currency.
    pub currency: String,
    /// The language that mail about it is to be in: `de-AT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
}

/// A payment changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Event)]
#[event(type = "payment.updated", key = "payment_id", schema)]
#[schemars(crate = "millgate::schemars")]
pub struct PaymentUpdated {
    /// The payment.
    pub payment_id: String,
    /// What it is now: `settled`, `failed`.
    pub status: String,
}

/// Somebody signed up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Event)]
#[event(type = "user.registered", key = "user_id", schema)]
#[schemars(crate = "millgate::schemars")]
pub struct UserRegistered {
    /// The user.
    pub user_id: String,
    /// Where the welcome goes.
    pub email: String,
    /// Who it is.
    pub name: String,
    /// When, if the service says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_at: Option<DateTime<Utc>>,
    /// The language that mail to them is to be in: `de-AT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
}

/// Some service wants a mail sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Event)]
#[event(type = "notification.email", key = "to", schema)]
#[schemars(crate = "millgate::schemars")]
pub struct NotificationRequested {
    /// To whom.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub body: String,
    /// A template other than the plain one.
    #[serde(default)]
    pub template: Option<String>,
    /// The language that it is to be in: `de-AT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// What it brings along.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_of_version_1_is_lifted() {
        let old = json!({ "order_id": "o1", "customer_email": "a@b.example", "items": [], "amount": 12 });
        let lifted = OrderCreated::upcast(1, old).unwrap();
        let order: OrderCreated = serde_json::from_value(lifted).unwrap();
        assert_eq!((order.total_cents, order.currency.as_str()), (1_200, "USD"));
        assert!(OrderCreated::upcast(1, json!({})).unwrap_err().contains("amount"));
    }

    #[test]
    fn everything_that_was_ever_published_can_be_read() {
        crate::testing::assert_fixtures(crate::shop::app(), "fixtures");
    }
}
