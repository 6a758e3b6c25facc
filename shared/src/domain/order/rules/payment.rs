//! How an order is paid, by its payment workflow.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::template::Template;

/// The workflow of platforms that know no other, and name none.
pub(in crate::domain::order) const PAY_ON_ACCEPTANCE: &str = "PAY_ON_ACCEPTANCE";
/// The payment workflows that Mirakl documents, and what holds for each where the rules do not say.
const WORKFLOWS: [(&str, UnpaidOrder); 5] = [
    // Such an order is debited before it may be shipped: without a debit something is wrong.
    (PAY_ON_ACCEPTANCE, UnpaidOrder::Exception),
    ("PAY_ON_DELIVERY", UnpaidOrder::Create),
    ("PAY_ON_DUE_DATE", UnpaidOrder::Create),
    ("PAY_ON_SHIPMENT", UnpaidOrder::Create),
    (NO_CONFIRMATION, UnpaidOrder::Create),
];
pub(crate) const NO_CONFIRMATION: &str = "NO_CUSTOMER_PAYMENT_CONFIRMATION";

/// What becomes of an order that is ready to be shipped, and that Mirakl does not say is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnpaidOrder {
    /// It is created with `OrderPaid="No"` and without a payment line.
    Create,
    /// It becomes an exception.
    Exception,
    /// It is created as paid: the marketplace answers for the payment. Only for
    /// `NO_CUSTOMER_PAYMENT_CONFIRMATION`, whose payments are never confirmed.
    AsPaid,
}

/// What holds for the orders of one `payment_workflow`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkflowRule {
    /// Orders that are not paid yet.
    pub unpaid: UnpaidOrder,
    /// `PaymentTerms` of such an order; empty: those of every order.
    #[serde(default)]
    pub terms: String,
}

/// The payment line. Its amount is what the customer paid: goods, shipping and taxes. An order that
/// is not paid has none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PaymentRules {
    /// A payment line is sent.
    pub send: bool,
    /// `PayMethod`. The default is that of the only public sample.
    pub method: String,
    /// `SubPayMethod`.
    pub sub_method: String,
    /// `PayProvider`.
    pub provider: String,
    /// `TransactionID`: `{transaction_number}`, `{order_id}`, `{commercial_id}`.
    pub transaction_id: Template,
    /// `PayAuthRef`: the same.
    pub authorisation_reference: Template,
    /// Characters of these two.
    pub reference_length: usize,
    /// `OrderPaid` of an order that is paid; that of any other is `No`.
    pub paid: bool,
    /// What holds for the orders of a `payment_workflow`. One that Mirakl documents has its own
    /// default.
    pub workflows: BTreeMap<String, WorkflowRule>,
    /// What holds for those of any other workflow; left out: such an order becomes an exception.
    pub other_workflows: Option<WorkflowRule>,
}

impl PaymentRules {
    /// What holds for the orders of a workflow; `None` if nobody has said.
    #[must_use]
    pub fn workflow(&self, name: &str) -> Option<WorkflowRule> {
        let documented = || {
            let (_, unpaid) = WORKFLOWS.into_iter().find(|(known, _)| *known == name)?;
            Some(WorkflowRule { unpaid, terms: String::new() })
        };
        self.workflows
            .get(name)
            .cloned()
            .or_else(documented)
            .or_else(|| self.other_workflows.clone())
    }
}

impl Default for PaymentRules {
    fn default() -> Self {
        Self {
            send: true,
            method: "CSH".to_owned(),
            sub_method: String::new(),
            provider: "NONE".to_owned(),
            transaction_id: Template::new("{transaction_number}"),
            authorisation_reference: Template::default(),
            reference_length: 50,
            paid: true,
            workflows: BTreeMap::new(),
            other_workflows: None,
        }
    }
}
