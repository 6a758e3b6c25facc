//! Services of AWS that act on resources of ours: EventBridge and CloudWatch. Which conditions
//! their requests meet is written down for each of them; a condition that a request does not carry
//! refuses all of them, and nothing on this machine would notice.

use serde_json::Value;

use crate::{each, resources};

/// What a service's requests to a resource carry.
struct Carried {
    policy: &'static str,
    service: &'static str,
    /// The keys of which a statement's condition has to be made; none where it may have no
    /// condition.
    keys: &'static [&'static str],
    /// The document that says so, and where it stands.
    document: &'static str,
    address: &'static str,
}

const CARRIED: [Carried; 5] = [
    Carried {
        policy: "AWS::KMS::Key",
        service: "events.amazonaws.com",
        // "Adding the aws:SourceAccount, aws:SourceArn, and aws:SourceOrgID to a AWS KMS policy is
        // not supported for EventBridge-to-encrypted topics."
        keys: &[],
        document: "Amazon SNS Developer Guide: Key management, compatibility between event sources and encrypted topics",
        address: "https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html",
    },
    Carried {
        policy: "AWS::KMS::Key",
        service: "cloudwatch.amazonaws.com",
        keys: &["aws:SourceAccount", "aws:SourceArn"],
        document: "Amazon SNS Developer Guide: Key management, compatibility between event sources and encrypted topics",
        address: "https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html",
    },
    Carried {
        policy: "AWS::SNS::TopicPolicy",
        service: "events.amazonaws.com",
        // "You can't use Condition blocks in Amazon SNS topic policies for EventBridge."
        keys: &[],
        document: "Amazon EventBridge User Guide: Using resource-based policies, Amazon SNS permissions",
        address: "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html",
    },
    Carried {
        policy: "AWS::SNS::TopicPolicy",
        service: "cloudwatch.amazonaws.com",
        keys: &["aws:SourceAccount", "aws:SourceArn"],
        document: "Amazon SNS Developer Guide: Example cases for access control, CloudWatch alarms",
        address: "https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html",
    },
    Carried {
        policy: "AWS::SQS::QueuePolicy",
        service: "events.amazonaws.com",
        keys: &["aws:SourceAccount", "aws:SourceArn"],
        document: "Amazon EventBridge User Guide: Using dead-letter queues, considerations and permissions",
        address: "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-event-delivery.html#eb-rule-dlq",
    },
];
/// Policies that stand on a resource.
const POLICIES: [&str; 4] =
    ["AWS::KMS::Key", "AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy", "AWS::S3::BucketPolicy"];

fn statements(policy: &Value) -> Vec<&Value> {
    let document = if policy["KeyPolicy"].is_null() {
        &policy["PolicyDocument"]
    } else {
        &policy["KeyPolicy"]
    };
    each(&document["Statement"])
}

/// What is wrong with a statement that allows a service something.
fn problem(kind: &str, service: &str, statement: &Value) -> Option<String> {
    let Some(carried) =
        CARRIED.iter().find(|known| known.policy == kind && known.service == service)
    else {
        return Some(format!(
            "{service} in a policy of {kind}: look up which conditions its requests meet, and write the document down"
        ));
    };
    let operators = statement["Condition"].as_object().into_iter().flatten();
    let keys: Vec<&String> = operators
        .flat_map(|(_, keys)| keys.as_object().into_iter().flatten().map(|(key, _)| key))
        .collect();
    if let Some(key) = keys.iter().find(|key| !carried.keys.contains(&key.as_str())) {
        let (document, address) = (carried.document, carried.address);
        return Some(format!(
            "requests of {service} do not carry {key}, and are all refused: {document}, {address}"
        ));
    }
    let open = keys.is_empty() && !carried.keys.is_empty();
    open.then(|| {
        format!(
            "{service} acts for any account: bind it to {:?}, see {}, {}",
            carried.keys, carried.document, carried.address
        )
    })
}

