//! `smoke`: tries everything that the stack consists of, from outside, as far as nothing is harmed
//! by it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use aws_sdk_cloudformation::types::StackResource;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_sqs::types::QueueAttributeName;
use jiff::Timestamp;
use serde_json::json;
use shared::aws::config::code_of;
use shared::aws::documents::Documents;
use shared::aws::event_bus::SOURCE;
use shared::aws::functions::Function;
use shared::aws::store::DynamoDbStore;
use shared::domain::state::{PollState, PollStore as _};
use shared::kit::clock::after;

use crate::connector::Connector;
use crate::table::{age, table};

/// What the command writes begins with this: no order, number or document does.
const MARK: &str = "smoke-test";
/// How long a record may outlive a command that was cut off, where the table removes what has run
/// out.
const LEFTOVER: Duration = Duration::from_secs(86_400);
/// Receives until the marked message must have come: SQS shows a part of the queue at a time.
const LOOKS: usize = 30;
/// A poller that works has listed each channel within this time; a marketplace that allows a
/// listing in 15 minutes included.
const LATEST_LISTING: Duration = Duration::from_secs(1200);

/// What was tried, and the result: what was seen, or what is wrong and the remedy.
struct Finding {
    what: String,
    result: Result<String, Trouble>,
}

struct Trouble {
    problem: String,
    remedy: String,
}

fn trouble(problem: impl Into<String>, remedy: impl Into<String>) -> Trouble {
    Trouble { problem: problem.into(), remedy: remedy.into() }
}

/// The stack: its outputs and its parts.
struct Stack {
    outputs: BTreeMap<String, String>,
    parts: Vec<StackResource>,
}

impl Stack {
    async fn read(connector: &Connector, name: &str) -> Result<(Self, Finding)> {
        let client = aws_sdk_cloudformation::Client::new(&connector.config);
        let answer = client.describe_stacks().stack_name(name).send().await.map_err(|error| {
            anyhow!(
                "the stack {name} cannot be read ({}): give its name with --stack, check region and credentials; \
                 they need cloudformation:DescribeStacks",
                code_of(&error)
            )
        })?;
        let Some(stack) = answer.stacks().first() else {
            bail!("there is no stack {name}: give its name with --stack")
        };
        let outputs = stack.outputs().iter().filter_map(|output| {
            Some((output.output_key()?.to_owned(), output.output_value()?.to_owned()))
        });
        let status = stack.stack_status().map_or("unknown", |status| status.as_str()).to_owned();
        let result = deployed(&status).map(|()| status.clone());
        let parts = client.describe_stack_resources().stack_name(name).send().await;
        let parts = parts.map(|answer| answer.stack_resources.unwrap_or_default()).map_err(|error| {
            anyhow!("the stack's resources cannot be listed ({}): cloudformation:DescribeStackResources is needed", code_of(&error))
        })?;
        Ok((
            Self { outputs: outputs.collect(), parts },
            Finding { what: format!("stack {name}"), result },
        ))
    }

    fn output(&self, name: &str) -> Result<&str, Trouble> {
        let missing = || {
            trouble(
                format!("the stack has no output {name}"),
                "deploy the template of this version",
            )
        };
        self.outputs.get(name).map(String::as_str).ok_or_else(missing)
    }
}

/// Tries everything; an error lists all findings where one of them is bad.
pub(crate) async fn run(connector: &Connector, stack_name: &str, alert: bool) -> Result<String> {
    let (stack, first) = Stack::read(connector, stack_name).await?;
    let mark = format!("{MARK}#{}", connector.now);
    let mut findings = vec![first];
    let mut add = |what: &str, result| findings.push(Finding { what: what.to_owned(), result });
    for (what, output, sorted) in [
        ("orders table", "OrdersTableName", false),
        ("channels table", "ChannelsTableName", true),
        ("rules table", "RulesTableName", true),
        ("stock table", "StockTableName", true),
        ("payouts table", "PayoutsTableName", true),
    ] {
        add(what, try_table(connector, stack.output(output), sorted, &mark).await);
    }
    add("orders queue", try_orders_queue(connector, &stack).await);
    add(
        "dead-letter queue",
        ask_queue(connector, stack.output("OrdersDeadLetterQueueUrl"))
            .await
            .map(|depth| format!("there; {depth}")),
    );
    for (what, output) in [
        ("dead-letter queue of dispatches", "DispatchesDeadLetterQueueUrl"),
        ("dead-letter queue of stock", "StockImportsDeadLetterQueueUrl"),
        ("dead-letter queue of payouts", "JournalsDeadLetterQueueUrl"),
    ] {
        add(
            what,
            ask_queue(connector, stack.output(output)).await.map(|depth| format!("there; {depth}")),
        );
    }
    add(
        "undelivered queue",
        try_queue(connector, stack.output("UndeliveredDeadLetterQueueUrl"), &mark).await,
    );
    add("event bus", try_bus(connector, stack.output("EventBusName"), alert).await);
    for one in Function::ALL {
        add(one.name(), function(&stack, one.name_output()));
    }
    add("latest listings", listings(connector, &stack).await);
    answer(&findings)
}

