//! What the seller does with an order once it may be shipped (Mirakl seller API, OR23, OR24, OR28,
//! OR30, ST01, ST11).

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::cancelation::{cancel_all, take_back};
use super::marketplace::{Marketplace, Number};
use super::order::{Cause, Order, OrderLine, Refund, State};
use super::pace::Pace;
use super::refusal::Refusal;
use super::settings::Settings;
use super::shipment::{Shipment, Tracking};
use super::taxes::TaxRules;

/// What ST01 asks for of one order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "Mirakl's own words")]
pub struct NewShipment {
    pub lines: Vec<(String, u32)>,
    pub tracking: Tracking,
    pub invoice_reference: Option<String>,
    pub shipped: bool,
}

/// What OR28 or OR30 asks for one line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "Mirakl's own words")]
pub struct LineSettlement {
    pub order_line_id: String,
    pub quantity: u32,
    pub amount: Decimal,
    pub shipping_amount: Decimal,
    /// Code and amount.
    pub taxes: Vec<(String, Decimal)>,
    /// Code and amount.
    pub shipping_taxes: Vec<(String, Decimal)>,
    pub reason_code: String,
    pub excluded_from_shipment: bool,
}

impl Marketplace {
    /// OR23.
    ///
    /// # Errors
    /// The order is neither in SHIPPING nor SHIPPED, or the tracking is not taken.
    pub fn set_tracking(
        &mut self,
        shop_id: i64,
        order_id: &str,
        tracking: Tracking,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let number = self.number_of(shop_id, order_id)?;
        self.check_tracking(&tracking)
            .map_err(|message| Refusal::new("VALIDATION_ERROR", "carrier_code", message))?;
        let state = self.orders.get(&number).map(|order| order.state);
        if !matches!(state, Some(State::Shipping | State::Shipped)) {
            return Err(Refusal::new(
                "ORDER_INVALID_STATE",
                "order_id",
                "Order is not in the expected state for this operation",
            ));
        }
        self.change(number, now, |order| {
            if order.state == State::Shipped {
                order.tracked_after_shipping += 1;
            }
            order.tracking_writes += 1;
            order.tracking = Some(tracking);
        });
        Ok(())
    }

    /// OR24. `mandatory_tracking`: the order's shipping type demands a number.
    ///
    /// # Errors
    /// The order is not in SHIPPING, or has no tracking where one is demanded.
    pub fn ship_by_seller(
        &mut self,
        shop_id: i64,
        order_id: &str,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let number = self.number_of(shop_id, order_id)?;
        let pace = Pace::of(&self.settings);
        let Some(order) = self.orders.get(&number) else { return Err(bad_request()) };
        if !order.can_shop_ship() || order.fully_refunded() {
            return Err(bad_request());
        }
        let demanded =
            self.settings.mandatory_tracking.iter().any(|code| code == order.shipping_type.0);
        let has_number =
            order.tracking.as_ref().is_some_and(|tracking| tracking.tracking_number.is_some());
        if demanded && !has_number {
            return Err(Refusal::new(
                "VALIDATION_ERROR",
                "tracking_number",
                "Tracking details are mandatory for this shipping method",
            ));
        }
        self.change(number, now, |order| {
            order.shipped_without_tracking = order.tracking.is_none();
            for line in &mut order.lines {
                line.shipped += line.to_ship();
            }
            pace.shipped(order, now);
        });
        Ok(())
    }

