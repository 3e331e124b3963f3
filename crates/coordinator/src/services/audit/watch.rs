//! Tells within seconds when a record is about a pseudonym that an auditor watches: codes that nobody has.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tacit_store::StoreError;
use tacit_wire::coordinator as pb;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataMap;

use super::{Responses, Shared, store_trouble};
use crate::store::{audits, chains};

/// Most pseudonyms of one watch.
const MAX_WATCHED: usize = 1024;
/// How often they are looked at: whichever replica took a check, it is seen here.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Messages that may wait for a slow reader.
const AHEAD: usize = 16;

/// The pseudonyms of a message.
pub(super) fn wanted(message: &pb::WatchPseudonymsRequest) -> Result<Vec<[u8; 32]>, tacit_wire::Malformed> {
    let wrong = |problem| tacit_wire::Malformed { field: "pseudonyms", problem };
    if message.pseudonyms.is_empty() || message.pseudonyms.len() > MAX_WATCHED {
        return Err(wrong("are not 1 to 1024"));
    }
    let read = |it: &bytes::Bytes| tacit_wire::array("pseudonyms", it);
    let wanted = message.pseudonyms.iter().map(read).collect::<Result<Vec<[u8; 32]>, _>>()?;
    let different: HashSet<_> = wanted.iter().collect();
    if different.len() == wanted.len() { Ok(wanted) } else { Err(wrong("name one twice")) }
}

/// One pseudonym, and what was told of it: whether it is known, and how many records there are.
struct Watched {
    pseudonym: [u8; 32],
    told: Option<u64>,
}

/// Begins a watch: what is there already is told at once.
pub(super) fn begin(
    shared: Arc<Shared>,
    pseudonyms: Vec<[u8; 32]>,
    metadata: MetadataMap,
) -> Responses<pb::WatchPseudonymsResponse> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let mut closing = shared.closing.subscribe();
    tokio::spawn(async move {
        let mut watched: Vec<Watched> =
            pseudonyms.into_iter().map(|pseudonym| Watched { pseudonym, told: None }).collect();
        let mut news = vec![pb::WatchPseudonymsResponse::default()];
        loop {
            match look(&shared, &mut watched).await {
                Ok(more) => news.extend(more),
                Err(error) => {
                    // The reader may be gone.
                    let _ = sender.send(Err(store_trouble(&error, &metadata))).await;
                    return;
                }
            }
            for message in news.drain(..) {
                if sender.send(Ok(message)).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = sender.closed() => return,
                _ = closing.wait_for(|closing| *closing) => return,
            }
        }
    });
    Box::pin(ReceiverStream::new(receiver))
}

/// What is new about the pseudonyms.
async fn look(
    shared: &Shared,
    watched: &mut [Watched],
) -> Result<Vec<pb::WatchPseudonymsResponse>, StoreError> {
    let mut conn = shared.db.read().await?;
    let mut news = Vec::new();
    for it in watched {
        let (records, index) = match chains::head(&mut conn, &it.pseudonym).await? {
            Some((_, chain)) => (chain.sequence, chain.last_index.unwrap_or_default()),
            None if audits::is_known(&mut conn, &it.pseudonym).await? => (0, 0),
            None => continue,
        };
        if it.told != Some(records) {
            it.told = Some(records);
            news.push(pb::WatchPseudonymsResponse {
                pseudonym: it.pseudonym.to_vec().into(),
                records,
                index,
            });
        }
    }
    if !news.is_empty() {
        metrics::counter!("tacit_coordinator_watched_pseudonyms_told_total").increment(news.len() as u64);
    }
    Ok(news)
}
