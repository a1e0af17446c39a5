//! What a sentinel knows of the master.

use std::time::Duration;

use redis::{ConnectionInfo, ErrorKind, RedisResult, Role, ServerErrorKind};

use crate::{
    deployment::connect,
    topology::{Topology, at},
};

/// Asks a sentinel where the master is, and the master whether it is one: a sentinel that was away may not know yet.
pub(crate) async fn ask(
    sentinel: &ConnectionInfo,
    name: &str,
    like: &ConnectionInfo,
    patience: Duration,
) -> RedisResult<Topology> {
    let mut connection = connect(sentinel, patience, patience).await?;
    let mut question = redis::cmd("SENTINEL");
    let question = question.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
    let Some((host, port)) = question.query_async::<Option<(String, u16)>>(&mut connection).await? else {
        return Err((ErrorKind::MasterNameNotFoundBySentinel, "the sentinels know no master of that name").into());
    };
    let master = at(like, host, port);
    let mut connection = connect(&master, patience, patience).await?;
    match redis::cmd("ROLE").query_async(&mut connection).await {
        Ok(Role::Primary { .. }) => Ok(Topology::single(master)),
        Ok(_) => {
            Err((ErrorKind::MasterNameNotFoundBySentinel, "what the sentinels call the master is none yet").into())
        }
        // Whoever may not ask has to believe the sentinel.
        Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) => Ok(Topology::single(master)),
        Err(error) => Err(error),
    }
}
