//! Amounts, quantities, references.

use rust_decimal::Decimal;

use super::*;
use crate::domain::order::rules::{
    ExcludedTax, FeeRule, InexactUnitPrice, PriceMeaning, PromotionRule, Template, ZeroCharge,
};
use crate::kit::amount::Amount;
use crate::mirakl::OrderState;
use crate::mirakl::order::{EcoContribution, Fee, Promotion, Tax};

fn amount(text: &str) -> Option<Amount> {
    Some(Amount(text.parse().unwrap()))
}

fn prices(order: &PrimaOrder) -> Vec<String> {
    order.lines.iter().map(|line| line.price.to_string()).collect()
}

fn charges(order: &PrimaOrder) -> Vec<(String, String)> {
    order.charges.iter().map(|charge| (charge.code.clone(), charge.value.to_string())).collect()
}

fn charge(code: &str, value: &str) -> (String, String) {
    (code.to_owned(), value.to_owned())
}

/// 20 % on top: 5.00 and 2.00 of goods, 0.40 and 0.39 of shipping.
fn excluded(order: &mut Order) {
    order.order_tax_mode = Some("TAX_EXCLUDED".into());
    let taxes = |text: &str| {
        vec![Tax { code: Some("VAT".into()), amount: amount(text).unwrap(), ..Tax::default() }]
    };
    for (line, (goods, shipping)) in
        order.order_lines.iter_mut().zip([("5.00", "0.40"), ("2.00", "0.39")])
    {
        (line.taxes, line.shipping_taxes) = (taxes(goods), taxes(shipping));
    }
}

#[test]
fn prices_are_of_the_line_or_of_one_piece() {
    assert_eq!(prices(&with(|_, _| {}).unwrap()), ["25.00", "10.00"]);
    assert_eq!(
        prices(&with(|_, rules| rules.price = PriceMeaning::Unit).unwrap()),
        ["12.50", "10.00"]
    );
}

/// Three pieces for 25.00.
fn indivisible(order: &mut Order, rules: &mut OrderRules) {
    line(order).quantity = 3;
    rules.price = PriceMeaning::Unit;
}

/// A price that does not divide among its pieces is a problem or a rounding charge.
#[test]
fn an_uneven_price_is_a_problem_or_a_rounding_charge() {
    let told = reason(indivisible);
    assert_eq!(
        told,
        "the price of line MK-10042-A-1 is 25 for 3 pieces: no price of one piece with 2 decimals gives that exactly"
    );
    let rounded = with(|order, rules| {
        indivisible(order, rules);
        rules.amounts.inexact_unit_price = InexactUnitPrice::RoundingCharge { code: "RND".into() };
    })
    .unwrap();
    assert_eq!(prices(&rounded), ["8.33", "10.00"]);
    assert_eq!(charges(&rounded), [charge("DEL", "3.95"), charge("RND", "0.01")]);
}

#[test]
fn tax_included_is_passed_through() {
    let order = with(|_, _| {}).unwrap();
    assert!(order.vat_inclusive);
    assert!(with(|order, _| order.order_tax_mode = None).unwrap().vat_inclusive);
    assert!(
        reason(|order, _| order.order_tax_mode = Some("TAX_MAYBE".into()))
            .contains("order_tax_mode")
    );
}

/// An order without tax in its prices is sent net by default, and the payment is what was paid.
#[test]
fn tax_excluded_orders_go_net_with_the_full_payment() {
    let order = with(|order, _| excluded(order)).unwrap();
    assert!(!order.vat_inclusive);
    assert_eq!(
        (prices(&order), charges(&order)),
        (vec!["25.00".into(), "10.00".into()], vec![charge("DEL", "3.95")])
    );
    assert_eq!(order.payments[0].amount.to_string(), "46.74");
}

#[test]
fn tax_excluded_may_be_sent_with_the_taxes_added() {
    let order = with(|order, rules| {
        excluded(order);
        rules.amounts.excluded_tax = ExcludedTax::AddTaxes;
    })
    .unwrap();
    assert!(order.vat_inclusive);
    assert_eq!(
        (prices(&order), charges(&order)),
        (vec!["30.00".into(), "12.00".into()], vec![charge("DEL", "4.74")])
    );
    assert_eq!(order.payments[0].amount.to_string(), "46.74");
}

