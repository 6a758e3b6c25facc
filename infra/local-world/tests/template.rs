//! What has to hold of `template.yaml`, whoever changes it. No AWS is needed.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use local_world::Function;
use serde_json::Value;
use shared::domain::installation::Installation;
use shared::domain::prima_calls::{PrimaCaller, PrimaCalls};

async fn template() -> Value {
    local_world::template::read().await.unwrap()
}

fn resources<'a>(template: &'a Value, kind: &str) -> Vec<(&'a String, &'a Value)> {
    let all = template["Resources"].as_object().unwrap().iter();
    all.filter(|(_, resource)| resource["Type"] == kind)
        .map(|(name, resource)| (name, &resource["Properties"]))
        .collect()
}

/// A number, or the default of the parameter that is referred to.
fn number(template: &Value, value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| template["Parameters"][value["Ref"].as_str()?]["Default"].as_u64())
}

/// The logical id in `{"Fn::GetAtt": [id, "Arn"]}` or `{"Ref": id}`.
fn refers_to(value: &Value) -> Option<&str> {
    value["Ref"].as_str().or_else(|| value["Fn::GetAtt"][0].as_str())
}

fn sources<'a>(function: &'a Value, kind: &str) -> Vec<&'a Value> {
    let events = function["Events"].as_object().into_iter().flatten();
    events
        .filter(|(_, event)| event["Type"] == kind)
        .map(|(_, event)| &event["Properties"])
        .collect()
}

/// Every value under a key of this name, anywhere.
fn all_named<'a>(node: &'a Value, name: &str, found: &mut Vec<&'a Value>) {
    match node {
        Value::Object(object) => object.iter().for_each(|(key, value)| {
            if key == name {
                found.push(value);
            }
            all_named(value, name, found);
        }),
        Value::Array(values) => values.iter().for_each(|value| all_named(value, name, found)),
        _ => {}
    }
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_str().map_or_else(
        || value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect(),
        |text| vec![text],
    )
}

fn role_of<'a>(template: &'a Value, function: &str) -> &'a Value {
    let role = refers_to(&template["Resources"][function]["Properties"]["Role"]).unwrap();
    &template["Resources"][role]["Properties"]["Policies"]
}

fn actions_of(policies: &Value) -> Vec<&str> {
    let mut found = Vec::new();
    all_named(policies, "Action", &mut found);
    found.into_iter().flat_map(texts).collect()
}

#[tokio::test]
async fn whoever_can_reach_prima_has_its_share_of_the_calls() {
    let template = template().await;
    let functions = resources(&template, "AWS::Serverless::Function");
    let reaches_prima = |function: Function| {
        let properties =
            functions.iter().find(|(name, _)| *name == function.logical_id()).unwrap().1;
        !properties["VpcConfig"].is_null()
    };
    let in_vpc: Vec<&str> = Function::ALL
        .iter()
        .filter(|function| reaches_prima(**function))
        .map(|function| function.name())
        .collect();
    let mut callers: Vec<&str> = PrimaCaller::ALL.iter().map(|caller| caller.function()).collect();
    callers.sort_by_key(|name| Function::ALL.iter().position(|function| function.name() == *name));
    assert_eq!(
        in_vpc, callers,
        "each function that reaches Prima is a caller in shared/src/domain/prima_calls.rs"
    );
    let seed: Installation =
        serde_json::from_str(include_str!("../../seed/installation.json")).unwrap();
    assert_eq!(seed.calls, PrimaCalls::default());
}

/// Without slots (the record cannot be read) orders go on, and nothing else bounds them then.
#[tokio::test]
async fn the_copies_that_create_orders_are_as_many_as_their_calls() {
    let template = template().await;
    let functions = resources(&template, "AWS::Serverless::Function");
    let calls = PrimaCalls::default();
    for (name, function) in &functions {
        assert!(function["ReservedConcurrentExecutions"].is_null(), "{name}");
        let Some(caller) = PrimaCaller::ALL.into_iter().find(|caller| is_called(name, *caller))
        else {
            continue;
        };
        for source in sources(function, "SQS") {
            let copies = number(&template, &source["ScalingConfig"]["MaximumConcurrency"]).unwrap();
            assert_eq!(
                usize::try_from(copies).unwrap() * calls.in_one_run(caller),
                calls.of(caller),
                "{name}"
            );
            assert!(calls.of(caller) <= calls.at_once, "{name}");
        }
        // The owner of the slots is the function, not the run.
        if !sources(function, "ScheduleV2").is_empty() && caller != PrimaCaller::PushStock {
            assert!(
                number(&template, &function["Timeout"]).unwrap() < 60,
                "{name}: the next minute's run would be a second copy"
            );
        }
    }
}

