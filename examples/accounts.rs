//! Users as what happened to them: created, their addresses changed. `docs/event-store.md` tells of it.
//!
//! `cargo run --example accounts -- migrate`, `… -- topics apply`; then `… -- bridge`, `… -- worker --queues accounts`,
//! `… -- relay` and `… -- projections run`, each as a process, and `… -- publish examples/users.jsonl`.

use std::process::ExitCode;

use millgate::{
    Aggregate, App, BoxError, CommandError, Commands, Ctx, Done, Event, EventSet, EventStore, Job, JobError, Metadata,
    Projection, Snapshots, StoredEvent, on,
};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

/// What may happen to a user. All of it goes to one topic, so that Kafka has it in its order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(type = "user.created", topic = "user.events", key = "id")]
pub struct UserCreated {
    /// The user.
    pub id: String,
    /// Their first address.
    pub email: String,
    /// Their name.
    pub name: String,
}

/// They have another address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(type = "user.email_changed", topic = "user.events", key = "id")]
pub struct EmailChanged {
    /// The user.
    pub id: String,
    /// The new address.
    pub new_email: String,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, EventSet)]
pub enum UserEvent {
    /// See there.
    Created(UserCreated),
    /// See there.
    EmailChanged(EmailChanged),
}

/// A user as events have made them.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// `None`: there is no such user.
    pub email: Option<String>,
    /// Their name.
    pub name: String,
}

/// What may be asked.
pub enum UserCommand {
    /// Become a user.
    Create(UserCreated),
    /// Have another address.
    ChangeEmail(EmailChanged),
}

/// Why it may be refused.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum UserRefusal {
    /// There is one.
    #[error("there is such a user already")]
    Exists,
    /// There is none.
    #[error("there is no such user")]
    Unknown,
}

impl Aggregate for User {
    const CATEGORY: &'static str = "user";
    const SNAPSHOTS: Snapshots = Snapshots::every(100);
    type Event = UserEvent;
    type Command = UserCommand;
    type Refusal = UserRefusal;

    fn apply(&mut self, event: &UserEvent) {
        match event {
            UserEvent::Created(created) => {
                self.email = Some(created.email.clone());
                self.name.clone_from(&created.name);
            }
            UserEvent::EmailChanged(changed) => self.email = Some(changed.new_email.clone()),
        }
    }

    fn handle(&self, command: &UserCommand) -> Result<Vec<UserEvent>, UserRefusal> {
        match (command, &self.email) {
            (UserCommand::Create(_), Some(_)) => Err(UserRefusal::Exists),
            (UserCommand::Create(created), None) => Ok(vec![created.clone().into()]),
            (UserCommand::ChangeEmail(_), None) => Err(UserRefusal::Unknown),
            // It is theirs already: nothing happens.
            (UserCommand::ChangeEmail(changed), Some(email)) if changed.new_email == *email => Ok(Vec::new()),
            (UserCommand::ChangeEmail(changed), Some(_)) => Ok(vec![changed.clone().into()]),
        }
    }
}

/// Users by address, for whoever has to find them by it.
pub struct UsersByEmail;

impl Projection for UsersByEmail {
    const NAME: &'static str = "users_by_email";

    fn wants(&self) -> Vec<&'static str> {
        UserEvent::types()
    }

    async fn create(&self, database: &mut PgConnection) -> Result<(), BoxError> {
        let create = "CREATE TABLE users_by_email (id TEXT PRIMARY KEY, email TEXT NOT NULL, changes BIGINT NOT NULL)";
        sqlx::raw_sql(create).execute(&mut *database).await?;
        sqlx::raw_sql("CREATE INDEX users_by_email_email ON users_by_email (email)").execute(database).await?;
        Ok(())
    }

    async fn apply(&self, database: &mut PgConnection, event: &StoredEvent) -> Result<(), BoxError> {
        match event.decode::<UserEvent>()? {
            Some(UserEvent::Created(created)) => {
                let insert = sqlx::query("INSERT INTO users_by_email VALUES ($1, $2, 0)");
                insert.bind(created.id).bind(created.email).execute(database).await?;
            }
            Some(UserEvent::EmailChanged(changed)) => {
                let update = "UPDATE users_by_email SET email = $2, changes = changes + 1 WHERE id = $1";
                sqlx::query(update).bind(changed.id).bind(changed.new_email).execute(database).await?;
            }
            None => {}
        }
        Ok(())
    }
}

/// Somebody came to a form: they want to be a user, or have another address.
#[derive(Serialize, Deserialize, Event)]
#[event(type = "user.wanted", key = "id")]
pub struct UserWanted {
    id: String,
    email: String,
    name: String,
}

/// Do so, for one user in the order in which they came.
#[derive(Serialize, Deserialize, Job)]
#[job(queue = "accounts", ordered_by = "id")]
pub struct KeepUser {
    id: String,
    email: String,
    name: String,
}

/// A job may run twice. Its id goes along, so that what it came to is there once.
async fn keep_user(job: KeepUser, ctx: Ctx) -> Result<Done, JobError> {
    let users: Commands<User> = Commands::new(ctx.state::<EventStore>()?.clone());
    let KeepUser { id, email, name } = job;
    let by = Metadata::default().by("form").once(&ctx.job_id);
    let create = UserCommand::Create(UserCreated { id: id.clone(), email: email.clone(), name });
    match users.execute_as(&id, &create, &by).await {
        Err(CommandError::Refused(UserRefusal::Exists)) => {
            let change = UserCommand::ChangeEmail(EmailChanged { id: id.clone(), new_email: email });
            users.execute_as(&id, &change, &by).await?;
        }
        created => drop(created?),
    }
    Ok(Done)
}

fn main() -> ExitCode {
    App::new("accounts")
        .event::<UserCreated>()
        .event::<EmailChanged>()
        .route(on::<UserWanted>().enqueue(|e| KeepUser {
            id: e.id.clone(),
            email: e.email.clone(),
            name: e.name.clone(),
        }))
        .worker(keep_user)
        .projection(UsersByEmail)
        .main()
}