    /// ST01 for one shipment, shipped at once or only created.
    ///
    /// # Errors
    /// The message of `shipment_errors`.
    pub fn create_shipment(
        &mut self,
        shop_id: i64,
        order_id: &str,
        wanted: NewShipment,
        now: Timestamp,
    ) -> Result<Shipment, String> {
        let NewShipment { lines, tracking, invoice_reference, shipped } = wanted;
        let number = self.number_of(shop_id, order_id).map_err(|refusal| refusal.message)?;
        self.check_tracking(&tracking)?;
        let pace = Pace::of(&self.settings);
        let Some(order) = self.orders.get(&number) else {
            return Err("Order not found".to_owned());
        };
        if order.state != State::Shipping {
            return Err(format!(
                "The order status must be 'SHIPPING' but it is '{}'.",
                order.state.code()
            ));
        }
        if invoice_reference.as_ref().is_some_and(|reference| {
            !reference.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
        }) {
            return Err("Invoice reference is invalid.".to_owned());
        }
        if lines.is_empty() {
            return Err("Shipment lines are mandatory.".to_owned());
        }
        for (index, (line_id, quantity)) in lines.iter().enumerate() {
            let left = order
                .lines
                .iter()
                .find(|line| line.order_line_id == *line_id)
                .map_or(0, OrderLine::to_ship);
            let twice = lines.iter().take(index).any(|(earlier, _)| earlier == line_id);
            if *quantity == 0 || *quantity > left || twice {
                return Err("Shipment quantity is invalid.".to_owned());
            }
        }
        let id = format!("{order_id}-S{}", order.shipments.len() + 1);
        let shipment = Shipment { id, lines, tracking, invoice_reference, created: now, shipped };
        let made = shipment.clone();
        self.change(number, now, |order| {
            for (line_id, quantity) in &shipment.lines {
                for line in order.lines.iter_mut().filter(|line| line.order_line_id == *line_id) {
                    line.shipped += quantity;
                }
            }
            order.shipments.push(shipment);
            if order.lines.iter().all(|line| line.to_ship() == 0) {
                pace.shipped(order, now);
            }
        });
        Ok(made)
    }

    /// OR30: all of the lines or none.
    ///
    /// # Errors
    /// A piece that is shipped, cancelled or not there; an amount that is not the pieces' own.
    pub fn cancel_by_seller(
        &mut self,
        shop_id: i64,
        lines: &[LineSettlement],
        now: Timestamp,
    ) -> Result<Vec<String>, Refusal> {
        let numbers = self.numbers_of_lines(shop_id, lines)?;
        let (pace, rules) = (Pace::of(&self.settings), self.tax_rules());
        let mut taxes = Vec::new();
        for (wanted, number) in lines.iter().zip(&numbers) {
            let Some((order, line)) = self.line(*number, &wanted.order_line_id) else {
                return Err(bad_request());
            };
            if order.state != State::Shipping || !self.settings.partial_cancelation {
                return Err(Refusal::new(
                    "ORDER_INVALID_STATE",
                    "order_line_id",
                    "The order line cannot be canceled",
                ));
            }
            check_settlement(order, line, wanted, rules)?;
            taxes.push((
                line.taxes_of(wanted.amount, &wanted.taxes, rules)?,
                line.shipping_taxes_of(wanted.shipping_amount, &wanted.shipping_taxes, rules)?,
            ));
        }
        let mut ids = Vec::new();
        for ((wanted, number), (taxes, shipping_taxes)) in lines.iter().zip(numbers).zip(taxes) {
            let id = self.change(number, now, |order| {
                let mut id = String::new();
                for line in
                    order.lines.iter_mut().filter(|line| line.order_line_id == wanted.order_line_id)
                {
                    take_back(line, wanted.quantity, now, &wanted.reason_code);
                    if let Some(made) = line.cancelations.last_mut() {
                        (made.amount, made.shipping_amount) =
                            (wanted.amount, wanted.shipping_amount);
                        (made.taxes, made.shipping_taxes) = (taxes.clone(), shipping_taxes.clone());
                        id.clone_from(&made.id);
                    }
                }
                if order
                    .lines
                    .iter()
                    .all(|line| matches!(line.state, State::Canceled | State::Refused))
                {
                    cancel_all(order, Cause::CanceledByOperator, now);
                } else if order.lines.iter().all(|line| line.to_ship() == 0) {
                    pace.shipped(order, now);
                }
                id
            });
            ids.push(id.unwrap_or_default());
        }
        Ok(ids)
    }

