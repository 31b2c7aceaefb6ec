//! Sessions of people, on both engines: how they end, what freshness is, and how passwords change.

use crate::support::{self, World, claims, world};
use keywright_core::{
    Actor, Context, Error, HeldToken, TokenActor,
    members::RoleChange,
    sessions::{SessionSecret, SignIn},
};
use keywright_db::{Committed, Db, Writes, on_both_engines};
use keywright_protocol::{
    KeyKind, OrganizationId,
    admin::{AdminReply, AdminRequest},
    mail::MailContent,
};
use keywright_store::users::Password;
use std::time::Duration;
use zeroize::Zeroizing;

on_both_engines!(Writes::Revisioned, keywright_store::MIGRATIONS;
    whoever_is_refused_is_told_the_same,
    an_unused_session_ends_after_twelve_hours,
    no_session_is_older_than_thirty_days,
    one_altered_piece_of_mail_hides_no_other,
    what_was_ended_stays_ended,
    a_disabled_user_has_no_session_any_more,
    a_membership_that_ended_opens_nothing_to_a_session,
    confirming_makes_fresh_for_five_minutes_and_changes_the_secret,
    a_changed_password_ends_the_other_sessions,
    a_one_time_password_is_changed_at_the_first_sign_in,
    a_link_sets_a_password_once_within_an_hour,
    asking_for_a_link_often_sends_one_mail,
    a_token_of_a_session_is_never_fresh_and_never_more,
    a_session_moves_between_organizations_of_its_own,
    sign_ins_are_in_the_log,
    whoever_came_with_the_old_secret_does_not_become_fresh,
);

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const MILLISECOND: Duration = Duration::from_millis(1);
const NEW: &str = "another password of mine";

fn secret(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}

fn code<T>(result: Result<T, Error>) -> &'static str {
    result.map_or_else(|error| error.code(), |_| "done")
}

fn shown(session: &Committed<SessionSecret>) -> &str {
    session.value.secret.reveal()
}

impl World {
    async fn lives(&self, secret: &str) -> &'static str {
        code(self.holder(secret).await)
    }

    /// What needs a fresh session.
    async fn make_owner(&self, ctx: &Context) -> &'static str {
        code(self.core.change_roles(ctx, self.demo.acme.id, self.demo.users["viewer"].id, RoleChange::Replace(vec!["owner".to_owned()])).await)
    }

    /// The holder of an access token of a session that says all that it can.
    async fn token_holder(&self, ctx: &Context) -> Context {
        let token = claims(&self.core.session_token(ctx).await.unwrap());
        let permissions = token["scope"].as_str().map(|scope| scope.split(' ').map(str::to_owned).collect());
        let all = self.core.catalog();
        let everything = || all.catalog.ids(&all.catalog.permissions(&["owner"])).map(str::to_owned).collect();
        let actor = TokenActor {
            key_id: token["keyId"].as_str().unwrap().parse().unwrap(),
            key_kind: KeyKind::Session,
            key_version: None,
            organization_id: token["currentOrganizationId"].as_str().unwrap().parse().unwrap(),
            roles: token["roles"].as_array().unwrap().iter().map(|role| role.as_str().unwrap().to_owned()).collect(),
            permissions: permissions.unwrap_or_else(everything),
        };
        Context { actor: Actor::Token(actor), ..self.host() }
    }

    async fn ask_for_link(&self, email: &str) {
        self.core.request_reset(&self.anonymous(), email).unwrap().await.unwrap();
    }

    /// The secrets of all links that were sent and still work, oldest first.
    async fn links(&self) -> Vec<String> {
        let mail = self.core.list_outbox(&self.host()).await.unwrap();
        mail.into_iter().filter(|mail| matches!(mail.content, MailContent::PasswordReset { .. })).map(|mail| mail.content.token().to_owned()).collect()
    }

    async fn reset(&self, link: &str, password: &str) -> Result<(), Error> {
        self.core.reset_password(&self.anonymous(), link, secret(password)).await.map(|_| ())
    }
}

