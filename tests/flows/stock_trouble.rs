//! Stock, where a marketplace refuses or lacks something, where Prima's figures fall all at once,
//! and what an operator does about it.

use std::collections::BTreeMap;
use std::time::Duration;

use local_world::World;
use serde_json::{Value, json};

use crate::stock::{free, push_until, shown, stocked, stocked_with};
use crate::{in_prima, poll_until, the_order, uk};

/// The next push of a channel is due a minute after the one before.
const NEXT_PUSH: Duration = Duration::from_secs(150);

/// Puts stock rules for a channel, as an operator does.
async fn put_rules(world: &World, channel: &str, rules: &Value) {
    let file = world.deployment().aws().directory().join(format!("{channel}-stock-rules.json"));
    std::fs::write(&file, rules.to_string()).unwrap();
    world
        .deployment()
        .operator(&["stock-rules", "put", channel, &file.to_string_lossy()], "")
        .await
        .unwrap();
}

/// What the operator command prints, without lines and columns.
async fn operator(world: &World, arguments: &[&str]) -> String {
    let told = world.deployment().operator(arguments, "").await.unwrap();
    told.split_whitespace()
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .collect::<Vec<_>>()
        .join(" ")
}

/// Kinds of the exceptions that stand in the dead-letter queue of stock imports, with their
/// channels.
async fn exceptions(world: &World) -> Vec<(String, String)> {
    let shown = world.deployment().stock_exceptions().await.unwrap();
    let mut kinds: Vec<_> = shown
        .iter()
        .map(|one| (one.attributes["channel"].clone(), one.attributes["kind"].clone()))
        .collect();
    kinds.sort();
    kinds
}

/// How often the marketplace answered an operation with a status.
async fn answered(world: &World, operation: &str, status: u16) -> u64 {
    world.mirakl().get("calls").await.unwrap()[format!("{operation} {status}")]
        .as_u64()
        .unwrap_or(0)
}

/// A SKU of Prima's, as its stock is set.
fn row(offer_sku: &str, physical: u64) -> Value {
    let parts: Vec<&str> = offer_sku.split('-').collect();
    json!({"product": parts[0], "matrix": [parts[1], parts[2], "", ""], "physical": physical})
}

/// What each shop shows, by offer SKU.
async fn shops_show(world: &World) -> Vec<BTreeMap<String, u64>> {
    let mut all = Vec::new();
    for channel in world.channels() {
        all.push(shown(world, channel.shop_id).await);
    }
    all
}

async fn shows_what_is_free(world: &World, shop_id: i64, but: &[String]) -> bool {
    let (free, shown) = (free(world).await, shown(world, shop_id).await);
    !shown.is_empty()
        && shown
            .iter()
            .filter(|(sku, _)| !but.contains(sku))
            .all(|(sku, quantity)| free.get(sku) == Some(quantity))
}

/// Lines that a marketplace refuses are one exception that goes by itself.
#[tokio::test]
async fn refused_stock_lines_are_one_exception_that_ends_itself() {
    let world = stocked("stock-refused", json!({})).await;
    let uk = uk(&world);
    put_rules(&world, &uk.id, &json!({"floor_minutes": 1, "ceiling_minutes": 1})).await;
    let differing: Vec<String> = {
        let (free, shown) = (free(&world).await, shown(&world, uk.shop_id).await);
        shown
            .into_iter()
            .filter(|(sku, quantity)| free.get(sku) != Some(quantity))
            .map(|(sku, _)| sku)
            .take(2)
            .collect()
    };
    // The list of offers is being made; then the marketplace takes two of them away.
    world.deployment().push_stock().await.unwrap();
    world
        .mirakl()
        .post(&format!("shops/{}/offers/withdraw", uk.shop_id), &json!(differing))
        .await
        .unwrap();
    let told = async || exceptions(&world).await == [(uk.id.clone(), "lines-refused".to_owned())];
    push_until(&world, "one exception says that lines were refused", Duration::from_secs(60), told)
        .await;
    let others_are_right = async || shows_what_is_free(&world, uk.shop_id, &differing).await;
    push_until(&world, "all other offers are right", Duration::from_secs(60), others_are_right)
        .await;
    let stands = world.deployment().stock_exceptions().await.unwrap();
    assert!(
        stands[0].attributes["reason"].contains("2 offers")
            && stands[0].attributes["remedy"].contains("exclude"),
        "{stands:?}"
    );
    let explained = operator(&world, &["stock", "explain", &uk.id, &differing[0]]).await;
    assert!(explained.contains("Mirakl refused this quantity lately"), "{explained}");
    let status = operator(&world, &["stock", "status", &uk.id]).await;
    assert!(
        status.contains("lines-refused") && status.contains("The offer does not exist"),
        "{status}"
    );

    // The marketplace has them again, and another quantity is free: it is tried at once.
    let back: Vec<Value> =
        differing.iter().map(|sku| json!({"shop_sku": sku, "quantity": 1})).collect();
    world.mirakl().put(&format!("shops/{}/offers", uk.shop_id), &json!(back)).await.unwrap();
    let delivered: Vec<Value> = differing.iter().map(|sku| row(sku, 37)).collect();
    world.prima().put("stock", &json!(delivered)).await.unwrap();
    let all_is_well = async || {
        shows_what_is_free(&world, uk.shop_id, &[]).await && exceptions(&world).await.is_empty()
    };
    push_until(&world, "the offers are right and nobody is needed", NEXT_PUSH, all_is_well).await;
}

