//! Laws that hold for any order: money and quantities are conserved, nothing is cut, references are
//! unique.

use std::collections::HashSet;

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;
use crate::domain::order::rules::{ExcludedTax, FeeRule, InexactUnitPrice, PromotionRule, TooLong};
use crate::kit::amount::Amount;
use crate::mirakl::OrderState;
use crate::mirakl::order::{EcoContribution, Fee, Promotion, Tax};

prop_compose! {
    fn any_line()(
        quantity in 0_u32..6,
        pence in 0_i64..100_000,
        shipping in proptest::option::of(0_i64..1_000),
        tax in 0_i64..5_000,
        shipping_tax in 0_i64..500,
        promotion in proptest::option::of(1_i64..3_000),
        dead in prop::bool::weighted(0.15),
        scale in 2_u32..5,
        fees in proptest::collection::vec((0_usize..3, 0_i64..500), 0..3),
        eco in proptest::option::of(0_i64..200),
    ) -> OrderLine {
        let money = |hundredths: i64| {
            let mut amount = Decimal::new(hundredths, 2);
            amount.rescale(scale);
            Amount(amount)
        };
        let tax_of = |hundredths: i64| vec![Tax { amount: money(hundredths), ..Tax::default() }];
        OrderLine {
            quantity,
            price: money(pence),
            price_unit: None,
            shipping_price: shipping.map(money),
            taxes: tax_of(tax),
            shipping_taxes: tax_of(shipping_tax),
            promotions: promotion.map(|value| Promotion { id: Some("P".into()), deduced_amount: Some(money(value)) }).into_iter().collect(),
            fees: fees.into_iter().map(|(code, value)| Fee { code: Some(FEES[code].into()), amount: Some(money(value)) }).collect(),
            eco_contributions: eco
                .map(|value| EcoContribution { epr_category_code: Some("FR-TLC".into()), total_amount: Some(money(value)) })
                .into_iter()
                .collect(),
            order_line_state: Some(if dead { OrderState::Refused } else { OrderState::Shipping }),
            ..uk().order_lines[0].clone()
        }
    }
}

const FEES: [&str; 3] = ["HANDLING", "COLD", "UNRULED"];

/// Whether the total contains the fees, and whether the eco contributions.
type Within = (bool, bool);

fn any_order() -> impl Strategy<Value = Order> {
    let within = any::<Within>();
    let workflow = [
        None,
        Some("PAY_ON_ACCEPTANCE"),
        Some("PAY_ON_DUE_DATE"),
        Some("PAY_ON_SHIPMENT"),
        Some("PAY_BY_MOON"),
    ];
    (
        proptest::collection::vec(any_line(), 1..7),
        any::<bool>(),
        within,
        prop::sample::select(workflow.to_vec()),
        any::<bool>(),
    )
        .prop_map(|(lines, excluded, within, workflow, debited)| {
            let mut order = uk();
            order.order_lines = lines;
            for (number, line) in order.order_lines.iter_mut().enumerate() {
                line.order_line_id = format!("L-{number}");
            }
            order.order_tax_mode =
                Some(if excluded { "TAX_EXCLUDED" } else { "TAX_INCLUDED" }.into());
            let live: Vec<_> = order.live_lines().cloned().collect();
            let goods: Decimal = live.iter().map(|line| line.price.0).sum();
            let shipping: Decimal =
                live.iter().filter_map(|line| line.shipping_price).map(|amount| amount.0).sum();
            let fees: Decimal = live
                .iter()
                .flat_map(|line| &line.fees)
                .filter_map(|fee| fee.amount)
                .map(|amount| amount.0)
                .sum();
            let eco: Decimal = live
                .iter()
                .flat_map(|line| &line.eco_contributions)
                .filter_map(|eco| eco.total_amount)
                .map(|amount| amount.0)
                .sum();
            let besides = if within.0 { fees } else { Decimal::ZERO }
                + if within.1 { eco } else { Decimal::ZERO };
            (order.price, order.shipping_price, order.total_price) = (
                Some(goods.into()),
                Some(shipping.into()),
                Some((goods + shipping + besides).into()),
            );
            order.payment_workflow = workflow.map(str::to_owned);
            if !debited {
                order.customer_debited_date = None;
            }
            order
        })
}