/// Reddens when one of these is told by itself, or when a disabled account is not asked for after the password.
async fn whoever_is_refused_is_told_the_same(db: Db) {
    let world = world(db).await;
    let (owner, viewer) = (&world.demo.users["owner"], &world.demo.users["viewer"]);
    world.core.create_user(&world.host(), "bare@acme.example", "Bare", Password::None).await.unwrap();
    world.core.disable_user(&world.host(), viewer.id).await.unwrap();
    let long = "x".repeat(300);
    for (email, password) in [
        ("nobody@acme.example", owner.password.as_str()),
        (owner.email.as_str(), "not his password"),
        (owner.email.as_str(), viewer.password.as_str()),
        (owner.email.as_str(), ""),
        (owner.email.as_str(), long.as_str()),
        (viewer.email.as_str(), viewer.password.as_str()),
        ("bare@acme.example", ""),
    ] {
        assert_eq!(world.try_sign_in(email, password).await, Err(Error::WrongPassword), "{email}");
    }
    assert!(world.try_sign_in("  Owner@ACME.example ", &owner.password).await.is_ok(), "an address is read as it was stored");
}

/// Reddens when idleness is not asked, when the use is not noted, or when it is noted on each use.
async fn an_unused_session_ends_after_twelve_hours(db: Db) {
    let world = world(db).await;
    let session = world.sign_in("owner").await;
    let used_at = async || world.core.current_session(&world.holder(&session).await.unwrap()).await.unwrap().used_at;
    let begun = world.clock.now();
    world.clock.advance(MINUTE - MILLISECOND);
    assert_eq!(used_at().await, begun, "within the minute");
    world.clock.advance(MILLISECOND);
    assert_eq!(used_at().await, world.clock.now());
    world.clock.advance(12 * HOUR - MILLISECOND);
    assert_eq!(world.lives(&session).await, "done");
    world.clock.advance(12 * HOUR);
    assert_eq!(world.lives(&session).await, "session_ended");
    let used_up = world.holder(&session).await.unwrap_err().to_string();
    assert!(used_up.contains("sign in again"), "{used_up}");
}

/// Reddens when the age is not asked, or use makes a session younger.
async fn no_session_is_older_than_thirty_days(db: Db) {
    let world = world(db).await;
    let session = world.sign_in("owner").await;
    for _ in 0..71 {
        world.clock.advance(10 * HOUR);
        assert_eq!(world.lives(&session).await, "done");
    }
    world.clock.advance(10 * HOUR - MILLISECOND);
    let last = world.holder(&session).await.unwrap();
    let token = world.core.session_token(&last).await.unwrap();
    assert_eq!(token.expires_in, 1, "no token outlives its session");
    world.clock.advance(MILLISECOND);
    assert_eq!(world.lives(&session).await, "session_ended");
    assert_eq!(code(world.core.current_session(&Context { now: world.clock.now(), ..last }).await), "session_ended", "an operation asks again");
}

/// Reddens when an operation does not ask for the session's life, or a session of somebody else can be ended.
async fn what_was_ended_stays_ended(db: Db) {
    let world = world(db).await;
    let (first, second, other) = (world.sign_in("owner").await, world.sign_in("owner").await, world.sign_in("viewer").await);
    let (ctx, theirs) = (world.holder(&first).await.unwrap(), world.holder(&other).await.unwrap());
    let Actor::Person(person) = &world.holder(&second).await.unwrap().actor else { unreachable!() };
    let second_id = person.session_id;
    assert_eq!(code(world.core.end_session(&theirs, second_id).await), "not_found");
    assert_eq!(world.core.list_sessions(&ctx).await.unwrap().len(), 2);
    for _ in 0..2 {
        assert_eq!(code(world.core.end_session(&ctx, second_id).await), "done", "again is no error");
        assert_eq!(world.lives(&second).await, "session_ended");
    }
    let third = world.sign_in("owner").await;
    assert_eq!(world.core.end_other_sessions(&ctx).await.unwrap().value, 1);
    assert_eq!((world.lives(&third).await, world.lives(&first).await, world.lives(&other).await), ("session_ended", "done", "done"));
    let Actor::Person(person) = &ctx.actor else { unreachable!() };
    world.core.end_session(&ctx, person.session_id).await.unwrap();
    assert_eq!(world.lives(&first).await, "session_ended");
    // A request that was under way meanwhile: each operation asks in its own transaction.
    assert_eq!(code(world.core.list_organizations(&ctx).await), "session_ended");
    assert_eq!(code(world.core.get_organization(&ctx, world.demo.acme.id).await), "session_ended");
    assert_eq!(code(world.core.session_token(&ctx).await), "session_ended");
    assert_eq!(code(world.core.confirm(&ctx, world.demo.users["owner"].password.clone()).await), "session_ended");
    assert_eq!(code(world.core.switch_organization(&ctx, world.demo.mobile.id).await), "session_ended");
    assert_eq!(code(world.core.list_sessions(&ctx).await), "session_ended");
    assert_eq!(code(world.core.end_other_sessions(&ctx).await), "session_ended");
    assert_eq!(world.make_owner(&ctx).await, "session_ended");
    let damaged = first.get(..first.len() - 1).unwrap();
    assert_eq!((world.lives(damaged).await, world.lives(&world.demo.personal_access_keys["owner"]).await), ("malformed_key", "malformed_key"));
}