#[tokio::test]
async fn a_prima_without_a_single_sku_lowers_nothing_and_is_told() {
    let world = stocked_with("stock-empty", json!({}), 0).await;
    let before: Vec<_> = shops_show(&world).await;
    let told = async || exceptions(&world).await.iter().any(|(_, kind)| kind == "prima-unread");
    push_until(
        &world,
        "a person hears that Prima answers with nothing",
        Duration::from_secs(60),
        told,
    )
    .await;
    let stands = world.deployment().stock_exceptions().await.unwrap();
    assert!(
        stands.iter().any(|one| one.attributes["reason"].contains("empty catalogue")),
        "{stands:?}"
    );
    assert_eq!(shops_show(&world).await, before);
}

/// A marketplace without an export and without STO01 is served all the same.
#[tokio::test]
async fn stock_works_without_an_export_and_without_sto01() {
    let world = stocked("stock-old-ways", json!({})).await;
    let other = world.channels()[1].clone();
    let has_no_export = json!({"rules": [{"operation": "OF52", "fault": {"kind": "html_error_page", "status": 404}, "chance": 1.0}]});
    world.mirakl().put("misbehaviour", &has_no_export).await.unwrap();
    put_rules(&world, &other.id, &json!({"import": "offers"})).await;
    for channel in world.channels() {
        let right = async || shows_what_is_free(&world, channel.shop_id, &[]).await;
        push_until(
            &world,
            &format!("{} shows what is free", channel.id),
            Duration::from_secs(60),
            right,
        )
        .await;
    }
    assert!(answered(&world, "OF21", 200).await >= 8, "400 offers of two shops, a hundred a page");
    assert_eq!(answered(&world, "OF54", 200).await, 0);
    assert_eq!(
        (answered(&world, "OF01", 201).await, answered(&world, "STO01", 201).await),
        (1, 1),
        "each channel by its own way"
    );
    assert_eq!(exceptions(&world).await, []);

    // What Prima has and nobody offers is told by its name.
    world.prima().put("stock", &json!([row("ZZ99-BLK-10", 4)])).await.unwrap();
    let unlisted = operator(&world, &["stock", "unlisted"]).await;
    assert!(unlisted.contains("1 of Prima's 401 SKUs") && unlisted.contains("ZZ99"), "{unlisted}");
}

