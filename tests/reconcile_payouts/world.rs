//! The function `reconcile-payouts` beside the Mirakl simulator, over HTTP, on a clock of its own.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reconcile_payouts::{PortTypes, Ports, ReconcileError, Report, Run};
use rust_decimal::Decimal;
use secrecy::SecretString;
use shared::domain::channel::{Channel, MiraklDirectory};
use shared::domain::channel_documents::{
    ChannelDocument, ChannelDocuments, ChannelList, Freshness,
};
use shared::domain::documents::UnusableDocument;
use shared::domain::events::{Event, EventBus, EventError, EventKind};
use shared::domain::payout::documents::PayoutDocuments;
use shared::domain::payout::in_memory::MemoryPayouts;
use shared::domain::payout::journal::Journal;
use shared::domain::payout::key::CycleKey;
use shared::domain::payout::row::{CycleRow, ShopKey, ShopRow};
use shared::domain::payout::settings::FinanceSettings;
use shared::domain::payout::store::{
    JournalMessage, JournalQueue, PayoutFiles, PayoutStore, journal_file,
};
use shared::domain::queue::{
    ExceptionMessage, ExceptionQueue, QueueError, ShownException, ShownExceptions,
};
use shared::domain::state::StoreError;
use shared::kit::amount::Amount;
use shared::kit::clock::{Clock, SystemClock};
use shared::mirakl::MiraklError;
use shared::mirakl::client::{HttpDirectory, MiraklClient, Shop};
use shared::mirakl::finance::{
    AccountingDocument, BillingCycle, CreatedQuery, MiraklFinance, Page, TransactionLine,
    TransactionQuery, TransactionsExport, Unreadable,
};
use shared::mirakl::keys::{ApiKeys, KeyError};
use shared::prima::sku::SkuOverride;
use simulators::mirakl::model::ledger::{Billing, ManualItem, Spoiling, TransactionType as Type};
use simulators::mirakl::{Config, OrderWish, Simulator};
use tokio::net::TcpListener;

pub(crate) const SHOP: i64 = 2001;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Key;

impl ApiKeys for Key {
    async fn api_key(&self, _channel: &str, _refresh: bool) -> Result<SecretString, KeyError> {
        Ok(SecretString::from("key"))
    }
}

/// How the log's pages come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pages {
    /// As the simulator gives them.
    #[default]
    Whole,
    /// Of so many lines.
    Small(usize),
    /// Their tokens go round.
    Circle,
}

/// Everything around the function.
pub(crate) struct World {
    pub(crate) simulator: Arc<Simulator>,
    pub(crate) base_url: String,
    pub(crate) now: Cell<Timestamp>,
    pub(crate) began: Timestamp,
    pub(crate) payouts: MemoryPayouts,
    pub(crate) channels: RefCell<Vec<Channel>>,
    pub(crate) documents: RefCell<BTreeMap<String, PayoutDocuments>>,
    pub(crate) finance: FinanceSettings,
    pub(crate) pages: Cell<Pages>,
    /// Added to what each cycle is said to transfer, by a marketplace that thinks again.
    pub(crate) transfers_more: Cell<Decimal>,
    /// Calls of stores, files and queues after which the function dies.
    pub(crate) dies_after: Cell<Option<usize>>,
    pub(crate) calls_of_log: Cell<usize>,
    pub(crate) shown: RefCell<Vec<ExceptionMessage>>,
    pub(crate) events: RefCell<Vec<Event>>,
    pub(crate) queued: RefCell<Vec<JournalMessage>>,
}

pub(crate) fn chart() -> shared::domain::payout::chart::Chart {
    let text = include_str!("../../shared/src/domain/payout/tests/chart.json");
    serde_json::from_str(&text.replace("2026-01-01", "2020-01-01")).unwrap()
}

pub(crate) fn penny() -> Decimal {
    Decimal::new(1, 2)
}

