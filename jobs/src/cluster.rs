//! What a node of a cluster knows of the others.

use std::time::Duration;

use redis::{ConnectionAddr, ConnectionInfo, ErrorKind, InfoDict, RedisResult, Value, from_redis_value};

use crate::{
    deployment::connect,
    topology::{Shard, Topology, at},
};

/// Asks a node who has which slots.
pub(crate) async fn ask(node: &ConnectionInfo, patience: Duration) -> RedisResult<Topology> {
    let mut connection = connect(node, patience, patience).await?;
    let mut questions = redis::pipe();
    questions.cmd("CLUSTER").arg("INFO").cmd("CLUSTER").arg("SLOTS");
    let (info, ranges): (InfoDict, Vec<Vec<Value>>) = questions.query_async(&mut connection).await?;
    let state: String = info.get("cluster_state").unwrap_or_default();
    if state != "ok" {
        // A node that is cut off from the others says so, and would name masters that are no more.
        return Err(
            (ErrorKind::ClusterConnectionNotFound, "the cluster is down", format!("cluster_state:{state}")).into()
        );
    }
    Ok(Topology::new(ranges.into_iter().map(|range| shard(node, range)).collect::<RedisResult<_>>()?))
}

/// First slot, last slot, the master, its replicas; of the master its host, its port, and more.
fn shard(asked: &ConnectionInfo, range: Vec<Value>) -> RedisResult<Shard> {
    let mut range = range.into_iter();
    let mut next = || range.next().unwrap_or(Value::Nil);
    let (first, last, master) = (from_redis_value(next())?, from_redis_value(next())?, next());
    let mut master = from_redis_value::<Vec<Value>>(master)?.into_iter();
    let mut next = || master.next().unwrap_or(Value::Nil);
    let (host, port) = (from_redis_value::<Option<String>>(next())?, from_redis_value(next())?);
    // No host means: where you asked.
    let host = host.filter(|host| !host.is_empty()).unwrap_or_else(|| match asked.addr() {
        ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host.clone(),
        _ => String::new(),
    });
    Ok(Shard { slots: first..=last, master: at(asked, host, port) })
}

#[cfg(test)]
mod tests {
    use redis::IntoConnectionInfo;

    use super::*;

    #[test]
    fn ranges_are_read_with_and_without_a_host() {
        let asked = "redis://user:pw@seed:7000".into_connection_info().unwrap();
        let text = |text: &str| Value::BulkString(text.into());
        for (host, address) in [(text("10.0.0.2"), "10.0.0.2:7001"), (text(""), "seed:7001"), (Value::Nil, "seed:7001")]
        {
            let master = Value::Array(vec![host, Value::Int(7001), text("id"), Value::Array(vec![])]);
            let replica = Value::Array(vec![text("10.0.0.3"), Value::Int(7002), text("id")]);
            let shard = shard(&asked, vec![Value::Int(0), Value::Int(5460), master, replica]).unwrap();
            assert_eq!((shard.slots, shard.master.addr().to_string()), (0..=5460, address.to_owned()));
            assert_eq!(shard.master.redis_settings().password(), Some("pw"));
        }
        assert!(shard(&asked, vec![Value::Int(0)]).is_err());
    }
}
