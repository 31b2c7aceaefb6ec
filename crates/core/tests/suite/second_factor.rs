//! The second factor of people, on both engines: when it is asked for, what it costs to guess, and each way around it.

use crate::{
    device::Device,
    support::{World, is_whole, world, world_with},
};
use keywright_core::{
    Context, Error, KeyFile,
    limits::{Policy, Rate, Rates},
    second_factor::SecondFactor,
    sessions::{SessionSecret, SignIn},
};
use keywright_db::{Committed, Db, Writes, on_both_engines};
use keywright_protocol::{
    OrganizationId,
    admin::{AdminReply, AdminRequest, RolesIn},
    mail::{MailContent, SecondFactorEvent},
};
use std::time::Duration;
use zeroize::Zeroizing;

on_both_engines!(Writes::Revisioned, keywright_store::MIGRATIONS;
    it_is_asked_for_once_a_code_has_confirmed_it,
    setting_it_up_takes_a_fresh_session_and_ends_the_others,
    nothing_is_told_of_it_without_the_right_password,
    a_code_is_taken_once,
    of_two_at_once_with_one_code_one_gets_in,
    a_recovery_code_is_taken_once_and_of_its_owner_alone,
    wrong_codes_are_counted_over_all_addresses_and_restarts,
    a_wrong_code_costs_what_a_wrong_password_does,
    removing_it_takes_a_fresh_session_and_a_code,
    guesses_in_a_session_are_counted_as_those_at_the_door,
    the_host_resets_it_and_nobody_else,
    a_link_for_a_new_password_is_no_way_around,
    an_invitation_is_no_way_around,
    a_new_password_is_set_with_the_code_alone,
    a_secret_moved_to_another_person_opens_nothing,
    what_happens_is_told_by_mail_and_in_the_log,
);

const STEP: Duration = Duration::from_secs(30);
const HOUR: Duration = Duration::from_secs(60 * 60);
const MILLISECOND: Duration = Duration::from_millis(1);
const WRONG: &str = "000000";

pub(crate) fn code<T>(result: Result<T, Error>) -> &'static str {
    result.map_or_else(|error| error.code(), |_| "done")
}

fn secret(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}

/// A person with a second factor.
pub(crate) struct Armed {
    pub(crate) ctx: Context,
    pub(crate) device: Device,
    pub(crate) recovery: Vec<String>,
}

impl World {
    /// Sets up somebody's second factor; a minute later.
    pub(crate) async fn arm(&self, part: &str) -> Armed {
        let ctx = self.person(part, 0).await;
        let set_up = self.core.begin_second_factor(&ctx).await.unwrap().value;
        let device = Device::of(&set_up.secret);
        let codes = self.core.confirm_second_factor(&ctx, &device.code(self.clock.now())).await.unwrap().value;
        self.clock.advance(2 * STEP);
        Armed { ctx: Context { now: self.clock.now(), ..ctx }, device, recovery: codes.iter().map(|code| code.to_string()).collect() }
    }

    pub(crate) async fn enter(&self, part: &str, code: Option<&str>) -> Result<Committed<SessionSecret>, Error> {
        self.enter_from(self.anonymous(), part, code).await
    }

    async fn enter_from(&self, ctx: Context, part: &str, code: Option<&str>) -> Result<Committed<SessionSecret>, Error> {
        let user = &self.demo.users[part];
        let attempt = SignIn { email: user.email.clone(), password: user.password.clone(), organization: None, new_password: None, code: code.map(secret) };
        self.core.sign_in(&ctx, attempt).await
    }

    /// From an address of its own for each number.
    fn at_address(&self, number: u8) -> Context {
        Context { client_ip: Some(std::net::Ipv4Addr::new(203, 0, 113, number).into()), ..self.anonymous() }
    }

    async fn second_factor_mail(&self) -> Vec<SecondFactorEvent> {
        let mail = self.core.list_outbox(&self.host()).await.unwrap().into_iter();
        mail.filter_map(|mail| if let MailContent::SecondFactor { event, .. } = mail.content { Some(event) } else { None }).collect()
    }
}