impl World {
    /// A shop that is billed so, and a live channel with payouts.
    pub(crate) async fn new(billing: Billing) -> Self {
        let config: Config = serde_json::from_value(serde_json::json!({
            "shops": [{"shop_id": SHOP, "api_key": "key", "currency": "GBP", "tax_included": true}],
            "settings": {"call_interval_seconds": 0, "debit_seconds": 0, "automatic_acceptance": true},
            "billing": {"2001": billing}, "seed": 7, "catalogue_size": 50,
        }))
        .unwrap();
        let simulator = Arc::new(Simulator::new(config).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(Arc::clone(&simulator).serve(listener, std::future::pending()));
        let began = Timestamp::now();
        let channel: Channel = serde_json::from_value(serde_json::json!({
            "id": "uk", "base_url": base_url, "shop_id": SHOP, "payouts": "live",
            "take_over_from": "2020-01-01T00:00:00Z", "acceptance_window_minutes": 1440,
        }))
        .unwrap();
        let rules = serde_json::from_value(serde_json::json!({
            "payouts_from": began - Duration::from_secs(24 * 3600), "wait_for_documents_days": 0,
        }))
        .unwrap();
        let documents = PayoutDocuments { rules, chart: chart() };
        Self {
            simulator,
            base_url,
            now: Cell::new(began),
            began,
            payouts: MemoryPayouts::default(),
            channels: RefCell::new(vec![channel]),
            documents: RefCell::new(BTreeMap::from([("uk".to_owned(), documents)])),
            finance: FinanceSettings::default(),
            pages: Cell::default(),
            transfers_more: Cell::default(),
            dies_after: Cell::default(),
            calls_of_log: Cell::default(),
            shown: RefCell::default(),
            events: RefCell::default(),
            queued: RefCell::default(),
        }
    }

    /// A world in which orders were sold, refunded and paid out, in so many cycles.
    pub(crate) async fn lived(billing: Billing, cycles: u64) -> Self {
        let world = Self::new(billing).await;
        for round in 0..cycles {
            world.live_through(round);
        }
        world
    }

    /// Orders, one a second, and a cycle at their end that is paid.
    fn live_through(&self, round: u64) {
        let begun = self.began - Duration::from_secs(3600) + Duration::from_secs(600 * round);
        for index in 0..5 {
            let now = begun + Duration::from_secs(index);
            let seed = Some(100 * round + index);
            let id =
                self.simulator.bring(SHOP, 1, seed, OrderWish::default(), now).unwrap().remove(0);
            let mut marketplace = self.simulator.marketplace();
            marketplace.advance(now);
            marketplace.ship(&id, now);
            if index == 1 {
                marketplace.refund_all(&id, now);
            }
        }
        let after = |seconds: u64| begun + Duration::from_secs(100 + seconds);
        self.book(Type::ManualInvoice, 2500, true, after(0));
        self.close(after(1));
        self.pay(after(2));
    }

    pub(crate) fn book(&self, kind: Type, pence: i64, taxed: bool, at: Timestamp) {
        let item = ManualItem {
            kind,
            amount: Decimal::new(pence, 2),
            taxed,
            currency: "GBP".to_owned(),
            reference: None,
            description: None,
        };
        assert!(self.simulator.marketplace().finance_mut().book(SHOP, &item, at));
    }

    pub(crate) fn close(&self, at: Timestamp) {
        let mut marketplace = self.simulator.marketplace();
        marketplace.finance_mut().close(SHOP, at);
        marketplace.advance(at);
    }

    pub(crate) fn pay(&self, at: Timestamp) {
        let mut marketplace = self.simulator.marketplace();
        let ledger = marketplace.finance_mut().ledger_mut(SHOP).unwrap();
        for cycle in 0..ledger.cycles().len() {
            ledger.pay(cycle, at);
        }
    }

    /// Spoils the last line of a type in the first cycle; answers its id and its net.
    pub(crate) fn spoil(&self, kind: Type, spoiling: &Spoiling) -> (String, Decimal) {
        let mut marketplace = self.simulator.marketplace();
        let ledger = marketplace.finance_mut().ledger_mut(SHOP).unwrap();
        let entries = ledger.entries().iter();
        let mut of_kind = entries.filter(|entry| entry.kind == kind && entry.cycle == Some(0));
        let (id, net) = of_kind.next_back().map(|entry| (entry.id.clone(), entry.net())).unwrap();
        assert!(ledger.spoil(&id, spoiling, self.now.get()));
        (id, net)
    }

    /// One run, now.
    pub(crate) async fn run(&self) -> Result<Report, ReconcileError> {
        let ports = Ports::<Of<'_>> {
            directory: Clients(self),
            documents: Papers(self),
            store: self,
            files: self,
            queue: self,
            events: self,
            clock: Ticking(&self.now),
            finance: self.finance.clone(),
        };
        let hard_deadline = self.now.get() + Duration::from_secs(600);
        ports.tick(&Run { id: self.now.get().to_string(), hard_deadline }).await
    }

