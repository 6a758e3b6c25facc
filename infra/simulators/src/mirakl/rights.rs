//! Which operations the keys of this marketplace may use (Mirakl seller API, `security` of each
//! operation).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The right that opens everything here.
const SHOP_ADMIN: &str = "ROLE_SHOP_ADMIN";

/// What the keys' user may do. By default everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rights {
    /// The user's roles, such as `ROLE_PARTNER_ORDER_READ`; none: `ROLE_SHOP_ADMIN`.
    pub roles: Option<Vec<String>>,
    /// Operations that are refused whatever the roles, and with which status: 401 or 403.
    pub refused: BTreeMap<String, u16>,
}

impl Rights {
    /// The status by which an operation is refused; none where it may be used.
    #[must_use]
    pub fn refusal(&self, operation: &str) -> Option<u16> {
        if let Some(status) = self.refused.get(operation) {
            return Some(*status);
        }
        let roles = self.roles.as_ref()?;
        let wanted = roles_of(operation);
        let has = |role: &str| roles.iter().any(|own| own == role);
        let is_open = wanted.is_empty()
            || wanted.iter().any(|role| has(role))
            || (has(SHOP_ADMIN) && !is_closed_to_administrators(operation));
        (!is_open).then_some(403)
    }
}

/// Mirakl's document names no administrator for the transaction log, but the accountants alone.
fn is_closed_to_administrators(operation: &str) -> bool {
    matches!(operation, "TL02" | "TL03" | "TL04")
}

/// The roles any of which opens an operation beside `ROLE_SHOP_ADMIN`; empty where it wants none.
fn roles_of(operation: &str) -> &'static [&'static str] {
    match operation {
        "V01" | "OF52" | "OF53" | "OF54" | "TL05" => &[],
        "A01" => &["ROLE_PARTNER_SHOP_READ"],
        "OR11" | "ST11" => &["ROLE_PARTNER_ORDER_READ"],
        "OR21" => &["ROLE_PARTNER_ORDER_ACCEPT"],
        "OR04" => &["ROLE_PARTNER_ORDER_EDIT"],
        "OR23" => &["ROLE_PARTNER_ORDER_TRACKING_WRITE"],
        "OR24" | "ST01" => &["ROLE_PARTNER_ORDER_SHIP"],
        "OR28" => &["ROLE_PARTNER_ORDER_REFUND_REQUEST", "ROLE_PARTNER_ORDER_REFUND"],
        "OR30" => &["ROLE_PARTNER_ORDER_CANCEL"],
        "SH12" | "SH21" => &["ROLE_PARTNER_SHIPPING_SETTINGS_READ"],
        "STO01" | "STO02" | "STO03" => &["ROLE_PARTNER_OFFER_STOCK_WRITE"],
        "OF01" => &["ROLE_PARTNER_OFFER_WRITE"],
        "OF02" | "OF03" => &["ROLE_PARTNER_OFFER_WRITE", "ROLE_PARTNER_OFFER_TRACKING_READ"],
        "OF21" => &["ROLE_PARTNER_OFFER_READ"],
        "TL02" | "TL03" | "TL04" => &["ROLE_SHOP_ACCOUNTANCY", "ROLE_PARTNER_TRANSACTION_LOG_READ"],
        "SBC11" => {
            &["ROLE_PARTNER_SELLER_BILLING_CYCLE_READ", "ROLE_PARTNER_ACCOUNTING_DOCUMENT_READ"]
        }
        "IV01" | "IV02" => {
            &["ROLE_PARTNER_ACCOUNTING_DOCUMENT_READ", "ROLE_PARTNER_OWN_ACCOUNTING_DOCUMENT_READ"]
        }
        _ => &[SHOP_ADMIN],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_opens_its_operations_and_no_others() {
        assert_eq!(Rights::default().refusal("OR23"), None);
        let rights =
            Rights { roles: Some(vec!["ROLE_PARTNER_ORDER_SHIP".to_owned()]), ..Rights::default() };
        let refused: Vec<_> = ["OR24", "ST01", "OR23", "PC01", "OF52"]
            .into_iter()
            .filter(|name| rights.refusal(name).is_some())
            .collect();
        assert_eq!(refused, ["OR23", "PC01"]);
        let rights = Rights { roles: Some(vec![SHOP_ADMIN.to_owned()]), ..Rights::default() };
        assert_eq!((rights.refusal("IV01"), rights.refusal("TL02")), (None, Some(403)));
        let rights = Rights { refused: [("OR24".to_owned(), 401)].into(), ..Rights::default() };
        assert_eq!((rights.refusal("OR24"), rights.refusal("OR23")), (Some(401), None));
    }
}
