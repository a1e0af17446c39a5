//! Servers in this process's memory, for development only. The one place that knows which crates they are.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use anyhow::Context;
use millgate_bridge::WhenRedisIsEmpty;

use super::{Mails, mail_catcher};
use crate::config::Config;

const ANY_PORT: &str = "127.0.0.1:0";

/// Starts those that `is_default` says nobody named, and points the configuration at them.
pub(super) fn start(config: &mut Config, is_default: &dyn Fn(&str) -> bool) -> anyhow::Result<Mails> {
    let mut started = Vec::new();
    if is_default("kafka.brokers") {
        let address = noida::kafka::spawn(ANY_PORT).context("no port for Kafka")?;
        config.kafka.brokers = address.to_string();
        // Under cooperative-sticky its idle groups hang.
        config.kafka.assignment_strategy = "range".into();
        started.push("Kafka");
    }
    if is_default("redis.url") {
        let address = noida::redis::server::spawn(ANY_PORT).context("no port for Redis")?;
        config.redis.url = format!("redis://{address}/0");
        // It has to share the cores with all else that goes on here.
        if is_default("redis.response_timeout") {
            config.redis.response_timeout = Duration::from_secs(30);
        }
        // It is empty each time, and a Kafka of one's own may remember what was handed off to the last one.
        config.bridge.when_redis_is_empty = WhenRedisIsEmpty::GoOn;
        started.push("Redis");
    }
    if is_default("postgres.url") {
        let address = noida::postgres::server::spawn(ANY_PORT).context("no port for PostgreSQL")?;
        config.postgres.url = format!("postgres://postgres@{address}/postgres");
        started.push("PostgreSQL");
    }
    let mut mails = None;
    if is_default("smtp.url") {
        let count = Arc::new(AtomicU64::new(0));
        let address = mail_catcher::start(count.clone()).context("no port for SMTP")?;
        config.smtp.url = format!("smtp://{address}");
        mails = Some(count);
        started.push("SMTP");
    }
    if !started.is_empty() {
        println!("{}: in memory, nothing is kept", started.join(", "));
    }
    Ok(mails)
}
