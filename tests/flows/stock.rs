//! Stock, from Prima's figures to what the marketplaces show.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use local_world::{Function, World};
use serde_json::{Value, json};

use crate::{mirakl_orders, options, text, uk, world};

/// A world whose two channels publish stock: Prima's is drawn at random, and the marketplaces show
/// something else.
pub(crate) async fn stocked(name: &str, installation: Value) -> World {
    stocked_with(name, installation, 400).await
}

/// The same with so many SKUs in Prima.
pub(crate) async fn stocked_with(name: &str, installation: Value, skus: usize) -> World {
    let mut options = options(name);
    options.channel = json!({"stock": "live"});
    // Each channel shows all pieces: how the last ones are divided is what the simulation and
    // `stock-peak` look at.
    let copied = json!({"last_pieces": "copy", "last_pieces_by": "the test", "last_pieces_why": "each channel is looked at by itself"});
    options.installation = json!({"stock": {"margin_seconds": 0, "zeroes_percent": 100}});
    merge(&mut options.installation, json!({"stock": copied}));
    merge(&mut options.installation, installation);
    options.mirakl = json!({"settings": {"import_wait_seconds": 0, "import_run_seconds": 1, "export_seconds": 1}});
    let world = world(options).await;
    world
        .prima()
        .post("stock/generate", &json!({"seed": 1, "size": skus, "odd_share": 0.0}))
        .await
        .unwrap();
    for channel in world.channels().to_vec() {
        let offers = format!("shops/{}/offers/generate", channel.shop_id);
        world.mirakl().post(&offers, &json!({"seed": 3, "pieces": [0, 9]})).await.unwrap();
    }
    world
}

fn merge(target: &mut Value, changes: Value) {
    for (name, change) in changes.as_object().into_iter().flatten() {
        match (target.get_mut(name), change) {
            (Some(inner), Value::Object(_)) => merge(inner, change.clone()),
            _ => target[name] = change.clone(),
        }
    }
}

/// What a shop shows, by offer SKU.
pub(crate) async fn shown(world: &World, shop_id: i64) -> BTreeMap<String, u64> {
    let state = world.mirakl().get("stock").await.unwrap();
    let shop = state["shops"]
        .as_array()
        .unwrap()
        .iter()
        .find(|shop| shop["shop_id"] == shop_id)
        .unwrap()
        .clone();
    let offers = shop["offers"].as_array().unwrap().iter();
    offers
        .map(|offer| (text(offer, "shop_sku").to_owned(), offer["quantity"].as_u64().unwrap()))
        .collect()
}

/// What Prima has free of each, by the SKU as the shops write it: what is in the warehouse less
/// what is set aside.
pub(crate) async fn free(world: &World) -> BTreeMap<String, u64> {
    let state = world.prima().get("stock").await.unwrap();
    let rows = state["skus"].as_array().unwrap().iter();
    rows.map(|row| {
        let matrix = row["sku"]["matrix"].as_array().unwrap();
        let sku = format!(
            "{}-{}-{}",
            text(&row["sku"], "product"),
            matrix[0].as_str().unwrap(),
            matrix[1].as_str().unwrap()
        );
        let physical = row["stock"]["physical"].as_i64().unwrap();
        (sku, u64::try_from(physical - row["allocated"].as_i64().unwrap()).unwrap_or(0))
    })
    .collect()
}

/// Pushes until `holds`; fails with `what` and the last decision after `limit`.
pub(crate) async fn push_until(
    world: &World,
    what: &str,
    limit: Duration,
    mut holds: impl AsyncFnMut() -> bool,
) {
    let deadline = Instant::now() + limit;
    loop {
        let decided = world.deployment().push_stock().await.unwrap();
        if holds().await {
            return;
        }
        if Instant::now() > deadline {
            let mut told: Vec<String> = Vec::new();
            for function in [Function::PushStock, Function::CheckStockImports] {
                let logs = world.deployment().function_logs(function).await.unwrap();
                told.extend(logs.into_iter().rev().take(12));
            }
            panic!("{what}: still not so after {} s: {decided}; {told:#?}", limit.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Every offer shows what is free, and a sale lowers it everywhere.
#[tokio::test]
async fn offers_show_free_stock_and_a_sale_lowers_them_all() {
    let world = stocked("stock-day", json!({})).await;
    let shops: Vec<i64> = world.channels().iter().map(|channel| channel.shop_id).collect();
    let all_true = async || {
        let free = free(&world).await;
        for shop in &shops {
            let shown = shown(&world, *shop).await;
            if shown.len() < 400
                || shown.iter().any(|(sku, quantity)| free.get(sku) != Some(quantity))
            {
                return false;
            }
        }
        true
    };
    push_until(&world, "both shops show what is free", Duration::from_secs(40), all_true).await;

    // All but nothing of it is sold on one channel: the other must show none, before the pace would
    // have it.
    let free = free(&world).await;
    let (sku, pieces) = free
        .iter()
        .find(|(_, pieces)| **pieces >= 2)
        .map(|(sku, pieces)| (sku.clone(), *pieces))
        .unwrap();
    let sale = json!({"shop_id": uk(&world).shop_id, "sku": sku, "quantity": pieces});
    world.mirakl().post("sales", &sale).await.unwrap();
    world.deployment().tick().await.unwrap();
    let other = shops[1];
    let none_left = async || shown(&world, other).await.get(&sku) == Some(&0);
    push_until(&world, "the other shop shows none", Duration::from_secs(150), none_left).await;
    assert_eq!(mirakl_orders(&world).await.len(), 1);
    assert!(world.deployment().stock_exceptions().await.unwrap().is_empty());
}