    /// Runs every so many minutes, so many times.
    pub(crate) async fn run_on(&self, times: u32, minutes: u64) {
        for _time in 0..times {
            self.wait(minutes);
            let report = self.run().await.unwrap();
            assert_eq!((report.failed, report.overlapped), (0, 0));
        }
    }

    pub(crate) fn wait(&self, minutes: u64) {
        self.now.set(self.now.get() + Duration::from_secs(60 * minutes));
    }

    /// The usual way to a verdict: two readings, more than an hour apart.
    pub(crate) async fn read_twice(&self) {
        self.run_on(2, 61).await;
    }

    pub(crate) fn key(&self) -> ShopKey {
        ShopKey::of(self.channels.borrow().first().unwrap()).unwrap()
    }

    pub(crate) async fn shop(&self) -> ShopRow {
        self.payouts.load_shop(&self.key()).await.unwrap()
    }

    /// The cycles, oldest first.
    pub(crate) async fn cycles(&self) -> Vec<CycleRow> {
        let mut cycles = self.payouts.cycles(&self.key()).await.unwrap();
        cycles.sort_by_key(|row| row.cycle.created);
        cycles
    }

    pub(crate) async fn journal(&self, row: &CycleRow) -> Journal {
        let hash = &row.journals.last().unwrap().row.hash;
        let bytes = self.payouts.read(&journal_file(hash)).await.unwrap().unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    pub(crate) async fn change(&self, key: &CycleKey, change: impl FnOnce(&mut CycleRow)) {
        let mut row = self.payouts.load_cycle(key).await.unwrap().unwrap();
        change(&mut row);
        self.payouts.save_cycle(&mut row).await.unwrap();
    }

    pub(crate) fn rules(&self, change: impl FnOnce(&mut PayoutDocuments)) {
        change(self.documents.borrow_mut().get_mut("uk").unwrap());
    }

    /// What a person sees now, by kind.
    pub(crate) fn told(&self) -> Vec<String> {
        self.shown.borrow().iter().map(|one| one.kind.clone()).collect()
    }

    pub(crate) fn reason(&self) -> String {
        self.shown.borrow().first().map(|one| one.reason.clone()).unwrap_or_default()
    }

    pub(crate) fn ready(&self) -> usize {
        let events = self.events.borrow();
        events.iter().filter(|event| event.kind == EventKind::PayoutReady).count()
    }

    pub(crate) async fn misbehave(&self, rules: serde_json::Value) {
        let url = format!("{}/simulator/misbehaviour", self.base_url);
        let plan = serde_json::json!({"seed": 1, "rules": rules});
        let client = reqwest::Client::new();
        assert!(client.put(url).json(&plan).send().await.unwrap().status().is_success());
    }

    fn dies(&self) -> Result<(), StoreError> {
        match self.dies_after.get() {
            Some(0) => Err(StoreError::Unavailable("dead".to_owned())),
            Some(left) => {
                self.dies_after.set(Some(left - 1));
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// The world as the function's ports.
pub(crate) struct Of<'w>(std::marker::PhantomData<&'w ()>);

impl<'w> PortTypes for Of<'w> {
    type Directory = Clients<'w>;
    type Documents = Papers<'w>;
    type Store = &'w World;
    type Files = &'w World;
    type Queue = &'w World;
    type Events = &'w World;
    type Clock = Ticking<'w>;
}

#[derive(Clone, Copy)]
pub(crate) struct Ticking<'w>(&'w Cell<Timestamp>);

impl Clock for Ticking<'_> {
    fn now(&self) -> Timestamp {
        self.0.get()
    }
}

/// The channels and their documents.
pub(crate) struct Papers<'w>(&'w World);

impl ChannelDocuments for Papers<'_> {
    async fn channels(&self) -> Result<ChannelList, UnusableDocument> {
        Ok(ChannelList { channels: self.0.channels.borrow().clone(), unusable: Vec::new() })
    }

