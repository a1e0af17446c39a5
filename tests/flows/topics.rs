//! Topics as code: `topics.yaml`, planned and applied.

use millgate_testkit::Folder;

use crate::shop::{PATIENCE, Shop};

struct File(Folder);

impl File {
    fn write(&self, text: &str) -> String {
        let path = self.0.path().join("topics.yaml");
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

async fn end(shop: &Shop, arguments: &[&str]) -> (Option<i32>, String) {
    let child = shop.start(arguments);
    let status = child.wait_exit(PATIENCE).await;
    (status.code(), child.output())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_planned_and_applied_and_nothing_is_lost_unasked() {
    let shop = Shop::open("topics-file").await;
    let folder = File(Folder::new("topics-file"));
    shop.kafka.create("forgotten", 1).await;
    let file = folder.write(
        "audit-logs:\n  partitions: 2\n  retention: 365 days\n  min_insync_replicas: 1\norder.created:\n  retention: 1h\n  partitions: 4\n",
    );
    let (plan, check) = (["topics", "plan", "--file", &file], ["topics", "plan", "--check", "--file", &file]);
    let said = shop.run(&plan).await;
    let lines = [
        "+ audit-logs  partitions=2 replication=1 retention.ms=31536000000 cleanup.policy=delete min.insync.replicas=1",
        "~ order.created  partitions: 3 -> 4 (keys move to other partitions)",
        "~ order.created  retention.ms: 604800000 -> 3600000 (7days -> 1h)",
        "    loses records that are older than 1h",
    ];
    for line in lines {
        assert!(said.lines().any(|said| said == line), "{line}: {said}");
    }
    assert!(said.contains(&format!("not in the file: {}", shop.kafka.name("forgotten"))), "{said}");
    assert_eq!(end(&shop, &check).await.0, Some(1), "there is something to do");

    // What is harmless is done, the rest is told.
    let (code, said) = end(&shop, &["topics", "apply", "--file", &file]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("2 changes made") && said.contains("1 not made, since records would be lost"), "{said}");
    let (code, left) = end(&shop, &["topics", "plan", "--json", "--file", &file]).await;
    let left: serde_json::Value = serde_json::from_str(&left).unwrap();
    assert_eq!((code, left["changes"].as_array().unwrap().len()), (Some(0), 1), "{left}");
    assert_eq!(left["losing"][0]["loses"], "records that are older than 1h");
    shop.run(&["topics", "apply", "--allow-data-loss", "--file", &file]).await;
    let (code, said) = end(&shop, &check).await;
    assert!(code == Some(0) && said.ends_with("topics are as they should be"), "{said}");
    assert_eq!(shop.kafka.ends("order.created").await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_here_is_told_and_removal_is_asked_for_twice() {
    let shop = Shop::open("topics-file").await;
    let folder = File(Folder::new("topics-file"));
    shop.kafka.create("forgotten", 1).await;
    let file = folder.write("forgotten:\n  remove: true\norder.created:\n  replication: 3\n  compaction: true\n");
    let (code, said) = end(&shop, &["topics", "apply", "--file", &file]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("! order.created  replication: 1, wanted 3; copies are moved by"), "{said}");
    assert!(said.contains("loses all records of a key but the newest"), "{said}");
    assert!(said.contains("- forgotten\n    loses all records of the topic"), "{said}");
    let there = async || shop.run(&["topics", "list"]).await.contains(&shop.kafka.name("forgotten"));
    assert!(there().await);
    let file = folder.write("forgotten:\n  remove: true\n");
    shop.run(&["topics", "apply", "--allow-data-loss", "--file", &file]).await;
    assert!(!there().await);

    let needed = folder.write("order.created:\n  remove: true\n");
    let (code, said) = end(&shop, &["topics", "plan", "--file", &needed]).await;
    assert!(code == Some(2) && said.contains("the application's events need it"), "{said}");
    let broken = folder.write("a:\n  partitions: 1\nb:\n  retention: 3 dys\n");
    let (code, said) = end(&shop, &["topics", "plan", "--file", &broken]).await;
    assert!(code == Some(2) && said.contains("topics.yaml:4: `3 dys` is no retention"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kafka_could_not_make_is_refused_in_the_plan_and_a_misspelt_name_is_told() {
    let mut shop = Shop::open("topics-file").await;
    let folder = File(Folder::new("topics-file"));
    let config = folder.0.path().join("millgate.toml");
    std::fs::write(&config, "[topics.\"order.craeted\"]\npartitions = 9\n[topics.\"order.created\"]\npartitions = 3\n")
        .unwrap();
    shop.set("MILLGATE_CONFIG", config.to_str().unwrap());
    let file = folder.write("copied:\n  replication: 3\nplain:\n  partitions: 1\n");
    let refused = "! copied  replication: 3 wanted, brokers that are up: 1; each copy needs one of its own";
    let (code, said) = end(&shop, &["topics", "plan", "--file", &file]).await;
    assert!(code == Some(0) && said.contains(refused) && said.contains("+ plain  partitions=1"), "{said}");
    let warning = "warning: [topics.\"order.craeted\"] has no effect: no route or event of this application is on a topic of that \
                   name; did you mean order.created?";
    assert!(said.contains(warning) && said.matches("warning: ").count() == 1, "{said}");
    let (code, said) = end(&shop, &["topics", "plan", "--check", "--file", &file]).await;
    assert_eq!(code, Some(1), "{said}");
    let (code, said) = end(&shop, &["topics", "apply", "--file", &file]).await;
    assert!(code == Some(1) && said.contains(refused) && said.contains("1 changes made"), "{said}");
    let there = shop.run(&["topics", "list"]).await;
    assert!(there.contains(&shop.kafka.name("plain")) && !there.contains(&shop.kafka.name("copied")), "{there}");
}
