//! Webhooks: what is written for them, who hears of what, and what becomes of it.

use crate::{
    members::code,
    support::{ISSUER, World, world},
};
use keywright_core::{
    Context, Error,
    activity::{Filter, Log},
    authorize::FRESH,
    members::RoleChange,
    webhooks::{
        DeliveryRow, NewWebhook, PER_ROOT, Reach, State, WebhookChange,
        delivery::{Attempt, DueDelivery, Fate, UnderWay},
    },
};
use keywright_db::{Db, Location, Writes, on_both_engines, testing};
use keywright_protocol::{DeliveryId, KeyId, OrganizationId, Time, WebhookId, admin::RolesIn};
use serde_json::{Value, json};
use std::time::Duration;

on_both_engines!(Writes::Revisioned, keywright_store::MIGRATIONS;
    a_change_and_what_webhooks_hear_of_it_are_one,
    only_those_hear_that_asked_for_it_and_may,
    it_is_tried_with_growing_pauses_for_a_day_under_one_id,
    what_fails_for_five_days_is_suspended_and_told,
    a_restart_loses_nothing,
    what_is_old_is_removed,
    who_may_make_and_widen_them,
    there_is_a_limit_for_each_root,
    it_is_sent_again_when_somebody_asks,
    what_waits_ends_with_its_webhook_or_organization,
    what_was_altered_is_not_sent_to,
    where_nothing_is_to_be_sent_nothing_is_written,
    a_page_follows_another,
);

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const URL: &str = "https://hooks.example.com/keywright?token=canary-of-the-address";

fn new(name: &str, actions: &[&str], reach: Reach) -> NewWebhook {
    NewWebhook { name: name.to_owned(), url: URL.to_owned(), actions: actions.iter().map(|name| (*name).to_owned()).collect(), reach }
}

impl World {
    /// Makes one on the host; what it is told of that is taken.
    async fn webhook(&self, organization: OrganizationId, actions: &[&str], reach: Reach) -> WebhookId {
        let made = self.core.create_webhook(&self.host(), organization, new("hook", actions, reach)).await.unwrap();
        self.deliver_all().await;
        made.value.0.id
    }

    async fn due_now(&self) -> Vec<DueDelivery> {
        self.core.take_due_deliveries(self.clock.now(), &UnderWay::default()).await.unwrap()
    }

    /// Takes all that is due, as if it were delivered.
    async fn deliver_all(&self) -> Vec<DueDelivery> {
        let mut all = Vec::new();
        loop {
            let due = self.due_now().await;
            if due.is_empty() {
                return all;
            }
            for one in &due {
                assert_eq!(self.settle_as(one, Attempt::Delivered(204)).await, Fate::Delivered);
            }
            all.extend(due);
        }
    }

    async fn settle_as(&self, due: &DueDelivery, attempt: Attempt) -> Fate {
        self.core.settle_delivery(due, attempt, self.clock.now()).await.unwrap()
    }

    async fn history(&self, organization: OrganizationId, webhook: WebhookId) -> Vec<DeliveryRow> {
        self.core.list_deliveries(&self.host(), (organization, webhook), None, 1_000).await.unwrap().rows
    }

    async fn invite_to(&self, organization: OrganizationId, email: &str) -> Result<(), Error> {
        let grants = vec![RolesIn { organization_id: organization, roles: vec!["view-build".to_owned()] }];
        self.core.invite(&self.host(), organization, email, grants).await.map(|_| ())
    }

    fn step_to(&self, time: Time) {
        self.clock.advance(Duration::from_millis((time.as_millis() - self.clock.now().as_millis()) as u64));
    }
}

fn failed(status: Option<u16>, reason: &str) -> Attempt {
    Attempt::Failed { status, reason: reason.to_owned() }
}

fn body(due: &DueDelivery) -> Value {
    serde_json::from_str(&due.body).unwrap()
}

async fn rows(db: &Db) -> usize {
    db.read(|tx| Box::pin(async move { tx.fetch_all("SELECT id FROM webhook_deliveries", &[]).await })).await.unwrap().len()
}

