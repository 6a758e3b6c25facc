//! Stock and the figures told of it.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::model::Installation;
use super::super::order::{NewOrder, Stage};
use super::super::settings::{
    Encoding, GeneratedStock, Lowered, OrderRules, Settings, ShownFigures, Sku, StockRules,
};
use super::super::shelves::{Odd, SkuFigures, Stock, StockRow};
use super::super::warehouse::{Booking, Round};
use super::super::xml::Element;
use super::order;
use super::wire::start;
use crate::misbehaviour::Fault;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn sku(product: &str, colour: &str) -> Sku {
    Sku { product: product.to_owned(), matrix: [colour, "12", "", ""].map(str::to_owned) }
}

fn row(product: &str, colour: &str, stock: Stock) -> StockRow {
    StockRow { sku: sku(product, colour), stock }
}

/// Ten pieces of the SKU that [`order`] orders, one of them set aside elsewhere.
fn stocked(lowered: Lowered, figures: ShownFigures) -> Installation {
    let mut installation = Installation::with_stock(
        OrderRules::default(),
        StockRules { lowered, figures, ..StockRules::default() },
    );
    installation.set_stock([row(
        "DRESS1",
        "NAVY",
        Stock { physical: 10, elsewhere: 1, ..Stock::default() },
    )]);
    installation
}

fn order_of(number: &str, pieces: u32) -> NewOrder {
    let mut order = order(number);
    order.lines[0].quantity = pieces;
    order
}

/// `AvailableQuantity`, `AllocatedQuantity` and `FreeQuantity`.
fn told(figures: &SkuFigures) -> [Option<String>; 3] {
    [figures.available, figures.allocated, figures.free]
        .map(|figure| figure.map(|figure| figure.to_string()))
}

fn free(installation: &mut Installation) -> String {
    told(&installation.available("", "", NOW)[0])[2].clone().unwrap()
}

#[test]
fn an_installation_tells_the_figures_that_it_has() {
    let some = |text: &str| Some(text.to_owned());
    for (figures, expected) in [
        (ShownFigures::Gross, [some("10"), None, None]),
        (ShownFigures::Net, [some("7"), None, None]),
        (ShownFigures::WithAllocated, [some("10"), some("3"), None]),
        (ShownFigures::WithFree, [some("10"), None, some("7")]),
    ] {
        let mut installation = stocked(Lowered::AtCreation, figures);
        installation.new_order(order_of("A", 2), NOW).unwrap();
        assert_eq!(told(&installation.available("", "", NOW)[0]), expected, "{figures:?}");
    }
}

#[test]
fn an_order_lowers_the_figure_when_the_installation_says_so() {
    for (lowered, expected) in [
        (Lowered::AtCreation, ["7", "7", "7"]),
        (Lowered::AtAllocation, ["9", "7", "7"]),
        (Lowered::AtDispatch, ["9", "9", "7"]),
    ] {
        let mut installation = stocked(lowered, ShownFigures::WithFree);
        installation.new_order(order_of("A", 2), NOW).unwrap();
        let created = free(&mut installation);
        assert_eq!(installation.allocate(NOW), 1);
        let allocated = free(&mut installation);
        installation.book("A", Booking::default(), NOW).unwrap();
        assert_eq!([created, allocated, free(&mut installation)], expected, "{lowered:?}");
        let stock = installation.stock_of(&sku("DRESS1", "NAVY")).unwrap();
        assert_eq!((stock.physical, stock.owed, stock.set_aside), (8, 0, 0));
    }
}

#[test]
fn what_does_not_leave_is_free_again() {
    let ends: [fn(&mut Installation); 5] = [
        |installation| installation.cancel_order("A", "", NOW).unwrap(),
        |installation| installation.move_to("A", Stage::Cancelled, NOW).unwrap(),
        |installation| installation.close_short("A", NOW).unwrap(),
        |installation| assert_eq!(installation.forget("A"), 1),
        |installation| {
            drop(installation.work_round(Round { cancel_share: 1.0, ..Round::default() }, NOW))
        },
    ];
    for lowered in [Lowered::AtCreation, Lowered::AtAllocation, Lowered::AtDispatch] {
        for (index, end) in ends.iter().enumerate() {
            let mut installation = stocked(lowered, ShownFigures::WithFree);
            installation.new_order(order_of("A", 4), NOW).unwrap();
            installation.allocate(NOW);
            end(&mut installation);
            let stock = installation.stock_of(&sku("DRESS1", "NAVY")).unwrap();
            assert_eq!(
                (stock.physical, stock.owed, stock.set_aside),
                (10, 0, 0),
                "{lowered:?}, end {index}"
            );
        }
    }
    let mut short = stocked(Lowered::AtCreation, ShownFigures::WithFree);
    short.new_order(order_of("A", 4), NOW).unwrap();
    short.book("A", Booking { lines: Some(vec![(1, 1)]), ..Booking::default() }, NOW).unwrap();
    assert_eq!(short.stock_of(&sku("DRESS1", "NAVY")).unwrap().owed, 3);
    short
        .book("A", Booking { lines: Some(vec![(1, 1)]), last: true, ..Booking::default() }, NOW)
        .unwrap();
    assert_eq!(free(&mut short), "7");
    let mut by_hand = stocked(Lowered::AtCreation, ShownFigures::WithFree);
    by_hand.new_order(order_of("A", 4), NOW).unwrap();
    by_hand.move_to("A", Stage::Dispatched, NOW).unwrap();
    assert_eq!(
        (free(&mut by_hand).as_str(), by_hand.stock_of(&sku("DRESS1", "NAVY")).unwrap().physical),
        ("5", 6)
    );
}