/// Reddens when a factor that is pending is asked for, when one that is on is not, or when a drift of more than one step is taken.
async fn it_is_asked_for_once_a_code_has_confirmed_it(db: Db) {
    let world = world(db).await;
    let ctx = world.person("owner", 0).await;
    assert_eq!(world.core.second_factor(&ctx).await, Ok(SecondFactor::Off));
    assert_eq!(code(world.core.confirm_second_factor(&ctx, WRONG).await), "not_found");
    let first = Device::of(&world.core.begin_second_factor(&ctx).await.unwrap().value.secret);
    let set_up = world.core.begin_second_factor(&ctx).await.unwrap().value;
    let device = Device::of(&set_up.secret);
    assert!(set_up.uri.starts_with("otpauth://totp/auth.example.com:owner%40acme.example?secret="), "{}", set_up.uri.as_str());
    assert_eq!(world.core.second_factor(&ctx).await, Ok(SecondFactor::Pending { until: world.clock.now().plus(HOUR) }));
    assert_eq!(code(world.enter("owner", None).await), "done", "not asked for yet");
    for wrong in [first.code(world.clock.now()), device.code(world.clock.now().minus(2 * STEP)), "ABCD-EFGH-IJKL-MNOP".to_owned(), "12345".to_owned()] {
        assert_eq!(code(world.core.confirm_second_factor(&ctx, &wrong).await), "invalid_request", "{wrong}");
    }
    assert_eq!(code(world.enter("owner", None).await), "done", "a wrong code confirms nothing");
    let on = world.core.confirm_second_factor(&ctx, &device.code(world.clock.now())).await.unwrap().value;
    assert_eq!((on.len(), world.core.second_factor(&ctx).await), (10, Ok(SecondFactor::On { since: world.clock.now(), recovery_codes_left: 10 })));
    assert_eq!(code(world.enter("owner", None).await), "second_factor_required");
    assert_eq!(code(world.enter("viewer", None).await), "done", "it is the Owner's");
    assert_eq!(code(world.enter("viewer", Some(WRONG)).await), "done", "a code that nobody asked for");
    assert_eq!(code(world.core.confirm_second_factor(&ctx, &device.code(world.clock.now())).await), "not_found", "it is on");
    assert_eq!(code(world.core.begin_second_factor(&ctx).await), "conflict", "nor is it replaced");
    world.clock.advance(10 * STEP);
    let now = world.clock.now();
    for drift in [now.minus(2 * STEP), now.plus(2 * STEP)] {
        assert_eq!(code(world.enter("owner", Some(&device.code(drift))).await), "wrong_second_factor", "{drift}");
    }
    for drift in [now.minus(STEP), now, now.plus(STEP)] {
        assert_eq!(code(world.enter("owner", Some(&device.code(drift))).await), "done", "{drift}");
    }
    // What asks for a fresh session asks for the password alone.
    assert_eq!(code(world.core.confirm(&ctx, world.demo.users["owner"].password.clone()).await), "done");
}

/// Reddens when an old session may begin it, when what was begun long ago is confirmed, or when other sessions live on.
async fn setting_it_up_takes_a_fresh_session_and_ends_the_others(db: Db) {
    let world = world(db).await;
    let stale = world.person("owner", 300).await;
    let other = world.sign_in("owner").await;
    assert_eq!(code(world.core.begin_second_factor(&stale).await), "session_not_fresh");
    let ctx = world.person("owner", 0).await;
    let device = Device::of(&world.core.begin_second_factor(&ctx).await.unwrap().value.secret);
    world.clock.advance(HOUR);
    let later = Context { now: world.clock.now(), ..ctx };
    assert_eq!(code(world.core.confirm_second_factor(&later, &device.code(world.clock.now())).await), "not_found");
    assert_eq!(world.core.second_factor(&later).await, Ok(SecondFactor::Off));
    let fresh = world.person("owner", 0).await;
    let device = Device::of(&world.core.begin_second_factor(&fresh).await.unwrap().value.secret);
    world.clock.advance(HOUR - MILLISECOND);
    let later = Context { now: world.clock.now(), ..fresh };
    assert_eq!(code(world.holder(&other).await), "done");
    assert_eq!(code(world.core.confirm_second_factor(&later, &device.code(world.clock.now())).await), "done", "it takes no fresh session");
    assert_eq!(code(world.holder(&other).await), "session_ended");
    assert_eq!(code(world.core.second_factor(&later).await), "done", "this one lives");
    for nobody in [world.anonymous(), world.host()] {
        assert!(world.core.second_factor(&nobody).await.is_err() && world.core.begin_second_factor(&nobody).await.is_err());
        assert!(world.core.remove_second_factor(&nobody, WRONG).await.is_err() && world.core.renew_recovery_codes(&nobody, WRONG).await.is_err());
    }
}