fn answer(findings: &[Finding]) -> Result<String> {
    let mut shown = table(&["what", "result", "", "remedy"]);
    for Finding { what, result } in findings {
        match result {
            Ok(seen) => shown.add_row([what, "ok", seen, ""]),
            Err(trouble) => shown.add_row([what, "failed", &trouble.problem, &trouble.remedy]),
        };
    }
    let failed = findings.iter().filter(|finding| finding.result.is_err()).count();
    if failed > 0 {
        bail!("{shown}\n{failed} of {} failed.", findings.len());
    }
    Ok(format!("{shown}\nAll {} are ok.", findings.len()))
}

/// A conditional write of a record of its own, the same once more (which must be refused), a
/// strongly consistent read, and its removal.
async fn try_table(
    connector: &Connector,
    name: Result<&str, Trouble>,
    sorted: bool,
    mark: &str,
) -> Result<String, Trouble> {
    let name = name?;
    let client = aws_sdk_dynamodb::Client::new(&connector.config);
    let wrong = |doing: &str, code: String| {
        let needed = "dynamodb:PutItem, GetItem and DeleteItem";
        trouble(
            format!("{doing}: {code}"),
            format!("check that the table {name} is active, and that you may {needed} in it"),
        )
    };
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let mut key = vec![("pk".to_owned(), text(mark))];
    if sorted {
        key.push(("sk".to_owned(), text(MARK)));
    }
    let leftover = after(connector.now, LEFTOVER).as_second().to_string();
    let put = || {
        let item = key
            .iter()
            .cloned()
            .chain([("expires_at".to_owned(), AttributeValue::N(leftover.clone()))]);
        client
            .put_item()
            .table_name(name)
            .set_item(Some(item.collect()))
            .condition_expression("attribute_not_exists(pk)")
    };
    put().send().await.map_err(|error| wrong("writing", code_of(&error)))?;
    let again = put().send().await;
    let read = client
        .get_item()
        .table_name(name)
        .set_key(Some(key.iter().cloned().collect()))
        .consistent_read(true)
        .send()
        .await;
    // Removed whatever else went wrong.
    let removed =
        client.delete_item().table_name(name).set_key(Some(key.into_iter().collect())).send().await;
    removed.map_err(|error| wrong("removing what was written", code_of(&error)))?;
    match again {
        Err(error) if code_of(&error) == "ConditionalCheckFailedException" => {}
        Err(error) => return Err(wrong("writing once more", code_of(&error))),
        Ok(_) => {
            return Err(trouble(
                "the same record was written twice",
                "this is no DynamoDB: its conditions do not hold",
            ));
        }
    }
    let found = read.map_err(|error| wrong("reading", code_of(&error)))?;
    if found.item().is_none() {
        return Err(trouble(
            "what was written cannot be read",
            "this is no DynamoDB: a consistent read misses a write",
        ));
    }
    Ok("written on a condition, read, removed".to_owned())
}

/// The queue is asked, never written to: its function would take the message for an order.
async fn try_orders_queue(connector: &Connector, stack: &Stack) -> Result<String, Trouble> {
    let url = stack.output("OrdersQueueUrl")?;
    let depth = ask_queue(connector, Ok(url)).await?;
    let client = aws_sdk_sqs::Client::new(&connector.config);
    let wanted = QueueAttributeName::RedrivePolicy;
    let answer =
        client.get_queue_attributes().queue_url(url).attribute_names(wanted.clone()).send().await;
    let answer =
        answer.map_err(|error| trouble(code_of(&error), "you need sqs:GetQueueAttributes"))?;
    let policy = answer
        .attributes()
        .and_then(|attributes| attributes.get(&wanted))
        .cloned()
        .unwrap_or_default();
    let dead =
        stack.output("OrdersDeadLetterQueueUrl")?.rsplit('/').next().unwrap_or_default().to_owned();
    let policy: serde_json::Value = serde_json::from_str(&policy).unwrap_or_default();
    if !policy["deadLetterTargetArn"].as_str().is_some_and(|arn| arn.ends_with(&format!(":{dead}")))
    {
        return Err(trouble(
            "failing messages do not move to the dead-letter queue",
            "deploy the template again: somebody changed the queue",
        ));
    }
    Ok(format!("there, with its dead-letter queue; {depth}"))
}

