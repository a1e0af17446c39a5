//! `millgate bridge`, `millgate worker`, `millgate scheduler` and `millgate relay`: the roles, as production runs them.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;

use super::{Call, Outcome, group_choice::GroupChoice, outbox};
use crate::{claim_expiry, drain, health::Health, http::HttpServer, lifecycle::stop_on_signal};

#[derive(clap::Args)]
pub(super) struct BridgeArgs {
    #[command(flatten)]
    group: GroupChoice,
}

#[derive(clap::Args)]
pub(super) struct WorkerArgs {
    /// Queues to work on; all that have a handler if none is named
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    queues: Vec<String>,
    /// Most jobs in hand at a time, per queue
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    concurrency: Option<u16>,
    /// Work until the queues have nothing that can run now, say what is left, and end
    #[arg(long)]
    drain: bool,
}

pub(super) async fn bridge(call: Call, args: BridgeArgs) -> anyhow::Result<Outcome> {
    let stop = stop_on_signal()?;
    let servers = call.servers()?;
    let readers = match args.group.of(&servers) {
        Ok(readers) => readers,
        Err(message) => return Ok(Outcome::Misunderstood(message)),
    };
    servers.check_eviction();
    servers.check_dead_letters();
    let expiry = claim_expiry::run(servers.producer.claims().clone(), servers.config.claim_check.expire, stop.clone());
    let expiring = tokio::spawn(expiry);
    let following = tokio::spawn(servers.follow_routes(stop.clone()));
    let mut bridges = Vec::new();
    let mut health = Health::new(&servers, stop.clone());
    let mut reporter = servers.reporter(&["bridge"], &stop);
    for reader in readers {
        let bridge = servers.bridge(reader)?;
        health.of_bridge(&bridge, reader);
        reporter.of_bridge(&bridge, reader);
        bridges.push((reader.kafka.consumer_group.clone(), bridge));
    }
    let metrics =
        servers.metrics(&["bridge"], bridges.iter().map(|(group, bridge)| (group.clone(), bridge.stats())).collect());
    let health = Arc::new(health);
    let _http = HttpServer::start(&servers.config.http, health.clone(), metrics).await?;
    let reporting = reporter.start(Some(health));
    let mut running = JoinSet::new();
    for (_, bridge) in bridges {
        running.spawn(bridge.run(stop.clone()));
    }
    let mut outcome = Ok(());
    while let Some(ended) = running.join_next().await {
        // One that cannot go on takes the others with it: who runs them all wants to know.
        stop.cancel();
        outcome = outcome.and(ended?);
    }
    reporting.end().await;
    servers.trail().close().await;
    outcome?;
    expiring.abort();
    following.await?;
    servers.producer.flush(servers.config.kafka.delivery_timeout).await?;
    Ok(Outcome::Well)
}

pub(super) async fn worker(mut call: Call, args: WorkerArgs) -> anyhow::Result<Outcome> {
    let config = &mut call.configuration.config.worker;
    if !args.queues.is_empty() {
        config.queues = args.queues;
    }
    if let Some(concurrency) = args.concurrency {
        config.concurrency = usize::from(concurrency);
    }
    let known = call.app.handlers.queues();
    if let Some(unknown) = call.configuration.config.worker.queues.iter().find(|name| !known.contains(&name.as_str())) {
        let message = format!("no handler works on queue `{unknown}`; there are: {}", known.join(", "));
        return Ok(Outcome::Misunderstood(message));
    }
    let stop = stop_on_signal()?;
    let json = call.json;
    let servers = call.servers()?;
    servers.check_eviction();
    servers.check_dead_letters();
    let scheduler = servers.scheduler()?;
    let (worker, forwarder) = servers.worker()?;
    let mut health = Health::new(&servers, stop.clone());
    health.of_worker(&worker);
    if !args.drain {
        health.of_scheduler(&scheduler);
    }
    let health = Arc::new(health);
    let _http =
        HttpServer::start(&servers.config.http, health.clone(), servers.metrics(&["worker"], Vec::new())).await?;
    let mut reporter = servers.reporter(&["worker"], &stop);
    reporter.of_worker(&worker, servers.handlers.versions());
    let reporting = reporter.start(Some(health));
    let forwarding = tokio::spawn(forwarder.run(stop.clone()));
    let left = if args.drain {
        let queues: Vec<_> =
            worker.hands().into_iter().map(|(name, hands)| (servers.queues.queue(&name), hands)).collect();
        let working = tokio::spawn(worker.run(stop.clone()));
        let left = drain::until_empty(&queues, &stop).await;
        stop.cancel();
        working.await?;
        left?
    } else {
        // A worker that is to end makes no new work.
        let scheduling = tokio::spawn(scheduler.run(stop.clone()));
        worker.run(stop).await;
        scheduling.await?;
        Vec::new()
    };
    forwarding.await?;
    reporting.end().await;
    servers.trail().close().await;
    // A connection that is silent would be waited for without end.
    let _ = tokio::time::timeout(Duration::from_secs(5), servers.database.close()).await;
    if json && args.drain {
        println!("{:#}", serde_json::to_value(&left)?);
    } else {
        for left in left {
            println!("{left}");
        }
    }
    Ok(Outcome::Well)
}

pub(super) async fn scheduler(call: Call) -> anyhow::Result<Outcome> {
    let stop = stop_on_signal()?;
    let servers = call.servers()?;
    servers.check_eviction();
    let scheduler = servers.scheduler()?;
    let mut health = Health::new(&servers, stop.clone());
    health.of_scheduler(&scheduler);
    let health = Arc::new(health);
    let _http =
        HttpServer::start(&servers.config.http, health.clone(), servers.metrics(&["scheduler"], Vec::new())).await?;
    let reporting = servers.reporter(&["scheduler"], &stop).start(Some(health));
    scheduler.run(stop).await;
    reporting.end().await;
    Ok(Outcome::Well)
}

pub(super) async fn relay(call: Call) -> anyhow::Result<Outcome> {
    let stop = stop_on_signal()?;
    let servers = call.servers()?;
    if servers.outbox().is_none() {
        return Ok(Outcome::Misunderstood(outbox::without_table()));
    }
    let health = Arc::new(Health::of_role(stop.clone()));
    let relay = servers.relay();
    let metrics = servers.metrics(&["relay"], Vec::new()).with_relay(relay.stats());
    let _http = HttpServer::start(&servers.config.http, health.clone(), metrics).await?;
    let reporting = servers.reporter(&["relay"], &stop).start(Some(health));
    relay.run(stop).await;
    reporting.end().await;
    Ok(Outcome::Well)
}
