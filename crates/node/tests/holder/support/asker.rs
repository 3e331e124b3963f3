//! A requester that knows the protocol: it blinds, presents permits, verifies, fetches and looks up.

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use tacit_blind::Hash;
use tacit_blind::commit::blinded_query;
use tacit_blind::enroll::blind_subjects;
use tacit_blind::evaluate::{AskedQuery, verify_and_finalize};
use tacit_blind::group::{Point, SecretScalar};
use tacit_blind::oprf::DleqProof;
use tacit_blind::subject::Subject;
use tacit_blind::table::{Day, Label, Lookup, TableTree, verify_bucket};
use tacit_identity::Role;
use tacit_ledger::record::{Access, ListAt};
use tacit_model::entropy::os_rng;
use tacit_model::{Clock, Millis};
use tacit_wire::common::LoggedRecord;
use tacit_wire::holder::evaluation_service_client::EvaluationServiceClient;
use tacit_wire::holder::{EvaluateItem, EvaluateRequest, EvaluateResponse};
use tonic::Status;
use tonic::transport::Channel;

use super::{LIST, World, list};

/// A member with its certificate and a connection to the court.
pub(crate) struct Asker {
    pub(crate) member: String,
    pub(crate) cnf: [u8; 32],
    pub(crate) client: EvaluationServiceClient<Channel>,
}

/// A blinded subject.
pub(crate) struct Blind {
    subject: Subject,
    total: SecretScalar,
    pub(crate) query: Point,
}

impl Blind {
    pub(crate) fn of(code: &str) -> Self {
        Self::in_scheme("CN-USCC", code)
    }

    pub(crate) fn in_scheme(scheme: &str, code: &str) -> Self {
        let mut rng = os_rng();
        let subject = Subject::from_parts(scheme, code).unwrap();
        let blinded = blind_subjects(std::slice::from_ref(&subject), &mut rng).remove(0);
        let w = SecretScalar::random(&mut rng);
        Self { query: blinded.blinded_subject().mul(&w), total: w.product(blinded.z()), subject }
    }

    pub(crate) fn hash(&self) -> Hash {
        blinded_query(self.query.as_bytes())
    }
}

impl World {
    pub(crate) fn asker(&self, member: &str) -> Asker {
        self.asker_as(Role::Node, member)
    }

    pub(crate) fn asker_as(&self, role: Role, member: &str) -> Asker {
        let (channel, credentials) = self.connect(role, member);
        Asker {
            member: member.to_owned(),
            cnf: credentials.cnf(),
            client: EvaluationServiceClient::new(channel).max_decoding_message_size(16 << 20),
        }
    }

    /// The access record of a question, about the newest version of [`LIST`].
    pub(crate) fn access(&self, asker: &Asker, query: Hash) -> Access {
        let now = self.clock.now();
        let lists = self.log.newest(LIST).map(|signed| {
            let manifest = signed.manifest();
            ListAt { list: manifest.list.to_string(), epoch: manifest.epoch, version: manifest.version }
        });
        Access {
            id: self.log.next_id(),
            time_ms: now.0,
            requester: asker.member.clone(),
            holder: "court".to_owned(),
            lists: lists.into_iter().collect(),
            purpose: "screening".to_owned(),
            registry: [1; 32],
            query,
            matter: [2; 32],
            cnf: asker.cnf,
            expires_ms: now.0 + 60_000,
            subject: [3; 32],
            evidence: [4; 32],
        }
    }

    /// Permits for these records.
    pub(crate) fn permits(&self, records: Vec<Access>) -> (bytes::Bytes, Vec<LoggedRecord>) {
        let records: Vec<_> = records.into_iter().map(Into::into).collect();
        self.log.append(&records)
    }

