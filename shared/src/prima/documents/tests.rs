#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
use jiff::civil::date as day;
use proptest::prelude::*;

use super::*;
use crate::prima::test_support::order;

fn written(order: &PrimaOrder) -> String {
    new_order_request(order, NewOrderRequest::MultiNewOrder, WireEncoding::Latin1)
        .unwrap()
        .replace("><", ">\n<")
}

#[test]
fn order_status_asks_for_one_number() {
    assert_eq!(
        order_status_request("201C1234", WireEncoding::Utf8).unwrap(),
        r#"<?xml version="1.0" encoding="UTF-8"?><Request RequestType="OrderStatus"><Data OrderNumber="201C1234"/></Request>"#
    );
}

#[test]
fn a_full_order_has_every_attribute() {
    insta::assert_snapshot!(written(&order()), @r#"
    <?xml version="1.0" encoding="ISO-8859-1"?>
    <Request RequestType="MultiNewOrder">
    <Data TPGUID="OUT-1001-A" OrderNumber="OUT-1001-A" Customer="OUTFITTER" CustDef="WEB" HoldOrder="Yes" HoldOrderNarrative="Value above 500" OrderChannel="MIRAKL" CustomerTitle="Ms" CustomerForename="Zoë" CustomerSurname="O&apos;Neill &amp; Sons" AddrLine1="Flat 2" AddrLine2="7 &lt;High&gt; Street" AddrLine6="K&#322;odzko" PostCode="AB1 2CD" Country="GB" CustomerEmail="zoe@example.com" CustomerPhone="+44 20 7946 0000" CustomerMobile="+44 7700 900000" CustomerRef="1001-A" VatInclusive="Yes" ReceiveMail="No" ReceiveEmail="No" ReceiveText="No" ReceivePhone="No" ReceiveMobile="No" RentDetails="No" OrderType="WEB" PaymentTerms="PAID" DeliveryFAO="Reception">
    <OrderHeaderData B2B="Yes" Brand="OWN" SpecialInstructions="Ring twice&#10;then wait" ShippingInstructions="Leave with neighbour" SourceMedia="OUTFITTER" OrderCategory="MKT" Carrier="DPD" CarrServ="NEXT" Currency="GBP" OrderDate="03/11/2026" OrderPaid="Yes" Season="AW26"/>
    <OrderInvoiceData InvoiceTitle="Ms" InvoiceForename="Zoë" InvoiceSurname="Payer" InvoiceAddrLine1="Flat 2" InvoiceAddrLine2="7 &lt;High&gt; Street" InvoiceAddrLine6="K&#322;odzko" InvoicePostCode="AB1 2CD" InvoiceCountry="GB" InvoiceEmail="zoe@example.com" InvoicePhone="+44 20 7946 0000" InvoiceMobile="+44 7700 900000"/>
    <OrderLineData OrderLine="1" Product="SHIRT" MtrxCode1="BLU" MtrxCode2="M" Quantity="1" Price="49.90" LineNarrative="Linen shirt" LineReference="1001-A-1" Warehouse="MAIN" Promotion="SUMMER" PromotionValue="5.00" Voucher="No"/>
    <OrderLineData OrderLine="2" Product="COAT" MtrxCode1="BLK" MtrxCode2="12" MtrxCode3="REG" MtrxCode4="L" Quantity="2" Price="49.90" LineNarrative="Linen shirt" LineReference="1001-A-2" Warehouse="MAIN" Promotion="SUMMER" PromotionValue="5.00" Voucher="No"/>
    <OrderChargeData Charge="RM24" ChargeValue="3.95"/>
    <OrderPaymentData PayMethod="CSH" SubPayMethod="MIR" TranAmount="153.70" PayProvider="NONE" PayAuthRef="AUTH-1" TransactionID="T-77"/>
    </Data>
    </Request>
    "#);
}

#[test]
fn the_smallest_order_leaves_out_what_is_empty() {
    let order = PrimaOrder {
        order_number: "A-1".into(),
        lines: vec![PrimaOrderLine {
            product: "P1".into(),
            quantity: 1,
            price: Decimal::new(4900, 2),
            ..PrimaOrderLine::default()
        }],
        ..PrimaOrder::default()
    };
    insta::assert_snapshot!(written(&order), @r#"
    <?xml version="1.0" encoding="ISO-8859-1"?>
    <Request RequestType="MultiNewOrder">
    <Data TPGUID="A-1" OrderNumber="A-1" HoldOrder="No" VatInclusive="No" ReceiveMail="No" ReceiveEmail="No" ReceiveText="No" ReceivePhone="No" ReceiveMobile="No" RentDetails="No">
    <OrderHeaderData B2B="No" OrderPaid="No"/>
    <OrderLineData OrderLine="1" Product="P1" Quantity="1" Price="49.00" Voucher="No"/>
    </Data>
    </Request>
    "#);
}

#[test]
fn both_request_types_carry_the_same_order() {
    let single =
        new_order_request(&order(), NewOrderRequest::NewOrder, WireEncoding::Latin1).unwrap();
    let multi =
        new_order_request(&order(), NewOrderRequest::MultiNewOrder, WireEncoding::Latin1).unwrap();
    assert_eq!(single.replace("\"NewOrder\"", "\"MultiNewOrder\""), multi);
}

#[test]
fn a_control_character_is_named_by_its_place() {
    let mut order = order();
    order.lines[1].narrative = "blue\u{8}".into();
    order.delivery.surname = "\u{1}".into();
    let fields: Vec<_> = unwritable(&order).into_iter().map(|problem| problem.field).collect();
    assert_eq!(fields, ["CustomerSurname", "OrderLineData[2].LineNarrative"]);
}

#[test]
fn money_and_dates_are_written_plainly() {
    for (value, text) in [
        ("3.95", "3.95"),
        ("49", "49.00"),
        ("20.0000", "20.00"),
        ("0.125", "0.125"),
        ("1200000", "1200000.00"),
        ("-1.5", "-1.50"),
        ("0", "0.00"),
    ] {
        assert_eq!(decimal(value.parse().unwrap()), text);
    }
    assert_eq!(date(day(2026, 3, 9)), "09/03/2026");
}

#[test]
fn the_status_is_read_from_any_root_in_any_case() {
    let status = |text: &str| read_response(text).and_then(|root| read_order_status(&root, "A-1"));
    for (word, expected) in [
        ("Part Despatched", PrimaOrderStatus::PartDispatched),
        ("DESPATCHED", PrimaOrderStatus::Dispatched),
        (" Cancelled ", PrimaOrderStatus::Cancelled),
        ("On Hold", PrimaOrderStatus::Open("On Hold".into())),
    ] {
        assert_eq!(
            status(&format!(
                r#"<Response RequestStatus="OK"><Data OrderStatus="{word}"/></Response>"#
            )),
            Ok(expected.clone())
        );
        assert_eq!(
            status(&format!(
                r#"<x requeststatus="ok"><DATA orderstatus="{word}" ordernumber="a-1"/></x>"#
            )),
            Ok(expected)
        );
    }
    for unusable in [
        r#"<R RequestStatus="OK"/>"#,
        r#"<R RequestStatus="OK"><Data OrderStatus=" "/></R>"#,
        r#"<R RequestStatus="OK"><Data OrderStatus="Open" OrderNumber="B-2"/></R>"#,
        r#"<R RequestStatus="OK"><Data OrderStatus="Open"/><Data OrderStatus="Cancelled"/></R>"#,
        r#"<R RequestStatus="MAYBE"/>"#,
        "<R/>",
        "OK",
    ] {
        assert!(matches!(status(unusable), Err(DocumentProblem::Unreadable(_))), "{unusable}");
    }
}

#[test]
fn a_refusal_keeps_prima_s_words() {
    let refused = |text: &str| read_response(text).unwrap_err();
    assert_eq!(
        refused(r#"<R REQUESTSTATUS="Error" requesterror=" Bad&#10;SKU "/>"#),
        DocumentProblem::Refused("Bad SKU".into())
    );
    assert_eq!(
        refused(r#"<R RequestStatus="ERROR"/>"#),
        DocumentProblem::Refused("refused without a RequestError".into())
    );
}

proptest! {
    #[test]
    fn whatever_a_customer_types_arrives_as_it_was(text in "[^\u{0}-\u{1F}\u{FFFE}\u{FFFF}]{1,60}") {
        let mut order = order();
        order.delivery.surname = text.clone();
        order.lines[0].narrative = text.clone();
        for encoding in [WireEncoding::Latin1, WireEncoding::Utf8] {
            let document = new_order_request(&order, NewOrderRequest::NewOrder, encoding).unwrap();
            let bytes = xml::encode(&document, encoding);
            let root = xml::read(&xml::decode(&bytes, None).unwrap()).unwrap();
            let data = root.child("Data").unwrap();
            prop_assert_eq!(data.attribute("CustomerSurname"), Some(text.as_str()));
            prop_assert_eq!(data.child("OrderLineData").unwrap().attribute("LineNarrative"), Some(text.as_str()));
        }
    }
}
