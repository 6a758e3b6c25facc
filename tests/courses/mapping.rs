//! Orders as marketplaces really send them: paid or not, with fees, with countries and letters that
//! Prima does not take. Each is created as it is, or is one exception that says what rule is
//! missing.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use rand::SeedableRng as _;
use rust_decimal::Decimal;
use shared::domain::installation::Installation;
use shared::domain::order::mapping::{MappingChannel, map_order};
use shared::domain::order::row::{ExceptionKind, Stage};
use shared::domain::order::rules::{FeeRule, OrderRules, UnpaidOrder, WorkflowRule};
use shared::kit::clock::after;
use shared::mirakl::OrderState;
use shared::prima::code_page::{CharacterRules, OutsideCodePage};
use shared::prima::connection::PrimaBehaviour;
use simulators::fashion;
use simulators::mirakl::{
    Marketplace, OrderWish, Settings, ShopProfile, generate_order, order_json,
};
use system_tests::simulation::course::{CHANNEL, Course, nothing_yet, play};
use system_tests::simulation::goods::Oddity;
use system_tests::simulation::marketplace::Happening;
use system_tests::simulation::plan::Plan;
use system_tests::world::base::beginning;
use system_tests::world::privacy::is_personal;

/// An order that is odd comes in.
fn sells(course: &Course, id: &str, oddity: Oddity) {
    course.sells_with(id, OrderState::WaitingAcceptance, |sale| {
        oddity.befall(sale);
    });
}

/// The channel's rules are changed.
fn rules_put(course: &Course, change: impl FnOnce(&mut OrderRules)) {
    let mut rules: HashMap<String, OrderRules> = (**course.rules.borrow()).clone();
    change(rules.get_mut(CHANNEL).unwrap());
    assert_eq!(rules[CHANNEL].problems(), []);
    course.rules.replace(Rc::new(rules));
}

/// It is one exception that was told once, and nothing of it is in Prima; its reason and its
/// remedy.
async fn is_refused(course: &Course, id: &str) -> (String, String) {
    let row = course.row(id).await;
    assert_eq!(
        (row.stage, course.told(id), course.in_prima(id).len()),
        (Stage::Exception, (1, 1), 0)
    );
    let exception = row.exception.unwrap();
    assert_eq!(exception.kind, ExceptionKind::Unmappable);
    assert!(!is_personal(&exception.reason) && !is_personal(&exception.remedy), "{exception:?}");
    (exception.reason, exception.remedy)
}

async fn is_retried(course: &Course, id: &str) {
    course.changes(id, |row| row.enter(Stage::Firm, row.since, "an operator retries")).await;
    course.live(6).await;
    assert_eq!((course.stage(id).await, course.told(id)), (Stage::Created, (1, 1)));
}

async fn history(course: &Course, id: &str) -> Vec<String> {
    course.row(id).await.history.into_iter().map(|step| step.note).collect()
}

/// Of two orders of one channel, only the one that is debited is paid in Prima.
#[test]
fn only_the_debited_one_of_two_orders_is_paid_in_prima() {
    play(nothing_yet(), async |course| {
        sells(course, "FC14-A", Oddity::PaidOnDueDate);
        course.sells("FC14B-A");
        course.live(3).await;
        let (owed, paid) = (course.prima_order("FC14-A"), course.prima_order("FC14B-A"));
        assert_eq!((owed.header.paid, owed.payments), (false, vec![]));
        let total = course.sale("FC14B-A").order.total_price.unwrap().0;
        assert_eq!(
            (paid.header.paid, paid.payments.len(), paid.payments[0].amount),
            (true, 1, total)
        );
        let note =
            "not paid yet (PAY_ON_DUE_DATE): created with OrderPaid=No, without a payment line";
        assert!(history(course, "FC14-A").await.iter().any(|step| step == note));
        assert!(!history(course, "FC14B-A").await.iter().any(|step| step.contains("not paid")));
        assert_eq!((course.told("FC14-A"), course.told("FC14B-A")), ((0, 0), (0, 0)));
    });
}

#[test]
fn a_payment_counts_from_when_the_customer_is_debited() {
    play(nothing_yet(), async |course| {
        sells(course, "A-1", Oddity::PaidOnShipment);
        course.poll().await;
        course.happens("A-1", Happening::Debit);
        course.live(3).await;
        let order = course.prima_order("A-1");
        assert_eq!((order.header.paid, order.payments.len()), (true, 1));
    });
}

