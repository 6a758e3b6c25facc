//! The Lambda function `collect-dispatches`.

use collect_dispatches::handler::Function;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use shared::aws::settings::Settings;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::of_process();
    shared::aws::telemetry::start(&settings);
    let function = Function::from_settings(&settings)?;
    let function = &function;
    // The schedule's event says nothing that matters.
    lambda_runtime::run(service_fn(|event: LambdaEvent<serde::de::IgnoredAny>| async move {
        function
            .run(event.context.deadline())
            .await
            .map(|report| Summary { asked: report.asked, queued: report.queued })
    }))
    .await
}

/// What an invocation answers: for whoever invokes it by hand.
#[derive(serde::Serialize)]
struct Summary {
    asked: usize,
    queued: usize,
}
