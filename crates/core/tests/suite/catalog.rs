//! Another catalog comes into force: who loses something starts anew, nobody else notices.

use crate::support::{ISSUER, claims, outcome};
use keywright_core::{Context, Core, Credential, Error, IssuedToken, KeyFile, Settings, StartError, catalog::assemble};
use keywright_db::{Committed, Db, Writes, on_both_engines};
use keywright_protocol::{
    Clock, OrganizationId, Time,
    admin::{CatalogDiff, HeldRole, RoleReplacement, RolesIn},
    catalog::Document,
};
use std::{collections::BTreeMap, sync::Arc};

on_both_engines!(Writes::Revisioned, keywright_store::MIGRATIONS;
    a_role_that_shrinks_ends_what_it_gave_and_nothing_else,
    a_catalog_that_only_adds_ends_nothing,
    a_condition_ends_what_does_not_meet_it,
    a_permission_that_moves_to_another_audience_ends_what_had_it,
    an_exchange_under_way_does_not_revive_what_was_ended,
    a_role_that_is_held_does_not_vanish,
    a_replaced_role_is_held_no_more,
    a_role_in_a_pending_invitation_is_held_too,
    nobody_holds_a_role_in_a_deleted_organization,
    replacements_that_cannot_be_are_refused,
    a_difference_says_who_gains_and_loses_and_changes_nothing,
    a_start_with_another_catalog_ends_the_same_generations,
);

const APIS: &str = r#"
    [apis.shop.permissions]
    "invoices.read" = "See invoices"
    "invoices.write" = "Create and change invoices"
    "mail.send" = "Send mail"
"#;

/// Roles and what they permit, in the ten-line form.
fn own(roles: &[(&str, &[&str])]) -> String {
    let mut text = APIS.to_owned();
    for (key, permissions) in roles {
        text.push_str(&format!("[roles.{key}]\nname = \"{key}\"\npermissions = {permissions:?}\n"));
    }
    text
}

/// What every test starts from.
const BEFORE: [(&str, &[&str]); 4] = [
    ("accountant", &["invoices.read", "invoices.write"]),
    ("clerk", &["invoices.read", "invoices.write"]),
    ("reader", &["invoices.read"]),
    ("postman", &["mail.send"]),
];

fn before() -> String {
    own(&BEFORE)
}

/// The same with one role's permissions set anew.
fn with(role: &str, permissions: &[&str]) -> String {
    let rest = BEFORE.iter().filter(|(key, _)| *key != role).copied();
    own(&rest.chain([(role, permissions)]).collect::<Vec<_>>())
}

fn document(own: &str) -> Document {
    assemble(None, Some(own)).unwrap()
}

/// A root with a sub-organization, and somebody for each way to hold a role.
struct World {
    core: Arc<Core>,
    clock: Clock,
    db: Db,
    key_file: String,
    root: OrganizationId,
    sub: OrganizationId,
    /// Secrets of Personal Access Keys by label, API Keys are called `ci-<role>`.
    keys: BTreeMap<&'static str, String>,
}

/// Everybody, with his own roles in the root and in the sub-organization.
const PEOPLE: [(&str, &[&str], &[&str]); 5] = [
    ("owner", &["owner"], &[]),
    ("anna", &["accountant"], &[]),
    ("both", &["accountant", "clerk"], &[]),
    ("rita", &["reader"], &["accountant"]),
    ("paul", &["accountant", "postman"], &["postman"]),
];

/// Where a key is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum At {
    Root,
    Sub,
}
use At::{Root, Sub};

impl At {
    fn target(self, world: &World) -> Option<OrganizationId> {
        match self {
            Root => None,
            Sub => Some(world.sub),
        }
    }
}