/// Reddens when the factor is looked at before the password, or a code is looked at without one.
async fn nothing_is_told_of_it_without_the_right_password(db: Db) {
    let world = world(db).await;
    let armed = world.arm("owner").await;
    let present = armed.device.code(world.clock.now());
    for (email, password) in [("owner@acme.example", "not his password"), ("nobody@acme.example", "not his password"), ("viewer@acme.example", "x")] {
        for given in [None, Some(present.as_str()), Some(WRONG), Some(armed.recovery[0].as_str())] {
            let attempt = SignIn { email: email.to_owned(), password: secret(password), organization: None, new_password: None, code: given.map(secret) };
            assert_eq!(world.core.sign_in(&world.anonymous(), attempt).await.err(), Some(Error::WrongPassword), "{email} {given:?}");
        }
        // What no code looks like is refused before anything is asked.
        let attempt = SignIn { email: email.to_owned(), password: secret(password), organization: None, new_password: None, code: Some(secret("12")) };
        assert_eq!(code(world.core.sign_in(&world.anonymous(), attempt).await), "invalid_request");
    }
    world.core.disable_user(&world.host(), world.demo.users["owner"].id).await.unwrap();
    assert_eq!(code(world.enter("owner", None).await), "invalid_credentials", "disabled");
    assert_eq!(code(world.enter("owner", Some(&present)).await), "invalid_credentials");
    world.core.enable_user(&world.host(), world.demo.users["owner"].id).await.unwrap();
    assert_eq!(code(world.enter("owner", Some(&present)).await), "done", "nothing of that used the code");
    assert_eq!(code(world.enter("owner", Some(&armed.recovery[0])).await), "done");
}

/// Reddens when the step of a code is not kept, when an earlier one is taken behind a later one, or when the confirming code signs in.
async fn a_code_is_taken_once(db: Db) {
    let world = world(db).await;
    let ctx = world.person("owner", 0).await;
    let device = Device::of(&world.core.begin_second_factor(&ctx).await.unwrap().value.secret);
    let first = device.code(world.clock.now());
    world.core.confirm_second_factor(&ctx, &first).await.unwrap();
    assert_eq!(code(world.enter("owner", Some(&first)).await), "wrong_second_factor", "it confirmed the factor");
    world.clock.advance(2 * STEP);
    let (before, present) = (device.code(world.clock.now().minus(STEP)), device.code(world.clock.now()));
    // An organization that is not his: nothing was opened, nothing is used.
    let owner = &world.demo.users["owner"];
    let nowhere = SignIn {
        email: owner.email.clone(),
        password: owner.password.clone(),
        organization: Some(world.demo.globex.id),
        new_password: None,
        code: Some(secret(&present)),
    };
    assert_eq!(code(world.core.sign_in(&world.anonymous(), nowhere).await), "not_found");
    assert_eq!(code(world.enter("owner", Some(&present)).await), "done");
    for used in [&present, &before] {
        assert_eq!(code(world.enter("owner", Some(used)).await), "wrong_second_factor");
    }
    world.clock.advance(STEP);
    assert_eq!(code(world.enter("owner", Some(&present)).await), "wrong_second_factor", "within the drift");
    assert_eq!(code(world.enter("owner", Some(&device.code(world.clock.now()))).await), "done");
    // Repetitions cost none of the guesses.
    for _ in 0..20 {
        assert_eq!(code(world.enter("owner", Some(&present)).await), "wrong_second_factor");
    }
    world.clock.advance(STEP);
    assert_eq!(code(world.enter("owner", Some(&device.code(world.clock.now()))).await), "done");
}