#[test]
fn a_promotion_is_in_the_price_or_shown_beside_the_gross_price() {
    let promoted = |order: &mut Order| {
        line(order).promotions =
            vec![Promotion { id: Some("SUMMER".into()), deduced_amount: amount("5") }]
    };
    let net = with(|order, _| promoted(order)).unwrap();
    assert_eq!(
        (net.lines[0].price.to_string(), net.lines[0].promotion_value),
        ("25.00".into(), None)
    );
    let gross = |code: &'static str| {
        with(move |order, rules| {
            promoted(order);
            rules.amounts.promotions = PromotionRule::Gross { code: code.into() };
        })
        .unwrap()
    };
    let first = &gross("").lines[0];
    assert_eq!(
        (first.price.to_string().as_str(), first.promotion.as_str(), first.promotion_value),
        ("30.00", "SUMMER", Some(Decimal::new(500, 2)))
    );
    let coded = gross("MKT");
    assert_eq!((coded.lines[0].promotion.as_str(), coded.lines[1].promotion_value), ("MKT", None));
}

#[test]
fn currencies_are_allowed_and_translated() {
    assert_eq!(with(|_, _| {}).unwrap().header.currency, "GBP");
    let listed = |rules: &mut OrderRules| {
        rules.amounts.currencies = [("GBP".to_owned(), "STG".to_owned())].into()
    };
    assert_eq!(with(|_, rules| listed(rules)).unwrap().header.currency, "STG");
    let told = reason(|order, rules| {
        listed(rules);
        order.currency_iso_code = Some("SEK".into());
    });
    assert_eq!(told, "the order is in SEK, which is not among the allowed currencies");
    assert_eq!(
        reason(|order, _| order.currency_iso_code = None),
        "Mirakl names no currency for the order"
    );
    let assumed = with(|order, rules| {
        order.currency_iso_code = None;
        rules.amounts.missing_currency = "EUR".into();
    });
    assert_eq!(assumed.unwrap().header.currency, "EUR");
}

#[test]
fn delivery_is_a_charge_by_shipping_type() {
    assert_eq!(charges(&with(|_, _| {}).unwrap()), [charge("DEL", "3.95")]);
    assert_eq!(
        charges(&with(|order, _| order.shipping_type_code = Some("EXP".into())).unwrap()),
        [charge("DELEXP", "3.95")]
    );
    let unlisted = |order: &mut Order| order.shipping_type_code = Some("DRONE".into());
    assert_eq!(
        reason(|order, _| unlisted(order)),
        "shipping type DRONE has no charge code for its delivery charge"
    );
    let other = with(|order, rules| {
        unlisted(order);
        rules.delivery.other_types = rules.delivery.types.get("STD").cloned();
    });
    assert_eq!(charges(&other.unwrap()), [charge("DEL", "3.95")]);
}

#[test]
fn free_delivery_is_left_out_or_sent() {
    let free = |order: &mut Order| {
        order.order_lines.iter_mut().for_each(|line| line.shipping_price = amount("0.00"));
        (order.shipping_price, order.total_price) = (amount("0"), amount("35"));
    };
    assert_eq!(charges(&with(|order, _| free(order)).unwrap()), []);
    let sent = with(|order, rules| {
        free(order);
        rules.delivery.zero_charge = ZeroCharge::Send;
    });
    assert_eq!(charges(&sent.unwrap()), [charge("DEL", "0.00")]);
}

#[test]
fn shipping_known_only_for_the_order_is_charged_all_the_same() {
    let order =
        with(|order, _| order.order_lines.iter_mut().for_each(|line| line.shipping_price = None))
            .unwrap();
    assert_eq!(charges(&order), [charge("DEL", "3.95")]);
}

/// The payment line names the marketplace's transaction or is left out.
#[test]
fn the_payment_line_may_be_omitted_or_names_the_transaction() {
    let order = with(|_, _| {}).unwrap();
    let payment = &order.payments[0];
    assert_eq!(
        (payment.method.as_str(), payment.provider.as_str(), payment.transaction_id.as_str()),
        ("CSH", "NONE", "TX-771")
    );
    assert_eq!(
        (
            payment.amount.to_string().as_str(),
            payment.authorisation_reference.as_str(),
            order.header.paid
        ),
        ("38.95", "", true)
    );
    let other = with(|_, rules| {
        rules.payment.method = "MKT".into();
        rules.payment.sub_method = "OUT".into();
        rules.payment.provider = "MIRAKL".into();
        rules.payment.authorisation_reference = Template::new("{order_id}");
        rules.payment.paid = false;
    })
    .unwrap();
    let payment = &other.payments[0];
    assert_eq!(
        (payment.method.as_str(), payment.sub_method.as_str(), payment.provider.as_str()),
        ("MKT", "OUT", "MIRAKL")
    );
    assert_eq!(
        (payment.authorisation_reference.as_str(), other.header.paid),
        ("MK-10042-A", false)
    );
    assert_eq!(with(|_, rules| rules.payment.send = false).unwrap().payments, []);
    assert!(
        reason(|_, rules| rules.payment.reference_length = 3)
            .contains("transaction number has 6 characters")
    );
}

