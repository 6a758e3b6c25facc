//! **Assumed**: everything that no public integration with Prima shows. The names are ours, in the vendor's style, and are to
//! be confirmed against the site's own schema. Each stands behind a capability of
//! [`PrimaManners`](crate::installation::PrimaManners) that is off by default, or can be left empty.

use crate::channel::FieldError;
use crate::installation::WireEncoding;

use super::xml::DocumentWriter;

/// Assumed: `OrderInvoiceData` has a mobile number beside the `InvoicePhone` that is seen. Left out where empty.
pub const INVOICE_MOBILE: &str = "InvoiceMobile";

/// Assumed: `<Request RequestType="CancelOrder">`; refused once despatched. Behind the capability `cancel_order`.
///
/// # Errors
/// One entry for each attribute with a character that XML does not have.
pub fn cancel_order_request(order_number: &str, narrative: &str, encoding: WireEncoding) -> Result<String, Vec<FieldError>> {
    let mut document = DocumentWriter::new(encoding);
    document.open("Request", "", &[("RequestType", "CancelOrder")]);
    let mut attributes = vec![("OrderNumber", order_number)];
    if !narrative.is_empty() {
        attributes.push(("Narrative", narrative));
    }
    document.empty("Data", "", &attributes);
    document.close("Request");
    document.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cancel_order_names_the_order_and_the_reason() {
        assert_eq!(
            cancel_order_request("201C1234", "Buyer's wish", WireEncoding::Utf8).as_deref(),
            Ok(concat!(
                r#"<?xml version="1.0" encoding="UTF-8"?><Request RequestType="CancelOrder">"#,
                r#"<Data OrderNumber="201C1234" Narrative="Buyer&apos;s wish"/></Request>"#
            ))
        );
        assert!(cancel_order_request("201C1234", "", WireEncoding::Utf8).is_ok_and(|text| !text.contains("Narrative")));
    }
}
