//! Orders: what the functions read and write in the simulators' marketplaces, and in their Prima.

use std::time::Duration;

use jiff::Timestamp;
use shared::kit::clock::{Clock as _, after};
use shared::mirakl::{
    MiraklError, MiraklOrders, OrderPage, OrderQuery, ReferenceAnswer, SellerReference,
};
use shared::prima::connection::{NewOrderRequest, PrimaBehaviour, WireEncoding};
use shared::prima::documents::{new_order_request, read_order_status, read_response};
use shared::prima::{PrimaError, PrimaOrder, PrimaOrderStatus, PrimaOrders};
use simulators::mirakl::{Decision, Filter, State, page_json};
use simulators::prima::read_new_orders;

use super::fate::{Call, Fate, Kind};
use super::models::{Models, failed, refused, unclear};
use super::scene::{Invocation, Port};

/// A scene in which orders are accepted and created, and what it may say of each call.
pub trait OrderScene: Models {
    /// A channel's id.
    fn channel_id(&self, channel: usize) -> &str;

    /// How Prima behaves, as the functions know it.
    fn behaviour(&self) -> &PrimaBehaviour;

    /// Lets a listing begin.
    ///
    /// # Errors
    /// How long to wait, by the marketplace's limit.
    fn begin_listing(
        &self,
        _channel: usize,
        _query: &OrderQuery,
        _offset: usize,
    ) -> Result<(), Duration> {
        Ok(())
    }

    /// A page as OR11 lists it.
    fn list(&self, channel: usize, query: &OrderQuery, offset: usize) -> OrderPage {
        let json = self.shop(channel, |shop, _| {
            let page = shop.list_orders(Self::shop_id(channel), &filter(query), offset, 100);
            page_json(&page, shop.settings())
        });
        OrderPage::read(json.unwrap_or_default().as_bytes()).unwrap_or_default()
    }

    /// An invocation was answered a page, or not.
    fn was_listed(
        _invocation: &Invocation<Self>,
        _channel: usize,
        _query: &OrderQuery,
        _page: Result<&OrderPage, &MiraklError>,
    ) {
    }

    /// An invocation is about to accept an order.
    fn accepts(_invocation: &Invocation<Self>, _channel: usize, _order_id: &str) {}

    /// An order has been accepted.
    fn accepted(&self, _channel: usize, _order_id: &str) {}

    /// What Mirakl says instead of writing any of these references.
    fn refuses_references(
        &self,
        _channel: usize,
        _references: &[SellerReference],
    ) -> Option<MiraklError> {
        None
    }

    /// What Mirakl says instead of writing an order's reference.
    fn refuses_reference(&self, _channel: usize, _order_id: &str) -> Option<String> {
        None
    }

    /// `NewOrder` is about to be sent.
    fn about_to_send(_invocation: &Invocation<Self>, _order: &PrimaOrder) {}

    /// `CancelOrder` is about to be sent.
    fn about_to_cancel(&self, _order_number: &str) {}

    /// What Prima says instead of an answer.
    fn prima_instead(
        _invocation: &Invocation<Self>,
        _call: &Call,
        _kind: Kind,
        _order_number: &str,
    ) -> Option<PrimaError> {
        None
    }

    /// Prima took or refused an order.
    fn was_answered(&self, _order_number: &str) {}

    /// A call about an order had no answer from Prima, or was not even sent.
    fn had_no_answer(&self, _kind: Kind, _order_number: &str, _was_sent: bool) {}
}

/// A query as the simulators' marketplaces take it; their shops' ids are known to them.
pub(crate) fn filter(query: &OrderQuery) -> Filter {
    let states = || query.states.iter().filter_map(|state| State::of_code(&state.to_string()));
    Filter {
        states: (!query.states.is_empty()).then(|| states().collect()),
        order_ids: (!query.order_ids.is_empty()).then(|| query.order_ids.clone()),
        updated_from: query.updated_from,
        ..Filter::default()
    }
}

impl<S: OrderScene> Port<S> {
    /// What a call to Mirakl comes to that has begun and had no effect yet.
    fn reaches_mirakl(&self, operation: &'static str, call: &Call) -> Result<(), MiraklError> {
        // The client keeps to its deadline, by its own clock.
        if self.now() > self.deadline {
            return Err(MiraklError::not_sent(operation, "no time left"));
        }
        if let Some(problem) = self.world().instead(self.channel, &[operation], "") {
            return Err(problem);
        }
        if !call.fails() {
            return Ok(());
        }
        Err(if self.world().scripted {
            MiraklError { status: Some(503), ..MiraklError::unknown(operation, "unavailable") }
        } else {
            failed(operation, call)
        })
    }

    async fn mirakl_answers<T>(
        &self,
        call: &Call,
        operation: &'static str,
        answer: Result<T, MiraklError>,
    ) -> Result<T, MiraklError> {
        self.end(call).await;
        if call.is_answered() {
            answer
        } else {
            Err(MiraklError::unknown(operation, "the connection broke"))
        }
    }

