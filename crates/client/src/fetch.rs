//! Buckets: fetched with padding, verified against a logged manifest, and opened.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use tacit_blind::table::{
    BucketError, Lookup, OpenError, SealContext, VerifiedBucket, pad_buckets, verify_bucket,
};
use tacit_ledger::Hash;
use tacit_model::entropy::os_rng;
use tacit_model::{ListId, Millis, Reason};
use tacit_wire::chunks32;
use tacit_wire::custodian::bucket_service_client::BucketServiceClient;
use tacit_wire::custodian::{Bucket, BucketChunk, FetchBucketsRequest, ListBuckets, fetch_buckets_response};

use crate::connections::MAX_MESSAGE;
use crate::error::{ClientError, Party};
use crate::evidence::{AnswerPart, BucketPart, ManifestPart, Section};
use crate::holder::{Evaluated, HolderAnswer, Output, passes};
use crate::judge::Permit;
use crate::manifests::LoggedManifest;
use crate::question::{Answer, ListAnswer, Refusal, TableVersion};
use crate::requester::{Requester, heavy};
use crate::retry::{self, Patience, is_passing};
use crate::round::{Finding, Heal, Round};
use crate::vault::Kind;

/// Most hashes of a bucket's path.
const MAX_PATH: usize = 16;
/// Most buckets of a table.
const MAX_BUCKETS: usize = 1 << 16;

/// A list in an epoch.
type Key = (ListId, u64);

/// Which buckets are fetched, and which one each output needs.
struct Wanted {
    request: FetchBucketsRequest,
    /// Per output, in order: where to look.
    numbers: Vec<Option<(Key, u32)>>,
}

/// Buckets as they came: version, bucket by number.
type Fetched = HashMap<(Key, u32), (TableVersion, Bucket)>;

impl Requester {
    /// Fetches and opens; the answers are not yet durable.
    pub(crate) async fn fetch_and_open(
        &self,
        round: Arc<Round>,
        checkpoint: Bytes,
        mut evaluated: Evaluated,
    ) -> HolderAnswer {
        let wanted = match self.wanted(&round, checkpoint, &evaluated).await {
            Ok(wanted) => wanted,
            Err(error) => return refuse(&round, evaluated, &error),
        };
        let fetched = match self.fetch(&evaluated.permits, wanted.request).await {
            Ok(fetched) => fetched,
            Err(NotFetched::Refused(refusal)) => {
                let finding = |list, permit: &Permit| round.refusal(list, &refusal, Some(permit.record));
                return for_outputs(&round, evaluated, finding);
            }
            Err(NotFetched::Lost(reason)) => {
                return for_outputs(&round, evaluated, |_, permit| Finding::Lost {
                    reason,
                    record: Some(permit.record),
                });
            }
            Err(NotFetched::Error(error)) => return refuse(&round, evaluated, &error),
        };
        let served: HashSet<(ListId, TableVersion)> =
            fetched.iter().map(|(((list, _), _), (version, _))| (list.clone(), *version)).collect();
        let mut manifests = HashMap::with_capacity(served.len());
        for (list, version) in served {
            let manifest = self.manifests().version(&round.prepared.registry, &list, version).await;
            let manifest = manifest.map_err(|error| {
                tracing::error!(%list, %error, "a served version has no usable manifest");
                error.reason()
            });
            manifests.insert((list, version), manifest);
        }
        let this = self.clone();
        let lost: Vec<Permit> = evaluated.permits.clone();
        let count = evaluated.outputs.len();
        let opening = Arc::clone(&round);
        let opened = heavy(count, move || {
            let outputs = std::mem::take(&mut evaluated.outputs);
            let mut opener = Opener {
                requester: &this,
                round: &opening,
                permits: &evaluated.permits,
                fetched: &fetched,
                manifests: &manifests,
                verified: HashMap::new(),
                section: &mut evaluated.answer.section,
                manifest_places: HashMap::new(),
                buckets: &mut evaluated.answer.buckets,
            };
            for (output, wanted) in outputs.iter().zip(&wanted.numbers) {
                let permit = &opener.permits[output.permit];
                let list = opening.list_of(permit, output.slot);
                let finding = opener.open(output, list, wanted.as_ref());
                let row = opening.checks[permit.check].planned.place;
                evaluated.answer.found.push((row, list, finding));
            }
            evaluated.answer
        })
        .await;
        opened.unwrap_or_else(|error| {
            let reason = error.reason();
            let lose = |permit: &Permit| {
                round.of_permit(permit, |_| Finding::Lost { reason, record: Some(permit.record) })
            };
            HolderAnswer { found: lost.iter().flat_map(lose).collect(), ..HolderAnswer::default() }
        })
    }

