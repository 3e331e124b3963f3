//! Which permits were used for which list: one batch of buckets per permit and list.
//!
//! A row holds a keyed hash of the whole request, `b3(key, permits || buckets)`. The key mixes a secret of
//! the process with a random salt of ten minutes that is deleted when its permits have expired: afterwards
//! nobody can tell which bucket a permit took, and before, not from the database alone.

use std::collections::HashMap;
use std::sync::Arc;

use rand_core::Rng as _;
use sqlx::{Row, any::AnyRow};
use tacit_blind::encoding::b3;
use tacit_model::entropy::os_rng;
use tacit_model::{ListId, Millis};
use tacit_store::{Conn, GroupTx, ReadId, Reads, StoreError, Writes};
use tacit_witness::Ground;
use zeroize::Zeroizing;

use super::{bytes32, signed, unsigned};

/// Milliseconds in which one salt is used.
const SALT_WINDOW_MS: u64 = 600_000;

/// How long a row outlives its permit, so that a check begun in time still finds it.
const KEEP_MS: u64 = 10_000;

/// One request for buckets.
#[derive(Debug)]
pub(crate) struct UsePermits {
    /// Per list and epoch asked for.
    pub(crate) lists: Vec<ListUse>,
    /// What its permits rest on.
    pub(crate) ground: Option<Ground>,
}

/// The part of a request that is about one list and epoch.
#[derive(Debug)]
pub(crate) struct ListUse {
    /// The list.
    pub(crate) list: ListId,
    /// Hash of list, epoch, sorted permits and buckets.
    pub(crate) batch: [u8; 32],
    /// The permits that name the list: record id and expiry.
    pub(crate) permits: Vec<(Arc<str>, Millis)>,
}

/// What was decided about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// First use, or exactly the same request again.
    Good,
    /// A permit was used before in another request.
    Used,
    /// A permit expired while the request waited.
    Expired,
}

/// The secret half of the key. Wiped on drop; never shown.
pub(crate) struct BatchSecret(Zeroizing<[u8; 32]>);

impl BatchSecret {
    /// From the custodian's seed.
    pub(crate) fn derive(seed: &[u8; 32]) -> Self {
        Self(Zeroizing::new(b3("tacit v1 custodian permit secret", &[seed])))
    }
}

/// Decides requests and records their permits. Keeps the salts it has seen.
pub(super) struct Permits {
    secret: BatchSecret,
    salts: HashMap<u64, [u8; 32]>,
}

/// What a row holds.
#[derive(Clone, Copy)]
struct Recorded {
    batch: [u8; 32],
    window: u64,
}

struct NewRow {
    permit: Arc<str>,
    list: ListId,
    batch: [u8; 32],
    expires: Millis,
}

impl Permits {
    pub(super) fn new(secret: BatchSecret) -> Self {
        Self { secret, salts: HashMap::new() }
    }

    /// Forgets what may not be in the database after a failed commit.
    pub(super) fn forget(&mut self) {
        self.salts.clear();
    }

