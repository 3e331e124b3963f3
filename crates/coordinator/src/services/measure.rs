//! Measures: registered and lifted by the requester that takes them.

use tacit_identity::Role;
use tacit_model::{ListId, Millis, Reason, Ulid, parse_ulid};
use tacit_wire::{
    Malformed, common,
    coordinator::{
        self as pb, lift_measure_response::Outcome as Lifted, measure_service_server::MeasureService,
        register_measure_response::Outcome as Registered,
    },
};
use tonic::{Request, Response, Status, metadata::MetadataMap};

use super::{Service, Shared, malformed, parts, store_trouble};
use crate::{
    append::{Decided, LiftJob, MeasureJob, Write},
    caller::caller,
};

/// Longest name of who decided, in bytes.
const DECIDER_MAX: usize = 200;

#[tonic::async_trait]
impl MeasureService for Service {
    async fn register_measure(
        &self,
        request: Request<pb::RegisterMeasureRequest>,
    ) -> Result<Response<pb::RegisterMeasureResponse>, Status> {
        let shared = &self.0;
        let peer = caller(&request, &shared.registry(), &[Role::Node])?;
        let (message, metadata) = parts(request);
        let read = || {
            Ok(MeasureJob {
                requester: peer.spiffe.member.clone(),
                answer: ulid("answer", &message.answer)?,
                pseudonym: tacit_wire::array("pseudonym", &message.pseudonym)?,
                list: list(&message.list)?.to_string(),
                number: message.measure,
                until: (message.until_ms > 0).then_some(Millis(message.until_ms)),
                decided: decided(message.decider.clone(), &message.salt_details)?,
            })
        };
        let job = read().map_err(|error| malformed(&error, &metadata))?;
        let logged = shared.measured(Write::Measure(Box::new(job)), &metadata).await?;
        let outcome = match logged {
            Ok(logged) => Registered::Logged(logged),
            Err(refusal) => Registered::Refusal(refusal),
        };
        Ok(Response::new(pb::RegisterMeasureResponse { outcome: Some(outcome) }))
    }

    async fn lift_measure(
        &self,
        request: Request<pb::LiftMeasureRequest>,
    ) -> Result<Response<pb::LiftMeasureResponse>, Status> {
        let shared = &self.0;
        let peer = caller(&request, &shared.registry(), &[Role::Node])?;
        let (message, metadata) = parts(request);
        let read = || {
            Ok(LiftJob {
                requester: peer.spiffe.member.clone(),
                id: ulid("measure_id", &message.measure_id)?,
                decided: decided(message.decider.clone(), &message.salt_details)?,
            })
        };
        let job = read().map_err(|error| malformed(&error, &metadata))?;
        let logged = shared.measured(Write::LiftMeasure(Box::new(job)), &metadata).await?;
        let outcome = match logged {
            Ok(logged) => Lifted::Logged(logged),
            Err(refusal) => Lifted::Refusal(refusal),
        };
        Ok(Response::new(pb::LiftMeasureResponse { outcome: Some(outcome) }))
    }
}

impl Shared {
    /// What becomes of a measure: logged with its proof, or refused.
    async fn measured(
        &self,
        write: Write,
        metadata: &MetadataMap,
    ) -> Result<Result<pb::MeasureLogged, common::Refusal>, Status> {
        self.writable(metadata).await?;
        let written = self.write_logged(write).await.map_err(|error| store_trouble(&error, metadata))?;
        match written {
            Ok((record, checkpoint)) => Ok(Ok(pb::MeasureLogged { record: Some(record), checkpoint })),
            // Nothing was done, and the same call may be answered later.
            Err(reason @ (Reason::Unavailable | Reason::Internal)) => {
                Err(tacit_wire::trouble(reason, metadata))
            }
            Err(reason) => Ok(Err(tacit_wire::refusal(reason))),
        }
    }
}

fn ulid(field: &'static str, text: &str) -> Result<Ulid, Malformed> {
    parse_ulid(text).ok_or(Malformed { field, problem: "is no ULID" })
}

fn list(text: &str) -> Result<ListId, Malformed> {
    text.parse().map_err(|_| Malformed { field: "list", problem: "is no list id" })
}

fn decided(decider: String, salt: &[u8]) -> Result<Decided, Malformed> {
    let wrong = |problem| Malformed { field: "decider", problem };
    if decider.trim().is_empty() || decider.len() > DECIDER_MAX {
        return Err(wrong("has not 1 to 200 bytes"));
    }
    if decider.chars().any(char::is_control) {
        return Err(wrong("has control characters"));
    }
    Ok(Decided { decider, salt: tacit_wire::array("salt_details", salt)? })
}
