//! The Lambda function `acknowledge-orders`.
// The clients' futures stand deep within each other.
#![recursion_limit = "256"]

use acknowledge_orders::handler::Function;
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
        function.run(&event.context.request_id, event.context.deadline()).await
    }))
    .await
}
