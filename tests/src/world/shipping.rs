//! Parcels: what the functions tell the simulators' marketplaces of them, and ask their Prima.

use std::rc::Rc;

use collect_dispatches::{Inbox, InboxError, Unread, Verdict};
use shared::mirakl::order::Tax;
use shared::mirakl::shipping::How;
use shared::mirakl::shipping::NewShipment;
use shared::mirakl::shipping::Tracking;
use shared::mirakl::shipping::{
    MiraklShipping, SettledEntry, SettlementRequest, Shipment, ShipmentAnswer, ShipmentTracking,
};
use shared::mirakl::shipping_requirements::{
    RegisteredCarrier, ShippingRequirements, ShippingType,
};
use shared::mirakl::{MiraklError, Order, Outcome};
use shared::prima::assumed::{ReadParcels, read_parcels};
use shared::prima::documents::{read_order_status, read_response};
use shared::prima::{PrimaDispatches, PrimaError, PrimaProgress};
use simulators::mirakl as marketplace;

use super::fate::{Fate, Kind};
use super::models::{Models, failed, refused, unclear};
use super::scene::Port;

impl<S: Models> Port<S> {
    /// A call to Mirakl with an effect: done now, later, or not at all.
    pub(crate) async fn mirakl_change<T: 'static>(
        &self,
        operation: &'static str,
        about: &str,
        effect: impl Fn(&S) -> Result<T, MiraklError> + 'static,
    ) -> Result<T, MiraklError> {
        let answer = self.attempt(operation, about, effect).await;
        self.hear(answer.as_ref().err(), &[operation]);
        answer
    }

    async fn attempt<T: 'static>(
        &self,
        operation: &'static str,
        about: &str,
        effect: impl Fn(&S) -> Result<T, MiraklError> + 'static,
    ) -> Result<T, MiraklError> {
        let call =
            self.begin(Kind::Change(operation), (self.channel, about), || about.to_owned()).await;
        if !call.is_answered() {
            self.world().got_no_answer(about);
        }
        if call.fails() {
            return Err(failed(operation, &call));
        }
        if call.fate == Fate::Late {
            let world = Rc::clone(self.world());
            let (wait, channel, about) = (call.dice.seconds(1, 50), self.channel, about.to_owned());
            tokio::task::spawn_local(async move {
                tokio::time::sleep(wait).await;
                // Nobody hears of a refusal.
                if world.instead(channel, &[operation], &about).is_none() {
                    let _ = effect(&world);
                }
            });
            return Err(MiraklError::unknown(operation, "no answer in time"));
        }
        let done = match self.world().instead(self.channel, &[operation], about) {
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

    fn hear(&self, problem: Option<&MiraklError>, operations: &[&'static str]) {
        if let Some(problem) = problem {
            S::hears(&self.invocation, self.channel, problem, operations);
        }
    }

    pub(crate) async fn mirakl_question<T>(
        &self,
        operation: &'static str,
        about: &str,
        answer: impl FnOnce(&S) -> T,
    ) -> Result<T, MiraklError> {
        let call =
            self.begin(Kind::Question(operation), (self.channel, about), || about.to_owned()).await;
        // What the marketplace demands is three calls of one question.
        let operations: &[&'static str] =
            if operation == "PC01" { &["PC01", "SH21", "SH12"] } else { &[operation] };
        let answer = match self.world().instead(self.channel, operations, about) {
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

fn told(tracking: &Tracking) -> marketplace::Tracking {
    marketplace::Tracking {
        carrier_code: tracking.carrier_code.clone(),
        carrier_name: tracking.carrier_name.clone(),
        tracking_number: tracking.tracking_number.clone(),
        url: tracking.url.clone(),
    }
}

impl<S: Models> MiraklShipping for Port<S> {
    async fn shipping_requirements(&self) -> Result<ShippingRequirements, MiraklError> {
        let index = self.channel;
        self.mirakl_question("PC01", "", move |world| {
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
                    ShippingRequirements {
                        read_at: now,
                        multi_shipment: index == 1,
                        registered_carriers_only: settings.registered_carriers_only,
                        carriers: settings.carriers.iter().map(carrier).collect(),
                        shipping_types: settings.mandatory_tracking.iter().map(kind).collect(),
                        unread_fields: world.odd_fields(),
                    }
                })
                .unwrap_or_default()
        })
        .await
    }

    async fn order(&self, order_id: &str) -> Result<Option<Order>, MiraklError> {
        let index = self.channel;
        self.mirakl_question("OR11", order_id, |world| world.listed(index, order_id)).await
    }

    async fn set_tracking(&self, order_id: &str, tracking: &Tracking) -> Result<(), MiraklError> {
        let (index, id, tracking) = (self.channel, order_id.to_owned(), told(tracking));
        self.mirakl_change("OR23", order_id, move |world| {
            let done = world.shop(index, |shop, now| {
                shop.set_tracking(S::shop_id(index), &id, tracking.clone(), now)
            });
            done.unwrap_or(Ok(())).map_err(|refusal| refused("OR23", &refusal))
        })
        .await
    }

    async fn ship_order(&self, order_id: &str) -> Result<(), MiraklError> {
        let (index, id) = (self.channel, order_id.to_owned());
        self.mirakl_change("OR24", order_id, move |world| {
            world.tells("OR24", &id);
            let done =
                world.shop(index, |shop, now| shop.ship_by_seller(S::shop_id(index), &id, now));
            done.unwrap_or(Ok(())).map_err(|refusal| refused("OR24", &refusal))
        })
        .await
    }

    async fn shipments(&self, order_id: &str) -> Result<Vec<Shipment>, MiraklError> {
        let index = self.channel;
        self.mirakl_question("ST11", order_id, |world| {
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
        self.mirakl_change(
            "ST01",
            &format!("{} {}", shipment.order_id, shipment.reference),
            move |world| {
                world.tells("ST01", &wanted.order_id);
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
                    shop.create_shipment(S::shop_id(index), &wanted.order_id, shipment, now)
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
        let settle = move |world: &S| {
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
            let settle = |shop: &mut marketplace::Marketplace, now| match request.how {
                How::Cancel => shop.cancel_by_seller(S::shop_id(index), &lines, now),
                How::Refund => {
                    let made = shop.refund_by_seller(S::shop_id(index), &lines, now);
                    made.map(|made| made.into_iter().map(|refund| refund.id).collect())
                }
            };
            let done = world.settles(index, &request.order_id, || world.shop(index, settle));
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
        let settled = self.mirakl_change(operation, &about, settle).await;
        // Nobody knows yet what came of it, and customer care refunds something of the same line.
        if let (Some(line), Err(MiraklError { outcome: Outcome::Unknown, .. })) =
            (refunded, &settled)
        {
            S::refund_in_doubt(self.world(), about, line);
        }
        settled
    }
}

impl<S: Models> PrimaDispatches for Port<S> {
    async fn order_progress(
        &self,
        order_number: &str,
    ) -> Result<Option<PrimaProgress>, PrimaError> {
        let call = self.begin(Kind::Ask, order_number, || order_number.to_owned()).await;
        let now = self.world().now();
        let answer = self.world().office().borrow_mut().order_status(order_number, now);
        self.end(&call).await;
        if call.fate != Fate::Goes || self.world().prima_is_silent() {
            self.world().question_in_doubt(order_number);
            return Err(PrimaError::unknown("OrderStatus", "no answer in time"));
        }
        let Ok(answer) = answer else { return Ok(None) };
        let text = self.world().status_document(order_number, &answer);
        let root = read_response(&text).map_err(unclear)?;
        let status = read_order_status(&root, order_number).map_err(unclear)?;
        let ReadParcels { parcels, unclear, odd } = read_parcels(&root);
        Ok(Some(PrimaProgress { status, parcels, unclear, odd }))
    }
}

impl<S: Models> Inbox for Port<S> {
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
