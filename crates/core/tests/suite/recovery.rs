//! A backup that is restored, and told of what was taken away since.

use crate::{
    custom_roles::{new, permissions},
    device::Device,
    model::{
        operations::{Dice, Operation},
        world::{Bench, VARIANTS, World as Model},
    },
    support::{World, claims, extent, outcome, world},
};
use keywright_core::{
    Context, Core, Credential, Error, KeyFile,
    activity::Filter,
    keys::{CreatedKey, api::ApiKeyChange, rotation::Rotation},
    members::RoleChange,
    operator::NewOperatorKey,
    policy::{Allowed, Policy},
    recovery::{Later, RestoreError, Restored, Section, copy, position_of, restore},
    webhooks::{NewWebhook, Reach},
};
use keywright_db::{Db, Location, Writes, on_both_engines};
use keywright_protocol::{
    OperatorScope, Position,
    admin::{RoleReplacement, RolesIn},
    jwk::Purpose,
};
use std::{cell::RefCell, collections::BTreeSet, path::Path, sync::Arc, time::Duration};
use tempfile::TempDir;
use zeroize::Zeroizing;

const NOWHERE: Position = Position { history: 0, n: 0 };

on_both_engines!(Writes::Revisioned, keywright_store::MIGRATIONS;
    sections_follow_each_other_and_end,
);

fn at(folder: &TempDir, name: &str) -> Location {
    Location::Sqlite { path: folder.path().join(name) }
}

fn path(location: &Location) -> &Path {
    let Location::Sqlite { path } = location else { panic!() };
    path
}

/// Everything that was taken away behind a position.
async fn sections(core: &Arc<Core>, mut after: Position) -> Vec<Section> {
    let mut all = Vec::new();
    while let Some(section) = core.list_revocations(&Context::system(core.clock().now()).unwrap(), after).await.unwrap() {
        after = section.to;
        all.push(section);
    }
    all
}

/// What a token says it may: who is Owner may more than anybody who has every permission.
type Opens = Option<(bool, BTreeSet<String>)>;

async fn opens(core: &Arc<Core>, credential: Credential<'_>, target: Option<keywright_protocol::OrganizationId>) -> Opens {
    let ctx = Context::system(core.clock().now()).unwrap();
    let token = core.exchange(&ctx, credential, target).await.ok()?;
    let claims = claims(&token);
    let roles: BTreeSet<String> = claims["roles"].as_array().unwrap().iter().map(|role| role.as_str().unwrap().to_owned()).collect();
    // Where a scope would be too long, the roles are the truth.
    let permits = claims["scope"].as_str().map_or_else(|| roles.clone(), |scope| scope.split(' ').map(str::to_owned).collect());
    Some((roles.contains("owner"), permits))
}

fn is_within(some: &Opens, other: &Opens) -> bool {
    match (some, other) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some((owner, scope)), Some((other_owner, other_scope))) => (!owner || *other_owner) && scope.is_subset(other_scope),
    }
}