async fn ask_queue(connector: &Connector, url: Result<&str, Trouble>) -> Result<String, Trouble> {
    let url = url?;
    let client = aws_sdk_sqs::Client::new(&connector.config);
    let wanted = QueueAttributeName::ApproximateNumberOfMessages;
    let answer =
        client.get_queue_attributes().queue_url(url).attribute_names(wanted.clone()).send().await;
    let answer = answer.map_err(|error| {
        trouble(
            code_of(&error),
            "check that the queue exists and that you have sqs:GetQueueAttributes",
        )
    })?;
    let waiting = answer
        .attributes()
        .and_then(|attributes| attributes.get(&wanted))
        .map_or("?", String::as_str);
    Ok(format!("{waiting} messages wait"))
}

/// Sends a marked message, receives and deletes it. Only for a queue that nobody works off.
async fn try_queue(
    connector: &Connector,
    url: Result<&str, Trouble>,
    mark: &str,
) -> Result<String, Trouble> {
    let url = url?;
    let client = aws_sdk_sqs::Client::new(&connector.config);
    let wrong = |doing: &str, code: String| {
        trouble(
            format!("{doing}: {code}"),
            "check that the queue exists, and that you may sqs:SendMessage, ReceiveMessage and DeleteMessage",
        )
    };
    client
        .send_message()
        .queue_url(url)
        .message_body(mark)
        .send()
        .await
        .map_err(|error| wrong("sending", code_of(&error)))?;
    for _ in 0..LOOKS {
        // Hidden for a moment only: others who look find the queue as it was.
        let request = client
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(10)
            .visibility_timeout(5)
            .wait_time_seconds(1);
        let answer = request.send().await.map_err(|error| wrong("receiving", code_of(&error)))?;
        let Some(ours) = answer.messages().iter().find(|message| message.body() == Some(mark))
        else {
            continue;
        };
        let receipt = ours.receipt_handle().unwrap_or_default();
        let deleted = client.delete_message().queue_url(url).receipt_handle(receipt).send().await;
        deleted.map_err(|error| wrong("deleting", code_of(&error)))?;
        return Ok("sent, received, deleted".to_owned());
    }
    Err(trouble(
        "what was sent did not come back",
        format!(
            "somebody else works this queue off, or too much lies in it; the message begins with {MARK}"
        ),
    ))
}

async fn try_bus(
    connector: &Connector,
    name: Result<&str, Trouble>,
    alert: bool,
) -> Result<String, Trouble> {
    let name = name?;
    let client = aws_sdk_eventbridge::Client::new(&connector.config);
    let remedy = || {
        format!(
            "check that the bus {name} exists, and that you may events:DescribeEventBus and PutEvents"
        )
    };
    // Real AWS takes events for a bus that is absent, and drops them.
    let there = client.describe_event_bus().name(name).send().await;
    there.map_err(|error| trouble(format!("looking: {}", code_of(&error)), remedy()))?;
    let detail = json!({
        "channel": null, "order": null, "needs_person": alert, "severity": "info",
        "reason": "this is a test by the operator command", "remedy": "none: say that it arrived",
    });
    let entry = PutEventsRequestEntry::builder()
        .event_bus_name(name)
        .source(SOURCE)
        .detail_type("SmokeTest")
        .detail(detail.to_string())
        .build();
    let answer = client.put_events().entries(entry).send().await;
    let answer =
        answer.map_err(|error| trouble(format!("sending: {}", code_of(&error)), remedy()))?;
    if answer.failed_entry_count() > 0 {
        let code = answer
            .entries()
            .first()
            .and_then(|entry| entry.error_code())
            .unwrap_or("refused")
            .to_owned();
        return Err(trouble(format!("sending: {code}"), remedy()));
    }
    Ok(if alert {
        "took a test event that alerts: ask whether it arrived".to_owned()
    } else {
        "took a test event".to_owned()
    })
}

/// As CloudFormation has it; whether it works is told by the listings.
fn function(stack: &Stack, output: &str) -> Result<String, Trouble> {
    let name = stack.output(output)?;
    let part = stack.parts.iter().find(|part| part.physical_resource_id() == Some(name));
    let status = part
        .and_then(|part| part.resource_status())
        .map_or("not part of the stack", |status| status.as_str());
    match deployed(status) {
        Ok(()) => Ok(format!("{name} is deployed")),
        Err(found) => Err(Trouble { problem: format!("{name}: {status}"), ..found }),
    }
}

