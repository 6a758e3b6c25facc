//! The Lambda function `update-dispatches`.

use aws_lambda_events::event::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use shared::aws::settings::Settings;
use update_dispatches::handler::Function;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::of_process();
    shared::aws::telemetry::start(&settings);
    let function = Function::from_settings(&settings)?;
    let function = &function;
    lambda_runtime::run(service_fn(|event: LambdaEvent<SqsEvent>| async move {
        function.run(event.payload, event.context.deadline()).await
    }))
    .await
}
