//! Bugs of what is refunded before it leaves, and of whose an order is to ship.

use crate::bugs::{Bug, Edit, Simulation};

const ON_LISTING: &str = "shared/src/domain/order/life/on_listing.rs";
const OVER: &str = "shared/src/domain/order/life/over.rs";
const REMAINING: &str = "shared/src/domain/order/remaining.rs";

pub(crate) const BUGS: &[Bug] = &[
    Bug {
        name: "refunds-leave-lines-untouched",
        why: "What was refunded before it left is created, and sent, in full.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: REMAINING,
            find: "    let most = named.min(quantity);\n",
            replace: "    let most = named.min(quantity) * u32::from(price < Decimal::ZERO);\n",
        }],
    },
    Bug {
        name: "refund-without-pieces-is-goodwill",
        why: "A refund of the whole price that names no pieces changes nothing.",
        simulation: Simulation::Orders,
        edits: &[
            Edit {
                file: REMAINING,
                find: "price > Decimal::ZERO && refunded >= price {",
                replace: "price > refunded && refunded >= price {",
            },
            Edit {
                file: REMAINING,
                find: "order.fully_refunded == Some(true)",
                replace: "(order.fully_refunded.is_none() && order.fully_refunded.is_some())",
            },
        ],
    },
    Bug {
        name: "goodwill-takes-pieces-away",
        why: "Any refund takes a piece away, whatever of its price was given back.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: REMAINING,
            find: "    let most = named.min(quantity);\n",
            replace: "    let most = named.min(quantity);\n    if refunded > Decimal::ZERO && refunded <= Decimal::ONE {\n        return 1;\n    }\n",
        }],
    },
    Bug {
        name: "closed-is-shipped",
        why: "An order that was refunded as a whole and closed counts as shipped.",
        simulation: Simulation::Orders,
        edits: &[
            Edit {
                file: OVER,
                find: "    if is_refunded(order, row.left_at()) && !(has_left(order) || row.listing.shipped) {\n",
                replace: "    if is_refunded(order, row.left_at()) && order.order_state.is_refund() {\n",
            },
            Edit {
                file: OVER,
                find: "    if row.has_left() {\n        return shipped",
                replace: "    if row.has_left() || row.listing.state == order.order_state {\n        return shipped",
            },
            Edit {
                file: ON_LISTING,
                find: "        OrderState::Shipping if is_refunded(order, row.left_at()) => { refunded(&mut row, order, newer, at) }\n",
                replace: "",
            },
        ],
    },
    Bug {
        name: "part-refunded-after-creation-untold",
        why: "Pieces that are refunded after the order is in Prima are told nobody.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: "shared/src/domain/order/life/missing_parts.rs",
            find: "    if missing.is_empty() {\n",
            replace: "    if missing.is_empty() || row.listing.refunds > 0 {\n",
        }],
    },
    Bug {
        name: "rows-do-not-see-refunds",
        why: "A row keeps pieces that were refunded: they stay in flight, and what is refunded after creation is told nobody.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: "shared/src/domain/order/row/lines.rs",
            find: "    remaining(order, left_at)\n        .live_lines()",
            replace: "    remaining(order, left_at.or(order.created_date))\n        .live_lines()",
        }],
    },
    Bug {
        name: "operators-orders-are-created",
        why: "An order that the marketplace ships itself is created in Prima.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: "shared/src/domain/order/life/operator.rs",
            find: ".then_some(order.can_shop_ship == Some(false))",
            replace: ".then_some(order.can_shop_ship == Some(false) && order.seller_reference().is_some())",
        }],
    },
];