/// Reddens when a conjunct of what is narrowed is left out (each of suspended, revoked, times, addresses, secrets, grants, memberships,
/// users, organizations), when own roles that replaced inherited ones are forgotten, and when more is taken than was.
#[tokio::test]
async fn nothing_that_was_taken_away_comes_back_and_nothing_else_is_taken() {
    let (mut asked, mut narrower, mut same, mut lost_more) = (0, 0, 0, 0);
    for seed in 0..u64::try_from(extent(60, 2_000)).unwrap() {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let (live, backup, restored) = (at(&folder, "live"), at(&folder, "backup"), at(&folder, "restored"));
        let db = Db::open(&live, Writes::Revisioned, keywright_store::MIGRATIONS).await.unwrap();
        let bench = Bench::start(db, usize::try_from(seed % VARIANTS as u64).unwrap()).await;
        let mut model = Model::begin(&bench, seed).await;
        let mut dice = Dice(seed ^ 0xbac);
        let (first, second) = (dice.below(40), 10 + dice.below(50));
        let mut known = Vec::new();
        for step in 0..first + second {
            if step == first {
                for to in [&backup, &restored] {
                    copy(path(&live), path(to)).await.unwrap();
                }
            }
            // The log is written on now and then, as a program would do.
            if dice.once_in(20) {
                let after = known.last().map_or(NOWHERE, |section: &Section| section.to);
                known.extend(sections(&bench.core, after).await);
            }
            let (chance, operation) = (dice.next(), Operation::draw(&mut dice));
            model.dice = Dice(chance);
            model.step(&operation).await.unwrap();
        }
        known.extend(sections(&bench.core, known.last().map_or(NOWHERE, |section| section.to)).await);

        let key_file = || KeyFile::parse(&bench.key_file).unwrap();
        restore(&restored, key_file(), Later::Known(known), &bench.clock).await.unwrap();
        let start = async |location: &Location| Core::start(location, key_file(), bench.settings.clone(), bench.clock.clone()).await.unwrap();
        let (backup, restored) = (start(&backup).await, start(&restored).await);
        for key in 0..model.keys.len() {
            let name = model.keys[key].to_string();
            for (number, secret) in model.secrets[key].iter().enumerate() {
                let is_personal = secret.contains("_pak_");
                let credential = || if is_personal { Credential::PersonalAccessKey(secret) } else { Credential::ApiKey { name: &name, secret } };
                for place in &model.organizations {
                    let target = Some(*place);
                    let (was, is, left) = (
                        opens(&backup, credential(), target).await,
                        opens(&bench.core, credential(), target).await,
                        opens(&restored, credential(), target).await,
                    );
                    let what = format!("seed {seed}, secret {number} of key {key} in {place}: {was:?} at the backup, {is:?} later, {left:?} when restored");
                    assert!(is_within(&left, &is), "it comes back: {what}");
                    assert!(is_within(&left, &was), "it is more than at the backup: {what}");
                    asked += 1;
                    narrower += usize::from(left != was);
                    same += usize::from(was.is_some() && was == is);
                    lost_more += usize::from(was.is_some() && was == is && left != was);
                }
            }
        }
        backup.close().await;
        restored.close().await;
    }
    println!("{asked} asked: {narrower} narrowed, {same} as before, of which {lost_more} lost something");
    assert!(asked / 50 < narrower, "{narrower} of {asked} were narrowed");
    assert!(asked / 50 < same && lost_more * 50 < same, "of {same} that lost nothing, {lost_more} did");
}

/// A world, and a copy of it that is restored later.
struct Drill {
    folder: TempDir,
    world: World,
    /// The log of revocations as it was at the backup: what is written behind it tells of what was touched since, and of nothing else.
    log: RefCell<Vec<Section>>,
}

impl Drill {
    async fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&at(&folder, "live"), Writes::Revisioned, keywright_store::MIGRATIONS).await.unwrap();
        Self { world: world(db).await, folder, log: RefCell::default() }
    }

    async fn back_up(&self) -> Position {
        self.log.replace(sections(&self.world.core, NOWHERE).await);
        copy(path(&at(&self.folder, "live")), path(&at(&self.folder, "restored"))).await.unwrap();
        position_of(path(&at(&self.folder, "restored"))).await.unwrap()
    }

    async fn restore(&self, later: Later) -> Result<Restored, RestoreError> {
        restore(&at(&self.folder, "restored"), KeyFile::parse(&self.world.key_file).unwrap(), later, &self.world.clock).await
    }

    async fn known(&self) -> Later {
        let mut all = self.log.borrow().clone();
        let last = all.last().map_or(NOWHERE, |section| section.to);
        all.extend(sections(&self.world.core, last).await);
        Later::Known(all)
    }

    async fn start(&self) -> Arc<Core> {
        let key_file = KeyFile::parse(&self.world.key_file).unwrap();
        Core::start(&at(&self.folder, "restored"), key_file, self.world.settings.clone(), self.world.clock.clone()).await.unwrap()
    }
}

fn secret(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}