fn any_rules() -> impl Strategy<Value = OrderRules> {
    any::<(bool, bool, bool, bool)>().prop_map(|(unit, add_taxes, gross, rounding)| {
        let mut rules = rules();
        let charge = |code: &str| FeeRule { charge: code.into() };
        rules.amounts.fees =
            [(FEES[0].to_owned(), charge("HAND")), (FEES[1].to_owned(), charge("COLD"))].into();
        rules.amounts.eco_contributions = [("FR-TLC".to_owned(), charge("ECO"))].into();
        if unit {
            rules.price = PriceMeaning::Unit;
        }
        if add_taxes {
            rules.amounts.excluded_tax = ExcludedTax::AddTaxes;
        }
        if gross {
            rules.amounts.promotions = PromotionRule::Gross { code: String::new() };
        }
        if rounding {
            rules.amounts.inexact_unit_price =
                InexactUnitPrice::RoundingCharge { code: "RND".into() };
        }
        rules
    })
}

/// What Prima will reckon for an order, by the meaning of its documents.
fn worth_in_prima(order: &PrimaOrder, price: PriceMeaning) -> Decimal {
    let lines: Decimal = order
        .lines
        .iter()
        .map(|line| {
            let pieces = if price == PriceMeaning::Unit {
                Decimal::from(line.quantity)
            } else {
                Decimal::ONE
            };
            line.price * pieces - line.promotion_value.unwrap_or_default()
        })
        .sum();
    lines + order.charges.iter().map(|charge| charge.value).sum::<Decimal>()
}

