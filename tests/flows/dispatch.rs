//! From a parcel that left Prima to a shipped order in Mirakl.

use std::time::{Duration, Instant};

use local_world::dispatches::DispatchSummary;
use local_world::seed::SeedChannel;
use local_world::{Function, World, WorldOptions};
use serde_json::{Value, json};

use crate::{in_prima, mirakl_orders, options, prima_orders, text, uk, world};

/// Prima is asked about each order in every minute, the least that there is.
fn dispatch_options(stack: &str) -> WorldOptions {
    WorldOptions {
        installation: json!({"dispatch": {"interval_minutes": 1, "quiet_interval_minutes": 1}}),
        ..options(stack)
    }
}

fn eu(world: &World) -> SeedChannel {
    world.channels()[1].clone()
}

/// One order of a channel, in Prima: its ids on both sides.
async fn one_order(world: &World, channel: &SeedChannel, lines: usize) -> (String, String) {
    let request = json!({"shop_id": channel.shop_id, "count": 1, "lines": lines});
    let order_id = world.mirakl().post("orders", &request).await.unwrap()["order_ids"][0]
        .as_str()
        .unwrap()
        .to_owned();
    world.settle(Duration::from_secs(60)).await.unwrap();
    let number = text(&in_prima(world, &order_id).await[0], "number").to_owned();
    (order_id, number)
}

async fn order(world: &World, order_id: &str) -> Value {
    mirakl_orders(world)
        .await
        .into_iter()
        .find(|order| text(order, "order_id") == order_id)
        .unwrap()
}

async fn book(world: &World, number: &str, booking: &Value) -> Value {
    world.prima().post(&format!("orders/{number}/dispatch"), booking).await.unwrap()
}

