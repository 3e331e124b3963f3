//! Sealed lists, as their holder and the keeper have them, and the holder's evaluation.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex};

use tacit_blind::evaluate::{PermittedQuery, evaluate};
use tacit_blind::oprf::ListKey;
use tacit_blind::subject::input_of;
use tacit_blind::table::*;
use tacit_ledger::note::NoteSigner;
use tacit_ledger::record::{Access, Record};
use tacit_model::entropy::os_rng;
use tacit_model::{ListId, Millis, Reason, SubjectCode};
use tacit_wire::holder::evaluation_service_server::EvaluationService;
use tacit_wire::holder::{EvaluateRequest, EvaluateResponse, ItemStatus, ListEvaluation};
use tacit_wire::{concat32, refusal};
use tonic::{Request, Response, Status};

use super::registry::key;
use super::{Faults, seed};

pub(crate) struct Table {
    pub(crate) key: ListKey,
    pub(crate) signed: SignedManifest,
    pub(crate) buckets: Vec<Vec<u8>>,
    pub(crate) tree: TableTree,
}

/// All tables, by list and epoch; the highest epoch is current.
#[derive(Clone, Default)]
pub(crate) struct Tables(Arc<Mutex<ByEpoch>>);

type ByEpoch = BTreeMap<(ListId, u64), Arc<Table>>;

impl Tables {
    pub(crate) fn get(&self, list: &str, epoch: u64) -> Option<Arc<Table>> {
        self.0.lock().unwrap().get(&(list.parse().unwrap(), epoch)).cloned()
    }

    pub(crate) fn seal(&self, list: &str, epoch: u64, codes: &[SubjectCode], now: Millis) -> SignedManifest {
        let id: ListId = list.parse().unwrap();
        let mut rng = os_rng();
        let version = self.get(list, epoch).map_or(1, |table| table.signed.manifest().version + 1);
        let list_key = ListKey::derive(&seed(&format!("{list}@{epoch}")), &id, epoch).unwrap();
        let inputs: Vec<_> = codes.iter().map(|code| input_of(code).unwrap()).collect();
        let context = SealContext::new(&id, epoch);
        let outs = list_key.outputs_for_subjects(&inputs).unwrap();
        let mut records: Vec<SealedRecord> = (1..)
            .zip(outs)
            .map(|(n, out)| SealedRecord {
                entry: context.seal(&context.entry_keys(&out), &label(n), &mut rng),
                reference: NonZeroU64::new(n).unwrap(),
            })
            .collect();
        records.sort_by_key(|record| Tag::of(&record.entry));
        // Always some buckets, so that padding means something.
        let layout = Layout::for_records(codes.len().max(3_000) as u64).unwrap();
        let buckets: Vec<Bucket> =
            BucketStream::new(layout, records, &mut rng).collect::<Result<_, _>>().unwrap();
        let leaves: Vec<_> = buckets.iter().map(Bucket::leaf).collect();
        let tree = TableTree::new(&leaves).unwrap();
        let manifest = Manifest {
            list: id.clone(),
            epoch,
            version,
            key: list_key.public().encode(),
            layout,
            root: tree.root(),
            from: now,
            until: now.plus_ms(86_400_000),
        };
        let name = manifest_key_name(&id);
        let signed = manifest.sign(&NoteSigner::new(&name, key(&name)).unwrap()).unwrap();
        let buckets = buckets.iter().map(|bucket| bucket.entries().to_vec()).collect();
        let table = Table { key: list_key, signed: signed.clone(), buckets, tree };
        self.0.lock().unwrap().insert((id, epoch), Arc::new(table));
        signed
    }
}

pub(crate) fn label(n: u64) -> Label {
    Label {
        status: 1,
        flags: 0,
        category: 301,
        listed_on: Some(Day::new(20_000).unwrap()),
        expires_on: None,
        reference: n.to_be_bytes(),
    }
}

pub(crate) fn access(record: &[u8]) -> Access {
    match Record::parse(record).unwrap() {
        Record::Access(access) => access,
        other => panic!("a permit of kind {}", other.kind()),
    }
}

/// Evaluates for all holders.
#[derive(Clone)]
pub(crate) struct Holder {
    pub(crate) tables: Tables,
    pub(crate) faults: Faults,
}

#[tonic::async_trait]
impl EvaluationService for Holder {
    async fn evaluate(
        &self,
        request: Request<EvaluateRequest>,
    ) -> Result<Response<EvaluateResponse>, Status> {
        self.faults.fail("before evaluate")?;
        let request = request.into_inner();
        let not_logged = self.faults.due("permit not logged");
        let over = self.faults.due("epoch over");
        let mut asked: Vec<((String, u64), Vec<PermittedQuery>)> = Vec::new();
        let mut items = Vec::new();
        for (place, item) in request.items.iter().enumerate() {
            let access = access(&item.permit.as_ref().unwrap().record);
            let refused = match place {
                0 if not_logged => Some(Reason::PermitNotLogged),
                _ if over => Some(Reason::EpochOver),
                _ => None,
            };
            if let Some(reason) = refused {
                items.push(ItemStatus { refusal: Some(refusal(reason)) });
                continue;
            }
            let query = item.blinded_query.as_ref().try_into().unwrap();
            let query = PermittedQuery::open(&access.query, &query).unwrap();
            for at in access.lists {
                let key = (at.list, at.epoch);
                match asked.iter_mut().find(|(known, _)| *known == key) {
                    Some((_, queries)) => queries.push(query),
                    None => asked.push((key, vec![query])),
                }
            }
            items.push(ItemStatus { refusal: None });
        }
        let wrong_key = self.faults.due("wrong list key");
        let lists = asked
            .into_iter()
            .map(|((list_id, epoch), queries)| {
                let table = self.tables.get(&list_id, epoch).unwrap();
                let other = ListKey::derive(&[9; 32], &list_id.parse().unwrap(), epoch).unwrap();
                let key = if wrong_key { &other } else { &table.key };
                let (evaluated, proof) = evaluate(key, &queries, &mut os_rng()).unwrap();
                let dleq_proof = proof.encode().to_vec().into();
                ListEvaluation { list_id, epoch, evaluated: concat32(&evaluated), dleq_proof }
            })
            .collect();
        self.faults.fail("after evaluate")?;
        Ok(Response::new(EvaluateResponse { items, lists }))
    }
}
