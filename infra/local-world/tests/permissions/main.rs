//! What each role may do is exactly what is done under it: in the template as `CloudFormation` gets
//! it, with everything that the transform of SAM adds, held against the calls in the sources. No
//! AWS is needed.
//!
//! A function's code calls ports (`store.load_order`); adapters in `shared` call AWS for them.
//! [`USES`] says what each of these calls needs, and is itself held against the adapters. Whoever
//! adds a call adds a line there, and the permission to the template.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod services;
mod sources;

use std::collections::{BTreeMap, BTreeSet};

use local_world::Function;
use serde_json::Value;

use sources::{Item, calls, closure, compact, file, files_below, items, operations};

/// What an operation of the SDK needs, as the documentation of the service says.
const OPERATIONS: [(&str, &[&str]); 17] = [
    ("get_item", &["dynamodb:GetItem"]),
    ("batch_get_item", &["dynamodb:BatchGetItem"]),
    ("put_item", &["dynamodb:PutItem"]),
    ("delete_item", &["dynamodb:DeleteItem"]),
    ("query", &["dynamodb:Query"]),
    // There is no permission for a transaction, only for what is in it, and ours hold nothing but
    // puts: "Using IAM with DynamoDB transactions",
    // https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
    ("transact_write_items", &["dynamodb:PutItem"]),
    ("send_message_batch", &["sqs:SendMessage"]),
    ("receive_message", &["sqs:ReceiveMessage"]),
    ("delete_message", &["sqs:DeleteMessage"]),
    ("change_message_visibility", &["sqs:ChangeMessageVisibility"]),
    ("put_events", &["events:PutEvents"]),
    ("get_secret_value", &["secretsmanager:GetSecretValue"]),
    ("list_objects_v2", &["s3:ListBucket"]),
    // Who may not list is told of an object that is not there that he may not read it: "GetObject",
    // https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    ("get_object", &["s3:GetObject", "s3:ListBucket"]),
    ("put_object", &["s3:PutObject"]),
    // A read of the source and a write of the copy, and more where tags are copied too:
    // "CopyObject", https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
    ("copy_object", &["s3:GetObject", "s3:PutObject"]),
    ("delete_object", &["s3:DeleteObject"]),
];

const STORE: &[&str] = &[
    "shared/src/aws/store.rs",
    "shared/src/aws/store/orders.rs",
    "shared/src/aws/store/flights.rs",
    "shared/src/aws/store/states.rs",
];
const LEDGER: &[&str] = &[
    "shared/src/domain/state/ledger.rs",
    "shared/src/aws/stock_ledger.rs",
    "shared/src/aws/store.rs",
];
const CHANNEL_DOCUMENTS: &[&str] = &[
    "shared/src/domain/channel_documents.rs",
    "shared/src/aws/channel_documents.rs",
    "shared/src/aws/documents.rs",
];
const INSTALLED: &[&str] = &["shared/src/aws/prima_client.rs", "shared/src/aws/documents.rs"];
const QUEUES: &[&str] = &["shared/src/aws/queues.rs"];
const BUS: &[&str] = &["shared/src/aws/event_bus.rs"];
const KEYS: &[&str] = &["shared/src/aws/secrets.rs"];
const COPY_OF_CHANNELS: &[&str] = &["shared/src/aws/channel_copy.rs"];
const STOCK_FILES: &[&str] = &["shared/src/aws/stock_files.rs", "shared/src/aws/bucket.rs"];
const PAYOUTS: &[&str] = &["shared/src/aws/payout_store.rs", "shared/src/aws/store.rs"];
const PAYOUT_FILES: &[&str] = &["shared/src/aws/payout_files.rs", "shared/src/aws/bucket.rs"];
const DISPATCH_FILES: &[&str] = &["functions/collect-dispatches/src/handler.rs"];

/// The key condition that binds a write to some partitions of a table.
const FLIGHTS: &str = "StockTable where ForAllValues:StringLike flights#*";
const INSTALLATION: &str = "ChannelsTable where ForAllValues:StringEquals installation";
const POLL_STATES: &str =
    "ChannelsTable where ForAllValues:StringNotLike channels, installation, history#*";
