//! Each alarm of `template.yaml` watches a metric that somebody emits, under the dimensions under
//! which it is emitted. An alarm on anything else stays silent for ever, and nothing but this test
//! would say so. No AWS is needed.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use shared::aws::functions::Function;
use shared::aws::metrics::{CHANNEL, Emitted, FUNCTION, NAMESPACE};

/// The metrics of AWS's own that alarms watch, each with its dimension and the kind of resource
/// that the dimension names.
const OF_AWS: [(&str, &str, &str, &str); 4] = [
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", "AWS::SQS::Queue"),
    ("AWS/Lambda", "Invocations", "FunctionName", "AWS::Serverless::Function"),
    ("AWS/Lambda", "Errors", "FunctionName", "AWS::Serverless::Function"),
    ("AWS/Lambda", "Throttles", "FunctionName", "AWS::Serverless::Function"),
];

/// All that the functions emit.
fn emitted() -> Vec<Emitted> {
    let of = |function| match function {
        Function::AcknowledgeOrders => acknowledge_orders::metrics::EMITTED,
        Function::CreatePrimaOrders => create_prima_orders::metrics::EMITTED,
        Function::CollectDispatches => collect_dispatches::metrics::EMITTED,
        Function::UpdateDispatches => update_dispatches::metrics::EMITTED,
        Function::PushStock => push_stock::metrics::EMITTED,
        Function::CheckStockImports => check_stock_imports::metrics::EMITTED,
        Function::ReconcilePayouts => reconcile_payouts::metrics::EMITTED,
        Function::PostJournals => post_journals::metrics::EMITTED,
    };
    Function::ALL.iter().flat_map(|function| of(*function)).copied().collect()
}

async fn template() -> Value {
    local_world::template::read().await.unwrap()
}

fn of_kind<'a>(template: &'a Value, kind: &str) -> Vec<(&'a String, &'a Value)> {
    let all = template["Resources"].as_object().unwrap().iter();
    all.filter(|(_, resource)| resource["Type"] == kind)
        .map(|(name, resource)| (name, &resource["Properties"]))
        .collect()
}

/// The logical id in `{"Fn::GetAtt": [id, "Arn"]}`, `{"Fn::GetAtt": "id.Arn"}` or `{"Ref": id}`.
fn refers_to(value: &Value) -> Option<&str> {
    let attribute = &value["Fn::GetAtt"];
    value["Ref"]
        .as_str()
        .or_else(|| attribute[0].as_str())
        .or_else(|| attribute.as_str()?.split('.').next())
}

