//! Who may do what to the tables.

use millgate_streams::Audit;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::rig::{Rig, refused};

#[tokio::test]
async fn nothing_is_changed_or_taken_away_not_even_by_the_owner() {
    let rig = Rig::fresh(1).await;
    rig.order(0, 0).await;
    rig.record(Audit::default(), 1).await;
    let mut connection = rig.database.pool().acquire().await.unwrap();
    let table: String = sqlx::query_scalar("SELECT tableoid::regclass::text FROM audit_logs")
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    for statement in [
        "UPDATE audit_logs SET user_id = 'bob'".to_owned(),
        "DELETE FROM audit_logs".into(),
        "TRUNCATE audit_logs".into(),
        format!("UPDATE {table} SET user_id = 'bob'"),
        format!("DELETE FROM {table}"),
        format!("TRUNCATE {table}"),
        "DELETE FROM audit_chains".into(),
        "TRUNCATE audit_chains CASCADE".into(),
        "TRUNCATE audit_anchors".into(),
    ] {
        let said = refused(&statement, &mut connection).await;
        assert!(said.contains("the audit log is append-only"), "{statement}: {said}");
    }
    for back in
        ["number = 0", "hash = ''", "topic = 'x', number = number + 1", "number = number + 1, recorded_at = 'epoch'"]
    {
        let said = refused(&format!("UPDATE audit_chains SET {back}"), &mut connection).await;
        assert!(said.contains("only grows"), "{back}: {said}");
    }
    assert_eq!(rig.findings().await, []);
}

/// A role of a test's own, with the rights that the documentation says.
struct Role {
    name: String,
    schema: String,
}

impl Role {
    async fn make(rig: &Rig) -> Self {
        let schema = rig.database.schema().to_owned();
        let role = Self { name: format!("writer_{}", uuid::Uuid::new_v4().simple()), schema };
        let grants = role.sql(crate::documented::block("CREATE ROLE"));
        sqlx::raw_sql(AssertSqlSafe(grants)).execute(rig.database.pool()).await.unwrap();
        role
    }

    fn sql(&self, text: &str) -> String {
        text.replace("millgate_audit", &self.name).replace("SCHEMA public", &format!("SCHEMA \"{}\"", self.schema))
    }
}

#[tokio::test]
async fn a_writer_needs_no_more_than_to_insert_and_select() {
    let rig = Rig::fresh(1).await;
    let role = Role::make(&rig).await;
    let name = role.name.clone();
    let options = (*rig.database.pool().connect_options()).clone();
    let pool = sqlx::postgres::PgPoolOptions::new()
        .max_connections(3)
        .after_connect(move |connection, _| {
            let become_it = format!("SET ROLE {name}");
            Box::pin(async move {
                sqlx::raw_sql(AssertSqlSafe(become_it)).execute(connection).await?;
                Ok(())
            })
        })
        .connect_with(options)
        .await
        .unwrap();
    rig.order(0, 0).await;
    let running = rig.start_on(Audit::default(), pool.clone());
    rig.until(1).await;
    rig.order(0, 1).await;
    rig.until(2).await;
    running.end().await;
    let mut connection = pool.acquire().await.unwrap();
    for statement in [
        "UPDATE audit_logs SET user_id = 'bob'",
        "DELETE FROM audit_logs",
        "TRUNCATE audit_logs",
        "ALTER TABLE audit_logs DISABLE TRIGGER ALL",
        "DROP TABLE audit_logs",
        "DELETE FROM audit_chains",
        "UPDATE audit_chains SET epoch = 2, number = number + 1",
        "INSERT INTO audit_anchors (chain, number, hash, month) SELECT id, 1, '', now() FROM audit_chains",
        "SET session_replication_role = replica",
    ] {
        let said = refused(statement, &mut connection).await;
        assert!(said.contains("permission denied") || said.contains("must be owner"), "{statement}: {said}");
    }
    connection.close().await.unwrap();
    pool.close().await;
    assert_eq!(rig.findings().await, []);
    let mut owner: PgConnection = PgConnection::connect(&rig.database.url()).await.unwrap();
    let drop = format!("DROP OWNED BY {0}; DROP ROLE {0}", role.name);
    sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut owner).await.unwrap();
}
