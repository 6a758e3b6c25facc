//! A channel: one shop on one Mirakl marketplace, as its definition document says.
//!
//! The document holds only what acknowledging needs. How an order becomes a Prima order stands in a
//! document of its own ([`crate::domain::order::rules`]), so that a mistake there can never stop
//! acceptance.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::kit::clock::Clock;
use crate::kit::field_error::FieldError;
use crate::mirakl::MiraklError;
use crate::mirakl::client::{
    ApiKeys, BASE_URL_TAKES, HttpDirectory, MiraklClient, Shop, usable_base_url,
};

/// How far a flow of a channel goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Does nothing.
    #[default]
    Off,
    /// Does everything but write, and shows what it would send.
    Observe,
    /// Works.
    Live,
}

/// A channel's definition document. Unknown fields are refused: a misspelt setting must not be
/// ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// Short name, used in keys, metrics and commands: small letters, digits and `-`.
    pub id: String,
    /// For people.
    #[serde(default)]
    pub name: String,
    /// `https://<instance>.mirakl.net` or the marketplace's own domain, without `/api`.
    pub base_url: String,
    /// `shop_id`; left out, Mirakl takes the key's default shop.
    #[serde(default)]
    pub shop_id: Option<i64>,
    /// The orders flow: `off`, `observe` or `live`.
    #[serde(default)]
    pub orders: Mode,
    /// The dispatch flow: `off`, `observe` or `live`.
    #[serde(default)]
    pub dispatches: Mode,
    /// The stock flow: `off`, `observe` or `live`.
    #[serde(default)]
    pub stock: Mode,
    /// The payouts flow: `off`, `observe` (everything but posting) or `live`. Needs `shop_id`.
    #[serde(default)]
    pub payouts: Mode,
    /// Orders created before this moment that somebody else had accepted were keyed by hand: they
    /// are never created in Prima, unless an operator adopts them one by one.
    pub take_over_from: Timestamp,
    /// Minutes that the marketplace gives to accept an order. At least four listing intervals.
    pub acceptance_window_minutes: u32,
    /// Minutes left of the window at which a waiting order becomes an alert; a quarter of the
    /// window by default.
    #[serde(default)]
    pub warn_minutes_left: Option<u32>,
    /// Minutes between listings: 1; 15 where the key is under Mirakl's "External Partner" limits.
    #[serde(default = "one")]
    pub listing_interval_minutes: u32,
    /// Orders accepted at once. 1 to 32.
    #[serde(default = "eight")]
    pub concurrent_accepts: usize,
    /// The fulfilment centres from which the shop ships itself (`fulfillment.center.code`); orders
    /// of any other are the marketplace's. An order that names none is the shop's.
    #[serde(default = "default_center")]
    pub fulfillment_centers: Vec<String>,
}

/// Mirakl's code of the shop's own centre, on marketplaces that name no other.
#[must_use]
pub fn default_center() -> Vec<String> {
    vec!["DEFAULT".to_owned()]
}

fn one() -> u32 {
    1
}

fn eight() -> usize {
    8
}

impl Channel {
    /// Everything that is wrong with the definition, one entry a field; empty when it is fit for
    /// use.
    #[must_use]
    pub fn problems(&self) -> Vec<FieldError> {
        let mut problems = Vec::new();
        let mut require = |holds: bool, field: &str, problem: &str| {
            if !holds {
                problems.push(FieldError::new(field, problem));
            }
        };
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        require(
            (1..=40).contains(&self.id.len()) && self.id.chars().all(plain),
            "id",
            "takes 1 to 40 small letters, digits and '-', such as \"outfitter-uk\"",
        );
        require(usable_base_url(&self.base_url).is_some(), "base_url", BASE_URL_TAKES);
        require(
            (1..=60).contains(&self.listing_interval_minutes),
            "listing_interval_minutes",
            "takes 1 to 60: 1, or 15 under Mirakl's \"External Partner\" limits",
        );
        require(
            u64::from(self.acceptance_window_minutes)
                >= 4 * u64::from(self.listing_interval_minutes),
            "acceptance_window_minutes",
            "is shorter than four listing intervals: ask the marketplace for its acceptance window, or list more often",
        );
        require(
            self.warn_minutes_left.is_none_or(|left| left < self.acceptance_window_minutes),
            "warn_minutes_left",
            "must be less than acceptance_window_minutes",
        );
        require((1..=32).contains(&self.concurrent_accepts), "concurrent_accepts", "takes 1 to 32");
        require(
            self.payouts == Mode::Off || self.shop_id.is_some(),
            "shop_id",
            "is needed for payouts: a cycle is named by its marketplace and its shop",
        );
        let centers = &self.fulfillment_centers;
        let is_code = |code: &String| !code.is_empty() && code.trim() == code;
        let is_once = |code: &String| centers.iter().filter(|other| *other == code).count() == 1;
        require(
            !centers.is_empty() && centers.iter().all(|code| is_code(code) && is_once(code)),
            "fulfillment_centers",
            "takes the codes of the shop's own fulfilment centres, each once, such as [\"DEFAULT\"]",
        );
        problems
    }