/// Other channels sell, and orders beyond the stock wait and are counted.
#[test]
fn other_channels_sell_and_excess_orders_wait_counted() {
    let mut installation = stocked(Lowered::AtCreation, ShownFigures::WithFree);
    let dress = sku("DRESS1", "NAVY");
    installation.sell_elsewhere(&dress, 2, true).unwrap();
    installation.sell_elsewhere(&dress, 4, false).unwrap();
    assert_eq!(free(&mut installation), "3");
    installation.sell_elsewhere(&dress, 4, false).unwrap_err();
    installation.sell_elsewhere(&sku("COAT", "NAVY"), 1, true).unwrap_err();
    installation.new_order(order_of("A", 2), NOW).unwrap();
    assert_eq!(installation.totals().oversold, 0);
    installation.new_order(order_of("B", 5), NOW).unwrap();
    assert_eq!((installation.totals().oversold, free(&mut installation).as_str()), (4, "-4"));
    installation.sell_elsewhere(&dress, 6, true).unwrap();
    assert!(
        installation.book("B", Booking::default(), NOW).unwrap_err().text.contains("not in stock")
    );
    installation.book("A", Booking::default(), NOW).unwrap();
}

#[test]
fn a_range_includes_both_ends_and_is_sorted() {
    let mut installation = Installation::new(OrderRules::default());
    let rows = [
        ("C2", "RED"),
        ("A1", "RED"),
        ("B1", "NAVY"),
        ("C2", "BLACK"),
        ("C20", "RED"),
        ("D", "RED"),
    ];
    installation.set_stock(rows.map(|(product, colour)| row(product, colour, Stock::default())));
    let mut range = |from: &str, to: &str| -> Vec<String> {
        let figures = installation.available(from, to, NOW);
        figures
            .into_iter()
            .map(|figures| format!("{} {}", figures.sku.product, figures.sku.matrix[0]))
            .collect()
    };
    assert_eq!(range("", ""), ["A1 RED", "B1 NAVY", "C2 BLACK", "C2 RED", "C20 RED", "D RED"]);
    assert_eq!(range("B1", "C2"), ["B1 NAVY", "C2 BLACK", "C2 RED"]);
    assert_eq!(
        (range("C20", ""), range("", "A1"), range("D", "A")),
        (vec!["C20 RED".to_owned(), "D RED".to_owned()], vec!["A1 RED".to_owned()], vec![])
    );
    let named =
        installation.available_of(&[sku("D", "RED"), sku("NONE", "RED"), sku("A1", "RED")], NOW);
    assert_eq!(
        named.iter().map(|figures| figures.sku.product.as_str()).collect::<Vec<_>>(),
        ["D", "A1"]
    );
}

#[test]
fn odd_figures_are_odd_in_whichever_counts() {
    for (odd, expected) in [
        (Odd::Negative, vec![Some("-3")]),
        (Odd::Fractional, vec![Some("1.5")]),
        (Odd::Huge, vec![Some("99999999999")]),
        (Odd::NoFigure, vec![None]),
        (Odd::Twice, vec![Some("12"), Some("9")]),
        (Odd::LeftOut, vec![]),
    ] {
        let mut installation = stocked(Lowered::AtCreation, ShownFigures::WithFree);
        installation.set_stock([row(
            "DRESS1",
            "NAVY",
            Stock { physical: 10, elsewhere: 1, odd: Some(odd), ..Stock::default() },
        )]);
        let free: Vec<Option<String>> = installation
            .available("", "", NOW)
            .iter()
            .map(|figures| told(figures)[2].clone())
            .collect();
        assert_eq!(free.iter().map(Option::as_deref).collect::<Vec<_>>(), expected, "{odd:?}");
    }
}