    async fn stored_document<D: ChannelDocument>(
        &self,
        channel: &str,
        _freshness: Freshness,
    ) -> Result<Option<D>, UnusableDocument> {
        let documents = self.0.documents.borrow();
        let Some(PayoutDocuments { rules, chart }) = documents.get(channel) else {
            return Ok(None);
        };
        let both: [&dyn Any; 2] = [rules, chart];
        Ok(both.into_iter().find_map(|one| one.downcast_ref::<D>()).cloned())
    }

    async fn sku_overrides(
        &self,
        _channel: &str,
        _skus: &[&str],
    ) -> Result<HashMap<String, SkuOverride>, UnusableDocument> {
        Ok(HashMap::new())
    }

    async fn all_sku_overrides(
        &self,
        _channel: &str,
    ) -> Result<HashMap<String, SkuOverride>, UnusableDocument> {
        Ok(HashMap::new())
    }

    async fn keep_document<D: ChannelDocument>(
        &self,
        _channel: &str,
        _document: &D,
        _author: &str,
        _at: Timestamp,
    ) -> Result<(), UnusableDocument> {
        Ok(())
    }
}

impl PayoutStore for World {
    async fn load_shop(&self, shop: &ShopKey) -> Result<ShopRow, StoreError> {
        self.dies()?;
        self.payouts.load_shop(shop).await
    }

    async fn save_shop(&self, shop: &ShopKey, row: &mut ShopRow) -> Result<(), StoreError> {
        self.dies()?;
        // As a store would keep it.
        let kept = serde_json::to_vec(row).unwrap();
        let version = row.version;
        let mut read: ShopRow = serde_json::from_slice(&kept).unwrap();
        read.version = version;
        assert_eq!(read, *row);
        self.payouts.save_shop(shop, row).await
    }

    async fn cycles(&self, shop: &ShopKey) -> Result<Vec<CycleRow>, StoreError> {
        self.dies()?;
        self.payouts.cycles(shop).await
    }

    async fn load_cycle(&self, key: &CycleKey) -> Result<Option<CycleRow>, StoreError> {
        self.dies()?;
        self.payouts.load_cycle(key).await
    }

    async fn save_cycle(&self, row: &mut CycleRow) -> Result<(), StoreError> {
        self.dies()?;
        self.payouts.save_cycle(row).await
    }

    async fn reserve_reference(
        &self,
        reference: &str,
        of: &JournalMessage,
    ) -> Result<Result<(), JournalMessage>, StoreError> {
        self.dies()?;
        self.payouts.reserve_reference(reference, of).await
    }
}

impl PayoutFiles for World {
    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.dies()?;
        self.payouts.read(name).await
    }

    async fn write(&self, name: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.dies()?;
        self.payouts.write(name, bytes).await
    }
}

fn dead(problem: &StoreError) -> QueueError {
    QueueError { message: problem.to_string(), failed: vec![0] }
}

impl JournalQueue for World {
    async fn send_journal(
        &self,
        message: &JournalMessage,
        _delay: Duration,
    ) -> Result<(), QueueError> {
        self.dies().map_err(|problem| dead(&problem))?;
        self.queued.borrow_mut().push(message.clone());
        Ok(())
    }
}

impl ExceptionQueue for World {
    async fn send_exceptions(&self, exceptions: &[ExceptionMessage]) -> Result<(), QueueError> {
        self.dies().map_err(|problem| dead(&problem))?;
        self.shown.borrow_mut().extend(exceptions.iter().cloned());
        Ok(())
    }
}

impl ShownExceptions for World {
    async fn shown(&self) -> Result<Vec<ShownException>, QueueError> {
        let shown = self.shown.borrow();
        let one = |exception: &ExceptionMessage| ShownException {
            exception: exception.clone(),
            handle: String::new(),
        };
        Ok(shown.iter().map(one).collect())
    }