const SECRETS: &str = "secret of this stack's channels";

/// What a call of a port needs: the call as it stands in the sources, the adapters that answer it,
/// and permissions as `action resource`. `QUEUE` and `DEAD_LETTERS` are the function's own: see
/// [`queues`].
struct Use(&'static str, &'static [&'static str], &'static [(&'static str, &'static str)]);

const USES: &[Use] = &[
    Use("store.load_order", STORE, &[("dynamodb:GetItem", "OrdersTable")]),
    Use("store.load_orders", STORE, &[("dynamodb:BatchGetItem", "OrdersTable")]),
    Use(
        "store.save_order",
        STORE,
        &[("dynamodb:PutItem", "OrdersTable"), ("dynamodb:PutItem", FLIGHTS)],
    ),
    Use("store.orders_in", STORE, &[("dynamodb:Query", "OrdersTable/index/by-state")]),
    Use("store.orders_due", STORE, &[("dynamodb:Query", "OrdersTable/index/by-state")]),
    Use("store.holder_of", STORE, &[("dynamodb:GetItem", "OrdersTable")]),
    Use("store.reserve_number", STORE, &[("dynamodb:PutItem", "OrdersTable")]),
    Use("store.load_poll", STORE, &[("dynamodb:GetItem", "ChannelsTable")]),
    Use("store.save_poll", STORE, &[("dynamodb:PutItem", POLL_STATES)]),
    Use("store.load_collection", STORE, &[("dynamodb:GetItem", "ChannelsTable")]),
    Use("store.save_collection", STORE, &[("dynamodb:PutItem", INSTALLATION)]),
    Use("store.load_breakers", STORE, &[("dynamodb:GetItem", "ChannelsTable")]),
    Use("store.save_breakers", STORE, &[("dynamodb:PutItem", INSTALLATION)]),
    Use("store.load_slots", STORE, &[("dynamodb:GetItem", "ChannelsTable")]),
    Use("store.save_slots", STORE, &[("dynamodb:PutItem", INSTALLATION)]),
    Use("store.flights", STORE, &[("dynamodb:Query", "StockTable")]),
    Use("ledger.load_record", LEDGER, &[("dynamodb:GetItem", "StockTable")]),
    Use("ledger.save_record", LEDGER, &[("dynamodb:PutItem", "StockTable")]),
    Use("ledger.load", LEDGER, &[("dynamodb:Query", "StockTable")]),
    Use("ledger.append", LEDGER, &[("dynamodb:PutItem", "StockTable")]),
    Use(
        "ledger.compact",
        LEDGER,
        &[("dynamodb:PutItem", "StockTable"), ("dynamodb:DeleteItem", "StockTable")],
    ),
    Use("documents.channels", CHANNEL_DOCUMENTS, &[("dynamodb:Query", "ChannelsTable")]),
    // Channels' documents stand in the rules table: see
    // `a_document_that_a_function_reads_stands_in_the_rules_table`.
    Use("documents.document", CHANNEL_DOCUMENTS, &[("dynamodb:GetItem", "RulesTable")]),
    Use("documents.stored_document", CHANNEL_DOCUMENTS, &[("dynamodb:GetItem", "RulesTable")]),
    Use("documents.sku_overrides", CHANNEL_DOCUMENTS, &[("dynamodb:GetItem", "RulesTable")]),
    Use("documents.all_sku_overrides", CHANNEL_DOCUMENTS, &[("dynamodb:Query", "RulesTable")]),
    Use("documents.keep_document", CHANNEL_DOCUMENTS, &[("dynamodb:PutItem", "RulesTable")]),
    Use("documents.installation", INSTALLED, &[("dynamodb:GetItem", "ChannelsTable")]),
    Use("prima.now", INSTALLED, &[("dynamodb:GetItem", "ChannelsTable")]),
    Use("queue.send", QUEUES, &[("sqs:SendMessage", "QUEUE")]),
    Use("queue.ask_later", QUEUES, &[("sqs:SendMessage", "QUEUE")]),
    Use("queue.send_exceptions", QUEUES, &[("sqs:SendMessage", "DEAD_LETTERS")]),
    Use(
        "queue.shown",
        QUEUES,
        &[("sqs:ReceiveMessage", "DEAD_LETTERS"), ("sqs:ChangeMessageVisibility", "DEAD_LETTERS")],
    ),
    Use("queue.withdraw", QUEUES, &[("sqs:DeleteMessage", "DEAD_LETTERS")]),
    Use("queue.put_back", QUEUES, &[("sqs:ChangeMessageVisibility", "DEAD_LETTERS")]),
    Use("events.publish", BUS, &[("events:PutEvents", "Events")]),
    Use("directory.client", KEYS, &[("secretsmanager:GetSecretValue", SECRETS)]),
    Use("copy.read", COPY_OF_CHANNELS, &[("secretsmanager:GetSecretValue", SECRETS)]),
    Use(
        "files.read(FIGURES",
        STOCK_FILES,
        &[("s3:GetObject", "StockFiles/figures"), ("s3:ListBucket", "StockFiles")],
    ),
    Use(
        "files.read(&offers_of",
        STOCK_FILES,
        &[("s3:GetObject", "StockFiles/offers/*"), ("s3:ListBucket", "StockFiles")],
    ),
    Use(
        "files.read(&import_of",
        STOCK_FILES,
        &[("s3:GetObject", "StockFiles/imports/*"), ("s3:ListBucket", "StockFiles")],
    ),
    Use("files.write(FIGURES", STOCK_FILES, &[("s3:PutObject", "StockFiles/figures")]),
    Use("files.write(&offers_of", STOCK_FILES, &[("s3:PutObject", "StockFiles/offers/*")]),
    Use("files.write(&import_of", STOCK_FILES, &[("s3:PutObject", "StockFiles/imports/*")]),
    Use("store.load_shop", PAYOUTS, &[("dynamodb:GetItem", "PayoutsTable")]),
    Use("store.save_shop", PAYOUTS, &[("dynamodb:PutItem", "PayoutsTable")]),
    Use("store.cycles", PAYOUTS, &[("dynamodb:Query", "PayoutsTable")]),
    Use("store.load_cycle", PAYOUTS, &[("dynamodb:GetItem", "PayoutsTable")]),
    Use("store.save_cycle", PAYOUTS, &[("dynamodb:PutItem", "PayoutsTable")]),
    Use("store.reserve_reference", PAYOUTS, &[("dynamodb:PutItem", "PayoutsTable")]),
    Use("payouts.load_cycle", PAYOUTS, &[("dynamodb:GetItem", "PayoutsTable")]),
    Use("payouts.save_cycle", PAYOUTS, &[("dynamodb:PutItem", "PayoutsTable")]),
    Use("payouts.reserve_reference", PAYOUTS, &[("dynamodb:PutItem", "PayoutsTable")]),
    Use("queue.send_journal", QUEUES, &[("sqs:SendMessage", "QUEUE")]),
    Use("inbox.waiting", DISPATCH_FILES, &[("s3:ListBucket", "DispatchFiles")]),
    Use(
        "inbox.read",
        DISPATCH_FILES,
        &[("s3:GetObject", "DispatchFiles/incoming/*"), ("s3:ListBucket", "DispatchFiles")],
    ),
    Use(
        "inbox.put_away",
        DISPATCH_FILES,
        &[
            ("s3:GetObject", "DispatchFiles/incoming/*"),
            ("s3:PutObject", "DispatchFiles/done/*"),
            ("s3:PutObject", "DispatchFiles/refused/*"),
            ("s3:DeleteObject", "DispatchFiles/incoming/*"),
        ],
    ),
];
/// What a function reads and writes of the files of payouts, whose names stand in variables: where
/// they begin. Its text is held against this for whether it does either at all.
const OF_PAYOUT_FILES: [(Function, &[&str], &[&str]); 2] = [
    (Function::ReconcilePayouts, &["lines", "journals"], &["lines", "journals", "reports"]),
    (Function::PostJournals, &["journals", "import", "evidence"], &["import", "evidence"]),
];
/// What a port's method is called in its adapter, where that has another name.
const IN_ADAPTER: [(&str, &str); 1] = [("directory.client", "api_key")];
/// Names that methods of other things have too: of these, what is called on a port's own name
/// counts alone.
const COMMON: [&str; 12] = [
    "send", "read", "write", "load", "append", "client", "shown", "publish", "channels", "now",
    "compact", "waiting",
];
/// Where people are told: the helpers call it.
const NOTIFY: &str = "shared/src/domain/notify.rs";
/// Code of `shared` that calls ports for a function: its module, its file.
const HELPERS: [(&str, &str); 13] = [
    ("shared::domain::channel_documents", "shared/src/domain/channel_documents.rs"),
    ("shared::domain::order::documents", "shared/src/domain/order/documents.rs"),
    ("shared::domain::dispatch::documents", "shared/src/domain/dispatch/documents.rs"),
    ("shared::domain::stock::documents", "shared/src/domain/stock/documents.rs"),
    ("shared::domain::stock::snapshot", "shared/src/domain/stock/snapshot.rs"),
    ("shared::domain::payout::documents", "shared/src/domain/payout/documents.rs"),
    ("shared::domain::unknown_values", "shared/src/domain/unknown_values.rs"),
    ("shared::domain::notify", NOTIFY),
    ("shared::domain::prima_breaker", "shared/src/domain/prima_breaker.rs"),
    ("shared::domain::prima_slots", "shared/src/domain/prima_slots.rs"),
    ("shared::domain::exceptions", "shared/src/domain/exceptions.rs"),
    ("shared::domain::conditions", "shared/src/domain/conditions.rs"),
    ("shared::aws::batch", "shared/src/aws/batch.rs"),
];
/// Where the SDK's operations are called. Nowhere else.
const ADAPTERS: [&str; 13] = [
    "shared/src/aws/store.rs",
    "shared/src/aws/store/orders.rs",
    "shared/src/aws/store/flights.rs",
    "shared/src/aws/store/states.rs",
    "shared/src/aws/stock_ledger.rs",
    "shared/src/aws/documents.rs",
    "shared/src/aws/queues.rs",
    "shared/src/aws/event_bus.rs",
    "shared/src/aws/secrets.rs",
    "shared/src/aws/channel_copy.rs",
    "shared/src/aws/bucket.rs",
    "shared/src/aws/payout_store.rs",
    "functions/collect-dispatches/src/handler.rs",
];

/// Why a permission is of any resource: X-Ray has none to name, where the function is traced.
const TRACED: &str = "X-Ray has no resources to name";
/// Why a permission is of any resource: Lambda makes the network interface, where the function
/// stands in a VPC.
const IN_VPC: &str = "Lambda, to stand in the VPC";
/// What may stand for any resource, and why.
const ANY_RESOURCE: [(&str, &str); 8] = [
    // "Actions, resources, and condition keys for AWS X-Ray": no resource types for these two.
    // https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html
    ("xray:PutTraceSegments", TRACED),
    ("xray:PutTelemetryRecords", TRACED),
    // "Giving Lambda functions access to resources in an Amazon VPC": the interface does not exist
    // when Lambda makes it. https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
    ("ec2:CreateNetworkInterface", IN_VPC),
    ("ec2:DescribeNetworkInterfaces", IN_VPC),
    ("ec2:DescribeSubnets", IN_VPC),
    ("ec2:DeleteNetworkInterface", IN_VPC),
    ("ec2:AssignPrivateIpAddresses", IN_VPC),
    ("ec2:UnassignPrivateIpAddresses", IN_VPC),
];
/// Policies of AWS that a role may have, and why: none. Their resources are all of the account's.
const MANAGED_POLICIES: [(&str, &str); 0] = [];

type Permissions = BTreeSet<String>;

fn permission(action: &str, resource: &str) -> String {
    format!("{action} on {resource}")
}

fn resources<'a>(template: &'a Value, kind: &str) -> BTreeMap<&'a str, &'a Value> {
    let all = template["Resources"].as_object().unwrap().iter();
    all.filter(|(_, resource)| resource["Type"] == kind)
        .map(|(name, resource)| (name.as_str(), &resource["Properties"]))
        .collect()
}