    /// The marketplace's limit is waited for as the real client does.
    async fn limited(&self, query: &OrderQuery, offset: usize) -> Result<(), MiraklError> {
        let world = self.world();
        loop {
            let Err(wait) = world.begin_listing(self.channel, query, offset) else {
                return Ok(());
            };
            world.tell(|| {
                format!("       {} too many listings: again in {wait:?}", self.invocation.caller)
            });
            let ends_at = after(self.now(), wait);
            if ends_at > self.deadline
                || query.limit_waited_until.is_some_and(|until| ends_at > until)
            {
                let problem = MiraklError::refused("OR11", 429, None, "too many requests");
                return Err(MiraklError { retry_after: Some(wait), ..problem });
            }
            tokio::time::sleep(wait).await;
        }
    }
}

impl<S: OrderScene> MiraklOrders for Port<S> {
    async fn list_orders(
        &self,
        query: &OrderQuery,
        offset: usize,
    ) -> Result<OrderPage, MiraklError> {
        let (world, channel) = (self.world(), self.channel);
        let about = || {
            format!(
                "{} {} states, {} ids, from {:?}, offset {offset}",
                world.channel_id(channel),
                query.states.len(),
                query.order_ids.len(),
                query.updated_from
            )
        };
        let thing = (channel, query.order_ids.is_empty(), query.states.len(), offset);
        let call = self.begin(Kind::List, thing, about).await;
        let answer = match self.reaches_mirakl("OR11", &call) {
            Ok(()) => match self.limited(query, offset).await {
                Ok(()) => {
                    let page = world.list(channel, query, offset);
                    self.mirakl_answers(&call, "OR11", Ok(page)).await
                }
                Err(problem) => Err(problem),
            },
            Err(problem) => Err(problem),
        };
        S::was_listed(&self.invocation, channel, query, answer.as_ref());
        answer
    }

    async fn accept_order(
        &self,
        order_id: &str,
        order_line_ids: &[String],
    ) -> Result<(), MiraklError> {
        let (world, channel) = (self.world(), self.channel);
        S::accepts(&self.invocation, channel, order_id);
        let about = || format!("{} {order_id}", world.channel_id(channel));
        let call = self.begin(Kind::Accept, order_id, about).await;
        self.reaches_mirakl("OR21", &call)?;
        let decisions: Vec<_> = order_line_ids
            .iter()
            .map(|order_line_id| Decision { order_line_id, accepted: true })
            .collect();
        let accepted = world
            .shop(channel, |shop, now| shop.accept(S::shop_id(channel), order_id, &decisions, now));
        let accepted = accepted.unwrap_or(Ok(())).map_err(|refusal| refused("OR21", &refusal));
        if accepted.is_ok() {
            world.accepted(channel, order_id);
        }
        self.mirakl_answers(&call, "OR21", accepted).await
    }

    async fn write_references(
        &self,
        references: &[SellerReference],
    ) -> Result<Vec<ReferenceAnswer>, MiraklError> {
        let (world, channel) = (self.world(), self.channel);
        let about = || {
            let ids: Vec<_> = references.iter().map(|one| one.order_id.as_str()).collect();
            format!("{} {}", world.channel_id(channel), ids.join(" "))
        };
        let call = self.begin(Kind::Reference, channel, about).await;
        self.reaches_mirakl("OR04", &call)?;
        let write = |one: &SellerReference| {
            let refused = world.refuses_reference(channel, &one.order_id).or_else(|| {
                let written = world.shop(channel, |shop, now| {
                    let shop_id = S::shop_id(channel);
                    shop.write_reference(shop_id, &one.order_id, &one.reference, now)
                });
                written.and_then(Result::err).map(|refusal| refusal.message)
            });
            ReferenceAnswer { order_id: one.order_id.clone(), refused }
        };
        let answers = match world.refuses_references(channel, references) {
            Some(problem) => Err(problem),
            None => Ok(references.iter().map(write).collect()),
        };
        self.mirakl_answers(&call, "OR04", answers).await
    }
}

impl<S: OrderScene> Port<S> {
    /// Prima gave no answer; nobody knows what came of it, unless nothing was sent.
    async fn prima_failed(&self, call: &Call, kind: Kind, order_number: &str) -> PrimaError {
        let (world, document) = (self.world(), kind.operation());
        // A Prima that is down takes no connection.
        let is_refused =
            if world.scripted { world.is_down(kind, 0) } else { call.dice.chance(0.5) };
        if call.fails() && is_refused {
            world.had_no_answer(kind, order_number, false);
            return PrimaError::not_sent(document, "connection refused");
        }
        world.had_no_answer(kind, order_number, true);
        if world.scripted || call.dice.chance(0.5) {
            tokio::time::sleep(world.behaviour().answer_timeout()).await;
        }
        PrimaError::unknown(document, "no answer")
    }

