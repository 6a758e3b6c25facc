//! The finance operations over HTTP.

use jiff::Timestamp;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    AccountingDocument, BillingCycle, CreatedQuery, LineReader, MiraklFinance, Page,
    TransactionLine, TransactionQuery, TransactionsExport, Unreadable,
};
use crate::kit::clock::Clock;
use crate::mirakl::call::{Call, Repeat};
use crate::mirakl::client::MiraklClient;
use crate::mirakl::error::MiraklError;
use crate::mirakl::keys::ApiKeys;
use crate::mirakl::null_as_default;
use crate::mirakl::paging::SeekPage;
use crate::mirakl::wire::text;

/// Mirakl's largest page of TL02. Left out, `limit` is ten in silence.
const MOST_TRANSACTIONS: usize = 2000;
/// Of SBC11.
const MOST_CYCLES: usize = 1000;
/// Of IV01, and the most ids in one call.
const MOST: usize = 100;
/// The largest document that is fetched.
const LARGEST_DOCUMENT: usize = 32 * 1024 * 1024;

/// TL03's request.
#[derive(Serialize)]
struct ExportBody<'a> {
    format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_updated_from: Option<String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    seller_billing_cycle_id: &'a [String],
}

/// TL03's answer.
#[derive(Deserialize)]
struct Export {
    #[serde(deserialize_with = "crate::mirakl::wire::id")]
    tracking_id: String,
}

