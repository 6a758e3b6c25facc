//! What happens when something is down, lost, doubled or late.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    in_prima, mirakl_orders, options, poll_until, prima_orders, stage, text, the_order, uk, world,
};

/// While Prima is down no acknowledgement is delayed, and everything flows once it is back.
#[tokio::test]
async fn orders_are_acknowledged_while_prima_is_down() {
    let world = world(options("prima-down")).await;
    world.prima().put("misbehaviour", &json!({"outage": true})).await.unwrap();
    for channel in world.channels().to_vec() {
        world.bring_orders(&channel, 6, false).await.unwrap();
    }
    poll_until(
        &world,
        "all acknowledged, paid, and a breaker open",
        Duration::from_secs(90),
        async || {
            let orders = mirakl_orders(&world).await;
            let firm = orders
                .iter()
                .all(|order| !order["accepted_at"].is_null() && text(order, "state") == "SHIPPING");
            firm && !world.deployment().alerts().await.unwrap().is_empty()
        },
    )
    .await;
    assert_eq!(prima_orders(&world).await.len(), 0);
    // One alarm, not one for each order.
    let kinds: Vec<Value> = world
        .deployment()
        .alerts()
        .await
        .unwrap()
        .iter()
        .map(|alert| alert["detail-type"].clone())
        .collect();
    assert_eq!(kinds, ["PrimaUnavailable"]);
    assert_eq!(
        world.deployment().exceptions().await.unwrap().len(),
        0,
        "an outage is no exception of an order"
    );

    world.prima().put("misbehaviour", &json!({"outage": false})).await.unwrap();
    let summary = world.settle(Duration::from_secs(240)).await.unwrap();
    assert!(summary.is_sound(), "{summary:?}");
    assert_eq!(prima_orders(&world).await.len(), 12);
}

/// A function that starts while the tables fail accepts orders all the same.
#[tokio::test]
async fn orders_are_accepted_although_the_tables_fail_at_start() {
    use acknowledge_orders::handler::Function;
    use shared::aws::settings::Settings;

    let world = world(options("no-tables")).await;
    for channel in world.channels().to_vec() {
        world.bring_orders(&channel, 3, false).await.unwrap();
    }
    // The real function, started anew, and DynamoDB refuses everything.
    let mut environment = world.deployment().operator_environment().unwrap();
    environment.retain(|(name, _)| !name.ends_with("_TABLE"));
    environment
        .push(("EVENT_BUS_NAME", world.deployment().output("EventBusName").unwrap().to_owned()));
    environment.extend(
        ["ORDERS_TABLE", "CHANNELS_TABLE", "RULES_TABLE", "STOCK_TABLE"]
            .map(|name| (name, "is-not-there".to_owned())),
    );
    let settings = Settings::from_lookup(|wanted| {
        environment.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone())
    });
    let function = Function::from_settings(&settings).unwrap();
    let deadline = std::time::SystemTime::now() + Duration::from_secs(55);
    let summary = function.run("cold start", deadline).await.unwrap();
    assert_eq!((summary.channels, summary.acknowledged), (2, 6));
    let orders = mirakl_orders(&world).await;
    assert!(orders.iter().all(|order| !order["accepted_at"].is_null()), "{orders:?}");

    // Once the tables are back, all goes its way.
    let summary = world.settle(Duration::from_secs(120)).await.unwrap();
    assert!(summary.is_sound(), "{summary:?}");
    assert_eq!(prima_orders(&world).await.len(), 6);
}

#[tokio::test]
async fn lost_answers_of_both_systems_lose_and_double_nothing() {
    let world = world(options("lost-answers")).await;
    let lost = |operation: &str, remaining: u32| json!({"operation": operation, "fault": {"kind": "lost_answer"}, "chance": 1.0, "remaining": remaining});
    world.mirakl().put("misbehaviour", &json!({"rules": [lost("OR21", 3)]})).await.unwrap();
    // The first NewOrder arrives and its answer is lost; the next is lost before it arrives.
    let broken = json!({"operation": "NewOrder", "fault": {"kind": "broken_connection"}, "chance": 1.0, "remaining": 1});
    world
        .prima()
        .put("misbehaviour", &json!({"rules": [lost("NewOrder", 1), broken]}))
        .await
        .unwrap();
    world.bring_orders(&uk(&world), 4, false).await.unwrap();
    let summary = world.settle(Duration::from_secs(300)).await.unwrap();
    assert!(summary.is_sound(), "{summary:?}");
    assert_eq!(prima_orders(&world).await.len(), 4);
    for order in mirakl_orders(&world).await {
        assert_eq!(in_prima(&world, text(&order, "order_id")).await.len(), 1);
    }
}

