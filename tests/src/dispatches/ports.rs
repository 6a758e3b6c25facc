//! What the simulation of dispatches adds to the world: calls to its marketplaces and to Prima.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use collect_dispatches::{Inbox, InboxError, Unread, Verdict};
use shared::domain::channel::Channel;
use shared::domain::dispatch::book::{Book, Pages};
use shared::domain::documents::UnusableDocument;
use shared::mirakl::order::Tax;
use shared::mirakl::shipping::How;
use shared::mirakl::shipping::NewShipment;
use shared::mirakl::shipping::Tracking;
use shared::mirakl::shipping::{
    MiraklShipping, SettledEntry, SettlementRequest, Shipment, ShipmentAnswer, ShipmentTracking,
};
use shared::mirakl::shipping_requirements::{Platform, RegisteredCarrier, ShippingType};
use shared::mirakl::{MiraklError, Order, Outcome};
use shared::prima::assumed::{ReadParcels, read_parcels};
use shared::prima::documents::{DocumentProblem, read_order_status, read_response};
use shared::prima::{PrimaDispatches, PrimaError, PrimaProgress};
use simulators::mirakl as marketplace;
use simulators::prima::OrderStatusAnswer;

use super::run::care_at_once;
use super::world::{CHANNELS, Heard, Odd, SHOPS, World};
use crate::world::dice::Dice;
use crate::world::fate::{Fate, Kind, Pace};
use crate::world::scene::{self, Scene};

/// One invocation.
pub(super) type Invocation = scene::Invocation<World>;
/// All ports of one invocation.
pub(super) type Port = scene::Port<World>;

impl Scene for World {
    type Notes = RefCell<Vec<Heard>>;

    fn index(&self, channel: &str) -> usize {
        CHANNELS.iter().position(|id| *id == channel).unwrap_or_default()
    }

    fn latency(&self, _kind: Kind, slow: bool, dice: &Dice) -> Duration {
        Pace { usual: (1, 120), slow: (500, 15_000) }.drawn(slow, dice)
    }
}

