//! The example, as README has it run.

use millgate_testkit::{Binary, Folder};

use crate::shop::PATIENCE;

#[tokio::test(flavor = "multi_thread")]
async fn an_application_without_a_database_says_where_its_dead_letters_are() {
    let folder = Folder::new("example");
    let parcels = Binary::example("parcels").folder(folder.path()).args(["dlq", "list"]).spawn();
    let status = parcels.wait_exit(PATIENCE).await;
    let said = parcels.output();
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(
        said.contains("only on their topic (dead-letter-queue); set postgres.url (MILLGATE_POSTGRES_URL)"),
        "{said}"
    );
}

#[cfg(feature = "embedded")]
#[tokio::test(flavor = "multi_thread")]
async fn an_application_of_ones_own_runs_its_event_job_route_and_handler() {
    let folder = Folder::new("example");
    let parcels = Binary::example("parcels").folder(folder.path()).args(["dev", "--demo"]).spawn();
    let status = parcels.wait_exit(PATIENCE).await;
    let said = parcels.output();
    assert!(status.success(), "{said}");
    assert!(said.contains("tracking parcel 1 (attempt 1)"), "{said}");
    assert!(said.contains("ok    jobs:   1 enqueued = 1 done"), "{said}");
}