    /// The shop that its client calls.
    #[must_use]
    pub fn shop(&self) -> Shop<'_> {
        Shop { channel_id: &self.id, base_url: &self.base_url, shop_id: self.shop_id }
    }

    /// The acceptance window.
    #[must_use]
    pub fn acceptance_window(&self) -> Duration {
        Duration::from_secs(60 * u64::from(self.acceptance_window_minutes))
    }

    /// The time left at which a waiting order becomes an alert.
    #[must_use]
    pub fn warn_when_left(&self) -> Duration {
        Duration::from_secs(
            60 * u64::from(self.warn_minutes_left.unwrap_or(self.acceptance_window_minutes / 4)),
        )
    }
}

/// Hands out the client of a channel, which is where the API key is read.
pub trait MiraklDirectory {
    /// The client of one channel.
    type Client;

    /// The client of `channel`; every call through it ends before `deadline`.
    ///
    /// # Errors
    /// The key cannot be read, or the channel's base URL is not fit for use.
    async fn client(
        &self,
        channel: &Channel,
        deadline: Timestamp,
    ) -> Result<Self::Client, MiraklError>;
}

impl<T: MiraklDirectory> MiraklDirectory for &T {
    type Client = T::Client;

    async fn client(
        &self,
        channel: &Channel,
        deadline: Timestamp,
    ) -> Result<Self::Client, MiraklError> {
        (**self).client(channel, deadline).await
    }
}

impl<K: ApiKeys, C: Clock + Clone> MiraklDirectory for HttpDirectory<K, C> {
    type Client = MiraklClient<K, C>;

    async fn client(
        &self,
        channel: &Channel,
        deadline: Timestamp,
    ) -> Result<Self::Client, MiraklError> {
        self.client_of(channel.shop(), deadline)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    fn sound() -> Channel {
        serde_json::from_str(
            r#"{"id":"outfitter-uk","base_url":"https://outfitter.mirakl.net","shop_id":2001,"orders":"live",
                "take_over_from":"2026-11-01T00:00:00Z","acceptance_window_minutes":1440}"#,
        )
        .unwrap()
    }

    #[test]
    fn a_sound_definition_has_no_problems_and_sane_defaults() {
        let channel = sound();
        assert_eq!(channel.problems(), []);
        assert_eq!((channel.listing_interval_minutes, channel.concurrent_accepts), (1, 8));
        assert_eq!(channel.fulfillment_centers, ["DEFAULT"]);
        assert_eq!(channel.warn_when_left(), Duration::from_secs(360 * 60));
    }

    #[test]
    fn each_wrong_field_is_named() {
        let wrong = Channel {
            id: "Outfitter UK".into(),
            base_url: "http://outfitter.mirakl.net/api".into(),
            acceptance_window_minutes: 30,
            listing_interval_minutes: 15,
            warn_minutes_left: Some(30),
            concurrent_accepts: 0,
            fulfillment_centers: vec!["DEFAULT".into(), "DEFAULT".into()],
            ..sound()
        };
        let fields: Vec<_> = wrong.problems().into_iter().map(|problem| problem.field).collect();
        assert_eq!(
            fields,
            [
                "id",
                "base_url",
                "acceptance_window_minutes",
                "warn_minutes_left",
                "concurrent_accepts",
                "fulfillment_centers"
            ]
        );
        for centers in [vec![], vec![String::new()], vec![" WH1".to_owned()]] {
            let wrong = Channel { fulfillment_centers: centers, ..sound() };
            assert_eq!(wrong.problems().len(), 1);
        }
    }

    #[test]
    fn a_misspelt_setting_is_refused() {
        assert!(serde_json::from_str::<Channel>(r#"{"id":"a","base_url":"https://a.b","take_over_from":"2026-11-01T00:00:00Z","acceptance_window_minutes":9,"ordres":"live"}"#).is_err());
    }
}