/// One or many.
fn each(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(
        || if value.is_null() { Vec::new() } else { vec![value] },
        |values| values.iter().collect(),
    )
}

/// A resource in a word: its logical id, and what follows it.
fn resource(value: &Value) -> String {
    if let Some(id) = value["Fn::GetAtt"][0].as_str() {
        return id.to_owned();
    }
    let text = value["Fn::Sub"]
        .as_str()
        .or_else(|| value.as_str())
        .unwrap_or_else(|| panic!("a resource of another form: {value}"));
    if text.ends_with(":secret:${AWS::StackName}/channels/*") && text.contains("${AWS::AccountId}")
    {
        return SECRETS.to_owned();
    }
    match text.strip_prefix("${").and_then(|rest| rest.split_once(".Arn}")) {
        Some((id, rest)) => format!("{id}{rest}"),
        None => text.to_owned(),
    }
}

/// What a statement is bound to, in words; the keys of DynamoDB are left out, since all conditions
/// of ours are of these.
fn condition(statement: &Value) -> String {
    let operators = statement["Condition"].as_object().into_iter().flatten();
    let words = operators.map(|(operator, keys)| {
        let values: Vec<&str> = keys
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(key, values)| {
                assert_eq!(key, "dynamodb:LeadingKeys", "a condition that this test does not know");
                each(values).into_iter().filter_map(Value::as_str)
            })
            .collect();
        format!(" where {operator} {}", values.join(", "))
    });
    words.collect()
}

