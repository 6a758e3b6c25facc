#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn value() -> impl Strategy<Value = Shown> {
    let quantity = || prop_oneof![0..5_u32, any::<u32>()];
    prop_oneof![
        quantity().prop_map(Shown::Known),
        quantity().prop_map(Shown::Unknown),
        quantity().prop_map(Shown::InDoubt),
        Just(Shown::Never)
    ]
}

fn hash() -> impl Strategy<Value = u64> {
    prop_oneof![0..40_u64, any::<u64>(), Just(u64::MAX)]
}

fn changes(most: usize) -> impl Strategy<Value = Vec<Change>> {
    prop::collection::vec(
        (hash(), value()).prop_map(|(sku_hash, value)| Change { sku_hash, value }),
        0..most,
    )
}

fn read(parts: &[Vec<u8>]) -> Result<Vec<Change>, &'static str> {
    let mut set = Vec::new();
    parts.iter().try_for_each(|part| decode(part, &mut set))?;
    Ok(set)
}

proptest! {
    #[test]
    fn a_set_reads_back_as_it_was_written(changes in changes(200)) {
        let set: BTreeMap<u64, Shown> = changes.iter().map(|change| (change.sku_hash, change.value)).collect();
        let set: Vec<Change> = set.into_iter().map(|(sku_hash, value)| Change { sku_hash, value }).collect();
        prop_assert_eq!(read(&encode(set.iter().copied())), Ok(set));
    }

    #[test]
    fn a_ledger_is_what_the_last_changes_say(rounds in prop::collection::vec(changes(60), 0..6)) {
        let (mut ledger, mut model) = (Ledger::default(), BTreeMap::new());
        for changes in &rounds {
            let set = ledger.effective(changes);
            let by_hash: BTreeMap<u64, Shown> = changes.iter().map(|change| (change.sku_hash, change.value)).collect();
            let differing = by_hash.iter().filter(|(hash, value)| model.get(*hash).copied().unwrap_or(Shown::Never) != **value);
            prop_assert!(set.iter().map(|change| (&change.sku_hash, &change.value)).eq(differing), "no more than what changes something");
            ledger.apply(&set);
            model.extend(by_hash);
        }
        for (hash, value) in &model {
            prop_assert_eq!(ledger.shown(*hash), *value);
        }
        model.retain(|_, value| *value != Shown::Never);
        prop_assert!(ledger.entries().map(|entry| (entry.sku_hash, entry.value)).eq(model), "all of them, in order");
    }

    #[test]
    fn whatever_is_read_is_an_error_or_in_order(inside in prop::collection::vec(any::<u8>(), 0..60), is_sealed: bool) {
        let part = if is_sealed { sealed([vec![FORM], inside].concat()) } else { inside };
        let mut set = vec![Change { sku_hash: 3, value: Shown::Known(1) }];
        match decode(&part, &mut set) {
            Ok(()) => prop_assert!(set.windows(2).all(|pair| pair[0].sku_hash < pair[1].sku_hash)),
            Err(_) => prop_assert_eq!(set.len(), 1, "nothing is added"),
        }
    }

    #[test]
    fn a_part_that_was_damaged_anywhere_is_refused(place in 0..10_000_usize, bit in 0..8_u8) {
        let mut part = encode((0..50).map(|number| Change { sku_hash: number << 40, value: Shown::Known(7) })).remove(0);
        let place = place % part.len();
        prop_assert!(read(&[part[..place].to_vec()]).is_err(), "cut short");
        part[place] ^= 1 << bit;
        prop_assert!(read(&[part]).is_err());
    }
}

#[test]
fn the_hash_and_the_form_are_those_of_what_is_kept_already() {
    // As another implementation of XXH3 has it.
    assert_eq!(sku_hash("COAT-RED-12"), 0xbc9d_6bd9_b1c4_a76a);
    let set = [
        (5, Shown::Known(3)),
        (6, Shown::Unknown(200)),
        (70_000, Shown::InDoubt(0)),
        (u64::MAX, Shown::Never),
    ];
    let part = encode(set.map(|(sku_hash, value)| Change { sku_hash, value })).remove(0);
    assert_eq!(
        part[..part.len() - CHECK],
        [
            1, 5, 12, 1, 0xa1, 6, 0xea, 0xa2, 4, 2, 0x8f, 0xdd, 0xfb, 0xff, 0xff, 0xff, 0xff, 0xff,
            0xff, 1, 3
        ]
    );
}

#[test]
fn a_number_beyond_64_bits_is_refused() {
    let too_large = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02];
    assert_eq!(read_number(&mut &too_large[..]), Err("a number is too large"));
    assert_eq!(read_number(&mut &[0x80][..]), Err("it ends within a number"));
    for number in [0, 127, 128, u64::MAX] {
        let mut bytes = Vec::new();
        write_number(&mut bytes, number);
        assert_eq!(read_number(&mut &bytes[..]), Ok(number));
    }
}

/// Two SKUs with one hash are found, and a SKU that comes twice is no collision.
#[test]
fn hash_collisions_are_found_and_repeated_skus_are_none() {
    let of_length = |sku: &str| sku.len() as u64;
    assert_eq!(collisions_of(["A", "BB", "C", "BB"], of_length), [("A", "C")]);
    assert_eq!(collisions(["A", "BB", "C", "BB"]), []);
}

#[test]
fn a_million_entries_fit_into_parts_that_items_can_hold() {
    let mut ledger = Ledger::default();
    let set: Vec<Change> = (0..1_000_000)
        .map(|number| Change {
            sku_hash: sku_hash(&number.to_string()),
            value: Shown::Known(number % 50),
        })
        .collect();
    ledger.apply(&ledger.effective(&set));
    let parts = encode(ledger.entries());
    assert!(parts.iter().all(|part| part.len() <= LARGEST_PART));
    let bytes: usize = parts.iter().map(Vec::len).sum();
    assert!(bytes < 8_500_000, "{bytes} bytes for a million entries");
    let mut again = Ledger::default();
    again.apply(&read(&parts).unwrap());
    assert!(again == ledger);
    let mut swapped = parts;
    swapped.swap(0, 1);
    assert_eq!(read(&swapped), Err("its entries are not in order"));
}
