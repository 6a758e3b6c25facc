//! What happens on every day.

use std::collections::BTreeSet;
use std::time::Duration;

use local_world::{Function, World};
use serde_json::{Value, json};

use crate::{
    in_prima, mirakl_orders, options, poll_until, prima_orders, stage, text, the_order, uk, world,
};

/// A happy day with one unknown SKU ends with everything else in Prima and one exception.
#[tokio::test]
async fn a_usual_day_with_an_unknown_sku_has_one_exception() {
    let world = world(options("happy-day")).await;
    for channel in world.channels().to_vec() {
        world.bring_orders(&channel, 8, false).await.unwrap();
    }
    world.bring_orders(&uk(&world), 1, true).await.unwrap();
    let summary = world.settle(Duration::from_secs(120)).await.unwrap();
    assert!(summary.is_sound(), "{summary:?}");
    assert_eq!(prima_orders(&world).await.len(), 16);

    // Exactly one person-sized exception, in the dead-letter queue with words that a person can
    // read, and one alert.
    let exceptions = world.deployment().exceptions().await.unwrap();
    assert_eq!(exceptions.len(), 1, "{exceptions:?}");
    for attribute in ["channel", "order", "kind", "reason", "remedy", "first_seen"] {
        assert!(!exceptions[0].attributes[attribute].is_empty(), "{attribute} is empty");
    }
    assert!(exceptions[0].attributes["reason"].contains("NOSUCH"), "{:?}", exceptions[0]);
    let alerts = world.deployment().alerts().await.unwrap();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert_eq!(alerts[0]["detail-type"], "OrderException");

    // Mirakl learns Prima's numbers, a hundred at a time, once a minute.
    let excepted = exceptions[0].attributes["order"].clone();
    poll_until(
        &world,
        "every created order has its reference",
        Duration::from_secs(150),
        async || {
            mirakl_orders(&world).await.iter().all(|order| {
                text(order, "order_id") == excepted || !order["reference_for_seller"].is_null()
            })
        },
    )
    .await;

    // And that is known: none is written a second time.
    let rows = world.deployment().rows().await.unwrap();
    let owing: Vec<&str> = rows
        .iter()
        .map(|row| text(row, "channel_state"))
        .filter(|state| state.ends_with("reference-pending"))
        .collect();
    assert_eq!(owing, [""; 0], "Mirakl's answer to OR04 was understood");

    // The channel's attribution, and nothing of a customer outside Prima.
    let mut secrets = BTreeSet::new();
    for order in prima_orders(&world).await {
        let whole = world.prima().get(&format!("orders/{}", text(&order, "number"))).await.unwrap();
        let written = whole.to_string();
        assert!(
            written.contains("outfitter-uk") || written.contains("modehaus-eu"),
            "no attribution: {written}"
        );
        collect(&whole, &mut secrets);
    }
    assert!(secrets.len() > 20, "the simulated customers have addresses: {secrets:?}");
    let mut public: Vec<String> =
        world.deployment().rows().await.unwrap().iter().map(Value::to_string).collect();
    public.extend(alerts.iter().map(Value::to_string));
    public.extend(
        exceptions.iter().map(|message| format!("{} {:?}", message.body, message.attributes)),
    );
    for function in [Function::AcknowledgeOrders, Function::CreatePrimaOrders] {
        public.extend(world.deployment().function_logs(function).await.unwrap());
    }
    public.extend(world.channels().iter().map(|channel| channel.id.clone()));
    let keys: Vec<String> =
        world.channels().iter().map(|channel| channel.api_key.clone()).collect();
    for line in &public {
        for secret in secrets.iter().chain(&keys) {
            assert!(!line.contains(secret.as_str()), "'{secret}' stands in: {line}");
        }
    }
}