#[test]
fn terms_follow_the_rule_of_the_workflow() {
    play(nothing_yet(), async |course| {
        rules_put(course, |rules| {
            let rule = WorkflowRule { unpaid: UnpaidOrder::Create, terms: "30DAYS".to_owned() };
            rules.payment.workflows.insert("PAY_ON_DUE_DATE".to_owned(), rule);
        });
        sells(course, "A-1", Oddity::PaidOnDueDate);
        course.sells("A-2");
        course.live(3).await;
        assert_eq!(
            (
                course.prima_order("A-1").payment_terms.as_str(),
                course.prima_order("A-2").payment_terms.as_str()
            ),
            ("30DAYS", "")
        );
    });
}

/// An order that should be paid and is not is told, and it is created once it is paid.
#[test]
fn an_order_awaiting_payment_is_told_then_created_when_paid() {
    play(nothing_yet(), async |course| {
        sells(course, "A-1", Oddity::NotDebited);
        course.live(3).await;
        let (reason, remedy) = is_refused(course, "A-1").await;
        assert!(reason.contains("is not paid") && reason.contains("PAY_ON_ACCEPTANCE"), "{reason}");
        assert!(remedy.contains("Ask the marketplace about the payment"), "{remedy}");
        course.world.shop(CHANNEL, |shop| shop.shows("A-1", None));
        course.happens("A-1", Happening::Touch);
        is_retried(course, "A-1").await;
        assert!(course.prima_order("A-1").header.paid);
    });
}

#[test]
fn a_workflow_that_nobody_knows_is_told_by_its_name() {
    play(nothing_yet(), async |course| {
        sells(course, "A-1", Oddity::UnknownWorkflow);
        course.live(3).await;
        let (reason, remedy) = is_refused(course, "A-1").await;
        assert!(
            reason.contains("PAY_BY_MOON") && remedy.contains("payment.workflows"),
            "{reason} {remedy}"
        );
        rules_put(course, |rules| {
            rules.payment.other_workflows =
                Some(WorkflowRule { unpaid: UnpaidOrder::Create, terms: String::new() });
        });
        is_retried(course, "A-1").await;
        assert_eq!(course.prima_order("A-1").payments, []);
    });
}

/// A fee within the total is a charge or one exception that names it.
#[test]
fn a_fee_in_the_total_is_charged_or_is_a_named_exception() {
    play(nothing_yet(), async |course| {
        sells(course, "A-1", Oddity::Fee);
        sells(course, "A-2", Oddity::FeeWithoutRule);
        course.live(3).await;
        let order = course.prima_order("A-1");
        assert_eq!(
            order.charges.iter().map(|charge| charge.code.as_str()).collect::<Vec<_>>(),
            ["HAND"]
        );
        assert_eq!(order.payments[0].amount, course.sale("A-1").order.total_price.unwrap().0);
        let (reason, remedy) = is_refused(course, "A-2").await;
        assert!(
            reason.contains("\"NOBODYS\"") && remedy.contains("amounts.fees"),
            "{reason} {remedy}"
        );
        rules_put(course, |rules| {
            rules.amounts.fees.insert("NOBODYS".to_owned(), FeeRule { charge: "MISC".to_owned() });
        });
        is_retried(course, "A-2").await;
        assert_eq!(course.prima_order("A-2").charges[0].code, "MISC");
    });
}

/// A country code that ISO does not know is read by rule or told.
#[test]
fn a_non_iso_country_code_follows_a_rule_or_is_told() {
    play(nothing_yet(), async |course| {
        sells(course, "FC16-A", Oddity::CountryAlias);
        sells(course, "A-2", Oddity::UnknownCountry);
        course.live(3).await;
        assert_eq!(course.prima_order("FC16-A").delivery.country, "GB");
        assert!(
            history(course, "FC16-A")
                .await
                .iter()
                .any(|step| step.contains("read by address.country.aliases"))
        );
        let (reason, remedy) = is_refused(course, "A-2").await;
        assert!(
            reason.contains("country_iso_code")
                && !reason.contains("QQ")
                && remedy.contains("address.country.aliases"),
            "{reason}"
        );
        rules_put(course, |rules| {
            rules.address.country.aliases.insert("QQ".to_owned(), "IRL".to_owned());
        });
        is_retried(course, "A-2").await;
        assert_eq!(course.prima_order("A-2").delivery.country, "IE");
    });
}

#[test]
fn a_name_that_prima_cannot_keep_is_told_without_the_name() {
    play(nothing_yet(), async |course| {
        sells(course, "FC09-A", Oddity::OutsideCodePage);
        course.live(3).await;
        let (reason, remedy) = is_refused(course, "FC09-A").await;
        assert_eq!(
            reason,
            "surname of the shipping address has a character that Prima's code page, iso-8859-1, does not have"
        );
        assert!(remedy.contains("behaviour.characters"), "{remedy}");
    });
}

