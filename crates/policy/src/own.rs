//! The federation's own rules: Cedar policies that forbid what the built-in rules would allow.
//!
//! ```text
//! built-in rules allow -> each list: does any rule of our own forbid? -> refused, by name | as before
//! ```
//! A rule can only forbid, so that none can open what is built in. It is validated against the schema when the
//! registry is read; a rule that cannot be evaluated refuses.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    sync::OnceLock,
};

use cedar_policy::{
    AuthorizationError, Authorizer, Context, Decision, Effect, Entities, Entity, EntityId, EntityTypeName,
    EntityUid, Policy, PolicyId, PolicySet, Request, RestrictedExpression, Schema, ValidationMode, Validator,
};

use crate::registry::{
    Registry, RegistryProblem as Problem,
    entry::{Act, Agreement, FederationRule, List, Member, MemberKind, Purpose, Rank},
};

/// The schema that rules are validated against.
pub const SCHEMA: &str = include_str!("own.cedarschema");

/// Most rules of one federation.
pub(crate) const MAX_RULES: usize = 256;

/// What stands beside the rules, so that what none forbids is allowed.
const OTHERWISE: &str = "permit(principal, action, resource);";

/// The name under which [`OTHERWISE`] stands; rules have names of members' form, so none can have it.
const OTHERWISE_ID: &str = "(otherwise)";

fn schema() -> Option<&'static Schema> {
    static SCHEMA_READ: OnceLock<Option<Schema>> = OnceLock::new();
    SCHEMA_READ.get_or_init(|| Schema::from_cedarschema_str(SCHEMA).ok().map(|(schema, _)| schema)).as_ref()
}

fn problem(problem: impl fmt::Display) -> Problem {
    // Cedar's texts have several lines; ours have one.
    let words: Vec<String> = problem.to_string().split_whitespace().map(ToOwned::to_owned).collect();
    Problem::Rule { problem: words.join(" ").chars().filter(|c| !c.is_control()).take(300).collect() }
}

/// The policy of a rule: one, static, forbidding, valid under the schema.
pub(crate) fn parse(rule: &FederationRule) -> Result<Policy, Problem> {
    let policy = Policy::parse(Some(PolicyId::new(&rule.id)), &rule.policy).map_err(problem)?;
    if policy.effect() != Effect::Forbid {
        return Err(problem("it permits, and a rule of a federation's own can only forbid"));
    }
    let schema = schema().ok_or_else(|| problem("the schema of this program cannot be read"))?;
    let set = PolicySet::from_policies([policy.clone()]).map_err(problem)?;
    let verdict = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
    match verdict.validation_errors().next() {
        None => Ok(policy),
        Some(error) => Err(problem(error)),
    }
}

/// What a rule is asked about, beside the list.
pub(crate) struct OwnFacts<'a> {
    pub(crate) requester: &'a Member,
    pub(crate) purpose: &'a Purpose,
    pub(crate) agreement: &'a Agreement,
    pub(crate) lists: &'a [&'a List],
}

/// The rules of one registry, with everything they may speak of.
pub(crate) struct OwnRules {
    policies: PolicySet,
    entities: Entities,
    authorizer: Authorizer,
    /// Ranks of the acts by name.
    ranks: BTreeMap<String, Rank>,
}

impl fmt::Debug for OwnRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnRules").field("rules", &self.policies.policies().count()).finish_non_exhaustive()
    }
}

