//! The connector, deployed: its outputs, and what can be seen of it and done with it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use shared::aws::functions::Function;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::handlers::{self, Build};
use crate::local_aws::{LocalAws, REGION};
use crate::paths;

/// Seconds for which a message that is looked at is hidden from others who look.
const PEEK_SECONDS: u32 = 30;

/// What stands in the queues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct QueueDepths {
    /// Messages of the `orders` queue that can be received now.
    pub waiting: u64,
    /// Received and neither deleted nor visible again.
    pub in_flight: u64,
    /// Not visible yet.
    pub delayed: u64,
    /// Messages in the dead-letter queue.
    pub exceptions: u64,
}

impl QueueDepths {
    /// Nothing is under way; exceptions wait for a person and do not count.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.waiting + self.in_flight + self.delayed == 0
    }
}

/// A message as it stands in a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedMessage {
    /// The body.
    pub body: String,
    /// The attributes that a person can read.
    pub attributes: BTreeMap<String, String>,
}

/// The stack on a local AWS.
#[derive(Debug)]
pub struct Deployment {
    aws: Arc<LocalAws>,
    stack: String,
    build: Build,
    outputs: BTreeMap<String, String>,
}

impl Deployment {
    /// Compiles the functions and deploys `template.yaml` through `CloudFormation`, with these
    /// parameters; alerts are subscribed to by a queue, so that they can be seen.
    ///
    /// # Errors
    /// The compiler's, or `CloudFormation`'s reason.
    pub async fn deploy(
        aws: Arc<LocalAws>,
        stack: &str,
        build: Build,
        parameters: &BTreeMap<String, String>,
    ) -> Result<Self> {
        handlers::build(build).await?;
        let binaries = Function::ALL
            .iter()
            .map(|function| (function.logical_id(), handlers::binary(build, function.name())));
        let functions: BTreeMap<_, _> = binaries.collect();
        let outputs = aws
            .ask(json!({
                "do": "deploy", "stack": stack, "template": paths::workspace().join("template.yaml"),
                "directory": aws.directory(), "functions": functions, "parameters": parameters,
            }))
            .await
            .context("deploying template.yaml")?;
        let mut deployment =
            Self { aws, stack: stack.to_owned(), build, outputs: serde_json::from_value(outputs)? };
        deployment.watch_alerts().await?;
        Ok(deployment)
    }

    async fn watch_alerts(&mut self) -> Result<()> {
        let name = format!("{}-watched-alerts", self.stack);
        let queue = self.aws.call("sqs", "create_queue", json!({"QueueName": name})).await?;
        let url = queue["QueueUrl"].as_str().unwrap_or_default().to_owned();
        let attributes = json!({"QueueUrl": url, "AttributeNames": ["QueueArn"]});
        let attributes = self.aws.call("sqs", "get_queue_attributes", attributes).await?;
        let subscription = json!({
            "TopicArn": self.output("AlertsTopicArn")?, "Protocol": "sqs", "Endpoint": attributes["Attributes"]["QueueArn"],
            "Attributes": {"RawMessageDelivery": "true"},
        });
        self.aws.call("sns", "subscribe", subscription).await?;
        self.outputs.insert("WatchedAlertsQueueUrl".to_owned(), url);
        Ok(())
    }

    /// The local AWS it stands on.
    #[must_use]
    pub fn aws(&self) -> &Arc<LocalAws> {
        &self.aws
    }

    /// The stack's name.
    #[must_use]
    pub fn stack(&self) -> &str {
        &self.stack
    }

    /// All outputs of the stack.
    #[must_use]
    pub fn outputs(&self) -> &BTreeMap<String, String> {
        &self.outputs
    }

    /// An output of the stack.
    ///
    /// # Errors
    /// The template has no such output.
    pub fn output(&self, name: &str) -> Result<&str> {
        self.outputs
            .get(name)
            .map(String::as_str)
            .with_context(|| format!("the stack has no output {name}"))
    }

