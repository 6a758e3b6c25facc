//! Where the contracts are held: the real adapters on an AWS that a server of this test plays, and
//! the models of the fault simulation.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_config::SdkConfig;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use local_world::{AwsServer, LocalAws, REGION};
use serde_json::{Value, json};
use shared::aws::config::function_config;
use shared::aws::event_bus::{EventBridgeBus, SOURCE};
use shared::aws::queues::SqsQueue;
use shared::aws::settings::Settings;
use shared::domain::events::EventBus;
use shared::domain::queue::{OrderMessage, OrderQueue};
use system_tests::simulation::Plan;
use system_tests::simulation::ports::{Invocation, Notes, Port};
use system_tests::simulation::world::World;
use system_tests::world::queue::Body;

use crate::bus::Bus;
use crate::queue::{Letter, Queues, RECEIVES, Received, VISIBILITY};

/// A promise that an implementation does not keep, and why that is all right.
pub(crate) struct Deviation {
    pub(crate) place: &'static str,
    pub(crate) promise: &'static str,
    pub(crate) why: &'static str,
}

/// All deviations that are known.
pub(crate) const DEVIATIONS: &[Deviation] = &[
    Deviation {
        place: Modelled::PLACE,
        promise: "the receive count grows",
        why: "the model counts receives to move a message to the dead-letter queue, and tells nobody: no handler asks",
    },
    Deviation {
        place: Modelled::PLACE,
        promise: "a message that is too large is refused alone, and named",
        why: "size is SqsQueue's business; the simulation refuses parts of a call by chance instead",
    },
    Deviation {
        place: Modelled::PLACE,
        promise: "an exception arrives whole, with attributes that a person can read",
        why: "the body does; attributes are SqsQueue's work, which the simulation leaves out",
    },
    Deviation {
        place: Modelled::PLACE,
        promise: "what needs a person is told apart by a rule",
        why: "there are no rules in the model: the judge reads the events themselves",
    },
];

/// An AWS that a server of this test plays. It ends with this.
pub(crate) struct Server {
    kind: AwsServer,
    aws: LocalAws,
    pub(crate) config: SdkConfig,
    template: Value,
    made: AtomicU32,
}

impl Server {
    pub(crate) async fn start(kind: AwsServer) -> Self {
        let aws = LocalAws::start_server(kind).await.unwrap();
        let endpoint = aws.endpoint().to_owned();
        let settings = Settings::from_lookup(move |name| match name {
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("test".to_owned()),
            "AWS_REGION" => Some(REGION.to_owned()),
            "AWS_ENDPOINT_URL" => Some(endpoint.clone()),
            _ => None,
        });
        let config = function_config(&settings).unwrap();
        let template = local_world::template::read().await.unwrap();
        Self { kind, aws, config, template, made: AtomicU32::new(0) }
    }

