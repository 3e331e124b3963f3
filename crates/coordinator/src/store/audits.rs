//! What auditors asked for: `box_opening` and `case_demand`; and what they are shown of registrations and openings.

use sqlx::{Row, any::AnyRow};
use tacit_model::{MemberId, Ulid};
use tacit_store::{Conn, StoreError};

use super::{bytes32, signed, subjects::Number, ulid, unsigned};

/// Most rows of one answer.
const PAGE: i64 = 1024;

/// An audit box on its way to be opened.
#[derive(Clone)]
pub(crate) struct BoxOpening {
    pub(crate) id: Ulid,
    pub(crate) auditor: String,
    pub(crate) second: String,
    pub(crate) requester: String,
    pub(crate) epoch: u32,
    pub(crate) blinded_subject: [u8; 32],
    pub(crate) register_hash: [u8; 32],
    pub(crate) about: String,
    pub(crate) about_index: u64,
    pub(crate) ground: String,
    pub(crate) ground_salt: [u8; 32],
    pub(crate) requested_ms: u64,
    pub(crate) requested_index: u64,
    /// Log index of the approval, the box less its outer layer, the signature.
    pub(crate) approved: Option<(u64, Vec<u8>, Vec<u8>)>,
    pub(crate) read_index: Option<u64>,
}

const OPENING: &str = "SELECT id, auditor, second, requester, epoch, blinded_subject, register_hash, about, about_index, \
                       ground, ground_salt, requested_ms, requested_index, approved_index, inner_box, approval, \
                       read_index FROM box_opening";

fn opening(row: &AnyRow) -> Result<BoxOpening, StoreError> {
    let text: &str = row.try_get(0)?;
    let id = ulid("box_opening", "id", text)?;
    let count = |column, value: i64| unsigned("box_opening", column, value);
    let hash = |column, bytes: &[u8]| bytes32("box_opening", column, text, bytes);
    let approved = match row.try_get::<Option<i64>, _>(13)? {
        Some(index) => Some((count("approved_index", index)?, row.try_get(14)?, row.try_get(15)?)),
        None => None,
    };
    let read = row.try_get::<Option<i64>, _>(16)?;
    Ok(BoxOpening {
        id,
        auditor: row.try_get(1)?,
        second: row.try_get(2)?,
        requester: row.try_get(3)?,
        epoch: u32::try_from(row.try_get::<i64, _>(4)?)
            .map_err(|_| StoreError::corrupt("box_opening", "epoch", text, "is no epoch"))?,
        blinded_subject: hash("blinded_subject", row.try_get(5)?)?,
        register_hash: hash("register_hash", row.try_get(6)?)?,
        about: row.try_get(7)?,
        about_index: count("about_index", row.try_get(8)?)?,
        ground: row.try_get(9)?,
        ground_salt: hash("ground_salt", row.try_get(10)?)?,
        requested_ms: count("requested_ms", row.try_get(11)?)?,
        requested_index: count("requested_index", row.try_get(12)?)?,
        approved,
        read_index: read.map(|index| count("read_index", index)).transpose()?,
    })
}

/// An opening by its id.
pub(crate) async fn box_opening(conn: &mut Conn, id: Ulid) -> Result<Option<BoxOpening>, StoreError> {
    let query = format!("{OPENING} WHERE id = $1");
    let row = sqlx::query(sqlx::AssertSqlSafe(query)).bind(id.to_string()).fetch_optional(conn).await?;
    row.as_ref().map(opening).transpose()
}

/// Openings, newest first.
pub(crate) async fn box_openings(conn: &mut Conn) -> Result<Vec<BoxOpening>, StoreError> {
    let query = format!("{OPENING} ORDER BY id DESC LIMIT $1");
    let rows = sqlx::query(sqlx::AssertSqlSafe(query)).bind(PAGE).fetch_all(conn).await?;
    rows.iter().map(opening).collect()
}

/// Log index of the request of this auditor about this record that nobody has approved yet, on the same ground.
pub(crate) async fn open_request(
    conn: &mut Conn,
    auditor: &str,
    about: &str,
    ground: &str,
) -> Result<Option<u64>, StoreError> {
    let row = sqlx::query(
        "SELECT requested_index FROM box_opening \
         WHERE auditor = $1 AND about = $2 AND ground = $3 AND approved_index IS NULL ORDER BY id DESC LIMIT 1",
    )
    .bind(auditor)
    .bind(about)
    .bind(ground)
    .fetch_optional(conn)
    .await?;
    row.map(|row| unsigned("box_opening", "requested_index", row.try_get(0)?)).transpose()
}

