//! The client of Mirakl's finance operations and the rules of payouts against the simulator, over
//! HTTP: what the simulated operator pays ties by the connector's own rules, and what somebody
//! spoils does not. The simulator's books know nothing of these rules.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rust_decimal::Decimal;
use secrecy::SecretString;
use shared::domain::payout::explain::{Cause, Clues, explain};
use shared::domain::payout::key::{CycleKey, NO_PSP};
use shared::domain::payout::ledger::{Ledger, Listed};
use shared::domain::payout::tie::{Difference, Evidence, Tie, TieRule};
use shared::domain::payout::{balance, proofs};
use shared::kit::amount::Amount;
use shared::kit::clock::SystemClock;
use shared::mirakl::client::{HttpDirectory, MiraklClient, Shop};
use shared::mirakl::finance::{
    AccountingDocument, BillingCycle, CreatedQuery, MiraklFinance as _, TransactionLine,
    TransactionQuery,
};
use shared::mirakl::keys::{ApiKeys, KeyError};
use simulators::mirakl::model::ledger::{
    AtOrBelowZero, Billing, ManualItem, PaymentLines, Spoiling, TransactionType as Type,
};
use simulators::mirakl::{Config, OrderWish, Simulator};
use tokio::net::TcpListener;

const SHOP: i64 = 2001;

#[derive(Debug)]
struct Key;

impl ApiKeys for Key {
    async fn api_key(&self, _channel: &str, _refresh: bool) -> Result<SecretString, KeyError> {
        Ok(SecretString::from("key"))
    }
}

type Client = MiraklClient<Key, SystemClock>;

