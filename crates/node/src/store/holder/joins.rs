//! What subjects said, through their authorities, about standing on favorable lists.

use std::collections::HashMap;

use sqlx::{AssertSqlSafe, Row};
use tacit_store::{Conn, StoreError, bulk};

use super::lists::ListNo;
use crate::store::unsigned;

/// The last word of a subject about a list.
pub(crate) struct Join {
    /// Whether it consents to stand there.
    pub(crate) given: bool,
    /// The day on which that was in the log, where the list is kept.
    pub(crate) said_on: u32,
}

impl Join {
    /// From when it consents; 0 when it does not.
    pub(crate) fn consented_on(&self) -> u32 {
        if self.given { self.said_on } else { 0 }
    }
}

/// Keeps what a subject said last.
pub(crate) async fn set(conn: &mut Conn, list: ListNo, code: &str, join: &Join) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO list_join (list_no, code, given, said_on) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (list_no, code) DO UPDATE SET given = excluded.given, said_on = excluded.said_on",
    )
    .bind(list.0)
    .bind(code)
    .bind(i64::from(join.given))
    .bind(i64::from(join.said_on))
    .execute(conn)
    .await?;
    Ok(())
}

/// What the subjects of these codes said.
pub(crate) async fn of_codes(
    conn: &mut Conn,
    list: ListNo,
    codes: &[&str],
) -> Result<HashMap<String, Join>, StoreError> {
    let mut found = HashMap::new();
    for part in bulk::parts(codes) {
        let marks = bulk::placeholders(2, part.len());
        let sql =
            format!("SELECT code, given, said_on FROM list_join WHERE list_no = $1 AND code IN ({marks})");
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(false).bind(list.0);
        for code in part {
            query = query.bind(*code);
        }
        for row in query.fetch_all(&mut *conn).await? {
            let given: u32 = unsigned("list_join", "given", row.try_get(1)?)?;
            let join =
                Join { given: given == 1, said_on: unsigned("list_join", "said_on", row.try_get(2)?)? };
            found.insert(row.try_get(0)?, join);
        }
    }
    Ok(found)
}