/// Reddens when the step is read outside of the transaction that writes it.
async fn of_two_at_once_with_one_code_one_gets_in(db: Db) {
    let world = world(db).await;
    let armed = world.arm("owner").await;
    let present = armed.device.code(world.clock.now());
    for given in [present.as_str(), armed.recovery[0].as_str()] {
        let attempts = futures_util::future::join_all((0..8).map(|_| world.enter("owner", Some(given)))).await;
        let mut codes: Vec<&str> = attempts.into_iter().map(code).collect();
        codes.sort_unstable();
        assert_eq!(codes, [["done"].as_slice(), &["wrong_second_factor"; 7]].concat(), "{given}");
    }
}

/// Reddens when a code is not used up, when new ones leave old ones, or when one is another person's too.
async fn a_recovery_code_is_taken_once_and_of_its_owner_alone(db: Db) {
    let world = world(db).await;
    let (owner, viewer) = (world.arm("owner").await, world.arm("viewer").await);
    assert_eq!(code(world.enter("owner", Some(&viewer.recovery[0])).await), "wrong_second_factor");
    assert_eq!(code(world.enter("owner", Some(&owner.recovery[0].to_lowercase().replace('-', " "))).await), "done");
    assert_eq!(code(world.enter("owner", Some(&owner.recovery[0])).await), "wrong_second_factor");
    assert_eq!(code(world.enter("viewer", Some(&viewer.recovery[0])).await), "done");
    let left = |found| if let Ok(SecondFactor::On { recovery_codes_left, .. }) = found { recovery_codes_left } else { 99 };
    assert_eq!(left(world.core.second_factor(&owner.ctx).await), 9);
    let stale = Context { now: owner.ctx.now.plus(5 * 60 * Duration::from_secs(1)), ..owner.ctx.clone() };
    assert_eq!(code(world.core.renew_recovery_codes(&stale, &owner.recovery[1]).await), "session_not_fresh");
    assert_eq!(code(world.core.renew_recovery_codes(&owner.ctx, WRONG).await), "invalid_request");
    let new = world.core.renew_recovery_codes(&owner.ctx, &owner.recovery[1]).await.unwrap().value;
    assert_eq!((new.len(), left(world.core.second_factor(&owner.ctx).await)), (10, 10));
    for old in &owner.recovery {
        assert_eq!(code(world.enter("owner", Some(old)).await), "wrong_second_factor");
    }
    assert_eq!(code(world.enter("owner", Some(&new[9])).await), "done");
    assert_eq!(code(world.core.renew_recovery_codes(&world.person("manager", 0).await, &new[8]).await), "not_found", "who has none");
}

/// Reddens when wrong codes are counted by address, in memory, or not at all; when a right one is taken past the limit; or when the limit
/// keeps a recovery code out.
async fn wrong_codes_are_counted_over_all_addresses_and_restarts(db: Db) {
    let world = world(db.clone()).await;
    let armed = world.arm("owner").await;
    for number in 0..10 {
        assert_eq!(code(world.enter_from(world.at_address(number), "owner", Some(WRONG)).await), "wrong_second_factor", "{number}");
    }
    let limited = |result: Result<Committed<SessionSecret>, Error>| match result.map(|_| ()) {
        Err(Error::Limited(allowance)) => (allowance.policy, allowance.wait),
        other => panic!("{other:?}"),
    };
    let right = || armed.device.code(world.clock.now());
    assert_eq!(limited(world.enter_from(world.at_address(99), "owner", Some(&right())).await), (Policy::SecondFactor, 6 * 3600));
    assert_eq!(world.second_factor_mail().await, [SecondFactorEvent::TurnedOn, SecondFactorEvent::GuessesUsedUp]);
    let again = keywright_core::Core::start_on(db, KeyFile::parse(&world.key_file).unwrap(), world.settings.clone(), world.clock.clone()).await.unwrap();
    let owner = &world.demo.users["owner"];
    let attempt = SignIn { email: owner.email.clone(), password: owner.password.clone(), organization: None, new_password: None, code: Some(secret(&right())) };
    assert_eq!(limited(again.sign_in(&world.anonymous(), attempt).await).0, Policy::SecondFactor, "another process");
    assert_eq!(code(world.enter("owner", None).await), "second_factor_required");
    assert_eq!(code(world.enter("owner", Some(&armed.recovery[0])).await), "done", "nobody guesses those");
    assert_eq!(
        code(world.core.confirm(&Context { now: world.clock.now(), ..armed.ctx.clone() }, owner.password.clone()).await),
        "done",
        "nor are sessions touched"
    );
    world.clock.advance(6 * HOUR - MILLISECOND);
    assert_eq!(limited(world.enter("owner", Some(&right())).await).1, 1);
    world.clock.advance(MILLISECOND);
    assert_eq!(code(world.enter("owner", Some(&right())).await), "done");
    world.clock.advance(STEP);
    assert_eq!(code(world.enter("owner", Some(WRONG)).await), "wrong_second_factor");
    assert_eq!(limited(world.enter("owner", Some(&right())).await).0, Policy::SecondFactor, "one came back, and a right code gives none");
    assert_eq!(code(world.enter("viewer", None).await), "done");
}

