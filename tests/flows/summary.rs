//! What the shop mails of a day.

use chrono::{TimeDelta, Timelike, Utc};
use millgate_testkit::wait_until;

use crate::shop::{PATIENCE, Shop};

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "the day before is that of the clock")]
async fn at_night_the_shop_mails_what_it_did_the_day_before() {
    let mut shop = Shop::open("summary").await;
    shop.set("MILLGATE_SHOP_SUMMARY_TO", "boss@mail.example");
    // Where it is noon now: the day must not change meanwhile. West of Greenwich these zones have a plus.
    let hour = i64::from(Utc::now().hour());
    shop.set("MILLGATE_SHOP_TIME_ZONE", format!("Etc/GMT{:+}", hour - 12));
    let _bridge = shop.start(&["bridge"]);
    let _worker = shop.start(&["worker"]);
    let yesterday = (Utc::now() - TimeDelta::days(1)).to_rfc3339();
    let long_ago = (Utc::now() - TimeDelta::days(9)).to_rfc3339();
    let payment = |order: &str, cents: u32, time: &str| {
        format!(
            r#"{{"type":"payment.created","time":"{time}","data":{{"payment_id":"p-{order}","order_id":"{order}",
            "customer_email":"{order}@mail.example","amount_cents":{cents},"currency":"EUR"}}}}"#
        )
        .replace('\n', " ")
    };
    let canceled = format!(r#"{{"type":"order.canceled","time":"{yesterday}","data":{{"order_id":"c"}}}}"#);
    let events = [payment("a", 1990, &yesterday), payment("b", 515, &yesterday), payment("c9", 7, &long_ago), canceled];
    shop.publish(&events).await;
    shop.wait_done("orders", "close-order", 4).await;

    assert!(shop.run(&["schedules", "list"]).await.contains("daily-summary"));
    shop.run(&["schedules", "run", "daily-summary"]).await;
    wait_until("the mail arrives", PATIENCE, async || !shop.smtp.mails_to("boss@mail.example").is_empty()).await;
    let mails = shop.smtp.mails_to("boss@mail.example");
    let text = format!("{:?}", mails[0]);
    assert_eq!(mails.len(), 1);
    assert!(text.contains("Orders: 2 paid, 1 canceled, 0 out of stock"), "{text}");
    assert!(text.contains("Revenue: 25.05 EUR"), "{text}");
    assert!(text.contains("Dead letters: none"), "{text}");
}
