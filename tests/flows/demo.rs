//! `make demo`, as its users run it: on servers in memory, and on real ones.

use millgate_testkit::{Binary, Child};

use crate::shop::{PATIENCE, Shop};

async fn check(demo: &Child) {
    let status = demo.wait_exit(2 * PATIENCE).await;
    let said = demo.output();
    assert!(status.success(), "{status}: {said}");
    for balance in
        ["ok    events:", "ok    jobs:", "ok    dead:", "ok    sagas:  4 begun = 2 completed + 2 compensated"]
    {
        assert!(said.contains(balance), "{said}");
    }
    for reason in ["not_json", "unknown_type", "smtp_550"] {
        assert!(said.contains(&format!(": {reason}: ")), "{reason}: {said}");
    }
    // Of 25 orders one is for more than there is; what is paid, cancelled and neither makes up the rest. The order of the saga
    // that was taken back is cancelled, too.
    assert!(said.contains("sales      12 committed · 1 rejected · 7 released · 6 reserved"), "{said}");
    // One order for 4990 and one booking for 2400; two seats.
    assert!(said.contains("money      92610 in wallets + 7390 paid = 100000 · 2 seats taken"), "{said}");
}

#[cfg(feature = "embedded")]
#[tokio::test(flavor = "multi_thread")]
async fn the_demo_balances_on_servers_in_memory() {
    let folder = millgate_testkit::Folder::new("demo");
    let demo = Binary::new(env!("CARGO_BIN_EXE_millgate")).folder(folder.path()).args(["dev", "--demo"]).spawn();
    check(&demo).await;
    assert!(demo.output().contains("in memory, nothing is kept"));
    assert!(demo.output().contains("ok    mails:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_balances_on_real_servers_and_its_mails_are_there() {
    let shop = Shop::open("demo").await;
    check(&shop.start(&["dev", "--demo"])).await;
    assert_eq!(shop.smtp.mails_to("refused@mail.example").len(), 0);
    assert_eq!(shop.smtp.mails_to("later@mail.example").len(), 1);
    let welcomed = (0..12).filter(|number| {
        let mails = shop.smtp.mails_to(&format!("customer-{number}@mail.example"));
        mails.iter().any(|mail| mail.subject().contains("Welcome"))
    });
    assert_eq!(welcomed.count(), 12);
}