    /// OR28: all of the lines or none. Not idempotent: the same again refunds again, while there is
    /// something left.
    ///
    /// # Errors
    /// The order is not paid or is closed; more than there is; the shop's balance does not suffice.
    pub fn refund_by_seller(
        &mut self,
        shop_id: i64,
        lines: &[LineSettlement],
        now: Timestamp,
    ) -> Result<Vec<Refund>, Refusal> {
        let numbers = self.numbers_of_lines(shop_id, lines)?;
        let rules = self.tax_rules();
        let mut taxes = Vec::new();
        for (wanted, number) in lines.iter().zip(&numbers) {
            let Some((order, line)) = self.line(*number, &wanted.order_line_id) else {
                return Err(bad_request());
            };
            if !order.state.is_paid() || order.state == State::Closed {
                return Err(Refusal::new(
                    "ORDER_INVALID_STATE",
                    "order_line_id",
                    "The order line cannot be refunded",
                ));
            }
            let sum = |of: fn(&LineSettlement) -> Decimal| -> Decimal {
                lines
                    .iter()
                    .filter(|other| other.order_line_id == wanted.order_line_id)
                    .map(of)
                    .sum()
            };
            let is_too_much = sum(|one| one.amount) > line.goods_left()
                || sum(|one| one.shipping_amount) > line.shipping_left();
            let is_nothing = wanted.amount + wanted.shipping_amount <= Decimal::ZERO;
            let is_negative =
                wanted.amount < Decimal::ZERO || wanted.shipping_amount < Decimal::ZERO;
            if is_too_much
                || is_nothing
                || is_negative
                || (wanted.excluded_from_shipment && wanted.quantity > line.to_ship())
            {
                return Err(Refusal::new(
                    "VALIDATION_ERROR",
                    "amount",
                    "The refund exceeds what can be refunded",
                ));
            }
            let (goods, shipping) = (
                line.taxes_of(wanted.amount, &wanted.taxes, rules)?,
                line.shipping_taxes_of(wanted.shipping_amount, &wanted.shipping_taxes, rules)?,
            );
            // "This field is required if the order has taxes."
            let untaxed = goods.is_empty()
                && wanted.amount > Decimal::ZERO
                && !line.taxes.is_empty()
                && line.refunds.is_empty();
            if untaxed && !rules.proportional && !rules.on_the_order && !order.tax_included {
                return Err(Refusal::new("VALIDATION_ERROR", "taxes", "Taxes are required"));
            }
            taxes.push((goods, shipping));
        }
        self.draw_on_balance(lines)?;
        let mut made: Vec<Refund> = Vec::new();
        for ((wanted, number), (taxes, shipping_taxes)) in lines.iter().zip(numbers).zip(taxes) {
            // One for the whole call.
            let of_call = made.first().map(|refund| refund.order_refund_id.clone());
            let refund = self.change(number, now, |order| {
                let before = order.lines.iter().map(|line| line.refunds.len()).sum::<usize>();
                let order_refund_id =
                    of_call.unwrap_or_else(|| format!("{}-R{}", order.order_id, before + 1));
                let line = order
                    .lines
                    .iter_mut()
                    .find(|line| line.order_line_id == wanted.order_line_id)?;
                let refund = Refund {
                    id: format!("{}-R{}", line.order_line_id, line.refunds.len() + 1),
                    order_refund_id,
                    quantity: wanted.quantity,
                    amount: wanted.amount,
                    shipping_amount: wanted.shipping_amount,
                    taxes,
                    shipping_taxes,
                    reason_code: wanted.reason_code.clone(),
                    excluded_from_shipment: wanted.excluded_from_shipment,
                    created: now,
                };
                line.refunds.push(refund.clone());
                Some(refund)
            });
            made.extend(refund.flatten());
        }
        Ok(made)
    }

    fn tax_rules(&self) -> TaxRules {
        let Settings { taxes_proportional, order_level_tax, old_shapes, .. } = self.settings;
        TaxRules { proportional: taxes_proportional && !old_shapes, on_the_order: order_level_tax }
    }

    fn draw_on_balance(&mut self, lines: &[LineSettlement]) -> Result<(), Refusal> {
        let Some(balance) = self.settings.payable_balance else { return Ok(()) };
        let wanted: Decimal = lines.iter().map(|line| line.amount + line.shipping_amount).sum();
        let hundredths = (wanted * Decimal::ONE_HUNDRED).ceil();
        let left = Decimal::from(balance) - hundredths;
        if left < Decimal::ZERO {
            return Err(Refusal::new(
                "",
                "",
                "The shop does not have a sufficient payable balance for the refund",
            ));
        }
        self.settings.payable_balance = i64::try_from(left).ok();
        Ok(())
    }