    /// Runs `acknowledge-orders` as the schedule does, and waits for its end.
    ///
    /// # Errors
    /// The function failed: its own error.
    pub async fn tick(&self) -> Result<Value> {
        self.invoke(Function::AcknowledgeOrders, &self.scheduled(Function::AcknowledgeOrders)).await
    }

    /// Runs `collect-dispatches` as the schedule does, and waits for its end.
    ///
    /// # Errors
    /// The function failed: its own error.
    pub async fn collect(&self) -> Result<Value> {
        self.invoke(Function::CollectDispatches, &self.scheduled(Function::CollectDispatches)).await
    }

    /// Runs `push-stock` as the schedule does, and waits for its end.
    ///
    /// # Errors
    /// The function failed: its own error.
    pub async fn push_stock(&self) -> Result<Value> {
        self.invoke(Function::PushStock, &self.scheduled(Function::PushStock)).await
    }

    /// Runs `reconcile-payouts` as the schedule does, and waits for its end.
    ///
    /// # Errors
    /// The function failed: its own error.
    pub async fn reconcile(&self) -> Result<Value> {
        self.invoke(Function::ReconcilePayouts, &self.scheduled(Function::ReconcilePayouts)).await
    }

    fn scheduled(&self, function: Function) -> Value {
        json!({
            "version": "0", "id": format!("tick-{}", Timestamp::now()), "detail-type": "Scheduled Event",
            "source": "aws.scheduler", "account": "000000000000", "time": Timestamp::now().to_string(), "region": REGION,
            "resources": [format!("arn:aws:scheduler:{REGION}:000000000000:schedule/default/{}-{}", self.stack, function.name())],
            "detail": "{}",
        })
    }

    /// Runs a function with any event and waits for its answer.
    ///
    /// # Errors
    /// The function failed: its own error.
    pub async fn invoke(&self, function: Function, event: &Value) -> Result<Value> {
        let name = self.output(function.name_output())?;
        let request = json!({"FunctionName": name, "Payload": event.to_string()});
        let answer = self.aws.call("lambda", "invoke", request).await?;
        let payload = answer["Payload"].as_str().unwrap_or_default();
        if !answer["FunctionError"].is_null() {
            bail!("{name} failed: {payload}");
        }
        Ok(serde_json::from_str(payload).unwrap_or(Value::Null))
    }

    /// What stands in the queues now.
    ///
    /// # Errors
    /// The local AWS does not answer.
    pub async fn queue_depths(&self) -> Result<QueueDepths> {
        self.depths_of("OrdersQueueUrl", "OrdersDeadLetterQueueUrl").await
    }

    /// What stands in the queues of dispatches now.
    ///
    /// # Errors
    /// The local AWS does not answer.
    pub async fn dispatch_queue_depths(&self) -> Result<QueueDepths> {
        self.depths_of("DispatchesQueueUrl", "DispatchesDeadLetterQueueUrl").await
    }

    /// What stands in the queues of stock imports now.
    ///
    /// # Errors
    /// The local AWS does not answer.
    pub async fn stock_queue_depths(&self) -> Result<QueueDepths> {
        self.depths_of("StockImportsQueueUrl", "StockImportsDeadLetterQueueUrl").await
    }

    async fn depths_of(&self, queue: &str, dead_letters: &str) -> Result<QueueDepths> {
        let orders = self.queue_attributes(queue).await?;
        let exceptions = self.queue_attributes(dead_letters).await?;
        let number = |attributes: &Value, name: &str| {
            attributes[name].as_str().and_then(|text| text.parse().ok()).unwrap_or(0)
        };
        Ok(QueueDepths {
            waiting: number(&orders, "ApproximateNumberOfMessages"),
            in_flight: number(&orders, "ApproximateNumberOfMessagesNotVisible"),
            delayed: number(&orders, "ApproximateNumberOfMessagesDelayed"),
            exceptions: number(&exceptions, "ApproximateNumberOfMessages")
                + number(&exceptions, "ApproximateNumberOfMessagesNotVisible"),
        })
    }