/// Reddens when passwords, operator keys, sessions, invitations, policies, deletions or mass revocations are forgotten.
#[tokio::test]
async fn what_is_no_key_and_no_role_does_not_come_back_either() {
    let drill = Drill::begin().await;
    let (world, core, host) = (&drill.world, &drill.world.core, drill.world.host());
    let (acme, mobile, globex) = (world.demo.acme.id, world.demo.mobile.id, world.demo.globex.id);
    let old_password = world.demo.users["viewer"].password.clone();
    let viewer = world.person("viewer", 0).await;
    let viewers_session = world.sign_in("viewer").await;
    let operator_key = async |name: &str, scopes: &[OperatorScope]| {
        let new = NewOperatorKey { name: name.to_owned(), scopes: scopes.to_vec(), expires_at: None, allowed_addresses: Vec::new() };
        let (key, secret) = core.create_operator_key(&host, new).await.unwrap().value;
        (key.row.id, secret.reveal().to_owned())
    };
    let revoked = operator_key("revoked", &[OperatorScope::Keys]).await;
    let rotated = operator_key("rotated", &OperatorScope::ALL).await;
    let untouched = operator_key("untouched", &[OperatorScope::Users]).await;
    core.invite(&host, acme, "invited@example.com", vec![RolesIn { organization_id: acme, roles: vec!["owner".to_owned()] }]).await.unwrap();
    let webhook = NewWebhook { name: "trail".to_owned(), url: "https://hooks.example.com/".to_owned(), actions: Vec::new(), reach: Reach::Organization };
    let webhook = core.create_webhook(&host, acme, webhook).await.unwrap().value.0.id;
    core.ping_webhook(&host, acme, webhook).await.unwrap();
    drill.back_up().await;

    core.change_password(&viewer, old_password.clone(), secret("another password entirely")).await.unwrap();
    core.revoke_operator_key(&host, revoked.0).await.unwrap();
    core.rotate_operator_key(&host, rotated.0, Rotation { overlap: Duration::ZERO, expires_at: None }).await.unwrap();
    let no_personal_keys = Policy { longest_key_life: None, allowed_addresses: Vec::new(), personal_keys: Allowed::No, members_by_keys: Allowed::No };
    core.set_policy(&host, mobile, no_personal_keys.clone()).await.unwrap();
    core.delete_organization(&host, globex, "Globex").await.unwrap();
    let restored = drill.restore(drill.known().await).await.unwrap();
    assert!(restored.narrowed >= 5, "{restored:?}");

    let core = drill.start().await;
    let again = World { core: Arc::clone(&core), ..drill.world };
    let viewer = &again.demo.users["viewer"].email;
    assert_eq!(again.try_sign_in(viewer, &old_password).await, Err(Error::WrongPassword), "the old password");
    assert_eq!(again.try_sign_in(viewer, "another password entirely").await, Err(Error::WrongPassword), "the new one is not known");
    assert!(again.try_sign_in(&again.demo.users["owner"].email, &again.demo.users["owner"].password).await.is_ok(), "others keep theirs");
    assert_eq!(again.holder(&viewers_session).await.unwrap_err().code(), "session_ended");
    let find = async |secret: &str| core.find_operator(&again.anonymous(), secret, None).await.map(|_| "found").map_err(|error| error.code());
    assert_eq!(find(&revoked.1).await, Err("key_revoked"));
    assert_eq!(find(&rotated.1).await, Err("key_secret_replaced"));
    assert_eq!(find(&untouched.1).await, Ok("found"));
    assert_eq!(core.list_invitations(&again.host(), acme).await.unwrap().len(), 0, "invitations are sent again");
    let suspended = core.get_webhook(&again.host(), acme, webhook).await.unwrap();
    assert!(suspended.suspended_at.is_some() && suspended.suspended_for.contains("restored"), "{suspended:?}");
    let sent = core.list_deliveries(&again.host(), (acme, webhook), None, 10).await.unwrap().rows;
    assert!(!sent.is_empty() && sent.iter().all(|row| row.failed_at.is_some()), "nothing that waited is sent: {sent:?}");
    assert_eq!(core.get_policy(&again.host(), mobile).await.unwrap().own, no_personal_keys);
    assert!(matches!(core.list_members(&again.host(), globex).await, Err(Error::NotFound(_))), "it stays deleted");
    for key in ["globexowner", "manager@globex", "submember"] {
        assert_ne!(outcome(&again.exchange(key, None).await), "accepted", "{key}");
    }
    assert_eq!(outcome(&again.exchange("manager", None).await), "accepted");
    // What was made for one cannot be taken for the other: the history is another one, and the log tells of it.
    let after = sections(&core, NOWHERE).await;
    assert_eq!(after.last().unwrap().to.history, again.clock.now().as_seconds() + 1);
    let told = core.activity(&again.host(), None, Filter::default(), None, 5).await.unwrap();
    assert!(told.events.iter().any(|event| event.event.action == "Restore"), "{told:?}");
}

