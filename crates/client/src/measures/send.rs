//! From a durable row to the log: what the coordinator answers is compared with what was asked, to the byte.

use bytes::Bytes;
use tacit_blind::commit;
use tacit_ledger::record;
use tacit_model::Millis;
use tacit_policy::letter::Letter;
use tacit_wire::coordinator::measure_service_client::MeasureServiceClient;
use tacit_wire::coordinator::{
    LiftMeasureRequest, MeasureLogged, RegisterMeasureRequest, lift_measure_response,
    register_measure_response,
};

use super::{MeasureState, Measures, Opened, RecordAt, refused_there};
use crate::error::{ClientError, Party};
use crate::judge::record_id;
use crate::measures::kept::{Asked, Said};
use crate::question::RecordRef;
use crate::retry;

impl Measures {
    /// Registers what is durable as about to be.
    pub(super) async fn send_registration(&self, mut opened: Opened) -> Result<Opened, ClientError> {
        let kept = &opened.kept;
        let request = RegisterMeasureRequest {
            answer: kept.answer.to_string(),
            pseudonym: Bytes::copy_from_slice(&kept.pseudonym),
            list: kept.list.to_string(),
            measure: kept.number,
            until_ms: kept.until.map_or(0, |until| until.0),
            decider: kept.decider.clone(),
            salt_details: Bytes::copy_from_slice(&kept.salt),
        };
        let response = retry::call(Party::Coordinator, self.requester.deadlines(), request, |request| {
            let mut client = MeasureServiceClient::new(self.requester.connections().coordinator());
            async move { client.register_measure(request).await }
        })
        .await?;
        match response.outcome {
            Some(register_measure_response::Outcome::Logged(logged)) => {
                let (record, at) = self.proven(&logged).await?;
                let agreement = record_id(&record.agreement)?;
                let registry = self.requester.registry();
                if let Some(agreement) = registry.agreement(agreement) {
                    opened.kept.agreement = agreement.id;
                    opened.kept.life_ms = agreement.data_life.millis();
                    let measure = agreement.measure(record.measure);
                    opened.kept.words = measure.map_or_else(String::new, |measure| measure.title.clone());
                }
                let kept = &mut opened.kept;
                let details = commit::measure(&kept.salt, &kept.list, &kept.decider, &kept.words)
                    .map_err(ClientError::Own)?;
                let until = record.until_ms.map(Millis);
                if (&record.state[..], until, record.measure) != ("registered", kept.until, kept.number)
                    || record.answer != kept.answer.to_string()
                    || record.details != details
                {
                    return Err(ClientError::OtherRecord("the record is of another measure"));
                }
                kept.registered = Some(at);
                opened.row.id = Some(at.record.id);
                opened.row.state = MeasureState::Standing;
                opened.row.next = Some(opened.kept.ask_again());
                let letter = self.registered_letter(&opened);
                self.settle(opened, letter).await
            }
            Some(register_measure_response::Outcome::Refusal(refusal)) => {
                let error = refused_there(&refusal);
                let at = self.requester.now();
                opened.kept.asked = Some(Asked { at, record: None, said: Said::Nothing(error.reason()) });
                opened.row.state = MeasureState::Refused;
                opened.row.next = None;
                self.settle(opened, None).await?;
                Err(error)
            }
            None => Err(ClientError::missing(Party::Coordinator, "outcome")),
        }
    }

    /// Lifts what is durable as about to be.
    pub(super) async fn send_lift(&self, mut opened: Opened) -> Result<Opened, ClientError> {
        let (Some(id), Some(lifting)) = (opened.row.id, &opened.kept.lifting) else {
            return Err(crate::codec::CodecError("lifting").into());
        };
        let request = LiftMeasureRequest {
            measure_id: id.to_string(),
            decider: lifting.decider.clone(),
            salt_details: Bytes::copy_from_slice(&lifting.salt),
        };
        let response = retry::call(Party::Coordinator, self.requester.deadlines(), request, |request| {
            let mut client = MeasureServiceClient::new(self.requester.connections().coordinator());
            async move { client.lift_measure(request).await }
        })
        .await?;
        let logged = match response.outcome {
            Some(lift_measure_response::Outcome::Logged(logged)) => logged,
            Some(lift_measure_response::Outcome::Refusal(refusal)) => return Err(refused_there(&refusal)),
            None => return Err(ClientError::missing(Party::Coordinator, "outcome")),
        };
        let (record, at) = self.proven(&logged).await?;
        let kept = &mut opened.kept;
        if record.state != "lifted" || record.registered != id.to_string() {
            return Err(ClientError::OtherRecord("the record lifts another measure"));
        }
        if let Some(lifting) = &mut kept.lifting {
            let details = commit::measure(&lifting.salt, &kept.list, &lifting.decider, &kept.words);
            if details.map_err(ClientError::Own)? != record.details {
                return Err(ClientError::OtherRecord("the record names another decider"));
            }
            lifting.record = Some(at);
        }
        opened.row.state = MeasureState::Lifted;
        opened.row.next = None;
        let letter = self.lifted_letter(&opened);
        self.settle(opened, letter).await
    }

    /// Proves a record of ours under the log and its witnesses.
    async fn proven(&self, logged: &MeasureLogged) -> Result<(record::Measure, RecordAt), ClientError> {
        let requester = &self.requester;
        let verified = requester.log().verify(logged.record.as_ref(), &logged.checkpoint)?;
        requester.witnessed().accept_alone(&logged.checkpoint).await?;
        let index = verified.index();
        let record: record::Measure = verified
            .into_record()
            .try_into()
            .map_err(|_| ClientError::OtherRecord("it is not of kind measure"))?;
        if record.requester != **requester.member() {
            return Err(ClientError::OtherRecord("the record is of another requester"));
        }
        let at = RecordAt {
            record: RecordRef { id: record_id(&record.id)?, index },
            time: Millis(record.time_ms),
        };
        Ok((record, at))
    }

    /// Keeps what became of a measure, with the letter that tells the subject; when somebody else was faster, what they
    /// kept stands, and so does their letter.
    async fn settle(&self, mut opened: Opened, letter: Option<Letter>) -> Result<Opened, ClientError> {
        if self.put(&mut opened, letter).await? {
            return Ok(opened);
        }
        match self.store.by_key(opened.row.key).await? {
            Some(row) => self.open(row),
            None => Err(crate::codec::CodecError("measure").into()),
        }
    }
}