    async fn queue_attributes(&self, output: &str) -> Result<Value> {
        let request = json!({"QueueUrl": self.output(output)?, "AttributeNames": ["All"]});
        Ok(self.aws.call("sqs", "get_queue_attributes", request).await?["Attributes"].take())
    }

    /// The messages in the dead-letter queue: exceptions and what could not be read. They stay
    /// there.
    ///
    /// # Errors
    /// The local AWS does not answer.
    pub async fn exceptions(&self) -> Result<Vec<QueuedMessage>> {
        self.peek(self.output("OrdersDeadLetterQueueUrl")?).await
    }

    /// The messages in the dead-letter queue of stock imports. They stay there.
    ///
    /// # Errors
    /// The local AWS does not answer.
    pub async fn stock_exceptions(&self) -> Result<Vec<QueuedMessage>> {
        self.peek(self.output("StockImportsDeadLetterQueueUrl")?).await
    }

    /// The messages in the dispatches' dead-letter queue. They stay there.
    ///
    /// # Errors
    /// The local AWS does not answer.
    pub async fn dispatch_exceptions(&self) -> Result<Vec<QueuedMessage>> {
        self.peek(self.output("DispatchesDeadLetterQueueUrl")?).await
    }

    /// Drops a dispatch file, as a site's warehouse does.
    ///
    /// # Errors
    /// The local AWS does not take it.
    pub async fn drop_dispatch_file(&self, name: &str, text: &str) -> Result<()> {
        let request = json!({"Bucket": self.output("DispatchFilesBucketName")?, "Key": format!("incoming/{name}"), "Body": text});
        self.aws.call("s3", "put_object", request).await.map(drop)
    }

    /// The names in the bucket of dispatch files.
    ///
    /// # Errors
    /// The local AWS does not answer.
    pub async fn dispatch_files(&self) -> Result<Vec<String>> {
        let answer = self
            .aws
            .call(
                "s3",
                "list_objects_v2",
                json!({"Bucket": self.output("DispatchFilesBucketName")?}),
            )
            .await?;
        let objects = answer["Contents"].as_array().into_iter().flatten();
        Ok(objects.filter_map(|object| object["Key"].as_str()).map(str::to_owned).collect())
    }

    /// The events that the alerts topic has sent so far, as they stood on the bus.
    ///
    /// # Errors
    /// The local AWS does not answer, or the topic sent something that is no event.
    pub async fn alerts(&self) -> Result<Vec<Value>> {
        let messages = self.peek(self.output("WatchedAlertsQueueUrl")?).await?;
        messages.iter().map(|message| Ok(serde_json::from_str(&message.body)?)).collect()
    }

    /// Sends a message to the `orders` queue, whatever it says.
    ///
    /// # Errors
    /// The local AWS does not take it.
    pub async fn send_to_orders_queue(&self, body: &str) -> Result<()> {
        let request = json!({"QueueUrl": self.output("OrdersQueueUrl")?, "MessageBody": body});
        self.aws.call("sqs", "send_message", request).await.map(drop)
    }

    async fn peek(&self, queue: &str) -> Result<Vec<QueuedMessage>> {
        let mut found = Vec::new();
        let mut handles = Vec::new();
        loop {
            let request = json!({
                "QueueUrl": queue, "MaxNumberOfMessages": 10, "VisibilityTimeout": PEEK_SECONDS, "WaitTimeSeconds": 0,
                "MessageAttributeNames": ["All"],
            });
            let answer = self.aws.call("sqs", "receive_message", request).await?;
            let Some(messages) =
                answer["Messages"].as_array().filter(|messages| !messages.is_empty())
            else {
                break;
            };
            for message in messages {
                handles.push(message["ReceiptHandle"].clone());
                let attributes = message["MessageAttributes"].as_object().into_iter().flatten();
                found.push(QueuedMessage {
                    body: message["Body"].as_str().unwrap_or_default().to_owned(),
                    attributes: attributes
                        .map(|(name, value)| {
                            (
                                name.clone(),
                                value["StringValue"].as_str().unwrap_or_default().to_owned(),
                            )
                        })
                        .collect(),
                });
            }
        }
        for handle in handles {
            let request =
                json!({"QueueUrl": queue, "ReceiptHandle": handle, "VisibilityTimeout": 0});
            self.aws.call("sqs", "change_message_visibility", request).await?;
        }
        Ok(found)
    }