/// A shop that lived through three cycles, each closed and paid out.
async fn lived(billing: Billing, tax_included: bool) -> (Arc<Simulator>, Client) {
    let config: Config = serde_json::from_value(serde_json::json!({
        "shops": [{"shop_id": SHOP, "api_key": "key", "currency": "GBP", "tax_included": tax_included}],
        "settings": {"call_interval_seconds": 0, "debit_seconds": 0, "automatic_acceptance": true},
        "billing": {"2001": billing}, "seed": 7, "catalogue_size": 50,
    }))
    .unwrap();
    let simulator = Arc::new(Simulator::new(config).unwrap());
    for round in 0..3 {
        live_through(&simulator, round);
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(Arc::clone(&simulator).serve(listener, std::future::pending()));
    let shop = Shop { channel_id: "uk", base_url: &base_url, shop_id: Some(SHOP) };
    let directory = HttpDirectory::new(Key, SystemClock);
    let client = directory.client_of(shop, Timestamp::now() + Duration::from_secs(60));
    (simulator, client.unwrap())
}

/// Orders that are paid, shipped, refunded or cancelled, one a second; something manual; a cycle.
fn live_through(simulator: &Simulator, round: u64) {
    let begun = Timestamp::now() - Duration::from_secs(3600) + Duration::from_secs(600 * round);
    for index in 0..9 {
        let now = begun + Duration::from_secs(index);
        let seed = Some(100 * round + index);
        let id = simulator.bring(SHOP, 1, seed, OrderWish::default(), now).unwrap().remove(0);
        let mut marketplace = simulator.marketplace();
        marketplace.advance(now);
        match index {
            0 => drop(marketplace.cancel(&id, now)),
            1 => drop(marketplace.refund_all(&id, now)),
            2 => {
                marketplace.ship(&id, now);
                marketplace.refund_all(&id, now);
            }
            _ => drop(marketplace.ship(&id, now)),
        }
    }
    let mut marketplace = simulator.marketplace();
    let finance = marketplace.finance_mut();
    let after = |seconds: u64| begun + Duration::from_secs(100 + seconds);
    for (seconds, kind, amount, taxed) in [
        (0, Type::ManualCredit, 1000, false),
        (1, Type::ManualInvoice, 2500, true),
        (2, Type::SellerPenaltyFee, 300, false),
    ] {
        let amount = Decimal::new(amount, 2);
        let currency = "GBP".to_owned();
        let item = ManualItem { kind, amount, taxed, currency, reference: None, description: None };
        assert!(finance.book(SHOP, &item, after(seconds)));
    }
    finance.close(SHOP, after(3));
    let ledger = finance.ledger_mut(SHOP).unwrap();
    for cycle in 0..ledger.cycles().len() {
        ledger.pay(cycle, after(4));
    }
}

/// Everything that the client reads, in small pages as they come.
struct Read {
    ledger: Ledger,
    cycles: Vec<BillingCycle>,
    documents: Vec<AccountingDocument>,
}

async fn read(client: &Client) -> Read {
    let mut read = Read { ledger: Ledger::default(), cycles: Vec::new(), documents: Vec::new() };
    let mut token = None;
    loop {
        let page = client.transactions(&TransactionQuery::default(), token.as_deref()).await;
        let page = page.unwrap();
        page.entries.into_iter().for_each(|line| read.ledger.take(Ok(line)));
        page.unreadable.into_iter().for_each(|line| read.ledger.take(Err(line)));
        token = page.next_page_token;
        if token.is_none() {
            break;
        }
    }
    let page = client.billing_cycles(&CreatedQuery::default(), None).await.unwrap();
    assert!(page.unreadable.is_empty() && page.next_page_token.is_none());
    read.cycles = page.entries;
    let page = client.accounting_documents(&CreatedQuery::default(), 0).await.unwrap();
    assert!(page.unreadable.is_empty() && page.total_count == Some(page.entries.len() as u64));
    read.documents = page.entries;
    read
}

impl Read {
    fn lines(&self) -> Vec<&TransactionLine> {
        self.ledger.lines().collect()
    }

    /// The tie-out of each cycle, oldest first, with its lines.
    fn ties(&self, rule: TieRule) -> Vec<(&BillingCycle, Vec<TransactionLine>, Tie)> {
        let listed: Vec<Listed> = self
            .cycles
            .iter()
            .map(|cycle| Listed {
                key: CycleKey::of("example.mirakl.net", "2001", cycle),
                voucher: cycle.voucher.clone(),
            })
            .collect();
        let by_cycle = self.ledger.by_cycle(&listed);
        assert!(by_cycle.unlisted.is_empty() && by_cycle.ambiguous.is_empty());
        let is_whole = self.balance(None).is_whole();
        let mut carried: BTreeMap<&str, Amount> = BTreeMap::new();
        let mut ties = Vec::new();
        for (cycle, listed) in self.cycles.iter().zip(&listed) {
            let lines = by_cycle.cycles.get(&listed.key).cloned().unwrap_or_default();
            let documents: Vec<&AccountingDocument> = self
                .documents
                .iter()
                .filter(|document| document.cycle.as_deref() == Some(&cycle.id))
                .collect();
            let psp = cycle.psp.as_deref().unwrap_or(NO_PSP);
            let evidence = Evidence {
                cycle,
                lines: &lines,
                documents: &documents,
                carried_in: carried.get(psp).copied().unwrap_or_default(),
                is_proved_whole: is_whole,
            };
            let tie = Tie::of(&evidence, rule);
            carried.insert(psp, tie.carried_out);
            ties.push((cycle, lines.into_iter().cloned().collect(), tie));
        }
        ties
    }

    /// `opening`: the balance before the first line, where it is known.
    fn balance(&self, opening: Option<Amount>) -> balance::RunningBalance {
        balance::prove(self.lines(), opening, |line| line.balance)
    }
}

/// Each way of being billed: every cycle ties to the penny, and every proof beside it holds.
#[tokio::test]
async fn whatever_the_operator_pays_ties_by_our_rules() {
    let usual = || Billing { subscription: Some(Decimal::new(3900, 2)), ..Billing::default() };
    let worlds = [
        ("usual", usual(), false),
        ("taxes in the prices", usual(), true),
        (
            "reverse charge, and the operator remits the taxes",
            Billing { vat_on_fees: false, operator_remits_taxes: true, ..usual() },
            false,
        ),
        ("a reserve", Billing { reserve_percent: Some(Decimal::TEN), ..usual() }, true),
        (
            "a reserve in the state RESERVE",
            Billing { reserve_percent: Some(Decimal::TEN), reserve_state: true, ..usual() },
            true,
        ),
        ("no PAYMENT", Billing { payment_lines: PaymentLines::None, ..usual() }, false),
        (
            "a PAYMENT a document",
            Billing { payment_lines: PaymentLines::OnePerDocument, ..usual() },
            false,
        ),
        (
            "two payment services",
            Billing { psp_codes: vec!["MANGOPAY".into(), "OPERATOR".into()], ..usual() },
            false,
        ),
        (
            "a debt that is carried",
            Billing {
                subscription: Some(Decimal::new(900_000, 2)),
                at_or_below_zero: AtOrBelowZero::CycleWithoutTransfer,
                ..usual()
            },
            true,
        ),
        ("amounts without sign", Billing { unsigned_amounts: true, ..usual() }, false),
    ];
    for (name, billing, tax_included) in worlds {
        let (simulator, client) = lived(billing, tax_included).await;
        let read = read(&client).await;
        let ties = read.ties(TieRule::default());
        assert!(ties.len() >= 3, "{name}");
        for (cycle, lines, tie) in &ties {
            let lines: Vec<&TransactionLine> = lines.iter().collect();
            assert!(tie.is_tied(), "{name}: {tie:?}");
            assert_eq!(proofs::operators_share(cycle, &lines), None, "{name}");
            assert_eq!(proofs::summary(cycle, &lines), [], "{name}");
        }
        let documents: Vec<&AccountingDocument> = read.documents.iter().collect();
        assert_eq!(proofs::documents(&documents, &read.lines()), [], "{name}");
        let balance = read.balance(None);
        assert!(balance.is_whole(), "{name}: {balance:?}");
        let owed = simulator.marketplace().finance().ledger(SHOP).unwrap().balance("GBP");
        assert_eq!(balance.closing.0, owed, "{name}");
    }
}

/// A line that is hidden, repeated or shown by a penny more never ties, and is found.
#[tokio::test]
async fn what_is_spoilt_never_ties_and_is_found() {
    let (simulator, client) = lived(Billing::default(), true).await;
    let whole = read(&client).await;
    let penny = Decimal::new(1, 2);
    for (cycle, lines, _) in whole.ties(TieRule::default()) {
        let line = lines.iter().find(|line| line.kind.code() == "COMMISSION_FEE").unwrap();
        let spoilings = [
            (Spoiling::Hide, -line.net().0),
            (Spoiling::Repeat, line.net().0),
            (Spoiling::Change { by: penny }, penny),
        ];
        for (spoiling, difference) in spoilings {
            let spoil = |how: &Spoiling| {
                let mut marketplace = simulator.marketplace();
                let ledger = marketplace.finance_mut().ledger_mut(SHOP).unwrap();
                assert!(ledger.spoil(&line.id, how, Timestamp::now()));
            };
            spoil(&spoiling);
            let spoilt = read(&client).await;
            spoil(&Spoiling::Mend);
            let ties = spoilt.ties(TieRule::default());
            let (_, lines, tie) = ties.iter().find(|(other, ..)| other.id == cycle.id).unwrap();
            let lines: Vec<&TransactionLine> = lines.iter().collect();
            let expected = Difference::Lines(Amount(difference));
            assert_eq!(tie.differences, [expected], "{spoiling:?}");
            // A shop's log begins at zero. Without that a spoilt line of the first moment could be
            // taken for its beginning.
            let balance = spoilt.balance(Some(Amount::ZERO));
            let clues = Clues {
                lines: &lines,
                balance: Some(&balance),
                other_rules: &[],
                carried: &[],
                totals: &proofs::summary(cycle, &lines),
            };
            let answers = explain(Amount(difference), &clues);
            assert_eq!(
                answers.first().map(|answer| &answer.cause),
                Some(&Cause::GapInBalance),
                "{spoiling:?}: {answers:?}"
            );
        }
    }
}