/// Reddens when a restored sign-in takes less than it took at the backup or later: a factor that came since, or in the place of another one,
/// a recovery code that was used, a code that was just given, or one that was begun and not confirmed.
#[tokio::test]
async fn a_second_factor_is_asked_for_if_it_was_or_is() {
    let drill = Drill::begin().await;
    let (world, core) = (&drill.world, &drill.world.core);
    let (owner, manager, viewer) = (world.arm("owner").await, world.arm("manager").await, world.arm("viewer").await);
    let pending = world.person("globexowner", 0).await;
    let pending = Device::of(&core.begin_second_factor(&pending).await.unwrap().value.secret);
    drill.back_up().await;
    let used = owner.device.code(world.clock.now());
    world.enter("owner", Some(&used)).await.unwrap();
    world.enter("owner", Some(&owner.recovery[0])).await.unwrap();
    core.remove_second_factor(&manager.ctx, &manager.recovery[0]).await.unwrap();
    core.remove_second_factor(&viewer.ctx, &viewer.recovery[0]).await.unwrap();
    let (another, since) = (world.arm("viewer").await, world.arm("submember").await);
    core.remove_second_factor(&another.ctx, &another.recovery[0]).await.unwrap();
    let another = world.arm("viewer").await;
    drill.restore(drill.known().await).await.unwrap();
    let again = World { core: drill.start().await, ..drill.world };
    let enter = async |world: &World, part: &str, given: Option<&str>| world.enter(part, given).await.map_or_else(|error| error.code(), |_| "done");

    // Used since, and used at this moment.
    assert_eq!(enter(&again, "owner", None).await, "second_factor_required");
    assert_eq!(enter(&again, "owner", Some(&owner.recovery[0])).await, "wrong_second_factor");
    assert_eq!(enter(&again, "owner", Some(&owner.device.code(again.clock.now()))).await, "wrong_second_factor", "codes of this minute are not known");
    assert_eq!(enter(&again, "owner", Some(&owner.recovery[1])).await, "done");
    // Removed since: more is asked for than later, and what is given is what was at the backup.
    assert_eq!(enter(&again, "manager", None).await, "second_factor_required");
    assert_eq!(enter(&again, "manager", Some(&manager.recovery[1])).await, "done");
    // In the place of another one, and new: the old one opens nothing, and neither does the password alone.
    for (part, codes) in [("viewer", [&viewer.recovery[1], &another.recovery[1]]), ("submember", [&since.recovery[1], &since.recovery[2]])] {
        for given in [None, Some(codes[0].as_str()), Some(codes[1].as_str())] {
            let error = again.enter(part, given).await.map(|_| ()).unwrap_err();
            assert!(matches!(&error, Error::Forbidden(why) if why.reason.contains("reset-second-factor")), "{part} {given:?}: {error:?}");
        }
    }
    again.clock.advance(Duration::from_secs(90));
    for device in [&viewer.device, &another.device] {
        assert_eq!(enter(&again, "viewer", Some(&device.code(again.clock.now()))).await, "insufficient_permission");
    }
    assert_eq!(enter(&again, "owner", Some(&owner.device.code(again.clock.now()))).await, "done");
    assert_eq!(enter(&again, "globexowner", None).await, "done");
    let session = again.person("globexowner", 0).await;
    assert_eq!(again.core.confirm_second_factor(&session, &pending.code(again.clock.now())).await.map(|_| ()).unwrap_err().code(), "not_found");
    again.core.reset_second_factor(&again.host(), "viewer@acme.example").await.unwrap();
    assert_eq!(enter(&again, "viewer", None).await, "done");
}