/// Runs both schedules until `holds`.
async fn run_until(world: &World, what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(150);
    while !holds().await {
        if Instant::now() > deadline {
            for function in [Function::CollectDispatches, Function::UpdateDispatches] {
                let lines = world.deployment().function_logs(function).await.unwrap();
                let told = lines.iter().filter(|line| line.contains("\"level\"")).rev().take(12);
                println!(
                    "{function:?}, latest first:\n{}",
                    told.cloned().collect::<Vec<_>>().join("\n")
                );
            }
            panic!("{what}: still not so");
        }
        world.deployment().tick().await.unwrap();
        world.deployment().collect().await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn all(
    summary: &DispatchSummary,
    of: fn(&local_world::dispatches::ParcelSummary) -> usize,
) -> usize {
    summary.channels.values().map(of).sum()
}

/// A day's parcels are each told once, and a new carrier waits until it is mapped.
#[tokio::test]
async fn a_days_parcels_go_out_once_and_new_carriers_wait() {
    let world = world(dispatch_options("dispatch-day")).await;
    for channel in world.channels().to_vec() {
        world.bring_orders(&channel, 12, false).await.unwrap();
    }
    world.settle(Duration::from_secs(120)).await.unwrap();
    let round = json!({"seed": 3, "part_share": 0.2, "several_share": 0.2, "odd_carrier_share": 0.2, "short_share": 0.2, "cancel_share": 0.05});
    world.warehouse(&round).await.unwrap();
    world.settle_parcels(Duration::from_secs(240)).await.unwrap();
    world.warehouse(&json!({"seed": 4})).await.unwrap();
    let before = world.settle_parcels(Duration::from_secs(240)).await.unwrap();
    assert!(before.is_sound(), "{before:?}");
    assert!(all(&before, |channel| channel.in_exceptions) > 0, "some carrier is new: {before:?}");
    assert!(
        all(&before, |channel| channel.short_orders) > 0,
        "something was sent short: {before:?}"
    );

    // One alert for each, with carrier, reason and remedy; and the list of what looks un-shipped.
    let exceptions = world.deployment().dispatch_exceptions().await.unwrap();
    let alerts = world.deployment().alerts().await.unwrap();
    let alerts: Vec<&Value> =
        alerts.iter().filter(|alert| alert["detail-type"] == "DispatchException").collect();
    assert_eq!(alerts.len(), exceptions.len(), "{alerts:?}");
    for alert in &alerts {
        assert!(text(&alert["detail"], "reason").contains("carrier map"), "{alert}");
        assert!(text(&alert["detail"], "remedy").contains("prima-mirakl carriers set"), "{alert}");
    }
    let list = world.deployment().operator(&["dispatches", "list"], "").await.unwrap();
    assert!(list.contains("unmapped-carrier") && list.contains("payout held back"), "{list}");
    for channel in world.channels() {
        for (carrier, option, target) in [
            ("DPD SAT BY 12", "--code", "DPD_UK"),
            ("Yodel", "--name", "Yodel"),
            ("Own lorry*", "--code", "VAN"),
        ] {
            world
                .deployment()
                .operator(&["carriers", "set", &channel.id, carrier, option, target], "")
                .await
                .unwrap();
        }
        let check =
            world.deployment().operator(&["carriers", "check", &channel.id], "").await.unwrap();
        assert!(check.contains("Every carrier that was seen"), "{check}");
    }
    // It goes on by itself, and its message leaves the dead-letter queue.
    run_until(&world, "every parcel is told", async || {
        world.parcels().await.unwrap().is_complete()
            && world.deployment().dispatch_exceptions().await.unwrap().is_empty()
    })
    .await;
    // Nothing of a customer in what both functions log.
    let customers: Vec<String> = {
        let mut names = Vec::new();
        for order in prima_orders(&world).await {
            let whole =
                world.prima().get(&format!("orders/{}", text(&order, "number"))).await.unwrap();
            names.extend(whole[0]["order"]["attributes"]["AddrLine1"].as_str().map(str::to_owned));
        }
        names
    };
    assert!(!customers.is_empty());
    for function in [Function::CollectDispatches, Function::UpdateDispatches] {
        let lines = world.deployment().function_logs(function).await.unwrap();
        assert!(!lines.is_empty());
        assert!(
            !lines.iter().any(|line| customers.iter().any(|name| line.contains(name.as_str())))
        );
    }
}

/// An order that a person ships in the back office is recognised, and its exception is closed.
#[tokio::test]
async fn a_back_office_shipment_is_noticed_and_closes_its_exception() {
    let world = world(dispatch_options("dispatch-person")).await;
    let (order_id, number) = one_order(&world, &uk(&world), 1).await;
    book(&world, &number, &json!({"carrier": "Pigeon post"})).await;
    run_until(&world, "it is an exception", async || {
        !world.deployment().dispatch_exceptions().await.unwrap().is_empty()
    })
    .await;
    assert_eq!(order(&world, &order_id).await["tracking"], Value::Null, "no mapping, no call");
    world.mirakl().post(&format!("orders/{order_id}/ship"), &json!({})).await.unwrap();
    run_until(&world, "the exception is over", async || {
        world.deployment().dispatch_exceptions().await.unwrap().is_empty()
    })
    .await;
    let shown = world
        .deployment()
        .operator(&["orders", "show", "outfitter-uk", &order_id], "")
        .await
        .unwrap();
    assert!(shown.contains("shipped in Mirakl by a person"), "{shown}");
}

/// The rest of an order is told soon after its first part went on by itself.
#[tokio::test]
async fn the_second_part_is_told_soon_after_the_first_went_alone() {
    let world = world(dispatch_options("dispatch-rest")).await;
    let (order_id, number) = one_order(&world, &eu(&world), 2).await;
    let quantity = &in_prima(&world, &order_id).await[0]["lines"][0]["quantity"];
    book(&world, &number, &json!({"carrier": "Pigeon post", "lines": [[1, quantity]]})).await;
    run_until(&world, "it is an exception", async || {
        !world.deployment().dispatch_exceptions().await.unwrap().is_empty()
    })
    .await;
    world
        .deployment()
        .operator(&["carriers", "set", "modehaus-eu", "Pigeon post", "--name", "Pigeon post"], "")
        .await
        .unwrap();
    let told = async || order(&world, &order_id).await["shipments"].as_array().map_or(0, Vec::len);
    run_until(&world, "the first part is told", async || told().await == 1).await;
    book(&world, &number, &json!({"carrier": "DPD NEXT DAY"})).await;
    // At the interval of a minute: an order that went on by itself is asked for as any other.
    run_until(&world, "the rest is told", async || told().await == 2).await;
    assert_eq!(text(&order(&world, &order_id).await, "state"), "SHIPPED");
}

/// A refused carrier code makes the list be read again, and two commands mend the map and redrive.
#[tokio::test]
async fn two_commands_mend_the_carrier_map_after_a_refused_code() {
    let world = world(dispatch_options("dispatch-refused")).await;
    let rules = world.deployment().aws().directory().join("no-resume.json");
    std::fs::write(&rules, r#"{"resume_when_mapped":false}"#).unwrap();
    world
        .deployment()
        .operator(&["dispatch-rules", "put", "modehaus-eu", &rules.to_string_lossy()], "")
        .await
        .unwrap();
    let (first, number) = one_order(&world, &eu(&world), 1).await;
    book(&world, &number, &json!({"carrier": "DPD NEXT DAY"})).await;
    run_until(&world, "it is shipped", async || {
        text(&order(&world, &first).await, "state") == "SHIPPED"
    })
    .await;
    // The marketplace renames the carrier: what was read before is wrong from now on.
    let mut settings = world.mirakl().get("settings").await.unwrap();
    for carrier in settings["carriers"].as_array_mut().unwrap() {
        if carrier["code"] == "DPD_UK" {
            carrier["code"] = json!("DPD_GB");
        }
    }
    world.mirakl().put("settings", &settings).await.unwrap();
    let (second, number) = one_order(&world, &eu(&world), 1).await;
    book(&world, &number, &json!({"carrier": "DPD NEXT DAY", "consignment": "15509999"})).await;
    run_until(&world, "it is an exception", async || {
        !world.deployment().dispatch_exceptions().await.unwrap().is_empty()
    })
    .await;
    let exception = world.deployment().dispatch_exceptions().await.unwrap().remove(0);
    assert_eq!(exception.attributes["order"], second);
    world
        .deployment()
        .operator(&["carriers", "set", "modehaus-eu", "DPD NEXT DAY", "--code", "DPD_GB"], "")
        .await
        .unwrap();
    world
        .deployment()
        .operator(&["exceptions", "retry", "modehaus-eu", &second], "")
        .await
        .unwrap();
    run_until(&world, "it is shipped", async || {
        text(&order(&world, &second).await, "state") == "SHIPPED"
    })
    .await;
    let shipments = order(&world, &second).await["shipments"].as_array().cloned().unwrap();
    assert_eq!(
        (shipments.len(), &shipments[0]["tracking"]["tracking_number"]),
        (1, &json!("15509999"))
    );
}

/// What cannot be sent is settled by one command after a dry run.
#[tokio::test]
async fn one_command_settles_the_unsendable_after_a_dry_run() {
    let world = world(dispatch_options("dispatch-settle")).await;
    let rules = world.deployment().aws().directory().join("by-hand.json");
    std::fs::write(&rules, "{}").unwrap();
    world
        .deployment()
        .operator(&["dispatch-rules", "put", "outfitter-uk", &rules.to_string_lossy()], "")
        .await
        .unwrap();
    let (order_id, number) = one_order(&world, &uk(&world), 2).await;
    let lines = in_prima(&world, &order_id).await[0]["lines"].as_array().cloned().unwrap();
    book(
        &world,
        &number,
        &json!({"carrier": "DPD NEXT DAY", "lines": [[1, lines[0]["quantity"]]], "last": true}),
    )
    .await;
    run_until(&world, "it is an exception", async || {
        !world.deployment().dispatch_exceptions().await.unwrap().is_empty()
    })
    .await;
    let exception = world.deployment().dispatch_exceptions().await.unwrap().remove(0);
    assert_eq!(exception.attributes["kind"], "short-shipment", "{exception:?}");
    let settle = [
        "dispatches",
        "settle",
        "outfitter-uk",
        &order_id,
        "--how",
        "cancel",
        "--reason-code",
        "OUT_OF_STOCK",
    ];
    let dry = world.deployment().operator(&settle, "").await.unwrap();
    assert!(
        dry.contains("Nothing was sent") && dry.contains(text(&lines[1], "reference")),
        "{dry}"
    );
    assert_eq!(text(&order(&world, &order_id).await, "state"), "SHIPPING");
    world.deployment().operator(&[&settle[..], &["--send"]].concat(), "").await.unwrap();
    run_until(&world, "what has left is shipped", async || {
        text(&order(&world, &order_id).await, "state") == "SHIPPED"
    })
    .await;
    let sold = order(&world, &order_id).await;
    assert_eq!(
        (&sold["lines"][0]["quantity"], &sold["lines"][1]["quantity"]),
        (&sold["lines"][0]["ordered_quantity"], &json!(0))
    );
    run_until(&world, "the exception is over", async || {
        world.deployment().dispatch_exceptions().await.unwrap().is_empty()
    })
    .await;
    assert_eq!(
        world.deployment().exceptions().await.unwrap().len(),
        0,
        "our own cancellation is no exception of the orders flow"
    );
}

/// Parcels come from a dispatch file where `OrderStatus` names none.
#[tokio::test]
async fn a_dispatch_file_supplies_parcels_order_status_lacks() {
    let mut options = dispatch_options("dispatch-file");
    options.installation["dispatch"]["source"] = json!("file");
    options.prima = json!({"settings": {"orders": {"dispatch_data": false}}});
    let world = world(options).await;
    let (order_id, number) = one_order(&world, &uk(&world), 1).await;
    book(&world, &number, &json!({"carrier": "DPD NEXT DAY", "consignment": "15507777"})).await;
    let quantity = &in_prima(&world, &order_id).await[0]["lines"][0]["quantity"];
    let heading = "order_number,dispatch_number,dispatch_date,carrier,service,consignment_number,order_line,quantity";
    let file = format!(
        "{heading}\n{number},D1,23/11/2026,DPD NEXT DAY,,15507777,1,{quantity}\nNOSUCH-1,D2,,DPD,,1,1,1\n"
    );
    world.deployment().drop_dispatch_file("monday.csv", &file).await.unwrap();
    run_until(&world, "it is shipped", async || {
        text(&order(&world, &order_id).await, "state") == "SHIPPED"
    })
    .await;
    assert_eq!(order(&world, &order_id).await["tracking"]["tracking_number"], "15507777");
    // The line of an order that nobody knows is told of, with the file and its reasons put aside.
    let files = world.deployment().dispatch_files().await.unwrap();
    assert!(
        files.contains(&"refused/monday.csv".to_owned())
            && files.contains(&"refused/monday.csv.reasons.txt".to_owned()),
        "{files:?}"
    );
    assert!(!files.iter().any(|name| name.starts_with("incoming/")), "{files:?}");
    let alerts = world.deployment().alerts().await.unwrap();
    assert!(
        alerts.iter().any(|alert| alert["detail-type"] == "DispatchFileRefused"
            && alert.to_string().contains("NOSUCH-1")),
        "{alerts:?}"
    );
    // One that is larger than any warehouse's day is refused for that, not for what is in it.
    world
        .deployment()
        .drop_dispatch_file("year.csv", &"x".repeat(16 * 1024 * 1024 + 1))
        .await
        .unwrap();
    run_until(&world, "the large file is refused", async || {
        let alerts = world.deployment().alerts().await.unwrap();
        alerts.iter().any(|alert| {
            alert.to_string().contains("year.csv") && alert.to_string().contains("16777217 bytes")
        })
    })
    .await;
}
