//! Letters to try templates on, and to look at them.

use minijinja::{Value, value::Serde};

use super::{Letter, NotificationEmail, OrderLine, PaymentReceipt, ReminderEmail, SendConfirmationEmail, WelcomeEmail};

/// One letter of each kind, with the name of its template.
pub(super) fn samples() -> [(String, Value); 5] {
    let (order_id, to, name) = (|| "1001".to_owned(), || "ada@example.org".to_owned(), || "Ada".to_owned());
    [
        sample(&SendConfirmationEmail {
            order_id: order_id(),
            to: to(),
            name: name(),
            items: vec![OrderLine { sku: "TEA-250".into(), quantity: 2 }, OrderLine { sku: "CUP".into(), quantity: 1 }],
            total_cents: 1990,
            currency: "EUR".into(),
            locale: None,
        }),
        sample(&PaymentReceipt {
            payment_id: "2002".into(),
            order_id: order_id(),
            to: to(),
            amount_cents: 1990,
            currency: "EUR".into(),
            locale: None,
        }),
        sample(&WelcomeEmail { user_id: "3003".into(), to: to(), name: name(), locale: None }),
        sample(&NotificationEmail {
            to: to(),
            subject: "News".into(),
            body: "There is news.".into(),
            ..NotificationEmail::default()
        }),
        sample(&ReminderEmail { order_id: order_id(), to: to(), name: name(), ..ReminderEmail::default() }),
    ]
}

fn sample<L: Letter>(letter: &L) -> (String, Value) {
    (letter.template().to_owned(), Value::from(Serde(letter)))
}