/// A name that Prima cannot keep is written in the agreed letters, and the row says so.
#[test]
fn the_row_records_a_name_written_in_agreed_letters() {
    let characters =
        CharacterRules { outside: OutsideCodePage::Transliterate, ..CharacterRules::default() };
    let plan = nothing_yet();
    let behaviour = PrimaBehaviour { characters, ..plan.behaviour.clone() };
    play(Plan { behaviour, ..plan }, async |course| {
        sells(course, "FC09-A", Oddity::OutsideCodePage);
        course.live(3).await;
        assert_eq!(course.prima_order("FC09-A").delivery.surname, "Zzyxinska-Lak");
        let traced = history(course, "FC09-A").await;
        assert!(
            traced.iter().any(|step| step
                == "surname of the shipping address is written in the agreed other letters"),
            "{traced:?}"
        );
        assert!(!traced.iter().any(|step| is_personal(step)), "{traced:?}");
    });
}

/// The seed's rules are those of the local world: whatever its marketplaces bring fits them, but
/// for an address without room.
#[test]
fn the_seeds_rules_map_every_generated_order() {
    let installation: Installation =
        serde_json::from_str(include_str!("../../infra/seed/installation.json")).unwrap();
    let uk = (include_str!("../../infra/seed/rules/outfitter-uk.json"), "GBP", true);
    let eu = (include_str!("../../infra/seed/rules/modehaus-eu.json"), "EUR", false);
    let now = beginning();
    let catalogue = fashion::catalogue(1, 200);
    for (document, currency, tax_included) in [uk, eu] {
        let rules: OrderRules = serde_json::from_str(document).unwrap();
        let shop = ShopProfile {
            shop_id: 2001,
            currency: currency.to_owned(),
            tax_included,
            automatic_acceptance: None,
            multi_shipment: false,
        };
        let settings = Settings {
            debit_seconds: 0,
            automatic_acceptance: true,
            sales_lower_offers: false,
            ..Settings::default()
        };
        let mut marketplace = Marketplace::new(settings.clone());
        let mut dice = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        for number in 1..=300 {
            marketplace.place(
                generate_order(&mut dice, now, &shop, number, &catalogue, OrderWish::default()),
                now,
            );
        }
        marketplace.advance(after(now, Duration::from_secs(60)));
        let (mut paid, mut owed, mut with_fees, mut written) = (0, 0, 0, 0);
        for order in marketplace.orders() {
            let listed: shared::mirakl::Order =
                serde_json::from_str(&order_json(order, &settings)).unwrap();
            let channel = MappingChannel { id: "channel", name: "Channel" };
            let characters = &installation.behaviour.characters;
            let mapped = match map_order(&listed, &channel, &rules, &HashMap::new(), characters) {
                Ok(mapped) => mapped,
                Err(failure) => {
                    assert!(
                        failure
                            .reason
                            .lines()
                            .all(|reason| reason.contains("Prima has room for 6")),
                        "{failure:?}"
                    );
                    continue;
                }
            };
            let document = &mapped.document;
            let is_debited = order.customer_debited_date.is_some();
            assert_eq!(
                (document.header.paid, document.payments.len()),
                (is_debited, usize::from(is_debited)),
                "{}",
                order.order_id
            );
            let goods: Decimal =
                document.lines.iter().map(|line| line.price * Decimal::from(line.quantity)).sum();
            let worth = goods + document.charges.iter().map(|charge| charge.value).sum::<Decimal>();
            assert_eq!(worth, order.total_price(), "{}", order.order_id);
            let taxes: Decimal = order
                .lines
                .iter()
                .flat_map(|line| line.taxes.iter().chain(&line.shipping_taxes))
                .map(|tax| tax.amount)
                .sum();
            let charged = if tax_included { worth } else { worth + taxes };
            assert!(
                document.payments.iter().all(|payment| payment.amount == charged),
                "{}",
                order.order_id
            );
            *(if is_debited { &mut paid } else { &mut owed }) += 1;
            with_fees +=
                usize::from(document.charges.iter().any(|charge| charge.code == "HANDLING"));
            written += usize::from(
                mapped.traces.iter().any(|trace| trace.contains("the agreed other letters")),
            );
        }
        assert!(
            paid > 150 && owed > 20 && with_fees > 10 && written > 0,
            "{currency}: {paid} {owed} {with_fees} {written}"
        );
    }
}
