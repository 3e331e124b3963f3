//! The change to a new pseudonym epoch (P41): a subject that was enrolled in an earlier one keeps its blinding, costs no
//! quota, and is registered anew with the proof that it is the same.

use std::collections::HashMap;

use bytes::Bytes;
use tacit_blind::enroll::{Blinded, Enrollment, Registered, prove_carry};
use tacit_blind::group::Point;
use tacit_model::entropy::os_rng;
use tacit_model::{Reason, SubjectCode};
use tacit_wire::coordinator::CarriedFrom;

use crate::enroll::{Candidate, Outcomes, Terms};
use crate::error::ClientError;
use crate::requester::{Requester, heavy};
use crate::store::{RowKey, SubjectRow};
use crate::subject_row::{Opened, decode, encode};
use crate::vault::Kind;

/// The registration of an earlier epoch.
#[derive(Clone, Copy)]
pub(crate) struct Carry {
    epoch: u32,
    pseudonym: [u8; 32],
}

/// What is kept of a subject from an earlier epoch.
pub(crate) struct Earlier {
    blinded: Blinded,
    /// None when it did not come to a registration.
    registered: Option<Carry>,
}

impl Requester {
    /// What is kept of the subjects at these places from earlier epochs, of each the newest.
    pub(crate) async fn earlier(
        &self,
        terms: &Terms,
        codes: &[SubjectCode],
        mut places: Vec<usize>,
    ) -> Result<HashMap<usize, Earlier>, ClientError> {
        let mut found = HashMap::new();
        let epochs = terms.registry.pseudonym_epochs(&terms.requester);
        for epoch in epochs.into_iter().rev().filter(|epoch| *epoch < terms.epoch) {
            if places.is_empty() {
                break;
            }
            let keys: Vec<RowKey> =
                places.iter().map(|&place| self.subject_key(&codes[place], epoch)).collect();
            let rows = self.store().subjects(keys.clone()).await?;
            let rows: Vec<(usize, RowKey, SubjectCode, SubjectRow)> = places
                .iter()
                .zip(keys)
                .zip(rows)
                .filter_map(|((&place, key), row)| Some((place, key, codes[place].clone(), row?)))
                .collect();
            let this = self.clone();
            let opened = heavy(rows.len(), move || {
                let open = |(place, key, code, row): (usize, RowKey, SubjectCode, SubjectRow)| {
                    let plain = this.vault().open(Kind::Subject, &key, &row.sealed)?;
                    Ok((place, decode(&plain)?.known(code, row.state)?))
                };
                rows.into_iter().map(open).collect::<Result<Vec<_>, ClientError>>()
            })
            .await??;
            for (place, opened) in opened {
                let earlier = match opened {
                    Opened::Enrolled(known) => {
                        let enrolled = &known.enrolled;
                        Earlier {
                            blinded: Blinded::from_parts(enrolled.z().clone(), *enrolled.blinded_subject()),
                            registered: Some(Carry { epoch, pseudonym: *enrolled.pseudonym() }),
                        }
                    }
                    Opened::Pending(_, blinded) => Earlier { blinded, registered: None },
                };
                found.insert(place, earlier);
            }
            places.retain(|place| !found.contains_key(place));
        }
        Ok(found)
    }

    /// Begins enrollments of the new epoch with the blindings of an earlier one, durable before anybody sees them;
    /// what is left are the subjects that were never seen here.
    pub(crate) async fn adopt(
        &self,
        keys: &[RowKey],
        codes: &[SubjectCode],
        missing: Vec<usize>,
        earlier: &HashMap<usize, Earlier>,
        outcomes: &mut Outcomes,
        resumed: &mut Vec<Candidate>,
    ) -> Result<Vec<usize>, ClientError> {
        let (known, missing): (Vec<usize>, Vec<usize>) =
            missing.into_iter().partition(|place| earlier.contains_key(place));
        if known.is_empty() {
            return Ok(missing);
        }
        let mut rng = os_rng();
        let mut rows = Vec::with_capacity(known.len());
        for place in &known {
            let Some(Earlier { blinded, .. }) = earlier.get(place) else { continue };
            let plain = encode(blinded.z(), blinded.blinded_subject(), None);
            rows.push((keys[*place], self.vault().seal(Kind::Subject, &keys[*place], &plain, &mut rng)));
        }
        // Another batch may have been faster: whatever stands there goes on.
        let standing = self.store().begin_enrollments(rows).await?;
        let rows = known.into_iter().zip(standing);
        let rows = rows.map(|(place, row)| (place, keys[place], codes[place].clone(), row)).collect();
        self.take_rows(rows, outcomes, resumed).await?;
        Ok(missing)
    }
}

/// Has a candidate continue the registration that its subject has from an earlier epoch, under the same blinding.
pub(crate) fn carry(candidate: &mut Candidate, earlier: &HashMap<usize, Earlier>) {
    let Some(earlier) = earlier.get(&candidate.place) else { return };
    if earlier.blinded.blinded_subject() == candidate.blinded.blinded_subject() {
        candidate.carry = earlier.registered;
    }
}

/// What tells the coordinator of the earlier registration, with its proof.
pub(crate) fn carried_from(
    terms: &Terms,
    candidate: &Candidate,
    enrollment: &Enrollment,
) -> Result<Option<CarriedFrom>, ClientError> {
    let Some(Carry { epoch, pseudonym }) = candidate.carry else { return Ok(None) };
    let evaluated = Point::decode(&pseudonym).map_err(ClientError::Own)?.mul(enrollment.z());
    let from = Registered { epoch, evaluated: evaluated.as_bytes(), pseudonym: &pseudonym };
    let proof = prove_carry(enrollment, terms.epoch, &from, &terms.parties(), &mut os_rng())
        .map_err(ClientError::Own)?;
    Ok(Some(CarriedFrom {
        epoch,
        pseudonym: Bytes::copy_from_slice(&pseudonym),
        proof: Bytes::copy_from_slice(&proof),
    }))
}

/// Whether a refusal may be of the carry alone: the new pseudonym has records of its own, or the coordinator does not
/// know the earlier registration.
pub(crate) fn is_no_carry(reason: Reason) -> bool {
    matches!(reason, Reason::EnrolledOtherwise | Reason::NotEnrolled)
}
