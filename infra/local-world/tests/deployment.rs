//! The real template and the compiled functions on a local AWS, without any marketplace.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use local_world::{Build, Deployment, Function, LocalAws, QueueDepths};
use serde_json::{Value, json};

async fn deployed() -> Deployment {
    let parameters = [
        ("ArchiveEvents", "false"),
        ("DeletionProtection", "false"),
        ("ScheduleState", "DISABLED"),
    ];
    let parameters: BTreeMap<String, String> =
        parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let aws = Arc::new(LocalAws::start().await.unwrap());
    Deployment::deploy(aws, "empty", Build::Development, &parameters).await.unwrap()
}

/// A fresh stack polls nothing and alerts exactly about what needs a person.
#[tokio::test]
async fn a_new_stack_is_idle_and_alerts_only_for_human_tasks() {
    let stack = deployed().await;
    stack.tick().await.unwrap();
    assert_eq!(stack.queue_depths().await.unwrap(), QueueDepths::default());
    assert_eq!(stack.rows().await.unwrap(), Vec::<Value>::new());
    assert!(!stack.function_logs(Function::AcknowledgeOrders).await.unwrap().is_empty());

    let bus = stack.output("EventBusName").unwrap();
    let event = |reason: &str, needs_person: bool| {
        json!({"EventBusName": bus, "Source": "prima-mirakl", "DetailType": "OrderException",
            "Detail": json!({"reason": reason, "needs_person": needs_person}).to_string()})
    };
    let events = json!({"Entries": [event("for a person", true), event("for information", false)]});
    stack.aws().call("events", "put_events", events).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut alerts = Vec::new();
    while alerts.is_empty() && Instant::now() < deadline {
        alerts = stack.alerts().await.unwrap();
    }
    let reasons: Vec<_> = alerts.iter().map(|alert| alert["detail"]["reason"].clone()).collect();
    assert_eq!(reasons, ["for a person"]);
}

/// The smoke command tries everything, leaves nothing behind and names what is broken.
#[tokio::test]
async fn the_smoke_command_tries_all_cleans_up_and_names_faults() {
    let stack = deployed().await;
    let smoke = async |more: &[&str]| {
        let arguments: Vec<&str> =
            ["smoke", "--stack", "empty"].iter().chain(more).copied().collect();
        stack.operator(&arguments, "").await
    };
    let told = smoke(&["--alert"]).await.unwrap();
    let parts = 14 + Function::ALL.len();
    let all = format!("All {parts} are ok");
    for part in [
        all.as_str(),
        "written on a condition, read, removed",
        "sent, received, deleted",
        "that alerts",
        "no channel is on yet",
    ] {
        assert!(words(&told).contains(part), "{part}: {told}");
    }
    for table in [
        "OrdersTableName",
        "ChannelsTableName",
        "RulesTableName",
        "StockTableName",
        "PayoutsTableName",
    ] {
        let scan = json!({"TableName": stack.output(table).unwrap()});
        assert_eq!(
            stack.aws().call("dynamodb", "scan", scan).await.unwrap()["Count"],
            0,
            "{table} is left as it was"
        );
    }
    assert_eq!(stack.queue_depths().await.unwrap(), QueueDepths::default());
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut alerts = Vec::new();
    while alerts.is_empty() && Instant::now() < deadline {
        alerts = stack.alerts().await.unwrap();
    }
    assert_eq!(alerts.len(), 1, "one alert reached whoever watches");

    let call = async |service: &str, operation: &str, parameters: Value| {
        stack.aws().call(service, operation, parameters).await.unwrap()
    };
    call(
        "sqs",
        "delete_queue",
        json!({"QueueUrl": stack.output("UndeliveredDeadLetterQueueUrl").unwrap()}),
    )
    .await;
    call("dynamodb", "update_table", json!({"TableName": stack.output("RulesTableName").unwrap(), "DeletionProtectionEnabled": false}))
        .await;
    call("dynamodb", "delete_table", json!({"TableName": stack.output("RulesTableName").unwrap()}))
        .await;
    let url = stack.output("OrdersQueueUrl").unwrap();
    call(
        "sqs",
        "set_queue_attributes",
        json!({"QueueUrl": url, "Attributes": {"RedrivePolicy": ""}}),
    )
    .await;
    let told = format!("{:#}", smoke(&[]).await.unwrap_err());
    let failed = format!("3 of {parts} failed");
    for part in [
        "rules table failed",
        "ResourceNotFoundException",
        "undelivered queue failed",
        "orders queue failed",
        failed.as_str(),
    ] {
        assert!(words(&told).contains(part), "{part}: {told}");
    }
    let told = format!(
        "{:#}",
        stack.operator(&["smoke", "--stack", "no-such-stack"], "").await.unwrap_err()
    );
    assert!(
        told.contains("the stack no-such-stack cannot be read") && told.contains("--stack"),
        "{told}"
    );
}

/// What a table says, without its lines and columns.
fn words(table: &str) -> String {
    table
        .split_whitespace()
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .collect::<Vec<_>>()
        .join(" ")
}