/// Reddens when an API Key has more than its later grants, in any of its organizations, or less.
#[tokio::test]
async fn an_api_key_keeps_what_both_its_grants_permit() {
    let drill = Drill::begin().await;
    let (world, core) = (&drill.world, &drill.world.core);
    let (acme, mobile) = (world.demo.acme.id, world.demo.mobile.id);
    let person = world.person("owner", 0).await;
    let roles = |list: &[&str]| list.iter().map(|role| (*role).to_owned()).collect::<Vec<_>>();
    let grant = |organization_id, list: &[&str]| RolesIn { organization_id, roles: roles(list) };
    let make = async |name: &str, grants: &[RolesIn]| core.create_api_key(&person, acme, name, grants, None).await.unwrap();
    let both = [grant(acme, &["manage-build", "view-organization"]), grant(mobile, &["manage-distribution-profile"])];
    let (gone, less, other) = (make("gone", &both).await, make("less", &both).await, make("other", &both).await);
    drill.back_up().await;
    for (key, grants) in [
        (&gone, vec![grant(mobile, &["manage-distribution-profile"])]),
        (&less, vec![grant(acme, &["view-organization"]), grant(mobile, &["view-distribution-profile"])]),
        (&other, vec![grant(acme, &["view-organization", "manage-codepush"]), grant(mobile, &["owner"])]),
    ] {
        let change = ApiKeyChange { grants: Some(grants), ..ApiKeyChange::default() };
        core.update_api_key(&person, acme, key.id, change).await.unwrap();
    }
    assert_eq!(drill.restore(drill.known().await).await.unwrap().narrowed, 3);
    let again = drill.start().await;
    let granted = async |key: &CreatedKey, organization| {
        let token = again.exchange(&world.host(), Credential::ApiKey { name: &key.id.to_string(), secret: key.secret.reveal() }, Some(organization)).await;
        token.map(|token| serde_json::from_value::<Vec<String>>(claims(&token)["roles"].clone()).unwrap()).map_err(|error| error.code())
    };
    assert_eq!(granted(&gone, acme).await, Err("nothing_granted"));
    assert_eq!(granted(&gone, mobile).await, Ok(roles(&["manage-distribution-profile"])));
    assert_eq!(granted(&less, acme).await, Ok(roles(&["view-organization"])));
    assert_eq!(granted(&less, mobile).await, Ok(roles(&["view-distribution-profile"])), "the later ones are within the earlier ones");
    assert_eq!(granted(&other, acme).await, Ok(roles(&["view-organization"])), "what both have");
    assert_eq!(granted(&other, mobile).await, Ok(roles(&["manage-distribution-profile"])), "more was given since, which is lost");
}

/// Reddens when a membership that ended lives on because its user is a member again.
#[tokio::test]
async fn whoever_left_and_came_back_has_none_of_his_old_keys() {
    let drill = Drill::begin().await;
    let (world, acme) = (&drill.world, drill.world.demo.acme.id);
    let viewer = world.demo.users["viewer"].id;
    drill.back_up().await;
    world.core.remove_member(&world.host(), acme, viewer).await.unwrap();
    world.core.change_roles(&world.host(), acme, viewer, RoleChange::Replace(vec!["view-build".to_owned()])).await.unwrap();
    drill.restore(drill.known().await).await.unwrap();
    let again = drill.start().await;
    let key = || Credential::PersonalAccessKey(&world.demo.personal_access_keys["viewer"]);
    assert_eq!(opens(&world.core, key(), None).await, None);
    assert_eq!(outcome(&again.exchange(&world.host(), key(), None).await), "membership_ended");
    let members = again.list_members(&world.host(), acme).await.unwrap();
    let own = members.iter().find(|member| member.user.id == viewer).and_then(|member| member.own.clone());
    assert_eq!(own, Some(vec!["view-build".to_owned()]), "he is the member that he was later");
}

