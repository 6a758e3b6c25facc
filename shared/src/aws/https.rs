//! The one HTTPS connector of all AWS clients of a process.
//!
//! Left to itself, every AWS client of the SDK makes a connector of its own when the client is
//! built, only to have the trusted certificates loaded, throws it away, and makes another at its
//! first call: a hundred and more certificates are parsed twice for each client, most of it before
//! the process asks for work.

use std::sync::{Arc, OnceLock};

use aws_sdk_dynamodb::config::{HttpClient, RuntimeComponents};
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::{HttpConnectorSettings, SharedHttpConnector};

/// Makes its connector at the first call of any client, and hands out the same to every other. Its
/// clients must have the same timeouts.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedHttps {
    connector: Arc<OnceLock<SharedHttpConnector>>,
}

#[cfg(test)]
impl SharedHttps {
    pub(super) fn is_made(&self) -> bool {
        self.connector.get().is_some()
    }
}

impl HttpClient for SharedHttps {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let make = || {
            let mut connector = Connector::builder()
                .connector_settings(settings.clone())
                .proxy_config(ProxyConfig::from_env())
                .tls_provider(Provider::rustls(CryptoMode::AwsLc));
            connector.set_sleep_impl(components.sleep_impl());
            SharedHttpConnector::new(connector.build())
        };
        self.connector.get_or_init(make).clone()
    }
}