/// Reddens when a wrong code is given back what it paid, or when asking for the code costs anything.
async fn a_wrong_code_costs_what_a_wrong_password_does(db: Db) {
    let world = world_with(db, |settings| settings.limits = Rates { account_and_address: Rate::per(HOUR, 3, 3), buckets: 100, ..Rates::OFF }).await;
    let armed = world.arm("owner").await;
    for _ in 0..5 {
        assert_eq!(code(world.enter_from(world.at_address(1), "owner", None).await), "second_factor_required");
    }
    for wrong in [WRONG, "ABCD-EFGH-IJKL-MNOP", WRONG] {
        assert_eq!(code(world.enter_from(world.at_address(1), "owner", Some(wrong)).await), "wrong_second_factor");
    }
    let Err(Error::Limited(allowance)) = world.enter_from(world.at_address(1), "owner", Some(&armed.device.code(world.clock.now()))).await.map(|_| ()) else {
        panic!("three wrong ones")
    };
    assert_eq!(allowance.policy, Policy::AccountAndAddress);
    assert_eq!(code(world.enter_from(world.at_address(2), "owner", Some(&armed.device.code(world.clock.now()))).await), "done", "another address");
}

/// Reddens when an old session or a wrong code removes it, or when something of it is left.
async fn removing_it_takes_a_fresh_session_and_a_code(db: Db) {
    let world = world(db.clone()).await;
    let armed = world.arm("owner").await;
    let stale = Context { now: armed.ctx.now.plus(Duration::from_secs(300)), ..armed.ctx.clone() };
    assert_eq!(code(world.core.remove_second_factor(&stale, &armed.recovery[0]).await), "session_not_fresh");
    assert_eq!(code(world.core.remove_second_factor(&armed.ctx, WRONG).await), "invalid_request", "no word against the session");
    assert_eq!(code(world.core.remove_second_factor(&armed.ctx, "ABCD-EFGH-IJKL-MNOP").await), "invalid_request");
    assert_eq!(code(world.enter("owner", None).await), "second_factor_required");
    assert_eq!(code(world.core.remove_second_factor(&armed.ctx, &armed.device.code(world.clock.now())).await), "done");
    assert_eq!(code(world.enter("owner", None).await), "done");
    assert_eq!(world.core.second_factor(&armed.ctx).await, Ok(SecondFactor::Off));
    assert_eq!(code(world.core.remove_second_factor(&armed.ctx, &armed.recovery[0]).await), "not_found");
    let left =
        db.read(|tx| Box::pin(async move { tx.fetch_all("SELECT user_id FROM second_factors UNION ALL SELECT user_id FROM recovery_codes", &[]).await }));
    assert_eq!(left.await.unwrap().len(), 0);
    let again = world.arm("owner").await;
    assert_eq!(code(world.enter("owner", Some(&armed.recovery[0])).await), "wrong_second_factor", "of the one before");
    assert_eq!(code(world.core.remove_second_factor(&again.ctx, &again.recovery[0]).await), "done", "by a recovery code");
}