    pub(crate) fn place(&self) -> &'static str {
        self.kind.name()
    }

    /// A condition is checked and the item written in one step, as DynamoDB does ("Best practices
    /// for handling concurrent updates in DynamoDB": individual writes are atomic, regardless of
    /// concurrency). moto does it in two steps of a server with threads, without a lock: of several
    /// writers at once more than one may be told that it wrote.
    pub(crate) fn writes_in_one_step(&self) -> bool {
        self.kind != AwsServer::Moto
    }

    fn name(&self, what: &str) -> String {
        format!("{what}-{}", self.made.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) async fn call(&self, service: &str, operation: &str, parameters: Value) -> Value {
        self.aws.call(service, operation, parameters).await.unwrap()
    }

    /// A new table with the keys and indexes that the template gives this one; answers its name.
    pub(crate) async fn table(&self, logical_id: &str) -> String {
        let name = self.name(logical_id);
        let properties = &self.template["Resources"][logical_id]["Properties"];
        let mut request = json!({"TableName": name});
        for property in
            ["AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode"]
        {
            if !properties[property].is_null() {
                request[property] = properties[property].clone();
            }
        }
        self.call("dynamodb", "create_table", request).await;
        name
    }

    /// A new bucket; answers its name.
    pub(crate) async fn bucket(&self) -> String {
        let name = self.name("files");
        let place = json!({"LocationConstraint": REGION});
        let request = json!({"Bucket": name, "CreateBucketConfiguration": place});
        self.call("s3", "create_bucket", request).await;
        name
    }

    async fn queue(&self, name: String, attributes: Value) -> (String, String) {
        let made = self
            .call("sqs", "create_queue", json!({"QueueName": name, "Attributes": attributes}))
            .await;
        let url = made["QueueUrl"].as_str().unwrap().to_owned();
        let attributes = self
            .call(
                "sqs",
                "get_queue_attributes",
                json!({"QueueUrl": url, "AttributeNames": ["QueueArn"]}),
            )
            .await;
        (url, attributes["Attributes"]["QueueArn"].as_str().unwrap().to_owned())
    }

    /// New queues, as the template has them but for the visibility timeout.
    pub(crate) async fn queues(&self) -> AwsQueues {
        let (dead, dead_arn) = self.queue(self.name("dead"), json!({})).await;
        let receives = &self.template["Resources"]["OrdersQueue"]["Properties"]["RedrivePolicy"]["maxReceiveCount"];
        assert_eq!(*receives, RECEIVES, "the template's maxReceiveCount");
        let redrive =
            json!({"deadLetterTargetArn": dead_arn, "maxReceiveCount": receives}).to_string();
        let attributes = json!({"VisibilityTimeout": VISIBILITY.as_secs().to_string(), "RedrivePolicy": redrive});
        let (orders, _) = self.queue(self.name("orders"), attributes).await;
        let client = aws_sdk_sqs::Client::new(&self.config);
        AwsQueues { sender: SqsQueue::new(client.clone(), &orders, &dead), client, orders, dead }
    }

    /// A new bus with two rules: all that is ours, and what needs a person by the template's
    /// pattern; each to a queue.
    pub(crate) async fn bus(&self) -> AwsBus {
        let bus = self.name("bus");
        self.call("events", "create_event_bus", json!({"Name": bus})).await;
        let person = &self.template["Resources"]["NeedsPersonRule"]["Properties"]["EventPattern"];
        let mut listeners = Vec::new();
        for pattern in [json!({"source": [SOURCE]}), person.clone()] {
            let (url, arn) = self.queue(self.name("listener"), json!({})).await;
            let rule = self.name("rule");
            let parameters =
                json!({"Name": rule, "EventBusName": bus, "EventPattern": pattern.to_string()});
            self.call("events", "put_rule", parameters).await;
            let targets =
                json!({"Rule": rule, "EventBusName": bus, "Targets": [{"Id": "1", "Arn": arn}]});
            self.call("events", "put_targets", targets).await;
            listeners.push(url);
        }
        AwsBus {
            publisher: EventBridgeBus::new(aws_sdk_eventbridge::Client::new(&self.config), bus),
            client: aws_sdk_sqs::Client::new(&self.config),
            listeners: listeners.try_into().unwrap(),
        }
    }
}

/// A pair of queues on SQS.
pub(crate) struct AwsQueues {
    client: aws_sdk_sqs::Client,
    sender: SqsQueue,
    orders: String,
    dead: String,
}

/// Takes everything that can be seen off a queue.
async fn taken(client: &aws_sdk_sqs::Client, url: &str) -> Vec<Message> {
    let request = client
        .receive_message()
        .queue_url(url)
        .max_number_of_messages(10)
        .message_attribute_names("All");
    let messages = request.send().await.unwrap().messages.unwrap_or_default();
    for message in &messages {
        client
            .delete_message()
            .queue_url(url)
            .receipt_handle(message.receipt_handle().unwrap())
            .send()
            .await
            .unwrap();
    }
    messages
}

impl Queues for AwsQueues {
    fn sender(&self) -> &impl OrderQueue {
        &self.sender
    }

    async fn receive(&self, most: usize) -> Vec<Received> {
        let request = self
            .client
            .receive_message()
            .queue_url(&self.orders)
            .max_number_of_messages(i32::try_from(most).unwrap())
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
        let messages = request.send().await.unwrap().messages.unwrap_or_default();
        let count = MessageSystemAttributeName::ApproximateReceiveCount;
        messages
            .iter()
            .map(|message| Received {
                receipt: message.receipt_handle().unwrap().to_owned(),
                message: serde_json::from_str(message.body().unwrap()).unwrap(),
                receives: message
                    .attributes()
                    .and_then(|attributes| attributes.get(&count)?.parse().ok()),
            })
            .collect()
    }

