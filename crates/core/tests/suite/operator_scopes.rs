//! Each scope of an operator key with each operation: allowed exactly where it was granted.

use crate::{
    operator::{code, new_key, roles},
    support::{World, world},
};
use keywright_core::{
    Context, Error, Part,
    keys::{
        api::{ApiKeyChange, Protection},
        rotation::Rotation,
    },
    provisioning::{NewRoot, RootChange},
    tree_limits::TreeLimits,
};
use keywright_db::{Db, Writes, on_both_engines};
use keywright_protocol::{KeyId, OperatorScope, UserId, admin::RolesIn};
use std::time::Duration;

on_both_engines!(Writes::Revisioned, keywright_store::MIGRATIONS;
    each_operation_takes_its_scope_and_no_other,
    an_operator_key_makes_owners_and_keys_of_owners_and_no_policy,
);

/// An operation, each on objects that it finds as it needs them.
#[derive(Clone, Copy, Debug)]
enum Act {
    ListOrganizations,
    GetOrganization,
    MakeRoot,
    PutRoot,
    FindRoot,
    Limits,
    SetLimits,
    SuspendRoot,
    ResumeRoot,
    CreateSub,
    SuspendSub,
    ResumeSub,
    EnsureUser,
    DisableUser,
    EnableUser,
    ListMembers,
    GetMember,
    MakeMember,
    MakeOwner,
    RemoveMember,
    Invite,
    ReInvite,
    RevokeInvitation,
    ListInvitations,
    MakeKey,
    MakeOwnersKey,
    ListKeys,
    GetKey,
    WidenKey,
    RotateKey,
    SuspendKey,
    ResumeKey,
    RevokeKey,
    ListPersonal,
    RevokePersonal,
}

use Act::{
    CreateSub, DisableUser, EnableUser, EnsureUser, FindRoot, GetKey, GetMember, GetOrganization, Invite, Limits, ListInvitations, ListKeys, ListMembers,
    ListOrganizations, ListPersonal, MakeKey, MakeMember, MakeOwner, MakeOwnersKey, MakeRoot, PutRoot, ReInvite, RemoveMember, ResumeKey, ResumeRoot,
    ResumeSub, RevokeInvitation, RevokeKey, RevokePersonal, RotateKey, SetLimits, SuspendKey, SuspendRoot, SuspendSub, WidenKey,
};
use OperatorScope::{Keys, Members, Organizations, Users};

/// What takes which scope: one of those that are named.
const TABLE: [(Act, &[OperatorScope]); 35] = [
    (ListOrganizations, &[Organizations, Members, Keys]),
    (GetOrganization, &[Organizations, Members, Keys]),
    (MakeRoot, &[Organizations]),
    (PutRoot, &[Organizations]),
    (FindRoot, &[Organizations]),
    (Limits, &[Organizations]),
    (SetLimits, &[Organizations]),
    (SuspendRoot, &[Organizations]),
    (ResumeRoot, &[Organizations]),
    (CreateSub, &[Organizations]),
    (SuspendSub, &[Organizations]),
    (ResumeSub, &[Organizations]),
    (EnsureUser, &[Users]),
    (DisableUser, &[Users]),
    (EnableUser, &[Users]),
    (ListMembers, &[Members]),
    (GetMember, &[Members]),
    (MakeMember, &[Members]),
    (MakeOwner, &[Members]),
    (RemoveMember, &[Members]),
    (Invite, &[Members]),
    (ReInvite, &[Members]),
    (RevokeInvitation, &[Members]),
    (ListInvitations, &[Members]),
    (MakeKey, &[Keys]),
    (MakeOwnersKey, &[Keys]),
    (ListKeys, &[Keys]),
    (GetKey, &[Keys]),
    (WidenKey, &[Keys]),
    (RotateKey, &[Keys]),
    (SuspendKey, &[Keys]),
    (ResumeKey, &[Keys]),
    (RevokeKey, &[Keys]),
    (ListPersonal, &[Keys]),
    (RevokePersonal, &[Keys]),
];

/// Objects that an act is done to, new for each.
struct Objects {
    key: KeyId,
    personal: KeyId,
    member: UserId,
    stranger: UserId,
    /// Stands in names.
    n: String,
}

