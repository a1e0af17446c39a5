//! A PostgreSQL of a test's own, whose log others can read.

use std::{fs, path::Path, process::Command, time::Duration};

use sqlx::{PgPool, postgres::PgPoolOptions};

use crate::{Child, Folder, free_port, logs, tools::tool};

const START: Duration = Duration::from_mins(1);

/// A server with `wal_level=logical`, which the shared one has not. Its user is `millgate`, who needs no password.
#[derive(Debug)]
pub struct PostgresServer {
    port: u16,
    pool: PgPool,
    _process: Child,
    _folder: Folder,
}

impl PostgresServer {
    /// Starts one, and returns when it answers. Takes seconds.
    pub async fn start() -> Self {
        logs();
        let (folder, port) = (Folder::new("postgres"), free_port());
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        let owner = owner();
        if let Some(owner) = &owner {
            let status = Command::new("chown").arg(owner).arg(&data).status().unwrap();
            assert!(status.success(), "chown to {owner}");
        }
        let initdb = spawn("initdb", owner.as_deref(), &data, |command| {
            command.args(["--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "-U", "millgate", "-D"]).arg(&data);
        });
        assert!(initdb.wait_exit(START).await.success(), "initdb: {}", initdb.output());
        let process = spawn("postgres", owner.as_deref(), &data, |command| {
            command.arg("-D").arg(&data);
            let port = format!("port={port}");
            // What is lost with the machine is lost with the test.
            for setting in
                ["listen_addresses=127.0.0.1", &port, "unix_socket_directories=", "wal_level=logical", "fsync=off"]
            {
                command.args(["-c", setting]);
            }
            command.args(["-c", "shared_buffers=16MB"]);
        });
        process.wait_for_line("ready to accept connections", START).await;
        let url = format!("postgres://millgate@127.0.0.1:{port}/postgres");
        let pool = PgPoolOptions::new().max_connections(3).connect(&url).await.unwrap();
        Self { port, pool, _process: process, _folder: folder }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Connections to its database `postgres`.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }
}

/// PostgreSQL refuses to run as root.
fn owner() -> Option<String> {
    let is_root = || fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    is_root().then(|| {
        let known = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let is_there = known.lines().any(|line| line.starts_with("postgres:"));
        if is_there { "postgres" } else { "nobody" }.to_owned()
    })
}

fn spawn(program: &str, owner: Option<&str>, folder: &Path, prepare: impl FnOnce(&mut Command)) -> Child {
    let path = format!("{}/{program}", tool("POSTGRES_BIN"));
    let Some(owner) = owner else {
        return Child::spawn(program, &path, |command| {
            command.current_dir(folder);
            prepare(command);
        });
    };
    Child::spawn(program, "setpriv", |command| {
        // Once more, since another user's process no longer heeds what was said before.
        command.args(["--pdeathsig", "KILL", "--reuid", owner, "--init-groups", "--regid"]);
        let group = Command::new("id").args(["-g", owner]).output().unwrap();
        command.arg(String::from_utf8(group.stdout).unwrap().trim()).args(["--", &path]);
        command.current_dir(folder);
        prepare(command);
    })
}
