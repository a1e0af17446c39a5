//! A Redis of a test's own, to be killed, frozen and filled.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

use millgate_jobs::{Queues, RedisConfig};
use redis::{Client, FromRedisValue, InfoDict};

use crate::{Child, Folder, free_port, logs, redis_space, tools::tool, unique, wait_until};

const START: Duration = Duration::from_mins(1);

/// A Redis on a port of its own: append-only file synced every second, `noeviction`.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    folder: Folder,
    options: Vec<String>,
    process: Mutex<Option<Child>>,
}

impl RedisServer {
    /// Starts one, and returns when it answers.
    pub async fn start() -> Self {
        let server = Self::start_later();
        server.restart().await;
        server
    }

    /// Chooses the port, and leaves the server down until [`restart`](Self::restart).
    pub fn start_later() -> Self {
        Self::with_options([])
    }

    /// The same, with options of `redis-server` besides the usual ones.
    pub(crate) fn with_options(options: impl IntoIterator<Item = String>) -> Self {
        logs();
        let options = options.into_iter().collect();
        Self { port: free_port(), folder: Folder::new("redis"), options, process: Mutex::default() }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// How to get there, under a prefix of its own that begins with `name`.
    pub fn config(&self, name: &str) -> RedisConfig {
        let url = format!("redis://{}/0", self.address());
        RedisConfig { url, prefix: unique(name), ..RedisConfig::default() }
    }

    /// Queues on a connection of their own.
    pub fn queues(&self, config: &RedisConfig) -> Queues {
        Queues::new(config).unwrap()
    }

    /// SIGKILL. What the last second brought may be lost with it, as after a crash of the machine;
    /// what was written to the file before is not.
    pub fn kill9(&self) {
        if let Some(process) = self.process.lock().unwrap().take() {
            process.kill9();
        }
    }

    /// SIGKILL, and of its append-only file all is gone that came after a byte about so far from its end, though it
    /// acknowledged that: what a loss of power leaves of a file that is synced every second. Gives how many bytes are gone.
    ///
    /// The cut is at the end of a transaction. Of one that is cut inside a command Redis leaves the beginning in the file,
    /// ignores it when it starts, and carries it out when it starts once more (<https://github.com/valkey-io/valkey/pull/4342>).
    pub fn kill_with_loss(&self, bytes: usize) -> usize {
        const END: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";
        self.kill9();
        let newest = self.files().into_iter().filter(|file| file.extension().is_some_and(|kind| kind == "aof")).max();
        let newest = newest.expect("an append-only file");
        let mut text = fs::read(&newest).unwrap();
        let length = text.len();
        text.truncate(length.saturating_sub(bytes));
        let last = text.windows(END.len()).rposition(|window| window == END);
        text.truncate(last.map_or(0, |at| at + END.len()));
        fs::write(&newest, &text).unwrap();
        length - text.len()
    }

    /// Its data as they are now, to be [put back](Self::put_back).
    pub async fn snapshot(&self) -> Vec<(PathBuf, Vec<u8>)> {
        self.synced().await;
        self.files().into_iter().map(|file| (file.clone(), fs::read(file).unwrap())).collect()
    }

    /// SIGKILL; then it starts with older data.
    pub async fn put_back(&self, snapshot: &[(PathBuf, Vec<u8>)]) {
        self.kill9();
        for file in self.files() {
            fs::remove_file(file).unwrap();
        }
        for (file, bytes) in snapshot {
            fs::write(file, bytes).unwrap();
        }
        self.restart().await;
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = |folder: &Path| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        let all: Vec<PathBuf> = entries(self.folder.path());
        let (folders, mut files): (Vec<_>, Vec<_>) = all.into_iter().partition(|path| path.is_dir());
        files.extend(folders.iter().flat_map(|folder| -> Vec<PathBuf> { entries(folder) }));
        files
    }

    /// Starts it again (or for the first time) on the same port and data; returns when it answers.
    pub async fn restart(&self) {
        self.kill9();
        let process = Child::spawn("redis-server", &tool("REDIS_SERVER"), |command| {
            let port = self.port.to_string();
            command.args(["--bind", "127.0.0.1", "--port", &port, "--save", ""]);
            command.args(["--appendonly", "yes", "--appendfsync", "everysec"]);
            command.args(["--maxmemory-policy", "noeviction"]).arg("--dir").arg(self.folder.path());
            command.args(&self.options);
        });
        wait_until("Redis starts", START, async || {
            assert!(process.is_running(), "Redis ended: {}", process.output());
            self.answers().await
        })
        .await;
        *self.process.lock().unwrap() = Some(process);
    }

    /// Whether it was started and not killed.
    pub fn is_up(&self) -> bool {
        self.process.lock().unwrap().is_some()
    }

    /// SIGSTOP: connections stay open, and nothing is answered.
    pub fn freeze(&self) {
        self.with(Child::freeze);
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.with(Child::thaw);
    }

    /// Waits until everything that it has acknowledged is on disk, and would outlast a [`kill9`](Self::kill9).
    pub async fn synced(&self) {
        wait_until("Redis writes its file", START, async || {
            let info: InfoDict = self.command(&["INFO", "persistence"]).await;
            let of = |name| info.get::<u64>(name).unwrap();
            of("aof_buffer_length") == 0 && of("aof_pending_bio_fsync") == 0
        })
        .await;
    }

    /// Waits until a replica has all that it has acknowledged. Writes `mark`, since Redis waits for what its asker wrote.
    pub async fn replicated(&self, mark: &str) {
        let mut pipeline = redis::pipe();
        pipeline.cmd("SET").arg(mark).arg("").ignore().cmd("WAIT").arg(1).arg(START.as_millis().to_string());
        let mut connection = redis_space::connect(&self.config("")).await;
        let (replicas,): (u32,) = pipeline.query_async(&mut connection).await.unwrap();
        assert!(replicas > 0, "no replica has it");
    }

    /// What it says of itself in a section of `INFO`.
    pub async fn info(&self, section: &str) -> InfoDict {
        self.command(&["INFO", section]).await
    }

    /// Lets it have that much memory, in bytes; 0 is no limit.
    pub async fn set_maxmemory(&self, bytes: u64) {
        self.command::<()>(&["CONFIG", "SET", "maxmemory", &bytes.to_string()]).await;
    }

    /// Memory that it uses now, in bytes.
    pub async fn used_memory(&self) -> u64 {
        self.command::<InfoDict>(&["INFO", "memory"]).await.get("used_memory").unwrap()
    }

    /// Sends a command, and gives the answer.
    ///
    /// # Panics
    /// If it is an error.
    pub async fn command<T: FromRedisValue>(&self, words: &[&str]) -> T {
        redis_space::command(&self.config(""), words).await
    }

    /// Its clock, in milliseconds since 1970.
    pub async fn now(&self) -> i64 {
        redis_space::now(&self.config("")).await
    }

    fn with(&self, action: impl FnOnce(&Child)) {
        action(self.process.lock().unwrap().as_ref().expect("a Redis that runs"));
    }

    async fn answers(&self) -> bool {
        let client = Client::open(self.config("").url).unwrap();
        let Ok(mut connection) = client.get_multiplexed_async_connection().await else { return false };
        // While it loads its file it accepts connections, and says so in an error.
        redis::cmd("PING").exec_async(&mut connection).await.is_ok()
    }
}