/// Texts by which a customer could be known: street, surname, e-mail, telephone.
fn collect(value: &Value, secrets: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let personal = [
                    "AddrLine1",
                    "CustomerEmail",
                    "CustomerPhone",
                    "CustomerMobile",
                    "CustomerSurname",
                ]
                .contains(&name.as_str());
                match value.as_str() {
                    Some(text) if personal && text.len() > 6 => {
                        secrets.insert(text.to_owned());
                    }
                    _ => collect(value, secrets),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, secrets)),
        _ => {}
    }
}

/// A thousand orders over two channels are each created once, or are exceptions with a reason.
#[tokio::test]
async fn of_a_thousand_orders_each_is_created_once_or_excepted() {
    let world = world(options("thousand")).await;
    for channel in world.channels().to_vec() {
        world.bring_orders(&channel, 500, false).await.unwrap();
    }
    let summary = world.settle(Duration::from_secs(400)).await.unwrap();
    assert!(summary.is_sound(), "{summary:?}");
    // One address in a hundred is longer than Prima's six lines: nothing is cut, a person decides.
    let exceptions = world.deployment().exceptions().await.unwrap();
    assert_eq!(prima_orders(&world).await.len() + exceptions.len(), 1000);
    assert!(exceptions.len() < 50, "{} exceptions", exceptions.len());
    for exception in &exceptions {
        assert!(exception.attributes["reason"].contains("Prima has room for 6"), "{exception:?}");
    }
    let most_calls =
        mirakl_orders(&world).await.iter().filter_map(|order| order["accept_calls"].as_u64()).max();
    assert_eq!(most_calls, Some(1), "each order is accepted by one call");
}

#[tokio::test]
async fn an_order_cancelled_before_it_is_paid_never_reaches_prima() {
    let mut options = options("cancel-early");
    options.mirakl = json!({"settings": {"debit_seconds": 600}});
    let world = world(options).await;
    world.bring_orders(&uk(&world), 1, false).await.unwrap();
    let order_id = the_order(&world).await;
    poll_until(&world, "accepted", Duration::from_secs(20), async || {
        stage(&world, &order_id).await == "awaiting-payment"
    })
    .await;
    world.mirakl().post(&format!("orders/{order_id}/cancel"), &json!({})).await.unwrap();
    poll_until(&world, "closed", Duration::from_secs(30), async || {
        stage(&world, &order_id).await == "cancelled"
    })
    .await;
    assert_eq!(prima_orders(&world).await.len(), 0);
    assert_eq!(world.deployment().exceptions().await.unwrap().len(), 0);
}

/// An order cancelled after creation is cancelled in Prima, and a cancelled line is an exception.
#[tokio::test]
async fn a_late_cancellation_reaches_prima_and_a_lines_is_excepted() {
    let world = world(options("cancel-late")).await;
    world.bring_orders(&uk(&world), 1, false).await.unwrap();
    let order_id = the_order(&world).await;
    world.settle(Duration::from_secs(60)).await.unwrap();
    world.mirakl().post(&format!("orders/{order_id}/cancel"), &json!({})).await.unwrap();
    poll_until(&world, "cancelled in Prima too", Duration::from_secs(60), async || {
        in_prima(&world, &order_id).await.iter().all(|order| text(order, "status") == "Cancelled")
    })
    .await;
    assert_eq!(in_prima(&world, &order_id).await.len(), 1);

    world.bring_orders(&uk(&world), 6, false).await.unwrap();
    world.settle(Duration::from_secs(60)).await.unwrap();
    let orders = mirakl_orders(&world).await;
    let (partial, line) = orders
        .iter()
        .filter(|order| text(order, "state") == "SHIPPING")
        .find_map(|order| {
            Some((
                text(order, "order_id").to_owned(),
                order["lines"].as_array().filter(|lines| lines.len() > 1)?[0].clone(),
            ))
        })
        .unwrap_or_else(|| panic!("no order of several lines in {orders:?}"));
    let path = format!("orders/{partial}/lines/{}/cancel", text(&line, "order_line_id"));
    world.mirakl().post(&path, &json!({"quantity": line["quantity"]})).await.unwrap();
    poll_until(&world, "an exception", Duration::from_secs(30), async || {
        !world.deployment().exceptions().await.unwrap().is_empty()
    })
    .await;
    let exceptions = world.deployment().exceptions().await.unwrap();
    assert_eq!(exceptions.len(), 1);
    assert_eq!(exceptions[0].attributes["kind"], "line-cancelled-after-creation");
    assert_eq!(exceptions[0].attributes["order"], partial);
}