    /// Numbers of the buckets, padded per list to as many as there are permits.
    async fn wanted(
        &self,
        round: &Round,
        checkpoint: Bytes,
        evaluated: &Evaluated,
    ) -> Result<Wanted, ClientError> {
        // The newest version that a record names is logged, whatever this member knew before.
        let mut versions: BTreeMap<Key, (u64, usize)> = BTreeMap::new();
        for &place in &evaluated.accepted {
            for at in &evaluated.permits[place].access.lists {
                let list = at.list.parse().map_err(|_| ClientError::OtherRecord("lists"))?;
                let (version, permits) = versions.entry((list, at.epoch)).or_default();
                *version = at.version.max(*version);
                *permits += 1;
            }
        }
        let mut layouts = HashMap::with_capacity(versions.len());
        for ((list, epoch), (version, permits)) in versions {
            let version = TableVersion { epoch, version };
            let manifest = self.manifests().version(&round.prepared.registry, &list, version).await?;
            let context = SealContext::new(&list, epoch);
            layouts.insert((list, epoch), (manifest.signed.manifest().layout, context, permits));
        }
        let mut real: BTreeMap<Key, Vec<u32>> = BTreeMap::new();
        let mut numbers = Vec::with_capacity(evaluated.outputs.len());
        for output in &evaluated.outputs {
            let of = &evaluated.answer.section.evaluations[output.evaluation];
            let key = (of.list.clone(), of.epoch);
            let number = layouts
                .get(&key)
                .map(|(layout, context, _)| layout.bucket_of(&context.entry_keys(&output.out).tag()));
            if let Some(number) = number {
                real.entry(key.clone()).or_default().push(number);
            }
            numbers.push(number.map(|number| (key, number)));
        }
        let mut rng = os_rng();
        let lists = real
            .into_iter()
            .filter_map(|(key, real)| {
                let (layout, _, permits) = layouts.get(&key)?;
                // Neither error can happen: every number is of this layout, every output has its own permit.
                let buckets = pad_buckets(*layout, &real, *permits, &mut rng).ok()?;
                Some(ListBuckets { list_id: key.0.to_string(), epoch: key.1, buckets })
            })
            .collect();
        let permits = evaluated.accepted.iter().map(|&place| evaluated.permits[place].wire.clone()).collect();
        Ok(Wanted { request: FetchBucketsRequest { checkpoint, permits, lists }, numbers })
    }

    /// The same request until it is answered: it is bound to its permits.
    async fn fetch(&self, permits: &[Permit], request: FetchBucketsRequest) -> Result<Fetched, NotFetched> {
        let ends = permits.iter().map(|permit| permit.access.expires_ms).min().unwrap_or(0);
        let mut patience = Patience::new(self.deadlines()).at_most(Millis(ends).since(self.now()));
        loop {
            let answer = patience
                .once(request.clone(), |request| async {
                    let mut custodian = BucketServiceClient::new(self.connections().custodian())
                        .max_decoding_message_size(MAX_MESSAGE);
                    let mut stream = custodian.fetch_buckets(request).await?.into_inner();
                    let mut parts = Vec::new();
                    while let Some(message) = stream.message().await? {
                        parts.push(message.part);
                    }
                    Ok(parts)
                })
                .await;
            let reason = match answer {
                Ok(parts) => match collect(parts, &request.lists) {
                    Err(NotFetched::Refused(refusal)) if passes(refusal.reason) => refusal.reason,
                    outcome => return outcome,
                },
                Err(status) if is_passing(&status) => retry::reason(&status),
                Err(status) => return Err(NotFetched::Refused(retry::reason(&status).into())),
            };
            tracing::debug!(%reason, "buckets are not given yet");
            if !patience.pause().await {
                return Err(NotFetched::Lost(reason));
            }
        }
    }
}