/// What is wrong with what an alarm watches.
fn problem(alarm: &Value, template: &Value, emitted: &[Emitted]) -> Option<String> {
    let (Some(namespace), Some(name)) = (alarm["Namespace"].as_str(), alarm["MetricName"].as_str())
    else {
        return Some(
            "names no namespace or no metric (this test reads no metric mathematics)".to_owned(),
        );
    };
    let dimensions: BTreeMap<&str, &Value> = alarm["Dimensions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| Some((one["Name"].as_str()?, &one["Value"])))
        .collect();
    if namespace == NAMESPACE {
        return problem_of_ours(name, &dimensions, emitted);
    }
    let Some((.., dimension, kind)) =
        OF_AWS.iter().find(|(of, named, ..)| (*of, *named) == (namespace, name))
    else {
        return Some(format!("nobody is known to emit {name} in {namespace}"));
    };
    let names: Vec<_> = dimensions.keys().copied().collect();
    if names != [*dimension] {
        return Some(format!("{name} has the dimension {dimension}, not {names:?}"));
    }
    let of = refers_to(dimensions[dimension]);
    let exists = of_kind(template, kind).iter().any(|(resource, _)| Some(resource.as_str()) == of);
    (!exists).then(|| format!("there is no {kind} {of:?}"))
}

fn problem_of_ours(
    name: &str,
    dimensions: &BTreeMap<&str, &Value>,
    emitted: &[Emitted],
) -> Option<String> {
    let by_name: Vec<&Emitted> = emitted
        .iter()
        .filter(|group| group.metrics.iter().any(|metric| metric.name == name))
        .collect();
    if by_name.is_empty() {
        return Some(format!("no function emits {name}"));
    }
    let names: BTreeSet<&str> = dimensions.keys().copied().collect();
    let is_watched = |group: &&&Emitted| {
        let has_dimensions = group
            .scope
            .dimensions()
            .iter()
            .any(|set| set.iter().copied().collect::<BTreeSet<_>>() == names);
        has_dimensions
            && dimensions
                .get(FUNCTION)
                .is_none_or(|value| value.as_str() == Some(group.function.name()))
    };
    if by_name.iter().any(|group| is_watched(&group)) {
        return None;
    }
    let by: Vec<_> =
        by_name.iter().map(|group| (group.function.name(), group.scope.dimensions())).collect();
    Some(format!("{name} is not emitted under {dimensions:?}, but by {by:?}"))
}

#[tokio::test]
async fn each_alarm_watches_what_is_emitted() {
    let (template, emitted) = (template().await, emitted());
    let alarms = of_kind(&template, "AWS::CloudWatch::Alarm");
    assert!(alarms.len() >= 20, "{}", alarms.len());
    let problems: Vec<String> = alarms
        .iter()
        .filter_map(|(name, alarm)| {
            Some(format!("{name}: {}", problem(alarm, &template, &emitted)?))
        })
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    for kind in
        ["AWS::CloudWatch::Dashboard", "AWS::CloudWatch::CompositeAlarm", "AWS::Logs::MetricFilter"]
    {
        assert!(
            of_kind(&template, kind).is_empty(),
            "hold {kind} against what is emitted here too"
        );
    }
}

#[tokio::test]
async fn an_alarm_on_what_nobody_emits_is_seen() {
    let (template, emitted) = (template().await, emitted());
    let alarm = |namespace: &str, metric: &str, dimension: &str, value: Value| {
        let alarm = serde_json::json!({
            "Namespace": namespace, "MetricName": metric, "Dimensions": [{"Name": dimension, "Value": value}],
        });
        problem(&alarm, &template, &emitted)
    };
    let push_stock = || Value::from("push-stock");
    assert_eq!(alarm(NAMESPACE, "OldestFigureSeconds", FUNCTION, push_stock()), None);
    assert_eq!(
        alarm(NAMESPACE, "OldestStockImportSeconds", FUNCTION, push_stock()),
        None,
        "a channel's metric counts for its function"
    );
    assert_eq!(alarm(NAMESPACE, "OldestStockImportSeconds", CHANNEL, Value::from("uk")), None);
    for (metric, dimension, value, what) in [
        ("OldestFigure", FUNCTION, push_stock(), "no function emits"),
        (
            "OldestFigureSeconds",
            FUNCTION,
            Value::from("acknowledge-orders"),
            "is not emitted under",
        ),
        ("OldestFigureSeconds", CHANNEL, Value::from("uk"), "is not emitted under"),
        ("OldestFigureSeconds", "Function", push_stock(), "is not emitted under"),
    ] {
        let told = alarm(NAMESPACE, metric, dimension, value).unwrap();
        assert!(told.contains(what), "{told}");
    }
    assert!(alarm("PrimaMirakl2", "OldestFigureSeconds", FUNCTION, push_stock()).is_some());
    let queue = |name: &str| serde_json::json!({"Fn::GetAtt": [name, "QueueName"]});
    let visible = "ApproximateNumberOfMessagesVisible";
    assert_eq!(alarm("AWS/SQS", visible, "QueueName", queue("OrdersQueue")), None);
    assert!(alarm("AWS/SQS", visible, "QueueName", queue("NoQueue")).is_some());
    assert!(alarm("AWS/SQS", visible, "Queue", queue("OrdersQueue")).is_some());
}

#[test]
fn a_name_has_one_unit_and_one_field() {
    let mut units = BTreeMap::new();
    for group in emitted() {
        for metric in group.metrics {
            let unit = *units.entry(metric.name).or_insert(metric.unit);
            assert_eq!(unit, metric.unit, "{}", metric.name);
        }
    }
    for function in Function::ALL {
        let of_function = emitted().into_iter().filter(|group| group.function == *function);
        let names: Vec<&str> =
            of_function.flat_map(|group| group.metrics).map(|metric| metric.name).collect();
        assert_eq!(
            names.iter().collect::<BTreeSet<_>>().len(),
            names.len(),
            "{function:?} has two fields for one name: {names:?}"
        );
    }
}