/// Keeps an opening that was asked for.
pub(crate) async fn put_opening(conn: &mut Conn, it: &BoxOpening) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO box_opening (id, auditor, second, requester, epoch, blinded_subject, register_hash, about, \
         about_index, ground, ground_salt, requested_ms, requested_index) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(it.id.to_string())
    .bind(it.auditor.as_str())
    .bind(it.second.as_str())
    .bind(it.requester.as_str())
    .bind(i64::from(it.epoch))
    .bind(it.blinded_subject.as_slice())
    .bind(it.register_hash.as_slice())
    .bind(it.about.as_str())
    .bind(signed(it.about_index))
    .bind(it.ground.as_str())
    .bind(it.ground_salt.as_slice())
    .bind(signed(it.requested_ms))
    .bind(signed(it.requested_index))
    .execute(conn)
    .await?;
    Ok(())
}

/// Keeps an approval.
pub(crate) async fn approve_opening(
    conn: &mut Conn,
    id: Ulid,
    index: u64,
    inner: &[u8],
    approval: &[u8],
) -> Result<(), StoreError> {
    sqlx::query("UPDATE box_opening SET approved_index = $1, inner_box = $2, approval = $3 WHERE id = $4")
        .bind(signed(index))
        .bind(inner)
        .bind(approval)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Notes that an opening is read.
pub(crate) async fn read_opening(conn: &mut Conn, id: Ulid, index: u64) -> Result<(), StoreError> {
    sqlx::query("UPDATE box_opening SET read_index = $1 WHERE id = $2")
        .bind(signed(index))
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// A registration as it was proven.
pub(crate) struct Registration {
    pub(crate) evaluated: [u8; 32],
    pub(crate) pseudonym: [u8; 32],
    pub(crate) proof: Vec<u8>,
    pub(crate) register_hash: [u8; 32],
    pub(crate) audit_box: Vec<u8>,
}

/// The registration of a blinded subject.
pub(crate) async fn registration(
    conn: &mut Conn,
    requester: &str,
    epoch: u32,
    blinded_subject: &[u8; 32],
) -> Result<Option<Registration>, StoreError> {
    let row = sqlx::query(
        "SELECT evaluated, pseudonym, proof, register_hash, audit_box FROM registration \
         WHERE requester = $1 AND epoch = $2 AND blinded_subject = $3",
    )
    .bind(requester)
    .bind(i64::from(epoch))
    .bind(blinded_subject.as_slice())
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let hash = |column, bytes: &[u8]| bytes32("registration", column, requester, bytes);
    Ok(Some(Registration {
        evaluated: hash("evaluated", row.try_get(0)?)?,
        pseudonym: hash("pseudonym", row.try_get(1)?)?,
        proof: row.try_get(2)?,
        register_hash: hash("register_hash", row.try_get(3)?)?,
        audit_box: row.try_get(4)?,
    }))
}

/// Hashes and signature of a request.
pub(crate) async fn request(
    conn: &mut Conn,
    fingerprint: &[u8; 32],
) -> Result<Option<(Vec<u8>, Vec<u8>)>, StoreError> {
    let row = sqlx::query("SELECT check_hashes, signature FROM request WHERE request_hash = $1")
        .bind(fingerprint.as_slice())
        .fetch_optional(conn)
        .await?;
    row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
}

/// Whose chain a record is in; none when its opening is erased.
pub(crate) async fn subject_of(conn: &mut Conn, log_index: u64) -> Result<Option<Number>, StoreError> {
    let row = sqlx::query("SELECT subject FROM opening WHERE log_index = $1")
        .bind(signed(log_index))
        .fetch_optional(conn)
        .await?;
    row.map(|row| Ok(Number(row.try_get(0)?))).transpose()
}

/// Whose chains these records are in: those with an opening in a range of the log.
pub(crate) async fn subjects_between(
    conn: &mut Conn,
    from: u64,
    until: u64,
) -> Result<Vec<(u64, Number)>, StoreError> {
    let rows = sqlx::query(
        "SELECT log_index, subject FROM opening WHERE log_index >= $1 AND log_index < $2 ORDER BY log_index",
    )
    .bind(signed(from))
    .bind(signed(until))
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| Ok((unsigned("opening", "log_index", row.try_get(0)?)?, Number(row.try_get(1)?))))
        .collect()
}

/// How many pseudonyms a requester registered, and how many of these no consent or request for one was ever under.
pub(crate) async fn enrolled(conn: &mut Conn) -> Result<Vec<(String, u64, u64)>, StoreError> {
    let rows = sqlx::query(
        "SELECT p.requester, COUNT(*), SUM(CASE WHEN EXISTS (SELECT 1 FROM consent c WHERE c.pseudonym = p.pseudonym) \
         OR EXISTS (SELECT 1 FROM consent_request r WHERE r.pseudonym = p.pseudonym) THEN 0 ELSE 1 END) \
         FROM pseudonym p GROUP BY p.requester ORDER BY p.requester",
    )
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            let all = unsigned("pseudonym", "count", row.try_get(1)?)?;
            let without = unsigned("pseudonym", "count", row.try_get(2)?)?;
            Ok((row.try_get(0)?, all, without))
        })
        .collect()
}

