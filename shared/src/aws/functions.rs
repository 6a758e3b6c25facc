//! The Lambda functions of the connector: the one list of them.
//!
//! The log filter, the operator command, the local world and the tests read this list. A test
//! (`infra/local-world/tests/environment.rs`) holds it against the folders under `functions/`,
//! against `template.yaml` and against the README. `docs/adding-a-function.md` says how a function
//! is added.

macro_rules! functions {
    ($($(#[$doc:meta])* $function:ident = $name:literal,)+) => {
        /// A Lambda function of the connector.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Function {
            $($(#[$doc])* $function,)+
        }

        impl Function {
            /// Every function.
            pub const ALL: &[Self] = &[$(Self::$function,)+];

            /// The name of its package, of its binary and of its folder under `functions/`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$function => $name,)+ }
            }

            /// Its logical id in `template.yaml`.
            #[must_use]
            pub const fn logical_id(self) -> &'static str {
                match self { $(Self::$function => concat!(stringify!($function), "Function"),)+ }
            }

            /// The output of the stack that holds the name under which it is deployed.
            #[must_use]
            pub const fn name_output(self) -> &'static str {
                match self { $(Self::$function => concat!(stringify!($function), "FunctionName"),)+ }
            }

            /// The output of the stack that holds the name of its log group.
            #[must_use]
            pub const fn log_group_output(self) -> &'static str {
                match self { $(Self::$function => concat!(stringify!($function), "LogGroup"),)+ }
            }
        }
    };
}

functions! {
    /// Every minute: lists new orders, accepts, records and queues them.
    AcknowledgeOrders = "acknowledge-orders",
    /// From the queue of orders: creates each order in Prima exactly once.
    CreatePrimaOrders = "create-prima-orders",
    /// Every minute: asks Prima which parcels have left, and queues them.
    CollectDispatches = "collect-dispatches",
    /// From the queue of dispatches: tells Mirakl about each parcel.
    UpdateDispatches = "update-dispatches",
    /// Every minute: publishes the stock that is due.
    PushStock = "push-stock",
    /// From the queue of stock imports: follows each import until it has ended.
    CheckStockImports = "check-stock-imports",
    /// Every 15 minutes: reads settlements, proves that each ties, and makes its journal.
    ReconcilePayouts = "reconcile-payouts",
    /// From the queue of journals: posts each into Prima once.
    PostJournals = "post-journals",
}

impl Function {
    /// The name of its crate, as it stands in the targets of its log lines.
    #[must_use]
    pub fn crate_name(self) -> String {
        self.name().replace('-', "_")
    }
}
