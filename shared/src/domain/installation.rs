//! What holds for the whole installation: how Prima is reached and how long it may take.

use serde::{Deserialize, Serialize};

use crate::domain::dispatch::schedule::DispatchSettings;
use crate::domain::payout::settings::FinanceSettings;
use crate::domain::prima_calls::{PrimaCaller, PrimaCalls};
use crate::domain::stock::settings::StockSettings;
use crate::kit::clock::Clock;
use crate::kit::field_error::FieldError;
use crate::prima::PrimaClient;
use crate::prima::connection::{PrimaBehaviour, PrimaConnection};

/// The installation's document. Unknown fields are refused: a misspelt setting must not be ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Installation {
    /// How Prima's web service is reached and spoken to.
    pub prima: PrimaConnection,
    /// How patient the connector is with Prima, and what the site's Prima can do.
    #[serde(default)]
    pub behaviour: PrimaBehaviour,
    /// How many calls Prima takes at once, and who may make them.
    #[serde(default)]
    pub calls: PrimaCalls,
    /// How dispatches are collected.
    #[serde(default)]
    pub dispatch: DispatchSettings,
    /// Which of Prima's figures is free to sell, and what guards it.
    #[serde(default)]
    pub stock: StockSettings,
    /// Prima's nominal ledger: what it can do, its periods and its limits.
    #[serde(default)]
    pub finance: FinanceSettings,
}

impl Installation {
    /// Everything that is wrong with the document, one entry a field; empty when it is fit for use.
    #[must_use]
    pub fn problems(&self) -> Vec<FieldError> {
        let mut problems = self.prima.problems();
        problems.extend(self.behaviour.problems());
        problems.extend(self.calls.problems());
        problems.extend(self.dispatch.problems());
        problems.extend(self.stock.problems());
        problems.extend(self.finance.problems());
        problems
    }

    /// A client of the installation's Prima, with as many calls at once as one run of its caller
    /// makes. Sends nothing yet.
    ///
    /// # Errors
    /// The document has problems, or no HTTP client can be made.
    pub fn prima_client<C: Clock + Clone>(
        &self,
        caller: PrimaCaller,
        clock: C,
    ) -> Result<PrimaClient<C>, Vec<FieldError>> {
        let problems = self.problems();
        if !problems.is_empty() {
            return Err(problems);
        }
        let calls = self.calls.in_one_run(caller);
        PrimaClient::new(
            self.prima.clone(),
            self.behaviour.clone(),
            self.stock.patience(),
            calls,
            clock,
        )
    }
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
        assert_eq!(
            (prima.called_operation(), prima.encoding, installation.calls),
            ("wsomhandler", WireEncoding::Latin1, PrimaCalls::default())
        );
        assert_eq!(prima.new_order_request, NewOrderRequest::MultiNewOrder);
        assert_eq!(installation.behaviour, PrimaBehaviour::default());
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
            prima.unknown_order_texts =
                vec!["*".into(), "{order_number}*".into(), "order * unknown".into()];
            prima.connect_timeout_seconds = 0;
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
                "prima.connect_timeout_seconds"
            ]
        );
        assert_eq!(
            wrong_fields(|prima| prima.unknown_order_texts.clear()),
            ["prima.unknown_order_texts"]
        );
    }

    #[test]
    fn what_prima_takes_at_once_is_checked_and_bounds_each_client() {
        let mut installation = sound();
        installation.calls = PrimaCalls { at_once: 3, stock: 3, ..PrimaCalls::default() };
        let fields: Vec<_> =
            installation.problems().into_iter().map(|problem| problem.field).collect();
        assert_eq!(fields, ["calls.stock"]);
        assert!(
            installation
                .prima_client(PrimaCaller::PushStock, crate::kit::clock::SystemClock)
                .is_err()
        );
        installation.calls.stock = 2;
        assert!(
            installation
                .prima_client(PrimaCaller::PushStock, crate::kit::clock::SystemClock)
                .is_ok()
        );
    }

    #[test]
    fn plain_http_to_a_public_address_is_refused_unless_allowed() {
        assert_eq!(
            wrong_fields(|prima| prima.endpoint = "http://8.8.8.8/wsa".into()),
            ["prima.endpoint"]
        );
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
        assert!(
            serde_json::from_str::<Installation>(&text.replace("soap_action", "soapaction"))
                .is_err()
        );
        assert!(
            serde_json::from_str::<Installation>(&text.replace("behaviour", "maners")).is_err()
        );
    }

    #[test]
    fn only_the_configured_words_mean_unknown() {
        let prima = sound().prima;
        assert!(prima.says_unknown_order("  ORDER 201c1234  not found ", "201C1234"));
        assert!(prima.says_unknown_order("No such order: 201C1234", "201C1234"));
        assert!(
            !prima.says_unknown_order("Order 201C9999 not found", "201C1234"),
            "that is another order"
        );
        assert!(!prima.says_unknown_order("Order 201C1234 not found in open period", "201C1234"));
        assert!(!prima.says_unknown_order("", "201C1234"));
    }
}