/// Where Prima cannot be told to cancel, a late cancellation is one exception and nothing is sent.
#[tokio::test]
async fn a_prima_without_cancelling_gets_nothing_but_an_exception() {
    let mut options = options("cannot-cancel");
    options.installation = json!({"behaviour": {"cancel_order": false}});
    let world = world(options).await;
    world.bring_orders(&uk(&world), 2, false).await.unwrap();
    world.settle(Duration::from_secs(60)).await.unwrap();
    let order_id = text(&mirakl_orders(&world).await[0], "order_id").to_owned();
    world.mirakl().post(&format!("orders/{order_id}/cancel"), &json!({})).await.unwrap();
    poll_until(&world, "an exception", Duration::from_secs(60), async || {
        !world.deployment().exceptions().await.unwrap().is_empty()
    })
    .await;
    let exceptions = world.deployment().exceptions().await.unwrap();
    assert_eq!(exceptions.len(), 1, "{exceptions:?}");
    assert_eq!(exceptions[0].attributes["kind"], "cancelled-after-creation");
    assert_eq!(exceptions[0].attributes["order"], order_id);
    assert!(exceptions[0].attributes["remedy"].contains("Prima"), "{exceptions:?}");
    let prima = prima_orders(&world).await;
    assert_eq!(prima.len(), 2);
    assert!(prima.iter().all(|order| text(order, "status") != "Cancelled"), "{prima:?}");
}

#[tokio::test]
async fn an_operator_mends_the_cause_and_retries_the_exception() {
    let world = world(options("retry")).await;
    world.bring_orders(&uk(&world), 1, true).await.unwrap();
    let order_id = the_order(&world).await;
    world.settle(Duration::from_secs(60)).await.unwrap();
    assert_eq!(prima_orders(&world).await.len(), 0);

    a_false_settling_is_refused_and_can_be_taken_back(&world, &order_id).await;
    what_would_do_harm_is_not_stored(&world).await;

    let known = simulators::fashion::catalogue(1, 1)[0].clone();
    let overrides = world.deployment().aws().directory().join("skus.json");
    let mended = json!({"NOSUCH-XXX-00": {"product": known.product, "matrix_codes": [known.colour, known.size]}});
    let unknown: Vec<String> = mirakl_orders(&world).await[0]["lines"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|line| text(line, "offer_sku").to_owned())
        .filter(|sku| sku.starts_with("NOSUCH"))
        .collect();
    let mended: serde_json::Map<_, _> =
        unknown.into_iter().map(|sku| (sku, mended["NOSUCH-XXX-00"].clone())).collect();
    std::fs::write(&overrides, Value::Object(mended).to_string()).unwrap();
    let operator =
        async |arguments: &[&str]| world.deployment().operator(arguments, "").await.unwrap();
    operator(&["skus", "put", "outfitter-uk", &overrides.to_string_lossy()]).await;
    // Overrides are read with a cache of a minute: a retry may meet the old ones, and then is an
    // exception again.
    poll_until(&world, "created", Duration::from_secs(120), async || {
        if stage(&world, &order_id).await == "exception" {
            operator(&["exceptions", "retry", "outfitter-uk", &order_id]).await;
        }
        in_prima(&world, &order_id).await.len() == 1
    })
    .await;
    poll_until(&world, "gone from the dead-letter queue", Duration::from_secs(60), async || {
        world.deployment().exceptions().await.unwrap().is_empty()
    })
    .await;
    let shown = operator(&["orders", "show", "outfitter-uk", &order_id]).await;
    assert!(shown.contains("exception") && shown.contains("created"), "{shown}");
}

