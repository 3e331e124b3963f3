//! Pseudonyms that were carried from one pseudonym epoch into a later one: they stand for the subject of the earlier.

use std::collections::{BTreeSet, HashMap};

use sqlx::Row as _;
use tacit_blind::enroll::CARRY_PROOF_BYTES;
use tacit_model::MemberId;
use tacit_store::{Conn, StoreError, bulk};

use super::{bytes32, signed, subjects::Number};

/// A proven carry, as it is stored.
pub(crate) struct NewCarry {
    /// T' of the later epoch.
    pub(crate) pseudonym: [u8; 32],
    /// T of the earlier one.
    pub(crate) earlier: [u8; 32],
    pub(crate) earlier_epoch: u32,
    /// Ph, registered in both.
    pub(crate) blinded_subject: [u8; 32],
    pub(crate) proof: [u8; CARRY_PROOF_BYTES],
}

/// Carries that touch some pseudonyms.
#[derive(Default)]
pub(crate) struct Carries {
    /// By T': T, and whose they are.
    pub(crate) by_pseudonym: HashMap<[u8; 32], ([u8; 32], Number)>,
    /// By T: T'.
    pub(crate) by_earlier: HashMap<[u8; 32], [u8; 32]>,
}

/// Every carry from or to one of these pseudonyms.
pub(crate) async fn touching(conn: &mut Conn, pseudonyms: &[[u8; 32]]) -> Result<Carries, StoreError> {
    let mut found = Carries::default();
    for head in [
        "SELECT pseudonym, earlier, subject FROM carried WHERE pseudonym IN",
        "SELECT pseudonym, earlier, subject FROM carried WHERE earlier IN",
    ] {
        for row in bulk::fetch(conn, head, pseudonyms, |row, it| row.bind(it.as_slice())).await? {
            let number: i64 = row.try_get(2)?;
            let pseudonym = bytes32("carried", "pseudonym", number, row.try_get(0)?)?;
            let earlier = bytes32("carried", "earlier", number, row.try_get(1)?)?;
            found.by_pseudonym.insert(pseudonym, (earlier, Number(number)));
            found.by_earlier.insert(earlier, pseudonym);
        }
    }
    Ok(found)
}

/// Numbers of the pseudonyms that were carried; others are absent.
pub(crate) async fn numbers(
    conn: &mut Conn,
    pseudonyms: &[[u8; 32]],
) -> Result<HashMap<[u8; 32], Number>, StoreError> {
    let head = "SELECT pseudonym, subject FROM carried WHERE pseudonym IN";
    let rows = bulk::fetch(conn, head, pseudonyms, |row, it| row.bind(it.as_slice())).await?;
    rows.iter()
        .map(|row| {
            let number = row.try_get(1)?;
            Ok((bytes32("carried", "pseudonym", number, row.try_get(0)?)?, Number(number)))
        })
        .collect()
}

/// All pseudonyms of each of these subjects, by epoch from the first; subjects of which none was carried are absent.
pub(crate) async fn of_subjects(
    conn: &mut Conn,
    subjects: &[Number],
) -> Result<HashMap<Number, Vec<[u8; 32]>>, StoreError> {
    let head = "SELECT subject, pseudonym, epoch FROM carried WHERE subject IN";
    let rows = bulk::fetch(conn, head, subjects, |row, subject| row.bind(subject.0)).await?;
    if rows.is_empty() {
        return Ok(HashMap::new());
    }
    let mut carried: Vec<(Number, i64, [u8; 32])> = Vec::with_capacity(rows.len());
    for row in rows {
        let number: i64 = row.try_get(0)?;
        let pseudonym = bytes32("carried", "pseudonym", number, row.try_get(1)?)?;
        carried.push((Number(number), row.try_get(2)?, pseudonym));
    }
    carried.sort_unstable();
    let numbers: BTreeSet<Number> = carried.iter().map(|(number, ..)| *number).collect();
    let numbers: Vec<Number> = numbers.into_iter().collect();
    let head = "SELECT number, pseudonym FROM subject WHERE number IN";
    let mut all: HashMap<Number, Vec<[u8; 32]>> = HashMap::with_capacity(numbers.len());
    for row in bulk::fetch(conn, head, &numbers, |row, number| row.bind(number.0)).await? {
        let number: i64 = row.try_get(0)?;
        all.insert(Number(number), vec![bytes32("subject", "pseudonym", number, row.try_get(1)?)?]);
    }
    for (number, _, pseudonym) in carried {
        all.entry(number).or_default().push(pseudonym);
    }
    Ok(all)
}

/// The pseudonyms that stand for the subjects of some.
#[derive(Default)]
pub(crate) struct Standing {
    /// Those that were named and all others of their subjects, each once.
    pub(crate) all: Vec<[u8; 32]>,
    /// By each pseudonym of a subject that was carried: the newest.
    pub(crate) newest: HashMap<[u8; 32], [u8; 32]>,
}

/// All pseudonyms of the subjects behind these.
pub(crate) async fn standing(conn: &mut Conn, pseudonyms: &[[u8; 32]]) -> Result<Standing, StoreError> {
    let touching = touching(conn, pseudonyms).await?;
    let numbers: BTreeSet<Number> = touching.by_pseudonym.values().map(|(_, number)| *number).collect();
    let numbers: Vec<Number> = numbers.into_iter().collect();
    let mut all: BTreeSet<[u8; 32]> = pseudonyms.iter().copied().collect();
    let mut newest = HashMap::new();
    for line in of_subjects(conn, &numbers).await?.into_values() {
        let Some(last) = line.last().copied() else { continue };
        newest.extend(line.iter().map(|pseudonym| (*pseudonym, last)));
        all.extend(line);
    }
    Ok(Standing { all: all.into_iter().collect(), newest })
}

/// Keeps carries whose pseudonyms are new.
pub(crate) async fn keep(
    conn: &mut Conn,
    requester: &MemberId,
    epoch: u32,
    now_ms: u64,
    new: &[(&NewCarry, Number)],
) -> Result<(), StoreError> {
    let into = "carried (pseudonym, earlier, subject, requester, epoch, earlier_epoch, blinded_subject, proof, \
                carried_ms)";
    bulk::insert(conn, into, 9, "", new, |row, (carry, subject)| {
        row.bind(carry.pseudonym.as_slice())
            .bind(carry.earlier.as_slice())
            .bind(subject.0)
            .bind(requester.as_str())
            .bind(i64::from(epoch))
            .bind(i64::from(carry.earlier_epoch))
            .bind(carry.blinded_subject.as_slice())
            .bind(carry.proof.as_slice())
            .bind(signed(now_ms))
    })
    .await?;
    Ok(())
}
