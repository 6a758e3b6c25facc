//! The client of one channel's order operations over HTTP.

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use reqwest::{Client, Method, Url};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::account::{Account, PlatformConfiguration};
use super::call::{Call, Repeat};
use super::caller::Caller;
pub use super::keys::ApiKeys;
use super::wire::{null_as_default, text};
use super::{
    MiraklError, MiraklOrders, OrderPage, OrderQuery, ReferenceAnswer, SellerReference, page,
};
use crate::kit::clock::Clock;
use crate::kit::http::{Jitter, builder};

/// Mirakl's largest page, and the most ids or orders in one call. Left out, `max` is ten in
/// silence.
const MOST: usize = 100;

/// What a base URL takes, for a person.
pub const BASE_URL_TAKES: &str =
    "takes the marketplace's https address without a path, such as \"https://example.mirakl.net\"";

/// One shop on one marketplace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shop<'a> {
    /// The channel's id, under which its key is read.
    pub channel_id: &'a str,
    /// `https://<instance>.mirakl.net` or the marketplace's own domain, without `/api`.
    pub base_url: &'a str,
    /// `shop_id`; left out, Mirakl takes the key's default shop.
    pub shop_id: Option<i64>,
}

/// A base URL that is fit for use: HTTPS without path, query or user; plain HTTP only to this very
/// machine, where the simulators live.
#[must_use]
pub fn usable_base_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let local = matches!(url.host(), Some(url::Host::Ipv4(address)) if address.is_loopback());
    let usable = (url.scheme() == "https" || (url.scheme() == "http" && local))
        && url.has_host()
        && matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    usable.then_some(url)
}

/// Hands out clients that share one pool of connections.
#[derive(Debug)]
pub struct HttpDirectory<K, C> {
    keys: Arc<K>,
    clock: C,
    http: OnceLock<Client>,
    jitter: Arc<Jitter>,
}

impl<K: ApiKeys, C: Clock + Clone> HttpDirectory<K, C> {
    /// A directory that reads keys from `keys`. The HTTP client is built at the first call: it
    /// loads the trusted certificates, which a cold start should not wait for twice.
    pub fn new(keys: K, clock: C) -> Self {
        // Two processes do not start at the same nanosecond.
        let seed = clock.now().as_nanosecond().to_le_bytes();
        let seed = u64::from_le_bytes([
            seed[0], seed[1], seed[2], seed[3], seed[4], seed[5], seed[6], seed[7],
        ]);
        Self {
            keys: Arc::new(keys),
            clock,
            http: OnceLock::new(),
            jitter: Arc::new(Jitter::seeded(seed)),
        }
    }

    /// With waits that are spread by `seed`, to live through the same again.
    #[must_use]
    pub fn with_jitter_seed(self, seed: u64) -> Self {
        Self { jitter: Arc::new(Jitter::seeded(seed)), ..self }
    }

    fn http(&self) -> Result<Client, MiraklError> {
        if let Some(http) = self.http.get() {
            return Ok(http.clone());
        }
        let http = builder().build().map_err(|problem| {
            MiraklError::not_sent("connect", format!("no HTTP client can be made: {problem}"))
        })?;
        Ok(self.http.get_or_init(|| http).clone())
    }

    /// The client of a shop.
    ///
    /// # Errors
    /// The base URL is not fit for use.
    pub fn client_of(
        &self,
        shop: Shop<'_>,
        deadline: Timestamp,
    ) -> Result<MiraklClient<K, C>, MiraklError> {
        let unusable = || MiraklError::not_sent("connect", format!("base_url: {BASE_URL_TAKES}"));
        let base = usable_base_url(shop.base_url).ok_or_else(unusable)?;
        Ok(MiraklClient {
            caller: Caller {
                http: self.http()?,
                base,
                shop_id: shop.shop_id,
                channel_id: shop.channel_id.to_owned(),
                keys: Arc::clone(&self.keys),
                clock: self.clock.clone(),
                jitter: Arc::clone(&self.jitter),
                deadline,
            },
        })
    }
}

/// One channel's operations.
#[derive(Debug)]
pub struct MiraklClient<K, C> {
    pub(super) caller: Caller<K, C>,
}

#[derive(Serialize)]
struct Acceptance<'a> {
    order_lines: Vec<LineAcceptance<'a>>,
}

#[derive(Serialize)]
struct LineAcceptance<'a> {
    accepted: bool,
    id: &'a str,
}

#[derive(Serialize)]
struct OrderUpdates<'a> {
    orders: Vec<OrderUpdate<'a>>,
}

#[derive(Serialize)]
struct OrderUpdate<'a> {
    order_id: &'a str,
    references: ReferenceUpdate<'a>,
}

#[derive(Serialize)]
struct ReferenceUpdate<'a> {
    order_reference_for_seller: &'a str,
}

#[derive(Deserialize)]
struct UpdatedOrders {
    #[serde(default, deserialize_with = "null_as_default")]
    updated_orders: Vec<UpdatedOrder>,
}

#[derive(Deserialize)]
struct UpdatedOrder {
    #[serde(default, deserialize_with = "text")]
    order_id: Option<String>,
    /// What was updated: an object; of an order that was not, it is left out, null or empty.
    #[serde(default)]
    updated: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "null_as_default")]
    errors: Vec<ItemError>,
}