/// Words as a comparison sees them: without the joints.
fn words(text: &str) -> Vec<String> {
    text.split(|c: char| c.is_whitespace() || c.is_control())
        .map(|word| word.trim_matches(',').to_owned())
        .filter(|word| !word.is_empty())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn money_quantities_and_references_are_conserved(order in any_order(), rules in any_rules()) {
        let live: Vec<_> = order.live_lines().collect();
        let result = mapped(&order, &rules);
        let prima = match result {
            Ok(prima) => prima,
            Err(failure) => {
                let may_be_inexact = rules.price == PriceMeaning::Unit && rules.amounts.inexact_unit_price == InexactUnitPrice::Exception;
                let has_unruled = live.iter().flat_map(|line| &line.fees).any(|fee| fee.code.as_deref() == Some(FEES[2]));
                let is_unpaid = order.customer_debited_date.is_none();
                let workflow = order.payment_workflow.as_deref();
                for reason in failure.reason.lines() {
                    let explained = match reason {
                        _ if reason.contains("no line of the order is left") => live.is_empty(),
                        _ if reason.contains("no price of one piece") => may_be_inexact,
                        _ if reason.contains("contains the fee \"UNRULED\"") => has_unruled,
                        _ if reason.contains("PAY_BY_MOON") => workflow == Some("PAY_BY_MOON"),
                        _ if reason.contains("is not paid") => is_unpaid && matches!(workflow, None | Some("PAY_ON_ACCEPTANCE")),
                        _ => false,
                    };
                    prop_assert!(explained, "{failure:?}");
                }
                return Ok(());
            }
        };
        let taxes: Decimal =
            live.iter().flat_map(|line| line.taxes.iter().chain(&line.shipping_taxes)).map(|tax| tax.amount.0).sum();
        let excluded = order.order_tax_mode.as_deref() == Some("TAX_EXCLUDED");
        let total = order.total_price.unwrap().0;
        let paid = if excluded { total + taxes } else { total };
        prop_assert_eq!(worth_in_prima(&prima, rules.price), if prima.vat_inclusive { paid } else { total });
        let debited = order.customer_debited_date.is_some();
        prop_assert_eq!(prima.header.paid, debited);
        prop_assert_eq!(prima.payments.iter().map(|payment| payment.amount).collect::<Vec<_>>(), if debited { vec![paid] } else { vec![] });
        prop_assert!(prima.lines.iter().all(|line| line.price.scale() <= 2));
        let sent: Vec<_> = prima.lines.iter().map(|line| (line.reference.clone(), line.quantity)).collect();
        let owed: Vec<_> = live.iter().map(|line| (line.order_line_id.clone(), line.quantity)).collect();
        prop_assert_eq!(&sent, &owed);
        prop_assert_eq!(sent.iter().map(|(reference, _)| reference).collect::<HashSet<_>>().len(), sent.len());
    }

    #[test]
    fn no_word_of_an_address_is_lost(
        parts in proptest::array::uniform7(proptest::option::of("[A-Za-zéßŁ0-9,&'\\-\\n ]{0,60}")),
        names in ("[A-Za-zé' ]{0,36}", "[A-Za-zé'\\-]{1,36}"),
        wrap in any::<bool>(),
        city_line in proptest::option::of(2_usize..=6),
    ) {
        let mut order = uk();
        let [company, company_2, street_1, street_2, additional_info, city, state] = parts.clone();
        let address = shipping(&mut order);
        *address = Address { company, company_2, street_1, street_2, additional_info, city, state, ..address.clone() };
        (address.firstname, address.lastname) = (Some(names.0.clone()), Some(names.1.clone()));
        let mut rules = rules();
        (rules.address.wrap, rules.address.city_line) = (wrap, city_line);
        if let Ok(prima) = mapped(&order, &rules) {
            let lines = &prima.delivery.address_lines;
            prop_assert!(lines.iter().all(|line| line.chars().count() <= rules.address.line_length));
            let sent: Vec<String> = lines.iter().flat_map(|line| words(line)).collect();
            let owed: Vec<String> = parts.iter().flatten().flat_map(|part| words(part)).collect();
            prop_assert_eq!(sent, owed);
            prop_assert_eq!(words(&format!("{} {}", prima.delivery.forename, prima.delivery.surname)), words(&format!("{} {}", names.0, names.1)));
        }
    }

    #[test]
    fn abbreviating_changes_only_words_of_the_table(street in "([A-Za-z]{1,8}|Street|Road|Building)( ([A-Za-z]{1,8}|Street|ROAD|Building)){0,12}", length in 12_usize..40) {
        let mut order = uk();
        shipping(&mut order).street_1 = Some(street.clone());
        let mut rules = rules();
        (rules.address.line_length, rules.address.too_long) = (length, TooLong::Abbreviate);
        let short = |word: &str| rules.address.abbreviations.iter().find(|(long, _)| long.eq_ignore_ascii_case(word)).map(|(_, short)| short.clone());
        if let Ok(prima) = mapped(&order, &rules) {
            let sent: Vec<String> = prima.delivery.address_lines.iter().flat_map(|line| words(line)).collect();
            let owed = words(&street);
            prop_assert!(owed.len() <= sent.len());
            for (word, written) in owed.iter().zip(&sent) {
                prop_assert!(word == written || short(word).as_ref() == Some(written), "{word} became {written}");
            }
        }
    }

    #[test]
    fn an_order_number_is_whole(order_id in "[A-Za-z0-9_/é\\-]{0,30}") {
        let rules = rules();
        if let Ok(number) = order_number(&order_id, None, &rules) {
            prop_assert_eq!(number, order_id);
        }
    }

    /// A rules document of any text is read or refused without a panic.
    #[test]
    fn no_rules_document_makes_the_reader_panic(text in "\\PC{0,80}") {
        let mut rules = rules();
        rules.sku.patterns = vec![text.clone()];
        rules.order_number = crate::domain::order::rules::Template::new(text);
        let _ = rules.problems();
        let _ = map_order(&uk(), &CHANNEL, &rules, &HashMap::new(), &any_character());
    }
}