enum NotFetched {
    Refused(Refusal),
    Lost(Reason),
    Error(ClientError),
}

/// Puts the parts of an answer together, every bucket exactly one that was asked for.
fn collect(
    parts: Vec<Option<fetch_buckets_response::Part>>,
    asked: &[ListBuckets],
) -> Result<Fetched, NotFetched> {
    let missing = |field| NotFetched::Error(ClientError::missing(Party::Custodian, field));
    let mut fetched = HashMap::with_capacity(asked.iter().map(|list| list.buckets.len()).sum());
    for part in parts {
        match part.ok_or_else(|| missing("part"))? {
            fetch_buckets_response::Part::Refusal(refusal) => {
                return Err(NotFetched::Refused((&refusal).into()));
            }
            fetch_buckets_response::Part::Chunk(BucketChunk { list_id, epoch, version, buckets }) => {
                let list: ListId = list_id.parse().map_err(|_| missing("list_id"))?;
                let version = TableVersion { epoch, version };
                for bucket in buckets {
                    if fetched.len() >= MAX_BUCKETS {
                        return Err(missing("end"));
                    }
                    fetched.insert(((list.clone(), epoch), bucket.bucket), (version, bucket));
                }
            }
        }
    }
    let complete = asked.iter().all(|list| {
        let Ok(id) = list.list_id.parse::<ListId>() else { return false };
        let key = (id, list.epoch);
        list.buckets.iter().all(|number| fetched.contains_key(&(key.clone(), *number)))
    });
    if complete { Ok(fetched) } else { Err(missing("buckets")) }
}

fn for_outputs(
    round: &Round,
    mut evaluated: Evaluated,
    finding: impl Fn(usize, &Permit) -> Finding,
) -> HolderAnswer {
    for output in &evaluated.outputs {
        let permit = &evaluated.permits[output.permit];
        let list = round.list_of(permit, output.slot);
        let row = round.checks[permit.check].planned.place;
        evaluated.answer.found.push((row, list, finding(list, permit)));
    }
    evaluated.answer
}

/// The custodian's or the manifest's fault: final for these questions.
fn refuse(round: &Round, evaluated: Evaluated, error: &ClientError) -> HolderAnswer {
    tracing::error!(%error, "buckets cannot be used");
    match error {
        ClientError::NoAnswer { reason, .. } => for_outputs(round, evaluated, |_, permit| Finding::Lost {
            reason: *reason,
            record: Some(permit.record),
        }),
        _ => {
            let refusal = Refusal::from(match error {
                ClientError::Malformed { .. } => Reason::BucketRejected,
                other => other.reason(),
            });
            for_outputs(round, evaluated, |list, permit| {
                round.refused(list, refusal.clone(), Some(permit.record))
            })
        }
    }
}

/// Opens outputs one by one; each bucket is verified once.
struct Opener<'a> {
    requester: &'a Requester,
    round: &'a Round,
    permits: &'a [Permit],
    fetched: &'a Fetched,
    manifests: &'a HashMap<(ListId, TableVersion), Result<Arc<LoggedManifest>, Reason>>,
    verified: HashMap<(Key, u32), Result<(VerifiedBucket<'a>, u32), BucketError>>,
    section: &'a mut Section,
    manifest_places: HashMap<(ListId, TableVersion), u32>,
    buckets: &'a mut HashMap<Hash, Bytes>,
}