fn is_called(logical_id: &str, caller: PrimaCaller) -> bool {
    Function::ALL
        .iter()
        .any(|function| function.logical_id() == logical_id && function.name() == caller.function())
}

#[tokio::test]
async fn an_alarm_says_of_each_caller_that_it_gets_no_slot() {
    let template = template().await;
    let alarms = resources(&template, "AWS::CloudWatch::Alarm");
    for caller in PrimaCaller::ALL {
        let is_its = |alarm: &Value| {
            alarm["MetricName"] == "PrimaSlotWaitSeconds"
                && alarm["Dimensions"]
                    == serde_json::json!([{"Name": "function", "Value": caller.function()}])
        };
        assert!(alarms.iter().any(|(_, alarm)| is_its(alarm)), "{caller:?}");
    }
}

#[tokio::test]
async fn no_policy_holds_a_wildcard_action() {
    let template = template().await;
    let mut actions = Vec::new();
    all_named(&template, "Action", &mut actions);
    assert!(actions.len() >= 10);
    for action in actions.into_iter().flat_map(texts) {
        assert!(!action.contains('*') && action.contains(':'), "{action}");
    }
}

/// Acknowledging can reach neither the rules nor another secret, and creating can reach no secret at
/// all.
#[tokio::test]
async fn acknowledging_reads_only_its_secret_and_creating_none() {
    let template = template().await;
    let acknowledge = role_of(&template, "AcknowledgeOrdersFunction");
    assert!(!acknowledge.to_string().contains("RulesTable"));
    let vpc = &template["Resources"]["AcknowledgeOrdersFunction"]["Properties"]["VpcConfig"];
    assert!(vpc.is_null(), "nothing that acknowledges has a route to Prima");
    let mut secrets = Vec::new();
    all_named(acknowledge, "Fn::Sub", &mut secrets);
    let secrets: Vec<_> = secrets
        .into_iter()
        .flat_map(texts)
        .filter(|text| text.contains("secretsmanager"))
        .collect();
    assert!(
        secrets.len() == 1 && secrets[0].ends_with("secret:${AWS::StackName}/channels/*"),
        "{secrets:?}"
    );
    let create = role_of(&template, "CreatePrimaOrdersFunction");
    assert!(actions_of(create).iter().all(|action| !action.starts_with("secretsmanager")));
    for action in actions_of(acknowledge) {
        assert!(
            !matches!(action, "sqs:ReceiveMessage" | "sqs:DeleteMessage" | "dynamodb:DeleteItem"),
            "{action}"
        );
    }
}

#[tokio::test]
async fn a_message_stays_hidden_for_six_times_its_functions_timeout() {
    let template = template().await;
    let mut checked = 0;
    for (name, function) in resources(&template, "AWS::Serverless::Function") {
        for source in sources(function, "SQS") {
            let queue = &template["Resources"][refers_to(&source["Queue"]).unwrap()]["Properties"];
            let hidden = number(&template, &queue["VisibilityTimeout"]).unwrap();
            let timeout = number(&template, &function["Timeout"]).unwrap();
            assert!(hidden >= 6 * timeout, "{name}: {hidden} s < 6 x {timeout} s");
            assert_eq!(
                source["FunctionResponseTypes"],
                serde_json::json!(["ReportBatchItemFailures"])
            );
            checked += 1;
        }
    }
    assert!(checked > 0);
}