/// A credential, and where it is used.
type Holding = (&'static str, At);

/// Every credential and place that has a generation after [`World::indices`].
const HOLDINGS: [Holding; 11] = [
    ("owner", Root),
    ("owner", Sub),
    ("anna", Root),
    ("anna", Sub),
    ("both", Root),
    ("rita", Root),
    ("rita", Sub),
    ("paul", Root),
    ("paul", Sub),
    ("ci", Root),
    ("ci", Sub),
];

async fn world(db: Db) -> World {
    let clock = Clock::stepped(Time::from_seconds(1_800_000_000));
    let key_file = KeyFile::generate().unwrap().to_text().unwrap().to_string();
    let core = start(db.clone(), &key_file, &before(), &clock).await.unwrap();
    let host = Context::system(clock.now()).unwrap();
    let root = core.create_root(&host, "Acme").await.unwrap().id;
    let sub = core.create_sub_organization(&host, root, "Acme Labs").await.unwrap().value.id;
    let mut keys = BTreeMap::new();
    for (name, in_root, in_sub) in PEOPLE {
        let user = core.create_user(&host, &format!("{name}@acme.example"), name, keywright_store::users::Password::None).await.unwrap().id;
        set(&core, &host, root, user, in_root).await;
        if !in_sub.is_empty() {
            set(&core, &host, sub, user, in_sub).await;
        }
        let key = core.create_personal_access_key(&host, root, user, "key", None).await.unwrap();
        keys.insert(name, key.secret.reveal().to_owned());
    }
    let grant = |organization_id, role: &str| RolesIn { organization_id, roles: vec![role.to_owned()] };
    let ci = core.create_api_key(&host, root, "ci", &[grant(root, "reader"), grant(sub, "accountant")], None).await.unwrap();
    keys.insert("ci", ci.secret.reveal().to_owned());
    World { core, clock, db, key_file, root, sub, keys }
}

async fn set(core: &Arc<Core>, host: &Context, organization: OrganizationId, user: keywright_protocol::UserId, roles: &[&str]) {
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    core.change_roles(host, organization, user, keywright_core::members::RoleChange::Replace(roles)).await.unwrap();
}

async fn start(db: Db, key_file: &str, own: &str, clock: &Clock) -> Result<Arc<Core>, StartError> {
    let settings = Settings { own_catalog: Some(own.to_owned()), ..Settings::new(ISSUER) };
    Core::start_on(db, KeyFile::parse(key_file).unwrap(), settings, clock.clone()).await
}

impl World {
    fn host(&self) -> Context {
        Context::system(self.clock.now()).unwrap()
    }

    async fn exchange(&self, who: &str, at: At) -> Result<IssuedToken, Error> {
        let secret = &self.keys[who];
        let credential = if who == "ci" { Credential::ApiKey { name: "ci", secret } } else { Credential::PersonalAccessKey(secret) };
        self.core.exchange(&self.host(), credential, at.target(self)).await
    }

    async fn scope(&self, who: &str, at: At) -> String {
        claims(&self.exchange(who, at).await.unwrap())["scope"].as_str().unwrap().to_owned()
    }

    /// The open generation of every holding; exchanges open what is missing.
    async fn indices(&self) -> BTreeMap<Holding, i64> {
        let mut indices = BTreeMap::new();
        for (who, at) in HOLDINGS {
            let token = claims(&self.exchange(who, at).await.unwrap_or_else(|error| panic!("{who} {at:?}: {error}")));
            let (key, place): (keywright_protocol::KeyId, _) = (token["keyId"].as_str().unwrap().parse().unwrap(), at.target(self).unwrap_or(self.root));
            let statement = "SELECT status_index FROM generations WHERE key_id = $1 AND organization_id = $2 AND ended_at IS NULL";
            let row = self.db.read(move |tx| Box::pin(async move { tx.fetch_one(statement, &[key.into(), place.into()]).await })).await.unwrap();
            indices.insert((who, at), row.get("status_index").unwrap());
        }
        indices
    }

    /// The status indices that the last change tells everybody to set.
    async fn bits(&self) -> Vec<i64> {
        let statement = "SELECT bits FROM changes WHERE kind = 'catalog' ORDER BY history DESC, n DESC LIMIT 1";
        let row = self.db.read(move |tx| Box::pin(async move { tx.fetch_one(statement, &[]).await })).await.unwrap();
        row.get::<String>("bits").unwrap().split_whitespace().map(|bit| bit.parse().unwrap()).collect()
    }

    async fn apply(&self, own: &str, replace: &[(&str, &str)]) -> Result<Committed<CatalogDiff>, Error> {
        let replace = replace.iter().map(|(old, new)| RoleReplacement { old: (*old).to_owned(), new: (*new).to_owned() }).collect();
        self.core.apply_catalog(&self.host(), document(own), replace).await
    }

    /// Applies a catalog and answers which holdings got another generation; the log of changes must say the same.
    async fn ended_by(&self, own: &str, replace: &[(&str, &str)]) -> Vec<Holding> {
        let before = self.indices().await;
        let diff = self.apply(own, replace).await.unwrap().value;
        let (mut bits, after) = (self.bits().await, self.indices().await);
        let ended: Vec<_> = HOLDINGS.into_iter().filter(|holding| before[holding] != after[holding]).collect();
        let mut expected: Vec<i64> = ended.iter().map(|holding| before[holding]).collect();
        bits.sort_unstable();
        expected.sort_unstable();
        assert_eq!(bits, expected);
        assert_eq!(diff.generations_ended, bits.len() as u64);
        ended
    }
}

/// Reddens when the roles in the root are taken where own ones hold, or the other way round (`held_by` in `comparison.rs`), when
/// everybody's generation ends, or nobody's.
async fn a_role_that_shrinks_ends_what_it_gave_and_nothing_else(db: Db) {
    let world = world(db).await;
    // `both` keeps the permission by his other role, `rita` had it in the sub-organization alone, `paul` in the root alone; `anna`
    // inherits the loss in the sub-organization. The Owner keeps everything.
    let ended = world.ended_by(&with("accountant", &["invoices.read"]), &[]).await;
    assert_eq!(ended, [("anna", Root), ("anna", Sub), ("rita", Sub), ("paul", Root), ("ci", Sub)]);
    assert_eq!(world.scope("anna", Root).await, "invoices.read");
    assert_eq!(world.scope("both", Root).await, "invoices.read invoices.write");
    // A permission that is gone altogether is the Owner's loss too.
    let without_mail = with("postman", &[]).replace("\"mail.send\" = \"Send mail\"", "");
    let before = world.indices().await;
    world.apply(&without_mail, &[]).await.unwrap();
    let bits = world.bits().await;
    assert!([("owner", Root), ("owner", Sub), ("paul", Root), ("paul", Sub)].iter().all(|holding| bits.contains(&before[holding])), "{bits:?}");
    assert_eq!(bits.len(), 4, "and nobody else's");
}

async fn a_catalog_that_only_adds_ends_nothing(db: Db) {
    let world = world(db).await;
    assert_eq!(world.scope("anna", Sub).await, "invoices.read invoices.write");
    let ended = world.ended_by(&with("accountant", &["invoices.read", "invoices.write", "mail.send"]), &[]).await;
    assert_eq!(ended, []);
    // The exchange gives the new scope at once, out of memory too.
    assert_eq!(world.scope("anna", Sub).await, "invoices.read invoices.write mail.send");
    let position = world.core.catalog().position;
    let again = world.apply(&with("accountant", &["invoices.read", "invoices.write", "mail.send"]), &[]).await.unwrap();
    assert!(again.value.identical);
    assert_eq!(world.core.catalog().position, position, "the same catalog is no other one");
}

/// Reddens when the comparison adds up roles without their conditions.
async fn a_condition_ends_what_does_not_meet_it(db: Db) {
    let world = world(db).await;
    let condition = "\n[[conditions]]\npermission = \"invoices.write\"\nall_of = [[\"postman\"]]\n";
    let ended = world.ended_by(&format!("{}{condition}", before()), &[]).await;
    // `paul` is postman too where he is accountant; conditions do not bind the Owner.
    assert_eq!(ended, [("anna", Root), ("anna", Sub), ("both", Root), ("rita", Sub), ("ci", Sub)]);
    assert_eq!(
        (world.scope("anna", Root).await.as_str(), world.scope("paul", Root).await.as_str()),
        ("invoices.read", "invoices.read invoices.write mail.send")
    );
    assert_eq!(world.ended_by(&before(), &[]).await, [], "taking it away gives back");
}

/// Reddens when permissions are compared by id alone: the old tokens still say the id, for an audience that it left.
async fn a_permission_that_moves_to_another_audience_ends_what_had_it(db: Db) {
    let world = world(db).await;
    let before_it = world.indices().await;
    let moved = before().replace("[apis.shop.permissions]", "[apis.shop]\naudience = \"https://shop.example.com\"\n[apis.shop.permissions]");
    let diff = world.apply(&format!("default_audience = \"https://shop.example.com\"\n{moved}"), &[]).await.unwrap().value;
    assert_eq!(diff.default_audience.unwrap().after.as_deref(), Some("https://shop.example.com"));
    let mut bits = world.bits().await;
    let mut expected: Vec<i64> = before_it.into_values().collect();
    bits.sort_unstable();
    expected.sort_unstable();
    assert_eq!(bits, expected);
    let token = claims(&world.exchange("anna", Root).await.unwrap());
    assert_eq!((token["aud"].as_str(), token["scope"].as_str()), (Some("https://shop.example.com"), Some("invoices.read invoices.write")));
}

/// Reddens when an exchange takes its grant from the catalog in memory instead of its snapshot's (`catalog_at` in `exchange.rs`):
/// between a commit and its application the old grant would get the index of a new generation.
async fn an_exchange_under_way_does_not_revive_what_was_ended(db: Db) {
    let world = world(db).await;
    world.indices().await;
    // Another process' change, as it were: committed, and not applied by this core's memory yet.
    let other = start(world.db.clone(), &world.key_file, &before(), &world.clock).await.unwrap();
    other.apply_catalog(&world.host(), document(&with("accountant", &["invoices.read"])), Vec::new()).await.unwrap();
    // A secret that this core has not seen: it must be read from the database.
    let host = world.host();
    let user = other.create_user(&host, "late@acme.example", "Late", keywright_store::users::Password::None).await.unwrap().id;
    set(&other, &host, world.root, user, &["accountant"]).await;
    let key = other.create_personal_access_key(&host, world.root, user, "late", None).await.unwrap();
    let token = world.core.exchange(&host, Credential::PersonalAccessKey(key.secret.reveal()), None).await.unwrap();
    assert_eq!(claims(&token)["scope"], "invoices.read");
}

async fn a_role_that_is_held_does_not_vanish(db: Db) {
    let world = world(db).await;
    let before_it = world.indices().await;
    let without = |role: &str| own(&BEFORE.iter().filter(|(key, _)| *key != role).copied().collect::<Vec<_>>());
    for role in ["accountant", "clerk", "reader", "postman"] {
        let refused = world.apply(&without(role), &[]).await.err().unwrap();
        assert!(matches!(refused, Error::Conflict(_)), "{refused:?}");
        let sentence = refused.to_string();
        assert!(sentence.contains(&format!("no role `{role}`")) && sentence.contains(&format!("--replace {role}=NEW")), "{sentence}");
    }
    let sentence = world.apply(APIS, &[]).await.err().unwrap().to_string();
    assert!(sentence.contains("no role `accountant` (and 3 more)"), "{sentence}");
    let elsewhere = start(world.db.clone(), &world.key_file, &without("clerk"), &world.clock).await.err().unwrap().to_string();
    assert!(elsewhere.contains("no role `clerk`"), "{elsewhere}");
    assert_eq!(world.indices().await, before_it, "a refusal ends nothing");
    // What nobody holds may go, and come back.
    world.apply(&own(&[&BEFORE[..], &[("nobodys", &["mail.send"])]].concat()), &[]).await.unwrap();
    assert!(world.core.catalog().catalog.has_role("nobodys"));
    world.apply(&before(), &[]).await.unwrap();
    assert!(!world.core.catalog().catalog.has_role("nobodys"));
}

/// Reddens when holders are replaced without being compared, when who has both roles is forgotten, or when keys are.
async fn a_replaced_role_is_held_no_more(db: Db) {
    let world = world(db).await;
    let rest = |gone: &str| -> Vec<(&str, &[&str])> { BEFORE.iter().filter(|(key, _)| *key != gone).copied().collect() };
    let double = vec![RolesIn { organization_id: world.root, roles: vec!["accountant".to_owned(), "clerk".to_owned()] }];
    let double = world.core.create_api_key(&world.host(), world.root, "double", &double, None).await.unwrap();
    // For something that permits the same: nobody loses anything, but tokens name the role that is no more.
    let before = world.indices().await;
    let diff = world.apply(&own(&rest("accountant")), &[("accountant", "clerk")]).await.unwrap().value;
    let after = world.indices().await;
    let ended: Vec<_> = HOLDINGS.into_iter().filter(|holding| before[holding] != after[holding]).collect();
    assert_eq!(ended, [("anna", Root), ("anna", Sub), ("both", Root), ("rita", Sub), ("paul", Root), ("ci", Sub)]);
    assert_eq!(diff.generations_ended, 7, "these, and the key's that is called double");
    let token = |token: IssuedToken| claims(&token)["roles"].clone();
    assert_eq!(token(world.exchange("both", Root).await.unwrap()), serde_json::json!(["clerk"]), "who had both keeps one");
    let exchanged = world.core.exchange(&world.host(), Credential::ApiKey { name: "double", secret: double.secret.reveal() }, None).await;
    assert_eq!(token(exchanged.unwrap()), serde_json::json!(["clerk"]), "a key too");
    world.core.revoke_key(&world.host(), double.id).await.unwrap();
    assert_eq!(token(world.exchange("ci", Sub).await.unwrap()), serde_json::json!(["clerk"]));
    assert_eq!(token(world.exchange("anna", Sub).await.unwrap()), serde_json::json!(["clerk"]), "inherited");
    assert_eq!(token(world.exchange("paul", Root).await.unwrap()), serde_json::json!(["clerk", "postman"]));
    // For something weaker: who had nothing else loses.
    let weaker = own(&[("reader", &["invoices.read"]), ("postman", &["mail.send"])]);
    let ended = world.ended_by(&weaker, &[("clerk", "reader")]).await;
    assert_eq!(ended, [("anna", Root), ("anna", Sub), ("both", Root), ("rita", Sub), ("paul", Root), ("ci", Sub)]);
}

/// Reddens when what died with its organization keeps a role in the catalog for ever.
async fn nobody_holds_a_role_in_a_deleted_organization(db: Db) {
    let world = world(db).await;
    let with = own(&[&BEFORE[..], &[("intern", &["invoices.read"])]].concat());
    world.apply(&with, &[]).await.unwrap();
    let host = world.host();
    let doomed = world.core.create_root(&host, "Doomed").await.unwrap().id;
    let below = world.core.create_sub_organization(&host, doomed, "Below").await.unwrap().value.id;
    let user = world.core.create_user(&host, "last@doomed.example", "Last", keywright_store::users::Password::None).await.unwrap().id;
    set(&world.core, &host, doomed, user, &["owner", "intern"]).await;
    let intern = |organization_id| RolesIn { organization_id, roles: vec!["intern".to_owned()] };
    world.core.create_api_key(&host, doomed, "ci", &[intern(doomed), intern(below)], None).await.unwrap();
    world.core.invite(&host, doomed, "new@doomed.example", vec![intern(below)]).await.unwrap();
    assert!(matches!(world.apply(&before(), &[]).await, Err(Error::Conflict(_))));
    world.core.delete_organization(&host, doomed, "Doomed").await.unwrap();
    assert_eq!(world.core.diff_catalog(&host, document(&before())).await.unwrap().held, []);
    world.apply(&before(), &[]).await.unwrap();
}

/// Reddens when invitations are left out: an acceptance would find a role that is no more.
async fn a_role_in_a_pending_invitation_is_held_too(db: Db) {
    let world = world(db).await;
    world.apply(&own(&[&BEFORE[..], &[("intern", &["invoices.read"])]].concat()), &[]).await.unwrap();
    let invite = async |email: &str, roles: &[&str]| {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        world.core.invite(&world.host(), world.root, email, vec![RolesIn { organization_id: world.root, roles }]).await.unwrap();
    };
    invite("one@acme.example", &["intern"]).await;
    invite("two@acme.example", &["intern", "reader"]).await;
    invite("gone@acme.example", &["intern"]).await;
    world.core.revoke_invitation(&world.host(), world.root, "gone@acme.example").await.unwrap();
    let told = world.core.diff_catalog(&world.host(), document(&before())).await.unwrap();
    let [HeldRole { role, holders, vanishes: true, .. }] = told.held.as_slice() else { panic!("{told:?}") };
    assert_eq!((role.as_str(), holders[0].memberships, holders[0].keys, holders[0].invitations), ("intern", 0, 0, 2));
    assert!(matches!(world.apply(&before(), &[]).await, Err(Error::Conflict(_))));
    world.apply(&before(), &[("intern", "reader")]).await.unwrap();
    let invitations = world.core.list_invitations(&world.host(), world.root).await.unwrap();
    let roles: Vec<&[String]> = invitations.iter().map(|invitation| invitation.grants[0].roles.as_slice()).collect();
    assert_eq!(roles, [["reader"], ["reader"]]);
}

async fn replacements_that_cannot_be_are_refused(db: Db) {
    let world = world(db).await;
    let rest = own(&BEFORE.iter().filter(|(key, _)| *key != "clerk").copied().collect::<Vec<_>>());
    for (replace, part) in [
        (&[("clerk", "owner")][..], "nobody becomes Owner"),
        (&[("clerk", "ghost")], "no role `ghost`"),
        (&[("reader", "accountant"), ("clerk", "reader")], "has the role `reader`"),
        (&[("clerk", "reader"), ("clerk", "accountant")], "name one"),
    ] {
        let refused = world.apply(&rest, replace).await.err().unwrap();
        assert!(matches!(refused, Error::Invalid { field: "replace", .. }) && refused.to_string().contains(part), "{refused}");
    }
    // A document without what is built in would leave every organization without an Owner.
    let refused = world.core.apply_catalog(&world.host(), Document::default(), Vec::new()).await.err().unwrap();
    assert!(matches!(refused, Error::Invalid { field: "document", .. }), "{refused}");
    let anybody = Context { actor: keywright_core::Actor::Anonymous, ..world.host() };
    let refused = world.core.apply_catalog(&anybody, document(&before()), Vec::new()).await.err();
    assert_eq!(refused.unwrap().code(), "insufficient_permission");
    let refused = world.core.diff_catalog(&anybody, document(&before())).await.unwrap_err();
    assert_eq!(refused.code(), "insufficient_permission");
}

async fn a_difference_says_who_gains_and_loses_and_changes_nothing(db: Db) {
    let world = world(db).await;
    let (indices, position) = (world.indices().await, world.core.catalog().position);
    let diff = async |own: &str| world.core.diff_catalog(&world.host(), document(own)).await.unwrap();
    assert!(diff(&before()).await.identical);

    let told = diff(&with("accountant", &["invoices.read", "mail.send"])).await;
    assert_eq!(told.roles.changed, ["accountant"]);
    assert_eq!((told.permissions.added.len(), told.permissions.removed.len(), told.permissions.changed.len()), (0, 0, 0));
    let [HeldRole { role, gains, loses, holders, vanishes: false, replaced_by: None }] = told.held.as_slice() else { panic!("{told:?}") };
    // `both` keeps writing by being a clerk; the others lose it.
    assert_eq!((role.as_str(), gains.as_slice(), loses.as_slice()), ("accountant", &["mail.send".to_owned()][..], &["invoices.write".to_owned()][..]));
    let counted: BTreeMap<OrganizationId, (u64, u64, u64)> =
        holders.iter().map(|place| (place.organization_id, (place.memberships, place.keys, place.invitations))).collect();
    assert_eq!(counted, BTreeMap::from([(world.root, (3, 0, 0)), (world.sub, (1, 1, 0))]));
    assert_eq!(told.generations_ended, 5);

    let gone = diff(APIS).await;
    assert_eq!(gone.roles.removed, ["accountant", "clerk", "postman", "reader"]);
    assert!(gone.held.iter().all(|held| held.vanishes && !held.loses.is_empty()), "{gone:?}");
    let condition = format!("{}\n[[conditions]]\npermission = \"mail.send\"\nall_of = [[\"clerk\"]]\n", before());
    let told = diff(&condition).await;
    assert_eq!((told.permissions.changed.as_slice(), told.held.len()), (&["mail.send".to_owned()][..], 1), "{told:?}");
    assert_eq!(told.held[0].role, "postman", "it is the postman's permission, whoever else loses it by being one");

    assert_eq!((world.indices().await, world.core.catalog().position), (indices, position));
}

/// Reddens when a start writes the catalog without comparing it.
async fn a_start_with_another_catalog_ends_the_same_generations(db: Db) {
    let world = world(db).await;
    let before_it = world.indices().await;
    let core = start(world.db.clone(), &world.key_file, &with("accountant", &["invoices.read"]), &world.clock).await.unwrap();
    let mut expected: Vec<i64> = [("anna", Root), ("anna", Sub), ("rita", Sub), ("paul", Root), ("ci", Sub)].iter().map(|holding| before_it[holding]).collect();
    let mut bits = world.bits().await;
    bits.sort_unstable();
    expected.sort_unstable();
    assert_eq!(bits, expected);
    let anna = core.exchange(&world.host(), Credential::PersonalAccessKey(&world.keys["anna"]), None).await;
    assert_eq!(outcome(&anna), "accepted");
    assert_eq!(claims(&anna.unwrap())["scope"], "invoices.read");
    let position = core.catalog().position;
    let again = start(world.db.clone(), &world.key_file, &with("accountant", &["invoices.read"]), &world.clock).await.unwrap();
    assert_eq!(again.catalog().position, position, "the same catalog is applied once");
}