/// Two pollers at once and messages delivered again create each order once.
#[tokio::test]
async fn parallel_pollers_and_redeliveries_create_no_duplicates() {
    let mut options = options("twice");
    options.mirakl = json!({"settings": {"call_interval_seconds": 0}});
    let world = world(options).await;
    world.bring_orders(&uk(&world), 5, false).await.unwrap();
    for _ in 0..4 {
        let (one, other) = tokio::join!(world.deployment().tick(), world.deployment().tick());
        one.unwrap();
        other.unwrap();
    }
    world.settle(Duration::from_secs(60)).await.unwrap();
    // The very message, three times more, built from what Mirakl lists.
    let channel = uk(&world);
    let listing: Value = reqwest::Client::new()
        .get(format!("{}/api/orders?max=100&shop_id={}", world.mirakl().url(), channel.shop_id))
        .header("Authorization", &channel.api_key)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .map(|text| serde_json::from_str(&text).unwrap())
        .unwrap();
    for order in listing["orders"].as_array().unwrap() {
        let message = json!({"channel": channel.id, "order_id": order["order_id"], "task": {"create": {"order": order}}});
        for _ in 0..3 {
            world.deployment().send_to_orders_queue(&message.to_string()).await.unwrap();
        }
    }
    let summary = world.settle(Duration::from_secs(60)).await.unwrap();
    assert!(summary.is_sound(), "{summary:?}");
    assert_eq!(prima_orders(&world).await.len(), 5);
    assert_eq!(world.deployment().exceptions().await.unwrap().len(), 0);
}

/// A poison message is kept whole, and its neighbours are not affected.
#[tokio::test]
async fn a_poison_message_is_kept_and_harms_no_neighbour() {
    let mut options = options("poison");
    options.installation = json!({"behaviour": {"answer_timeout_seconds": 1}});
    for name in ["CreateTimeoutSeconds", "OrdersVisibilitySeconds"] {
        options.parameters.insert(name.to_owned(), "15".to_owned());
    }
    let world = world(options).await;
    let poison = ["this is no JSON", r#"{"channel":"outfitter-uk","order_id":"","task":"cancel"}"#];
    for body in poison {
        world.deployment().send_to_orders_queue(body).await.unwrap();
    }
    world.bring_orders(&uk(&world), 2, false).await.unwrap();
    poll_until(&world, "the neighbours are created", Duration::from_secs(60), async || {
        prima_orders(&world).await.len() == 2
    })
    .await;
    poll_until(
        &world,
        "the poison is in the dead-letter queue",
        Duration::from_secs(180),
        async || world.deployment().exceptions().await.unwrap().len() == poison.len(),
    )
    .await;
    let mut kept: Vec<String> = world
        .deployment()
        .exceptions()
        .await
        .unwrap()
        .into_iter()
        .map(|message| message.body)
        .collect();
    kept.sort();
    let mut expected = poison.map(str::to_owned);
    expected.sort();
    assert_eq!(kept, expected);
}

/// Taking over a marketplace creates nothing that was keyed by hand.
#[tokio::test]
async fn a_take_over_leaves_hand_keyed_orders_alone() {
    let mut options = options("take-over");
    options.channel = json!({"take_over_from": "2090-01-01T00:00:00Z"});
    let world = world(options).await;
    // Accepted by the marketplace itself, before we ever looked: somebody may have keyed it.
    world
        .mirakl()
        .put(
            "settings",
            &json!({"automatic_acceptance": true, "call_interval_seconds": 0, "debit_seconds": 0}),
        )
        .await
        .unwrap();
    world.bring_orders(&uk(&world), 1, false).await.unwrap();
    let old = the_order(&world).await;
    poll_until(&world, "known as keyed by hand", Duration::from_secs(30), async || {
        stage(&world, &old).await == "keyed-by-hand"
    })
    .await;
    assert_eq!(prima_orders(&world).await.len(), 0);
    // An operator who knows better takes it in, by an explicit command.
    world.deployment().operator(&["orders", "adopt", "outfitter-uk", &old], "").await.unwrap();
    poll_until(&world, "created", Duration::from_secs(60), async || {
        in_prima(&world, &old).await.len() == 1
    })
    .await;
}

#[tokio::test]
async fn a_marketplace_that_accepts_by_itself_is_served_the_same() {
    let world = world(options("auto-accept")).await;
    world
        .mirakl()
        .put(
            "settings",
            &json!({"automatic_acceptance": true, "call_interval_seconds": 0, "debit_seconds": 1}),
        )
        .await
        .unwrap();
    world.bring_orders(&uk(&world), 3, false).await.unwrap();
    let summary = world.settle(Duration::from_secs(60)).await.unwrap();
    assert!(summary.is_sound(), "{summary:?}");
    assert_eq!(prima_orders(&world).await.len(), 3);
    assert!(mirakl_orders(&world).await.iter().all(|order| order["accept_calls"] == 0));
}

#[tokio::test]
async fn a_wiped_table_makes_no_second_order() {
    let world = world(options("wiped")).await;
    world.bring_orders(&uk(&world), 3, false).await.unwrap();
    world.settle(Duration::from_secs(60)).await.unwrap();
    poll_until(&world, "Mirakl holds the references", Duration::from_secs(90), async || {
        mirakl_orders(&world).await.iter().all(|order| !order["reference_for_seller"].is_null())
    })
    .await;
    world.deployment().wipe("OrdersTableName").await.unwrap();
    let orders = mirakl_orders(&world).await;
    poll_until(&world, "the rows are rebuilt", Duration::from_secs(90), async || {
        let mut rebuilt = true;
        for order in &orders {
            rebuilt &= stage(&world, text(order, "order_id")).await == "created";
        }
        rebuilt
    })
    .await;
    assert_eq!(prima_orders(&world).await.len(), 3);
    assert_eq!(world.deployment().exceptions().await.unwrap().len(), 0);
}
