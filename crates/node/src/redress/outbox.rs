//! Letters on their way: sealed once, posted until their record is known, then noted with it.

use tacit_client::{LetterSent, RowKey, SealedLetter};
use tacit_policy::letter::Letter;

use super::{
    Redress, RedressError,
    kept::{Kept, Written},
};
use crate::store::{begin, redress as store};

/// Letters of one round.
const BATCH: u32 = 64;

/// A letter on its way.
pub(super) struct OnItsWay {
    pub(super) key: RowKey,
    pub(super) letter: Letter,
    /// Its content as bytes.
    pub(super) content: Vec<u8>,
    /// As it goes, when it was sealed already.
    pub(super) sealed: Option<SealedLetter>,
}

impl Redress {
    /// The oldest letters that are on their way.
    pub(super) async fn on_their_way(&self) -> Result<Vec<OnItsWay>, RedressError> {
        let mut conn = self.db.read().await?;
        let mut found = Vec::new();
        for row in store::waiting(&mut conn, BATCH).await? {
            let Kept::Out(written) = self.open(&row.key, &row.sealed)? else { return Err(RedressError::Row) };
            let Written { letter, sealed, .. } = *written;
            found.push(OnItsWay {
                key: row.key,
                letter: Letter::parse(letter.0.as_bytes())?,
                content: letter.0.into_bytes(),
                sealed: sealed.map(|sealed| sealed.to_letter()),
            });
        }
        Ok(found)
    }

    /// Keeps a letter as it will go, before it goes.
    pub(super) async fn sealed(&self, key: &RowKey, letter: &SealedLetter) -> Result<(), RedressError> {
        let mut conn = self.db.write().await?;
        let mut tx = begin(&mut conn).await?;
        let Some(mut written) = self.written(&mut tx, key).await? else { return Ok(()) };
        written.sealed = Some(letter.into());
        store::set_letter(&mut tx, key, false, &self.seal(key, &Kept::Out(written))?).await?;
        Ok(tx.commit().await?)
    }

    /// Notes that a letter is in the log, and what follows from it.
    pub(super) async fn logged(&self, key: &RowKey, sent: &LetterSent) -> Result<(), RedressError> {
        let mut conn = self.db.write().await?;
        let mut tx = begin(&mut conn).await?;
        let Some(mut written) = self.written(&mut tx, key).await? else { return Ok(()) };
        let letter = Letter::parse(written.letter.0.as_bytes())?;
        let logged = sent.into();
        self.notified(&mut tx, key, letter.body.list(), &logged).await?;
        written.logged = Some(logged);
        store::set_letter(&mut tx, key, true, &self.seal(key, &Kept::Out(written))?).await?;
        Ok(tx.commit().await?)
    }

    /// A letter that is still on its way.
    async fn written(
        &self,
        tx: &mut tacit_store::Conn,
        key: &RowKey,
    ) -> Result<Option<Box<Written>>, RedressError> {
        let row = store::letter_of(tx, key).await?.filter(|row| row.state == "waiting");
        match row.map(|row| self.open(key, &row.sealed)).transpose()? {
            None => Ok(None),
            Some(Kept::Out(written)) => Ok(Some(written)),
            Some(Kept::In(_)) => Err(RedressError::Row),
        }
    }
}