/// TL04's answer.
#[derive(Deserialize)]
pub(super) struct ExportStatus {
    #[serde(deserialize_with = "crate::mirakl::wire::id")]
    status: String,
    #[serde(default, deserialize_with = "null_as_default")]
    urls: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    error: ExportError,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ExportError {
    #[serde(deserialize_with = "text")]
    code: Option<String>,
    #[serde(deserialize_with = "text")]
    detail: Option<String>,
}

impl ExportStatus {
    pub(super) fn into_export(self) -> TransactionsExport {
        match self.status.as_str() {
            "PENDING" => TransactionsExport::Pending,
            "COMPLETED" => TransactionsExport::Completed(self.urls),
            "FAILED" | "CANCELED" => {
                let told = [Some(self.status), self.error.code, self.error.detail];
                TransactionsExport::Failed(
                    told.into_iter().flatten().collect::<Vec<_>>().join(": "),
                )
            }
            _ => TransactionsExport::Unknown(self.status),
        }
    }
}

/// IV01's answer.
#[derive(Deserialize)]
pub(super) struct Invoices {
    invoices: Vec<Box<RawValue>>,
    #[serde(default)]
    total_count: Option<u64>,
}

impl Invoices {
    pub(super) fn into_page(self) -> Page<AccountingDocument> {
        Page::read(&self.invoices, None, self.total_count, AccountingDocument::read)
    }
}

/// A moment in whole seconds: a form that every instance reads.
fn whole_seconds(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl CreatedQuery {
    fn of(&self, call: Call) -> Call {
        let dates = [("start_date", self.from), ("end_date", self.to)];
        dates.into_iter().fold(call, |call, (name, moment)| match moment {
            Some(moment) => call.query(name, whole_seconds(moment)),
            None => call,
        })
    }
}

impl<K: ApiKeys, C: Clock> MiraklClient<K, C> {
    /// A page of a listing by token.
    async fn seek<T>(
        &self,
        call: Call,
        limit: usize,
        token: Option<&str>,
        read: impl Fn(u64, &str) -> Result<T, Unreadable>,
    ) -> Result<Page<T>, MiraklError> {
        let call = match token {
            Some(token) => Call { query: vec![("page_token", token.to_owned())], ..call },
            None => call.query("limit", limit.to_string()),
        };
        let page: SeekPage<Box<RawValue>> = self.caller.read(&call).await?;
        if token.is_some() && page.next_page_token.as_deref() == token {
            return Err(MiraklError::unknown(
                call.operation,
                "the listing's next page is the same page again",
            ));
        }
        Ok(Page::read(&page.data, page.next_page_token, None, read))
    }
}

fn at_most_100(operation: &'static str, query: &TransactionQuery) -> Result<(), MiraklError> {
    if query.cycles.len() > MOST {
        return Err(MiraklError::not_sent(
            operation,
            format!("{} billing cycles in one call; Mirakl takes {MOST}", query.cycles.len()),
        ));
    }
    Ok(())
}

impl<K: ApiKeys, C: Clock> MiraklFinance for MiraklClient<K, C> {
    async fn transactions(
        &self,
        query: &TransactionQuery,
        token: Option<&str>,
    ) -> Result<Page<TransactionLine>, MiraklError> {
        at_most_100("TL02", query)?;
        let mut call = Call::get("TL02", &["api", "sellerpayment", "transactions_logs"])
            .query("sort", "lastUpdated,ASC");
        if let Some(from) = query.updated_from {
            call = call.query("last_updated_from", whole_seconds(from));
        }
        for cycle in &query.cycles {
            call = call.query("seller_billing_cycle_id", cycle.clone());
        }
        call.limit_waited_until = query.limit_waited_until;
        self.seek(call, MOST_TRANSACTIONS, token, TransactionLine::read).await
    }

    async fn begin_transactions_export(
        &self,
        query: &TransactionQuery,
    ) -> Result<String, MiraklError> {
        at_most_100("TL03", query)?;
        let body = ExportBody {
            format: "NDJSON",
            last_updated_from: query.updated_from.map(whole_seconds),
            seller_billing_cycle_id: &query.cycles,
        };
        let call = Call::new(
            "TL03",
            Method::POST,
            &["api", "sellerpayment", "transactions_logs", "async"],
            Repeat::Never,
        )
        .json(&body)?;
        Ok(self.caller.read::<Export>(&call).await?.tracking_id)
    }

    async fn transactions_export(
        &self,
        tracking_id: &str,
    ) -> Result<TransactionsExport, MiraklError> {
        let path = ["api", "sellerpayment", "transactions_logs", "async", "status", tracking_id];
        let status: ExportStatus = self.caller.read(&Call::get("TL04", &path)).await?;
        Ok(status.into_export())
    }

    async fn exported_transactions(
        &self,
        url: &str,
        mut each: impl FnMut(Result<TransactionLine, Unreadable>),
    ) -> Result<(), MiraklError> {
        let (url, with_key) = self.caller.foreign_url("TL05", url)?;
        let call = Call { with_key, ..Call::get("TL05", &[]) };
        let mut reader = LineReader::default();
        self.caller.download(&call, &url, |piece| reader.take(piece, &mut each)).await?;
        reader.end(&mut each).map_err(|problem| MiraklError::unknown("TL05", problem.to_string()))
    }

    async fn billing_cycles(
        &self,
        query: &CreatedQuery,
        token: Option<&str>,
    ) -> Result<Page<BillingCycle>, MiraklError> {
        let call = Call::get("SBC11", &["api", "seller-billing-cycles"])
            .query("sort", "dateCreated,ASC")
            .query("pay_out_state", "TO_PAY")
            .query("pay_out_state", "FAILED")
            .query("pay_out_state", "PAID");
        self.seek(query.of(call), MOST_CYCLES, token, BillingCycle::read).await
    }

    async fn accounting_documents(
        &self,
        query: &CreatedQuery,
        offset: usize,
    ) -> Result<Page<AccountingDocument>, MiraklError> {
        let call = Call::get("IV01", &["api", "invoices"])
            // Left out, automatic invoices alone are listed.
            .query("type", "ALL")
            .query("sort", "dateCreated")
            .query("order", "asc")
            .query("max", MOST.to_string())
            .query("offset", offset.to_string());
        Ok(self.caller.read::<Invoices>(&query.of(call)).await?.into_page())
    }

    async fn accounting_document_file(&self, invoice_id: i64) -> Result<Vec<u8>, MiraklError> {
        let path = ["api", "invoices", &invoice_id.to_string()];
        let call = Call { largest_answer: LARGEST_DOCUMENT, ..Call::get("IV02", &path) };
        self.caller.send(&call).await
    }
}
