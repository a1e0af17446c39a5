//! The shop's two sagas by the `millgate` program: to their ends, over the deaths of whoever works on them, and by people's
//! hands. In the end all is done or all is taken back, and money, seats and stock add up.

use millgate::{
    Event, Producer, SagaStatus, Sagas,
    shop::{
        Item,
        sagas::{BookingRequested, OrderPlaced},
    },
};
use millgate_testkit::{Child, Database, KafkaSpace, wait_for, wait_until};
use serde_json::Value;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::{
    http,
    shop::{PATIENCE, Shop},
};

const WALLET: i64 = 1_000_000;
const SEATS: i32 = 200;

/// A shop with sagas, money and seats, and the programs that are to live through all of it.
struct Theatre {
    shop: Shop,
    producer: Producer,
    _running: Vec<Child>,
}

impl Theatre {
    /// With these programs running.
    async fn open(name: &str, programs: &[&[&str]]) -> Self {
        Self::named(name, "", programs).await
    }

    /// The same, each of them under this name in its consumer groups.
    async fn named(name: &str, instance: &str, programs: &[&[&str]]) -> Self {
        let mut shop = Shop::on(KafkaSpace::fresh(name), name).await;
        shop.set("MILLGATE_SHOP_SAGAS", "true");
        // What a busy machine does late is not what is tested here.
        shop.set("MILLGATE_SHOP_SAGA_PATIENCE", "6");
        shop.set("MILLGATE_TOPICS_PARTITIONS", "1");
        // Who is back soon has its partitions again; what it had not committed comes again, which is much.
        shop.set("MILLGATE_KAFKA_GROUP_INSTANCE_ID", instance);
        shop.set("MILLGATE_SAGA_COMMIT_INTERVAL", "1m");
        shop.apply_topics().await;
        let fill = [
            "INSERT INTO wallets (customer, cents) VALUES ('ada', 1000000), ('poor', 0)",
            "INSERT INTO seats (seat) SELECT 's' || n FROM generate_series(1, 200) AS n",
        ];
        for fill in fill {
            sqlx::query(fill).execute(shop.database.pool()).await.unwrap();
        }
        let producer = Producer::new(&shop.kafka.config(), "web").unwrap();
        let running = programs.iter().map(|program| shop.start(program)).collect();
        Self { shop, producer, _running: running }
    }

    fn database(&self) -> &Database {
        &self.shop.database
    }

    async fn publish<E: Event>(&self, event: &E) {
        self.producer.publish(event).await.unwrap();
    }

    async fn status(&self, saga: Uuid) -> Option<SagaStatus> {
        let status = "SELECT status FROM sagas WHERE id = $1";
        let status: Option<String> =
            sqlx::query_scalar(status).bind(saga).fetch_optional(self.database().pool()).await.unwrap();
        status.map(|status| SagaStatus::named(&status).unwrap())
    }

    /// Waits until a saga has ended, and says how.
    async fn end(&self, saga: Uuid) -> SagaStatus {
        let ended = async || self.status(saga).await.filter(|status| status.has_ended());
        wait_for("the saga ends", PATIENCE, ended).await
    }

    async fn number(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(self.database().pool()).await.unwrap()
    }

    /// Nothing is lost, and nothing is kept by what was taken back.
    async fn check_books(&self) {
        let wallets = self.number("SELECT SUM(cents)::bigint FROM wallets").await;
        let paid = "SELECT COALESCE(SUM(cents), 0)::bigint FROM payments WHERE status = 'paid'";
        assert_eq!(wallets + self.number(paid).await, WALLET, "money is in wallets or in payments");
        let odd = |query: &'static str| self.number(query);
        let paid_only_if_done = "SELECT count(*) FROM payments AS p JOIN sagas AS s ON s.key = p.reference \
            WHERE (p.status = 'paid') <> (s.status = 'completed')";
        assert_eq!(odd(paid_only_if_done).await, 0);
        let seats_only_if_done = "SELECT count(*) FROM seats AS e LEFT JOIN sagas AS s ON s.key = e.booking_id \
            WHERE e.booking_id IS NOT NULL AND s.status IS DISTINCT FROM 'completed'";
        assert_eq!(odd(seats_only_if_done).await, 0);
        let without_seats = "SELECT count(*) FROM sagas AS s WHERE s.saga = 'booking' AND s.status = 'completed' \
            AND (SELECT count(*) FROM seats AS e WHERE e.booking_id = s.key) <> 2";
        assert_eq!(odd(without_seats).await, 0, "who has paid has two seats");
        let orders = self.number("SELECT count(*) FROM sagas WHERE saga = 'order' AND status = 'completed'").await;
        assert_eq!(i64::from(self.shop.stock("lamp").await), 1_000 - orders, "an order has one lamp");
        let shipped = self.number("SELECT count(*) FROM shipments WHERE status = 'created'").await;
        assert_eq!(shipped, orders);
        assert_eq!(self.number("SELECT count(*) FROM seats").await, i64::from(SEATS));
    }
}

