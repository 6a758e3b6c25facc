//! A Lambda handler that does nothing: what any handler on this runtime takes to start.

use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(|_: LambdaEvent<serde::de::IgnoredAny>| async {
        Ok::<_, Error>("hello")
    }))
    .await
}
