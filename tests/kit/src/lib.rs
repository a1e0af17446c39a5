//! Real servers for tests.
//!
//! - What every test shares, each in a corner of its own: [`KafkaSpace`] (topics under a prefix),
//!   [`RedisSpace`] (keys under a prefix), [`Database`] (a schema), all on the servers that
//!   `make services-up` starts.
//! - What a test has to itself, to kill and to freeze: [`RedisServer`], several of them as [`RedisCluster`] or
//!   behind [`RedisSentinel`], [`KafkaServer`], [`PostgresServer`] with [`Debezium`], [`SchemaRegistryServer`], [`SmtpServer`], [`HttpReceiver`], and [`Binary`] for programs of our own.
//! - What looks at pages, clicks on them, and says what hinders people there: [`Browser`].
//! - What stands between a client and its server, to cut or to stall: [`Proxy`].
//! - Waiting for what should come true, and saying what did not: [`wait_until`], [`wait_for`].
//!
//! Everything that was started here ends with the value that stands for it, and at the latest with
//! the test process, however that ends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "what goes wrong here is a test that cannot be run; a panic with a line number says so"
)]

mod address;
mod binary;
mod browser;
mod child;
mod database;
mod debezium;
mod folder;
mod http_receiver;
mod kafka_server;
mod kafka_space;
mod logs;
mod mail;
mod names;
mod port;
mod postgres_server;
mod proxy;
mod redis_cluster;
mod redis_sentinel;
mod redis_server;
mod redis_space;
mod schema_registry;
mod smtp_server;
mod tools;
mod wait;

pub use binary::Binary;
pub use browser::Browser;
pub use child::Child;
pub use database::Database;
pub use debezium::Debezium;
pub use folder::Folder;
pub use http_receiver::{HttpAnswer, HttpReceiver, HttpRequest};
pub use kafka_server::KafkaServer;
pub use kafka_space::KafkaSpace;
pub use logs::logs;
pub use mail::Mail;
pub use names::unique;
pub use port::free_port;
pub use postgres_server::PostgresServer;
pub use proxy::Proxy;
pub use redis_cluster::RedisCluster;
pub use redis_sentinel::RedisSentinel;
pub use redis_server::RedisServer;
pub use redis_space::RedisSpace;
pub use schema_registry::{SchemaKind, SchemaRegistryServer};
pub use smtp_server::SmtpServer;
pub use tools::tool;
pub use wait::{wait_for, wait_until};
