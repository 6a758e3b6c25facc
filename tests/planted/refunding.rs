//! Bugs of what is refunded before it leaves, and of whose an order is to ship.

use crate::bugs::{Bug, Edit, Simulation};

const LIFE: &str = "shared/src/domain/order/life.rs";
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
                file: LIFE,
                find: "    if is_refunded(order, row.left_at()) && !(has_left(order) || row.shipped_in_mirakl) {\n",
                replace: "    if is_refunded(order, row.left_at()) && order.order_state.is_refund() {\n",
            },
            Edit {
                file: LIFE,
                find: "    if row.has_left() {\n        return shipped",
                replace: "    if row.has_left() || row.mirakl_state == order.order_state {\n        return shipped",
            },
            Edit {
                file: LIFE,
                find: "        OrderState::Shipping if is_refunded(order, row.left_at()) => refunded(&mut row, order, newer, at),\n",
                replace: "",
            },
        ],
    },
    Bug {
        name: "part-refunded-after-creation-untold",
        why: "Pieces that are refunded after the order is in Prima are told nobody.",
        simulation: Simulation::Orders,
        edits: &[Edit { file: LIFE, find: "    if missing.is_empty() {\n", replace: "    if missing.is_empty() || row.refunds > 0 {\n" }],
    },
    Bug {
        name: "rows-do-not-see-refunds",
        why: "A row keeps pieces that were refunded: they stay in flight, and what is refunded after creation is told nobody.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: "shared/src/domain/order/row.rs",
            find: "    remaining(order, left_at)\n        .live_lines()",
            replace: "    remaining(order, left_at.or(order.created_date))\n        .live_lines()",
        }],
    },
    Bug {
        name: "operators-orders-are-created",
        why: "An order that the marketplace ships itself is created in Prima.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: LIFE,
            find: ".then_some(order.can_shop_ship == Some(false))",
            replace: ".then_some(order.can_shop_ship == Some(false) && order.seller_reference().is_some())",
        }],
    },
];