/// What the policies of a role allow: always, and in a VPC alone.
fn granted(role: &Value) -> (Permissions, Permissions) {
    let (mut always, mut in_vpc) = (Permissions::new(), Permissions::new());
    for policy in each(&role["Policies"]) {
        let branches = &policy["Fn::If"];
        let (policy, held) =
            if branches.is_null() { (policy, &mut always) } else { (&branches[1], &mut in_vpc) };
        if !branches.is_null() {
            assert!(branches[0] == "InVpc" && branches[2]["Ref"] == "AWS::NoValue", "{branches}");
        }
        for statement in each(&policy["PolicyDocument"]["Statement"]) {
            if statement["Effect"] == "Deny" {
                continue;
            }
            assert_eq!(statement["Effect"], "Allow");
            assert!(
                statement["NotAction"].is_null() && statement["NotResource"].is_null(),
                "{statement}"
            );
            for action in each(&statement["Action"]) {
                for one in each(&statement["Resource"]) {
                    held.insert(permission(
                        action.as_str().unwrap(),
                        &format!("{}{}", resource(one), condition(statement)),
                    ));
                }
            }
        }
    }
    (always, in_vpc)
}

fn role_of<'a>(template: &'a Value, function: &Value) -> &'a Value {
    let id = function["Role"]["Fn::GetAtt"][0]
        .as_str()
        .unwrap_or_else(|| panic!("not a role of ours: {}", function["Role"]));
    &template["Resources"][id]["Properties"]
}