/// Reddens when the user is no conjunct of a session's life, or when enabling revives what was before.
async fn a_disabled_user_has_no_session_any_more(db: Db) {
    let world = world(db).await;
    let (session, user) = (world.sign_in("manager").await, world.demo.users["manager"].id);
    let ctx = world.holder(&session).await.unwrap();
    let by_token = world.token_holder(&ctx).await;
    world.core.disable_user(&world.host(), user).await.unwrap();
    assert_eq!(world.lives(&session).await, "user_disabled");
    assert_eq!(code(world.core.get_organization(&ctx, world.demo.acme.id).await), "user_disabled");
    assert_eq!(code(world.core.get_organization(&by_token, world.demo.acme.id).await), "user_disabled");
    world.core.enable_user(&world.host(), user).await.unwrap();
    assert_eq!(world.lives(&session).await, "session_ended");
    assert_eq!(world.lives(&world.sign_in("manager").await).await, "done");
}

/// Reddens when roles or membership are taken from anywhere but the moment.
async fn a_membership_that_ended_opens_nothing_to_a_session(db: Db) {
    let world = world(db).await;
    let (acme, user) = (world.demo.acme.id, world.demo.users["viewer"].id);
    let ctx = world.holder(&world.sign_in("viewer").await).await.unwrap();
    let by_token = world.token_holder(&ctx).await;
    let opens = async |ctx: &Context, place: OrganizationId| code(world.core.get_organization(ctx, place).await);
    assert_eq!((opens(&ctx, acme).await, opens(&by_token, acme).await, opens(&by_token, world.demo.mobile.id).await), ("done", "done", "done"));
    world.core.remove_member(&world.host(), acme, user).await.unwrap();
    for place in [acme, world.demo.mobile.id] {
        assert_eq!((opens(&ctx, place).await, opens(&by_token, place).await), ("not_found", "not_found"));
    }
    assert_eq!(code(world.core.session_token(&ctx).await), "not_found");
    assert_eq!(code(world.core.current_session(&ctx).await), "done", "the session itself lives");
    assert!(world.core.list_organizations(&ctx).await.unwrap().is_empty());
    let suspended = world.holder(&world.sign_in("globexowner").await).await.unwrap();
    world.core.suspend_organization(&world.host(), world.demo.globex.id).await.unwrap();
    assert_eq!((opens(&suspended, world.demo.globex.id).await, code(world.core.session_token(&suspended).await)), ("not_found", "not_found"));
}

/// Reddens when freshness lasts longer, is not renewed, or a wrong password renews it; and when the old secret goes on.
async fn confirming_makes_fresh_for_five_minutes_and_changes_the_secret(db: Db) {
    let world = world(db).await;
    let (session, password) = (world.sign_in("owner").await, world.demo.users["owner"].password.clone());
    world.clock.advance(5 * MINUTE);
    let ctx = world.holder(&session).await.unwrap();
    assert_eq!(world.make_owner(&ctx).await, "session_not_fresh");
    assert_eq!(code(world.core.confirm(&ctx, secret("not his password")).await), "invalid_request");
    assert_eq!(world.make_owner(&ctx).await, "session_not_fresh");
    let confirmed = world.core.confirm(&ctx, password).await.unwrap();
    assert_eq!(world.lives(&session).await, "invalid_session", "whoever stole it does not become fresh with it");
    world.clock.advance(5 * MINUTE - MILLISECOND);
    assert_eq!(world.make_owner(&world.holder(shown(&confirmed)).await.unwrap()).await, "done");
    world.clock.advance(MILLISECOND);
    let stale = world.holder(shown(&confirmed)).await.unwrap();
    assert_eq!(code(world.core.remove_member(&stale, world.demo.acme.id, world.demo.users["viewer"].id).await), "session_not_fresh");
}

