//! `millgate mail suppress`, `unsuppress` and `suppressed`.

use chrono::SecondsFormat;
use millgate_workers::email::{Suppression, Suppressions};
use serde_json::json;

use super::super::{Call, Outcome, answer};

fn table(call: Call) -> anyhow::Result<Suppressions> {
    let servers = call.servers()?;
    anyhow::ensure!(
        servers.letters.is_some(),
        "suppressed addresses are kept in PostgreSQL; set postgres.url (MILLGATE_POSTGRES_URL)"
    );
    Ok(Suppressions::new(servers.database))
}

pub(super) async fn suppress(call: Call, address: &str, reason: Suppression, note: &str) -> anyhow::Result<Outcome> {
    if !address.contains('@') {
        return Ok(Outcome::Misunderstood(format!("{address:?} is no address; it looks like ada@example.org")));
    }
    let json = call.json;
    let table = table(call)?;
    table.suppress(address, reason, note).await?;
    let found = table.of(address).await?;
    let reason = found.as_ref().map_or(reason, |found| found.reason);
    let text = if json { format!("{:#}\n", json!(found)) } else { format!("{address} is suppressed: {reason}\n") };
    answer::write(&text)?;
    Ok(Outcome::Well)
}

pub(super) async fn unsuppress(call: Call, address: &str) -> anyhow::Result<Outcome> {
    let json = call.json;
    let was = table(call)?.unsuppress(address).await?;
    let text = match (json, was) {
        (true, was) => format!("{}\n", json!({ "address": address, "was_suppressed": was })),
        (false, true) => format!("mail goes to {address} again\n"),
        (false, false) => format!("{address} was not suppressed\n"),
    };
    answer::write(&text)?;
    Ok(if was { Outcome::Well } else { Outcome::NotWell })
}

pub(super) async fn list(
    call: Call,
    address: Option<String>,
    reason: Option<Suppression>,
    most: u32,
) -> anyhow::Result<Outcome> {
    let json = call.json;
    let table = table(call)?;
    let found = match &address {
        Some(address) => table.of(address).await?.into_iter().collect(),
        None => table.list(reason, most).await?,
    };
    let text = if json {
        format!("{:#}\n", json!(found))
    } else if found.is_empty() {
        address.map_or_else(|| "no address is suppressed\n".to_owned(), |address| format!("mail goes to {address}\n"))
    } else {
        let line = |it: &millgate_workers::email::Suppressed| {
            let since = it.suppressed_at.to_rfc3339_opts(SecondsFormat::Secs, true);
            format!("{since}  {:<12} {:<36} {}\n", it.reason.to_string(), it.address, it.note)
        };
        found.iter().map(line).collect()
    };
    answer::write(&text)?;
    Ok(Outcome::Well)
}
