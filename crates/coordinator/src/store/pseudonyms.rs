//! Registrations, and the pseudonyms they give.

use std::collections::HashMap;

use sqlx::Row as _;
use tacit_blind::enroll::VerifiedRegistration;
use tacit_model::MemberId;
use tacit_store::{
    Conn, StoreError,
    bulk::{self, Row},
};

use super::{bytes32, signed, subjects::Number};

/// What a check needs to know of its pseudonym.
#[derive(Clone, Copy)]
pub(crate) struct Registered {
    pub(crate) subject: Number,
    pub(crate) blinded_subject: [u8; 32],
    pub(crate) register_hash: [u8; 32],
}

/// Whose pseudonyms, and of which epoch: they are apart from all others.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) requester: &'a MemberId,
    pub(crate) epoch: u32,
}

impl<'a> Scope<'a> {
    fn bind(self, row: Row) -> Row {
        row.bind(self.requester.as_str()).bind(i64::from(self.epoch))
    }
}

/// Looks pseudonyms up; those that are not registered are absent.
pub(crate) async fn lookup(
    conn: &mut Conn,
    scope: Scope<'_>,
    pseudonyms: &[[u8; 32]],
) -> Result<HashMap<[u8; 32], Registered>, StoreError> {
    let head = "SELECT pseudonym, blinded_subject, register_hash, subject FROM pseudonym \
                WHERE requester = ? AND epoch = ? AND pseudonym IN";
    let rows = bulk::fetch_within(
        conn,
        head,
        |row| scope.bind(row),
        pseudonyms,
        |row, pseudonym| row.bind(pseudonym.as_slice()),
    )
    .await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in rows {
        let pseudonym = bytes32("pseudonym", "pseudonym", scope.requester, row.try_get(0)?)?;
        let blinded_subject = bytes32("pseudonym", "blinded_subject", scope.requester, row.try_get(1)?)?;
        let register_hash = bytes32("pseudonym", "register_hash", scope.requester, row.try_get(2)?)?;
        let subject = Number(row.try_get(3)?);
        found.insert(pseudonym, Registered { subject, blinded_subject, register_hash });
    }
    Ok(found)
}

/// What was ever registered, as far as a batch touches it.
#[derive(Default)]
pub(crate) struct Earlier {
    /// By Ph: the pseudonym, and the registration.
    pub(crate) by_blinded: HashMap<[u8; 32], ([u8; 32], [u8; 32])>,
    /// By Th: the pseudonym.
    pub(crate) by_evaluated: HashMap<[u8; 32], [u8; 32]>,
}

/// Finds every registration that has a Ph or a Th of the batch.
pub(crate) async fn earlier(
    conn: &mut Conn,
    scope: Scope<'_>,
    batch: &[VerifiedRegistration],
) -> Result<Earlier, StoreError> {
    let mut earlier = Earlier::default();
    let head = "SELECT blinded_subject, pseudonym, register_hash FROM registration \
                WHERE requester = ? AND epoch = ? AND blinded_subject IN";
    let rows = bulk::fetch_within(
        conn,
        head,
        |row| scope.bind(row),
        batch,
        |row, new| row.bind(new.blinded_subject().as_slice()),
    );
    for row in rows.await? {
        let of = |column, bytes: &[u8]| bytes32("registration", column, scope.requester, bytes);
        earlier.by_blinded.insert(
            of("blinded_subject", row.try_get(0)?)?,
            (of("pseudonym", row.try_get(1)?)?, of("register_hash", row.try_get(2)?)?),
        );
    }
    let head = "SELECT evaluated, pseudonym FROM registration \
                WHERE requester = ? AND epoch = ? AND evaluated IN";
    let rows = bulk::fetch_within(
        conn,
        head,
        |row| scope.bind(row),
        batch,
        |row, new| row.bind(new.evaluated().as_slice()),
    );
    for row in rows.await? {
        let of = |column, bytes: &[u8]| bytes32("registration", column, scope.requester, bytes);
        earlier.by_evaluated.insert(of("evaluated", row.try_get(0)?)?, of("pseudonym", row.try_get(1)?)?);
    }
    Ok(earlier)
}

/// Keeps registrations whose Ph and Th are new.
pub(crate) async fn keep(
    conn: &mut Conn,
    scope: Scope<'_>,
    now_ms: u64,
    new: &[&VerifiedRegistration],
) -> Result<(), StoreError> {
    let into = "registration (requester, epoch, blinded_subject, evaluated, pseudonym, proof, register_hash, \
                audit_box, registered_ms)";
    bulk::insert(conn, into, 9, "", new, |row, new| {
        row.bind(scope.requester.as_str())
            .bind(i64::from(scope.epoch))
            .bind(new.blinded_subject().as_slice())
            .bind(new.evaluated().as_slice())
            .bind(new.pseudonym().as_slice())
            .bind(new.proof().as_slice())
            .bind(new.register_hash().as_slice())
            .bind(new.audit_box())
            .bind(signed(now_ms))
    })
    .await?;
    Ok(())
}

/// Points pseudonyms at the registration that checks are verified against from now on.
pub(crate) async fn point(
    conn: &mut Conn,
    scope: Scope<'_>,
    pseudonyms: &[([u8; 32], Registered)],
) -> Result<(), StoreError> {
    let into = "pseudonym (requester, epoch, pseudonym, subject, blinded_subject, register_hash)";
    let again = "ON CONFLICT (requester, epoch, pseudonym) DO UPDATE SET \
                 blinded_subject = excluded.blinded_subject, register_hash = excluded.register_hash";
    bulk::insert(conn, into, 6, again, pseudonyms, |row, (pseudonym, registered)| {
        row.bind(scope.requester.as_str())
            .bind(i64::from(scope.epoch))
            .bind(pseudonym.as_slice())
            .bind(registered.subject.0)
            .bind(registered.blinded_subject.as_slice())
            .bind(registered.register_hash.as_slice())
    })
    .await?;
    Ok(())
}

/// T and Th of what was registered under these Ph; others are absent.
pub(crate) async fn under(
    conn: &mut Conn,
    scope: Scope<'_>,
    blinded_subjects: &[[u8; 32]],
) -> Result<HashMap<[u8; 32], ([u8; 32], [u8; 32])>, StoreError> {
    let head = "SELECT blinded_subject, pseudonym, evaluated FROM registration \
                WHERE requester = ? AND epoch = ? AND blinded_subject IN";
    let rows = bulk::fetch_within(
        conn,
        head,
        |row| scope.bind(row),
        blinded_subjects,
        |row, it| row.bind(it.as_slice()),
    );
    let mut found = HashMap::with_capacity(blinded_subjects.len());
    for row in rows.await? {
        let of = |column, bytes: &[u8]| bytes32("registration", column, scope.requester, bytes);
        found.insert(
            of("blinded_subject", row.try_get(0)?)?,
            (of("pseudonym", row.try_get(1)?)?, of("evaluated", row.try_get(2)?)?),
        );
    }
    Ok(found)
}