/// A booking of two seats; that of nobody's address cannot be told to anybody, which comes last.
fn booking(number: usize, is_good: bool) -> BookingRequested {
    BookingRequested {
        booking_id: format!("b{number}"),
        customer: "ada".into(),
        email: if is_good { format!("ada-{number}@mail.example") } else { String::new() },
        seats: vec![format!("s{}", 2 * number + 1), format!("s{}", 2 * number + 2)],
        amount_cents: 2_000,
    }
}

/// An order of a lamp; that without an address cannot be shipped, which comes last.
fn order(number: usize, is_good: bool) -> OrderPlaced {
    OrderPlaced {
        order_id: format!("o{number}"),
        customer: "ada".into(),
        items: vec![Item { sku: "lamp".into(), quantity: 1 }],
        amount_cents: 1_990,
        address: if is_good { "1 High Street".into() } else { String::new() },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sagas_end_well_or_take_back_all_that_they_did() {
    let theatre =
        Theatre::open("sagas", &[&["bridge"], &["worker"], &["relay"], &["saga", "run"], &["saga", "run"]]).await;
    let [good, bad] = [Sagas::id("booking", "b0"), Sagas::id("booking", "b1")];
    theatre.publish(&booking(0, true)).await;
    theatre.publish(&booking(1, false)).await;
    theatre.publish(&order(0, true)).await;
    theatre.publish(&order(1, false)).await;
    // Seats that somebody has, and no money for a lamp: there is little to take back.
    let taken = BookingRequested { seats: vec!["s1".into(), "s9".into()], ..booking(2, true) };
    theatre.publish(&OrderPlaced { customer: "poor".into(), ..order(2, true) }).await;
    assert_eq!(theatre.end(good).await, SagaStatus::Completed);
    theatre.publish(&taken).await;
    for (saga, status) in [
        (bad, SagaStatus::Compensated),
        (Sagas::id("booking", "b2"), SagaStatus::Compensated),
        (Sagas::id("order", "o0"), SagaStatus::Completed),
        (Sagas::id("order", "o1"), SagaStatus::Compensated),
        (Sagas::id("order", "o2"), SagaStatus::Compensated),
    ] {
        assert_eq!(theatre.end(saga).await, status, "{saga}");
    }
    theatre.check_books().await;
    let kafka = &theatre.shop.kafka;
    let text = |record: &millgate_events::Record| String::from_utf8(record.value.clone().unwrap().to_vec()).unwrap();
    assert!(text(&kafka.records("order.confirmed", 1).await[0]).contains("o0"));
    let canceled: Vec<String> = kafka.records("order.canceled", 2).await.iter().map(text).collect();
    assert!(canceled.iter().any(|it| it.contains("o1") && it.contains("validation_failed")), "{canceled:?}");
    assert!(canceled.iter().any(|it| it.contains("o2") && it.contains("insufficient_funds")), "{canceled:?}");
    for (topic, count) in [
        ("saga.booking.started.event", 3),
        ("saga.booking.completed.event", 1),
        ("saga.booking.failed.event", 2),
        ("saga.booking.compensated.event", 2),
        ("saga.booking.seats-reservation-failed.event", 1),
        ("saga.order.refunded.event", 1),
    ] {
        assert_eq!(kafka.records(topic, count).await.len(), count, "{topic}");
    }
    let told = kafka.records("oms.saga.events", 8).await;
    let types: Vec<_> = told.iter().map(|record| record.headers.text("ce_type").unwrap()).collect();
    for name in ["saga.started", "saga.completed", "saga.failed", "saga.refunded"] {
        assert!(types.contains(&name), "{types:?}");
    }
    let shop = &theatre.shop;
    wait_until("the confirmation arrives", PATIENCE, async || shop.smtp.mails_to("ada-0@mail.example").len() == 1)
        .await;
    // A step that cannot be done is an answer, and no dead letter.
    assert_eq!(theatre.number("SELECT count(*) FROM dead_letters").await, 0);
    let shown = shop.run(&["saga", "show", &bad.to_string()]).await;
    for part in ["send-notification        failed", "back by refund-payment", "turned-back", "compensated"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let listed: Value =
        serde_json::from_str(&shop.run(&["saga", "list", "--status", "completed", "--json"]).await).unwrap();
    assert_eq!(listed["sagas"].as_array().unwrap().len(), 2);
}

/// Holds whoever writes a certain row in the middle of their transaction, until they are dead.
struct Hold<'a> {
    theatre: &'a Theatre,
    lock: PgConnection,
    key: i32,
}

impl<'a> Hold<'a> {
    const CLASS: i32 = 77_001;

    async fn new(theatre: &'a Theatre) -> Self {
        let key = i32::from_le_bytes(Uuid::new_v4().as_bytes()[..4].try_into().unwrap());
        let wait = format!("PERFORM pg_advisory_xact_lock({}, {key})", Self::CLASS);
        let define = format!(
            "CREATE TABLE held (what TEXT PRIMARY KEY);
            CREATE FUNCTION hold_saga() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF EXISTS (SELECT 1 FROM held WHERE what = NEW.id || ':' || NEW.revision) THEN {wait}; END IF;
                RETURN NEW;
            END $$;
            CREATE FUNCTION hold_reply() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF EXISTS (SELECT 1 FROM held WHERE what = NEW.idempotency_key) THEN {wait}; END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER hold BEFORE INSERT OR UPDATE ON sagas FOR EACH ROW EXECUTE FUNCTION hold_saga();
            CREATE TRIGGER hold BEFORE UPDATE ON saga_replies FOR EACH ROW EXECUTE FUNCTION hold_reply();"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(define)).execute(theatre.database().pool()).await.unwrap();
        let lock = PgConnection::connect(&theatre.database().url()).await.unwrap();
        Self { theatre, lock, key }
    }

    /// From here on it waits there.
    async fn arm(&mut self, what: &str) {
        let lock = "SELECT pg_advisory_lock($1, $2)";
        sqlx::query(lock).bind(Self::CLASS).bind(self.key).execute(&mut self.lock).await.unwrap();
        let pool = self.theatre.database().pool();
        sqlx::query("INSERT INTO held (what) VALUES ($1)").bind(what).execute(pool).await.unwrap();
    }

    /// Until somebody waits there.
    async fn caught(&self, what: &str) {
        let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
            AND classid::bigint = $1 AND objid = $2::int::oid";
        wait_until(&format!("somebody is at {what}"), PATIENCE, async || {
            let waiting: i64 = sqlx::query_scalar(waiting)
                .bind(i64::from(Self::CLASS))
                .bind(self.key)
                .fetch_one(self.theatre.database().pool())
                .await
                .unwrap();
            waiting > 0
        })
        .await;
    }

    async fn release(&mut self) {
        sqlx::query("DELETE FROM held").execute(self.theatre.database().pool()).await.unwrap();
        let unlock = "SELECT pg_advisory_unlock($1, $2)";
        sqlx::query(unlock).bind(Self::CLASS).bind(self.key).execute(&mut self.lock).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orchestrator_that_is_killed_at_any_transition_leaves_nothing_half_done() {
    let theatre = Theatre::named("kill-saga", "the-one", &[&["bridge"], &["worker"], &["relay"]]).await;
    let mut hold = Hold::new(&theatre).await;
    let mut orchestrator = theatre.shop.start(&["saga", "run"]);
    let mut number = 0;
    // Each change of each saga: how many there are follows from its steps.
    for (is_booking, is_good, changes) in [(true, true, 5), (true, false, 7), (false, true, 4), (false, false, 6)] {
        for revision in 1..=changes {
            number += 1;
            let key = format!("{}{number}", if is_booking { 'b' } else { 'o' });
            let saga = Sagas::id(if is_booking { "booking" } else { "order" }, &key);
            let point = format!("{saga}:{revision}");
            hold.arm(&point).await;
            if is_booking {
                theatre.publish(&booking(number, is_good)).await;
            } else {
                theatre.publish(&order(number, is_good)).await;
            }
            hold.caught(&format!("{key}, change {revision}")).await;
            orchestrator.kill9();
            hold.release().await;
            orchestrator = theatre.shop.start(&["saga", "run"]);
            let wanted = if is_good { SagaStatus::Completed } else { SagaStatus::Compensated };
            let ended = theatre.end(saga).await;
            // What took too long for a worker on a busy machine may be taken back, too.
            assert!(ended == wanted || ended == SagaStatus::Compensated, "{key}, change {revision}: {ended}");
        }
    }
    theatre.check_books().await;
    let completed = theatre.number("SELECT count(*) FROM sagas WHERE status = 'completed'").await;
    assert!(completed > 4, "{completed}");
    orchestrator.sigterm();
    assert!(orchestrator.wait_exit(PATIENCE).await.success(), "{}", orchestrator.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_in_any_step_leaves_nothing_half_done() {
    let theatre = Theatre::named("kill-step", "the-one", &[&["bridge"], &["relay"], &["saga", "run"]]).await;
    let mut hold = Hold::new(&theatre).await;
    let mut worker = theatre.shop.start(&["worker"]);
    let bookings = [
        ("reserve-seats", false),
        ("process-payment", false),
        ("confirm-booking", false),
        ("refund-payment", false),
        ("release-seats", false),
        ("send-notification", true),
    ];
    let orders = [
        ("inventory.reserve", false),
        ("payment.process", false),
        ("payment.refund", false),
        ("inventory.release", false),
        ("shipping.create", true),
    ];
    let steps = bookings.map(|it| (true, it)).into_iter().chain(orders.map(|it| (false, it)));
    for (number, (is_booking, (step, is_good))) in steps.enumerate() {
        let key = format!("{}{number}", if is_booking { 'b' } else { 'o' });
        let saga = Sagas::id(if is_booking { "booking" } else { "order" }, &key);
        hold.arm(&format!("{saga}:{step}")).await;
        if is_booking {
            theatre.publish(&booking(number, is_good)).await;
        } else {
            theatre.publish(&order(number, is_good)).await;
        }
        hold.caught(&format!("{key}, {step}")).await;
        worker.kill9();
        hold.release().await;
        worker = theatre.shop.start(&["worker"]);
        let ended = theatre.end(saga).await;
        assert!(is_good || ended == SagaStatus::Compensated, "{key}, {step}: {ended}");
    }
    theatre.check_books().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stuck_is_shown_and_people_decide() {
    let theatre = Theatre::open("stuck-saga", &[&["bridge"], &["worker"], &["relay"], &["saga", "run"]]).await;
    let shop = &theatre.shop;
    let change = async |sql: &'static str| {
        sqlx::query(sql).execute(theatre.database().pool()).await.unwrap();
    };
    change("ALTER TABLE bookings ADD CONSTRAINT keep CHECK (status <> 'released')").await;
    let mut ids = Vec::new();
    for number in 0..2 {
        theatre.publish(&BookingRequested { customer: "poor".into(), ..booking(number, true) }).await;
        let saga = Sagas::id("booking", &format!("b{number}"));
        let is_stuck = async || theatre.status(saga).await == Some(SagaStatus::Stuck);
        wait_until("it is stuck", PATIENCE, is_stuck).await;
        ids.push(saga.to_string());
    }
    let listed = shop.run(&["saga", "list", "--status", "stuck"]).await;
    assert!(listed.contains(&ids[0]) && listed.contains("release-seats stuck"), "{listed}");
    let shown: Value = serde_json::from_str(&shop.run(&["saga", "show", "b0", "--json"]).await).unwrap();
    assert_eq!(shown["progress"][0]["failure"]["code"], "validation_failed", "{shown}");
    assert_eq!(shown["progress"][0]["status"], "stuck");
    assert_eq!(shown["state"]["request"]["customer"], "poor");
    let masked = shop.millgate(&["saga", "show", "b0"]).env("MILLGATE_DASHBOARD_MASK", "customer").spawn();
    assert!(masked.wait_exit(PATIENCE).await.success());
    assert!(masked.output().contains(r#""customer":"•••""#), "{}", masked.output());

    change("ALTER TABLE bookings DROP CONSTRAINT keep").await;
    let said = shop.run(&["saga", "retry", &ids[0]]).await;
    assert!(said.contains("is tried again; it is compensating"), "{said}");
    assert_eq!(theatre.end(ids[0].parse().unwrap()).await, SagaStatus::Compensated);
    change("UPDATE seats SET booking_id = NULL").await;
    let said = shop.run(&["saga", "resolve", "b1", "--why", "freed them by hand"]).await;
    assert!(said.contains("it is compensated"), "{said}");
    let shown = shop.run(&["saga", "show", "b1"]).await;
    assert!(shown.contains("resolved") && shown.contains("freed them by hand ("), "{shown}");
    theatre.check_books().await;
    let audit = shop.run(&["audit"]).await;
    assert!(audit.contains(&format!("saga {}: what was stuck counts as taken back", ids[1])), "{audit}");

    let again = shop.start(&["saga", "resolve", "b1", "--why", "once more"]);
    assert_eq!(again.wait_exit(PATIENCE).await.code(), Some(2));
    assert!(again.output().contains("nothing of it is stuck"), "{}", again.output());
    let none = shop.start(&["saga", "show", "b9"]);
    assert_eq!(none.wait_exit(PATIENCE).await.code(), Some(2));

    theatre.publish(&booking(3, true)).await;
    assert_eq!(theatre.end(Sagas::id("booking", "b3")).await, SagaStatus::Completed);
    let said = shop.run(&["saga", "compensate", "b3", "--why", "the show is off"]).await;
    assert!(said.contains("it is compensating"), "{said}");
    assert_eq!(theatre.end(Sagas::id("booking", "b3")).await, SagaStatus::Compensated);
    theatre.check_books().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_dies_in_its_queue_is_a_dead_letter_and_a_failure_that_may_pass() {
    let theatre = Theatre::open("dead-step", &[&["bridge"], &["worker"], &["relay"], &["saga", "run"]]).await;
    let change = async |sql: &'static str| {
        sqlx::query(sql).execute(theatre.database().pool()).await.unwrap();
    };
    change("ALTER TABLE wallets RENAME TO purses").await;
    theatre.publish(&order(0, true)).await;
    let dead = "SELECT count(*) FROM dead_letters WHERE job_kind = 'saga.order.payment.process.command'";
    wait_until("the command is dead", PATIENCE, async || theatre.number(dead).await > 0).await;
    change("ALTER TABLE purses RENAME TO wallets").await;
    assert_eq!(theatre.end(Sagas::id("order", "o0")).await, SagaStatus::Completed);
    let shown = theatre.shop.run(&["saga", "show", "o0"]).await;
    assert!(shown.contains("retry") && shown.contains("try 2 of 4"), "{shown}");
    theatre.check_books().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sagas_have_metrics_and_an_application_without_them_says_so() {
    let theatre = Theatre::open("saga-metrics", &[&["bridge"], &["worker"], &["relay"]]).await;
    let shop = &theatre.shop;
    let orchestrator = shop.start(&["saga", "run"]);
    let address = http::address(&orchestrator).await;
    theatre.publish(&booking(0, true)).await;
    theatre.publish(&BookingRequested { customer: "poor".into(), ..booking(1, true) }).await;
    theatre.end(Sagas::id("booking", "b0")).await;
    theatre.end(Sagas::id("booking", "b1")).await;
    let group = format!("{}-sagas", shop.kafka.config().consumer_group);
    let told = [format!("topic=\"{}\"", shop.kafka.name("booking.requested")), format!("consumer_group=\"{group}\"")];
    let told = told.each_ref().map(String::as_str);
    let lag = async || {
        let (_, metrics) = http::get(&address, "/metrics").await;
        let lag = http::sum(&metrics, "kafka_consumer_lag", &told) == Some(0.0);
        (lag && http::sum(&metrics, "kafka_message_processing_duration_seconds_count", &told) == Some(2.0))
            .then_some(metrics)
    };
    let metrics = wait_for("the orchestrator has no lag", PATIENCE, lag).await;
    let groups = shop.run(&["groups", "--topic", "booking.requested"]).await;
    assert!(groups.contains(&format!("group {group} (sagas)\n")), "{groups}");
    assert!(shop.run(&["groups", "show", "sagas"]).await.contains(&format!("{group} (sagas)")));
    for line in [
        "millgate_sagas_started_total{saga=\"booking\"} 2",
        "millgate_sagas_completed_total{saga=\"booking\"} 1",
        "millgate_sagas_compensated_total{saga=\"booking\"} 1",
        "millgate_sagas_now{saga=\"booking\",status=\"stuck\"} 0",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    let mut without = Shop::open("no-sagas").await;
    without.set("MILLGATE_SHOP_SAGAS", "false");
    let list = without.start(&["saga", "list"]);
    assert_eq!(list.wait_exit(PATIENCE).await.code(), Some(2));
    assert!(list.output().contains("this application has no sagas"), "{}", list.output());
}
