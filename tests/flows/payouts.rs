//! Payouts, from a closed billing cycle to Prima's books.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use local_world::{Function, World};
use serde_json::{Value, json};

use crate::{options, text, uk, world};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A shop that has lived through a month: its one billing cycle is closed, and paid out.
async fn billed(world: &World) -> String {
    let shop = uk(world).shop_id;
    let now = Timestamp::now();
    let past = json!({
        "from": now - 34 * DAY, "to": now, "seed": 7,
        "shops": [{
            "shop_id": shop, "pay_method": "Marketplace", "orders": 30, "cancel_share": 0.1, "refund_share": 0.2,
            "billing": {"subscription": "39.00", "payout_seconds": 3600}, "closes": [now - DAY],
        }],
    });
    world.mirakl().post("past", &past).await.unwrap();
    let books = world.mirakl().get(&format!("shops/{shop}/ledger")).await.unwrap();
    let cycles = books["cycles"].as_array().unwrap();
    assert_eq!(cycles.len(), 1, "{cycles:?}");
    // The rules of the seed, but for when.
    let directory = world.deployment().aws().directory().join("payout-rules.json");
    let rules = json!({
        "payouts_from": now - 40 * DAY, "daily_at": "00:00:00", "journal": "service", "wait_for_documents_days": 0,
    });
    std::fs::write(&directory, rules.to_string()).unwrap();
    let file = directory.to_string_lossy().into_owned();
    operator(world, &["payout-rules", "put", &uk(world).id, &file]).await;
    text(&cycles[0], "id").to_owned()
}

async fn operator(world: &World, arguments: &[&str]) -> String {
    let author = ["--author", "Ann Field"];
    let arguments: Vec<&str> = arguments.iter().chain(&author).copied().collect();
    world.deployment().operator(&arguments, "").await.unwrap()
}

/// As if the rows had been written so much earlier: two readings that end a cycle are an hour apart.
async fn wait_an_hour(world: &World) {
    let deployment = world.deployment();
    let table = deployment.output("PayoutsTableName").unwrap();
    let items = deployment.aws().call("dynamodb", "scan", json!({"TableName": table})).await.unwrap();
    for item in items["Items"].as_array().unwrap() {
        let mut document: Value = serde_json::from_str(text(&item["document"], "S")).unwrap();
        let Some(readings) = document["readings"].as_array_mut() else { continue };
        for reading in readings {
            let at: Timestamp = text(reading, "at").parse().unwrap();
            reading["at"] = json!(at - Duration::from_secs(3700));
        }
        let mut item = item.clone();
        item["document"] = json!({"S": document.to_string()});
        let request = json!({"TableName": table, "Item": item});
        deployment.aws().call("dynamodb", "put_item", request).await.unwrap();
    }
}

async fn journals(world: &World) -> Vec<Value> {
    world.prima().get("books").await.unwrap()["journals"].as_array().cloned().unwrap()
}

async fn until(world: &World, what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds().await {
        if Instant::now() > deadline {
            let mut told: Vec<String> = Vec::new();
            for function in [Function::ReconcilePayouts, Function::PostJournals] {
                let logs = world.deployment().function_logs(function).await.unwrap();
                told.extend(logs.into_iter().rev().take(12));
            }
            panic!("{what}: still not so; {told:#?}");
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// Read, tied, approved and posted; and the same message again changes nothing.
#[tokio::test]
async fn a_cycle_that_ties_is_in_primas_books_once() {
    let world = world(options("payouts-day")).await;
    let cycle = billed(&world).await;
    let deployment = world.deployment();
    let said = deployment.reconcile().await.unwrap();
    assert_eq!((&said["failed"], &said["tied"]), (&json!(0), &json!(0)), "{said}");
    wait_an_hour(&world).await;
    let said = deployment.reconcile().await.unwrap();
    let shown = operator(&world, &["payouts", "show", &cycle]).await;
    assert_eq!((&said["failed"], &said["tied"]), (&json!(0), &json!(1)), "{said}\n{shown}");
    assert!(shown.contains("waiting for approval"), "{shown}");
    assert_eq!(journals(&world).await, Vec::<Value>::new(), "nobody has approved it");
    assert!(operator(&world, &["payouts", "explain", &cycle]).await.contains("nothing to explain"));
    let previewed = operator(&world, &["payouts", "preview", &cycle, "--json"]).await;
    let previewed: Value = serde_json::from_str(&previewed).unwrap();

    operator(&world, &["payouts", "approve", &cycle, "--yes", "--note", "looked at"]).await;
    deployment.reconcile().await.unwrap();
    until(&world, "the journal is in Prima", async || !journals(&world).await.is_empty()).await;
    let posted = journals(&world).await;
    let reference = text(&previewed[0]["journal"], "reference");
    assert_eq!(text(&posted[0]["journal"], "reference"), reference);
    let is_told = async || {
        let shown = operator(&world, &["payouts", "show", &cycle]).await;
        shown.contains(": posted,") && shown.contains("approved by Ann Field")
    };
    until(&world, "the row says so", is_told).await;

    // The same message once more.
    let rows = deployment.items("PayoutsTableName").await.unwrap();
    let row = rows.iter().map(|item| &item["document"]).find(|row| row["journals"].is_array()).unwrap();
    let message = json!({"cycle": row["key"], "name": row["journals"][0]["name"]});
    deployment.send_to_journals_queue(&message.to_string()).await.unwrap();
    let is_idle = async || deployment.journal_queue_depths().await.unwrap().is_idle();
    until(&world, "the queue is empty", is_idle).await;
    deployment.reconcile().await.unwrap();
    until(&world, "the queue is empty", is_idle).await;
    assert_eq!(journals(&world).await.len(), 1, "once in Prima's books");
    let listed = operator(&world, &["payouts", "list", "--all", "--json", "--channel", &uk(&world).id]).await;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["cycles"][0]["exceptions"], json!([]), "{listed}");
}
