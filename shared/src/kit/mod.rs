//! What everything else is made with, and what knows nothing of Mirakl, Prima or AWS.

pub mod amount;
pub mod clock;
pub mod csv;
pub mod currency;
pub mod digest;
pub mod field_error;
pub mod http;
pub mod odd_form;