impl Objects {
    async fn make(world: &World, n: String) -> Self {
        let (core, host, acme) = (&world.core, world.host(), world.demo.acme.id);
        let user =
            async |part: &str| core.create_user(&host, &format!("{part}-{n}@acme.example"), part, keywright_store::users::Password::None).await.unwrap().id;
        let (member, stranger) = (user("member").await, user("stranger").await);
        core.change_roles(&host, acme, member, roles(&["view-build"])).await.unwrap();
        let key = core.create_api_key(&host, acme, &format!("key {n}"), &[], None).await.unwrap().id;
        let personal = core.create_personal_access_key(&host, acme, member, "own", None).await.unwrap().id;
        core.invite(&host, acme, &format!("invited-{n}@acme.example"), Vec::new()).await.unwrap();
        Self { key, personal, member, stranger, n }
    }
}

async fn act(world: &World, ctx: &Context, act: Act, on: &Objects) -> Result<(), Error> {
    let (core, acme, mobile, n) = (&world.core, world.demo.acme.id, world.demo.mobile.id, &on.n);
    let owner = RolesIn { organization_id: acme, roles: vec!["owner".into()] };
    match act {
        ListOrganizations => core.list_organizations(ctx).await.map(drop),
        GetOrganization => core.get_organization(ctx, mobile).await.map(drop),
        MakeRoot => core.make_root(ctx, NewRoot { name: format!("root {n}"), external_id: Some(format!("made-{n}")), ..NewRoot::default() }).await.map(drop),
        PutRoot => core.put_root(ctx, &format!("put-{n}"), RootChange { name: "Put".into(), ..RootChange::default() }).await.map(drop),
        FindRoot => match core.find_root(ctx, "nobody's").await {
            Err(Error::Absent(_)) => Ok(()),
            other => other.map(drop),
        },
        Limits => core.tree_limits(ctx, acme).await.map(drop),
        SetLimits => core.set_limits(ctx, acme, TreeLimits { api_keys: Some(500), ..TreeLimits::default() }).await.map(drop),
        SuspendRoot => core.suspend_organization(ctx, acme).await.map(drop),
        ResumeRoot => core.resume_organization(ctx, acme).await.map(drop),
        CreateSub => core.create_sub_organization(ctx, acme, &format!("sub {n}")).await.map(drop),
        SuspendSub => core.suspend_organization(ctx, mobile).await.map(drop),
        ResumeSub => core.resume_organization(ctx, mobile).await.map(drop),
        EnsureUser => core.ensure_user(ctx, &format!("ensured-{n}@acme.example"), "Ensured").await.map(drop),
        DisableUser => core.disable_user(ctx, on.stranger).await.map(drop),
        EnableUser => core.enable_user(ctx, on.stranger).await.map(drop),
        ListMembers => core.list_members(ctx, acme).await.map(drop),
        GetMember => core.get_member(ctx, acme, on.member).await.map(drop),
        MakeMember => core.change_roles(ctx, acme, on.stranger, roles(&[])).await.map(drop),
        MakeOwner => core.change_roles(ctx, acme, on.stranger, roles(&["owner"])).await.map(drop),
        RemoveMember => core.remove_member(ctx, acme, on.member).await.map(drop),
        Invite => core.invite(ctx, acme, &format!("new-{n}@acme.example"), vec![owner]).await.map(drop),
        ReInvite => core.re_invite(ctx, acme, &format!("invited-{n}@acme.example")).await.map(drop),
        RevokeInvitation => core.revoke_invitation(ctx, acme, &format!("invited-{n}@acme.example")).await.map(drop),
        ListInvitations => core.list_invitations(ctx, acme).await.map(drop),
        MakeKey => core.create_api_key(ctx, acme, &format!("made {n}"), &[], None).await.map(drop),
        MakeOwnersKey => core.create_api_key(ctx, acme, &format!("owning {n}"), &[owner], None).await.map(drop),
        ListKeys => core.list_api_keys(ctx, acme, Part::ALL).await.map(drop),
        GetKey => core.get_api_key(ctx, acme, on.key).await.map(drop),
        WidenKey => core.update_api_key(ctx, acme, on.key, ApiKeyChange { grants: Some(vec![owner]), ..ApiKeyChange::default() }).await.map(drop),
        RotateKey => core.rotate_api_key(ctx, acme, on.key, Rotation { overlap: Duration::ZERO, expires_at: None }).await.map(drop),
        SuspendKey => core.suspend_api_key(ctx, acme, on.key).await.map(drop),
        ResumeKey => core.resume_api_key(ctx, acme, on.key).await.map(drop),
        RevokeKey => core.revoke_api_key(ctx, acme, on.key).await.map(drop),
        ListPersonal => core.list_personal_access_keys(ctx, acme, Part::ALL).await.map(|keys| assert!(!keys.rows.is_empty())),
        RevokePersonal => core.revoke_personal_access_key(ctx, acme, on.personal).await.map(drop),
    }
}

