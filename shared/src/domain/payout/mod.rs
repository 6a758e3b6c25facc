//! Payouts: every settlement ties to the penny and is in Prima's books once. Pure rules.
//!
//! | module | what |
//! | --- | --- |
//! | [`key`] | what a journal is made for, once; references and ids |
//! | [`ledger`] | the transaction log by its lines' ids, and which cycle each is in |
//! | [`tie`] | whether a cycle's lines come to exactly what is transferred |
//! | [`balance`], [`proofs`] | proofs beside it: running balance, operator's share, totals, documents |
//! | [`explain`] | where the difference of an untied cycle may come from |
//! | [`chart`], [`calendar`] | where and when things are booked: documents that an accountant signs |
//! | [`draft`], [`journal`] | what is booked, and the place of every line |
//! | [`matching`] | an order's money: expected against settled |
//! | [`statement`] | month end: the clearing account by item, the accrual, the year |
//! | [`report`] | a cycle as a page, and its lines as CSV |
//! | [`posting`], [`stage`] | a journal's way into Prima, once |
//! | [`journal_files`], [`journal_csv`] | a journal's content, and the CSV of it that a person imports |
//! | [`journal_exceptions`] | what of a cycle's journals needs a person |
//! | [`rules`], [`settings`] | what a person decides: of a channel, of the installation |
//! | [`exceptions`] | what needs a person, in money |
//! | [`row`], [`store`] | what is remembered of a cycle and of a shop, and where |

pub mod balance;
pub mod calendar;
pub mod chart;
pub mod contract;
pub mod documents;
pub mod draft;
pub mod exceptions;
pub mod explain;
pub mod in_memory;
pub mod journal;
pub mod journal_csv;
pub mod journal_exceptions;
pub mod journal_files;
pub mod key;
pub mod ledger;
pub mod matching;
pub mod posting;
pub mod proofs;
pub mod report;
pub mod row;
pub mod rules;
pub mod settings;
pub mod stage;
pub mod statement;
pub mod store;
#[cfg(test)]
mod tests;
pub mod tie;
pub mod totals;
