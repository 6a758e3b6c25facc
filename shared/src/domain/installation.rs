//! What holds for the whole installation: how Prima is reached and how long it may take.

use serde::{Deserialize, Serialize};

use crate::domain::dispatch::rhythm::DispatchSettings;
use crate::domain::stock::settings::StockSettings;
use crate::kit::clock::Clock;
use crate::kit::field_error::FieldError;
use crate::prima::PrimaClient;
use crate::prima::connection::{PrimaConnection, PrimaManners};

/// The installation's document. Unknown fields are refused: a misspelt setting must not be ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Installation {
    /// How Prima's web service is reached and spoken to.
    pub prima: PrimaConnection,
    /// How patient the connector is with Prima, and what the site's Prima can do.
    #[serde(default)]
    pub manners: PrimaManners,
    /// How dispatches are collected.
    #[serde(default)]
    pub dispatch: DispatchSettings,
    /// Which of Prima's figures is free to sell, and what guards it.
    #[serde(default)]
    pub stock: StockSettings,
}

impl Installation {
    /// Everything that is wrong with the document, one entry a field; empty when it is fit for use.
    #[must_use]
    pub fn problems(&self) -> Vec<FieldError> {
        let mut problems = self.prima.problems();
        problems.extend(self.manners.problems());
        problems.extend(self.dispatch.problems());
        problems.extend(self.stock.problems());
        problems
    }

    /// A client of the installation's Prima, with as many calls at once as its purpose allows. Sends nothing yet.
    ///
    /// # Errors
    /// The document has problems, or no HTTP client can be made.
    pub fn prima_client<C: Clock + Clone>(&self, purpose: Purpose, clock: C) -> Result<PrimaClient<C>, Vec<FieldError>> {
        let problems = self.problems();
        if !problems.is_empty() {
            return Err(problems);
        }
        let concurrent_calls = match purpose {
            Purpose::Orders => self.prima.concurrent_calls,
            Purpose::Questions => self.dispatch.concurrent_questions,
            Purpose::Stock => self.stock.concurrent_ranges,
        };
        let connection = PrimaConnection { concurrent_calls, ..self.prima.clone() };
        PrimaClient::new(connection, self.manners.clone(), self.stock.patience(), clock)
    }
}

/// What a client is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Orders: as many calls at once as `prima.concurrent_calls`.
    Orders,
    /// Questions alone: as many at once as `dispatch.concurrent_questions`.
    Questions,
    /// Stock: as many ranges at once as `stock.concurrent_ranges`.
    Stock,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;
    use crate::prima::connection::{NewOrderRequest, WireEncoding};

    fn sound() -> Installation {
        serde_json::from_str(
            r#"{"prima":{"endpoint":"http://10.1.2.3:8080/wsalive/wsalive","message_format":"rpc-encoded","namespace":"urn:omlink:OMLink",
                "parts":{"request":"request","result":"response"},"unknown_order_texts":["Order {order_number} not found","No such order*"]}}"#,
        )
        .unwrap()
    }

    fn wrong_fields(change: impl FnOnce(&mut PrimaConnection)) -> Vec<String> {
        let mut installation = sound();
        change(&mut installation.prima);
        installation.problems().into_iter().map(|problem| problem.field).collect()
    }

    #[test]
    fn a_sound_document_has_no_problems_and_sane_defaults() {
        let installation = sound();
        assert_eq!(installation.problems(), []);
        let prima = &installation.prima;
        assert_eq!((prima.called_operation(), prima.encoding, prima.concurrent_calls), ("wsomhandler", WireEncoding::Latin1, 1));
        assert_eq!(prima.new_order_request, NewOrderRequest::MultiNewOrder);
        assert_eq!(installation.manners, PrimaManners::default());
        let text = serde_json::to_string(&installation).unwrap();
        assert_eq!(serde_json::from_str::<Installation>(&text).unwrap(), installation);
    }

    #[test]
    fn each_wrong_field_is_named() {
        let fields = wrong_fields(|prima| {
            prima.endpoint = "ftp://prima/wsa".into();
            prima.company = Some("01".into());
            prima.namespace = String::new();
            prima.soap_action = "a\"b".into();
            prima.parts.result = "1 result".into();
            prima.unknown_order_texts = vec!["*".into(), "{order_number}*".into(), "order * unknown".into()];
            prima.connect_timeout_seconds = 0;
            prima.concurrent_calls = 0;
        });
        assert_eq!(
            fields,
            [
                "prima.endpoint",
                "prima.namespace",
                "prima.soap_action",
                "prima.parts.result",
                "prima.parts.company",
                "prima.unknown_order_texts[0]",
                "prima.unknown_order_texts[1]",
                "prima.unknown_order_texts[2]",
                "prima.connect_timeout_seconds",
                "prima.concurrent_calls"
            ]
        );
        assert_eq!(wrong_fields(|prima| prima.unknown_order_texts.clear()), ["prima.unknown_order_texts"]);
    }

    #[test]
    fn plain_http_to_a_public_address_is_refused_unless_allowed() {
        assert_eq!(wrong_fields(|prima| prima.endpoint = "http://8.8.8.8/wsa".into()), ["prima.endpoint"]);
        assert!(wrong_fields(|prima| prima.endpoint = "https://8.8.8.8/wsa".into()).is_empty());
        let allowed = wrong_fields(|prima| {
            prima.endpoint = "http://8.8.8.8/wsa".into();
            prima.allow_plain_http_to_public = true;
        });
        assert!(allowed.is_empty());
    }

    #[test]
    fn a_misspelt_setting_is_refused() {
        let text = serde_json::to_string(&sound()).unwrap();
        assert!(serde_json::from_str::<Installation>(&text.replace("soap_action", "soapaction")).is_err());
        assert!(serde_json::from_str::<Installation>(&text.replace("manners", "maners")).is_err());
    }

    #[test]
    fn only_the_configured_words_mean_unknown() {
        let prima = sound().prima;
        assert!(prima.says_unknown_order("  ORDER 201c1234  not found ", "201C1234"));
        assert!(prima.says_unknown_order("No such order: 201C1234", "201C1234"));
        assert!(!prima.says_unknown_order("Order 201C9999 not found", "201C1234"), "that is another order");
        assert!(!prima.says_unknown_order("Order 201C1234 not found in open period", "201C1234"));
        assert!(!prima.says_unknown_order("", "201C1234"));
    }
}
