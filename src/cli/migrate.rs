//! `millgate migrate`.

use super::{Call, Outcome};

pub(super) async fn run(call: Call) -> anyhow::Result<Outcome> {
    let json = call.json;
    let servers = call.servers()?;
    let migrations = servers.migrate().await?;
    if json {
        println!("{}", serde_json::json!({ "migrations": migrations }));
    } else if servers.letters.is_none() {
        println!(
            "this application keeps nothing in a database; if its dead letters, its outbox and its trail are to be kept in one: set \
             postgres.url (MILLGATE_POSTGRES_URL)"
        );
    } else {
        println!("{migrations} migrations are in the database");
    }
    Ok(Outcome::Well)
}
