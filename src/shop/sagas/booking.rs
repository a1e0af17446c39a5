//! A booking of seats: reserve-seats → process-payment → confirm-booking → send-notification.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{money, step_command};
use crate::{App, Event, JobError, Replied, Saga, Step, StepCtx, shop::NotificationRequested};

/// Somebody wants seats.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(type = "booking.requested", key = "booking_id")]
pub struct BookingRequested {
    /// The booking.
    pub booking_id: String,
    /// Who pays.
    pub customer: String,
    /// Where the confirmation goes.
    pub email: String,
    /// Which seats.
    pub seats: Vec<String>,
    /// What they cost, in hundredths.
    pub amount_cents: i64,
}

/// What the saga keeps of a booking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booking {
    /// What was wanted.
    pub request: BookingRequested,
    /// The payment, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<String>,
}

/// Keep seats for a booking.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReserveSeats {
    /// The booking.
    pub booking_id: String,
    /// Which seats.
    pub seats: Vec<String>,
}

/// They are kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SeatsReserved {
    /// Which seats.
    pub seats: Vec<String>,
}

/// Let a booking's seats go.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReleaseSeats {
    /// The booking.
    pub booking_id: String,
}

/// They are anybody's again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SeatsReleased {
    /// How many.
    pub seats: u64,
}

/// Take the money.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProcessPayment {
    /// The booking.
    pub booking_id: String,
    /// Who pays.
    pub customer: String,
    /// How much, in hundredths.
    pub amount_cents: i64,
}

/// It is paid.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PaymentProcessed {
    /// The payment.
    pub payment_id: String,
}

/// Give the money back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RefundPayment {
    /// The booking.
    pub booking_id: String,
}

/// It went back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PaymentRefunded {
    /// How much, in hundredths.
    pub amount_cents: i64,
}

/// Make the booking final.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConfirmBooking {
    /// The booking.
    pub booking_id: String,
}

/// It is final.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BookingConfirmed {}

/// Tell the customer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SendNotification {
    /// The booking.
    pub booking_id: String,
    /// To whom.
    pub email: String,
    /// Which payment.
    pub payment_id: Option<String>,
}

/// They are told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NotificationSent {}

step_command!(ReserveSeats => SeatsReserved, "booking", "reserve-seats", "seats-reserved", "seats-reservation-failed");
step_command!(ReleaseSeats => SeatsReleased, "booking", "release-seats", "seats-released", "seats-release-failed");
step_command!(ProcessPayment => PaymentProcessed, "booking", "process-payment", "payment-processed", "payment-failed");
step_command!(RefundPayment => PaymentRefunded, "booking", "refund-payment", "payment-refunded", "payment-refund-failed");
step_command!(ConfirmBooking => BookingConfirmed, "booking", "confirm-booking", "booking-confirmed", "booking-confirmation-failed");
step_command!(SendNotification => NotificationSent, "booking", "send-notification", "notification-sent", "notification-failed");

/// The saga and its workers.
pub(super) fn add(app: App) -> App {
    app.saga(saga())
        .event::<BookingRequested>()
        .saga_worker(reserve_seats)
        .saga_worker(release_seats)
        .saga_worker(process_payment)
        .saga_worker(refund_payment)
        .saga_worker(confirm_booking)
        .saga_worker(send_notification)
}

fn saga() -> Saga<Booking> {
    const SHORT: Duration = Duration::from_secs(5);
    const LONG: Duration = Duration::from_secs(10);
    Saga::named("booking")
        .started_by(|request: &BookingRequested| Booking { request: request.clone(), payment_id: None })
        .step(
            Step::command("reserve-seats", |booking: &Booking| ReserveSeats {
                booking_id: booking.request.booking_id.clone(),
                seats: booking.request.seats.clone(),
            })
            .timeout(SHORT)
            .compensate("release-seats", |booking: &Booking| ReleaseSeats {
                booking_id: booking.request.booking_id.clone(),
            }),
        )
        .step(
            Step::command("process-payment", |booking: &Booking| ProcessPayment {
                booking_id: booking.request.booking_id.clone(),
                customer: booking.request.customer.clone(),
                amount_cents: booking.request.amount_cents,
            })
            .timeout(LONG)
            .replied(|booking: &mut Booking, reply| booking.payment_id = Some(reply.payment_id))
            .compensate("refund-payment", |booking: &Booking| RefundPayment {
                booking_id: booking.request.booking_id.clone(),
            })
            .refunds(),
        )
        // What releases the seats takes the booking back, too.
        .step(
            Step::command("confirm-booking", |booking: &Booking| ConfirmBooking {
                booking_id: booking.request.booking_id.clone(),
            })
            .timeout(SHORT),
        )
        .step(
            Step::command("send-notification", |booking: &Booking| SendNotification {
                booking_id: booking.request.booking_id.clone(),
                email: booking.request.email.clone(),
                payment_id: booking.payment_id.clone(),
            })
            .timeout(SHORT),
        )
}