    async fn withdraw(&self, shown: &ShownException) -> Result<(), QueueError> {
        self.shown.borrow_mut().retain(|one| *one != shown.exception);
        Ok(())
    }

    async fn put_back(&self, _shown: &ShownException) {}
}

impl EventBus for World {
    async fn publish(&self, events: &[Event]) -> Result<(), EventError> {
        self.events.borrow_mut().extend(events.iter().cloned());
        Ok(())
    }
}

/// The real client, before a marketplace of odd habits.
pub(crate) struct Odd<'w> {
    world: &'w World,
    client: MiraklClient<Key, SystemClock>,
}

impl Odd<'_> {
    async fn small(
        &self,
        size: usize,
        query: &TransactionQuery,
        token: Option<&str>,
    ) -> Result<Page<TransactionLine>, MiraklError> {
        let mut page = self.client.transactions(query, None).await?;
        let from: usize = token.map_or(0, |token| token.parse().unwrap());
        let all = std::mem::take(&mut page.entries);
        let rest = all.len() > from + size;
        page.entries = all.into_iter().skip(from).take(size).collect();
        page.length = page.entries.len();
        page.next_page_token = rest.then(|| (from + size).to_string());
        Ok(page)
    }
}

impl MiraklFinance for Odd<'_> {
    async fn transactions(
        &self,
        query: &TransactionQuery,
        token: Option<&str>,
    ) -> Result<Page<TransactionLine>, MiraklError> {
        self.world.calls_of_log.set(self.world.calls_of_log.get() + 1);
        match self.world.pages.get() {
            Pages::Whole => self.client.transactions(query, token).await,
            Pages::Small(size) => self.small(size, query, token).await,
            Pages::Circle => {
                let mut page = self.client.transactions(query, None).await?;
                let next = if token == Some("one") { "two" } else { "one" };
                page.next_page_token = Some(next.to_owned());
                Ok(page)
            }
        }
    }

    async fn begin_transactions_export(
        &self,
        query: &TransactionQuery,
    ) -> Result<String, MiraklError> {
        self.client.begin_transactions_export(query).await
    }

    async fn transactions_export(&self, id: &str) -> Result<TransactionsExport, MiraklError> {
        self.client.transactions_export(id).await
    }

    async fn exported_transactions(
        &self,
        url: &str,
        each: impl FnMut(Result<TransactionLine, Unreadable>),
    ) -> Result<(), MiraklError> {
        self.client.exported_transactions(url, each).await
    }

    async fn billing_cycles(
        &self,
        query: &CreatedQuery,
        token: Option<&str>,
    ) -> Result<Page<BillingCycle>, MiraklError> {
        let mut page = self.client.billing_cycles(query, token).await?;
        for cycle in &mut page.entries {
            cycle.transferred_to_seller.0 += self.world.transfers_more.get();
        }
        Ok(page)
    }

    async fn accounting_documents(
        &self,
        query: &CreatedQuery,
        offset: usize,
    ) -> Result<Page<AccountingDocument>, MiraklError> {
        let mut page = self.client.accounting_documents(query, offset).await?;
        for document in &mut page.entries {
            if let Some(Amount(amount)) = document.summary.get_mut("amount_transferred") {
                *amount += self.world.transfers_more.get();
            }
        }
        Ok(page)
    }

    async fn accounting_document_file(&self, invoice_id: i64) -> Result<Vec<u8>, MiraklError> {
        self.client.accounting_document_file(invoice_id).await
    }
}

/// Hands out the odd client.
#[derive(Clone, Copy)]
pub(crate) struct Clients<'w>(pub(crate) &'w World);

impl<'w> MiraklDirectory for Clients<'w> {
    type Client = Odd<'w>;

    async fn client(
        &self,
        channel: &Channel,
        _deadline: Timestamp,
    ) -> Result<Odd<'w>, MiraklError> {
        let shop =
            Shop { channel_id: &channel.id, base_url: &self.0.base_url, shop_id: Some(SHOP) };
        // Calls are made in real time, whatever the function's clock says.
        let deadline = Timestamp::now() + Duration::from_secs(60);
        let client = HttpDirectory::new(Key, SystemClock).client_of(shop, deadline)?;
        Ok(Odd { world: self.0, client })
    }
}