/// Reddens when a role that was replaced for everybody comes back: no change of anybody's own took it.
#[tokio::test]
async fn a_role_that_another_one_took_the_place_of_does_not_come_back() {
    let drill = Drill::begin().await;
    let (world, acme) = (&drill.world, drill.world.demo.acme.id);
    let (host, whole) = (world.host(), world.core.catalog().catalog.document().clone());
    let viewer = world.demo.users["viewer"].id;
    world.core.change_roles(&host, acme, viewer, RoleChange::Replace(vec!["manage-codepush".to_owned()])).await.unwrap();
    let grants = [RolesIn { organization_id: acme, roles: vec!["manage-codepush".to_owned()] }];
    let key = world.core.create_api_key(&world.person("owner", 0).await, acme, "builder", &grants, None).await.unwrap();
    drill.back_up().await;
    let mut without = whole.clone();
    without.roles.remove("manage-codepush").unwrap();
    let replace = vec![RoleReplacement { old: "manage-codepush".to_owned(), new: "view-codepush".to_owned() }];
    world.core.apply_catalog(&host, without, replace).await.unwrap();
    world.core.apply_catalog(&host, whole, Vec::new()).await.unwrap();
    drill.restore(drill.known().await).await.unwrap();
    let again = drill.start().await;
    let secret = key.secret.reveal();
    for credential in [Credential::PersonalAccessKey(&world.demo.personal_access_keys["viewer"]), Credential::ApiKey { name: "builder", secret }] {
        let token = again.exchange(&world.host(), credential, None).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(claims(&token)["roles"], serde_json::json!(["view-codepush"]));
    }
}

/// Reddens when the roles of a root are forgotten, when a later log can give something to one, and when a role counts for what the backup has of it alone.
#[tokio::test]
async fn what_was_taken_from_a_custom_role_does_not_come_back() {
    let drill = Drill::begin().await;
    let (world, acme, host) = (&drill.world, drill.world.demo.acme.id, drill.world.host());
    let (shrunk, gone, kept, swapped) = ("shrunk", "gone", "kept", "swapped");
    let (view, start, log) = ("build.profile.view", "build.build.start", "organization.activity.view");
    for (slug, ids) in [(shrunk, &[view, start][..]), (gone, &[start]), (kept, &[log]), (swapped, &[log])] {
        world.core.create_custom_role(&host, acme, new(slug, ids)).await.unwrap();
    }
    let give = async |part: &str, roles: &[&str]| {
        let roles = RoleChange::Replace(roles.iter().map(|role| (*role).to_owned()).collect());
        world.core.change_roles(&host, acme, world.demo.users[part].id, roles).await.unwrap();
    };
    give("viewer", &["custom:shrunk", "custom:kept"]).await;
    give("manager", &["custom:swapped", "custom:gone"]).await;
    let grants = [RolesIn { organization_id: acme, roles: vec!["custom:gone".to_owned()] }];
    let key = world.core.create_api_key(&host, acme, "holding", &grants, None).await.unwrap();
    drill.back_up().await;
    world.core.update_custom_role(&host, acme, "custom:shrunk", permissions(&[view, "build.build.view"])).await.unwrap();
    world.core.delete_custom_role(&host, acme, "custom:gone", Some("view-build")).await.unwrap();
    world.core.create_custom_role(&host, acme, new("later", &[start])).await.unwrap();
    // By name he had it, and by the backup it is no more; what it is by now is more than he has.
    world.core.update_custom_role(&host, acme, "custom:swapped", permissions(&[view])).await.unwrap();
    give("manager", &["custom:later"]).await;
    assert!(drill.restore(drill.known().await).await.unwrap().narrowed > 0);
    let again = drill.start().await;
    let scope = async |credential: Credential<'_>| {
        let token = again.exchange(&world.host(), credential, None).await;
        token.map(|token| claims(&token)["scope"].as_str().unwrap().to_owned()).map_err(|error| error.code())
    };
    let of = |part: &str| Credential::PersonalAccessKey(&world.demo.personal_access_keys[part]);
    assert_eq!(scope(of("viewer")).await, Ok(format!("{view} {log}")), "what it was and is");
    assert_eq!(scope(of("manager")).await, Err("nothing_granted"));
    let holding = scope(Credential::ApiKey { name: "holding", secret: key.secret.reveal() }).await;
    assert_eq!(holding, Err("nothing_granted"), "what took its place is more than it was");
    let left = again.list_custom_roles(&world.host(), acme).await.unwrap();
    let left: Vec<(&str, &[String])> = left.iter().map(|role| (role.row.role.key.as_str(), role.row.role.permissions.as_slice())).collect();
    assert_eq!(left, [("custom:kept", [log.to_owned()].as_slice()), ("custom:shrunk", &[view.to_owned()]), ("custom:swapped", &[])]);
    assert_eq!(again.create_custom_role(&world.host(), acme, new(gone, &[start])).await.unwrap_err().code(), "conflict", "no key comes back");
}

