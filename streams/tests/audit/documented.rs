//! What the documentation gives auditors comes to the same.

use millgate_streams::Audit;
use sqlx::{AssertSqlSafe, Row};

use crate::rig::{Rig, headers};

const PAGE: &str = include_str!("../../../docs/audit.md");

/// The SQL of the page that has these words in it.
pub(crate) fn block(words: &str) -> &'static str {
    let mut blocks = PAGE.split("```sql\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.find(|sql| sql.contains(words)).unwrap_or_else(|| panic!("docs/audit.md has no SQL with {words}"))
}

#[tokio::test]
async fn the_sql_of_the_page_computes_the_same_hashes() {
    let rig = Rig::fresh(2).await;
    for number in 0..9 {
        rig.order(i32::try_from(number % 2).unwrap(), number).await;
    }
    let odd = [
        headers("order.failed", "odd").as_slice(),
        &[("ce_time", "1969-12-31T23:59:59.123456Z"), ("audit-user", "Zoë 🦀")],
    ]
    .concat();
    rig.kafka.put("orders", 0, None, Some(b"\xff\x00"), &odd).await;
    rig.kafka.put("orders", 0, None, None, &headers("order.created", "gone")).await;
    rig.record(Audit::default().user("customer.id"), 11).await;
    let (functions, query) = (block("CREATE FUNCTION pg_temp"), block("sha256(previous"));
    let wrong = async || {
        let mut connection = rig.database.pool().acquire().await.unwrap();
        sqlx::raw_sql("DISCARD TEMP").execute(&mut *connection).await.unwrap();
        sqlx::raw_sql(functions).execute(&mut *connection).await.unwrap();
        let rows = sqlx::raw_sql(AssertSqlSafe(query)).fetch_all(&mut *connection).await.unwrap();
        rows.iter().map(|row| row.get::<i64, _>("number")).collect::<Vec<_>>()
    };
    assert_eq!(wrong().await, [0_i64; 0]);
    rig.tamper("UPDATE audit_logs SET error = 'nothing' WHERE event_id = 'odd'").await;
    assert_eq!(wrong().await.len(), 1);
    assert_eq!(rig.findings().await.len(), 1);
}