    async fn delete(&self, received: &Received) {
        self.client
            .delete_message()
            .queue_url(&self.orders)
            .receipt_handle(&received.receipt)
            .send()
            .await
            .unwrap();
    }

    async fn dead(&self) -> Vec<OrderMessage> {
        let messages = taken(&self.client, &self.dead).await;
        messages
            .iter()
            .map(|message| serde_json::from_str(message.body().unwrap()).unwrap())
            .collect()
    }

    async fn letters(&self) -> Vec<Letter> {
        let letter = |message: &Message| {
            let attributes = message.message_attributes().into_iter().flatten();
            let attributes = attributes
                .filter_map(|(name, value)| Some((name.clone(), value.string_value()?.to_owned())));
            Letter {
                exception: serde_json::from_str(message.body().unwrap()).unwrap(),
                attributes: attributes.collect(),
            }
        };
        taken(&self.client, &self.dead).await.iter().map(letter).collect()
    }
}

/// A bus on EventBridge, and the queues of those who listen.
pub(crate) struct AwsBus {
    publisher: EventBridgeBus,
    client: aws_sdk_sqs::Client,
    listeners: [String; 2],
}

impl AwsBus {
    async fn taken(&self, listener: usize) -> Vec<(String, String)> {
        let messages = taken(&self.client, &self.listeners[listener]).await;
        let told = |message: &Message| {
            let event: Value = serde_json::from_str(message.body().unwrap()).unwrap();
            let of = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            (of(&event["detail-type"]), of(&event["detail"]["reason"]))
        };
        messages.iter().map(told).collect()
    }
}

impl Bus for AwsBus {
    fn publisher(&self) -> &impl EventBus {
        &self.publisher
    }

    async fn heard(&self) -> Vec<(String, String)> {
        self.taken(0).await
    }

    async fn alerts(&self) -> Vec<(String, String)> {
        self.taken(1).await
    }
}

/// What the fault simulation has in place of AWS, without any faults.
pub(crate) struct Modelled {
    pub(crate) port: Port,
    heard: Cell<usize>,
}

impl Modelled {
    pub(crate) const PLACE: &'static str = "the fault simulation";

    /// Call inside a paused runtime.
    pub(crate) fn new() -> Self {
        let world = Rc::new(World::new(Plan::drawn(1), None, false));
        world.quiet.set(true);
        let invocation = Invocation::new(&world, "contract", 0.0, Notes::default());
        Self { port: Port::new(&invocation), heard: Cell::new(0) }
    }

    fn world(&self) -> &World {
        self.port.world()
    }
}

impl Queues for Modelled {
    fn sender(&self) -> &impl OrderQueue {
        &self.port
    }

    async fn receive(&self, most: usize) -> Vec<Received> {
        let now = self.world().now();
        let deliveries = self.world().queue.borrow_mut().receive(now, most, VISIBILITY, |_| None);
        let received = deliveries.into_iter().filter_map(|delivery| match delivery.body {
            Body::Order(message) => Some(Received {
                receipt: delivery.id.to_string(),
                message: (*message).clone(),
                receives: None,
            }),
            Body::Text(_) => None,
        });
        received.collect()
    }

    async fn delete(&self, received: &Received) {
        self.world().queue.borrow_mut().delete(received.receipt.parse().unwrap());
    }

    async fn dead(&self) -> Vec<OrderMessage> {
        let dead = std::mem::take(&mut self.world().queue.borrow_mut().dead);
        let messages = dead.into_iter().filter_map(|body| match body {
            Body::Order(message) => Some((*message).clone()),
            Body::Text(_) => None,
        });
        messages.collect()
    }

    async fn letters(&self) -> Vec<Letter> {
        let exceptions = std::mem::take(&mut self.world().queue.borrow_mut().exceptions);
        exceptions
            .into_values()
            .map(|exception| Letter { exception, attributes: BTreeMap::new() })
            .collect()
    }
}

impl Bus for Modelled {
    fn publisher(&self) -> &impl EventBus {
        &self.port
    }

    async fn heard(&self) -> Vec<(String, String)> {
        let events = self.world().events.borrow();
        let new = events.iter().skip(self.heard.replace(events.len()));
        new.map(|(_, event)| (event.kind.detail_type().to_owned(), event.reason.clone())).collect()
    }

    async fn alerts(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}
