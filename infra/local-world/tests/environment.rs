//! What a function is handed in its environment is what it reads: no more, no less, and nothing that its role may not use.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use shared::aws::settings::Settings;

/// What Lambda sets itself; and where a local AWS is.
const OF_LAMBDA: [&str; 5] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_ENDPOINT_URL"];
/// Of every function, and nothing that its README has to tell.
const OF_TELEMETRY: &str = "RUST_LOG";

/// The variables that a function asks for from its start until it waits for its first event.
fn read_by(wire: impl FnOnce(&Settings<'_>) -> bool) -> BTreeSet<String> {
    let asked = RefCell::new(BTreeSet::new());
    let settings = Settings::from_lookup(|name| {
        asked.borrow_mut().insert(name.to_owned());
        Some("1".to_owned())
    });
    shared::aws::telemetry::start(&settings);
    assert!(wire(&settings), "it cannot be wired");
    drop(settings);
    asked.into_inner().into_iter().filter(|name| !OF_LAMBDA.contains(&name.as_str())).collect()
}

fn read() -> BTreeMap<&'static str, BTreeSet<String>> {
    BTreeMap::from([
        ("acknowledge-orders", read_by(|settings| acknowledge_orders::handler::Function::from_settings(settings).is_ok())),
        ("create-prima-orders", read_by(|settings| create_prima_orders::handler::Function::from_settings(settings).is_ok())),
        ("collect-dispatches", read_by(|settings| collect_dispatches::handler::Function::from_settings(settings).is_ok())),
        ("update-dispatches", read_by(|settings| update_dispatches::handler::Function::from_settings(settings).is_ok())),
        ("push-stock", read_by(|settings| push_stock::handler::Function::from_settings(settings).is_ok())),
        ("check-stock-imports", read_by(|settings| check_stock_imports::handler::Function::from_settings(settings).is_ok())),
    ])
}

/// The functions as `CloudFormation` gets them, by the name of their code.
fn functions(template: &Value) -> BTreeMap<String, &Value> {
    let all = template["Resources"].as_object().unwrap().values();
    let functions = all.filter(|resource| resource["Type"] == "AWS::Lambda::Function").map(|resource| &resource["Properties"]);
    let prefix = "/aws/lambda/${AWS::StackName}-";
    functions
        .map(|function| {
            let group = function["LoggingConfig"]["LogGroup"]["Ref"].as_str().unwrap();
            let name = template["Resources"][group]["Properties"]["LogGroupName"]["Fn::Sub"].as_str().unwrap();
            (name.strip_prefix(prefix).unwrap().to_owned(), function)
        })
        .collect()
}

#[tokio::test]
async fn every_variable_that_is_set_is_read_and_every_one_that_is_read_is_set() {
    let template = local_world::template::transformed().await.unwrap();
    let functions = functions(&template);
    let read = read();
    assert_eq!(functions.len(), read.len());
    for (name, read) in read {
        let set: BTreeSet<String> = functions[name]["Environment"]["Variables"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(set, read, "{name}: set in the template (left), read by its code (right)");
        let readme = local_world::paths::workspace().join("functions").join(name).join("README.md");
        let readme = std::fs::read_to_string(readme).unwrap();
        let line = readme.lines().find(|line| line.starts_with("| settings |")).unwrap();
        let told: BTreeSet<&str> = line.split('`').skip(1).step_by(2).collect();
        let expected: BTreeSet<&str> = read.iter().map(String::as_str).filter(|variable| *variable != OF_TELEMETRY).collect();
        assert_eq!(told, expected, "{name}: told in its README (left), read by its code (right)");
    }
}

#[tokio::test]
async fn a_function_is_handed_nothing_that_its_role_may_not_use() {
    let template = local_world::template::transformed().await.unwrap();
    for (name, function) in functions(&template) {
        let role = function["Role"]["Fn::GetAtt"][0].as_str().unwrap();
        let policies = template["Resources"][role]["Properties"]["Policies"].to_string();
        for (variable, value) in function["Environment"]["Variables"].as_object().unwrap() {
            let Some(id) = value["Ref"].as_str().filter(|id| template["Resources"][id].is_object()) else { continue };
            let may_use = policies.contains(&format!("[\"{id}\",\"Arn\"]")) || policies.contains(&format!("${{{id}.Arn}}"));
            assert!(may_use, "{name} is handed {id} as {variable}, and its role may do nothing with it");
        }
    }
}