/// Reddens when the others go on, the old password still opens, or the present one is not asked for.
async fn a_changed_password_ends_the_other_sessions(db: Db) {
    let world = world(db).await;
    let (first, second) = (world.sign_in("owner").await, world.sign_in("owner").await);
    let (ctx, old) = (world.holder(&first).await.unwrap(), world.demo.users["owner"].password.clone());
    let change = async |current: &str, new: &str| world.core.change_password(&ctx, secret(current), secret(new)).await;
    assert_eq!(code(change("not his password", NEW).await), "invalid_request");
    assert_eq!(code(change(&old, "too short").await), "invalid_request");
    assert_eq!(code(change(&old, &old).await), "invalid_request", "the same is no change");
    assert_eq!(world.lives(&second).await, "done");
    world.ask_for_link("owner@acme.example").await;
    let links = world.links().await;
    let changed = change(&old, NEW).await.unwrap();
    assert_eq!((world.lives(&first).await, world.lives(&second).await, world.lives(shown(&changed)).await), ("invalid_session", "session_ended", "done"));
    assert_eq!(world.try_sign_in("owner@acme.example", &old).await, Err(Error::WrongPassword));
    assert!(world.try_sign_in("owner@acme.example", NEW).await.is_ok());
    assert_eq!(code(world.reset(&links[0], "yet another password").await), "invalid_request", "links that were under way end");
    assert!(world.exchange("owner", None).await.is_ok(), "keys are not touched");
}

/// Reddens when a one-time password opens a session, or goes on after it was changed.
async fn a_one_time_password_is_changed_at_the_first_sign_in(db: Db) {
    let world = world(db).await;
    let bootstrap = AdminRequest::Bootstrap { owner_email: "first@example.com".to_owned() };
    let AdminReply::Bootstrapped { one_time_password, organization_id, .. } = world.core.administer(&world.host(), bootstrap).await else { unreachable!() };
    let sign_in = async |password: &str, new: Option<&str>| {
        let attempt =
            SignIn { email: "first@example.com".to_owned(), password: secret(password), organization: None, new_password: new.map(secret), code: None };
        world.core.sign_in(&world.anonymous(), attempt).await
    };
    assert_eq!(code(sign_in(&one_time_password, None).await), "password_must_change");
    assert_eq!(code(sign_in("not his password", None).await), "invalid_credentials", "only whoever knows it is told so");
    assert_eq!(code(sign_in(&one_time_password, Some("too short")).await), "invalid_request");
    assert_eq!(code(sign_in(&one_time_password, Some(&one_time_password)).await), "invalid_request");
    let begun = sign_in(&one_time_password, Some(NEW)).await.unwrap();
    let ctx = world.holder(shown(&begun)).await.unwrap();
    assert_eq!(world.core.current_session(&ctx).await.unwrap().organization_id, Some(organization_id));
    assert_eq!(code(sign_in(&one_time_password, None).await), "invalid_credentials");
    assert_eq!(code(sign_in(NEW, None).await), "done");
    // With a password of one's own it changes that.
    let again = sign_in(NEW, Some("yet another password")).await.unwrap();
    assert_eq!((world.lives(shown(&begun)).await, world.lives(shown(&again)).await), ("session_ended", "done"));
}

/// Reddens when a link works twice, for longer, or leaves sessions or other links behind.
async fn a_link_sets_a_password_once_within_an_hour(db: Db) {
    let world = world(db).await;
    let (email, old) = ("viewer@acme.example", world.demo.users["viewer"].password.clone());
    let session = world.sign_in("viewer").await;
    world.ask_for_link(email).await;
    world.clock.advance(HOUR - MILLISECOND);
    world.ask_for_link(email).await;
    let links = world.links().await;
    assert_eq!(links.len(), 2);
    assert_eq!(code(world.reset("no such link", NEW).await), "invalid_request");
    assert_eq!(code(world.reset(&links[0], "too short").await), "invalid_request");
    assert_eq!(world.lives(&session).await, "done", "asking alone changes nothing");
    assert_eq!(code(world.reset(&links[0], NEW).await), "done");
    for link in &links {
        assert_eq!(code(world.reset(link, "yet another password").await), "invalid_request");
    }
    assert!(world.links().await.is_empty(), "nobody is shown links that do not work");
    assert_eq!(world.lives(&session).await, "session_ended");
    assert_eq!(world.try_sign_in(email, &old).await, Err(Error::WrongPassword));
    assert!(world.try_sign_in(email, NEW).await.is_ok());
    // An hour is an hour.
    world.clock.advance(MINUTE);
    world.ask_for_link(email).await;
    let link = world.links().await.pop().unwrap();
    world.clock.advance(HOUR);
    assert_eq!(code(world.reset(&link, "yet another password").await), "invalid_request");
    // Nothing for whoever is disabled, neither a link nor the use of one.
    world.ask_for_link("owner@acme.example").await;
    let link = world.links().await.pop().unwrap();
    world.core.disable_user(&world.host(), world.demo.users["owner"].id).await.unwrap();
    assert_eq!(code(world.reset(&link, NEW).await), "invalid_request");
}

