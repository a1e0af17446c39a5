//! A Redis Cluster of a test's own.

use std::time::Duration;

use millgate_jobs::RedisConfig;
use redis::InfoDict;

use crate::{RedisServer, free_port, unique, wait_until};

const START: Duration = Duration::from_mins(1);
const MASTERS: usize = 3;
const SLOTS: usize = 16_384;
/// Milliseconds without an answer after which a node is failing. Shorter, a busy machine would look like a dead one.
const NODE_TIMEOUT: &str = "2000";

/// Three masters with a replica each.
#[derive(Debug)]
pub struct RedisCluster {
    /// The masters there were at the start, and then their replicas in the same order.
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts one, and returns when it serves and every master's replica is up to date.
    pub async fn start() -> Self {
        let mut nodes = Vec::new();
        let mut bus_ports = Vec::new();
        for _ in 0..2 * MASTERS {
            let bus_port = free_port().to_string();
            let node = RedisServer::with_options(options(&bus_port));
            node.restart().await;
            nodes.push(node);
            bus_ports.push(bus_port);
        }
        let cluster = Self { nodes };
        for (n, node) in cluster.nodes.iter().enumerate() {
            // Given now, the nodes need not find out that they all chose the same.
            node.command::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", &(n + 1).to_string()]).await;
            if n < MASTERS {
                let (first, next) = (SLOTS * n / MASTERS, SLOTS * (n + 1) / MASTERS);
                let (first, last) = (first.to_string(), (next - 1).to_string());
                node.command::<()>(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]).await;
            }
            let (port, bus_port) = (node.port().to_string(), &bus_ports[n]);
            cluster.nodes[0].command::<()>(&["CLUSTER", "MEET", "127.0.0.1", &port, bus_port]).await;
        }
        for (replica, master) in cluster.nodes[MASTERS..].iter().zip(&cluster.nodes) {
            let master: String = master.command(&["CLUSTER", "MYID"]).await;
            wait_until("the nodes know each other", START, async || replica.view().await.contains(&master)).await;
            replica.command::<()>(&["CLUSTER", "REPLICATE", &master]).await;
        }
        for (n, node) in cluster.nodes.iter().enumerate() {
            wait_until("the cluster serves", START, async || {
                let info: InfoDict = node.command(&["CLUSTER", "INFO"]).await;
                let well = info.get::<String>("cluster_state").unwrap() == "ok";
                // Only whom the others know for its replica may become a dead master's successor.
                well && node.view().await.matches(" connected").count() == 2 * MASTERS
                    && node.view().await.matches("slave ").count() == MASTERS
                    && (n >= MASTERS || node.has_replica().await)
            })
            .await;
        }
        cluster
    }

    /// How to get there, under a prefix of its own that begins with `name`. Names the masters that there were at the start.
    pub fn config(&self, name: &str) -> RedisConfig {
        let addresses: Vec<_> = self.nodes[..MASTERS].iter().map(RedisServer::address).collect();
        let url = format!("redis+cluster://{}", addresses.join(","));
        RedisConfig { url, prefix: unique(name), ..RedisConfig::default() }
    }

    /// All nodes.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// The master that has a key, as the nodes that are up see it; `None` while none does.
    pub async fn master_of(&self, key: &str) -> Option<&RedisServer> {
        let up = self.nodes.iter().find(|node| node.is_up()).expect("a node that is up");
        let slot: u16 = up.command(&["CLUSTER", "KEYSLOT", key]).await;
        let view = up.view().await;
        // <id> <ip:port@cport> <flags> <master> <ping> <pong> <epoch> <state> <slot> … <slot>
        let port = view.lines().find_map(|line| {
            let words: Vec<_> = line.split(' ').collect();
            let has_slot = words.iter().skip(8).any(|slots| {
                let (first, last) = slots.split_once('-').unwrap_or((slots, slots));
                first.parse().is_ok_and(|first: u16| first <= slot) && last.parse().is_ok_and(|last: u16| slot <= last)
            });
            (has_slot && !words[2].contains("fail")).then(|| words[1].split([':', '@']).nth(1).unwrap().to_owned())
        })?;
        self.nodes.iter().find(|node| node.is_up() && node.port().to_string() == port)
    }
}

impl RedisServer {
    /// The cluster as this node sees it.
    async fn view(&self) -> String {
        self.command(&["CLUSTER", "NODES"]).await
    }

    /// Whether a replica is connected and up to date.
    pub async fn has_replica(&self) -> bool {
        let replica: Option<String> = self.info("replication").await.get("slave0");
        replica.is_some_and(|replica| replica.contains("state=online"))
    }
}

fn options(bus_port: &str) -> impl Iterator<Item = String> {
    let options = [
        ["--cluster-enabled", "yes"],
        ["--cluster-port", bus_port],
        ["--cluster-node-timeout", NODE_TIMEOUT],
        // However long a replica was out of touch, the test wants a successor.
        ["--cluster-replica-validity-factor", "0"],
        // Waits for no other replicas that might want the same.
        ["--repl-diskless-sync-delay", "0"],
    ];
    options.into_iter().flatten().map(str::to_owned)
}
