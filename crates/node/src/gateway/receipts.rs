//! Receipts at the gateway: which ones are meant, told the same way in JSON and gRPC.
//!
//! A receipt shows its subject and what was answered, so it is handed out one by one and by its record; a listing
//! tells neither.

use tacit_client::{MAX_RECEIPTS, ReceiptFilter, ReceiptPage};
use tacit_model::{LogSafe, Millis, Reason, RequestId, Ulid, parse_ulid};

use super::{asker::ReceiptFile, json::App, problem::Problem, tokens::Application};

/// Receipts of a page when no number is stated.
const PAGE: u32 = 100;
/// Longest case number, officer and purpose, in bytes.
const WORDS_MAX: usize = 200;

/// What is said with every receipt that is handed out.
pub(super) const WARNING: &str = "This receipt shows whom the question was about, what was answered, and other \
     subjects' sealed entries. It is for the subject, a court or an auditor, and for nobody else.";

/// A request for a page as it arrived, from JSON or protobuf. An empty field is a missing one.
#[derive(Default)]
pub(super) struct RawFilter {
    /// Case number.
    pub(super) case_number: String,
    /// From this time on.
    pub(super) from: Option<Millis>,
    /// Before this time.
    pub(super) until: Option<Millis>,
    /// Who asked.
    pub(super) officer: String,
    /// A list that answered.
    pub(super) list: String,
    /// Purpose code.
    pub(super) purpose: String,
    /// The newest first.
    pub(super) newest_first: bool,
    /// The page before ended here.
    pub(super) cursor: String,
    /// Most receipts; 0 for the usual number.
    pub(super) limit: u32,
}

impl RawFilter {
    /// Checks every field; the [`Problem`] names it.
    pub(super) fn check(self) -> Result<(ReceiptFilter, u32), Problem> {
        let malformed =
            |field: &'static str, text: &'static str| Problem::of_field(Reason::Malformed, field, text);
        let words =
            [("case_number", &self.case_number), ("officer", &self.officer), ("purpose", &self.purpose)];
        for (field, text) in words {
            if text.len() > WORDS_MAX {
                return Err(malformed(field, "The field has more than 200 bytes."));
            }
        }
        if self.limit > MAX_RECEIPTS {
            return Err(malformed("limit", "A page has at most 1,000 receipts."));
        }
        let after = match self.cursor.as_str() {
            "" => None,
            text => Some(
                parse_ulid(text).ok_or_else(|| malformed("cursor", "This is no cursor of a page before."))?,
            ),
        };
        let stated = |text: String| Some(text).filter(|text| !text.is_empty());
        let list = stated(self.list).map(|list| list.parse()).transpose();
        let filter = ReceiptFilter {
            case: stated(self.case_number),
            from: self.from,
            until: self.until,
            officer: stated(self.officer),
            list: list.map_err(|_| malformed("list", "A list is written `<holder>/<name>`."))?,
            purpose: stated(self.purpose),
            newest_first: self.newest_first,
            after,
        };
        Ok((filter, if self.limit == 0 { PAGE } else { self.limit }))
    }
}

/// The id of a record as it is written in a request.
pub(super) fn record_id(text: &str) -> Result<Ulid, Problem> {
    let wrong = "A record id is a ULID: 26 characters, capitals and digits.";
    parse_ulid(text).ok_or_else(|| Problem::of_field(Reason::Malformed, "record_id", wrong))
}

/// A page of receipts.
pub(super) async fn page(app: &App, filter: RawFilter) -> Result<ReceiptPage, Problem> {
    let (filter, limit) = filter.check()?;
    Ok(app.asker.receipts(filter, limit).await?)
}

/// One receipt; who took it out is logged.
pub(super) async fn one(
    app: &App,
    record: Ulid,
    id: &RequestId,
    application: Option<&Application>,
) -> Result<Option<ReceiptFile>, Problem> {
    let found = app.asker.receipt(record).await?;
    if found.is_some() {
        tracing::info!(
            request_id = %LogSafe::new(id),
            application = application.map(|name| tracing::field::display(LogSafe::new(name))),
            record = %record,
            "a receipt is handed out"
        );
    }
    Ok(found)
}

/// There is no such receipt.
pub(super) fn none() -> Problem {
    Problem::new(Reason::NotFound, "There is no receipt of this record: it is not ours, or no list answered.")
}