    /// All items of the orders table, in plain JSON (`document` parsed where it is JSON): for
    /// display and for tests, never for a verdict.
    ///
    /// # Errors
    /// The local AWS does not answer.
    pub async fn rows(&self) -> Result<Vec<Value>> {
        self.items("OrdersTableName").await
    }

    /// All items of the table that an output names, in plain JSON.
    ///
    /// # Errors
    /// The local AWS does not answer.
    pub async fn items(&self, output: &str) -> Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut request = json!({"TableName": self.output(output)?, "ConsistentRead": true});
        loop {
            let page = self.aws.call("dynamodb", "scan", request.clone()).await?;
            items.extend(page["Items"].as_array().into_iter().flatten().map(plain_item));
            if page["LastEvaluatedKey"].is_null() {
                return Ok(items);
            }
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"].clone();
        }
    }

    /// Removes all items of the table that an output names: what a wiped table looks like.
    ///
    /// # Errors
    /// The local AWS does not answer.
    pub async fn wipe(&self, output: &str) -> Result<()> {
        let table = self.output(output)?;
        let description =
            self.aws.call("dynamodb", "describe_table", json!({"TableName": table})).await?;
        let keys: Vec<&str> = description["Table"]["KeySchema"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|key| key["AttributeName"].as_str())
            .collect();
        let page = self.aws.call("dynamodb", "scan", json!({"TableName": table})).await?;
        for item in page["Items"].as_array().into_iter().flatten() {
            let key: serde_json::Map<_, _> =
                keys.iter().map(|name| ((*name).to_owned(), item[*name].clone())).collect();
            self.aws
                .call("dynamodb", "delete_item", json!({"TableName": table, "Key": key}))
                .await?;
        }
        Ok(())
    }

    /// Every line a function has logged so far, oldest first.
    ///
    /// # Errors
    /// The local AWS does not answer.
    pub async fn function_logs(&self, function: Function) -> Result<Vec<String>> {
        let group = self.output(function.log_group_output())?;
        let mut lines = Vec::new();
        let mut request = json!({"logGroupName": group});
        loop {
            let page = self.aws.call("logs", "filter_log_events", request.clone()).await?;
            let events = page["events"].as_array().into_iter().flatten();
            lines.extend(events.filter_map(|event| event["message"].as_str()).map(str::to_owned));
            if page["nextToken"].is_null() || page["nextToken"] == request["nextToken"] {
                return Ok(lines);
            }
            request["nextToken"] = page["nextToken"].clone();
        }
    }

    /// Makes or replaces a secret.
    ///
    /// # Errors
    /// The local AWS does not take it.
    pub async fn put_secret(&self, name: &str, value: &str) -> Result<()> {
        let create = json!({"Name": name, "SecretString": value});
        if self.aws.call("secretsmanager", "create_secret", create).await.is_err() {
            let put = json!({"SecretId": name, "SecretString": value});
            self.aws.call("secretsmanager", "put_secret_value", put).await?;
        }
        Ok(())
    }

    /// The operator command's binary.
    #[must_use]
    pub fn operator_binary(&self) -> PathBuf {
        handlers::binary(self.build, xtask::cargo::OPERATOR)
    }

    /// The variables that lead the operator command to this stack.
    ///
    /// # Errors
    /// The template lacks an output.
    pub fn operator_environment(&self) -> Result<Vec<(&'static str, String)>> {
        let mut variables = vec![
            ("AWS_ENDPOINT_URL", self.aws.endpoint().to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ];
        for (variable, output) in [
            ("ORDERS_TABLE", "OrdersTableName"),
            ("CHANNELS_TABLE", "ChannelsTableName"),
            ("RULES_TABLE", "RulesTableName"),
            ("ORDERS_QUEUE_URL", "OrdersQueueUrl"),
            ("DEAD_LETTER_QUEUE_URL", "OrdersDeadLetterQueueUrl"),
            ("DISPATCHES_QUEUE_URL", "DispatchesQueueUrl"),
            ("DISPATCHES_DEAD_LETTER_QUEUE_URL", "DispatchesDeadLetterQueueUrl"),
            ("STOCK_TABLE", "StockTableName"),
            ("STOCK_IMPORTS_QUEUE_URL", "StockImportsQueueUrl"),
            ("STOCK_IMPORTS_DEAD_LETTER_QUEUE_URL", "StockImportsDeadLetterQueueUrl"),
            ("STOCK_FILES_BUCKET", "StockFilesBucketName"),
            ("PAYOUTS_TABLE", "PayoutsTableName"),
            ("PAYOUT_FILES_BUCKET", "PayoutFilesBucketName"),
            ("JOURNALS_QUEUE_URL", "JournalsQueueUrl"),
            ("JOURNALS_DEAD_LETTER_QUEUE_URL", "JournalsDeadLetterQueueUrl"),
            ("SECRET_PREFIX", "SecretPrefix"),
        ] {
            variables.push((variable, self.output(output)?.to_owned()));
        }
        Ok(variables)
    }

    /// Runs the operator command on this stack, with `input` on its standard input; returns what it
    /// printed.
    ///
    /// # Errors
    /// The command failed, or a check found something: what it said.
    pub async fn operator(&self, arguments: &[&str], input: &str) -> Result<String> {
        let (code, answer) = self.operator_ends(arguments, input).await?;
        if code != Some(0) {
            bail!("prima-mirakl {}: {}", arguments.join(" "), answer.trim());
        }
        Ok(answer)
    }

    /// Runs the operator command as [`Self::operator`] does; returns its exit code and what it
    /// printed, on whichever output.
    ///
    /// # Errors
    /// The command could not be run.
    pub async fn operator_ends(
        &self,
        arguments: &[&str],
        input: &str,
    ) -> Result<(Option<i32>, String)> {
        let mut child = Command::new(self.operator_binary())
            .args(arguments)
            .envs(self.operator_environment()?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the operator command could not be started")?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).await?;
        }
        let output = child.wait_with_output().await?;
        let answer = if output.stdout.is_empty() { &output.stderr } else { &output.stdout };
        Ok((output.status.code(), String::from_utf8_lossy(answer).into_owned()))
    }
}

