//! What a role says of itself over HTTP.

use millgate_testkit::{Child, wait_for};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::shop::PATIENCE;

/// Where a role answers.
pub(crate) async fn address(role: &Child) -> String {
    let line = role.wait_for_line("metrics and health at http://", PATIENCE).await;
    let (_, rest) = line.split_once("http://").unwrap();
    rest.split(": /metrics").next().unwrap().to_owned()
}

/// Status and body of a page.
pub(crate) async fn get(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// The sum of all samples of a metric whose labels contain each of these.
pub(crate) fn sum(text: &str, name: &str, labels: &[&str]) -> Option<f64> {
    let samples = text.lines().filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let rest = series.strip_prefix(name)?;
        let is_it = rest.is_empty() || rest.starts_with('{');
        (is_it && labels.iter().all(|label| rest.contains(label))).then(|| value.parse::<f64>().unwrap())
    });
    let samples: Vec<f64> = samples.collect();
    (!samples.is_empty()).then(|| samples.iter().sum())
}

/// Waits until a metric is at least that, and gives the page.
pub(crate) async fn wait_metric(address: &str, name: &str, labels: &[&str], least: f64) -> String {
    wait_for(&format!("{name} {labels:?} is {least}"), PATIENCE, async || {
        let (status, text) = get(address, "/metrics").await;
        assert_eq!(status, 200, "{text}");
        sum(&text, name, labels).is_some_and(|value| value >= least).then_some(text)
    })
    .await
}

/// Waits until a page of health has that status, and gives its parts.
pub(crate) async fn wait_health(address: &str, path: &str, status: u16) -> Value {
    let body = wait_for(&format!("{path} says {status}"), PATIENCE, async || {
        let (now, body) = get(address, path).await;
        (now == status).then_some(body)
    })
    .await;
    serde_json::from_str::<Value>(&body).unwrap()["parts"].take()
}