impl<'a> Opener<'a> {
    fn open(&mut self, output: &Output, list: usize, wanted: Option<&'a (Key, u32)>) -> Finding {
        let permit = &self.permits[output.permit];
        let record = Some(permit.record);
        let refused = |reason: Reason| self.round.refused(list, reason, record);
        let Some((key, found)) = wanted.and_then(|wanted| Some((wanted, self.fetched.get(wanted)?))) else {
            return refused(Reason::BucketRejected);
        };
        let (version, bucket) = found;
        let named = permit.access.lists.get(output.slot).map_or(u64::MAX, |at| at.version);
        if version.version < named {
            // An old table is no answer, however valid its signature.
            return self.again(permit, Reason::VersionOld);
        }
        let manifest = match self.manifests.get(&(key.0.0.clone(), *version)) {
            Some(Ok(manifest)) => Arc::clone(manifest),
            Some(Err(reason)) => return refused(*reason),
            None => return refused(Reason::ManifestRejected),
        };
        let as_of = Millis(permit.access.time_ms);
        let Some(today) = self.round.prepared.day(list, as_of) else { return refused(Reason::Internal) };
        let place = match self.verify(key, *version, &manifest, bucket) {
            Ok(place) => place,
            Err(error) => {
                tracing::error!(list = %key.0.0, %error, "the custodian gave a bucket that is not in the table");
                return refused(Reason::BucketRejected);
            }
        };
        let Some(Ok((bucket, _))) = self.verified.get(key) else { return refused(Reason::Internal) };
        let answer = match bucket.lookup(&output.out, today) {
            Ok(Lookup::Listed(label)) => Answer::Listed(label),
            Ok(Lookup::NotListed) => Answer::NotListed,
            // The table was rebuilt with other buckets between the record and the fetch.
            Err(OpenError::OtherBucket { .. }) => return self.again(permit, Reason::VersionOld),
            Err(error) => {
                tracing::error!(list = %key.0.0, %error, "an entry matches but does not open");
                return refused(Reason::EntryUnreadable);
            }
        };
        let manifest_place = self.manifest_place(&key.0.0, *version, &manifest);
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        self.section.answers.push(AnswerPart {
            place: permit.place,
            evaluation: number(output.evaluation),
            position: number(output.position),
            manifest: manifest_place,
            bucket: place,
        });
        let list = self.round.prepared.lists[list].list.clone();
        Finding::Done(ListAnswer { list, answer, record, version: Some(*version), as_of: Some(as_of) })
    }

    fn again(&self, permit: &Permit, reason: Reason) -> Finding {
        Finding::Again { reason, record: Some(permit.record), unanswered: true, heal: Heal::Manifest }
    }

    /// Place of a verified bucket in the section.
    fn verify(
        &mut self,
        key: &'a (Key, u32),
        version: TableVersion,
        manifest: &LoggedManifest,
        bucket: &'a Bucket,
    ) -> Result<u32, BucketError> {
        if let Some(known) = self.verified.get(key) {
            return known.as_ref().map(|(_, place)| *place).map_err(|error| *error);
        }
        let path = chunks32("path", &bucket.path, MAX_PATH).map_err(|_| BucketError::NotInTable);
        let verified = path
            .and_then(|path| verify_bucket(manifest.signed.manifest(), key.1, &bucket.entries, &path))
            .map(|verified| (verified, u32::try_from(self.section.buckets.len()).unwrap_or(u32::MAX)));
        let place = verified.as_ref().map(|(_, place)| *place).map_err(|error| *error);
        if place.is_ok() {
            let parts: [&[u8]; 4] =
                [key.0.0.as_bytes(), &version.epoch.to_be_bytes(), &key.1.to_be_bytes(), &bucket.entries];
            let kept = self.requester.vault().row_key(Kind::Bucket, &parts);
            self.section.buckets.push(BucketPart { number: key.1, key: kept, path: bucket.path.clone() });
            self.buckets.insert(kept, bucket.entries.clone());
        }
        self.verified.insert(key.clone(), verified);
        place
    }

    fn manifest_place(
        &mut self,
        list: &ListId,
        version: TableVersion,
        manifest: &Arc<LoggedManifest>,
    ) -> u32 {
        let manifests = &mut self.section.manifests;
        *self.manifest_places.entry((list.clone(), version)).or_insert_with(|| {
            manifests.push(ManifestPart::from(manifest));
            u32::try_from(manifests.len() - 1).unwrap_or(u32::MAX)
        })
    }
}
