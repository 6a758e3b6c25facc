//! The offers of a channel, as the latest export or listing named them: one SKU a line, below a
//! heading that says when.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A channel's offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffersList {
    heading: Heading,
    /// One SKU a line.
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Heading {
    listed_at: Timestamp,
    offers: usize,
}

impl OffersList {
    /// None yet, as of a moment: SKUs are added.
    #[must_use]
    pub fn new(listed_at: Timestamp) -> Self {
        Self { heading: Heading { listed_at, offers: 0 }, text: String::new() }
    }

    /// Adds an offer. False, and nothing added, where its SKU cannot stand in a list, nor in an
    /// import.
    pub fn add(&mut self, offer_sku: &str) -> bool {
        let fits = !offer_sku.is_empty() && !offer_sku.chars().any(char::is_control);
        if fits {
            self.text.push_str(offer_sku);
            self.text.push('\n');
            self.heading.offers += 1;
        }
        fits
    }

    /// When Mirakl was asked for it.
    #[must_use]
    pub fn listed_at(&self) -> Timestamp {
        self.heading.listed_at
    }

    /// How many offers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heading.offers
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heading.offers == 0
    }

    /// The offers' SKUs.
    pub fn skus(&self) -> impl Iterator<Item = &str> {
        self.text.lines()
    }

    /// Leaves these out.
    pub fn remove(&mut self, skus: &std::collections::HashSet<String>) {
        let kept: Vec<&str> = self.text.lines().filter(|sku| !skus.contains(*sku)).collect();
        let mut list = Self::new(self.heading.listed_at);
        kept.into_iter().for_each(|sku| {
            list.add(sku);
        });
        *self = list;
    }

    /// As it is kept.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // A moment and a number: nothing of it can fail to be written.
        let mut bytes = serde_json::to_vec(&self.heading).unwrap_or_default();
        bytes.push(b'\n');
        bytes.extend_from_slice(self.text.as_bytes());
        bytes
    }

    /// Reads what was kept.
    ///
    /// # Errors
    /// In which way it is none. The next export makes it anew.
    pub fn decode(bytes: Vec<u8>) -> Result<Self, &'static str> {
        let mut text = String::from_utf8(bytes).map_err(|_| "it is no text")?;
        let end = text.find('\n').ok_or("it has no heading")?;
        let heading: Heading =
            serde_json::from_str(&text[..end]).map_err(|_| "its heading cannot be read")?;
        // In place: there may be a million.
        text.drain(..=end);
        if text.lines().count() != heading.offers {
            return Err("it is cut short");
        }
        Ok(Self { heading, text })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    #[test]
    fn a_list_reads_back_whatever_its_skus_hold() {
        let mut list = OffersList::new(Timestamp::UNIX_EPOCH);
        for sku in ["A;1", "\"B\"", "Größe 42", "C"] {
            assert!(list.add(sku));
        }
        assert!(!list.add("two\nlines") && !list.add(""));
        assert_eq!(
            (list.len(), list.skus().collect::<Vec<_>>()),
            (4, vec!["A;1", "\"B\"", "Größe 42", "C"])
        );
        let bytes = list.encode();
        assert_eq!(OffersList::decode(bytes.clone()).unwrap(), list);
        assert!(OffersList::decode(bytes[..bytes.len() - 2].to_vec()).is_err());
        list.remove(&["C".to_owned()].into());
        assert_eq!(OffersList::decode(list.encode()).unwrap().len(), 3);
    }
}