/// Reddens when a session guesses without paying for it.
async fn guesses_in_a_session_are_counted_as_those_at_the_door(db: Db) {
    let world = world(db).await;
    let armed = world.arm("owner").await;
    for number in 0..10 {
        let refused = if number % 2 == 0 {
            code(world.core.remove_second_factor(&armed.ctx, WRONG).await)
        } else {
            code(world.core.renew_recovery_codes(&armed.ctx, WRONG).await)
        };
        assert_eq!(refused, "invalid_request", "{number}");
    }
    let right = armed.device.code(world.clock.now());
    assert_eq!(code(world.core.remove_second_factor(&armed.ctx, &right).await), "rate_limited");
    assert_eq!(code(world.core.renew_recovery_codes(&armed.ctx, &right).await), "rate_limited");
    assert_eq!(code(world.enter("owner", Some(&right)).await), "rate_limited");
    assert_eq!(code(world.core.remove_second_factor(&armed.ctx, &armed.recovery[0]).await), "done");
}

/// Reddens when somebody else resets it, or the reset leaves something.
async fn the_host_resets_it_and_nobody_else(db: Db) {
    let world = world(db).await;
    let armed = world.arm("owner").await;
    assert_eq!(code(world.core.reset_second_factor(&armed.ctx, "owner@acme.example").await), "host_only");
    let reset = |email: &str| AdminRequest::ResetSecondFactor { email: email.to_owned() };
    for (email, error, part) in
        [("nobody@acme.example", "not_found", "no user"), ("viewer@acme.example", "not_found", "no second factor"), ("x", "invalid_request", "")]
    {
        let AdminReply::Refused { error: found, message } = world.core.administer(&world.host(), reset(email)).await else { panic!("{email}") };
        assert!(found == error && message.contains(part), "{email}: {found} {message}");
    }
    assert!(matches!(world.core.administer(&world.host(), reset(" Owner@ACME.example ")).await, AdminReply::Done { .. }));
    assert_eq!(code(world.enter("owner", None).await), "done");
    assert_eq!(world.core.second_factor(&armed.ctx).await, Ok(SecondFactor::Off));
}

/// Reddens when a reset signs in or removes the factor.
async fn a_link_for_a_new_password_is_no_way_around(db: Db) {
    let world = world(db).await;
    let armed = world.arm("viewer").await;
    world.core.request_reset(&world.anonymous(), "viewer@acme.example").unwrap().await.unwrap();
    let mail = world.core.list_outbox(&world.host()).await.unwrap();
    let link = mail.into_iter().find(|mail| matches!(mail.content, MailContent::PasswordReset { .. })).unwrap().content.token().to_owned();
    world.core.reset_password(&world.anonymous(), &link, secret("another password of mine")).await.unwrap();
    assert_eq!(code(world.core.list_sessions(&armed.ctx).await), "session_ended");
    let enter = async |given: Option<&str>| {
        let attempt = SignIn {
            email: "viewer@acme.example".to_owned(),
            password: secret("another password of mine"),
            organization: None,
            new_password: None,
            code: given.map(secret),
        };
        code(world.core.sign_in(&world.anonymous(), attempt).await)
    };
    assert_eq!(enter(None).await, "second_factor_required");
    assert_eq!(enter(Some(&armed.device.code(world.clock.now()))).await, "done");
}

/// Reddens when accepting opens a session, asks for less than the password, or touches the factor.
async fn an_invitation_is_no_way_around(db: Db) {
    let world = world(db).await;
    let armed = world.arm("globexowner").await;
    let user = &world.demo.users["globexowner"];
    let brings = vec![RolesIn { organization_id: world.demo.acme.id, roles: vec!["view-build".to_owned()] }];
    world.core.invite(&world.host(), world.demo.acme.id, &user.email, brings).await.unwrap();
    let link = world.core.list_outbox(&world.host()).await.unwrap().pop().unwrap().content.token().to_owned();
    let before = world.core.list_sessions(&armed.ctx).await.unwrap().len();
    assert_eq!(code(world.core.accept_invitation(&world.anonymous(), &link, None, secret("not his password")).await), "invalid_credentials");
    assert_eq!(code(world.core.accept_invitation(&world.anonymous(), &link, None, user.password.clone()).await), "done");
    assert_eq!(world.core.list_sessions(&armed.ctx).await.unwrap().len(), before, "no session came of it");
    assert_eq!(code(world.enter("globexowner", None).await), "second_factor_required");
    assert_eq!(code(world.enter("globexowner", Some(&armed.device.code(world.clock.now()))).await), "done");
}