/// Whether a pseudonym was ever registered, or named in a consent.
pub(crate) async fn is_known(conn: &mut Conn, pseudonym: &[u8; 32]) -> Result<bool, StoreError> {
    let query = "SELECT number FROM subject WHERE pseudonym = $1 \
                 UNION ALL SELECT subject FROM carried WHERE pseudonym = $1";
    Ok(sqlx::query(query).bind(pseudonym.as_slice()).fetch_optional(conn).await?.is_some())
}

/// A demand for case evidence.
pub(crate) struct CaseDemand {
    pub(crate) auditor: String,
    pub(crate) requester: String,
    pub(crate) log_index: u64,
    /// The sealed answer, and when it came.
    pub(crate) answer: Option<(Vec<u8>, u64)>,
}

const DEMAND: &str = "SELECT auditor, requester, log_index, answer, answered_ms FROM case_demand";

fn demand(row: &AnyRow) -> Result<CaseDemand, StoreError> {
    let answered = row.try_get::<Option<i64>, _>(4)?;
    let answer = match answered {
        Some(at) => Some((row.try_get(3)?, unsigned("case_demand", "answered_ms", at)?)),
        None => None,
    };
    Ok(CaseDemand {
        auditor: row.try_get(0)?,
        requester: row.try_get(1)?,
        log_index: unsigned("case_demand", "log_index", row.try_get(2)?)?,
        answer,
    })
}

/// A demand by its id.
pub(crate) async fn case_demand(conn: &mut Conn, id: Ulid) -> Result<Option<CaseDemand>, StoreError> {
    let query = format!("{DEMAND} WHERE id = $1");
    let row = sqlx::query(sqlx::AssertSqlSafe(query)).bind(id.to_string()).fetch_optional(conn).await?;
    row.as_ref().map(demand).transpose()
}

/// Demands of an auditor, or to a requester, newest first.
pub(crate) async fn case_demands(
    conn: &mut Conn,
    of: &MemberId,
    open: bool,
) -> Result<Vec<CaseDemand>, StoreError> {
    let open = if open { " AND answered_ms IS NULL" } else { "" };
    let query = format!("{DEMAND} WHERE (auditor = $1 OR requester = $2){open} ORDER BY id DESC LIMIT $3");
    let rows = sqlx::query(sqlx::AssertSqlSafe(query))
        .bind(of.as_str())
        .bind(of.as_str())
        .bind(PAGE)
        .fetch_all(conn)
        .await?;
    rows.iter().map(demand).collect()
}

/// A demand as it is made.
pub(crate) struct NewDemand<'a> {
    pub(crate) id: Ulid,
    pub(crate) auditor: &'a str,
    pub(crate) requester: &'a str,
    pub(crate) about: &'a str,
    pub(crate) log_index: u64,
    pub(crate) due_ms: u64,
}

/// Keeps a demand.
pub(crate) async fn put_demand(conn: &mut Conn, new: &NewDemand<'_>) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO case_demand (id, auditor, requester, about, log_index, due_ms) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(new.id.to_string())
    .bind(new.auditor)
    .bind(new.requester)
    .bind(new.about)
    .bind(signed(new.log_index))
    .bind(signed(new.due_ms))
    .execute(conn)
    .await?;
    Ok(())
}

/// Log index of a demand of this auditor about this record that is not answered and not due yet.
pub(crate) async fn open_demand(
    conn: &mut Conn,
    auditor: &str,
    about: &str,
    now_ms: u64,
) -> Result<Option<u64>, StoreError> {
    let row = sqlx::query(
        "SELECT log_index FROM case_demand \
         WHERE auditor = $1 AND about = $2 AND answered_ms IS NULL AND due_ms > $3 ORDER BY id DESC LIMIT 1",
    )
    .bind(auditor)
    .bind(about)
    .bind(signed(now_ms))
    .fetch_optional(conn)
    .await?;
    row.map(|row| unsigned("case_demand", "log_index", row.try_get(0)?)).transpose()
}

/// Keeps an answer.
pub(crate) async fn answer_demand(
    conn: &mut Conn,
    id: Ulid,
    answer: &[u8],
    now_ms: u64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE case_demand SET answer = $1, answered_ms = $2 WHERE id = $3 AND answer IS NULL")
        .bind(answer)
        .bind(signed(now_ms))
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}
