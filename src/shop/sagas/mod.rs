//! Two sagas of the shop: a booking of seats, and an order that is paid and shipped. `docs/sagas.md` leads through them.

mod booking;
mod money;
mod order;

pub use booking::{
    Booking, BookingConfirmed, BookingRequested, ConfirmBooking, NotificationSent, PaymentProcessed, PaymentRefunded,
    ProcessPayment, RefundPayment, ReleaseSeats, ReserveSeats, SeatsReleased, SeatsReserved, SendNotification,
};
pub use order::{
    CancelShipping, CreateShipping, InventoryReleased, InventoryReserved, OrderPaid, OrderPayment, OrderPaymentRefund,
    OrderPlaced, OrderRefund, OrderSaga, ReleaseInventory, ReserveInventory, ShippingCanceled, ShippingCreated,
};

use crate::App;

/// Names of topics, as sagas have them: `saga.{domain}.{step}.command`, `saga.{domain}.{what happened}.event`.
macro_rules! step_command {
    ($command:ty => $reply:ty, $domain:literal, $step:literal, $done:literal, $failed:literal) => {
        impl $crate::StepCommand for $command {
            type Reply = $reply;
            const TOPIC: &'static str = concat!("saga.", $domain, ".", $step, ".command");
            const DONE: &'static str = concat!("saga.", $domain, ".", $done, ".event");
            const FAILED: &'static str = concat!("saga.", $domain, ".", $failed, ".event");
        }
    };
}
use step_command;

/// Both, with the workers of their steps.
pub(super) fn add(app: App) -> App {
    order::add(booking::add(app))
}