/// What Lambda itself does under a function's role.
fn of_lambda(template: &Value, id: &str, function: &Value) -> (Permissions, Permissions) {
    let (mut always, mut in_vpc) = (Permissions::new(), Permissions::new());
    let group = function["LoggingConfig"]["LogGroup"]["Ref"].as_str().unwrap();
    for action in ["logs:CreateLogStream", "logs:PutLogEvents"] {
        always.insert(permission(action, group));
    }
    for mapping in resources(template, "AWS::Lambda::EventSourceMapping").values() {
        if mapping["FunctionName"]["Ref"] == id {
            let queue = mapping["EventSourceArn"]["Fn::GetAtt"][0].as_str().unwrap();
            // "Creating and configuring an Amazon SQS event source mapping", setting up execution
            // role permissions:
            // https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
            for action in ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"] {
                always.insert(permission(action, queue));
            }
        }
    }
    for (action, why) in ANY_RESOURCE {
        let (any, in_a_vpc, traced) = (
            permission(action, "*"),
            !function["VpcConfig"].is_null(),
            &function["TracingConfig"]["Mode"],
        );
        match why {
            IN_VPC if in_a_vpc => in_vpc.insert(any),
            TRACED if traced == "Active" => always.insert(any),
            _ => false,
        };
    }
    (always, in_vpc)
}

