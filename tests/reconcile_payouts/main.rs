//! `reconcile-payouts` beside the Mirakl simulator: what ties becomes a journal, once; what does
//! not is one exception, with its amount, and nothing of it is queued.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod booking;
mod reading;
mod verdicts;
mod world;