/// Reddens when two restores of one backup give the same positions or the same status indices, or when what a restore itself changes is no
/// change of its own history.
#[tokio::test]
async fn every_restore_begins_a_history_of_its_own() {
    let drill = Drill::begin().await;
    let world = &drill.world;
    let backup = drill.back_up().await;
    let mut seen = Vec::new();
    for name in ["first", "second"] {
        let location = at(&drill.folder, name);
        copy(path(&at(&drill.folder, "restored")), path(&location)).await.unwrap();
        world.clock.advance(Duration::from_secs(1));
        restore(&location, KeyFile::parse(&world.key_file).unwrap(), Later::Lost, &world.clock).await.unwrap();
        let db = Db::open(&location, Writes::Revisioned, keywright_store::MIGRATIONS).await.unwrap();
        let next = db.read(|tx| Box::pin(async move { tx.fetch_one("SELECT next FROM status_indices", &[]).await?.get::<i64>("next") })).await.unwrap();
        let lines = db.read(move |tx| Box::pin(async move { keywright_store::recovery::list_changes(tx, backup, 100).await })).await.unwrap();
        assert!(!lines.is_empty() && lines.iter().all(|line| line.position.history == world.clock.now().as_seconds()), "{lines:?}");
        seen.push((lines[0].position.history, next));
        db.close().await;
    }
    assert!(seen[0].0 < seen[1].0 && seen[0].1 + 1_000 < seen[1].1, "{seen:?}");
}

/// Reddens when a revocation of all keys in a tree, which names the root alone, is not told of the keys below.
#[tokio::test]
async fn revoking_all_of_a_tree_is_told_of_each_of_its_keys() {
    let drill = Drill::begin().await;
    let world = &drill.world;
    drill.back_up().await;
    let reach = keywright_core::revoke_all::Reach { user: None, since: None };
    world.core.revoke_all(&world.person("owner", 0).await, world.demo.acme.id, reach).await.unwrap();
    drill.restore(drill.known().await).await.unwrap();
    let again = drill.start().await;
    for (who, key) in &world.demo.personal_access_keys {
        let live = opens(&world.core, Credential::PersonalAccessKey(key), None).await;
        assert_eq!(opens(&again, Credential::PersonalAccessKey(key), None).await, live, "{who}");
    }
    for key in world.demo.api_keys.values() {
        assert_eq!(opens(&again, Credential::ApiKey { name: &key.name, secret: &key.secret }, None).await, None, "{}", key.name);
    }
}

/// Reddens when tokens of before verify on although nobody knows what was taken away.
#[tokio::test]
async fn what_is_not_known_costs_the_signing_keys() {
    let drill = Drill::begin().await;
    let armed = drill.world.arm("manager").await;
    drill.back_up().await;
    let before: Vec<_> = drill.world.core.keyring().jwks().keys.iter().map(|key| key.kid.clone()).collect();
    let told = drill.restore(Later::Lost).await.unwrap();
    assert_eq!((told.known_to, told.narrowed), (None, 0));
    let again = drill.start().await;
    let after = again.keyring().jwks();
    assert_eq!(after.keys.len(), Purpose::ALL.len(), "one a purpose");
    assert!(after.keys.iter().all(|key| !before.contains(&key.kid)));
    let key = Credential::PersonalAccessKey(&drill.world.demo.personal_access_keys["owner"]);
    assert!(opens(&again, key, None).await.is_some(), "keys live on");
    let again = World { core: again, ..drill.world };
    again.clock.advance(Duration::from_secs(90));
    let refused = again.enter("manager", Some(&armed.recovery[0])).await.map(|_| ()).unwrap_err();
    assert_eq!(refused, Error::WrongSecondFactor, "which recovery codes were used is not known");
    assert!(again.enter("manager", Some(&armed.device.code(again.clock.now()))).await.is_ok());
}

