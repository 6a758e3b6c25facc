//! The Lambda function `post-journals`.

use aws_lambda_events::event::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use post_journals::handler::Function;
use shared::aws::settings::Settings;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::of_process();
    shared::aws::telemetry::start(&settings);
    let function = Function::from_settings(&settings)?;
    let function = &function;
    lambda_runtime::run(service_fn(|event: LambdaEvent<SqsEvent>| async move {
        let deadline = event.context.deadline();
        function.run(event.payload, &event.context.request_id, deadline).await
    }))
    .await
}
