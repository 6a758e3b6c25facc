//! What sets, sells and restocks offers, and the imports that change their quantities (Mirakl
//! seller API, STO01 to STO03 and OF01 to OF03).

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::import::{Import, ImportFate, ImportKind, ImportLine, LineError};
use super::marketplace::Marketplace;
use super::order::Order;
use super::settings::seconds;
use super::shelves::{NewOffer, Offer};

/// The most pieces that an offer may have (OF01, field notes).
const MOST_PIECES: u32 = 1_000_000_000;
/// The longest `shop_sku`, in characters (OF01, field notes).
const LONGEST_SKU: usize = 40;
/// The id of a shop's first offer.
const FIRST_OFFER: i64 = 4_000_000;

impl Marketplace {
    /// Sets offers of a shop, as a person in the back office does; others stay.
    pub fn set_offers(
        &mut self,
        shop_id: i64,
        offers: impl IntoIterator<Item = NewOffer>,
        now: Timestamp,
    ) {
        let shelf = self.shelves.offers.entry(shop_id).or_default();
        for NewOffer { shop_sku, quantity, active } in offers {
            let offer_id = shelf
                .get(&shop_sku)
                .map_or(FIRST_OFFER + shelf.len() as i64, |known| known.offer_id);
            shelf.insert(
                shop_sku.clone(),
                Offer { offer_id, shop_sku, quantity, active, deleted: false, updated: now },
            );
        }
    }

    /// The operator takes offers off the marketplace: what is sent of them from now on is refused.
    pub fn withdraw_offers(&mut self, shop_id: i64, skus: &[String], now: Timestamp) {
        let Some(shelf) = self.shelves.offers.get_mut(&shop_id) else { return };
        for sku in skus {
            if let Some(offer) = shelf.get_mut(sku) {
                (offer.deleted, offer.updated) = (true, now);
            }
        }
    }

    /// A shop's offers by SKU, deleted ones included.
    pub fn offers(&self, shop_id: i64) -> impl Iterator<Item = &Offer> {
        self.shelves.offers.get(&shop_id).into_iter().flat_map(BTreeMap::values)
    }

    /// A shop's offer, unless it is deleted.
    #[must_use]
    pub fn offer(&self, shop_id: i64, shop_sku: &str) -> Option<&Offer> {
        self.shelves.offers.get(&shop_id)?.get(shop_sku).filter(|offer| !offer.deleted)
    }

    /// Orders that did not arrive because an offer had not so many pieces.
    #[must_use]
    pub fn refused_sales(&self) -> u64 {
        self.shelves.refused_sales
    }

    /// What becomes of the shop's next imports, one after the other; those after them complete.
    pub fn spoil_imports(&mut self, shop_id: i64, fates: impl IntoIterator<Item = ImportFate>) {
        self.shelves.fates.entry(shop_id).or_default().extend(fates);
    }

    /// STO01 and OF01: takes a file in, to be applied later; answers its `import_id`. A shop's
    /// imports wait for each other.
    pub fn begin_import(
        &mut self,
        kind: ImportKind,
        shop_id: i64,
        lines: Vec<ImportLine>,
        now: Timestamp,
    ) -> String {
        let shelves = &mut self.shelves;
        shelves.next_import += 1;
        let number = shelves.next_import;
        let import_id = match kind {
            ImportKind::Stock => format!("{number:08x}-5706-4000-8000-{shop_id:012x}"),
            ImportKind::Offers => number.to_string(),
        };
        let fate =
            shelves.fates.get_mut(&shop_id).and_then(VecDeque::pop_front).unwrap_or_default();
        let turn = shelves.queue_ends.get(&shop_id).copied().unwrap_or(now);
        let starts = turn.max(now + seconds(self.settings.import_wait_seconds));
        let ready = starts + seconds(self.settings.import_run_seconds);
        let ends = match fate {
            ImportFate::Stuck { seconds } => ready
                .saturating_add(SignedDuration::from_secs(seconds as i64))
                .unwrap_or(Timestamp::MAX),
            _ => ready,
        };
        shelves.queue_ends.insert(shop_id, ready);
        shelves.due.insert((ends, number));
        let import = Import {
            import_id: import_id.clone(),
            kind,
            shop_id,
            created: now,
            starts,
            ends,
            fate,
            lines_read: lines.len(),
            updated: 0,
            deleted: 0,
            errors: Vec::new(),
            lines,
        };
        shelves.imports.insert(number, import);
        import_id
    }

    /// An import that the shop sent and that is not lost.
    #[must_use]
    pub fn import(&self, kind: ImportKind, shop_id: i64, import_id: &str) -> Option<&Import> {
        let number = match kind {
            ImportKind::Stock => u64::from_str_radix(import_id.split('-').next()?, 16).ok()?,
            ImportKind::Offers => import_id.parse().ok()?,
        };
        let known = self.shelves.imports.get(&number)?;
        let told = known.import_id == import_id
            && known.shop_id == shop_id
            && !matches!(known.fate, ImportFate::Lost { .. });
        told.then_some(known)
    }

