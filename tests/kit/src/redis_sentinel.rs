//! A Redis of a test's own that sentinels watch over.

use std::{fs, time::Duration};

use millgate_jobs::RedisConfig;

use crate::{Child, Folder, RedisServer, free_port, redis_space, tools::tool, unique, wait_until};

const START: Duration = Duration::from_mins(1);
const NAME: &str = "test";

/// A master and a replica, and three sentinels, of which two agree.
#[derive(Debug)]
pub struct RedisSentinel {
    servers: [RedisServer; 2],
    sentinels: Vec<Sentinel>,
}

#[derive(Debug)]
struct Sentinel {
    port: u16,
    _process: Child,
    _folder: Folder,
}

impl RedisSentinel {
    /// Starts them, and returns when the sentinels know each other and the replica is up to date.
    pub async fn start() -> Self {
        let fast = ["--repl-diskless-sync-delay", "0"].map(str::to_owned);
        let master = RedisServer::with_options(fast.clone());
        master.restart().await;
        let port = master.port().to_string();
        let replica =
            RedisServer::with_options(fast.into_iter().chain(["--replicaof".into(), "127.0.0.1".into(), port]));
        replica.restart().await;
        wait_until("the replica is up to date", START, async || master.has_replica().await).await;
        let sentinels = (0..3).map(|_| Sentinel::start(master.port())).collect();
        let group = Self { servers: [master, replica], sentinels };
        for sentinel in &group.sentinels {
            wait_until("the sentinels know each other", START, async || sentinel.knows_all().await).await;
        }
        group
    }

    /// How to get there, under a prefix of its own that begins with `name`.
    pub fn config(&self, name: &str) -> RedisConfig {
        let addresses: Vec<_> = self.sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port)).collect();
        let url = format!("redis+sentinel://{}/{NAME}", addresses.join(","));
        RedisConfig { url, prefix: unique(name), ..RedisConfig::default() }
    }

    /// The server that every sentinel takes for the master; `None` while they differ.
    pub async fn master(&self) -> Option<&RedisServer> {
        let mut found: Option<u16> = None;
        for sentinel in &self.sentinels {
            let (_, port): (String, u16) = sentinel.command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME]).await;
            if found.is_some_and(|found| found != port) {
                return None;
            }
            found = Some(port);
        }
        self.servers.iter().find(|server| Some(server.port()) == found)
    }

    /// Has the replica take over while the master is well.
    pub async fn switch(&self) {
        self.sentinels[0].command::<()>(&["SENTINEL", "FAILOVER", NAME]).await;
    }
}

impl Sentinel {
    fn start(master: u16) -> Self {
        let (port, folder) = (free_port(), Folder::new("sentinel"));
        let file = folder.path().join("sentinel.conf");
        // What the master's death costs in the test is the sum of the two times, about.
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir \"{}\"\nsentinel monitor {NAME} 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds {NAME} 1500\nsentinel failover-timeout {NAME} 5000\n",
            folder.path().display()
        );
        fs::write(&file, text).unwrap();
        let process = Child::spawn("sentinel", &tool("REDIS_SERVER"), |command| {
            command.arg(&file).arg("--sentinel");
        });
        Self { port, _process: process, _folder: folder }
    }

    async fn command<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        redis_space::command(&self.config(), words).await
    }

    async fn knows_all(&self) -> bool {
        if std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            return false;
        }
        let info: redis::InfoDict = self.command(&["INFO", "sentinel"]).await;
        // name=test,status=ok,address=127.0.0.1:20000,slaves=1,sentinels=3
        info.get::<String>("master0").is_some_and(|master| master.ends_with("slaves=1,sentinels=3"))
    }

    fn config(&self) -> RedisConfig {
        RedisConfig { url: format!("redis://127.0.0.1:{}", self.port), ..RedisConfig::default() }
    }
}