async fn reserve_seats(command: ReserveSeats, step: StepCtx<ReserveSeats>) -> Result<Replied, JobError> {
    step.once(async |database| {
        // In the order of their names: two bookings of the same seats do not wait for each other in a circle.
        let free = "SELECT seat FROM seats WHERE seat = ANY($1) AND booking_id IS NULL ORDER BY seat FOR UPDATE";
        let free: Vec<String> = sqlx::query_scalar(free).bind(&command.seats).fetch_all(&mut *database).await?;
        if free.len() < command.seats.len() {
            let message = format!("of {} only {} are free", command.seats.join(", "), free.join(", "));
            return Err(JobError::dead("seats_taken", message));
        }
        let take = "UPDATE seats SET booking_id = $1 WHERE seat = ANY($2)";
        sqlx::query(take).bind(&command.booking_id).bind(&free).execute(&mut *database).await?;
        let note = "INSERT INTO bookings (booking_id, status) VALUES ($1, 'reserved')";
        sqlx::query(note).bind(&command.booking_id).execute(&mut *database).await?;
        Ok(SeatsReserved { seats: free })
    })
    .await
}

async fn release_seats(command: ReleaseSeats, step: StepCtx<ReleaseSeats>) -> Result<Replied, JobError> {
    step.once(async |database| {
        let release = "UPDATE seats SET booking_id = NULL WHERE booking_id = $1";
        let released = sqlx::query(release).bind(&command.booking_id).execute(&mut *database).await?;
        let note = "UPDATE bookings SET status = 'released' WHERE booking_id = $1";
        sqlx::query(note).bind(&command.booking_id).execute(&mut *database).await?;
        Ok(SeatsReleased { seats: released.rows_affected() })
    })
    .await
}

async fn process_payment(command: ProcessPayment, step: StepCtx<ProcessPayment>) -> Result<Replied, JobError> {
    step.once(async |database| {
        money::pay(database, &command.booking_id, &command.customer, command.amount_cents).await?;
        Ok(PaymentProcessed { payment_id: format!("payment of {}", command.booking_id) })
    })
    .await
}

async fn refund_payment(command: RefundPayment, step: StepCtx<RefundPayment>) -> Result<Replied, JobError> {
    step.once(async |database| {
        Ok(PaymentRefunded { amount_cents: money::refund(database, &command.booking_id).await? })
    })
    .await
}

async fn confirm_booking(command: ConfirmBooking, step: StepCtx<ConfirmBooking>) -> Result<Replied, JobError> {
    step.once(async |database| {
        let confirm = "UPDATE bookings SET status = 'confirmed' WHERE booking_id = $1";
        sqlx::query(confirm).bind(&command.booking_id).execute(&mut *database).await?;
        Ok(BookingConfirmed {})
    })
    .await
}

/// By an event, which comes to a mail: so it is sent if the step is done.
async fn send_notification(command: SendNotification, step: StepCtx<SendNotification>) -> Result<Replied, JobError> {
    if command.email.is_empty() {
        return Err(JobError::dead("validation_failed", "the booking has no address to write to"));
    }
    step.once(async |database| {
        let mail = NotificationRequested {
            to: command.email.clone(),
            subject: format!("Your booking {}", command.booking_id),
            body: format!("It is confirmed; {}.", command.payment_id.as_deref().unwrap_or("nothing was to pay")),
            ..NotificationRequested::default()
        };
        step.ctx.append(database, &mail).await?;
        Ok(NotificationSent {})
    })
    .await
}