#[test]
fn sums_that_differ_from_mirakls_are_a_problem_that_shows_both() {
    assert_eq!(
        reason(|order, _| order.total_price = amount("40.00")),
        "lines and charges come to 38.95, Mirakl charged 40"
    );
    assert!(
        with(|order, _| order.total_price = None).is_ok(),
        "price and shipping price are a total too"
    );
    assert!(
        reason(|order, _| (order.total_price, order.price) = (None, None)).contains("no total")
    );
}

/// Fees of 0.65 and 1.00 on the first line and 0.35 on the second; 0.20 of eco contribution on
/// each.
fn with_fees(order: &mut Order) {
    let fee = |code: &str, text: &str| Fee { code: Some(code.into()), amount: amount(text) };
    order.order_lines[0].fees =
        vec![fee("HANDLING", "0.65"), fee("COLD", "1.00"), fee("GIFT", "0.00")];
    order.order_lines[1].fees = vec![fee("HANDLING", "0.35")];
    for line in &mut order.order_lines {
        line.eco_contributions = vec![EcoContribution {
            epr_category_code: Some("FR-TLC".into()),
            total_amount: amount("0.20"),
        }];
    }
}

fn agrees(rules: &mut OrderRules) {
    let charge = |code: &str| FeeRule { charge: code.into() };
    rules.amounts.fees =
        [("HANDLING".to_owned(), charge("HAND")), ("COLD".to_owned(), charge("CHILL"))].into();
    rules.amounts.eco_contributions = [("FR-TLC".to_owned(), charge("ECO"))].into();
}

#[test]
fn a_fee_within_the_total_is_a_charge_of_its_own() {
    let order = with(|order, rules| {
        with_fees(order);
        agrees(rules);
        order.total_price = amount("40.95");
    })
    .unwrap();
    assert_eq!(
        charges(&order),
        [charge("DEL", "3.95"), charge("CHILL", "1.00"), charge("HAND", "1.00")]
    );
    assert_eq!(
        (prices(&order), order.payments[0].amount.to_string()),
        (vec!["25.00".into(), "10.00".into()], "40.95".into())
    );
    let one_charge = with(|order, rules| {
        with_fees(order);
        agrees(rules);
        rules.amounts.fees.insert("COLD".into(), FeeRule { charge: "HAND".into() });
        order.total_price = amount("40.95");
    });
    assert_eq!(charges(&one_charge.unwrap()), [charge("DEL", "3.95"), charge("HAND", "2.00")]);
}

/// An eco-contribution is a charge where the total has it beside the prices.
#[test]
fn an_eco_contribution_in_the_total_is_a_charge() {
    let total = |text: &'static str| {
        with(move |order, rules| {
            with_fees(order);
            agrees(rules);
            order.total_price = amount(text);
        })
    };
    assert_eq!(
        charges(&total("41.35").unwrap()),
        [
            charge("DEL", "3.95"),
            charge("CHILL", "1.00"),
            charge("ECO", "0.40"),
            charge("HAND", "1.00")
        ]
    );
    assert_eq!(charges(&total("39.35").unwrap()), [charge("DEL", "3.95"), charge("ECO", "0.40")]);
    assert_eq!(
        charges(&total("38.95").unwrap()),
        [charge("DEL", "3.95")],
        "all of it is in the prices, and the fees are not the total's"
    );
    assert_eq!(
        total("40.96").unwrap_err().reason,
        "lines and charges come to 38.95, Mirakl charged 40.96"
    );
}

#[test]
fn a_fee_without_a_charge_code_is_a_problem_that_names_it() {
    let failure = with(|order, rules| {
        with_fees(order);
        agrees(rules);
        rules.amounts.fees.remove("HANDLING");
        rules.amounts.eco_contributions.clear();
        order.total_price = amount("41.35");
    })
    .unwrap_err();
    assert_eq!(
        failure.reason,
        "the order's total contains the fee \"HANDLING\", for which the order rules name no charge code\n\
         the order's total contains the eco contribution \"FR-TLC\", for which the order rules name no charge code"
    );
    assert_eq!(
        failure.remedy,
        "Give \"HANDLING\" a charge code of Prima in the order rules (amounts.fees), and retry the order.\n\
         Give \"FR-TLC\" a charge code of Prima in the order rules (amounts.eco_contributions), and retry the order."
    );
    let unread = with(|order, _| {
        with_fees(order);
    });
    assert!(unread.is_ok(), "a fee that the total does not contain needs no rule");
}

