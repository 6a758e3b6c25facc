//! The bank account that an operator pays to. Only a hash of it is kept: enough to notice that it
//! changed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::kit::digest::sha256_hex;

/// What names a person or a bank, and no account: a change there is no change of the account.
const NOT_THE_ACCOUNT: [&str; 6] =
    ["owner", "bank_name", "bank_street", "bank_city", "bank_zip", "@type"];

/// A hash of an account.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BankAccount(String);

impl BankAccount {
    /// Reads `payment_info` of IV01: an IBAN, or one of some twenty national forms, which all are
    /// objects of plain texts. `None` where nothing names an account.
    pub(super) fn read(raw: &str) -> Option<Self> {
        let fields: BTreeMap<String, Box<RawValue>> = serde_json::from_str(raw).ok()?;
        let mut account = String::new();
        for (name, value) in &fields {
            let plain: String = value
                .get()
                .chars()
                .filter(|c| c.is_ascii_alphanumeric())
                .map(|c| c.to_ascii_uppercase())
                .collect();
            let is_text = value.get().starts_with(|c: char| c == '"' || c.is_ascii_digit());
            if is_text && !plain.is_empty() && !NOT_THE_ACCOUNT.contains(&name.as_str()) {
                account.push_str(&format!("{name}={plain};"));
            }
        }
        (!account.is_empty()).then(|| Self(sha256_hex(account.as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_account_is_a_change() {
        let read = |raw: &str| BankAccount::read(raw);
        let first = read(
            r#"{"@type":"IBAN","iban":"GB33 BUKB 2020 1555 5555 55","bic":"BUKBGB22","owner":"A"}"#,
        );
        let same = read(
            r#"{"bic":"bukbgb22","iban":"GB33BUKB20201555555555","owner":"B","bank_city":"York"}"#,
        );
        let other = read(r#"{"@type":"IBAN","iban":"GB33BUKB20201555555556","bic":"BUKBGB22"}"#);
        assert!(first.is_some() && first == same && first != other);
        assert!(!format!("{first:?}").contains("20201555"));
        assert_eq!((read("null"), read(r#"{"owner":"A"}"#), read("[1]")), (None, None, None));
    }
}
