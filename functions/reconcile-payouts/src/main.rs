//! The Lambda function `reconcile-payouts`.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use reconcile_payouts::handler::Function;
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
        Ok::<_, Error>(Summary {
            overlapped: report.overlapped,
            failed: report.failed,
            told: report.announced,
            tied: report.channels.iter().map(|channel| channel.tied).sum(),
            untied: report.channels.iter().map(|channel| channel.untied).sum(),
            queued: report.channels.iter().map(|channel| channel.queued).sum(),
        })
    }))
    .await
}

/// What an invocation answers: for whoever invokes it by hand.
#[derive(serde::Serialize)]
struct Summary {
    overlapped: usize,
    failed: usize,
    told: usize,
    tied: usize,
    untied: usize,
    queued: usize,
}