impl Port {
    /// A call to Mirakl with an effect: done now, later, or not at all.
    async fn change<T: 'static>(
        &self,
        operation: &'static str,
        about: &str,
        effect: impl Fn(&World) -> Result<T, MiraklError> + 'static,
    ) -> Result<T, MiraklError> {
        let answer = self.attempt(operation, about, effect).await;
        self.hear(answer.as_ref().err(), &[operation]);
        answer
    }

    async fn attempt<T: 'static>(
        &self,
        operation: &'static str,
        about: &str,
        effect: impl Fn(&World) -> Result<T, MiraklError> + 'static,
    ) -> Result<T, MiraklError> {
        let call =
            self.begin(Kind::Change(operation), (self.channel, about), || about.to_owned()).await;
        if !call.is_answered() {
            self.world().got_no_answer(about);
        }
        if call.fails() {
            return Err(match call.dice.between(0, 2) {
                0 => MiraklError::not_sent(operation, "no connection"),
                1 => MiraklError::refused(operation, 429, None, "Too Many Requests"),
                _ => MiraklError {
                    status: Some(503),
                    ..MiraklError::unknown(operation, "Service Unavailable")
                },
            });
        }
        if call.fate == Fate::Late {
            let world = Rc::clone(self.world());
            let (wait, channel, about) = (call.dice.seconds(1, 50), self.channel, about.to_owned());
            tokio::task::spawn_local(async move {
                tokio::time::sleep(wait).await;
                // Nobody hears of a refusal.
                if world.no_answer(channel, &[operation], &about).is_none() {
                    let _ = effect(&world);
                }
            });
            return Err(MiraklError::unknown(operation, "no answer in time"));
        }
        let done = match self.world().no_answer(self.channel, &[operation], about) {
            Some(problem) => Err(problem),
            None => effect(self.world()),
        };
        self.end(&call).await;
        if call.fate == Fate::AnswerLost {
            return Err(MiraklError::unknown(operation, "the answer was cut"));
        }
        if done.is_ok() {
            self.world().answered(operation, self.channel);
        }
        done
    }

    /// Notes a right that is missing. A call whose answer was lost, or that failed by chance, says
    /// nothing of rights: nobody can be told of it.
    fn hear(&self, problem: Option<&MiraklError>, operations: &[&'static str]) {
        let Some(problem) = problem.filter(|problem| problem.is_key_refused()) else { return };
        let operation = operations.iter().find(|operation| **operation == problem.operation);
        if let Some(operation) =
            operation.filter(|operation| self.world().is_refused(self.channel, operation))
        {
            self.invocation.notes.borrow_mut().push(Heard {
                channel: self.channel,
                operation,
                at: self.world().now(),
            });
        }
    }

    async fn question<T>(
        &self,
        operation: &'static str,
        about: &str,
        answer: impl FnOnce(&World) -> T,
    ) -> Result<T, MiraklError> {
        let call =
            self.begin(Kind::Question(operation), (self.channel, about), || about.to_owned()).await;
        // What the marketplace demands is three calls of one question.
        let operations: &[&'static str] =
            if operation == "PC01" { &["PC01", "SH21", "SH12"] } else { &[operation] };
        let answer = match self.world().no_answer(self.channel, operations, about) {
            Some(problem) => Err(problem),
            None if call.is_answered() => Ok(answer(self.world())),
            None => {
                self.world().got_no_answer(about);
                Err(MiraklError::unknown(operation, "no answer"))
            }
        };
        self.end(&call).await;
        self.hear(answer.as_ref().err(), operations);
        if answer.is_ok() {
            self.world().answered(operation, self.channel);
        }
        answer
    }
}

impl World {
    /// What nobody could know of is told.
    fn refuse_unclear(&self, operation: &str, order_id: &str) {
        if self.is_unclear(order_id) {
            self.violate(format!(
                "{operation} tells {order_id}, and no answer of Prima's said what has left of it"
            ));
        }
    }
}

fn refused(operation: &'static str, refusal: &marketplace::Refusal) -> MiraklError {
    MiraklError::refused(
        operation,
        refusal.status,
        Some(refusal.code).filter(|code| !code.is_empty()),
        refusal.message.clone(),
    )
}

fn told(tracking: &Tracking) -> marketplace::Tracking {
    marketplace::Tracking {
        carrier_code: tracking.carrier_code.clone(),
        carrier_name: tracking.carrier_name.clone(),
        tracking_number: tracking.tracking_number.clone(),
        url: tracking.url.clone(),
    }
}

impl MiraklShipping for Port {
    async fn platform(&self) -> Result<Platform, MiraklError> {
        let index = self.channel;
        self.question("PC01", "", move |world| {
            world
                .shop(index, |shop, now| {
                    let settings = shop.settings();
                    let carrier = |carrier: &marketplace::Carrier| RegisteredCarrier {
                        code: carrier.code.clone(),
                        label: carrier.label.clone(),
                        standard_code: carrier.standard_code.clone(),
                        tracking_url: carrier.tracking_url.clone(),
                    };
                    let kind = |code: &String| ShippingType {
                        code: code.clone(),
                        label: code.clone(),
                        mandatory_tracking: true,
                    };
                    Platform {
                        read_at: now,
                        multi_shipment: index == 1,
                        registered_carriers_only: settings.registered_carriers_only,
                        carriers: settings.carriers.iter().map(carrier).collect(),
                        shipping_types: settings.mandatory_tracking.iter().map(kind).collect(),
                        unread_fields: world.odd_fields.borrow().clone(),
                    }
                })
                .unwrap_or_default()
        })
        .await
    }

    async fn order(&self, order_id: &str) -> Result<Option<Order>, MiraklError> {
        let index = self.channel;
        self.question("OR11", order_id, |world| world.listed(index, order_id)).await
    }

    async fn set_tracking(&self, order_id: &str, tracking: &Tracking) -> Result<(), MiraklError> {
        let (index, id, tracking) = (self.channel, order_id.to_owned(), told(tracking));
        self.change("OR23", order_id, move |world| {
            let done = world.shop(index, |shop, now| {
                shop.set_tracking(SHOPS[index], &id, tracking.clone(), now)
            });
            done.unwrap_or(Ok(())).map_err(|refusal| refused("OR23", &refusal))
        })
        .await
    }

    async fn ship_order(&self, order_id: &str) -> Result<(), MiraklError> {
        let (index, id) = (self.channel, order_id.to_owned());
        self.change("OR24", order_id, move |world| {
            world.refuse_unclear("OR24", &id);
            let done = world.shop(index, |shop, now| shop.ship_by_seller(SHOPS[index], &id, now));
            done.unwrap_or(Ok(())).map_err(|refusal| refused("OR24", &refusal))
        })
        .await
    }

    async fn shipments(&self, order_id: &str) -> Result<Vec<Shipment>, MiraklError> {
        let index = self.channel;
        self.question("ST11", order_id, |world| {
            let listed = world.shop(index, |shop, _| {
                let shipments =
                    shop.order(order_id).map(|order| order.shipments.clone()).unwrap_or_default();
                let shown = shipments.into_iter().map(|shipment| Shipment {
                    id: shipment.id,
                    order_id: Some(order_id.to_owned()),
                    status: Some("SHIPPED".to_owned()),
                    invoice_reference: shipment.invoice_reference,
                    shipment_lines: Vec::new(),
                    tracking: ShipmentTracking {
                        carrier_code: shipment.tracking.carrier_code,
                        tracking_number: shipment.tracking.tracking_number,
                    },
                });
                shown.collect()
            });
            listed.unwrap_or_default()
        })
        .await
    }

    async fn create_shipment(&self, shipment: &NewShipment) -> Result<ShipmentAnswer, MiraklError> {
        let (index, wanted) = (self.channel, shipment.clone());
        self.change(
            "ST01",
            &format!("{} {}", shipment.order_id, shipment.reference),
            move |world| {
                world.refuse_unclear("ST01", &wanted.order_id);
                let made = world.shop(index, |shop, now| {
                    let shipment = marketplace::NewShipment {
                        lines: wanted
                            .lines
                            .iter()
                            .map(|line| (line.order_line_id.clone(), line.quantity))
                            .collect(),
                        tracking: told(&wanted.tracking),
                        invoice_reference: Some(wanted.reference.clone()),
                        shipped: true,
                    };
                    shop.create_shipment(SHOPS[index], &wanted.order_id, shipment, now)
                });
                Ok(match made {
                    Some(Ok(made)) => ShipmentAnswer::Created(made.id),
                    Some(Err(message)) => ShipmentAnswer::Refused(message),
                    None => ShipmentAnswer::Refused("no such shop".to_owned()),
                })
            },
        )
        .await
    }

    async fn settle(&self, request: &SettlementRequest) -> Result<Vec<SettledEntry>, MiraklError> {
        let (index, request) = (self.channel, request.clone());
        let about = request.order_id.clone();
        let refunded = request
            .lines
            .first()
            .filter(|_| request.how == How::Refund)
            .map(|line| line.order_line_id.clone());
        let settle = move |world: &World| {
            let taxes = |taxes: &[Tax]| {
                taxes
                    .iter()
                    .map(|tax| (tax.code.clone().unwrap_or_default(), tax.amount.0))
                    .collect()
            };
            let lines: Vec<marketplace::LineSettlement> = request
                .lines
                .iter()
                .map(|line| marketplace::LineSettlement {
                    order_line_id: line.order_line_id.clone(),
                    quantity: line.quantity,
                    amount: line.amount.0,
                    shipping_amount: line.shipping_amount.0,
                    taxes: taxes(&line.taxes),
                    shipping_taxes: taxes(&line.shipping_taxes),
                    reason_code: request.reason_code.clone(),
                    excluded_from_shipment: request.how == How::Refund,
                })
                .collect();
            let done = world.shop(index, |shop, now| match request.how {
                How::Cancel => shop.cancel_by_seller(SHOPS[index], &lines, now),
                How::Refund => {
                    let made = shop.refund_by_seller(SHOPS[index], &lines, now);
                    made.map(|made| made.into_iter().map(|refund| refund.id).collect())
                }
            });
            let ids = done
                .unwrap_or(Ok(Vec::new()))
                .map_err(|refusal| refused(request.how.operation(), &refusal))?;
            let named = |(line, id): (&marketplace::LineSettlement, String)| SettledEntry {
                order_line_id: line.order_line_id.clone(),
                entry_id: Some(id),
            };
            Ok(lines.iter().zip(ids).map(named).collect())
        };
        let operation =
            if refunded.is_some() { How::Refund.operation() } else { How::Cancel.operation() };
        let settled = self.change(operation, &about, settle).await;
        // Nobody knows yet what came of it, and customer care refunds something of the same line.
        if let (Some(line), Err(MiraklError { outcome: Outcome::Unknown, .. })) =
            (refunded, &settled)
        {
            tokio::task::spawn_local(care_at_once(Rc::clone(self.world()), about, line));
        }
        settled
    }
}

impl PrimaDispatches for Port {
    async fn order_progress(
        &self,
        order_number: &str,
    ) -> Result<Option<PrimaProgress>, PrimaError> {
        let call = self.begin(Kind::Ask, order_number, || order_number.to_owned()).await;
        let now = self.world().now();
        let answer = self.world().office.borrow_mut().order_status(order_number, now);
        self.end(&call).await;
        if call.fate != Fate::Goes {
            *self.world().unanswered.borrow_mut().entry(order_number.to_owned()).or_default() += 1;
            return Err(PrimaError::unknown("OrderStatus", "no answer in time"));
        }
        let Ok(answer) = answer else { return Ok(None) };
        let odd = self.world().odd.borrow().get(order_number).copied();
        let text = document(&answer, odd);
        let unclear = |problem| match problem {
            DocumentProblem::Refused(message) => PrimaError::refused("OrderStatus", message),
            DocumentProblem::Unreadable(message) => PrimaError::unclear("OrderStatus", message),
        };
        let root = read_response(&text).map_err(unclear)?;
        let status = read_order_status(&root, order_number).map_err(unclear)?;
        let ReadParcels { parcels, unclear, odd } = read_parcels(&root);
        Ok(Some(PrimaProgress { status, parcels, unclear, odd }))
    }
}

/// Prima's answer, in its own form or in another.
fn document(answer: &OrderStatusAnswer, odd: Option<Odd>) -> String {
    let status = if odd == Some(Odd::Status) {
        String::new()
    } else {
        format!(r#" OrderStatus="{}""#, answer.status)
    };
    let line_name = if odd == Some(Odd::Name) { "DespatchedLine" } else { "DespatchLineData" };
    let mut text = format!(r#"<Response RequestStatus="OK"><Data{status}>"#);
    for parcel in &answer.parcels {
        let date = match odd {
            Some(Odd::Date(date)) => date.to_owned(),
            _ => parcel.at.strftime("%d/%m/%Y").to_string(),
        };
        text.push_str(&format!(
            r#"<OrderDespatchData DespatchNumber="{}" DespatchDate="{date}" Carrier="{}" CarrServ="{}" ConsignmentNumber="{}">"#,
            parcel.dispatch_number, parcel.carrier, parcel.service, parcel.consignment
        ));
        for (line, pieces) in &parcel.lines {
            let pieces = match odd {
                Some(Odd::Nothing) => "0".to_owned(),
                Some(Odd::Words) => "two".to_owned(),
                _ => pieces.to_string(),
            };
            text.push_str(&format!(r#"<{line_name} OrderLine="{line}" Quantity="{pieces}"/>"#));
        }
        text.push_str("</OrderDespatchData>");
    }
    text + "</Data></Response>"
}

impl Book for Port {
    async fn channels(&self) -> Result<Vec<Channel>, UnusableDocument> {
        Ok(self.world().channels.clone())
    }

    async fn pages(&self, channel: &str, _anew: bool) -> Result<Pages, UnusableDocument> {
        if !self.asks(Kind::Rules, channel, || channel.to_owned()).await {
            return Err(UnusableDocument::Unavailable("throttled".to_owned()));
        }
        let world = self.world();
        if let Some(problem) = world.wrong_documents.borrow().clone() {
            return Err(UnusableDocument::Wrong(problem));
        }
        let index = world.index(channel);
        let (maps, platforms) = (world.maps.borrow(), world.platforms.borrow());
        Ok(Pages {
            rules: world.rules[index].clone(),
            carriers: maps.get(index).cloned().unwrap_or_default(),
            platform: platforms.get(index).cloned().flatten(),
        })
    }

    async fn keep_platform(
        &self,
        channel: &str,
        platform: &Platform,
    ) -> Result<(), UnusableDocument> {
        let world = self.world();
        let index = world.index(channel);
        if let Some(kept) = world.platforms.borrow_mut().get_mut(index) {
            *kept = Some(platform.clone());
        }
        Ok(())
    }
}

impl Inbox for Port {
    async fn waiting(&self) -> Result<Vec<String>, InboxError> {
        Ok(Vec::new())
    }

    async fn read(&self, _name: &str) -> Result<String, Unread> {
        Err(Unread::Never("there is no file".to_owned()))
    }

    async fn put_away(&self, _name: &str, _verdict: &Verdict) -> Result<(), InboxError> {
        Ok(())
    }
}
