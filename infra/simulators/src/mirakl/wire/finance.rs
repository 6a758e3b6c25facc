//! The transaction log, the billing cycles and the accounting documents (Mirakl seller API, TL02,
//! SBC11, IV01).

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::super::model::ledger::{
    Cycle, Document, DocumentKind, Entry, Ledger, PayOut, TransactionType,
};
use super::super::model::{Order, ShopProfile};
use super::{Amount, Style, instant, moment};

/// A line of the log, each time that it is listed: not at all where it is hidden, twice where
/// somebody repeated it. `order` is the order that it is about, where that is still known.
pub(in crate::mirakl) fn lines(
    ledger: &Ledger,
    shop: &ShopProfile,
    entry: &Entry,
    order: Option<&Order>,
) -> Vec<Value> {
    if entry.spoilt.hidden {
        return Vec::new();
    }
    let line = line(ledger, shop, entry, order);
    if !entry.spoilt.repeated {
        return vec![line];
    }
    let mut again = line.clone();
    // Another UUID: the first digit is another one.
    let first = if entry.id.starts_with('f') { "0" } else { "f" };
    again["id"] = json!(format!("{first}{}", entry.id.get(1..).unwrap_or_default()));
    vec![line, again]
}

fn line(ledger: &Ledger, shop: &ShopProfile, entry: &Entry, order: Option<&Order>) -> Value {
    let billing = ledger.billing();
    let style = Style::AsIs;
    let net = entry.net() + entry.spoilt.changed_by;
    let amount = |value: Decimal| json!(Amount(value, style));
    let cycle = entry.cycle.and_then(|place| ledger.cycles().get(place));
    let document = entry.document.and_then(|place| ledger.documents().get(place));
    let kind = entry.spoilt.shown_as.as_deref().unwrap_or(entry.kind.code());
    let mut body = json!({
        "id": entry.id, "type": kind, "currency_iso_code": entry.currency, "date_created": moment(entry.created),
        "last_updated": moment(entry.last_updated), "payment_state": entry.state.code(), "pay_out_psp_code": entry.psp,
        "entities": entities(entry, order),
    });
    if !entry.spoilt.without_amounts {
        body["amount"] = amount(if billing.unsigned_amounts { net.abs() } else { net });
        body["amount_credited"] = amount(net.max(Decimal::ZERO));
        body["amount_debited"] = amount((-net).max(Decimal::ZERO));
    }
    if let Some(cycle) = cycle.filter(|cycle| cycle.ids_assigned) {
        body["seller_billing_cycle_id"] = json!(cycle.id);
    }
    if let Some(document) = document.filter(|document| document.issued.is_some()) {
        body["accounting_document_id"] = json!(document.id);
        body["accounting_document_number"] = json!(document.number);
        body["accounting_document_creation_date"] = json!(moment(document.created));
    }
    if billing.sparse {
        for name in ["amount", "pay_out_psp_code", "entities", "accounting_document_creation_date"]
        {
            remove(&mut body, name);
        }
        return body;
    }
    body["balance"] = amount(entry.balance);
    body["psp_balance"] = amount(entry.psp_balance);
    // In no schema, but in Mirakl's own example.
    body["shop"] = json!({"id": shop.shop_id, "model": "MARKETPLACE", "domains": ["PRODUCT"], "operator_internal_id": null});
    if let Some(cycle) = cycle {
        body["payment_voucher_number"] = json!(cycle.voucher);
    }
    body
}

fn entities(entry: &Entry, order: Option<&Order>) -> Value {
    let mut body = Map::new();
    if let Some(about) = &entry.order {
        let references = json!({
            "order_reference_for_customer": order.and_then(|order| order.reference_for_customer.as_deref()),
            "order_reference_for_seller": order.and_then(|order| order.reference_for_seller.as_deref()),
        });
        body.insert("domain".to_owned(), json!("PRODUCT"));
        body.insert(
            "order".to_owned(),
            json!({"id": about.order_id, "commercial_id": about.commercial_id, "creation_date": moment(about.created),
                "payment_info": {"payment_type": about.payment_type}, "references": references}),
        );
        if let Some(line) = &about.order_line_id {
            body.insert("order_line".to_owned(), json!({"id": line}));
        }
        if let Some(refund) = &about.refund_id {
            body.insert("refund".to_owned(), json!({"id": refund}));
        }
    } else if let Some(reference) = &entry.reference {
        body.insert(
            "one_off_item".to_owned(),
            json!({"description": entry.description, "quantity": 1, "references": [{"type": "INTERNAL", "value": reference}]}),
        );
    }
    if entry.kind.is_tax() {
        body.insert("shop_tax".to_owned(), json!({"code": "TAXDEFAULT", "rate": 20}));
    }
    Value::Object(body)
}

