//! `redis.url`, in the forms that [`RedisConfig::url`](crate::RedisConfig::url) tells of.
//!
//! The client reads URLs of one host; one with several is taken apart into such. No error quotes a URL, since it may hold
//! a password.

use redis::{ConnectionInfo, ErrorKind, IntoConnectionInfo, RedisError, RedisResult, io::tcp::TcpSettings};

use crate::deployment::Deployment;

const SENTINEL_PORT: u16 = 26_379;

/// Small commands are sent at once: by default they would wait until the server has acknowledged those before them.
fn connection_info(url: &str) -> RedisResult<ConnectionInfo> {
    Ok(url.into_connection_info()?.set_tcp_settings(TcpSettings::default().set_nodelay(true)))
}

pub(crate) fn read(url: &str) -> RedisResult<Deployment> {
    let (scheme, rest) = url.split_once("://").unwrap_or((url, ""));
    match scheme.split_once('+') {
        Some((scheme, "cluster")) => Parts::of(scheme, rest)?.cluster(),
        Some((scheme, "sentinel")) => Parts::of(scheme, rest)?.sentinel(),
        _ => Ok(Deployment::Server(connection_info(url)?)),
    }
}

struct Parts<'a> {
    /// `redis` or `rediss`.
    scheme: &'a str,
    /// `user:password@`, or nothing.
    login: &'a str,
    hosts: Vec<&'a str>,
    path: &'a str,
    /// `?parameters#fragment`, or nothing.
    query: &'a str,
}

impl<'a> Parts<'a> {
    fn of(scheme: &'a str, rest: &'a str) -> RedisResult<Self> {
        let (rest, query) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (login, hosts) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
        if login.matches('@').count() > 1 {
            return Err(wrong("user and password stand once, before the first host; an @ in them is written %40"));
        }
        Ok(Self { scheme, login, hosts: hosts.split(',').collect(), path: path.trim_matches('/'), query })
    }

    fn cluster(&self) -> RedisResult<Deployment> {
        if !matches!(self.path, "" | "0") {
            return Err(wrong("a cluster has no databases"));
        }
        let nodes = self.hosts.iter().map(|host| self.info(self.login, host, ""));
        Ok(Deployment::Cluster(nodes.collect::<RedisResult<_>>()?))
    }

    fn sentinel(&self) -> RedisResult<Deployment> {
        let (name, database) = self.path.split_once('/').unwrap_or((self.path, ""));
        if name.is_empty() {
            return Err(wrong("the master's name is missing behind the sentinels"));
        }
        // Sentinels have users of their own, and most have none.
        let parameter =
            |name| self.query.split(['?', '&', '#']).find_map(|text| text.strip_prefix(name)?.strip_prefix('='));
        let login = match (parameter("sentinel_username").unwrap_or_default(), parameter("sentinel_password")) {
            (user, Some(password)) => format!("{user}:{password}@"),
            _ => String::new(),
        };
        let sentinels = self.hosts.iter().map(|host| {
            let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
            let host = if has_port { (*host).to_owned() } else { format!("{host}:{SENTINEL_PORT}") };
            self.info(&login, &host, "")
        });
        Ok(Deployment::Sentinel {
            sentinels: sentinels.collect::<RedisResult<_>>()?,
            name: name.to_owned(),
            // Its address is what the sentinels are asked for.
            like: self.info(self.login, "localhost", database)?,
        })
    }

    /// By way of the client's own reader, which undoes %-escapes and knows the parameters.
    fn info(&self, login: &str, host: &str, database: &str) -> RedisResult<ConnectionInfo> {
        if host.is_empty() {
            return Err(wrong("a host is missing"));
        }
        connection_info(&format!("{}://{login}{host}/{database}{}", self.scheme, self.query))
    }
}

fn wrong(what: &'static str) -> RedisError {
    (ErrorKind::InvalidClientConfig, what).into()
}

#[cfg(test)]
mod tests {
    use redis::ConnectionAddr;

    use super::*;

    fn shown(info: &ConnectionInfo) -> String {
        let tls = if matches!(info.addr(), ConnectionAddr::TcpTls { .. }) { "tls " } else { "" };
        let redis = info.redis_settings();
        let (user, password) = (redis.username().unwrap_or_default(), redis.password().unwrap_or_default());
        format!("{tls}{user}:{password}@{}/{}", info.addr(), redis.db())
    }

    fn all(infos: &[ConnectionInfo]) -> Vec<String> {
        infos.iter().map(shown).collect()
    }

    #[test]
    fn one_server() {
        let Ok(Deployment::Server(server)) = read("rediss://u:p%40w@cache:6380/2") else { panic!() };
        assert_eq!(shown(&server), "tls u:p@w@cache:6380/2");
    }

    #[test]
    fn a_cluster() {
        let Ok(Deployment::Cluster(nodes)) = read("redis+cluster://one:7000,two") else { panic!() };
        assert_eq!(all(&nodes), [":@one:7000/0", ":@two:6379/0"]);
        let Ok(Deployment::Cluster(nodes)) = read("rediss+cluster://u:p%40w@one,[::1]:7001/0#insecure") else {
            panic!()
        };
        assert_eq!(all(&nodes), ["tls u:p@w@one:6379/0", "tls u:p@w@::1:7001/0"]);
    }

    #[test]
    fn a_master_behind_sentinels() {
        let url = "redis+sentinel://u:pw@one:5000,two,[::1]/shop/3?sentinel_password=s%2Fpw";
        let Ok(Deployment::Sentinel { sentinels, name, like }) = read(url) else { panic!() };
        assert_eq!(all(&sentinels), [":s/pw@one:5000/0", ":s/pw@two:26379/0", ":s/pw@::1:26379/0"]);
        assert_eq!((name.as_str(), shown(&like)), ("shop", "u:pw@localhost:6379/3".to_owned()));
        let Ok(Deployment::Sentinel { sentinels, like, .. }) = read("rediss+sentinel://:pw@one/shop") else { panic!() };
        assert_eq!(
            (all(&sentinels), shown(&like)),
            (vec!["tls :@one:26379/0".into()], "tls :pw@localhost:6379/0".into())
        );
    }

    #[test]
    fn what_is_wrong_is_told_without_the_password() {
        for (url, told) in [
            ("redis+sentinel://:secret@one,two", "name is missing"),
            ("redis+sentinel://:secret@one/shop/x", "database"),
            ("redis+cluster://:secret@one,:secret@two", "once, before the first host"),
            ("redis+cluster://:secret@one/1", "no databases"),
            ("redis+cluster://:secret@one,,two", "host is missing"),
            ("redis+cluster://:secret@", "host is missing"),
            ("amqp+cluster://:secret@one", "not"),
            ("redis+ring://:secret@one", "not"),
            ("secret", "not"),
        ] {
            let Err(error) = read(url) else { panic!("{url}") };
            let error = error.to_string();
            assert!(error.contains(told) && !error.contains("secret"), "{url}: {error}");
        }
    }
}
