//! A batch on its way to the coordinator: verified, unblinded, sealed for the auditors, proven.

use std::sync::Arc;

use bytes::Bytes;
use tacit_blind::audit_box::{self, BoxContents, Registered};
use tacit_blind::enroll::{self, Enrollment};
use tacit_blind::oprf::DleqProof;
use tacit_blind::subject::input_of;
use tacit_model::entropy::os_rng;
use tacit_wire::coordinator::{RegisterEntry, RegisterRequest};

use crate::carrying::carried_from;
use crate::enroll::{Candidate, Known, Terms};
use crate::error::{ClientError, Party};
use crate::store::RowKey;

/// A verified batch and its registration.
pub(crate) struct Enrolling {
    pub(crate) request: RegisterRequest,
    pub(crate) subjects: Vec<(RowKey, Arc<Known>)>,
}

impl Enrolling {
    pub(crate) fn make(
        terms: &Terms,
        batch: Vec<Candidate>,
        evaluated: &[[u8; 32]],
        dleq: DleqProof,
    ) -> Result<Self, ClientError> {
        let mut rng = os_rng();
        let blinded = batch.iter().map(|it| it.blinded.clone()).collect();
        let enrollments = enroll::unblind(blinded, evaluated, &dleq, &terms.custodian_key)
            .map_err(ClientError::proof(Party::Custodian))?;
        let seal = |(candidate, enrollment): (&Candidate, &Enrollment)| {
            let contents = BoxContents {
                scheme: candidate.code.scheme(),
                code: candidate.code.expose_code(),
                z: enrollment.z(),
                case: &terms.case,
                officer: &terms.officer,
            };
            let registered = Registered {
                blinded_subject: enrollment.blinded_subject(),
                evaluated: enrollment.evaluated(),
                pseudonym: enrollment.pseudonym(),
            };
            let [first, second] = &terms.auditors;
            audit_box::seal(&contents, &registered, (first, second), &mut rng)
        };
        let boxes = batch
            .iter()
            .zip(&enrollments)
            .map(seal)
            .collect::<Result<Vec<_>, _>>()
            .map_err(ClientError::Own)?;
        let entries: Vec<_> = enrollments
            .iter()
            .zip(&boxes)
            .map(|(enrollment, sealed)| (enrollment, sealed.as_slice()))
            .collect();
        let proofs = enroll::prove_register(&entries, &terms.parties(), terms.epoch, &mut os_rng())
            .map_err(ClientError::Own)?;
        let carries: Vec<_> = batch
            .iter()
            .zip(&enrollments)
            .map(|(candidate, enrollment)| carried_from(terms, candidate, enrollment))
            .collect::<Result<_, _>>()?;
        let entries = enrollments
            .iter()
            .zip(proofs)
            .zip(boxes)
            .zip(carries)
            .map(|(((enrollment, proof), audit_box), carried_from)| RegisterEntry {
                carried_from,
                blinded_subject: Bytes::copy_from_slice(enrollment.blinded_subject().as_bytes()),
                evaluated: Bytes::copy_from_slice(enrollment.evaluated().as_bytes()),
                pseudonym: Bytes::copy_from_slice(enrollment.pseudonym().as_bytes()),
                proof: Bytes::copy_from_slice(&proof),
                audit_box: audit_box.into(),
            })
            .collect();
        let dleq_proof = Bytes::copy_from_slice(&dleq.encode());
        let request = RegisterRequest { epoch: terms.epoch, entries, dleq_proof };
        let subjects = batch
            .iter()
            .zip(&enrollments)
            .map(|(candidate, enrollment)| {
                let input = input_of(&candidate.code).map_err(ClientError::Own)?;
                Ok((candidate.key, Arc::new(Known { input, enrolled: enrollment.to_enrolled() })))
            })
            .collect::<Result<Vec<_>, ClientError>>()?;
        Ok(Self { request, subjects })
    }
}
