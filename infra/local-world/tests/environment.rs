//! What a function is handed in its environment is what it reads: no more, no less, and nothing
//! that its role may not use.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use local_world::{Function, paths};
use serde_json::Value;
use shared::aws::settings::Settings;

/// What Lambda sets itself; and where a local AWS is.
const OF_LAMBDA: [&str; 5] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
];
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

fn read(function: Function) -> BTreeSet<String> {
    match function {
        Function::AcknowledgeOrders => read_by(|settings| {
            acknowledge_orders::handler::Function::from_settings(settings).is_ok()
        }),
        Function::CreatePrimaOrders => read_by(|settings| {
            create_prima_orders::handler::Function::from_settings(settings).is_ok()
        }),
        Function::CollectDispatches => read_by(|settings| {
            collect_dispatches::handler::Function::from_settings(settings).is_ok()
        }),
        Function::UpdateDispatches => read_by(|settings| {
            update_dispatches::handler::Function::from_settings(settings).is_ok()
        }),
        Function::PushStock => {
            read_by(|settings| push_stock::handler::Function::from_settings(settings).is_ok())
        }
        Function::CheckStockImports => read_by(|settings| {
            check_stock_imports::handler::Function::from_settings(settings).is_ok()
        }),
        Function::ReconcilePayouts => read_by(|settings| {
            reconcile_payouts::handler::Function::from_settings(settings).is_ok()
        }),
        Function::PostJournals => {
            read_by(|settings| post_journals::handler::Function::from_settings(settings).is_ok())
        }
    }
}

/// The functions as `CloudFormation` gets them, by the name of their code.
fn functions(template: &Value) -> BTreeMap<String, &Value> {
    let all = template["Resources"].as_object().unwrap().values();
    let functions = all
        .filter(|resource| resource["Type"] == "AWS::Lambda::Function")
        .map(|resource| &resource["Properties"]);
    let prefix = "/aws/lambda/${AWS::StackName}-";
    functions
        .map(|function| {
            let group = function["LoggingConfig"]["LogGroup"]["Ref"].as_str().unwrap();
            let name = template["Resources"][group]["Properties"]["LogGroupName"]["Fn::Sub"]
                .as_str()
                .unwrap();
            (name.strip_prefix(prefix).unwrap().to_owned(), function)
        })
        .collect()
}

/// Every variable that is set is read, and every one that is read is set.
#[tokio::test]
async fn variables_set_and_variables_read_are_the_same() {
    let template = local_world::template::transformed().await.unwrap();
    let functions = functions(&template);
    for function in Function::ALL {
        let (name, read) = (function.name(), read(*function));
        let set: BTreeSet<String> = functions[name]["Environment"]["Variables"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        assert_eq!(set, read, "{name}: set in the template (left), read by its code (right)");
        let readme = paths::workspace().join("functions").join(name).join("README.md");
        let readme = std::fs::read_to_string(readme).unwrap();
        let line = readme.lines().find(|line| line.starts_with("| settings |")).unwrap();
        let told: BTreeSet<&str> = line.split('`').skip(1).step_by(2).collect();
        let expected: BTreeSet<&str> =
            read.iter().map(String::as_str).filter(|variable| *variable != OF_TELEMETRY).collect();
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
            let Some(id) = value["Ref"].as_str().filter(|id| template["Resources"][id].is_object())
            else {
                continue;
            };
            let may_use = policies.contains(&format!("[\"{id}\",\"Arn\"]"))
                || policies.contains(&format!("${{{id}.Arn}}"));
            assert!(
                may_use,
                "{name} is handed {id} as {variable}, and its role may do nothing with it"
            );
        }
    }
}

/// The one list of functions, held against everything else that names all of them.
#[tokio::test]
async fn the_list_of_functions_is_complete() {
    let listed: BTreeSet<String> =
        Function::ALL.iter().map(|function| function.name().to_owned()).collect();
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap();

    let folders = std::fs::read_dir(paths::workspace().join("functions"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let packages: Vec<_> = folders.filter(|folder| folder.join("Cargo.toml").is_file()).collect();
    for package in &packages {
        let name = package.file_name().unwrap().to_str().unwrap();
        assert!(
            read(&package.join("Cargo.toml")).contains(&format!("name = \"{name}\"")),
            "a package is named as its folder: {name}"
        );
    }
    let packages: BTreeSet<String> = packages
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        packages, listed,
        "the folders under functions/ (left), shared/src/aws/functions.rs (right)"
    );
    let members = read(&paths::workspace().join("Cargo.toml"));
    assert!(
        members.contains("\"functions/*\""),
        "every folder under functions/ is a member of the workspace"
    );

    let template = local_world::template::read().await.unwrap();
    let resources = template["Resources"].as_object().unwrap().iter();
    let deployed: BTreeSet<(&str, String)> = resources
        .filter(|(_, resource)| resource["Type"] == "AWS::Serverless::Function")
        .map(|(id, function)| {
            (id.as_str(), function["Properties"]["CodeUri"].as_str().unwrap().to_owned())
        })
        .collect();
    let expected = Function::ALL
        .iter()
        .map(|function| (function.logical_id(), format!("functions/{}", function.name())))
        .collect();
    assert_eq!(deployed, expected, "template.yaml (left), shared/src/aws/functions.rs (right)");
    let readme = read(&paths::workspace().join("README.md"));
    for function in Function::ALL {
        let (id, name) = (function.logical_id(), function.name());
        assert_eq!(
            template["Resources"][id]["Metadata"]["BuildProperties"]["Binary"], name,
            "{id}: its binary"
        );
        assert_eq!(
            template["Outputs"][function.name_output()]["Value"]["Ref"],
            id,
            "{id}: the output with its name"
        );
        let group = template["Outputs"][function.log_group_output()]["Value"]["Ref"]
            .as_str()
            .unwrap_or_default();
        let group = &template["Resources"][group]["Properties"]["LogGroupName"]["Fn::Sub"];
        assert_eq!(
            *group,
            format!("/aws/lambda/${{AWS::StackName}}-{name}"),
            "{id}: the output with its log group"
        );
        for alarm in ["ErrorsAlarm", "ThrottlesAlarm"] {
            let alarm = id.replace("Function", alarm);
            let watched =
                &template["Resources"][&alarm]["Properties"]["Dimensions"][0]["Value"]["Ref"];
            assert_eq!(*watched, id, "{alarm}: the function that it watches");
        }
        assert!(
            readme.contains(&format!("| `functions/{name}` |")),
            "the README's table lacks {name}"
        );
    }
}