    /// Every import, oldest first.
    pub fn imports(&self) -> impl Iterator<Item = &Import> {
        self.shelves.imports.values()
    }

    /// Forgets imports that ended before a time, so that a long simulation does not keep them.
    pub fn forget_imports(&mut self, before: Timestamp) {
        let shelves = &mut self.shelves;
        shelves.imports.retain(|number, import| {
            import.ends >= before || shelves.due.contains(&(import.ends, *number))
        });
    }

    /// Applies the import whose time has come.
    pub(super) fn end_import(&mut self, number: u64) {
        let shelves = &mut self.shelves;
        let Some(import) = shelves.imports.get_mut(&number) else { return };
        shelves.due.remove(&(import.ends, number));
        let lines = std::mem::take(&mut import.lines);
        if matches!(import.fate, ImportFate::Fails | ImportFate::Lost { applied: false }) {
            return;
        }
        let shelf = shelves.offers.entry(import.shop_id).or_default();
        for (index, line) in lines.into_iter().enumerate() {
            match apply(shelf, import.kind, &line, import.ends) {
                Ok(true) => import.deleted += 1,
                Ok(false) => import.updated += 1,
                Err(reason) => import.errors.push(LineError { number: index + 1, reason, line }),
            }
        }
    }

    /// Takes the pieces of an order off its offers. False, and nothing happens, where an offer has
    /// not so many or is not active. What the shop has no offer of is sold without end: so are
    /// orders of SKUs that nobody set up.
    pub(super) fn sell(&mut self, order: &mut Order, now: Timestamp) -> bool {
        let Some(shelf) = self.shelves.offers.get_mut(&order.shop_id) else { return true };
        let mut wanted: BTreeMap<&str, u32> = BTreeMap::new();
        for line in &order.lines {
            *wanted.entry(&line.offer_sku).or_default() += line.quantity;
        }
        let lacks = |(sku, pieces): (&&str, &u32)| {
            shelf.get(*sku).is_some_and(|offer| !offer.is_for_sale() || offer.quantity < *pieces)
        };
        if wanted.iter().any(lacks) {
            self.shelves.refused_sales += 1;
            return false;
        }
        for line in &mut order.lines {
            if let Some(offer) = shelf.get_mut(&line.offer_sku) {
                offer.quantity -= line.quantity;
                offer.updated = now;
                line.offer_id = offer.offer_id;
            }
        }
        true
    }

    /// Puts pieces back on their offers.
    pub(super) fn restock(&mut self, shop_id: i64, pieces: &[(String, u32)], at: Timestamp) {
        let Some(shelf) = self.shelves.offers.get_mut(&shop_id) else { return };
        for (sku, pieces) in pieces {
            if let Some(offer) = shelf.get_mut(sku) {
                offer.quantity = offer.quantity.saturating_add(*pieces).min(MOST_PIECES);
                offer.updated = offer.updated.max(at);
            }
        }
    }
}

/// Applies a line: true if it deleted. In Mirakl's order of checks as far as known; the wording of
/// reasons is ours.
fn apply(
    shelf: &mut BTreeMap<String, Offer>,
    kind: ImportKind,
    line: &ImportLine,
    at: Timestamp,
) -> Result<bool, String> {
    let ImportLine { sku, quantity, warehouse_code, update_delete } = line;
    if sku.is_empty() {
        return Err("The SKU of the offer is required".to_owned());
    }
    if sku.chars().count() > LONGEST_SKU {
        return Err(format!("The SKU of the offer must not exceed {LONGEST_SKU} characters"));
    }
    if !warehouse_code.is_empty() {
        return Err(format!("The warehouse {warehouse_code} does not exist"));
    }
    let delete = match update_delete.as_str() {
        "" | "update" => false,
        "delete" => true,
        other => return Err(format!("The value '{other}' of update-delete is not allowed")),
    };
    let Some(offer) = shelf.get_mut(sku).filter(|offer| !offer.deleted) else {
        let what = if kind == ImportKind::Stock {
            "The offer does not exist"
        } else {
            "The product does not exist"
        };
        return Err(what.to_owned());
    };
    let pieces = if delete {
        0
    } else {
        let digits = !quantity.is_empty() && quantity.bytes().all(|digit| digit.is_ascii_digit());
        if !digits {
            return Err(format!("The quantity '{quantity}' is not a positive integer"));
        }
        let pieces = quantity.parse().ok().filter(|pieces| *pieces <= MOST_PIECES);
        pieces.ok_or_else(|| format!("The quantity must not exceed {MOST_PIECES}"))?
    };
    offer.quantity = pieces;
    offer.deleted = delete && kind == ImportKind::Offers;
    offer.updated = at;
    Ok(delete)
}