/// A mass of zeroes waits for a person, and what sells is asked for by name.
#[tokio::test]
async fn mass_zeroes_await_a_person_while_sold_skus_are_checked() {
    // The simulated Prima sets pieces aside as an order is created.
    let world =
        stocked("stock-zeroes", json!({"stock": {"zeroes_percent": 10, "falls_at": "creation"}}))
            .await;
    let shops: Vec<i64> = world.channels().iter().map(|channel| channel.shop_id).collect();
    for channel in world.channels() {
        put_rules(&world, &channel.id, &json!({"floor_minutes": 1, "ceiling_minutes": 1})).await;
        // A new channel may show much that is not there: a person has looked.
        operator(&world, &["stock", "allow-zeroes", &channel.id, "--minutes", "1"]).await;
    }
    let all_right = async || {
        for shop in &shops {
            if !shows_what_is_free(&world, *shop, &[]).await {
                return false;
            }
        }
        true
    };
    push_until(&world, "both shops show what is free", Duration::from_secs(60), all_right).await;

    // Something sells on one marketplace, and in a shop of the brand's own at the same time: nobody
    // but Prima tells of that.
    let stock = free(&world).await;
    let (sku, pieces) = stock
        .iter()
        .find(|(_, pieces)| **pieces >= 6)
        .map(|(sku, pieces)| (sku.clone(), *pieces))
        .unwrap();
    let parts: Vec<&str> = sku.split('-').collect();
    let till = json!({"product": parts[0], "matrix": [parts[1], parts[2], "", ""], "quantity": 2, "over_the_counter": true});
    world.prima().post("stock/sales", &till).await.unwrap();
    world
        .mirakl()
        .post("sales", &json!({"shop_id": shops[0], "sku": sku, "quantity": 1}))
        .await
        .unwrap();
    world.deployment().tick().await.unwrap();
    let knows = async || shown(&world, shops[1]).await.get(&sku) == Some(&(pieces - 3));
    push_until(&world, "the other marketplace shows what both have left", NEXT_PUSH, knows).await;
    let by_name =
        world.prima().get("calls").await.unwrap()["counts"]["MultiAvailableToSell"]["OK"].as_u64();
    assert!(by_name.is_some_and(|calls| calls >= 1), "it was asked for by name");
    let bought =
        operator(&world, &["stock", "buffer", &world.channels()[1].id, "--sku", &sku]).await;
    assert!(bought.contains(parts[0]), "{bought}");

    // The order itself goes its way: from then on Prima's own figure knows of it.
    let order_id = the_order(&world).await;
    let created = async || in_prima(&world, &order_id).await.len() == 1;
    poll_until(&world, "the order is in Prima", Duration::from_secs(60), created).await;

    // A mistake in Prima: a quarter of everything is gone at once.
    let lost: Vec<(String, u64)> = stock
        .iter()
        .filter(|(_, pieces)| **pieces > 0)
        .map(|(sku, pieces)| (sku.clone(), *pieces))
        .take(100)
        .collect();
    let rows = |physical: fn(u64) -> u64| -> Vec<Value> {
        lost.iter().map(|(sku, pieces)| row(sku, physical(*pieces))).collect()
    };
    world.prima().put("stock", &json!(rows(|_| 0))).await.unwrap();
    let held = async || {
        exceptions(&world).await.iter().filter(|(_, kind)| kind == "zeroes-held").count() == 2
    };
    push_until(&world, "both channels hold the zeroes back", NEXT_PUSH, held).await;
    let on_offer = shown(&world, shops[0]).await;
    assert!(
        lost.iter()
            .filter(|(sku, _)| on_offer.get(sku).is_some_and(|quantity| *quantity > 0))
            .count()
            >= 99,
        "nothing went to zero"
    );
    let explained =
        operator(&world, &["stock", "explain", &world.channels()[0].id, &lost[50].0]).await;
    assert!(explained.contains("many offers would go to zero at once"), "{explained}");

    // On one channel a person lets them through; then Prima is mended, and everything is as before.
    operator(&world, &["stock", "allow-zeroes", &world.channels()[0].id]).await;
    let gone = async || {
        let shown = shown(&world, shops[0]).await;
        lost.iter().all(|(sku, _)| shown.get(sku) == Some(&0))
    };
    push_until(&world, "they went to zero where it was allowed", NEXT_PUSH, gone).await;
    let still = shown(&world, shops[1]).await;
    assert!(
        lost.iter().filter(|(sku, _)| still.get(sku).is_some_and(|quantity| *quantity > 0)).count()
            >= 99,
        "and nowhere else"
    );
    world.prima().put("stock", &json!(rows(|pieces| pieces))).await.unwrap();
    operator(&world, &["stock", "republish", &world.channels()[1].id]).await;
    let as_before = async || all_right().await && exceptions(&world).await.is_empty();
    push_until(&world, "everything is as before and nobody is needed", NEXT_PUSH, as_before).await;
}