#[tokio::test]
async fn a_service_is_bound_by_conditions_that_its_requests_carry() {
    let template = local_world::template::transformed().await.unwrap();
    let mut checked = 0;
    for kind in POLICIES {
        for (id, policy) in resources(&template, kind) {
            for statement in
                statements(policy).into_iter().filter(|statement| statement["Effect"] == "Allow")
            {
                for service in each(&statement["Principal"]["Service"]) {
                    let problem = problem(kind, service.as_str().unwrap(), statement);
                    assert_eq!(problem, None, "{id}, {}", statement["Sid"]);
                    checked += 1;
                }
            }
        }
    }
    assert_eq!(checked, CARRIED.len(), "each line of the table is of a statement");
}

#[test]
fn the_conditions_that_kept_every_alert_away_are_refused() {
    let account = serde_json::json!({"Condition": {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}});
    let rule = serde_json::json!({"Condition": {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": ["NeedsPersonRule", "Arn"]}}}});
    let open = serde_json::json!({});
    for (kind, service, statement, refused) in [
        ("AWS::KMS::Key", "events.amazonaws.com", &account, true),
        ("AWS::KMS::Key", "events.amazonaws.com", &open, false),
        ("AWS::SNS::TopicPolicy", "events.amazonaws.com", &rule, true),
        ("AWS::KMS::Key", "cloudwatch.amazonaws.com", &account, false),
        ("AWS::KMS::Key", "cloudwatch.amazonaws.com", &open, true),
        ("AWS::SQS::QueuePolicy", "events.amazonaws.com", &rule, false),
        ("AWS::SQS::QueuePolicy", "s3.amazonaws.com", &rule, true),
    ] {
        assert_eq!(
            problem(kind, service, statement).is_some(),
            refused,
            "{kind} {service} {statement}"
        );
    }
}

/// What each way to the alerts topic needs: EventBridge and CloudWatch publish, and both encrypt
/// under the topic's key.
#[tokio::test]
async fn whoever_alerts_may_publish_to_the_topic_and_use_its_key() {
    let template = local_world::template::transformed().await.unwrap();
    let topic = resources(&template, "AWS::SNS::Topic")["AlertsTopic"];
    let key =
        resources(&template, "AWS::KMS::Key")[topic["KmsMasterKeyId"]["Ref"].as_str().unwrap()];
    let policy = resources(&template, "AWS::SNS::TopicPolicy")["AlertsTopicPolicy"];
    for service in ["events.amazonaws.com", "cloudwatch.amazonaws.com"] {
        let of_service = |policy: &Value, action: &str| {
            statements(policy).into_iter().any(|statement| {
                statement["Principal"]["Service"] == service
                    && each(&statement["Action"]).into_iter().any(|known| known == action)
            })
        };
        assert!(of_service(policy, "sns:Publish"), "{service}");
        // "Amazon SNS Developer Guide: Key management": both, to publish to an encrypted topic.
        assert!(
            of_service(key, "kms:Decrypt") && of_service(key, "kms:GenerateDataKey"),
            "{service}"
        );
    }
    let rule = resources(&template, "AWS::Events::Rule")["NeedsPersonRule"];
    let dead_letters =
        rule["Targets"][0]["DeadLetterConfig"]["Arn"]["Fn::GetAtt"][0].as_str().unwrap();
    let queues = resources(&template, "AWS::SQS::QueuePolicy");
    let admits = queues
        .values()
        .filter(|policy| policy["Queues"].to_string().contains(dead_letters))
        .any(|policy| {
            statements(policy).into_iter().any(|statement| {
                statement["Action"][0] == "sqs:SendMessage"
                    && statement["Condition"]["ArnEquals"]["aws:SourceArn"]["Fn::GetAtt"][0]
                        == "NeedsPersonRule"
            })
        });
    assert!(admits, "what cannot be delivered is lost");
    assert!(rule["Targets"][0]["RoleArn"].is_null(), "{}", CARRIED[2].address);
}
