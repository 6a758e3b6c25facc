//! An order and a connection for the tests of this module.

use jiff::civil::date;
use rust_decimal::Decimal;

use super::order::{
    PrimaCharge, PrimaOrder, PrimaOrderHeader, PrimaOrderLine, PrimaParty, PrimaPayment,
};
use crate::prima::connection::MessageFormat;
use crate::prima::connection::NewOrderRequest;
use crate::prima::connection::PartNames;
use crate::prima::connection::PrimaConnection;
use crate::prima::connection::WireEncoding;

/// A site that speaks RPC/encoded.
pub(crate) fn connection(endpoint: &str) -> PrimaConnection {
    PrimaConnection {
        endpoint: endpoint.to_owned(),
        allow_plain_http_to_public: false,
        wsdl_target: "urn:omlink".into(),
        company: None,
        message_format: MessageFormat::RpcEncoded,
        namespace: "urn:omlink:OMLink".into(),
        soap_action: String::new(),
        operation: "wsomhandler".into(),
        company_operation: "comwsomhandler".into(),
        parts: PartNames { request: "request".into(), company: None, result: "response".into() },
        qualified_parts: false,
        encoding: WireEncoding::Latin1,
        new_order_request: NewOrderRequest::MultiNewOrder,
        unknown_order_texts: vec!["Order {order_number} not found".into()],
        connect_timeout_seconds: 5,
    }
}

/// An order that fills every field.
pub(crate) fn order() -> PrimaOrder {
    let [empty_3, empty_4, empty_5] = [const { String::new() }; 3];
    let delivery = PrimaParty {
        title: "Ms".into(),
        forename: "Zoë".into(),
        surname: "O'Neill & Sons".into(),
        address_lines: [
            "Flat 2".into(),
            "7 <High> Street".into(),
            empty_3,
            empty_4,
            empty_5,
            "Kłodzko".into(),
        ],
        post_code: "AB1 2CD".into(),
        country: "GB".into(),
        email: "zoe@example.com".into(),
        phone: "+44 20 7946 0000".into(),
        mobile: "+44 7700 900000".into(),
    };
    let line = |product: &str, codes: [&str; 4], quantity: u32| PrimaOrderLine {
        product: product.into(),
        matrix_codes: codes.map(Into::into),
        quantity,
        price: Decimal::new(4_990_000, 5),
        narrative: "Linen shirt".into(),
        reference: format!("1001-A-{quantity}"),
        warehouse: "MAIN".into(),
        promotion: "SUMMER".into(),
        promotion_value: Some(Decimal::new(5, 0)),
    };
    PrimaOrder {
        order_number: "OUT-1001-A".into(),
        third_party_id: "OUT-1001-A".into(),
        customer: "OUTFITTER".into(),
        customer_definition: "WEB".into(),
        hold_narrative: Some("Value above 500".into()),
        order_channel: "MIRAKL".into(),
        customer_reference: "1001-A".into(),
        order_type: "WEB".into(),
        payment_terms: "PAID".into(),
        delivery_for_attention_of: "Reception".into(),
        vat_inclusive: true,
        invoice: PrimaParty { surname: "Payer".into(), ..delivery.clone() },
        delivery,
        header: PrimaOrderHeader {
            business: true,
            brand: "OWN".into(),
            special_instructions: "Ring twice\nthen wait".into(),
            shipping_instructions: "Leave with neighbour".into(),
            source_media: "OUTFITTER".into(),
            order_category: "MKT".into(),
            carrier: "DPD".into(),
            carrier_service: "NEXT".into(),
            currency: "GBP".into(),
            order_date: Some(date(2026, 11, 3)),
            paid: true,
            season: "AW26".into(),
        },
        lines: vec![
            line("SHIRT", ["BLU", "M", "", ""], 1),
            line("COAT", ["BLK", "12", "REG", "L"], 2),
        ],
        charges: vec![PrimaCharge { code: "RM24".into(), value: Decimal::new(395, 2) }],
        payments: vec![PrimaPayment {
            method: "CSH".into(),
            sub_method: "MIR".into(),
            amount: Decimal::new(1537, 1),
            provider: "NONE".into(),
            authorisation_reference: "AUTH-1".into(),
            transaction_id: "T-77".into(),
        }],
    }
}