#[test]
fn fees_are_part_of_what_is_paid_with_and_without_taxes() {
    for (add_taxes, inclusive, goods) in [(false, false, "25.00"), (true, true, "30.00")] {
        let order = with(|order, rules| {
            excluded(order);
            with_fees(order);
            agrees(rules);
            order.total_price = amount("40.95");
            if add_taxes {
                rules.amounts.excluded_tax = ExcludedTax::AddTaxes;
            }
        })
        .unwrap();
        assert_eq!((order.vat_inclusive, prices(&order)[0].as_str()), (inclusive, goods));
        assert_eq!(
            (charges(&order)[1..].to_vec(), order.payments[0].amount.to_string()),
            (vec![charge("CHILL", "1.00"), charge("HAND", "1.00")], "48.74".into())
        );
    }
}

#[test]
fn without_a_total_nobody_can_say_whether_it_contains_the_fees() {
    let told = reason(|order, rules| {
        with_fees(order);
        agrees(rules);
        order.total_price = None;
    });
    assert!(told.contains("no total"), "{told}");
    assert!(
        reason(|order, _| {
            with_fees(order);
            order.order_lines[1].fees[0].amount = Some(Amount(Decimal::MAX));
        })
        .contains("beyond all sense")
    );
}

#[test]
fn amounts_are_never_rounded() {
    let told = reason(|order, _| {
        (line(order).price, order.total_price) = (amount("25.005").unwrap(), amount("38.955"));
    });
    assert!(
        told.contains("the price of line MK-10042-A-1 is 25.005, which has more than 2 decimals"),
        "{told}"
    );
    let four = with(|order, rules| {
        (line(order).price, order.total_price) = (amount("25.005").unwrap(), amount("38.955"));
        rules.amounts.decimals = 4;
    });
    assert_eq!(prices(&four.unwrap())[0], "25.0050");
    assert!(
        reason(|order, _| line(order).price = Amount(Decimal::MAX)).contains("beyond all sense")
    );
    let total = |text: &'static str| reason(move |order, _| order.total_price = amount(text));
    assert!(total("1000000000000").contains("beyond all sense"));
    assert!(!total("999999999999.99").contains("beyond all sense"), "it only does not add up");
    assert!(
        reason(|order, _| (line(order).price, order.total_price) =
            (amount("-1").unwrap(), amount("12.95")))
        .contains("negative")
    );
}

#[test]
fn only_live_lines_are_sent_with_what_is_left_of_them() {
    for state in [OrderState::Refused, OrderState::Canceled] {
        let order = with(|order, _| {
            order.order_lines[1].order_line_state = Some(state);
            order.order_lines[1].offer_sku = Some("UNKNOWN".into());
            order.total_price = amount("27");
        })
        .unwrap();
        assert_eq!(
            (order.lines.len(), order.lines[0].quantity, order.payments[0].amount.to_string()),
            (1, 2, "27.00".into())
        );
    }
    let failure = with(|order, _| order.order_lines.iter_mut().for_each(|line| line.quantity = 0))
        .unwrap_err();
    assert!(failure.reason.contains("no line of the order is left"));
}

#[test]
fn a_line_reference_is_mirakls_line_id_whole_and_once() {
    let order = with(|_, _| {}).unwrap();
    assert_eq!(
        order.lines.iter().map(|line| line.reference.as_str()).collect::<Vec<_>>(),
        ["MK-10042-A-1", "MK-10042-A-2"]
    );
    assert!(
        reason(|_, rules| rules.lines.reference_length = 11)
            .contains("the reference of line MK-10042-A-1 has 12 characters, at most 11")
    );
    assert!(
        reason(|order, _| line(order).order_line_id = "MK-10042-A-2".into())
            .contains("two lines have the reference")
    );
}

#[test]
fn a_line_that_costs_nothing_is_an_order_line_like_any_other() {
    let mapped = with(|order, _| {
        order.order_lines[1].price = Amount::ZERO;
        order.order_lines[1].price_unit = Some(Amount::ZERO);
        order.order_lines[1].total_price = None;
        order.price = Some(Amount(Decimal::new(2500, 2)));
        order.total_price = None;
    })
    .unwrap();
    assert_eq!(
        mapped.lines.iter().map(|line| line.price).collect::<Vec<_>>(),
        [Decimal::new(2500, 2), Decimal::ZERO]
    );
}