/// Reddens when the password is changed before the code was right.
async fn a_new_password_is_set_with_the_code_alone(db: Db) {
    let world = world(db).await;
    let armed = world.arm("owner").await;
    let owner = &world.demo.users["owner"];
    let attempt = async |password: &str, new: Option<&str>, given: Option<&str>| {
        let attempt =
            SignIn { email: owner.email.clone(), password: secret(password), organization: None, new_password: new.map(secret), code: given.map(secret) };
        code(world.core.sign_in(&world.anonymous(), attempt).await)
    };
    let (new, present) = ("another password of mine", armed.device.code(world.clock.now()));
    assert_eq!(attempt(&owner.password, Some(new), None).await, "second_factor_required");
    assert_eq!(attempt(&owner.password, Some(new), Some(WRONG)).await, "wrong_second_factor");
    assert_eq!(attempt(new, None, Some(&present)).await, "invalid_credentials", "nothing was changed");
    assert_eq!(attempt(&owner.password, Some(new), Some(&present)).await, "done");
    assert_eq!(code(world.core.list_sessions(&armed.ctx).await), "session_ended");
    assert_eq!(attempt(new, None, Some(&armed.recovery[0])).await, "done");
}

/// Reddens when the secret is not sealed for its owner.
async fn a_secret_moved_to_another_person_opens_nothing(db: Db) {
    let world = world(db.clone()).await;
    let (owner, viewer) = (world.arm("owner").await, world.arm("viewer").await);
    let (from, to) = (world.demo.users["viewer"].id, world.demo.users["owner"].id);
    let moved = db.write(move |tx| {
        Box::pin(async move {
            let row = keywright_store::second_factors::find(tx, from).await?.unwrap();
            tx.execute_one("UPDATE second_factors SET sealed = $2 WHERE user_id = $1", &[to.into(), row.sealed.into()]).await
        })
    });
    moved.await.unwrap();
    for device in [&owner.device, &viewer.device] {
        assert_eq!(code(world.enter("owner", Some(&device.code(world.clock.now()))).await), "server_error");
    }
    assert_eq!(code(world.enter("owner", None).await), "second_factor_required", "it is not taken for none");
}

/// Reddens when one of these is not told, or a secret stands in the log.
async fn what_happens_is_told_by_mail_and_in_the_log(db: Db) {
    let world = world(db.clone()).await;
    let armed = world.arm("owner").await;
    world.enter("owner", Some(&armed.recovery[0])).await.unwrap();
    world.core.renew_recovery_codes(&armed.ctx, &armed.device.code(world.clock.now())).await.unwrap();
    world.clock.advance(STEP);
    let ctx = Context { now: world.clock.now(), ..armed.ctx.clone() };
    world.core.remove_second_factor(&ctx, &armed.device.code(world.clock.now())).await.unwrap();
    world.arm("owner").await;
    world.core.reset_second_factor(&world.host(), "owner@acme.example").await.unwrap();
    use SecondFactorEvent::{NewRecoveryCodes, RecoveryCodeUsed, Reset, TurnedOff, TurnedOn};
    assert_eq!(world.second_factor_mail().await, [TurnedOn, RecoveryCodeUsed { left: 9 }, NewRecoveryCodes, TurnedOff, TurnedOn, Reset]);
    let told = async |root: OrganizationId| {
        let events = db.read(move |tx| {
            Box::pin(async move {
                assert!(is_whole(tx, root).await?);
                Ok::<_, Error>(keywright_store::log::list_changes(tx, root, (0, i64::MAX)).await?)
            })
        });
        let mut events: Vec<_> =
            events.await.unwrap().into_iter().filter(|event| event.action.contains("Second") || event.action.contains("Recovery")).collect();
        events.sort_by_key(|event| event.sequence);
        events
            .into_iter()
            .map(|event| format!("{} {} {} {}", event.actor_kind, event.action, event.subject, event.reason).trim().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        told(world.demo.acme.id).await,
        [
            "user Second Factor Enable owner@acme.example",
            "user Recovery Code Use owner@acme.example 9 left",
            "user Recovery Codes Create owner@acme.example",
            "user Second Factor Disable owner@acme.example",
            "user Second Factor Enable owner@acme.example"
        ]
    );
    assert_eq!(told(OrganizationId::from(uuid::Uuid::nil())).await, ["host Second Factor Reset owner@acme.example"]);
}