fn remove(body: &mut Value, name: &str) {
    if let Some(body) = body.as_object_mut() {
        body.remove(name);
    }
}

/// `total_..._excl_tax` and `total_..._incl_tax` of a cycle.
fn totals(ledger: &Ledger, cycle: &Cycle) -> Map<String, Value> {
    let mut body = Map::new();
    let totals = ledger.totals(cycle.place);
    let amount = |value: Decimal| json!(Amount(value, Style::Shortest));
    for (total, (without, with)) in &totals {
        let name = total.name();
        if total.is_of_taxes() {
            body.insert(format!("total_{name}"), amount(*with));
            continue;
        }
        body.insert(format!("total_{name}_excl_tax"), amount(*without));
        body.insert(format!("total_{name}_incl_tax"), amount(*with));
        if name == "refund_payable_orders" {
            body.insert("total_refund_orders_excl_tax".to_owned(), amount(*without));
            body.insert("total_refund_orders_incl_tax".to_owned(), amount(*with));
        }
    }
    body
}

/// A cycle of SBC11.
pub(in crate::mirakl) fn cycle(ledger: &Ledger, shop: &ShopProfile, cycle: &Cycle) -> Value {
    let sparse = ledger.billing().sparse;
    let amount = |value: Decimal| json!(Amount(value, Style::Shortest));
    let mut pay_out = json!({"state": cycle.pay_out.code()});
    if let Some(reference) = &cycle.reference {
        pay_out["reference"] = json!(reference);
    }
    if let Some(reason) = &cycle.failure_reason {
        pay_out["failure_reason"] = json!(reason);
    }
    if let Some(paid) = cycle.paid {
        pay_out["transaction_date"] = json!(instant(paid));
    }
    let shop_id = shop_id(ledger, shop);
    let mut body = json!({
        "id": cycle.id, "currency_iso_code": cycle.currency, "date_created": instant(cycle.closed),
        "amount_transferred_to_seller": amount(cycle.transfer), "pay_out": pay_out, "pay_out_psp_code": cycle.psp,
    });
    if !sparse {
        body["amount_transferred_to_operator"] = amount(ledger.operators_share(cycle.place));
        body["payment_voucher_number"] = json!(cycle.voucher);
        body["shop"] = json!({"shop_id": shop_id, "shop_name": format!("Shop {}", shop.shop_id), "shop_corporate_name": "Fashion Shop Ltd", "shop_model": "MARKETPLACE"});
        body["summary"] = Value::Object(totals(ledger, cycle));
    }
    body
}

fn shop_id(ledger: &Ledger, shop: &ShopProfile) -> Value {
    if ledger.billing().text_ids { json!(shop.shop_id.to_string()) } else { json!(shop.shop_id) }
}

