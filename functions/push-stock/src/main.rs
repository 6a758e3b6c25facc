//! The Lambda function `push-stock`.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use push_stock::ChannelReport;
use push_stock::handler::Function;
use shared::aws::settings::Settings;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::of_process();
    shared::aws::telemetry::start(&settings);
    let function = Function::from_settings(&settings)?;
    let function = &function;
    // The schedule's event says nothing that matters.
    lambda_runtime::run(service_fn(|event: LambdaEvent<serde::de::IgnoredAny>| async move {
        let report = function.run(&event.context.request_id, event.context.deadline()).await?;
        let decided = |channel: ChannelReport| {
            (
                channel.channel,
                channel.decision.map(|decision| decision.to_string()).unwrap_or_default(),
            )
        };
        let decisions = report.channels.into_iter().map(decided).collect();
        Ok::<_, Error>(Summary {
            read: report.reading.is_some(),
            overlapped: report.overlapped,
            unagreed: report.unagreed,
            decisions,
        })
    }))
    .await
}

/// What an invocation answers: for whoever invokes it by hand.
#[derive(serde::Serialize)]
struct Summary {
    read: bool,
    overlapped: bool,
    unagreed: bool,
    decisions: std::collections::BTreeMap<String, String>,
}