/// Every queue has a dead-letter queue or is one, and an alarm watches each.
#[tokio::test]
async fn each_queue_has_a_dead_letter_queue_and_an_alarm() {
    let template = template().await;
    let alarms = resources(&template, "AWS::CloudWatch::Alarm");
    let queues = resources(&template, "AWS::SQS::Queue");
    assert!(queues.len() >= 3);
    for (name, queue) in queues {
        assert_eq!(queue["SqsManagedSseEnabled"], true, "{name} is encrypted");
        assert_eq!(queue["MessageRetentionPeriod"], 1_209_600, "{name} keeps messages for 14 days");
        let redrive = &queue["RedrivePolicy"];
        if name.ends_with("DeadLetterQueue") {
            assert!(redrive.is_null(), "{name}");
            let watched = alarms.iter().any(|(_, alarm)| {
                alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
                    && alarm["Dimensions"].to_string().contains(name.as_str())
            });
            assert!(watched, "no alarm watches {name}");
        } else {
            let target = redrive["deadLetterTargetArn"]["Fn::GetAtt"][0].as_str();
            let target =
                target.or_else(|| redrive["deadLetterTargetArn"]["Fn::GetAtt"].as_str()).unwrap();
            assert!(template["Resources"][target].is_object(), "{name}");
            assert!(redrive["maxReceiveCount"].as_u64().unwrap() >= 5, "{name}");
        }
        let refused =
            resources(&template, "AWS::SQS::QueuePolicy").into_iter().any(|(_, policy)| {
                policy["Queues"].to_string().contains(&format!("\"{name}\""))
                    && policy.to_string().contains("aws:SecureTransport")
            });
        assert!(refused, "{name} takes plain HTTP");
    }
}

/// Every function keeps its logs for a set time and never repeats a failed run by itself.
#[tokio::test]
async fn functions_keep_logs_for_a_set_time_and_never_self_retry() {
    let template = template().await;
    for (name, function) in resources(&template, "AWS::Serverless::Function") {
        let group = function["LoggingConfig"]["LogGroup"]["Ref"]
            .as_str()
            .unwrap_or_else(|| panic!("{name} has no log group"));
        let group = &template["Resources"][group]["Properties"];
        assert!(number(&template, &group["RetentionInDays"]).is_some(), "{name}");
        for schedule in sources(function, "ScheduleV2") {
            assert!(schedule["RetryPolicy"]["MaximumEventAgeInSeconds"].is_u64(), "{name}");
            assert!(schedule["DeadLetterConfig"]["Arn"].is_object(), "{name}");
            assert_eq!(function["EventInvokeConfig"]["MaximumRetryAttempts"], 0, "{name}");
        }
    }
}

#[tokio::test]
async fn every_table_survives_accidents() {
    let template = template().await;
    let tables = resources(&template, "AWS::DynamoDB::Table");
    assert_eq!(tables.len(), 5);
    for (name, table) in tables {
        assert_eq!(table["BillingMode"], "PAY_PER_REQUEST", "{name}");
        assert_eq!(table["SSESpecification"]["SSEEnabled"], true, "{name}");
        assert_eq!(
            table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], true,
            "{name}"
        );
        assert_eq!(template["Resources"][name]["DeletionPolicy"], "Retain", "{name}");
        assert!(!table["DeletionProtectionEnabled"].is_null(), "{name}");
    }
    assert_eq!(template["Parameters"]["DeletionProtection"]["Default"], "true");
}

/// Books are kept as long as the law asks, whatever is written over them.
#[tokio::test]
async fn the_files_of_payouts_keep_every_version() {
    let template = template().await;
    let resource = &template["Resources"]["PayoutFiles"];
    assert_eq!(resource["DeletionPolicy"], "Retain");
    let bucket = &resource["Properties"];
    assert_eq!(bucket["VersioningConfiguration"]["Status"], "Enabled");
    let rule = &bucket["LifecycleConfiguration"]["Rules"][0];
    let days = [&rule["ExpirationInDays"], &rule["NoncurrentVersionExpiration"]["NoncurrentDays"]];
    assert!(days.iter().all(|days| number(&template, days) == Some(2192)), "{rule}");
}

#[tokio::test]
async fn what_needs_a_person_reaches_the_alerts_topic() {
    let template = template().await;
    let rules = resources(&template, "AWS::Events::Rule");
    let rule = rules
        .iter()
        .find(|(_, rule)| {
            rule["EventPattern"]["detail"]["needs_person"] == serde_json::json!([true])
        })
        .unwrap()
        .1;
    assert_eq!(rule["Targets"][0]["Arn"]["Ref"], "AlertsTopic");
    assert!(!template["Resources"]["AlertsTopic"]["Properties"]["KmsMasterKeyId"].is_null());
    for (name, alarm) in resources(&template, "AWS::CloudWatch::Alarm") {
        assert_eq!(alarm["AlarmActions"][0]["Ref"], "AlertsTopic", "{name}");
        assert!(!alarm["TreatMissingData"].is_null(), "{name}");
    }
    let heartbeats = resources(&template, "AWS::CloudWatch::Alarm");
    assert!(
        heartbeats.iter().any(|(_, alarm)| alarm["TreatMissingData"] == "breaching"),
        "silence of the schedule is an alarm"
    );
}