/// A document of IV01.
pub(in crate::mirakl) fn document(
    ledger: &Ledger,
    shop: &ShopProfile,
    document: &Document,
) -> Value {
    let amount = |value: Decimal| json!(Amount(value, Style::Shortest));
    let cycle = document.cycle.and_then(|place| ledger.cycles().get(place));
    let charged: Vec<&Entry> = ledger
        .entries()
        .iter()
        .filter(|entry| entry.document == Some(document.place) && is_charged(entry.kind))
        .collect();
    let sum = |taxes: bool| -> Decimal {
        charged.iter().filter(|entry| entry.kind.is_tax() == taxes).map(|entry| entry.net()).sum()
    };
    // A document charges: what the seller is debited is above zero in an invoice. A credit note
    // shows what is given.
    let sign = if document.kind == DocumentKind::ManualCredit {
        Decimal::ONE
    } else {
        Decimal::NEGATIVE_ONE
    };
    let (net, tax) = (sign * sum(false), sign * sum(true));
    let details: Vec<Value> = charged
        .iter()
        .filter(|entry| !entry.kind.is_tax())
        .map(|entry| entry.kind)
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .map(|kind| {
            let of = |wanted: TransactionType| -> Decimal {
                charged.iter().filter(|entry| entry.kind == wanted).map(|entry| entry.net()).sum()
            };
            let taxes: Vec<Value> = kind
                .tax()
                .map(|tax| json!({"code": "TAXDEFAULT", "amount": amount(sign * of(tax))}))
                .into_iter()
                .collect();
            json!({"amount_excl_taxes": amount(sign * of(kind)), "description": kind.code(), "quantity": 1, "taxes": taxes})
        })
        .collect();
    let mut body = json!({
        "id": document.id, "type": document.kind.code(), "currency_iso_code": document.currency, "date_created": instant(document.created),
        "details": details, "issuing_user": {"type": if document.cycle.is_some() { "BATCH" } else { "OPERATOR" }},
        "pay_out_psp_code": document.psp, "payment": payment(cycle), "shop_id": shop_id(ledger, shop), "shop_model": "MARKETPLACE",
        "shop_name": format!("Shop {}", shop.shop_id), "state": if document.issued.is_some() { "COMPLETE" } else { "DRAFT" },
        "total_amount_excl_taxes": amount(net), "total_amount_incl_taxes": amount(net + tax), "total_charged_amount": amount(net + tax),
        "total_taxes": [{"code": "TAXDEFAULT", "amount": amount(tax)}],
    });
    if let Some(issued) = document.issued {
        body["invoice_id"] = if ledger.billing().text_ids {
            json!(document.invoice_id.to_string())
        } else {
            json!(document.invoice_id)
        };
        body["issue_date"] = json!(instant(issued));
        body["due_date"] = json!(instant(issued));
    }
    if let Some(cycle) = cycle {
        let mut summary = totals(ledger, cycle);
        summary.insert("amount_transferred".to_owned(), amount(cycle.transfer));
        summary.insert(
            "amount_transferred_to_operator".to_owned(),
            amount(ledger.operators_share(cycle.place)),
        );
        body["summary"] = Value::Object(summary);
        body["seller_billing_cycle_id"] = json!(cycle.id);
        body["payment_voucher_number"] = json!(cycle.voucher);
        body["start_time"] = json!(instant(cycle.begun));
        body["end_time"] = json!(instant(cycle.closed));
        body["payment_info"] = json!({"@type": "IBAN", "iban": "GB00TEST00000000000000", "bic": "TESTGB00", "owner": "Fashion Shop Ltd", "bank_name": "Test bank"});
    }
    if ledger.billing().sparse {
        for name in ["details", "total_taxes", "summary", "shop_model", "issuing_user"] {
            remove(&mut body, name);
        }
    }
    body
}

fn payment(cycle: Option<&Cycle>) -> Value {
    let Some(cycle) = cycle else { return json!({"state": "PENDING"}) };
    let state = match cycle.pay_out {
        PayOut::ToPay => "PENDING",
        PayOut::Paid => "PAID",
        PayOut::Failed => "FAILED",
    };
    let mut body = json!({"state": state, "reference": cycle.reference});
    if let Some(reason) = &cycle.failure_reason {
        body["failure_reason"] = json!(reason);
    }
    if let Some(paid) = cycle.paid {
        body["transaction_date"] = json!(instant(paid));
    }
    body
}

/// A type that a document charges or gives: the operator's fees and what is manual, not the orders'
/// money.
fn is_charged(kind: TransactionType) -> bool {
    use TransactionType as T;
    matches!(
        kind,
        T::CommissionFee
            | T::CommissionVat
            | T::RefundCommissionFee
            | T::RefundCommissionVat
            | T::SubscriptionFee
            | T::SubscriptionVat
            | T::ManualCredit
            | T::ManualCreditVat
            | T::ManualInvoice
            | T::ManualInvoiceVat
            | T::InvoiceableOneOffDebit
            | T::InvoiceableOneOffDebitTax
            | T::InvoiceableOneOffCredit
            | T::InvoiceableOneOffCreditTax
            | T::SellerFeeOnOrder
            | T::SellerFeeOnOrderTax
            | T::SellerPenaltyFee
            | T::SellerPenaltyFeeTax
    )
}
