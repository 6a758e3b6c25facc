//! The real template and the compiled functions on a local AWS, without any marketplace.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use local_world::{Build, Deployment, Function, LocalAws, QueueDepths};
use serde_json::{Value, json};

async fn deployed() -> Deployment {
    let parameters = [("ArchiveEvents", "false"), ("DeletionProtection", "false"), ("ScheduleState", "DISABLED")];
    let parameters: BTreeMap<String, String> = parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let aws = Arc::new(LocalAws::start().await.unwrap());
    Deployment::deploy(aws, "empty", Build::Development, &parameters).await.unwrap()
}

#[tokio::test]
async fn a_fresh_stack_polls_nothing_and_alerts_exactly_what_needs_a_person() {
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