/// Reddens when a row that does not open ends the list, or a link opens under another address or kind.
async fn one_altered_piece_of_mail_hides_no_other(db: Db) {
    let world = world(db.clone()).await;
    world.read_mail().await;
    for part in ["owner", "viewer", "manager"] {
        world.ask_for_link(&world.demo.users[part].email).await;
    }
    let alter = async |sql: &'static str| {
        db.write(move |tx| Box::pin(async move { tx.execute(sql, &[]).await })).await.unwrap();
        let mail = world.core.list_outbox(&world.host()).await.unwrap();
        (mail.len(), mail.iter().filter(|mail| mail.content == MailContent::Unreadable).count())
    };
    assert_eq!(alter("UPDATE outbox SET recipient = 'thief@example.com' WHERE recipient = 'owner@acme.example'").await, (3, 1));
    assert_eq!(alter("UPDATE outbox SET kind = 'invitation' WHERE recipient = 'viewer@acme.example'").await, (3, 2));
    assert_eq!(alter("UPDATE outbox SET kind = 'no such kind' WHERE recipient = 'viewer@acme.example'").await, (3, 2));
}

/// Reddens when mail goes to addresses without an account, to the disabled, or as often as somebody likes.
async fn asking_for_a_link_often_sends_one_mail(db: Db) {
    let world = world(db).await;
    world.core.disable_user(&world.host(), world.demo.users["viewer"].id).await.unwrap();
    for email in ["owner@acme.example", "owner@acme.example", "nobody@acme.example", "viewer@acme.example", "OWNER@acme.example"] {
        world.ask_for_link(email).await;
    }
    assert_eq!(world.links().await.len(), 1);
    world.clock.advance(MINUTE);
    world.ask_for_link("owner@acme.example").await;
    assert_eq!(world.links().await.len(), 2);
    assert_eq!(code(world.core.request_reset(&world.anonymous(), "no address").map(drop)), "invalid_request");
    let under_way: Vec<_> = (0..64).map(|number| world.core.request_reset(&world.anonymous(), &format!("{number}@example.com")).unwrap()).collect();
    assert_eq!(code(world.core.request_reset(&world.anonymous(), "owner@acme.example").map(drop)), "too_many_requests");
    drop(under_way);
    world.ask_for_link("nobody@acme.example").await;
}

