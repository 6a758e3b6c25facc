//! Looking up many hashes in a list of a million that is in their order. Each for itself would have
//! to wait for memory many times; in the order of the list they find it near.

/// How far is looked at first from the last hash that was looked up.
const FIRST_STEP: usize = 16;

/// Look-ups in the order of the hashes.
#[derive(Debug)]
pub(super) struct Walk<'e, T> {
    entries: &'e [T],
    /// What is before it is smaller than the last hash that was looked up.
    at: usize,
}

impl<'e, T> Walk<'e, T> {
    /// From the beginning of `entries`, each of which has a larger hash than the one before.
    pub(super) fn new(entries: &'e [T]) -> Self {
        Self { entries, at: 0 }
    }

    /// The place of a hash. None may be smaller than the one looked up before.
    pub(super) fn find(&mut self, hash: u64, hash_of: impl Fn(&T) -> u64) -> Option<usize> {
        let rest = self.entries.get(self.at..)?;
        // Further and further steps, then between the last two.
        let (mut from, mut to) = (0, FIRST_STEP);
        while rest.get(to).is_some_and(|entry| hash_of(entry) < hash) {
            (from, to) = (to, 2 * to);
        }
        let between = rest.get(from..rest.len().min(to + 1))?;
        self.at += from + between.partition_point(|entry| hash_of(entry) < hash);
        self.entries.get(self.at).is_some_and(|entry| hash_of(entry) == hash).then_some(self.at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_finds_what_a_binary_search_finds(
            mut hashes in prop::collection::vec(prop_oneof![any::<u64>(), 0..100_u64, (u64::MAX - 100)..=u64::MAX], 0..400),
            others in prop::collection::vec(any::<u64>(), 0..20),
            share in 1..40_usize,
        ) {
            hashes.sort_unstable();
            hashes.dedup();
            let mut looked_up: Vec<u64> = hashes.iter().step_by(share).chain(&others).copied().chain([0, 0, 1, u64::MAX - 1, u64::MAX]).collect();
            looked_up.sort_unstable();
            let mut walk = Walk::new(&hashes);
            for hash in looked_up {
                prop_assert_eq!(walk.find(hash, |hash| *hash), hashes.binary_search(&hash).ok());
            }
        }
    }
}
