//! Topics as they should be, and as they are.

use std::time::Duration;

use millgate_events::{TopicChange, TopicSpec, describe};
use millgate_testkit::{KafkaSpace, wait_until};

use crate::bench::SOON;

fn spec(name: &str, partitions: usize) -> TopicSpec {
    TopicSpec {
        name: name.into(),
        partitions,
        replication: 1,
        retention: Some(Duration::from_hours(24)),
        compaction: false,
        min_insync_replicas: None,
    }
}

#[tokio::test]
async fn what_is_planned_and_applied_is_there() {
    let space = KafkaSpace::fresh("topics");
    let admin = space.admin();
    let wanted = [spec("a", 3), TopicSpec { compaction: true, retention: None, ..spec("b", 1) }];
    let plan = admin.plan(&wanted).await.unwrap();
    assert_eq!(plan, wanted.clone().map(TopicChange::Create));
    assert_eq!(plan[0].to_string(), "+ a  partitions=3 replication=1 retention.ms=86400000 cleanup.policy=delete");
    admin.apply(&plan).await.unwrap();
    let nothing_left = async || admin.plan(&wanted).await.unwrap().is_empty();
    wait_until("there is nothing left to do", SOON, nothing_left).await;
    let topics = admin.list().await.unwrap();
    let there: Vec<_> = topics.iter().map(|topic| (topic.name.as_str(), topic.partitions)).collect();
    assert_eq!(there, [(&*space.name("a"), 3), (&*space.name("b"), 1)]);
    // Two deployments at once: the second finds it done.
    admin.apply(&plan).await.unwrap();
}

#[tokio::test]
async fn partitions_are_added_and_never_taken() {
    let space = KafkaSpace::fresh("topics");
    let admin = space.admin();
    admin.apply(&[TopicChange::Create(spec("a", 2))]).await.unwrap();
    let planned = async |partitions| admin.plan(&[spec("a", partitions)]).await.unwrap();
    let more = [TopicChange::AddPartitions { name: "a".into(), from: 2, to: 5 }];
    wait_until("the topic is known", SOON, async || planned(5).await == more).await;
    admin.apply(&more).await.unwrap();
    wait_until("they are added", SOON, async || planned(5).await.is_empty()).await;
    let fewer = planned(1).await;
    assert_eq!(fewer, [TopicChange::TooManyPartitions { name: "a".into(), has: 5, wants: 1 }]);
    assert!(!fewer[0].can_be_applied() && more[0].can_be_applied());
    admin.apply(&fewer).await.unwrap();
    assert_eq!(planned(5).await, []);
}

#[tokio::test]
async fn a_setting_that_differs_is_set_and_others_are_left_alone() {
    let space = KafkaSpace::fresh("topics");
    let admin = space.admin();
    admin.apply(&[TopicChange::Create(spec("a", 1))]).await.unwrap();
    let set = |setting, from: &str, to: &str| TopicChange::Set {
        name: "a".into(),
        setting,
        from: from.into(),
        to: to.into(),
    };
    let forever = TopicSpec { retention: None, ..spec("a", 1) };
    let planned = async |spec: &TopicSpec| admin.plan(std::slice::from_ref(spec)).await.unwrap();
    let plan = [set("retention.ms", "86400000", "-1")];
    wait_until("the topic is known", SOON, async || planned(&forever).await == plan).await;
    assert_eq!(plan[0].to_string(), "~ a  retention.ms: 86400000 -> -1 (1day -> for ever)");
    admin.apply(&plan).await.unwrap();
    wait_until("it is set", SOON, async || planned(&forever).await.is_empty()).await;

    let compacted = TopicSpec { compaction: true, ..forever.clone() };
    let plan = planned(&compacted).await;
    assert_eq!(plan, [set("cleanup.policy", "delete", "compact")]);
    admin.apply(&plan).await.unwrap();
    // The retention that was set before is still what it was set to.
    wait_until("it is set", SOON, async || planned(&compacted).await.is_empty()).await;
}

#[tokio::test]
async fn copies_in_sync_are_set_with_the_rest_and_removal_is_a_change() {
    let space = KafkaSpace::fresh("topics");
    let admin = space.admin();
    let first = TopicSpec { min_insync_replicas: Some(1), ..spec("a", 1) };
    admin.apply(&[TopicChange::Create(first.clone())]).await.unwrap();
    assert_eq!(admin.plan(&[first]).await.unwrap(), []);
    // Two settings of one topic: neither takes the other back.
    let second = TopicSpec { min_insync_replicas: Some(2), retention: None, ..spec("a", 1) };
    let plan = admin.plan(std::slice::from_ref(&second)).await.unwrap();
    assert_eq!(plan.len(), 2, "{plan:?}");
    admin.apply(&plan).await.unwrap();
    assert_eq!(admin.plan(&[second]).await.unwrap(), [], "seen when it returns");
    // What is not said is left alone.
    assert_eq!(admin.plan(&[TopicSpec { retention: None, ..spec("a", 1) }]).await.unwrap(), []);

    let three = TopicSpec { replication: 3, retention: None, ..spec("a", 1) };
    let copies = admin.plan(&[three]).await.unwrap();
    assert_eq!(copies, [TopicChange::Replicate { name: "a".into(), has: 1, wants: 3 }]);
    assert!(!copies[0].can_be_applied() && copies[0].to_string().contains("kafka-reassign-partitions.sh"));

    let removal = admin.plan_removal(&["a".into(), "never-there".into()]).await.unwrap();
    assert_eq!(removal, [TopicChange::Remove { name: "a".into() }]);
    admin.apply(&removal).await.unwrap();
    assert_eq!(admin.list().await.unwrap(), []);
}

#[tokio::test]
async fn what_cannot_be_is_refused_in_words() {
    let space = KafkaSpace::fresh("topics");
    let wanted = TopicSpec { replication: 3, ..spec("a", 1) };
    let error = space.admin().apply(&[TopicChange::Create(wanted)]).await.unwrap_err().to_string();
    assert!(error.contains(&space.name("a")) && error.contains("replication"), "{error}");
}

#[tokio::test]
async fn a_cluster_says_who_it_is() {
    let space = KafkaSpace::fresh("topics");
    space.create("a", 2).await;
    let info = describe(&space.config(), SOON).await.unwrap();
    assert_eq!(info.brokers.len(), 1);
    assert!(info.topics.contains(&(space.name("a"), 2)));
    let nowhere = millgate_testkit::free_port();
    let config = millgate_events::KafkaConfig { brokers: format!("127.0.0.1:{nowhere}"), ..space.config() };
    let error = describe(&config, Duration::from_millis(500)).await.unwrap_err();
    assert!(error.to_string().contains(&format!("no Kafka broker answers at 127.0.0.1:{nowhere}")), "{error}");
    assert!(error.is_transient());
}
