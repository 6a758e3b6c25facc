//! What the simulation of dispatches adds to the world: how its marketplaces and Prima misbehave.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use shared::domain::channel_documents::{
    ChannelDocument, ChannelDocuments, ChannelList, Freshness,
};
use shared::domain::documents::{DocumentKey, UnusableDocument};
use shared::kit::odd_form::OddForm;
use shared::mirakl::MiraklError;
use shared::prima::sku::SkuOverride;
use simulators::mirakl::Marketplace;
use simulators::prima::{Installation, OrderStatusAnswer, order_status_document};

use super::run::care_at_once;
use super::world::{CHANNELS, Heard, Odd, SHOPS, World};
use crate::world::dice::Dice;
use crate::world::documents::as_asked;
use crate::world::fate::{Kind, Pace};
use crate::world::models::Models;
use crate::world::scene::{self, Scene};

/// One invocation.
pub(super) type Invocation = scene::Invocation<World>;
/// All ports of one invocation.
pub(super) type Port = scene::Port<World>;

impl Scene for World {
    type Notes = RefCell<Vec<Heard>>;

    // A scripted run is spoilt at one call after the other: its calls are those of its story.
    fn spoils_slots(&self) -> bool {
        !self.scripted
    }

    fn index(&self, channel: &str) -> usize {
        CHANNELS.iter().position(|id| *id == channel).unwrap_or_default()
    }

    fn latency(&self, _kind: Kind, slow: bool, dice: &Dice) -> Duration {
        Pace { usual: (1, 120), slow: (500, 15_000) }.drawn(slow, dice)
    }
}

impl Models for World {
    fn model<T>(&self, channel: usize, work: impl FnOnce(&mut Marketplace) -> T) -> Option<T> {
        self.shops.borrow_mut().get_mut(channel).map(work)
    }

    fn advance(&self, now: Timestamp) {
        for shop in self.shops.borrow_mut().iter_mut() {
            shop.advance(now);
        }
    }

    fn office(&self) -> &RefCell<Installation> {
        &self.office
    }

    fn shop_id(channel: usize) -> i64 {
        SHOPS[channel]
    }

    fn instead(
        &self,
        channel: usize,
        operations: &[&'static str],
        about: &str,
    ) -> Option<MiraklError> {
        self.no_answer(channel, operations, about)
    }

    fn got_no_answer(&self, about: &str) {
        self.note_no_answer(about);
    }

    fn answered(&self, operation: &'static str, channel: usize) {
        self.note_answer(operation, channel);
    }

    /// Notes a right that is missing. A call whose answer was lost, or that failed by chance, says
    /// nothing of rights: nobody can be told of it.
    fn hears(
        invocation: &Invocation,
        channel: usize,
        problem: &MiraklError,
        operations: &[&'static str],
    ) {
        let world = &invocation.world;
        let named = operations.iter().find(|operation| **operation == problem.operation);
        let refused =
            named.filter(|one| problem.is_key_refused() && world.is_refused(channel, one));
        if let Some(operation) = refused {
            let heard = Heard { channel, operation, at: world.now() };
            invocation.notes.borrow_mut().push(heard);
        }
    }

    /// What nobody could know of is told.
    fn tells(&self, operation: &str, order_id: &str) {
        if self.is_unclear(order_id) {
            self.violate(format!(
                "{operation} tells {order_id}, and no answer of Prima's said what has left of it"
            ));
        }
    }

    /// Customer care may refund something of the same line.
    fn refund_in_doubt(world: &Rc<Self>, order_id: String, order_line_id: String) {
        tokio::task::spawn_local(care_at_once(Rc::clone(world), order_id, order_line_id));
    }

    fn question_in_doubt(&self, order_number: &str) {
        *self.unanswered.borrow_mut().entry(order_number.to_owned()).or_default() += 1;
    }

    fn status_document(&self, order_number: &str, answer: &OrderStatusAnswer) -> String {
        match self.odd.borrow().get(order_number) {
            Some(odd) => odd_document(answer, *odd),
            None => order_status_document(order_number, answer),
        }
    }

    fn odd_fields(&self) -> Vec<OddForm> {
        self.odd_fields.borrow().clone()
    }
}

/// Prima's answer in another form than its own.
fn odd_document(answer: &OrderStatusAnswer, odd: Odd) -> String {
    let status = match odd {
        Odd::Status => String::new(),
        Odd::Word(word) => format!(r#" OrderStatus="{word}""#),
        _ => format!(r#" OrderStatus="{}""#, answer.status),
    };
    let line_name = if odd == Odd::Name { "DespatchedLine" } else { "DespatchLineData" };
    let mut text = format!(r#"<Response RequestStatus="OK"><Data{status}>"#);
    for parcel in &answer.parcels {
        let date = match odd {
            Odd::Date(date) => date.to_owned(),
            _ => parcel.at.strftime("%d/%m/%Y").to_string(),
        };
        text.push_str(&format!(
            r#"<OrderDespatchData DespatchNumber="{}" DespatchDate="{date}" Carrier="{}" CarrServ="{}" ConsignmentNumber="{}">"#,
            parcel.dispatch_number, parcel.carrier, parcel.service, parcel.consignment
        ));
        for (line, pieces) in &parcel.lines {
            let pieces = match odd {
                Odd::Nothing => "0".to_owned(),
                Odd::Words => "two".to_owned(),
                _ => pieces.to_string(),
            };
            text.push_str(&format!(r#"<{line_name} OrderLine="{line}" Quantity="{pieces}"/>"#));
        }
        text.push_str("</OrderDespatchData>");
    }
    text + "</Data></Response>"
}

impl ChannelDocuments for Port {
    async fn channels(&self) -> Result<ChannelList, UnusableDocument> {
        Ok(ChannelList { channels: self.world().channels.clone(), unusable: Vec::new() })
    }

    /// The documents of a channel are read together: the first decides whether they can be.
    async fn stored_document<D: ChannelDocument>(
        &self,
        channel: &str,
        _freshness: Freshness,
    ) -> Result<Option<D>, UnusableDocument> {
        let world = self.world();
        let index = world.index(channel);
        Ok(match D::key(channel) {
            DocumentKey::DispatchRules(_) => {
                if !self.asks(Kind::Rules, channel, || channel.to_owned()).await {
                    return Err(UnusableDocument::Unavailable("throttled".to_owned()));
                }
                if let Some(problem) = world.wrong_documents.borrow().clone() {
                    return Err(UnusableDocument::Wrong(problem));
                }
                as_asked(&world.rules[index])
            }
            DocumentKey::CarrierMap(_) => {
                world.maps.borrow().get(index).and_then(|map| as_asked(map))
            }
            DocumentKey::ShippingRequirements(_) => world
                .requirements
                .borrow()
                .get(index)
                .and_then(Option::as_ref)
                .and_then(|requirements| as_asked(requirements)),
            _ => None,
        })
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
        channel: &str,
        document: &D,
        _author: &str,
        _at: Timestamp,
    ) -> Result<(), UnusableDocument> {
        let world = self.world();
        let index = world.index(channel);
        if let Some(kept) = world.requirements.borrow_mut().get_mut(index) {
            *kept = (document as &dyn Any).downcast_ref().cloned();
        }
        Ok(())
    }
}