#[derive(Deserialize)]
struct ItemError {
    #[serde(default, deserialize_with = "text")]
    code: Option<String>,
    #[serde(default, deserialize_with = "text")]
    message: Option<String>,
}

impl<K: ApiKeys, C: Clock> MiraklClient<K, C> {
    /// V01: whether the instance answers at all. Needs no key, so that it tells a wrong host from a
    /// wrong key.
    ///
    /// # Errors
    /// It does not.
    pub async fn version(&self) -> Result<(), MiraklError> {
        self.caller.send(&Call::get("V01", &["api", "version"]).without_key()).await.map(drop)
    }

    /// A01: the shop behind the key.
    ///
    /// # Errors
    /// The key is refused, or the answer cannot be read.
    pub async fn account(&self) -> Result<Account, MiraklError> {
        let (account, unread_fields) =
            self.caller.read_leniently(&Call::get("A01", &["api", "account"]), |_| false).await?;
        Ok(Account { unread_fields, ..account })
    }

    /// PC01: how the marketplace is set up.
    ///
    /// # Errors
    /// The key lacks the right, or the answer cannot be read.
    pub async fn platform_configuration(&self) -> Result<PlatformConfiguration, MiraklError> {
        // Whether it ships in parts decides how a dispatch is told.
        let needed = |field: &str| {
            matches!(field, "features" | "features.shipment" | "features.shipment.multi_shipment")
        };
        let call = Call::get("PC01", &["api", "platform", "configuration"]);
        let (configuration, unread_fields) = self.caller.read_leniently(&call, needed).await?;
        Ok(PlatformConfiguration { unread_fields, ..configuration })
    }
}

impl<K: ApiKeys, C: Clock> MiraklOrders for MiraklClient<K, C> {
    async fn list_orders(
        &self,
        query: &OrderQuery,
        offset: usize,
    ) -> Result<OrderPage, MiraklError> {
        at_most_100("OR11", query.order_ids.len())?;
        let mut call = Call::get("OR11", &["api", "orders"])
            .query("max", MOST.to_string())
            .query("offset", offset.to_string());
        call = call.query("sort", "dateCreated").query("order", "asc");
        if !query.states.is_empty() {
            let codes: Vec<_> = query.states.iter().map(super::OrderState::code).collect();
            call = call.query("order_state_codes", codes.join(","));
        }
        if !query.order_ids.is_empty() {
            call = call.query("order_ids", query.order_ids.join(","));
        }
        if let Some(from) = query.updated_from {
            // Whole seconds: a form that every instance reads.
            call = call.query("start_update_date", from.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        }
        call.limit_waited_until = query.limit_waited_until;
        let body = self.caller.send(&call).await?;
        page::read(&body)
    }

    async fn accept_order(
        &self,
        order_id: &str,
        order_line_ids: &[String],
    ) -> Result<(), MiraklError> {
        if order_line_ids.is_empty() {
            return Err(MiraklError::not_sent(
                "OR21",
                "an order without lines: each line has to be decided",
            ));
        }
        let order_lines =
            order_line_ids.iter().map(|id| LineAcceptance { accepted: true, id }).collect();
        let call = Call::new(
            "OR21",
            Method::PUT,
            &["api", "orders", order_id, "accept"],
            Repeat::Convergent,
        )
        .json(&Acceptance { order_lines })?;
        self.caller.send(&call).await.map(drop)
    }

    async fn write_references(
        &self,
        references: &[SellerReference],
    ) -> Result<Vec<ReferenceAnswer>, MiraklError> {
        at_most_100("OR04", references.len())?;
        let orders = references
            .iter()
            .map(|one| OrderUpdate {
                order_id: &one.order_id,
                references: ReferenceUpdate { order_reference_for_seller: &one.reference },
            })
            .collect();
        let call = Call::new("OR04", Method::PUT, &["api", "orders"], Repeat::Convergent)
            .json(&OrderUpdates { orders })?;
        let answer: UpdatedOrders = self.caller.read(&call).await?;
        let mut answers: Vec<_> =
            answer.updated_orders.into_iter().filter_map(UpdatedOrder::into_answer).collect();
        // Whatever the answer leaves out was not kept, as far as anybody knows.
        for one in references {
            if !answers.iter().any(|answer| answer.order_id == one.order_id) {
                let refused = Some("Mirakl's answer does not name this order".to_owned());
                answers.push(ReferenceAnswer { order_id: one.order_id.clone(), refused });
            }
        }
        Ok(answers)
    }
}

fn at_most_100(operation: &'static str, number: usize) -> Result<(), MiraklError> {
    if number > MOST {
        return Err(MiraklError::not_sent(
            operation,
            format!("{number} orders in one call; Mirakl takes {MOST}"),
        ));
    }
    Ok(())
}

impl UpdatedOrder {
    fn into_answer(self) -> Option<ReferenceAnswer> {
        let errors: Vec<_> = self.errors.into_iter().map(ItemError::into_text).collect();
        let is_updated =
            self.updated.is_some_and(|updated| !matches!(updated.get(), "null" | "false" | "{}"));
        let refused = match is_updated {
            _ if !errors.is_empty() => Some(errors.join("; ")),
            false => Some("not updated, for no given reason".to_owned()),
            true => None,
        };
        Some(ReferenceAnswer { order_id: self.order_id?, refused })
    }
}

impl ItemError {
    fn into_text(self) -> String {
        [self.code, self.message].into_iter().flatten().collect::<Vec<_>>().join(": ")
    }
}
