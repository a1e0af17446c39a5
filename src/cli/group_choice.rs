//! Which of an application's groups a command is about.

use millgate_dashboard::Reader;

use crate::servers::Servers;

#[derive(clap::Args)]
pub(super) struct GroupChoice {
    /// Only this group; all if none is named
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
}

impl GroupChoice {
    /// Whether none is named.
    pub(super) fn is_all(&self) -> bool {
        self.group.is_none()
    }

    /// The groups that are meant, or what to say of a name that is none.
    pub(super) fn of<'a>(&self, servers: &'a Servers) -> Result<Vec<&'a Reader>, String> {
        let chosen: Vec<&Reader> = servers
            .readers
            .iter()
            .filter(|reader| self.group.as_deref().is_none_or(|name| name == reader.name))
            .collect();
        if chosen.is_empty() {
            let known: Vec<&str> = servers.readers.iter().map(|reader| reader.name).collect();
            let name = self.group.as_deref().unwrap_or_default();
            return Err(format!("there is no group `{name}`; there are: {}", known.join(", ")));
        }
        Ok(chosen)
    }
}
