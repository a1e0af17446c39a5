//! Webhooks: what is posted, and what comes of each answer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use millgate_jobs::{Job, JobOptions, Origin, QueueStats};
use millgate_testkit::{HttpAnswer, HttpReceiver, HttpRequest, free_port, wait_until};
use millgate_workers::{
    BreakerConfig, BreakerState, Ctx, Done, Handlers, JobError, State,
    webhook::{Webhook, WebhookConfig, Webhooks, send_webhook},
};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::bench::{Bench, Running, SOON, config, new, time};

const KEY: [u8; 32] = [7; 32];

fn webhooks() -> WebhookConfig {
    WebhookConfig {
        secrets: vec![format!("erp=whsec_{}", STANDARD.encode(KEY))],
        allow_networks: vec!["127.0.0.1".into()],
        ..WebhookConfig::default()
    }
}

fn webhook(url: String) -> Webhook {
    Webhook { url, secret: "erp".into(), data: json!({ "order_id": "o 1" }), binary: false, at_most: 8 }
}

fn ctx() -> Ctx {
    let mut ctx = Ctx::for_test("job-1", time(), State::new());
    ctx.origin = Some(Box::new(Origin {
        event_id: "e 1".into(),
        event_source: "shöp".into(),
        event_type: "order.created".into(),
        correlation_id: "c1".into(),
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
        record: "orders/0/7".into(),
        ..Origin::default()
    }));
    ctx
}

async fn call(config: &WebhookConfig, job: Webhook) -> Result<Done, JobError> {
    send_webhook(job, State(Webhooks::new(config).unwrap()), ctx()).await
}

async fn always(answer: HttpAnswer) -> HttpReceiver {
    HttpReceiver::start(move |_| std::future::ready(answer.clone())).await
}

/// As a receiver checks it.
#[expect(clippy::disallowed_methods, reason = "a receiver holds the timestamp against its clock")]
fn verify(request: &HttpRequest) {
    let [id, timestamp, signature] =
        ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| request.header(name));
    let age = Utc::now() - DateTime::from_timestamp(timestamp.parse().unwrap(), 0).unwrap();
    assert!(age.abs() < chrono::TimeDelta::minutes(5), "{age}");
    let mut code = Hmac::<Sha256>::new_from_slice(&KEY).unwrap();
    code.update(format!("{id}.{timestamp}.").as_bytes());
    code.update(&request.body);
    let signature = STANDARD.decode(signature.strip_prefix("v1,").unwrap()).unwrap();
    code.verify_slice(&signature).unwrap();
}