/// Reddens when a log with a hole, of another installation, or that does not reach the backup is taken, and when refusing leaves something.
#[tokio::test]
async fn a_log_that_is_not_whole_is_refused_and_changes_nothing() {
    let drill = Drill::begin().await;
    let world = &drill.world;
    let key = world.demo.api_keys["acme-ci"].id;
    let start = sections(&world.core, NOWHERE).await;
    let early = start.last().unwrap().to;
    world.core.suspend_api_key(&world.host(), world.demo.acme.id, key).await.unwrap();
    let between = sections(&world.core, early).await;
    let backup = drill.back_up().await;
    world.core.revoke_key(&world.host(), key).await.unwrap();
    let last = sections(&world.core, between.last().unwrap().to).await;
    let whole = [start.clone(), between.clone(), last.clone()].concat();

    let cases = [
        ("an empty one", Vec::new()),
        ("one that ends before the backup", start.clone()),
        ("one with a hole", [start, last.clone()].concat()),
        ("one of another installation", whole.iter().cloned().map(|section| Section { issuer: "https://other.example.com".to_owned(), ..section }).collect()),
        (
            "one that begins behind the backup",
            last.iter().cloned().map(|section| Section { from: Position { n: backup.n + 1, ..backup }, ..section }).collect(),
        ),
    ];
    for (what, sections) in cases {
        let told = drill.restore(Later::Known(sections)).await.unwrap_err();
        assert!(!matches!(told, RestoreError::Core(_)), "{what}: {told}");
    }
    let other = KeyFile::generate().unwrap();
    let told = restore(&at(&drill.folder, "restored"), other, Later::Lost, &world.clock).await.unwrap_err();
    assert!(matches!(told, RestoreError::OtherKeyFile), "{told}");
    assert_eq!(position_of(path(&at(&drill.folder, "restored"))).await.unwrap(), backup);
    let told = drill.restore(Later::Known(whole)).await.unwrap();
    assert_eq!((told.backup, told.narrowed), (backup, 1));
}

/// Reddens when a change is divided between sections, or left out.
async fn sections_follow_each_other_and_end(db: Db) {
    let world = world(db.clone()).await;
    let start = sections(&world.core, NOWHERE).await.last().unwrap().to;
    for number in 0..450_i64 {
        db.write(move |tx| {
            Box::pin(async move {
                for line in 0..3 {
                    let subject = keywright_core::chance::id::<keywright_protocol::UserId>().unwrap();
                    keywright_store::changes::insert(tx, keywright_store::changes::ChangeKind::User, subject.as_uuid(), &[number * 3 + line]).await.unwrap();
                }
                Ok::<_, Error>(())
            })
        })
        .await
        .unwrap();
    }
    let all = sections(&world.core, start).await;
    assert_eq!(all.len(), 2);
    assert_eq!((all[0].from, all[1].from, all[1].to.n), (start, all[0].to, start.n + 450));
    let ended: Vec<i64> = all.iter().flat_map(|section| section.ended.clone()).collect();
    assert_eq!(ended, (0..1_350).collect::<Vec<_>>());
    assert_eq!(all[0].ended.len() % 3, 0, "a change is whole");
    assert_eq!(world.core.list_revocations(&world.host(), all[1].to).await.unwrap(), None);
    let beyond = Position { n: all[1].to.n + 1, ..all[1].to };
    assert!(matches!(world.core.list_revocations(&world.host(), beyond).await, Err(Error::Invalid { field: "after", .. })));
    assert_eq!(world.core.list_revocations(&world.anonymous(), start).await, Err(Error::HostOnly));
}
