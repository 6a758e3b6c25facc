//! Courses of single orders, step by step: the real handlers on virtual time, each course with its
//! own misfortune. The fault simulation plays thousands of orders at once and asks for what must
//! hold of all; here it is asked who is told of what, when something is tried again, and what is
//! not called.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod acknowledging;
mod cancelling;
mod creating;
mod listing;
mod looking;
mod mapping;
mod probing;
mod refunding;
mod rights;
mod settling;
mod slots;
mod telling;
mod unanswered;