/// Reddens when a token of a session is fresh, lives longer than five minutes or its session, or carries more than it says.
async fn a_token_of_a_session_is_never_fresh_and_never_more(db: Db) {
    let world = world(db).await;
    let (acme, owner) = (world.demo.acme.id, &world.demo.users["owner"]);
    let session = world.sign_in("owner").await;
    let ctx = world.holder(&session).await.unwrap();
    let token = world.core.session_token(&ctx).await.unwrap();
    assert_eq!(token.expires_in, 300);
    let said = claims(&token);
    let Actor::Person(person) = &ctx.actor else { unreachable!() };
    let id = person.session_id.to_string();
    assert_eq!((said["sub"].as_str(), said["keyKind"].as_str()), (Some(owner.id.to_string().as_str()), Some("session")));
    assert_eq!((said["keyId"].as_str(), said["client_id"].as_str()), (Some(id.as_str()), Some(id.as_str())));
    assert_eq!((said["currentOrganizationId"].as_str(), said["roles"][0].as_str()), (Some(acme.to_string().as_str()), Some("owner")));
    let by_token = world.token_holder(&ctx).await;
    assert_eq!(code(world.core.list_members(&by_token, acme).await), "done");
    assert_eq!(world.make_owner(&by_token).await, "insufficient_permission", "the session is fresh, its token never is");
    assert_eq!(world.make_owner(&ctx).await, "done");
    // Less in the token is less, whatever the person may do.
    let Actor::Token(mut narrow) = by_token.actor.clone() else { unreachable!() };
    narrow.permissions.retain(|permission| permission != "organization.member.view");
    let narrow = Context { actor: Actor::Token(narrow), ..world.host() };
    assert_eq!(code(world.core.list_members(&narrow, acme).await), "insufficient_permission");
    assert_eq!(code(world.core.get_organization(&by_token, world.demo.globex.id).await), "not_found");
    // What is done with sessions and passwords needs the session itself.
    assert_eq!(code(world.core.list_sessions(&by_token).await), "insufficient_permission");
    assert_eq!(code(world.core.session_token(&by_token).await), "insufficient_permission", "tokens do not breed");
    assert_eq!(code(world.core.change_password(&by_token, owner.password.clone(), secret(NEW)).await), "insufficient_permission");
    assert_eq!(code(world.core.confirm(&world.host(), owner.password.clone()).await), "insufficient_permission");
    assert_eq!(code(world.core.list_sessions(&world.anonymous()).await), "invalid_session");
    let Actor::Token(actor) = &by_token.actor else { unreachable!() };
    let held = HeldToken { actor: actor.clone(), audience: support::ISSUER.to_owned(), expires_at: 0, status_index: 0 };
    let holder = world.core.user_info(&world.host(), &held).await.unwrap();
    assert_eq!((holder.sub, holder.current_organization_id), (owner.id.to_string(), acme));
    world.core.end_session(&ctx, person.session_id).await.unwrap();
    assert_eq!(code(world.core.user_info(&world.host(), &held).await), "session_ended");
    assert_eq!(code(world.core.list_members(&by_token, acme).await), "session_ended");
    // Its id is no key's, and a key's none of a session.
    let as_key = Context { actor: Actor::Token(TokenActor { key_kind: KeyKind::PersonalAccessKey, ..actor.clone() }), ..world.host() };
    assert_eq!(code(world.core.list_members(&as_key, acme).await), "invalid_key");
}

/// Reddens when a session moves to where its user is nobody, or when the choice at sign-in is not asked.
async fn a_session_moves_between_organizations_of_its_own(db: Db) {
    let world = world(db).await;
    let (acme, mobile, globex) = (world.demo.acme.id, world.demo.mobile.id, world.demo.globex.id);
    let user = &world.demo.users["manager"];
    let sign_in = async |organization| {
        let attempt = SignIn { email: user.email.clone(), password: user.password.clone(), organization, new_password: None, code: None };
        world.core.sign_in(&world.anonymous(), attempt).await
    };
    let at = async |session: &Committed<SessionSecret>| world.core.current_session(&world.holder(shown(session)).await.unwrap()).await.unwrap().organization_id;
    let begun = sign_in(None).await.unwrap();
    // His memberships are of the same millisecond here, so that the first of them is either.
    assert!([Some(acme), Some(globex)].contains(&at(&begun).await));
    assert_eq!(at(&sign_in(Some(globex)).await.unwrap()).await, Some(globex));
    let ctx = world.holder(shown(&begun)).await.unwrap();
    for place in [mobile, globex, acme] {
        assert_eq!(world.core.switch_organization(&ctx, place).await.unwrap().value.organization_id, Some(place));
        assert_eq!(at(&begun).await, Some(place));
    }
    let unknown = uuid::Uuid::from_u128(7).into();
    let stranger = world.holder(&world.sign_in("submember").await).await.unwrap();
    for place in [acme, globex, unknown] {
        assert_eq!(code(world.core.switch_organization(&stranger, place).await), "not_found");
    }
    assert_eq!(code(sign_in(Some(unknown)).await), "not_found");
    world.core.suspend_organization(&world.host(), acme).await.unwrap();
    assert_eq!(code(world.core.switch_organization(&ctx, mobile).await), "not_found");
    assert_eq!(at(&sign_in(None).await.unwrap()).await, Some(globex), "not in one that is suspended");
    let bare = world.core.create_user(&world.host(), "bare@example.com", "Bare", Password::None).await.unwrap();
    world.ask_for_link(&bare.email).await;
    world.reset(&world.links().await[0], NEW).await.unwrap();
    let nowhere = world.holder(&world.try_sign_in(&bare.email, NEW).await.unwrap()).await.unwrap();
    assert_eq!(code(world.core.session_token(&nowhere).await), "conflict");
}