/// The calls that a text makes, of those in [`USES`].
fn uses_in(text: &str) -> BTreeSet<&'static str> {
    let called = |call: &str| {
        text.match_indices(call).any(|(at, _)| {
            let (before, after) = (&text[..at], &text[at + call.len()..]);
            let whole = !before.ends_with(|letter: char| letter.is_alphanumeric() || letter == '_');
            whole && (call.contains('(') || after.starts_with('(') || after.starts_with("::<"))
        })
    };
    USES.iter().map(|one| one.0).filter(|call| called(call)).collect()
}

/// All of a package's sources.
fn text_of(package: &str) -> String {
    files_below(&format!("functions/{package}/src"))
        .iter()
        .map(|path| compact(&file(path)))
        .collect()
}

/// The queue that a function is handed in its environment, and that queue's dead-letter queue.
fn queues<'a>(template: &'a Value, function: &'a Value) -> Option<(&'a str, &'a str)> {
    let handed = function["Environment"]["Variables"].as_object().unwrap().values();
    let redrive = |id: &str| {
        template["Resources"][id]["Properties"]["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0].as_str()
    };
    handed.filter_map(|value| value["Ref"].as_str()).find_map(|id| Some((id, redrive(id)?)))
}

/// What a function's code does on AWS.
fn used(
    function: Function,
    template: &Value,
    properties: &Value,
) -> (BTreeSet<&'static str>, Permissions) {
    let text = text_of(function.name());
    let (queue, dead_letters) =
        queues(template, properties).unwrap_or(("no queue", "no dead-letter queue"));
    let mut uses = uses_in(&text);
    for (module, path) in HELPERS {
        let mut helpers: Vec<Item> = items(&file(path));
        let of_module: BTreeSet<String> =
            helpers.iter().map(|helper| helper.name.clone()).collect();
        if path != NOTIFY {
            helpers.extend(items(&file(NOTIFY)));
        }
        for helper in helpers
            .iter()
            .filter(|helper| of_module.contains(&helper.name))
            .filter(|helper| text.contains(module) && calls(&text, &helper.name, &[]))
        {
            uses.extend(uses_in(&closure(&helper.name, &helpers)));
        }
    }
    let needs = USES.iter().filter(|one| uses.contains(one.0)).flat_map(|one| one.2);
    let permissions = needs.map(|(action, resource)| match *resource {
        "QUEUE" => permission(action, queue),
        "DEAD_LETTERS" => permission(action, dead_letters),
        resource => permission(action, resource),
    });
    let mut permissions: Permissions = permissions.collect();
    permissions.extend(of_payout_files(function, &text));
    (uses, permissions)
}

fn of_payout_files(function: Function, text: &str) -> Permissions {
    let Some((_, read, written)) = OF_PAYOUT_FILES.iter().find(|(of, ..)| *of == function) else {
        assert!(!text.contains("PayoutFiles"), "{function:?} is to be in OF_PAYOUT_FILES");
        return Permissions::new();
    };
    assert!(text.contains("files.read(") && text.contains("files.write("), "{function:?}");
    let below = |action: &str, folders: &[&str]| -> Permissions {
        folders.iter().map(|one| permission(action, &format!("PayoutFiles/{one}/*"))).collect()
    };
    let mut permissions = below("s3:GetObject", read);
    permissions.extend(below("s3:PutObject", written));
    permissions.insert(permission("s3:ListBucket", "PayoutFiles"));
    permissions
}