    /// The carrier is listed, or named where that is allowed, and the number is there where its
    /// page needs one.
    fn check_tracking(&self, tracking: &Tracking) -> Result<(), String> {
        let filled = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        match (&tracking.carrier_code, &tracking.carrier_name) {
            (Some(code), _) => {
                let Some(carrier) =
                    self.settings.carriers.iter().find(|carrier| carrier.code == *code)
                else {
                    return Err(format!("The carrier code '{code}' is unknown."));
                };
                let needs_number =
                    carrier.tracking_url.as_ref().is_some_and(|url| url.contains("{trackingId}"));
                if needs_number && !filled(&tracking.tracking_number) {
                    return Err("The tracking number is mandatory for this carrier.".to_owned());
                }
                Ok(())
            }
            (None, Some(name)) if !name.is_empty() && !self.settings.registered_carriers_only => {
                Ok(())
            }
            (None, Some(_)) => Err("Only registered carriers are allowed.".to_owned()),
            (None, None) => Err("The carrier is mandatory.".to_owned()),
        }
    }

    fn line(&self, number: Number, order_line_id: &str) -> Option<(&Order, &OrderLine)> {
        let order = self.orders.get(&number)?;
        Some((order, order.lines.iter().find(|line| line.order_line_id == order_line_id)?))
    }

    fn numbers_of_lines(
        &self,
        shop_id: i64,
        lines: &[LineSettlement],
    ) -> Result<Vec<Number>, Refusal> {
        lines
            .iter()
            .map(|wanted| {
                let shop = self.shops.get(&shop_id);
                let of_shop = shop.into_iter().flat_map(|shop| &shop.all);
                of_shop
                    .copied()
                    .find(|number| self.line(*number, &wanted.order_line_id).is_some())
                    .ok_or_else(|| {
                        Refusal::new(
                            "ORDER_LINE_NOT_FOUND",
                            "order_line_id",
                            format!("Order line '{}' not found", wanted.order_line_id),
                        )
                    })
            })
            .collect()
    }
}

/// The pieces can be taken off, and the amounts are theirs, to within the rounding of a piece: less
/// what was refunded of them.
fn check_settlement(
    order: &Order,
    line: &OrderLine,
    wanted: &LineSettlement,
    rules: TaxRules,
) -> Result<(), Refusal> {
    if wanted.quantity == 0 || wanted.quantity > line.to_ship() {
        return Err(Refusal::new(
            "VALIDATION_ERROR",
            "quantity",
            "The quantity exceeds what can be canceled",
        ));
    }
    let share = |amount: Decimal| {
        amount * Decimal::from(wanted.quantity) / Decimal::from(line.quantity.max(1))
    };
    let near = |sent: Decimal, due: Decimal| {
        (sent - due).abs() <= Decimal::new(1, 2) * Decimal::from(wanted.quantity)
    };
    let (goods, shipping) = (
        share(line.price()).min(line.goods_left()),
        share(line.shipping_price).min(line.shipping_left()),
    );
    if !near(wanted.amount, goods) || !near(wanted.shipping_amount, shipping) {
        return Err(Refusal::new(
            "VALIDATION_ERROR",
            "amount",
            "The amount does not match the quantity",
        ));
    }
    let sent: Decimal =
        wanted.taxes.iter().chain(&wanted.shipping_taxes).map(|(_, amount)| *amount).sum();
    if rules.on_the_order && !order.tax_included {
        // "When order level tax calculation is used with TAX_EXCLUDED, the field must not be
        // provided."
        return if wanted.taxes.is_empty() && wanted.shipping_taxes.is_empty() {
            Ok(())
        } else {
            Err(Refusal::new("VALIDATION_ERROR", "taxes", "Taxes must not be provided"))
        };
    }
    // "taxes required if the order has taxes".
    let taxes: Decimal = line.taxes.iter().chain(&line.shipping_taxes).map(|tax| tax.amount).sum();
    let taxed =
        !taxes.is_zero() && !order.tax_included && !rules.proportional && line.refunds.is_empty();
    if taxed && (sent - share(taxes)).abs() > Decimal::new(2, 2) * Decimal::from(wanted.quantity) {
        return Err(Refusal::new("VALIDATION_ERROR", "taxes", "Taxes are required"));
    }
    Ok(())
}

fn bad_request() -> Refusal {
    Refusal::new("", "", "Bad Request")
}