    /// Asks about codes, and looks every answer up in the mirror.
    pub(crate) async fn ask(&self, asker: &mut Asker, codes: &[&str]) -> Vec<Option<Label>> {
        let scheme = &self.registry.list(&list()).unwrap().scheme;
        let blinds: Vec<Blind> = codes.iter().map(|code| Blind::in_scheme(scheme, code)).collect();
        let records = blinds.iter().map(|blind| self.access(asker, blind.hash())).collect();
        let (checkpoint, permits) = self.permits(records);
        let response = asker.present(checkpoint, permits, &blinds).await.unwrap();
        for item in &response.items {
            assert_eq!(item.refusal, None);
        }
        self.look_up(&blinds, &response)
    }

    /// Verifies an answer about [`LIST`] and looks it up in the newest table of that epoch.
    pub(crate) fn look_up(&self, blinds: &[Blind], response: &EvaluateResponse) -> Vec<Option<Label>> {
        let [answer] = &response.lists[..] else { panic!("one list was asked") };
        let served = self.mirror.served(&answer.list_id, answer.epoch).unwrap();
        let asked: Vec<AskedQuery<'_>> = blinds
            .iter()
            .map(|blind| AskedQuery {
                input: blind.subject.expose_input(),
                total_blind: &blind.total,
                query: &blind.query,
            })
            .collect();
        let key = Point::decode(&served.manifest.key).unwrap();
        let evaluated = tacit_wire::chunks32("evaluated", &answer.evaluated, 1024).unwrap();
        let proof = DleqProof::decode_slice(&answer.dleq_proof).unwrap();
        let outputs = verify_and_finalize(&key, &asked, &evaluated, &proof).unwrap();
        let layout = served.manifest.layout;
        let leaves: Vec<Hash> =
            served.buckets.iter().map(|bucket| tacit_ledger::merkle::leaf_hash(bucket)).collect();
        let tree = TableTree::new(&leaves).unwrap();
        let context = tacit_blind::table::SealContext::new(&served.manifest.list, served.manifest.epoch);
        let zone = TimeZone::get(&self.registry.list(&list()).unwrap().time_zone).unwrap();
        let now = Timestamp::from_millisecond(self.clock.now().to_i64()).unwrap();
        let days = now.to_zoned(zone).date().since(Date::constant(1970, 1, 1)).unwrap().get_days();
        let today = Day::new(u32::try_from(days).unwrap()).unwrap();
        let look = |out: &[u8; 64]| {
            let number = layout.bucket_of(&context.entry_keys(out).tag());
            let path = tree.path(number).unwrap();
            let bucket =
                verify_bucket(&served.manifest, number, &served.buckets[number as usize], &path).unwrap();
            match bucket.lookup(out, today).unwrap() {
                Lookup::Listed(label) => Some(label),
                Lookup::NotListed => None,
            }
        };
        outputs.iter().map(look).collect()
    }

    /// Whether a code is answered as listed.
    pub(crate) async fn is_listed(&self, code: &str) -> bool {
        let mut asker = self.asker("procurement");
        self.ask(&mut asker, &[code]).await[0].is_some()
    }
}

impl Asker {
    pub(crate) async fn present(
        &mut self,
        checkpoint: bytes::Bytes,
        permits: Vec<LoggedRecord>,
        blinds: &[Blind],
    ) -> Result<EvaluateResponse, Status> {
        let items =
            permits.into_iter().zip(blinds).map(|(permit, blind)| item(permit, blind.query.as_bytes()));
        self.evaluate(checkpoint, items.collect()).await
    }

    pub(crate) async fn evaluate(
        &mut self,
        checkpoint: bytes::Bytes,
        items: Vec<EvaluateItem>,
    ) -> Result<EvaluateResponse, Status> {
        self.client.evaluate(EvaluateRequest { checkpoint, items }).await.map(tonic::Response::into_inner)
    }
}

pub(crate) fn item(permit: LoggedRecord, query: &[u8]) -> EvaluateItem {
    EvaluateItem { permit: Some(permit), blinded_query: bytes::Bytes::copy_from_slice(query) }
}

pub(crate) fn day(now: Millis) -> u32 {
    u32::try_from(now.utc_day()).unwrap()
}