/// Reddens when one of these leaves no trace, leaves it in another root, or names a secret.
async fn sign_ins_are_in_the_log(db: Db) {
    let world = world(db.clone()).await;
    let (acme, globex) = (world.demo.acme.id, world.demo.globex.id);
    let (user, old) = (&world.demo.users["manager"], world.demo.users["manager"].password.clone());
    let attempt = SignIn { email: user.email.clone(), password: old.clone(), organization: Some(acme), new_password: None, code: None };
    let begun = world.core.sign_in(&world.anonymous(), attempt).await.unwrap();
    let ctx = world.holder(shown(&begun)).await.unwrap();
    world.core.switch_organization(&ctx, globex).await.unwrap();
    let changed = world.core.change_password(&ctx, old.clone(), secret(NEW)).await.unwrap();
    let ctx = world.holder(shown(&changed)).await.unwrap();
    let Actor::Person(person) = &ctx.actor else { unreachable!() };
    world.core.end_session(&ctx, person.session_id).await.unwrap();
    let events = async |root: OrganizationId| {
        db.read(move |tx| {
            Box::pin(async move {
                assert!(crate::support::is_whole(tx, root).await?);
                Ok::<_, Error>(keywright_store::log::list_changes(tx, root, (0, i64::MAX)).await?)
            })
        })
        .await
        .unwrap()
    };
    let told = |events: Vec<keywright_store::log::EventRow>| -> Vec<String> {
        let by_people = events.into_iter().filter(|event| event.actor_kind == "user");
        by_people
            .map(|event| {
                assert_eq!((event.actor_id, event.subject.as_str()), (Some(user.id.as_uuid()), user.email.as_str()));
                assert!(!format!("{event:?}").contains(NEW) && !format!("{event:?}").contains(old.as_str()));
                event.action
            })
            .collect()
    };
    assert_eq!(told(events(acme).await), ["Login"]);
    assert_eq!(told(events(globex).await), ["Switch Organization", "Password Change", "Logout"]);
}

/// A thief holds a request back until the owner of the session confirms his password. Reddens when a session is looked up by its id
/// alone, in an operation or for a token of it.
async fn whoever_came_with_the_old_secret_does_not_become_fresh(db: Db) {
    let world = world(db).await;
    let (acme, password) = (world.demo.acme.id, || zeroize::Zeroizing::new(world.demo.users["owner"].password.to_string()));
    let stale = world.person("owner", 600).await;
    let make = async |ctx: &Context| world.core.create_own_personal_access_key(ctx, acme, "stolen", None).await.map(|_| ());
    assert_eq!(code(make(&stale).await), "session_not_fresh");
    let Actor::Person(held) = stale.actor.clone() else { panic!("a person") };
    let token = TokenActor {
        key_id: held.session_id.as_uuid().into(),
        key_kind: KeyKind::Session,
        key_version: Some(held.confirmed_at.as_millis()),
        organization_id: acme,
        roles: vec!["owner".to_owned()],
        permissions: vec!["organization.member.view".to_owned()],
    };
    let by_token = Context { actor: Actor::Token(token.clone()), ..world.host() };
    assert_eq!(code(world.core.list_members(&by_token, acme).await.map(|_| ())), "done");
    let renewed = world.core.confirm(&stale, password()).await.unwrap().value;
    assert_eq!(code(make(&stale).await), "invalid_session");
    assert_eq!(code(world.core.list_members(&by_token, acme).await.map(|_| ())), "invalid_session");
    let held = HeldToken { actor: token, audience: support::ISSUER.to_owned(), expires_at: 0, status_index: 0 };
    assert_eq!(code(world.core.user_info(&world.host(), &held).await.map(|_| ())), "invalid_session");
    let fresh = world.holder(renewed.secret.reveal()).await.unwrap();
    assert_eq!(code(make(&fresh).await), "done");
    world.clock.advance(std::time::Duration::from_secs(1));
    let later = Context { now: world.clock.now(), ..fresh.clone() };
    world.core.change_password(&later, password(), zeroize::Zeroizing::new("another password of mine".to_owned())).await.unwrap();
    assert_eq!(code(make(&fresh).await), "invalid_session");
    assert_eq!(code(world.core.list_sessions(&fresh).await.map(|_| ())), "invalid_session");
}