/// Whether CloudFormation was through with it.
fn deployed(status: &str) -> Result<(), Trouble> {
    if matches!(status, "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE") {
        return Ok(());
    }
    Err(trouble(status, "deploy again, and look at the stack's events in CloudFormation"))
}

/// Each channel that is on was listed lately: the schedule, the function, its rights, the key and
/// the marketplace all work.
async fn listings(connector: &Connector, stack: &Stack) -> Result<String, Trouble> {
    let (orders, channels, stock) = (
        stack.output("OrdersTableName")?,
        stack.output("ChannelsTableName")?,
        stack.output("StockTableName")?,
    );
    let client = aws_sdk_dynamodb::Client::new(&connector.config);
    let unread =
        |problem: String| trouble(problem, "you need dynamodb:Query and GetItem in the tables");
    let documents = Documents::new(client.clone(), channels, stack.output("RulesTableName")?);
    let list = documents.channels().await.map_err(|problem| unread(problem.to_string()))?;
    let store = DynamoDbStore::new(client, orders, channels, stock, LEFTOVER);
    let mut late = Vec::new();
    let mut on = 0;
    for channel in
        list.channels.iter().filter(|channel| channel.orders != shared::domain::channel::Mode::Off)
    {
        on += 1;
        let poll =
            store.load_poll(&channel.id).await.map_err(|problem| unread(problem.to_string()))?;
        if let Some(problem) = lateness(&poll, connector.now) {
            late.push(format!("{} {problem}", channel.id));
        }
    }
    if !late.is_empty() {
        return Err(trouble(
            late.join("; "),
            "look at the log of acknowledge-orders, and try: prima-mirakl check CHANNEL",
        ));
    }
    Ok(if on == 0 {
        "no channel is on yet: nothing to tell".to_owned()
    } else {
        format!("all {on} channels were listed completely of late")
    })
}

/// A listing that was begun says little: the key may have been refused, or the listing cut short.
fn lateness(poll: &PollState, now: Timestamp) -> Option<String> {
    let Some(begun) = poll.listed_at else { return Some("was never listed".to_owned()) };
    if let Some(right) =
        poll.refused.iter().find(|right| right.trouble == shared::domain::rights::Trouble::Right)
    {
        return Some(format!(
            "has had {} refused to its key for {}",
            right.operation,
            age(right.since, now)
        ));
    }
    if after(begun, LATEST_LISTING) < now {
        return Some(format!("was last listed {} ago", age(begun, now)));
    }
    match poll.completed_at {
        Some(at) if after(at, LATEST_LISTING) < now => {
            Some(format!("was last listed completely {} ago", age(at, now)))
        }
        None => Some("was never listed completely".to_owned()),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    #[test]
    fn one_bad_finding_makes_it_fail_and_all_are_shown() {
        let finding = |what: &str, result| Finding { what: what.to_owned(), result };
        let good = || finding("orders table", Ok("written".to_owned()));
        assert!(answer(&[good()]).unwrap().contains("All 1 are ok"));
        let problem = answer(&[good(), finding("event bus", Err(trouble("absent", "deploy")))])
            .unwrap_err()
            .to_string();
        for part in ["orders table", "event bus", "failed", "absent", "deploy", "1 of 2 failed"] {
            assert!(problem.contains(part), "{part}: {problem}");
        }
    }

    #[test]
    fn a_channel_that_was_not_listed_lately_is_named() {
        let now: Timestamp = "2026-11-20T09:00:00Z".parse().unwrap();
        let lately: Timestamp = "2026-11-20T08:41:00Z".parse().unwrap();
        let before: Timestamp = "2026-11-20T08:39:00Z".parse().unwrap();
        let sound = PollState {
            listed_at: Some(lately),
            completed_at: Some(lately),
            ..PollState::default()
        };
        assert_eq!(lateness(&sound, now), None);
        assert!(
            lateness(&PollState { listed_at: Some(before), ..sound.clone() }, now)
                .unwrap()
                .contains("21 min")
        );
        assert_eq!(lateness(&PollState::default(), now).unwrap(), "was never listed");
        let cut_short = PollState { completed_at: Some(before), ..sound.clone() };
        assert_eq!(lateness(&cut_short, now).unwrap(), "was last listed completely 21 min 0 s ago");
        let mut refused = sound;
        refused.refused.refuse(
            "uk",
            &shared::mirakl::MiraklError::refused("OR11", 401, None, "Unauthorized"),
            lately,
        );
        assert!(
            lateness(&refused, now)
                .unwrap()
                .starts_with("has had OR11 refused to its key for 19 min")
        );
    }
}