#[tokio::test]
async fn the_event_is_posted_and_signed() {
    let mut receiver = always(HttpAnswer::status(204)).await;
    assert_eq!(call(&webhooks(), webhook(receiver.url("/orders?shop=1"))).await, Ok(Done));
    let request = receiver.next().await;
    verify(&request);
    assert_eq!((request.line.as_str(), request.header("webhook-id")), ("POST /orders?shop=1 HTTP/1.1", "job-1"));
    assert_eq!(request.header("content-type"), "application/cloudevents+json");
    assert!(request.header("traceparent").starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
    assert!(request.header("user-agent").starts_with("millgate/"));
    let event: Value = serde_json::from_slice(&request.body).unwrap();
    let expected = json!({
        "specversion": "1.0", "id": "e 1", "source": "shöp", "type": "order.created", "correlationid": "c1",
        "time": "2023-11-14T22:13:20.000Z", "datacontenttype": "application/json", "data": { "order_id": "o 1" },
    });
    assert_eq!(event, expected);

    let binary = Webhook { binary: true, ..webhook(receiver.url("/")) };
    assert_eq!(call(&webhooks(), binary).await, Ok(Done));
    let request = receiver.next().await;
    verify(&request);
    assert_eq!(request.body, br#"{"order_id":"o 1"}"#);
    for (name, value) in [
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", "e%201"),
        ("ce-source", "sh%C3%B6p"),
        ("ce-type", "order.created"),
        ("ce-time", "2023-11-14T22:13:20.000Z"),
        ("ce-correlationid", "c1"),
    ] {
        assert_eq!(request.header(name), value, "{name}");
    }
}

/// What becomes of a job whose call is answered so: the verdict with its code, and what is told.
async fn verdict(config: &WebhookConfig, answer: HttpAnswer) -> (String, String) {
    let receiver = always(answer).await;
    told(call(config, webhook(receiver.url("/hook?token=s3cret"))).await)
}

fn told(answer: Result<Done, JobError>) -> (String, String) {
    match answer.unwrap_err() {
        JobError::Retry { after, failure } => (format!("retry {after:?} {}", failure.code), failure.message),
        JobError::Dead { failure } => (format!("dead {}", failure.code), failure.message),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_answer_says_whether_to_come_again() {
    let patient = webhooks();
    let impatient = WebhookConfig { timeout: Duration::from_millis(300), ..webhooks() };
    let say = |status, headers, body: &str| HttpAnswer::Say(status, headers, body.to_owned());
    for (config, answer, verdict_is, message_has) in [
        (&patient, say(500, "", "the\r\n disk is\tfull"), "retry None http_500", "It is so: the disk is full"),
        (&patient, say(429, "retry-after: 7", ""), "retry Some(7s) http_429", "answers 429"),
        (&patient, say(503, "retry-after: soon", ""), "retry None http_503", "answers 503"),
        (&patient, say(400, "", "no"), "dead http_400", "answers 400"),
        (&patient, say(409, "", ""), "dead http_409", "answers 409"),
        (&patient, say(410, "", ""), "dead http_410", "remove the route"),
        (&patient, say(404, "", &"é".repeat(5000)), "dead http_404", &"é".repeat(200)),
        (&patient, HttpAnswer::Endless(502), "retry None http_502", "no end no end"),
        (&patient, HttpAnswer::BreakOff, "retry None unavailable", "gives no answer"),
        (&impatient, HttpAnswer::Hang, "retry None timeout", "gives no answer"),
    ] {
        let (verdict, message) = verdict(config, answer.clone()).await;
        let message = message.replace("<unknown status code>", "It is so").replace("Internal Server Error", "It is so");
        assert_eq!(verdict, verdict_is, "{answer:?}: {message}");
        assert!(message.contains(message_has), "{answer:?}: {message}");
        assert!(message.len() < 600 && !message.contains("s3cret"), "{answer:?}: {message}");
        assert!(!message.contains(char::is_control), "{message:?}");
    }
    let nobody = call(&patient, webhook(format!("http://127.0.0.1:{}/", free_port()))).await;
    assert_eq!(told(nobody).0, "retry None unavailable");
    let nowhere = call(&patient, webhook("https://nowhere.invalid/".into())).await;
    assert_eq!(told(nowhere).0, "retry None unavailable");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let mut receiver = always(HttpAnswer::Say(302, "location: /other", String::new())).await;
    let (verdict, message) = told(call(&webhooks(), webhook(receiver.url("/"))).await);
    assert_eq!(verdict, "dead http_302");
    assert!(message.contains("write the new address into the route"), "{message}");
    assert_eq!(receiver.rest().len(), 1);
}

#[tokio::test]
async fn this_machines_own_network_is_not_called() {
    let mut receiver = always(HttpAnswer::status(200)).await;
    let port = receiver.port();
    let public = WebhookConfig { allow_networks: Vec::new(), ..webhooks() };
    for host in
        ["127.0.0.1", "localhost", "LOCALHOST", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"]
    {
        let (verdict, message) = told(call(&public, webhook(format!("http://{host}:{port}/"))).await);
        assert_eq!(verdict, "dead private_address", "{host}: {message}");
        assert!(message.contains("webhook.allow_networks"), "{message}");
    }
    assert_eq!(receiver.rest().len(), 0);
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
        let allowed = call(&webhooks(), webhook(format!("http://{host}:{port}/"))).await;
        // The last is reached only where IPv6 is.
        assert!(allowed == Ok(Done) || told(allowed).0 == "retry None unavailable", "{host}");
    }
    assert!(receiver.rest().len() >= 2);
}

#[tokio::test]
async fn what_cannot_be_called_is_told() {
    let call = async |job: Webhook| told(call(&webhooks(), job).await);
    for (url, has) in [
        ("ftp://127.0.0.1/", "neither https:// nor http://"),
        ("erp.example.org/hook", "relative URL"),
        ("http://user:s3cret@127.0.0.1/", "would lie in Redis"),
        ("http://", "empty host"),
    ] {
        let (verdict, message) = call(webhook(url.into())).await;
        assert_eq!(verdict, "dead invalid_request", "{url}");
        assert!(message.contains(has) && !message.contains("s3cret"), "{url}: {message}");
    }
    let (verdict, message) = call(Webhook { secret: "crm".into(), ..webhook("http://127.0.0.1/".into()) }).await;
    assert_eq!(verdict, "retry None no_secret");
    assert!(message.contains("`crm`; add it to webhook.secrets"), "{message}");
}

fn worker(bench: &Bench, webhooks: &Webhooks) -> Running {
    let mut handlers = Handlers::default();
    handlers.add_handler(send_webhook);
    Running::start(&bench.queues, &handlers, &config(), State::new().with(webhooks.clone()))
}

async fn enqueue(bench: &Bench, jobs: impl Iterator<Item = Webhook>) {
    bench.enqueue(&jobs.map(|job| new(&job, JobOptions::default())).collect::<Vec<_>>()).await;
}

async fn until(bench: &Bench, what: &str, wanted: impl Fn(&QueueStats) -> bool) -> QueueStats {
    let queue = bench.queues.queue(Webhook::QUEUE);
    wait_until(what, SOON, async || wanted(&queue.stats().await.unwrap())).await;
    assert_eq!(queue.check().await.unwrap(), Vec::<String>::new());
    queue.stats().await.unwrap()
}

#[tokio::test]
async fn a_receiver_knows_the_second_call_by_its_id() {
    let calls = AtomicU32::new(0);
    let mut receiver = HttpReceiver::start(move |_| {
        let first = calls.fetch_add(1, Ordering::SeqCst) == 0;
        let failed = HttpAnswer::Say(500, "retry-after: 0", String::new());
        std::future::ready(if first { failed } else { HttpAnswer::status(200) })
    })
    .await;
    let bench = Bench::new();
    enqueue(&bench, [webhook(receiver.url("/"))].into_iter()).await;
    let worker = worker(&bench, &Webhooks::new(&webhooks()).unwrap());
    let [first, second] = [receiver.next().await, receiver.next().await];
    assert_eq!(first.header("webhook-id"), second.header("webhook-id"));
    assert_ne!(first.header("webhook-id"), "");
    verify(&second);
    let stats = until(&bench, "it is done", |stats| stats.done() == 1).await;
    worker.stop().await;
    assert_eq!(stats.kinds["webhook"].retried, 1);
}

#[tokio::test]
async fn a_host_that_is_down_is_left_alone_and_its_jobs_wait() {
    let (up, refused) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let (is_up, count) = (up.clone(), refused.clone());
    let receiver = HttpReceiver::start(move |_| {
        let up = is_up.load(Ordering::SeqCst);
        count.fetch_add(u32::from(!up), Ordering::SeqCst);
        let down = HttpAnswer::Say(503, "retry-after: 0", String::new());
        std::future::ready(if up { HttpAnswer::status(200) } else { down })
    })
    .await;
    let bench = Bench::new();
    enqueue(&bench, (0..10).map(|_| webhook(receiver.url("/")))).await;
    let open_for = Duration::from_millis(200);
    let breaker = BreakerConfig { minimum_calls: 3, open_for, ..BreakerConfig::default() };
    let webhooks = Webhooks::new(&WebhookConfig { breaker, ..webhooks() }).unwrap();
    let worker = worker(&bench, &webhooks);
    until(&bench, "all wait", |stats| stats.kinds["webhook"].snoozed >= 10).await;
    let host = webhooks.breaker(&format!("127.0.0.1:{}", receiver.port()));
    assert_ne!(host.state(), BreakerState::Closed);
    assert_eq!(webhooks.breaker("erp.example.org:443").state(), BreakerState::Closed, "another host is well");
    up.store(true, Ordering::SeqCst);
    let stats = until(&bench, "all are done", |stats| stats.done() == 10).await;
    worker.stop().await;
    let retried = stats.kinds["webhook"].retried;
    assert_eq!(retried, u64::from(refused.load(Ordering::SeqCst)), "no attempt is spent but by a call");
    assert_eq!(host.state(), BreakerState::Closed);
}

#[tokio::test]
async fn a_host_gets_no_more_calls_at_a_time_than_it_is_said_to_bear() {
    let (now, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let highest = most.clone();
    let receiver = HttpReceiver::start(move |_| {
        let (now, most) = (now.clone(), most.clone());
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            HttpAnswer::status(200)
        }
    })
    .await;
    let bench = Bench::new();
    enqueue(&bench, (0..20).map(|_| Webhook { at_most: 2, ..webhook(receiver.url("/")) })).await;
    let worker = worker(&bench, &Webhooks::new(&webhooks()).unwrap());
    until(&bench, "all are done", |stats| stats.done() == 20).await;
    worker.stop().await;
    assert_eq!(highest.load(Ordering::SeqCst), 2);
}