    /// Decides all requests of one commit, in order.
    pub(super) async fn decide(
        &mut self,
        tx: &mut GroupTx<'_>,
        now: Millis,
        requests: &[&UsePermits],
    ) -> Result<Vec<Use>, StoreError> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let ground = Ground::furthest(requests.iter().filter_map(|request| request.ground.as_ref()));
        let now = ground.map_or(now, Ground::time);
        let window = now.0 / SALT_WINDOW_MS;
        self.salts.retain(|known, _| known + 1 >= window);
        let mut reads = Reads::new(tx.dialect());
        let carried = ground.and_then(|ground| ground.carry(&mut reads));
        let read = read_recorded(&mut reads, requests);
        let mut rows = tx.fetch(reads).await?;
        let mut recorded = recorded(&rows.take(read))?;
        if let Some(carried) = carried {
            carried.write(&mut rows, tx)?;
        }
        let (conn, last) = tx.begun().await?;
        let salt = self.salt(conn, window).await?;
        for old in recorded.values().map(|row| row.window).filter(|&old| old != window).collect::<Vec<_>>() {
            // A row without its salt cannot be compared, and then counts as used.
            if !self.salts.contains_key(&old)
                && let Some(salt) = load_salt(conn, old).await?
            {
                self.salts.insert(old, salt);
            }
        }
        let mut new_rows = Vec::new();
        let mut decided = Vec::with_capacity(requests.len());
        for request in requests {
            let outcome = self.decide_one(now, request, &recorded);
            if outcome == Use::Good {
                for part in &request.lists {
                    let batch = self.keyed(&salt, &part.batch);
                    for (permit, expires) in &part.permits {
                        let key = (permit.to_string(), part.list.to_string());
                        recorded.entry(key).or_insert_with(|| {
                            let (permit, list) = (Arc::clone(permit), part.list.clone());
                            new_rows.push(NewRow { permit, list, batch, expires: *expires });
                            Recorded { batch, window }
                        });
                    }
                }
            }
            decided.push(outcome);
        }
        insert(last, window, &new_rows);
        Ok(decided)
    }

    fn decide_one(
        &self,
        now: Millis,
        request: &UsePermits,
        recorded: &HashMap<(String, String), Recorded>,
    ) -> Use {
        for part in &request.lists {
            let mut fresh = 0;
            for (permit, expires) in &part.permits {
                if now >= *expires {
                    return Use::Expired;
                }
                match recorded.get(&(permit.to_string(), part.list.to_string())) {
                    None => fresh += 1,
                    Some(row) => {
                        let same = self.salts.get(&row.window).map(|salt| self.keyed(salt, &part.batch));
                        if same != Some(row.batch) {
                            return Use::Used;
                        }
                    }
                }
            }
            // The batch hash covers all permits, so a mixture cannot come from one honest request.
            if fresh != 0 && fresh != part.permits.len() {
                return Use::Used;
            }
        }
        Use::Good
    }

    fn keyed(&self, salt: &[u8; 32], batch: &[u8; 32]) -> [u8; 32] {
        b3("tacit v1 custodian permit use", &[&*self.secret.0, salt, batch])
    }

    /// The salt of the current window, made when it is first needed.
    async fn salt(&mut self, conn: &mut Conn, window: u64) -> Result<[u8; 32], StoreError> {
        if let Some(salt) = self.salts.get(&window) {
            return Ok(*salt);
        }
        let salt = match load_salt(conn, window).await? {
            Some(salt) => salt,
            None => {
                let mut salt = [0; 32];
                os_rng().fill_bytes(&mut salt);
                sqlx::query("INSERT INTO batch_salt (salt_window, salt) VALUES ($1, $2)")
                    .bind(signed(window))
                    .bind(salt.as_slice())
                    .execute(&mut *conn)
                    .await?;
                salt
            }
        };
        self.salts.insert(window, salt);
        Ok(salt)
    }
}

/// Removes rows of expired permits, and salts that no row can need.
pub(crate) async fn prune(conn: &mut Conn, now: Millis) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM permit_use WHERE expires_ms < $1")
        .bind(now.minus_ms(KEEP_MS).to_i64())
        .execute(&mut *conn)
        .await?;
    // A permit lives 60 s, so one window back is enough.
    sqlx::query("DELETE FROM batch_salt WHERE salt_window < $1")
        .bind(signed((now.0 / SALT_WINDOW_MS).saturating_sub(1)))
        .execute(&mut *conn)
        .await?;
    Ok(())
}

async fn load_salt(conn: &mut Conn, window: u64) -> Result<Option<[u8; 32]>, StoreError> {
    let row = sqlx::query("SELECT salt FROM batch_salt WHERE salt_window = $1")
        .bind(signed(window))
        .fetch_optional(conn)
        .await?;
    row.map(|row| bytes32("batch_salt", "salt", window, row.try_get(0)?)).transpose()
}

/// Adds the read of the rows of all permits of these requests.
fn read_recorded(reads: &mut Reads, requests: &[&UsePermits]) -> ReadId {
    let mut permits: Vec<&str> = requests
        .iter()
        .flat_map(|request| &request.lists)
        .flat_map(|part| part.permits.iter().map(|(permit, _)| &**permit))
        .collect();
    permits.sort_unstable();
    permits.dedup();
    let head = "SELECT permit, list, batch, salt_window FROM permit_use WHERE permit IN";
    reads.keyed(head, |row| row, &permits, |row, permit| row.bind(*permit))
}

/// What is on record, by permit and list.
fn recorded(rows: &[AnyRow]) -> Result<HashMap<(String, String), Recorded>, StoreError> {
    rows.iter()
        .map(|row| {
            let permit: String = row.try_get(0)?;
            let batch = bytes32("permit_use", "batch", &permit, row.try_get(2)?)?;
            let window = unsigned("permit_use", "salt_window", row.try_get(3)?)?;
            Ok(((permit, row.try_get(1)?), Recorded { batch, window }))
        })
        .collect()
}

fn insert(last: &mut Writes, window: u64, rows: &[NewRow]) {
    let into = "permit_use (permit, list, batch, salt_window, expires_ms)";
    last.insert(into, 5, "", rows, |row, new| {
        row.bind(&*new.permit)
            .bind(new.list.as_str())
            .bind(new.batch.as_slice())
            .bind(signed(window))
            .bind(new.expires.to_i64())
    });
}
