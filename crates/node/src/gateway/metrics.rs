//! Counters and histograms of the gateway. Labels name routes, kinds of outcome and reasons; never a code, a case or an
//! officer.

use std::time::Duration;

use tacit_model::Reason;

/// A call has ended. `route` is a name from the code, never a path from outside.
pub(super) fn call(kind: &'static str, route: &'static str, status: u16, took: Duration) {
    metrics::counter!(
        "tacit_gateway_calls_total",
        "kind" => kind, "route" => route, "status" => status.to_string()
    )
    .increment(1);
    metrics::histogram!("tacit_gateway_call_seconds", "kind" => kind, "route" => route)
        .record(took.as_secs_f64());
}

/// A row of a batch has its outcome.
pub(super) fn row(outcome: &'static str) {
    metrics::counter!("tacit_gateway_rows_total", "outcome" => outcome).increment(1);
}

/// A question or row was not answered.
pub(super) fn problem(reason: Reason) {
    metrics::counter!("tacit_gateway_problems_total", "reason" => reason.as_str()).increment(1);
}

/// A caller showed no token, or a wrong one.
pub(super) fn stranger() {
    metrics::counter!("tacit_gateway_unauthenticated_total").increment(1);
}