/// The command ends with this code; what it said.
async fn ends(world: &World, code: i32, arguments: &[&str], input: &str) -> String {
    let (ended, said) = world.deployment().operator_ends(arguments, input).await.unwrap();
    assert_eq!(ended, Some(code), "{arguments:?}: {said}");
    said
}

/// The order is paid, waits in Mirakl for its shipment, and is an exception with us.
async fn a_false_settling_is_refused_and_can_be_taken_back(world: &World, order_id: &str) {
    let cancelled = [
        "exceptions",
        "settle",
        "outfitter-uk",
        order_id,
        "--as",
        "cancelled",
        "--author",
        "Ann Field",
        "--note",
    ];
    let settle = |more: &[&'static str]| -> Vec<&str> {
        cancelled.iter().copied().chain(more.iter().copied()).collect()
    };
    assert!(ends(world, 2, &settle(&[" "]), "").await.contains("--note is empty"));
    let said = ends(world, 2, &settle(&["the customer rang"]), "").await;
    assert!(
        said.contains("Mirakl has the order in SHIPPING") && said.contains("--force"),
        "{said}"
    );
    assert_eq!(stage(world, order_id).await, "exception");
    ends(world, 0, &settle(&["the customer rang", "--force"]), "").await;
    assert_eq!(stage(world, order_id).await, "cancelled");
    let reopen = [
        "exceptions",
        "reopen",
        "outfitter-uk",
        order_id,
        "--author",
        "Ann Field",
        "--note",
        "it was another order",
    ];
    ends(world, 0, &reopen, "").await;
    assert_eq!(stage(world, order_id).await, "exception");
    let history = ends(world, 0, &["orders", "show", "outfitter-uk", order_id], "").await;
    assert!(
        history.contains("settled by Ann Field") && history.contains("taken back by Ann Field"),
        "{history}"
    );
}

async fn what_would_do_harm_is_not_stored(world: &World) {
    let said = ends(world, 2, &["channels", "key", "outfitter-uk"], "a-key-of-nobody").await;
    assert!(said.contains("refuses the key") && said.contains("was not touched"), "{said}");
    // Still the good one.
    assert!(ends(world, 0, &["check", "outfitter-uk"], "").await.contains("Nothing is to be done"));

    let shown = ends(world, 0, &["channels", "show", "outfitter-uk"], "").await;
    let definition: Value = serde_json::from_str(shown.split_once('\n').unwrap().1).unwrap();
    let file = world.deployment().aws().directory().join("channel.json");
    let put = async |change: Value, code: i32| {
        let mut changed = definition.clone();
        changed.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        std::fs::write(&file, changed.to_string()).unwrap();
        ends(world, code, &["channels", "put", &file.to_string_lossy()], "").await
    };
    let said = put(json!({"id": "outfitter-two"}), 2).await;
    assert!(said.contains("each order would be created twice"), "{said}");
    let said = put(json!({"acceptance_window_minutes": 600}), 2).await;
    assert!(
        said.contains("Channel outfitter-uk is live")
            && said.contains("600")
            && said.contains("--yes"),
        "{said}"
    );
    put(json!({}), 0).await;

    let set = ["carriers", "set", "outfitter-uk", "DPD SAT BY 12", "--code", "DPD-UK"];
    let said = ends(world, 2, &set, "").await;
    assert!(
        said.contains("lists no carrier code DPD-UK") && said.contains("did you mean DPD_UK"),
        "{said}"
    );

    // A reader that closes the pipe at once.
    let piped = std::process::Command::new("bash")
        .args(["-c", "set -o pipefail; \"$0\" channels list | true"])
        .arg(world.deployment().operator_binary())
        .envs(world.deployment().operator_environment().unwrap())
        .output()
        .unwrap();
    assert!(
        piped.status.success() && piped.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&piped.stderr)
    );
}