#[tokio::test]
async fn each_function_may_do_what_its_code_does_and_nothing_else() {
    let template = local_world::template::transformed().await.unwrap();
    let functions = resources(&template, "AWS::Lambda::Function");
    assert_eq!(functions.len(), Function::ALL.len());
    let mut problems = Vec::new();
    for function in Function::ALL {
        let id = function.logical_id();
        let properties = functions[id];
        let (held, held_in_vpc) = granted(role_of(&template, properties));
        let (mut wanted, wanted_in_vpc) = of_lambda(&template, id, properties);
        let (uses, needed) = used(*function, &template, properties);
        wanted.extend(needed);
        for (held, wanted) in [(&held, &wanted), (&held_in_vpc, &wanted_in_vpc)] {
            problems.extend(
                held.difference(wanted)
                    .map(|extra| format!("{id} may {extra}, and no code does that")),
            );
            problems.extend(
                wanted
                    .difference(held)
                    .map(|missing| format!("{id} may not {missing}, and needs to: {uses:?}")),
            );
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[tokio::test]
async fn every_role_is_our_own_and_names_its_resources() {
    let template = local_world::template::transformed().await.unwrap();
    let roles = resources(&template, "AWS::IAM::Role");
    let functions = resources(&template, "AWS::Lambda::Function");
    let schedules = resources(&template, "AWS::Scheduler::Schedule");
    assert_eq!(roles.len(), functions.len() + schedules.len(), "a role for each, and none besides");
    let written = local_world::template::read().await.unwrap();
    for (id, role) in &roles {
        assert!(
            written["Resources"][id].is_object(),
            "the transform made {id}: write it into the template"
        );
        for policy in each(&role["ManagedPolicyArns"]) {
            assert!(
                MANAGED_POLICIES.iter().any(|(known, _)| policy == known),
                "{id} has {policy}: write out what it needs"
            );
        }
        for held in granted(role).0.iter().chain(&granted(role).1) {
            let (action, resource) = held.split_once(" on ").unwrap();
            assert!(!action.contains('*'), "{id}: {held}");
            let explained = ANY_RESOURCE.iter().any(|(known, _)| *known == action);
            assert!(!resource.starts_with('*') || explained, "{id}: {held}");
        }
    }
    for kind in [
        "AWS::IAM::Policy",
        "AWS::IAM::ManagedPolicy",
        "AWS::Lambda::Permission",
        "AWS::IAM::RolePolicy",
    ] {
        assert_eq!(resources(&template, kind).len(), 0, "{kind}");
    }
    let mut names = BTreeSet::new();
    for function in functions.values() {
        assert!(names.insert(function["Role"].to_string()), "one role for two functions");
        let trust = &role_of(&template, function)["AssumeRolePolicyDocument"]["Statement"];
        assert_eq!(each(trust).len(), 1);
        assert_eq!(trust[0]["Principal"]["Service"], "lambda.amazonaws.com");
    }
    // The code of a function in a VPC has the role's permissions too: it is refused what is
    // Lambda's alone. "Giving Lambda functions access to resources in an Amazon VPC",
    // https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
    for (id, function) in functions.iter().filter(|(_, function)| !function["VpcConfig"].is_null())
    {
        let policies = role_of(&template, function)["Policies"].as_array().unwrap();
        let network = policies.iter().find_map(|policy| policy["Fn::If"].get(1)).unwrap();
        let (allowed, refused) = (
            &network["PolicyDocument"]["Statement"][0],
            &network["PolicyDocument"]["Statement"][1],
        );
        assert!(
            allowed["Effect"] == "Allow"
                && refused["Effect"] == "Deny"
                && allowed["Action"] == refused["Action"],
            "{id}"
        );
        assert!(
            refused["Condition"]["ArnLike"]["lambda:SourceFunctionArn"]["Fn::Sub"]
                .as_str()
                .unwrap()
                .ends_with(":function:*")
        );
    }
}

/// A schedule may start its function and put away what it cannot deliver.
#[tokio::test]
async fn a_schedule_may_start_its_function_and_store_failures() {
    let template = local_world::template::transformed().await.unwrap();
    let schedules = resources(&template, "AWS::Scheduler::Schedule");
    assert_eq!(schedules.len(), 4);
    for (id, schedule) in schedules {
        let target = &schedule["Target"];
        let role = target["RoleArn"]["Fn::GetAtt"][0].as_str().unwrap();
        let role = &template["Resources"][role]["Properties"];
        // "Configuring a schedule's dead-letter queue": under the schedule's own role, not by the
        // policy of the queue.
        // https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html
        let wanted = Permissions::from([
            permission("lambda:InvokeFunction", &resource(&target["Arn"])),
            permission("sqs:SendMessage", &resource(&target["DeadLetterConfig"]["Arn"])),
        ]);
        assert_eq!(granted(role), (wanted, Permissions::new()), "{id}");
        // "Confused deputy prevention in EventBridge Scheduler": a schedule names its account.
        // https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
        let trust = &role["AssumeRolePolicyDocument"]["Statement"][0];
        assert_eq!(trust["Principal"]["Service"], "scheduler.amazonaws.com");
        assert_eq!(
            trust["Condition"]["StringEquals"]["aws:SourceAccount"]["Ref"],
            "AWS::AccountId"
        );
    }
}

#[test]
fn what_a_call_needs_is_what_its_adapter_does() {
    for Use(call, adapters, needs) in USES {
        let items: Vec<Item> = adapters.iter().flat_map(|path| items(&file(path))).collect();
        let named = call.split(['.', '(']).nth(1).unwrap();
        let method =
            IN_ADAPTER.iter().find(|(known, _)| known == call).map_or(named, |(_, method)| method);
        let operations = operations(&closure(method, &items));
        assert!(!operations.is_empty(), "{call}: {method} of {adapters:?} calls nothing on AWS");
        let actions: BTreeSet<&str> =
            operations.iter().flat_map(|operation| actions_of(operation)).copied().collect();
        let stated: BTreeSet<&str> = needs.iter().map(|(action, _)| *action).collect();
        assert_eq!(stated, actions, "{call} calls {operations:?}");
    }
}

#[test]
fn the_files_of_payouts_are_read_and_written_and_nothing_else() {
    let items: Vec<Item> = PAYOUT_FILES.iter().flat_map(|path| items(&file(path))).collect();
    for (method, actions) in
        [("read", &["s3:GetObject", "s3:ListBucket"][..]), ("write", &["s3:PutObject"][..])]
    {
        let operations = operations(&closure(method, &items));
        let found: BTreeSet<&str> =
            operations.iter().flat_map(|operation| actions_of(operation)).copied().collect();
        assert_eq!(found, actions.iter().copied().collect(), "{method}");
    }
}

fn actions_of(operation: &str) -> &'static [&'static str] {
    let known = OPERATIONS.iter().find(|(known, _)| *known == operation);
    known.unwrap_or_else(|| panic!("what {operation} needs is not known here: look it up in the service authorization reference")).1
}

#[test]
fn aws_is_called_in_the_adapters_and_ports_by_their_names() {
    let sources: Vec<String> =
        ["shared/src", "functions"].iter().flat_map(|directory| files_below(directory)).collect();
    for path in &sources {
        let text = compact(&file(path));
        let calls_aws = text.contains("aws_sdk_") && text.contains(".send()");
        assert!(
            !calls_aws || ADAPTERS.contains(&path.as_str()),
            "{path} calls AWS: it belongs into an adapter, and among these"
        );
    }
    // A port under another name would be overlooked above.
    let methods: BTreeSet<&str> = USES
        .iter()
        .filter_map(|one| one.0.split(['.', '(']).nth(1))
        .filter(|name| !COMMON.contains(name))
        .collect();
    for function in Function::ALL {
        let text = text_of(function.name());
        for method in &methods {
            let receivers: BTreeSet<&str> = USES
                .iter()
                .filter(|one| one.0.split(['.', '(']).nth(1) == Some(method))
                .filter_map(|one| one.0.split('.').next()?.split(' ').next_back())
                .collect();
            for (at, _) in text.match_indices(&format!(".{method}(")) {
                let own = text[..at].ends_with("self") && text.contains(&format!("fn {method}("));
                let known = own || receivers.iter().any(|receiver| text[..at].ends_with(receiver));
                assert!(
                    known,
                    "{}: .{method}( on another name than {receivers:?}: {}",
                    function.name(),
                    &text[at.saturating_sub(40)..at]
                );
            }
        }
    }
}

#[test]
fn a_document_that_a_function_reads_stands_in_the_rules_table() {
    for function in Function::ALL {
        let text = text_of(function.name());
        for elsewhere in ["DocumentKey::Installation", "DocumentKey::Channel("] {
            assert!(
                !text.contains(elsewhere),
                "{} reads a document of the channels table: give it a line of its own",
                function.name()
            );
        }
    }
    let table = compact(&file("shared/src/aws/documents.rs"));
    assert!(
        table.contains("DocumentKey::Installation|DocumentKey::Channel(_)=>&self.channels_table")
    );
}
