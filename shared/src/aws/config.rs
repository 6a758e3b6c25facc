//! How the AWS clients are configured.
//!
//! A function's configuration is put together by hand from what Lambda gives it: the default chain
//! costs several milliseconds of every cold start, only to find the same credentials in the same
//! variables. Its clients share one HTTPS connector. The operator command uses the default chain and
//! the SDK's own connectors.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use crate::aws::https::SharedHttps;
use crate::aws::settings::{SettingError, Settings};

/// One attempt's limit. DynamoDB, SQS and the others answer in milliseconds; what takes longer than
/// this is lost.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
/// A call's limit, all of its attempts included: acceptance must not wait long for a table that is
/// down.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

fn behaviour() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(CALL_TIMEOUT)
        .build()
}

/// The configuration of a function, from the variables that Lambda sets: `AWS_ACCESS_KEY_ID`,
/// `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`; and from `AWS_ENDPOINT_URL`, which
/// leads to a local AWS.
///
/// # Errors
/// Names the variable that is absent.
pub fn function_config(settings: &Settings<'_>) -> Result<SdkConfig, SettingError> {
    let credentials = Credentials::new(
        settings.text("AWS_ACCESS_KEY_ID")?,
        settings.text("AWS_SECRET_ACCESS_KEY")?,
        settings.optional("AWS_SESSION_TOKEN"),
        None,
        "function environment",
    );
    let mut config = SdkConfig::builder()
        .behavior_version(behaviour())
        .http_client(SharedHttps::default())
        .region(Region::new(settings.text("AWS_REGION")?))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(RetryConfig::standard())
        .timeout_config(timeouts());
    config.set_endpoint_url(settings.optional("AWS_ENDPOINT_URL"));
    Ok(config.build())
}

/// The configuration of a person's command, from the default chain: variables, profiles, container
/// or instance roles. `endpoint_url`, else `AWS_ENDPOINT_URL`, leads to a local AWS.
pub async fn operator_config(endpoint_url: Option<String>, settings: &Settings<'_>) -> SdkConfig {
    let mut loader = aws_config::defaults(behaviour())
        .retry_config(RetryConfig::standard())
        .timeout_config(timeouts());
    if let Some(url) = endpoint_url.or_else(|| settings.optional("AWS_ENDPOINT_URL")) {
        loader = loader.endpoint_url(url);
    }
    loader.load().await
}

/// What is the matter with a call to AWS, in a word or two: the service's error code, or how far
/// the call got. Never the service's message, which may quote what was sent.
pub fn code_of<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> String {
    match error {
        SdkError::ServiceError(refusal) => {
            refusal.err().code().unwrap_or("an error without a code").to_owned()
        }
        SdkError::TimeoutError(_) => "no answer in time".to_owned(),
        SdkError::DispatchFailure(failure) if failure.is_io() => {
            "the service cannot be reached".to_owned()
        }
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            "no answer in time".to_owned()
        }
        SdkError::DispatchFailure(_) => {
            "the request could not be sent: check credentials and region".to_owned()
        }
        SdkError::ConstructionFailure(_) => "the request could not be built".to_owned(),
        _ => "the answer cannot be read".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    /// A function's configuration needs no chain and names whatever is missing.
    #[test]
    fn function_settings_need_no_chain_and_name_what_is_missing() {
        let given = |name: &str| match name {
            "AWS_ACCESS_KEY_ID" => Some("id".to_owned()),
            "AWS_SECRET_ACCESS_KEY" => Some("secret".to_owned()),
            "AWS_ENDPOINT_URL" => Some("http://127.0.0.1:4566".to_owned()),
            _ => None,
        };
        let problem = function_config(&Settings::from_lookup(given)).unwrap_err();
        assert_eq!(problem.to_string(), "the environment variable AWS_REGION is not set");
        let with_region = |name: &str| {
            if name == "AWS_REGION" { Some("eu-west-1".to_owned()) } else { given(name) }
        };
        let config = function_config(&Settings::from_lookup(with_region)).unwrap();
        assert_eq!(config.region().map(ToString::to_string).as_deref(), Some("eu-west-1"));
        assert_eq!(config.endpoint_url(), Some("http://127.0.0.1:4566"));
        assert!(config.credentials_provider().is_some());
        assert!(config.http_client().is_some());
    }

    /// What each client would do by itself is half of a cold start.
    #[tokio::test]
    async fn aws_clients_share_one_connector_made_at_the_first_call() {
        let https = SharedHttps::default();
        let config = SdkConfig::builder()
            .behavior_version(behaviour())
            .region(Region::from_static("eu-west-1"))
            .endpoint_url("http://127.0.0.1:9")
            .retry_config(RetryConfig::disabled())
            .http_client(https.clone())
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "id", "secret", None, None, "test",
            )))
            .build();
        let database = aws_sdk_dynamodb::Client::new(&config);
        let queues = aws_sdk_sqs::Client::new(&config);
        assert!(!https.is_made(), "certificates are loaded before anything is called");
        assert!(database.list_tables().send().await.is_err());
        assert!(https.is_made());
        assert!(queues.list_queues().send().await.is_err());
    }
}
