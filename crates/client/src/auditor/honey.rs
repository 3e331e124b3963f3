//! Honey pseudonyms: of codes that nobody has, so that whoever asks about one tries codes out.

use tacit_blind::enroll;
use tacit_blind::group::Point;
use tacit_blind::subject::Subject;
use tacit_model::entropy::os_rng;
use tacit_model::{MemberId, Reason, SubjectCode};
use tacit_wire::concat32;
use tacit_wire::coordinator::WatchPseudonymsRequest;
use tacit_wire::custodian::EvaluateRequest;
use tacit_wire::custodian::pseudonym_service_client::PseudonymServiceClient;
use tonic::Request;
use tonic::transport::Channel;

use super::{Auditor, own};
use crate::authority::Pseudonym;
use crate::enroll::read_evaluated;
use crate::error::{ClientError, Party};
use crate::retry;

/// Something was done with a watched pseudonym.
#[derive(Clone, PartialEq, Eq)]
pub struct Alarm {
    /// T.
    pub pseudonym: [u8; 32],
    /// How many records are about it; 0 when it was registered only.
    pub records: u64,
    /// Log index of the newest, when there is one.
    pub index: Option<u64>,
}

impl std::fmt::Debug for Alarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Alarm")
            .field("records", &self.records)
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

impl Auditor {
    /// Pseudonyms of codes for a requester in its present pseudonym epoch, each in its place. The custodian counts
    /// them under the auditor's name, against its cap.
    ///
    /// # Errors
    /// A refusal beyond the cap; a wrong proof; no answer.
    pub async fn honey(
        &self,
        custodian: Channel,
        requester: &MemberId,
        codes: &[SubjectCode],
    ) -> Result<Vec<Pseudonym>, ClientError> {
        let epoch = self
            .registry
            .member(requester)
            .and_then(|member| member.pseudonym_epoch)
            .ok_or_else(|| own(Reason::UnknownMember, "requester"))?;
        let key = self.registry.pseudonym_key(requester, epoch);
        let key = key.ok_or(ClientError::Registry("the requester's pseudonym key"))?;
        let key = Point::decode(&key.0).map_err(ClientError::proof(Party::Custodian))?;
        let subjects = codes.iter().map(Subject::new).collect::<Result<Vec<_>, _>>();
        let blinded = enroll::blind_subjects(&subjects.map_err(ClientError::Own)?, &mut os_rng());
        let points: Vec<[u8; 32]> = blinded.iter().map(|it| it.blinded_subject().encode()).collect();
        let request =
            EvaluateRequest { epoch, blinded: concat32(&points), acting_for: requester.to_string() };
        let response = retry::call(Party::Custodian, &self.config.deadlines, request, |request| {
            let mut client = PseudonymServiceClient::new(custodian.clone());
            async move { client.evaluate(request).await }
        })
        .await?;
        let (evaluated, proof) = read_evaluated(response, points.len())?
            .map_err(|refusal| ClientError::Refused { party: Party::Custodian, refusal })?;
        let enrolled = enroll::unblind(blinded, &evaluated, &proof, &key)
            .map_err(ClientError::proof(Party::Custodian))?;
        Ok(enrolled.iter().map(|it| Pseudonym { pseudonym: it.pseudonym().encode(), epoch }).collect())
    }

    /// Watches pseudonyms until the connection ends: `begun` once, `alarm` for each that is registered or asked about,
    /// also for what was there already. Ends when `alarm` says so.
    ///
    /// # Errors
    /// [`Reason::QuotaReads`] beyond the limit of the day; the connection.
    pub async fn watch(
        &self,
        pseudonyms: &[[u8; 32]],
        begun: impl FnOnce(),
        mut alarm: impl FnMut(Alarm) -> bool,
    ) -> Result<(), ClientError> {
        let lost = |status: tonic::Status| ClientError::NoAnswer {
            party: Party::Coordinator,
            reason: retry::reason(&status),
        };
        let pseudonyms = pseudonyms.iter().map(|it| it.to_vec().into()).collect();
        let mut client = self.client.clone();
        let stream = client.watch_pseudonyms(Request::new(WatchPseudonymsRequest { pseudonyms })).await;
        let mut stream = stream.map_err(lost)?.into_inner();
        let mut begun = Some(begun);
        while let Some(message) = stream.message().await.map_err(lost)? {
            if message.pseudonym.is_empty() {
                if let Some(begun) = begun.take() {
                    begun();
                }
                continue;
            }
            let pseudonym = tacit_wire::array("pseudonym", &message.pseudonym)
                .map_err(ClientError::malformed(Party::Coordinator))?;
            let index = (message.records > 0).then_some(message.index);
            if !alarm(Alarm { pseudonym, records: message.records, index }) {
                return Ok(());
            }
        }
        Ok(())
    }
}