/// A `DynamoDB` item without its type letters; a `document` is parsed.
fn plain_item(item: &Value) -> Value {
    let attributes = item.as_object().into_iter().flatten().map(|(name, value)| {
        let value = plain(value);
        let parsed = if name == "document" {
            value.as_str().and_then(|text| serde_json::from_str(text).ok())
        } else {
            None
        };
        (name.clone(), parsed.unwrap_or(value))
    });
    Value::Object(attributes.collect())
}

fn plain(attribute: &Value) -> Value {
    let Some((kind, value)) = attribute.as_object().and_then(|object| object.iter().next()) else {
        return Value::Null;
    };
    match kind.as_str() {
        "NULL" => Value::Null,
        "M" => Value::Object(
            value
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, inner)| (name.clone(), plain(inner)))
                .collect(),
        ),
        "L" => value.as_array().into_iter().flatten().map(plain).collect(),
        "N" => value
            .as_str()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_else(|| value.clone()),
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_shown_in_plain_json_with_its_document_parsed() {
        let item = json!({"pk": {"S": "order#a#1"}, "version": {"N": "3"}, "document": {"S": "{\"stage\":\"seen\"}"},
            "nested": {"M": {"list": {"L": [{"BOOL": true}, {"NULL": true}]}}}});
        let expected = json!({"pk": "order#a#1", "version": 3, "document": {"stage": "seen"}, "nested": {"list": [true, null]}});
        assert_eq!(plain_item(&item), expected);
    }
}