fn generated(size: usize) -> Settings {
    let generated = Some(GeneratedStock { seed: 3, size, odd_share: 0.0 });
    Settings {
        stock: StockRules {
            generated,
            figures: ShownFigures::WithAllocated,
            ..StockRules::default()
        },
        ..Settings::default()
    }
}

fn range(from: &str, to: &str) -> String {
    format!(
        "<Request RequestType=\"ProductAvailableToSell\"><Data ProductFrom=\"{from}\" ProductTo=\"{to}\"/></Request>"
    )
}

/// A large answer comes whole in every encoding, and slowly where that is set.
#[tokio::test]
async fn large_answers_arrive_whole_in_all_encodings_even_slowly() {
    for encoding in [Encoding::Latin1, Encoding::Utf8] {
        let mut settings = Settings { encoding, ..generated(2500) };
        settings.stock.milliseconds_per_thousand = 40;
        let running = start(settings).await;
        running.simulator.installation().set_stock([row(
            "Œuvre & Été",
            "<RED>",
            Stock { physical: 4, ..Stock::default() },
        )]);
        let begun = std::time::Instant::now();
        let answer = running.ask(&range("", "")).await.unwrap().document(encoding);
        assert!(begun.elapsed().as_millis() >= 100, "2500 SKUs at 40 ms a thousand");
        assert_eq!((answer.attribute("RequestStatus"), answer.children.len()), (Some("OK"), 2501));
        assert!(answer.children.iter().all(|sku| sku.name.eq_ignore_ascii_case("sku")));
        let last = answer.children.last().unwrap();
        let named = [
            "Product",
            "MtrxCode1",
            "MtrxCode4",
            "AvailableQuantity",
            "AllocatedQuantity",
            "FreeQuantity",
        ]
        .map(|name| last.attribute(name));
        assert_eq!(
            named,
            [Some("Œuvre & Été"), Some("<RED>"), Some(""), Some("4"), Some("0"), None]
        );
    }
}

#[tokio::test]
async fn a_large_answer_is_cut_or_lost_on_demand() {
    let running = start(generated(2500)).await;
    for fault in [Fault::CutAnswer, Fault::LostAnswer, Fault::BrokenConnection] {
        running.misbehave("ProductAvailableToSell", fault);
        assert!(running.ask(&range("", "")).await.is_err());
    }
    assert_eq!(
        running.ask(&range("", "")).await.unwrap().document(Encoding::Latin1).children.len(),
        2500
    );
    let counts = running.get("/simulator/calls").await.json::<Value>().await.unwrap()["counts"]["ProductAvailableToSell"].clone();
    assert_eq!(counts, json!({"cut_answer": 1, "lost_answer": 1, "broken_connection": 1, "OK": 1}));
}

#[tokio::test]
async fn named_skus_are_answered_with_the_date_when_more_is_due() {
    let running = start(Settings::default()).await;
    let put = running.client.put(format!("{}/simulator/stock", running.address));
    let rows = json!([
        {"product": "W1023", "matrix": ["NAV", "12", "", ""], "physical": 5, "elsewhere": 2, "due": "2027-01-31"},
        {"product": "W1024", "matrix": ["NAV", "12", "", ""], "physical": 1},
    ]);
    assert_eq!(put.json(&rows).send().await.unwrap().status(), 204);
    let ask = |product: &str| {
        format!(
            "<Request RequestType=\"MultiAvailableToSell\"><Data><sku Product=\"{product}\" MtrxCode1=\"NAV\" MtrxCode2=\"12\" MtrxCode3=\"\" \
             MtrxCode4=\"\"/><SKU Product=\"W1024\" MtrxCode1=\"NAV\" MtrxCode2=\"12\"/></Data></Request>"
        )
    };
    let answer = running.ask(&ask("W1023")).await.unwrap().document(Encoding::Latin1);
    let shown = |sku: &Element| {
        ["AvailableQuantity", "FreeQuantity", "AvailableDate"]
            .map(|name| sku.attribute(name).map(str::to_owned))
    };
    let shown: Vec<_> = answer.children.iter().map(shown).collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(shown, [[some("5"), some("3"), some("31/01/2027")], [some("1"), some("1"), None]]);
    let sale = json!({"product": "W1023", "matrix": ["NAV", "12", "", ""], "quantity": 4, "over_the_counter": true});
    let sell = async || {
        running
            .client
            .post(format!("{}/simulator/stock/sales", running.address))
            .json(&sale)
            .send()
            .await
            .unwrap()
            .status()
    };
    assert_eq!([sell().await, sell().await], [204, 409]);
    let state: Value = running.get("/simulator/stock").await.json().await.unwrap();
    assert_eq!(
        (
            &state["skus"][0]["stock"]["physical"],
            &state["skus"][0]["allocated"],
            &state["skus"][0]["oversold"]
        ),
        (&json!(1), &json!(2), &json!(1))
    );
}
