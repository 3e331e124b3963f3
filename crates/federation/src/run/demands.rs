//! Who asks also answers: what opens the case of a check is handed to auditors that demand it on record.

use std::time::Duration;

use tacit_client::Requester;

/// How often demands are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Answers demands for ever.
pub(super) async fn answer(requester: Requester) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        match requester.answer_demands().await {
            Ok(0) => {}
            Ok(answered) => tracing::info!(answered, "case evidence was handed to auditors"),
            Err(error) => tracing::debug!(%error, "demands of auditors could not be looked for"),
        }
    }
}
