//! The same for letters: a changed column would hide one from the member that it is for, or count it to another.

use tacit_ledger::record::{self, Record};
use tacit_store::{Conn, StoreError};

use super::{Comparison, PAGE};
use crate::store::{
    chains,
    letters::{self, StoredLetter},
};

impl Comparison {
    /// Compares the next page of letters with their records, or goes on to the next stage.
    pub(super) async fn page_of_letters(&mut self) -> Result<(), StoreError> {
        let mut conn = self.db.read().await?;
        let page = letters::from_index(&mut conn, self.letters_from, PAGE).await?;
        let Some(last) = page.last().map(|letter| letter.log_index) else {
            self.stage = self.stage.next();
            return Ok(());
        };
        for letter in &page {
            compare(&mut conn, letter).await?;
        }
        self.letters_from = last.saturating_add(1);
        Ok(())
    }
}

async fn compare(conn: &mut Conn, stored: &StoredLetter) -> Result<(), StoreError> {
    let differs =
        |column| StoreError::corrupt("letter", column, stored.log_index, "is not what its record says");
    let record = Record::parse(&chains::record(conn, stored.log_index).await?).ok();
    let record: record::Notice =
        record.and_then(|record| record.try_into().ok()).ok_or_else(|| differs("log_index"))?;
    for (column, same) in [
        ("letter", record.letter == stored.letter),
        ("sender", record.sender == *stored.sender),
        ("member", record.member == *stored.member),
        ("posted_ms", record.time_ms == stored.posted.0),
    ] {
        if !same {
            return Err(differs(column));
        }
    }
    Ok(())
}