    /// When Prima does what was lost, or has outlived its caller, where it does so later: up to its
    /// longest execution.
    fn lands(&self, call: &Call) -> Option<Timestamp> {
        let world = self.world();
        let is_late = match call.fate {
            Fate::AnswerLost | Fate::CrashAfter if world.scripted => {
                world.script.is_none_or(|script| script.late)
            }
            Fate::AnswerLost | Fate::CrashAfter => call.dice.chance(0.6),
            Fate::Late => true,
            Fate::Goes | Fate::Fails | Fate::CrashBefore => false,
        };
        let longest = u64::from(world.behaviour().longest_execution_seconds) - 1;
        let wait = if world.scripted { longest } else { call.dice.between(0, longest) };
        is_late.then(|| after(world.now(), Duration::from_secs(wait)))
    }
}

impl<S: OrderScene> PrimaOrders for Port<S> {
    async fn order_status(
        &self,
        order_number: &str,
    ) -> Result<Option<PrimaOrderStatus>, PrimaError> {
        let world = self.world();
        let call = self.begin(Kind::Ask, order_number, || order_number.to_owned()).await;
        self.end(&call).await;
        if call.fate != Fate::Goes {
            return Err(self.prima_failed(&call, Kind::Ask, order_number).await);
        }
        if let Some(problem) = S::prima_instead(&self.invocation, &call, Kind::Ask, order_number) {
            return Err(problem);
        }
        let answer = world.office().borrow_mut().order_status(order_number, world.now());
        world.tell(|| format!("       {} Prima says {answer:?}", self.invocation.caller));
        let Ok(answer) = answer else { return Ok(None) };
        let text = world.status_document(order_number, &answer);
        let root = read_response(&text).map_err(unclear)?;
        read_order_status(&root, order_number).map(Some).map_err(unclear)
    }

    async fn new_order(&self, order: &PrimaOrder) -> Result<(), PrimaError> {
        let (world, number) = (self.world(), &order.order_number);
        S::about_to_send(&self.invocation, order);
        let document =
            new_order_request(order, NewOrderRequest::default(), WireEncoding::default());
        let entered = match document {
            Ok(text) => read_new_orders(&text).map_err(|refusal| refusal.to_string()),
            Err(problems) => Err(format!("it cannot be written: {problems:?}")),
        };
        let entered = entered.map_err(|words| PrimaError::refused("NewOrder", words))?;
        let call = self.begin(Kind::NewOrder, number, || number.clone()).await;
        if let Some(problem) = S::prima_instead(&self.invocation, &call, Kind::NewOrder, number) {
            self.end(&call).await;
            return Err(problem);
        }
        if call.fails() {
            return Err(self.prima_failed(&call, Kind::NewOrder, number).await);
        }
        if let Some(at) = self.lands(&call) {
            world.tell(|| {
                format!(
                    "       {} NewOrder {number} has its effect at {at}",
                    self.invocation.caller
                )
            });
            for one in entered {
                world.office().borrow_mut().submit(one, at);
            }
            self.end(&call).await;
            return Err(self.prima_failed(&call, Kind::NewOrder, number).await);
        }
        let answer = world.office().borrow_mut().new_orders(entered, world.now());
        self.end(&call).await;
        if call.fate == Fate::AnswerLost {
            return Err(self.prima_failed(&call, Kind::NewOrder, number).await);
        }
        world.was_answered(number);
        answer.map_err(|refusal| PrimaError::refused("NewOrder", refusal.text))
    }

    async fn cancel_order(&self, order_number: &str, narrative: &str) -> Result<(), PrimaError> {
        let (world, kind) = (self.world(), Kind::CancelOrder);
        world.about_to_cancel(order_number);
        let call = self.begin(kind, order_number, || order_number.to_owned()).await;
        if let Some(problem) = S::prima_instead(&self.invocation, &call, kind, order_number) {
            self.end(&call).await;
            return Err(problem);
        }
        if call.fails() {
            return Err(self.prima_failed(&call, kind, order_number).await);
        }
        let is_lost = matches!(call.fate, Fate::AnswerLost | Fate::Late);
        if is_lost && !world.scripted && call.dice.chance(0.4) {
            let at = after(world.now(), call.dice.seconds(0, 240));
            world.office().borrow_mut().submit_cancellation(order_number, narrative, at);
            return Err(self.prima_failed(&call, kind, order_number).await);
        }
        let now = world.now();
        let answer = world.office().borrow_mut().cancel_order(order_number, narrative, now);
        self.end(&call).await;
        if is_lost {
            return Err(self.prima_failed(&call, kind, order_number).await);
        }
        answer.map_err(|refusal| PrimaError::refused("CancelOrder", refusal.text))
    }
}