/// Reddens when an operation asks for another scope, or for none, or when a scope permits more than its own.
async fn each_operation_takes_its_scope_and_no_other(db: Db) {
    let world = world(db).await;
    for (at, scope) in OperatorScope::ALL.into_iter().enumerate() {
        let only = world.operator_with(&[scope]).await;
        let rest: Vec<OperatorScope> = OperatorScope::ALL.into_iter().filter(|other| *other != scope).collect();
        let without = world.operator_with(&rest).await;
        for (row, (what, needs)) in TABLE.into_iter().enumerate() {
            for (which, ctx, has) in [("only", &only, needs.contains(&scope)), ("all but", &without, needs.iter().any(|need| *need != scope))] {
                let on = Objects::make(&world, format!("{at}-{row}-{}", which.len())).await;
                let expected = if has { "done" } else { "insufficient_permission" };
                let answer = act(&world, ctx, what, &on).await;
                assert_eq!(answer.as_ref().map_or_else(Error::code, |()| "done"), expected, "{what:?} by a key with {which} {scope}: {answer:?}");
                for place in [world.demo.acme.id, world.demo.mobile.id] {
                    world.core.resume_organization(&world.host(), place).await.unwrap();
                }
            }
        }
    }
}

/// Reddens when Owner stays out of reach of the scope that is for it, or when protection or a person's own is no more.
async fn an_operator_key_makes_owners_and_keys_of_owners_and_no_policy(db: Db) {
    let world = world(db).await;
    let (core, acme) = (&world.core, world.demo.acme.id);
    let ctx = world.operator_with(&OperatorScope::ALL).await;
    let (owner, viewer) = (world.demo.users["owner"].id, world.demo.users["viewer"].id);
    assert_eq!(code(core.change_roles(&ctx, acme, owner, roles(&["view-build"])).await), "conflict", "the last Owner stays one");
    assert_eq!(code(core.remove_member(&ctx, acme, owner).await), "conflict");
    core.change_roles(&ctx, acme, viewer, roles(&["owner"])).await.unwrap();
    assert_eq!(code(core.remove_member(&ctx, acme, owner).await), "done");
    for permission in ["organization.policy.manage", "organization.activity.view", "build.profile.view"] {
        if let Ok(explanation) = core.explain(&ctx, acme, permission).await {
            assert!(!explanation.allowed, "{permission}");
            assert!(explanation.reason.contains("no scope of an operator key carries"), "{}", explanation.reason);
        }
    }
    let explanation = core.explain(&ctx, acme, "organization.member.view").await.unwrap();
    assert!(explanation.allowed && explanation.chain.iter().any(|step| step.text.contains("its scope `members`")), "{explanation:?}");
    let key = core.create_api_key(&world.host(), acme, "kept", &[], None).await.unwrap().id;
    core.update_api_key(&world.host(), acme, key, ApiKeyChange { protection: Some(Protection::On), ..ApiKeyChange::default() }).await.unwrap();
    assert_eq!(code(core.revoke_api_key(&ctx, acme, key).await), "conflict", "protected from it too");
    let own = core.create_personal_access_key(&world.host(), acme, viewer, "own", None).await.unwrap().id;
    assert_eq!(code(core.rename_personal_access_key(&ctx, acme, own, "theirs").await), "insufficient_permission");
    let refused = core.create_own_personal_access_key(&ctx, acme, "n", None).await.unwrap_err().to_string();
    assert!(refused.contains("needs a person") && refused.contains("an operator key cannot do it"), "no freshness is lent to it: {refused}");
    // Without the scope for keys not even widening by a change of addresses.
    let members = world.operator_with(&[OperatorScope::Members]).await;
    assert_eq!(code(core.update_api_key(&members, acme, key, ApiKeyChange::default()).await), "insufficient_permission");
    assert_eq!(code(core.create_operator_key(&ctx, new_key(&[OperatorScope::Users])).await), "insufficient_permission");
}