/// Reddens when a delivery is not of the change's transaction, or says something else than the log.
async fn a_change_and_what_webhooks_hear_of_it_are_one(db: Db) {
    let world = world(db.clone()).await;
    let acme = world.demo.acme.id;
    let webhook = world.webhook(acme, &[], Reach::Organization).await;
    let owner = world.person("owner", 0).await;
    world.deliver_all().await;
    let before = rows(&db).await;
    let viewer = world.demo.users["viewer"].id;
    let roles = RoleChange::Replace(vec!["view-build".to_owned()]);
    world.core.change_roles(&owner, acme, viewer, roles).await.unwrap();
    let [due] = <[DueDelivery; 1]>::try_from(world.due_now().await).unwrap_or_else(|due| panic!("{}", due.len()));
    let event = world.core.activity(&owner, Some(acme), Filter { log: Some(Log::Changes), ..Filter::default() }, None, 1).await.unwrap().events.remove(0);
    assert_eq!((due.webhook_id, due.url.as_str(), due.action.as_str(), due.attempt), (webhook, URL, "Member|RoleUpdate", 1));
    let expected = json!({
        "deliveryId": due.id, "timestamp": event.event.at, "action": "Member|RoleUpdate", "title": "Member Role Update",
        "message": "Member Role Update in Acme: viewer@acme.example",
        "item": {
            "organizationId": acme, "organization": "Acme", "rootOrganizationId": acme, "subject": "viewer@acme.example",
            "details": event.event.reason, "actor": {"kind": "user", "id": world.demo.users["owner"].id, "name": event.actor.name},
            "eventId": event.event.id, "sequence": event.event.sequence, "revision": event.event.revision, "requestId": event.event.request_id,
        },
        "links": {
            "organization": format!("{ISSUER}/identity/v1/organizations/{acme}"),
            "activity": format!("{ISSUER}/identity/v1/organizations/{acme}/activity"),
        },
    });
    assert_eq!(body(&due), expected);
    assert!(due.body.starts_with(&format!(r#"{{"deliveryId":"{}","timestamp":""#, due.id)), "the contract's order: {}", due.body);
    // What is refused, and what is made and taken back, is told to nobody.
    assert!(world.invite_to(acme, "no address").await.is_err());
    let last = world.core.remove_member(&owner, acme, world.demo.users["owner"].id).await;
    assert_eq!(code(last), "conflict");
    assert_eq!(rows(&db).await, before + 1);
}

/// Reddens when somebody hears of what he did not ask for, or of what is another's.
async fn only_those_hear_that_asked_for_it_and_may(db: Db) {
    let world = world(db).await;
    let (acme, mobile, globex) = (world.demo.acme.id, world.demo.mobile.id, world.demo.globex.id);
    let all = world.webhook(acme, &[], Reach::Organization).await;
    let tree = world.webhook(acme, &["Invite|Create", "Organization|Create", "Organization|Delete"], Reach::Tree).await;
    let sub = world.webhook(mobile, &["Invite|Create"], Reach::Organization).await;
    let other = world.webhook(globex, &[], Reach::Organization).await;
    let off = world.webhook(acme, &[], Reach::Organization).await;
    let suspend = WebhookChange { state: Some(State::Suspended), ..WebhookChange::default() };
    world.core.update_webhook(&world.host(), acme, off, suspend).await.unwrap();
    world.deliver_all().await;
    let heard = async || {
        let mut heard: Vec<(WebhookId, String)> = world.deliver_all().await.into_iter().map(|due| (due.webhook_id, due.action)).collect();
        heard.sort();
        heard
    };
    let expect = |pairs: &[(WebhookId, &str)]| {
        let mut pairs: Vec<(WebhookId, String)> = pairs.iter().map(|(id, action)| (*id, (*action).to_owned())).collect();
        pairs.sort();
        pairs
    };
    world.invite_to(acme, "one@example.com").await.unwrap();
    assert_eq!(heard().await, expect(&[(all, "Invite|Create"), (tree, "Invite|Create")]));
    world.invite_to(mobile, "two@example.com").await.unwrap();
    assert_eq!(heard().await, expect(&[(tree, "Invite|Create"), (sub, "Invite|Create")]));
    world.invite_to(globex, "three@example.com").await.unwrap();
    assert_eq!(heard().await, expect(&[(other, "Invite|Create")]));
    world.core.revoke_invitation(&world.host(), acme, "one@example.com").await.unwrap();
    assert_eq!(heard().await, expect(&[(all, "Invite|Delete")]));
    let made = world.core.create_sub_organization(&world.host(), acme, "Another").await.unwrap().value;
    world.core.delete_organization(&world.host(), made.id, "Another").await.unwrap();
    assert_eq!(heard().await, expect(&[(tree, "Organization|Create"), (tree, "Organization|Delete")]));
    // What concerns the installation is nobody's.
    world.core.disable_user(&world.host(), world.demo.users["viewer"].id).await.unwrap();
    assert_eq!(heard().await, []);
    // Nobody hears of his own end, and what happens to a suspended organization is not told there.
    world.core.suspend_organization(&world.host(), mobile).await.unwrap();
    world.core.rename_organization(&world.host(), mobile, "Renamed").await.unwrap();
    world.invite_to(mobile, "four@example.com").await.unwrap();
    assert_eq!(heard().await, expect(&[(tree, "Invite|Create")]));
    world.core.suspend_organization(&world.host(), acme).await.unwrap();
    world.invite_to(acme, "five@example.com").await.unwrap();
    assert_eq!(heard().await, []);
    world.core.resume_organization(&world.host(), acme).await.unwrap();
    assert_eq!(heard().await, expect(&[(all, "Organization|Resume")]));
}

/// Reddens when an attempt is not counted before it is made, pauses do not grow, the id changes, or it goes on for ever.
async fn it_is_tried_with_growing_pauses_for_a_day_under_one_id(db: Db) {
    let world = world(db).await;
    let acme = world.demo.acme.id;
    let webhook = world.webhook(acme, &[], Reach::Organization).await;
    world.invite_to(acme, "new@example.com").await.unwrap();
    let (mut pauses, mut last, written, mut first) = (Vec::new(), world.clock.now(), world.clock.now(), None);
    let given_up = loop {
        let due = world.due_now().await;
        assert!(world.due_now().await.is_empty(), "it is being tried already");
        let [due] = due.as_slice() else { panic!("{}", due.len()) };
        let known = first.get_or_insert((due.id, due.body.clone()));
        assert_eq!((known.0, &known.1, due.attempt), (due.id, &due.body, pauses.len() as i64 + 1), "one id and one body for ever");
        let fate = world.settle_as(due, failed(Some(503), "the answer was 503")).await;
        let row = world.history(acme, webhook).await.remove(0);
        assert_eq!((row.attempts, row.status, row.failure.as_str(), row.attempted_at), (due.attempt, Some(503), "the answer was 503", Some(world.clock.now())));
        match fate {
            Fate::Waits(next) => {
                assert_eq!((row.next_attempt_at, row.failed_at, row.delivered_at), (next, None, None));
                world.step_to(Time::from_millis(next.as_millis() - 1));
                assert!(world.due_now().await.is_empty(), "not a millisecond too early");
                world.clock.advance(Duration::from_millis(1));
            }
            Fate::GivenUp => break row,
            Fate::Delivered | Fate::Suspended => panic!("{fate:?}"),
        }
        pauses.push((world.clock.now().as_millis() - last.as_millis()) / 60_000);
        last = world.clock.now();
    };
    assert_eq!(pauses.iter().take(9).copied().collect::<Vec<_>>(), [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    let tried_for = last.as_millis() - written.as_millis();
    assert!(tried_for <= 86_400_000 && tried_for > 86_400_000 - 3_600_000, "{tried_for}");
    assert_eq!(given_up.failed_at, Some(world.clock.now()));
    world.clock.advance(DAY);
    assert!(world.due_now().await.is_empty());
    let shown = world.core.get_webhook(&world.host(), acme, webhook).await.unwrap();
    assert_eq!((shown.failing_since, shown.suspended_at), (Some(written), None));
    // What is delivered ends that.
    world.invite_to(acme, "other@example.com").await.unwrap();
    let due = world.deliver_all().await;
    let row = world.history(acme, webhook).await.remove(0);
    assert_eq!((row.id, row.status, row.failure.as_str(), row.delivered_at), (due[0].id, Some(204), "", Some(world.clock.now())));
    assert_eq!(world.core.get_webhook(&world.host(), acme, webhook).await.unwrap().failing_since, None);
}

/// Reddens when a dead receiver is sent to for ever, or is given up for one bad day.
async fn what_fails_for_five_days_is_suspended_and_told(db: Db) {
    let world = world(db).await;
    let acme = world.demo.acme.id;
    let webhook = world.webhook(acme, &["Invite|Create"], Reach::Organization).await;
    let other = world.webhook(acme, &["Webhook|Update"], Reach::Organization).await;
    let begun = world.clock.now();
    let mut number = 0;
    loop {
        number += 1;
        world.invite_to(acme, &format!("new{number}@example.com")).await.unwrap();
        let mut suspended = false;
        for _ in 0..200 {
            for due in world.due_now().await {
                suspended |= world.settle_as(&due, failed(None, "it is gone")).await == Fate::Suspended;
            }
            if suspended || world.clock.now() >= begun.plus(DAY * number) {
                break;
            }
            world.clock.advance(HOUR / 2);
        }
        if suspended {
            break;
        }
        assert!(number < 8, "{number}");
    }
    let days = (world.clock.now().as_millis() - begun.as_millis()) as f64 / 86_400_000.0;
    assert!((5.0..6.0).contains(&days), "{days}");
    let shown = world.core.get_webhook(&world.host(), acme, webhook).await.unwrap();
    assert_eq!((shown.suspended_at, shown.suspended_for.as_str()), (Some(world.clock.now()), "nothing could be delivered for five days"));
    let due = world.deliver_all().await;
    assert_eq!(due.iter().map(|due| due.webhook_id).collect::<Vec<_>>(), [other], "what waited for the dead one has ended");
    assert_eq!(body(&due[0])["item"]["details"], "hook: suspended, since nothing could be delivered for five days");
    assert_eq!(body(&due[0])["item"]["actor"], json!({"kind": "host", "id": null, "name": ""}));
    // Resumed, it begins anew.
    let resume = WebhookChange { state: Some(State::Active), ..WebhookChange::default() };
    let resumed = world.core.update_webhook(&world.host(), acme, webhook, resume).await.unwrap().value;
    assert_eq!((resumed.suspended_at, resumed.failing_since, resumed.suspended_for.as_str()), (None, None, ""));
    world.invite_to(acme, "last@example.com").await.unwrap();
    assert!(world.deliver_all().await.iter().any(|due| due.webhook_id == webhook));
}

/// Reddens when what was handed out is forgotten with the process that had it.
async fn a_restart_loses_nothing(db: Db) {
    let world = world(db.clone()).await;
    let acme = world.demo.acme.id;
    world.webhook(acme, &[], Reach::Organization).await;
    world.invite_to(acme, "new@example.com").await.unwrap();
    let [taken] = <[DueDelivery; 1]>::try_from(world.due_now().await).unwrap_or_else(|due| panic!("{}", due.len()));
    let again = world.restart(db).await;
    let none = UnderWay::default();
    assert!(again.take_due_deliveries(world.clock.now(), &none).await.unwrap().is_empty(), "somebody may have sent it a moment ago");
    world.clock.advance(MINUTE);
    let due = again.take_due_deliveries(world.clock.now(), &none).await.unwrap();
    assert_eq!((due.len(), due[0].id, due[0].attempt, &due[0].body), (1, taken.id, 2, &taken.body));
    assert_eq!(due[0].secret.as_str(), taken.secret.as_str());
}

/// Reddens when rows stay for ever, or what waits is removed.
async fn what_is_old_is_removed(db: Db) {
    let world = world(db.clone()).await;
    let acme = world.demo.acme.id;
    let webhook = world.webhook(acme, &["Invite|Create"], Reach::Organization).await;
    world.invite_to(acme, "new@example.com").await.unwrap();
    world.deliver_all().await;
    world.clock.advance(DAY);
    world.invite_to(acme, "other@example.com").await.unwrap();
    assert_eq!(rows(&db).await, 2);
    world.clock.advance(DAY * 29);
    assert_eq!(world.core.prune_webhooks(world.clock.now()).await.unwrap(), 0, "not a millisecond too early");
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(world.core.prune_webhooks(world.clock.now()).await.unwrap(), 1);
    world.clock.advance(DAY * 29);
    assert_eq!((world.core.prune_webhooks(world.clock.now()).await.unwrap(), rows(&db).await), (0, 1), "what still waits is not removed");
    // A deleted one is forgotten when nothing is left of what was sent to it.
    world.core.delete_webhook(&world.host(), acme, webhook).await.unwrap();
    let left = async || db.read(|tx| Box::pin(async move { tx.fetch_all("SELECT sealed FROM webhooks", &[]).await })).await.unwrap();
    assert_eq!(left().await.iter().map(|row| row.get::<Vec<u8>>("sealed").unwrap().len()).collect::<Vec<_>>(), [0], "address and secret are forgotten");
    world.core.prune_webhooks(world.clock.now()).await.unwrap();
    assert_eq!((rows(&db).await, left().await.len()), (0, 1));
    world.clock.advance(DAY * 31);
    assert_eq!((world.core.prune_webhooks(world.clock.now()).await.unwrap(), left().await.len()), (1, 0));
}

/// Reddens when a key, a stale session, or somebody who may not read what is heard, makes a webhook hear more or send elsewhere.
async fn who_may_make_and_widen_them(db: Db) {
    let world = world(db).await;
    let (acme, mobile) = (world.demo.acme.id, world.demo.mobile.id);
    let create = async |ctx: &Context, place, reach| code(world.core.create_webhook(ctx, place, new("hook", &[], reach)).await);
    let stale = i64::try_from(FRESH.as_secs()).unwrap();
    let (owner, manager, viewer) = (world.person("owner", 0).await, world.person("manager", 0).await, world.person("viewer", 0).await);
    let stale_owner = world.person("owner", stale).await;
    let api_key: KeyId = world.demo.api_keys["acme-ci"].id;
    let grants = [RolesIn { organization_id: acme, roles: vec!["manage-organization".to_owned()] }];
    let managing = world.core.create_api_key(&world.host(), acme, "managing", &grants, None).await.unwrap().id;
    let (weak, key) = (world.token(api_key, acme), world.token(managing, acme));
    for (ctx, place, reach, expected) in [
        (&owner, acme, Reach::Tree, "done"),
        (&owner, acme, Reach::Organization, "done"),
        (&owner, mobile, Reach::Organization, "done"),
        (&owner, mobile, Reach::Tree, "invalid_request"),
        (&manager, acme, Reach::Organization, "done"),
        (&manager, acme, Reach::Tree, "insufficient_permission"),
        (&viewer, acme, Reach::Organization, "insufficient_permission"),
        (&stale_owner, acme, Reach::Organization, "session_not_fresh"),
        (&key, acme, Reach::Organization, "insufficient_permission"),
        (&weak, acme, Reach::Organization, "insufficient_permission"),
        (&world.person("submember", 0).await, acme, Reach::Organization, "not_found"),
        (&world.person("globexowner", 0).await, acme, Reach::Organization, "not_found"),
    ] {
        assert_eq!(create(ctx, place, reach).await, expected, "{:?} {reach:?}", ctx.actor);
    }
    let narrow = world.webhook(acme, &["Invite|Create", "Member|Assign"], Reach::Organization).await;
    let tree = world.webhook(acme, &["Invite|Create"], Reach::Tree).await;
    let change = async |ctx: &Context, id, change: WebhookChange| code(world.core.update_webhook(ctx, acme, id, change).await);
    let nothing = WebhookChange::default;
    let actions = |names: &[&str]| WebhookChange { actions: Some(names.iter().map(|name| (*name).to_owned()).collect()), ..nothing() };
    let changes = [
        WebhookChange { url: Some("https://thief.example/".to_owned()), ..nothing() },
        actions(&[]),
        actions(&["Invite|Create"]),
        WebhookChange { reach: Some(Reach::Tree), ..nothing() },
        WebhookChange { name: Some("another".to_owned()), ..nothing() },
        WebhookChange { state: Some(State::Suspended), ..nothing() },
        WebhookChange { state: Some(State::Active), ..nothing() },
    ];
    for (number, change_of) in changes.iter().enumerate() {
        assert_eq!(change(&stale_owner, narrow, change_of.clone()).await, "session_not_fresh", "{number}");
        for other in [&key, &weak, &viewer] {
            assert_eq!(change(other, narrow, change_of.clone()).await, "insufficient_permission", "{number}");
        }
        let expected = if change_of.reach.is_some() { "insufficient_permission" } else { "done" };
        assert_eq!(change(&manager, narrow, change_of.clone()).await, expected, "{number}");
    }
    for (ctx, expected) in [(&stale_owner, "session_not_fresh"), (&key, "insufficient_permission")] {
        assert_eq!(code(world.core.rotate_webhook(ctx, acme, narrow).await), expected);
        assert_eq!(code(world.core.delete_webhook(ctx, acme, narrow).await), expected, "to end one is to silence it");
    }
    // What is heard of a tree is for Owners.
    assert_eq!(change(&manager, tree, WebhookChange { url: Some("https://thief.example/".to_owned()), ..nothing() }).await, "insufficient_permission");
    assert_eq!(change(&manager, tree, WebhookChange { reach: Some(Reach::Organization), ..nothing() }).await, "insufficient_permission");
    assert_eq!(code(world.core.list_deliveries(&manager, (acme, tree), None, 5).await), "insufficient_permission");
    assert_eq!(code(world.core.rotate_webhook(&manager, acme, tree).await), "insufficient_permission");
    assert_eq!(code(world.core.delete_webhook(&manager, acme, tree).await), "insufficient_permission");
    assert_eq!(code(world.core.list_deliveries(&owner, (acme, tree), None, 5).await), "done");
    // A webhook is found in its organization alone.
    for (place, id) in [(mobile, narrow), (world.demo.globex.id, narrow)] {
        assert_eq!(code(world.core.get_webhook(&world.host(), place, id).await), "not_found");
        assert_eq!(code(world.core.delete_webhook(&world.host(), place, id).await), "not_found");
    }
    let others = world.core.ping_webhook(&key, acme, narrow).await.unwrap().value;
    assert_eq!(code(world.core.redeliver(&world.host(), (acme, tree), others).await), "not_found", "another webhook's");
    assert_eq!(code(world.core.redeliver(&key, (acme, narrow), others).await), "done", "a token sends again what was sent there");
    for bad in [WebhookChange { name: Some(String::new()), ..nothing() }, actions(&["No|Such"])] {
        assert_eq!(change(&owner, narrow, bad).await, "invalid_request");
    }
}

/// Reddens when sub-organizations have limits of their own, or deleted ones count.
async fn there_is_a_limit_for_each_root(db: Db) {
    let world = world(db).await;
    let (acme, mobile) = (world.demo.acme.id, world.demo.mobile.id);
    let mut last = None;
    for number in 0..PER_ROOT {
        last = Some(world.webhook(if number % 2 == 0 { acme } else { mobile }, &["Invite|Create"], Reach::Organization).await);
    }
    for place in [acme, mobile] {
        let refused = world.core.create_webhook(&world.host(), place, new("hook", &[], Reach::Organization)).await;
        assert!(refused.is_err_and(|error| error.to_string().contains("20 webhooks at most; delete one first")));
    }
    world.webhook(world.demo.globex.id, &[], Reach::Organization).await;
    world.core.delete_webhook(&world.host(), mobile, last.unwrap()).await.unwrap();
    world.webhook(acme, &[], Reach::Organization).await;
}

/// Reddens when it is another delivery then, or a suspended webhook is sent to.
async fn it_is_sent_again_when_somebody_asks(db: Db) {
    let world = world(db).await;
    let acme = world.demo.acme.id;
    let webhook = world.webhook(acme, &["Invite|Create"], Reach::Organization).await;
    world.invite_to(acme, "new@example.com").await.unwrap();
    let [sent] = <[DueDelivery; 1]>::try_from(world.deliver_all().await).unwrap_or_else(|due| panic!("{}", due.len()));
    world.clock.advance(DAY * 3);
    world.core.redeliver(&world.host(), (acme, webhook), sent.id).await.unwrap();
    let [again] = <[DueDelivery; 1]>::try_from(world.due_now().await).unwrap_or_else(|due| panic!("{}", due.len()));
    assert_eq!((again.id, &again.body, again.attempt), (sent.id, &sent.body, 2));
    assert_eq!(world.settle_as(&again, failed(None, "gone")).await, Fate::GivenUp, "its day is over: one attempt each time");
    // A trial, one at a time.
    let ping = world.core.ping_webhook(&world.host(), acme, webhook).await.unwrap().value;
    assert_eq!(code(world.core.ping_webhook(&world.host(), acme, webhook).await), "conflict");
    let [due] = <[DueDelivery; 1]>::try_from(world.deliver_all().await).unwrap_or_else(|due| panic!("{}", due.len()));
    assert_eq!((due.id, due.action.as_str(), &body(&due)["item"]["subject"]), (ping, "Webhook|Ping", &json!("hook")));
    world.core.ping_webhook(&world.host(), acme, webhook).await.unwrap();
    let suspend = WebhookChange { state: Some(State::Suspended), ..WebhookChange::default() };
    world.core.update_webhook(&world.host(), acme, webhook, suspend).await.unwrap();
    assert_eq!(code(world.core.ping_webhook(&world.host(), acme, webhook).await), "conflict");
    assert_eq!(code(world.core.redeliver(&world.host(), (acme, webhook), sent.id).await), "conflict");
    assert!(world.due_now().await.is_empty());
    assert_eq!(code(world.core.redeliver(&world.host(), (acme, webhook), DeliveryId::from(acme.as_uuid())).await), "conflict", "said before what is there");
}

/// Reddens when something is sent for whoever is not there any more.
async fn what_waits_ends_with_its_webhook_or_organization(db: Db) {
    let world = world(db.clone()).await;
    let (acme, mobile) = (world.demo.acme.id, world.demo.mobile.id);
    let (one, two, three) = (
        world.webhook(mobile, &["Invite|Create"], Reach::Organization).await,
        world.webhook(acme, &["Invite|Create"], Reach::Tree).await,
        world.webhook(acme, &["Invite|Create"], Reach::Organization).await,
    );
    world.invite_to(acme, "new@example.com").await.unwrap();
    world.invite_to(mobile, "other@example.com").await.unwrap();
    let due = world.due_now().await;
    assert_eq!(due.len(), 4);
    for due in &due {
        world.settle_as(due, failed(None, "later")).await;
    }
    world.clock.advance(MINUTE);
    let suspend = WebhookChange { state: Some(State::Suspended), ..WebhookChange::default() };
    world.core.update_webhook(&world.host(), acme, three, suspend).await.unwrap();
    world.core.suspend_organization(&world.host(), mobile).await.unwrap();
    let due = world.due_now().await;
    assert!(due.len() == 2 && due.iter().all(|due| due.webhook_id == two), "{}", due.len());
    for (place, webhook) in [(mobile, one), (acme, three)] {
        let row = world.history(place, webhook).await.remove(0);
        assert!(row.failed_at == Some(world.clock.now()) && row.failure.starts_with("not tried any more"), "{row:?}");
    }
    // What is under way when its webhook is deleted does no harm.
    world.core.delete_webhook(&world.host(), acme, two).await.unwrap();
    assert_eq!(world.settle_as(&due[0], failed(None, "later")).await, Fate::Waits(due[0].next_attempt_at));
    assert_eq!(world.settle_as(&due[1], Attempt::Delivered(200)).await, Fate::Delivered);
    world.clock.advance(DAY);
    assert!(world.due_now().await.is_empty());
    assert_eq!(code(world.core.list_deliveries(&world.host(), (acme, two), None, 5).await), "not_found");
    // With an organization go the addresses and secrets of its webhooks.
    let left = async || db.read(|tx| Box::pin(async move { tx.fetch_all("SELECT id FROM webhooks WHERE length(sealed) > 0", &[]).await })).await.unwrap().len();
    let globex = world.webhook(world.demo.globex.id, &[], Reach::Organization).await;
    assert_eq!(left().await, 3);
    world.core.delete_organization(&world.host(), acme, "Acme").await.unwrap();
    assert_eq!((left().await, world.core.get_webhook(&world.host(), world.demo.globex.id, globex).await.is_ok()), (1, true));
}

/// Reddens when a row that does not open keeps others from being sent, or an address that was planted is sent to.
async fn what_was_altered_is_not_sent_to(db: Db) {
    let world = world(db.clone()).await;
    let acme = world.demo.acme.id;
    let (one, two) = (world.webhook(acme, &[], Reach::Organization).await, world.webhook(acme, &[], Reach::Organization).await);
    world.deliver_all().await;
    let alter = "UPDATE webhooks SET sealed = (SELECT sealed FROM webhooks WHERE id = $2) WHERE id = $1";
    db.write(move |tx| Box::pin(async move { tx.execute_one(alter, &[one.into(), two.into()]).await })).await.unwrap();
    world.invite_to(acme, "new@example.com").await.unwrap();
    assert_eq!(world.deliver_all().await.iter().map(|due| due.webhook_id).collect::<Vec<_>>(), [two]);
    assert_eq!(world.core.get_webhook(&world.host(), acme, one).await.unwrap().url, None);
    assert_eq!(world.core.list_webhooks(&world.host(), acme).await.unwrap().len(), 2, "it hides no other");
    assert!(world.history(acme, one).await[0].failure.contains("altered"));
    assert_eq!(code(world.core.rotate_webhook(&world.host(), acme, one).await), "conflict");
    world.core.delete_webhook(&world.host(), acme, one).await.unwrap();
}

/// Reddens when looking for what is due raises the revision.
async fn where_nothing_is_to_be_sent_nothing_is_written(db: Db) {
    let world = world(db.clone()).await;
    let acme = world.demo.acme.id;
    let webhook = world.webhook(acme, &[], Reach::Organization).await;
    let revision = async || db.read(|tx| Box::pin(async move { tx.fetch_one("SELECT n FROM revision", &[]).await?.get::<i64>("n") })).await.unwrap();
    let before = revision().await;
    assert!(world.due_now().await.is_empty());
    assert_eq!(world.core.prune_webhooks(world.clock.now()).await.unwrap(), 0);
    assert_eq!(revision().await, before);
    // Nor where there is no room for more.
    let mut under_way = UnderWay::default();
    for number in 0..6 {
        world.invite_to(acme, &format!("new{number}@example.com")).await.unwrap();
    }
    let taken = world.core.take_due_deliveries(world.clock.now(), &under_way).await.unwrap();
    assert_eq!(taken.len(), 4);
    taken.iter().for_each(|due| under_way.begin(due.webhook_id, due.root_id));
    let before = revision().await;
    assert!(world.core.take_due_deliveries(world.clock.now(), &under_way).await.unwrap().is_empty());
    assert_eq!(revision().await, before);
    under_way.end(webhook, acme);
    assert_eq!(world.core.take_due_deliveries(world.clock.now(), &under_way).await.unwrap().len(), 1);
}

/// Reddens when a page leaves something out, or a cursor opens another list.
async fn a_page_follows_another(db: Db) {
    let world = world(db).await;
    let acme = world.demo.acme.id;
    let (webhook, other) = (world.webhook(acme, &[], Reach::Organization).await, world.webhook(acme, &[], Reach::Organization).await);
    for number in 0..4 {
        world.invite_to(acme, &format!("new{number}@example.com")).await.unwrap();
    }
    let all = world.history(acme, webhook).await;
    let (mut found, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let page = world.core.list_deliveries(&world.host(), (acme, webhook), cursor.as_deref(), 2).await.unwrap();
        assert!(!page.rows.is_empty() && page.rows.len() <= 2);
        found.extend(page.rows);
        cursor = page.next;
        let Some(cursor) = &cursor else { break };
        let refused = world.core.list_deliveries(&world.host(), (acme, other), Some(cursor), 2).await;
        assert_eq!(code(refused), "invalid_request");
    }
    assert!(found.len() > 5 && found == all);
}

/// Every form in which a secret may stand somewhere.
fn is_there(secret: &str, content: &[u8]) -> bool {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![secret.to_owned(), hex];
    for skipped in 0..3 {
        let encoded = STANDARD.encode(secret.get(skipped..).unwrap());
        forms.push(encoded.get(..encoded.len() - 4).unwrap().to_owned());
    }
    forms.iter().any(|form| content.windows(form.len()).any(|window| window == form.as_bytes()))
}

/// Reddens when an address or a secret is stored or told as it is, or a webhook hears a secret of anything else.
#[tokio::test]
async fn no_secret_is_in_the_database_nor_in_what_is_sent() {
    let test = testing::sqlite(Writes::Revisioned, keywright_store::MIGRATIONS).await;
    let world = world(test.db.clone()).await;
    let Location::Sqlite { path } = &test.location else { panic!("a file") };
    let (acme, host) = (world.demo.acme.id, world.host());
    let (webhook, secret) = world.core.create_webhook(&host, acme, new("hook", &[], Reach::Tree)).await.unwrap().value;
    let mut secrets = vec![secret.to_string(), "canary-of-the-address".to_owned()];
    let rotated = world.core.rotate_webhook(&host, acme, webhook.id).await.unwrap().value.1;
    assert_ne!(rotated.as_str(), secret.as_str());
    secrets.push(rotated.to_string());
    let owner = world.person("owner", 0).await;
    secrets.push(world.sign_in("manager").await);
    let grants = [RolesIn { organization_id: acme, roles: vec!["view-build".to_owned()] }];
    let api = world.core.create_api_key(&host, acme, "canary", &grants, None).await.unwrap();
    let personal = world.core.create_personal_access_key(&host, acme, world.demo.users["owner"].id, "canary", None).await.unwrap();
    secrets.extend([api.secret.reveal().to_owned(), personal.secret.reveal().to_owned()]);
    secrets.push(world.rotate(&owner, api.id, Duration::ZERO, None).await.unwrap());
    world.invite_to(acme, "new@example.com").await.unwrap();
    world.core.re_invite(&host, acme, "new@example.com").await.unwrap();
    world.core.request_reset(&world.anonymous(), "viewer@acme.example").unwrap().await.unwrap();
    secrets.extend(world.due().await.iter().map(|mail| mail.content.token().to_owned()).filter(|token| !token.is_empty()));
    secrets.push(world.demo.users["owner"].password.to_string());
    let due = world.deliver_all().await;
    assert!(due.len() >= 7 && secrets.len() >= 10, "{} {}", due.len(), secrets.len());
    assert!(due.iter().any(|due| due.secret.as_str() == rotated.as_str() && due.url == URL));
    let told = due.iter().map(|due| due.body.as_str()).collect::<String>();
    for file in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        let content = std::fs::read(file.unwrap().path()).unwrap();
        for secret in &secrets {
            assert!(!is_there(secret, &content), "in a file of the database");
        }
    }
    assert!(secrets.iter().all(|secret| !is_there(secret, told.as_bytes())));
    // The host is told, and can be found.
    assert!(is_there("hooks.example.com", told.as_bytes()));
}