impl OwnRules {
    /// The rules of a registry; `None` when it has none, so that nothing is asked.
    pub(crate) fn new<'a>(
        rules: impl ExactSizeIterator<Item = &'a FederationRule>,
        members: impl Iterator<Item = &'a Member>,
        lists: impl Iterator<Item = &'a List>,
        purposes: impl Iterator<Item = &'a Purpose>,
        acts: impl Iterator<Item = &'a Act>,
    ) -> Result<Option<Self>, Problem> {
        if rules.len() == 0 {
            return Ok(None);
        }
        if rules.len() > MAX_RULES {
            return Err(Problem::Count { found: rules.len(), min: 0, max: MAX_RULES });
        }
        let otherwise = Policy::parse(Some(PolicyId::new(OTHERWISE_ID)), OTHERWISE).map_err(problem)?;
        let mut policies = PolicySet::from_policies([otherwise]).map_err(problem)?;
        for rule in rules {
            policies.add(parse(rule)?).map_err(problem)?;
        }
        let ranks: BTreeMap<String, Rank> = acts.map(|act| (act.id.clone(), act.rank)).collect();
        let members = members.map(member_entity);
        let lists = lists.map(|list| list_entity(list, rank_of(&ranks, &list.legal_basis.act)));
        let all: Result<Vec<Entity>, Problem> =
            members.chain(lists).chain(purposes.map(purpose_entity)).collect();
        let entities = Entities::from_entities(all?, schema()).map_err(problem)?;
        Ok(Some(Self { policies, entities, authorizer: Authorizer::new(), ranks }))
    }

    /// Names of the rules that forbid one of the lists; empty when none does. What cannot be evaluated forbids.
    pub(crate) fn forbidding(&self, facts: &OwnFacts<'_>, consent: bool) -> Vec<String> {
        self.asked(facts, consent).unwrap_or_else(|_| vec![OTHERWISE_ID.to_owned()])
    }

    fn asked(&self, facts: &OwnFacts<'_>, consent: bool) -> Result<Vec<String>, Problem> {
        let context = self.context(facts, consent)?;
        let principal = uid("Member", facts.requester.id.as_str())?;
        let action = uid("Action", "ask")?;
        for list in facts.lists {
            let resource = uid("List", list.id.as_str())?;
            // Without the schema: that is for texts from outside, and all of this comes from the registry.
            let request = Request::new(principal.clone(), action.clone(), resource, context.clone(), None)
                .map_err(problem)?;
            let answer = self.authorizer.is_authorized(&request, &self.policies, &self.entities);
            // Cedar skips a policy that fails; a rule that was meant to forbid must not be skipped.
            let failed: Vec<String> = answer
                .diagnostics()
                .errors()
                .map(|AuthorizationError::PolicyEvaluationError(error)| error.policy_id().to_string())
                .collect();
            if !failed.is_empty() {
                return Ok(failed);
            }
            if answer.decision() != Decision::Allow {
                let mut names: Vec<String> = answer.diagnostics().reason().map(ToString::to_string).collect();
                names.sort_unstable();
                return Ok(if names.is_empty() { vec![OTHERWISE_ID.to_owned()] } else { names });
            }
        }
        Ok(Vec::new())
    }

    fn context(&self, facts: &OwnFacts<'_>, consent: bool) -> Result<Context, Problem> {
        let agreement = facts.agreement;
        let rank = rank_of(&self.ranks, &agreement.legal_basis.act);
        let restricts = agreement.measures.iter().any(|measure| measure.restricts);
        let terms = record([
            ("rank", text(rank)),
            ("consent_required", RestrictedExpression::new_bool(agreement.consent_required)),
            ("cross_context", RestrictedExpression::new_bool(agreement.cross_context.is_some())),
            ("restricts", RestrictedExpression::new_bool(restricts)),
        ])?;
        let lists = i64::try_from(facts.lists.len()).unwrap_or(i64::MAX);
        let purpose = uid("Purpose", facts.purpose.code.as_str())?;
        let pairs = [
            ("purpose".to_owned(), RestrictedExpression::new_entity_uid(purpose)),
            ("consent".to_owned(), RestrictedExpression::new_bool(consent)),
            ("lists".to_owned(), RestrictedExpression::new_long(lists)),
            ("agreement".to_owned(), terms),
        ];
        Context::from_pairs(pairs).map_err(problem)
    }
}

impl Registry {
    /// Names of the federation's own rules that forbid a question that the built-in rules allow.
    pub(crate) fn forbidding(&self, facts: &OwnFacts<'_>, consent: bool) -> Vec<String> {
        self.own_rules().map(|own| own.forbidding(facts, consent)).unwrap_or_default()
    }
}

fn rank_of(ranks: &BTreeMap<String, Rank>, act: &str) -> &'static str {
    // Every act that is cited stands in the registry; the weakest would be said of one that does not.
    ranks.get(act).copied().unwrap_or(Rank::Memorandum).as_str()
}

fn uid(kind: &'static str, id: &str) -> Result<EntityUid, Problem> {
    let kind: EntityTypeName = kind.parse().map_err(problem)?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}

fn text(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

fn record<const N: usize>(
    fields: [(&str, RestrictedExpression); N],
) -> Result<RestrictedExpression, Problem> {
    RestrictedExpression::new_record(fields.map(|(name, value)| (name.to_owned(), value))).map_err(problem)
}

fn entity<const N: usize>(
    uid: EntityUid,
    fields: [(&str, RestrictedExpression); N],
) -> Result<Entity, Problem> {
    let fields: HashMap<_, _> = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Entity::new(uid, fields, HashSet::new()).map_err(problem)
}

fn member_entity(member: &Member) -> Result<Entity, Problem> {
    let kind = match member.kind {
        MemberKind::Public => "public",
        MemberKind::Private => "private",
        MemberKind::Association => "association",
    };
    let roles = RestrictedExpression::new_set(member.roles.iter().map(|role| text(role.as_str())));
    entity(uid("Member", member.id.as_str())?, [("kind", text(kind)), ("roles", roles)])
}

fn list_entity(list: &List, rank: &str) -> Result<Entity, Problem> {
    let holder = RestrictedExpression::new_entity_uid(uid("Member", list.id.holder())?);
    let fields = [
        ("holder", holder),
        ("scheme", text(&list.scheme)),
        ("origin_context", text(&list.origin_context)),
        ("adverse", RestrictedExpression::new_bool(list.adverse)),
        ("rank", text(rank)),
    ];
    entity(uid("List", list.id.as_str())?, fields)
}

fn purpose_entity(purpose: &Purpose) -> Result<Entity, Problem> {
    let fields = [
        ("context", text(&purpose.context)),
        ("basic_service", RestrictedExpression::new_bool(purpose.basic_service)),
    ];
    entity(uid("Purpose", purpose.code.as_str())?, fields)
}
