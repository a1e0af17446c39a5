//! `millgate migrate`.

use super::{Call, Outcome};

pub(super) async fn run(call: Call) -> anyhow::Result<Outcome> {
    let json = call.json;
    let migrations = call.servers()?.migrate().await?;
    if json {
        println!("{}", serde_json::json!({ "migrations": migrations }));
    } else {
        println!("{migrations} migrations are in the database");
    }
    Ok(Outcome::Well)
}
