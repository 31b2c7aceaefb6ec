//! A history on the real thing, with the reference beside it.

use super::{
    acts::Change,
    compare,
    operations::{Api, At, By, CATALOG, Changed, Dice, KEY_NAMES, NOWHERE, Operation, SUB_NAMES, Switch, USERS, Whom, Wish},
    reference::{Actor, DAY, Granted, Grants, Key, Kind, Membership, Millis, Model, NewApi, No, Patch, Rules, Session, Token, Verdict},
    resolver::{Resolver, Set},
};
use crate::support;
use keywright_core::{
    Actor as CoreActor, Context, Core, Credential, Error, IssuedToken, KeyFile, KeysBring, PersonActor, RoleGiving, Settings, TokenActor,
    keys::{
        api::{ApiKeyChange, NewApiKey, Protection},
        rotation::Rotation,
    },
    members::RoleChange,
};
use keywright_db::Db;
use keywright_protocol::{Clock, KeyId, KeyKind, OrganizationId, SessionId, Time, UserId, admin::RolesIn};
use keywright_store::users::Password;
use std::{cell::RefCell, collections::BTreeMap, rc::Rc, sync::Arc, time::Duration};

/// Where requests come from: a part of a network, the rest of it, elsewhere.
const ADDRESSES: [&str; 3] = ["10.1.0.1", "10.2.0.1", "192.0.2.1"];
/// The networks that a key may be narrowed to.
const NETWORKS: [&[&str]; 3] = [&[], &["10.0.0.0/8"], &["10.1.0.0/16"]];
/// Tokens that are kept to act by.
const KEPT_TOKENS: usize = 40;

/// A core that many histories share, each with organizations and users of its own.
pub(crate) struct Bench {
    pub(crate) core: Arc<Core>,
    pub(crate) db: Db,
    /// How often which operation had which outcome.
    pub(crate) tally: RefCell<BTreeMap<(&'static str, &'static str), usize>>,
    /// What another core on a copy of the database needs.
    pub(crate) key_file: String,
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    rules: Rules,
    resolver: Resolver,
}

/// What operators set differently.
pub(crate) const VARIANTS: usize = 4;

impl Bench {
    pub(crate) async fn start(db: Db, variant: usize) -> Self {
        let rules = Rules {
            managers_give_any: variant == 1,
            keys_bring: variant != 2,
            personal_limit: if variant == 3 { 2 } else { 4 },
            api_limit: if variant == 3 { 2 } else { 5 },
        };
        let clock = Clock::stepped(Time::from_seconds(1_800_000_000));
        let settings = Settings {
            own_catalog: Some(CATALOG.to_owned()),
            role_giving: if rules.managers_give_any { RoleGiving::ManagersGiveAny } else { RoleGiving::WithinOwn },
            keys_bring: if rules.keys_bring { KeysBring::WithinGrant } else { KeysBring::Nobody },
            personal_access_keys_per_member: i64::try_from(rules.personal_limit).unwrap(),
            api_keys_per_root: i64::try_from(rules.api_limit).unwrap(),
            ..Settings::new(support::ISSUER)
        };
        let key_file = KeyFile::generate().unwrap().to_text().unwrap().to_string();
        let core = Core::start_on(db.clone(), KeyFile::parse(&key_file).unwrap(), settings.clone(), clock.clone()).await.unwrap();
        let resolver = Resolver::new(core.catalog().catalog.document().clone());
        Self { core, db, tally: RefCell::default(), key_file, settings, clock, rules, resolver }
    }

    /// Carries a history out, in a world of its own.
    pub(crate) async fn run(&self, seed: u64, history: &[(u64, Operation)]) -> Result<(), String> {
        let mut world = World::begin(self, seed).await;
        for (at, (chance, operation)) in history.iter().enumerate() {
            world.dice = Dice(*chance);
            let told = |problem: String| format!("operation {at}, {operation:?}: {problem}");
            world.step(operation).await.map_err(told)?;
            if (at + 1) % 10 == 0 || at + 1 == history.len() {
                compare::tables(&mut world).await.map_err(told)?;
            }
            if at == history.len() / 2 {
                compare::exchanges(&mut world).await.map_err(told)?;
            }
        }
        compare::exchanges(&mut world).await?;
        compare::tables(&mut world).await?;
        compare::lists(&world).await
    }
}

/// A token that may still be about.
pub(crate) struct Issued {
    pub(crate) key: usize,
    pub(crate) secret: usize,
    pub(crate) place: usize,
    pub(crate) granted: Granted,
    pub(crate) narrowness: usize,
    /// It carries more than its holder has since: its generation must end.
    pub(crate) must_end: bool,
    /// Something happened to its key: its generation may end.
    pub(crate) may_end: bool,
}

pub(crate) struct World<'a> {
    pub(crate) bench: &'a Bench,
    pub(crate) model: Model<'a>,
    pub(crate) organizations: Vec<OrganizationId>,
    pub(crate) users: Vec<UserId>,
    pub(crate) keys: Vec<KeyId>,
    pub(crate) secrets: Vec<Vec<String>>,
    pub(crate) sessions: Vec<SessionId>,
    /// By status index.
    pub(crate) issued: BTreeMap<i64, Issued>,
    pub(crate) dice: Dice,
    tokens: Vec<Token>,
}

/// What the reference says, and what came.
type Step = (Verdict, Result<Made, Error>);

/// What may change hands in an operation.
enum Made {
    Nothing,
    Organization(OrganizationId),
    Key(KeyId, String),
    Secret(usize, String),
}

impl<'a> World<'a> {
    /// Two roots with two sub-organizations each, and five people with a few keys.
    pub(crate) async fn begin(bench: &'a Bench, seed: u64) -> Self {
        let model = Model::new(&bench.resolver, bench.rules, bench.clock.now().as_millis());
        let mut world = Self {
            bench,
            model,
            organizations: Vec::new(),
            users: Vec::new(),
            keys: Vec::new(),
            secrets: Vec::new(),
            sessions: Vec::new(),
            issued: BTreeMap::new(),
            dice: Dice(seed ^ 0x5eed),
            tokens: Vec::new(),
        };
        let (core, host) = (&bench.core, world.context(CoreActor::System));
        for root in 0..2 {
            world.model.create_root("Root");
            let id = core.create_root(&host, "Root").await.unwrap().id;
            world.organizations.push(id);
            for name in [0, 1] {
                world.step(&Operation::CreateSub { by: By::Host, parent: root * 6 + 1, name }).await.unwrap();
            }
        }
        for user in 0..USERS {
            world.model.users.push(false);
            let row = core.create_user(&host, &format!("{}@example.com", uuid_of(&mut world.dice)), &format!("User {user}"), Password::None).await.unwrap();
            world.users.push(row.id);
        }
        for (place, user, roles) in [
            (0, 0, &["owner"][..]),
            (0, 1, &["manage-organization", "clerk"]),
            (1, 1, &["steward", "packer"]),
            (1, 2, &["clerk"]),
            (0, 4, &[]),
            (2, 0, &[]),
            (2, 4, &["keykeeper", "clerk"]),
            (3, 3, &["owner"]),
            (3, 1, &["view-organization", "postman"]),
            (4, 2, &["manage-organization"]),
        ] {
            world.seat(place, user, roles).await;
        }
        for (place, user) in [(0, 0), (0, 1), (1, 1), (2, 4), (3, 3), (4, 2)] {
            world.step(&Operation::MakePersonal { by: By::Host, place: place * 2 + 1, holder: Some(user), life: Some(300 * DAY) }).await.unwrap();
        }
        for (place, name, grants) in
            [(0, 0, vec![(0, roles(&["manage-organization", "clerk"])), (2, roles(&["steward"]))]), (4, 1, vec![(0, roles(&["packer"]))])]
        {
            let api = Api { name, grants, delay: None, life: Some(300 * DAY), narrowness: 0, protection: Switch::Off };
            world.step(&Operation::MakeApi { by: By::Host, place: place * 2 + 1, api }).await.unwrap();
        }
        world
    }

    async fn seat(&mut self, place: usize, user: usize, held: &[&str]) {
        let host = self.context(CoreActor::System);
        let (id, change) = (self.organizations[place], RoleChange::Replace(held.iter().map(|role| (*role).to_owned()).collect()));
        self.bench.core.change_roles(&host, id, self.users[user], change).await.unwrap();
        self.model.memberships.push(Membership { place, user, roles: roles(held), ended: false });
    }

    pub(crate) fn context(&self, actor: CoreActor) -> Context {
        Context { actor, client_ip: None, ..Context::system(self.bench.clock.now()).unwrap() }
    }

    fn time(&self, delay: Millis) -> Time {
        Time::from_millis(self.model.now + delay)
    }

    pub(crate) fn id_of(&self, place: usize) -> OrganizationId {
        self.organizations.get(place).copied().unwrap_or_else(|| uuid::Uuid::from_u128(7).into())
    }

    fn user_id(&self, user: usize) -> UserId {
        self.users.get(user).copied().unwrap_or_else(|| uuid::Uuid::from_u128(7).into())
    }

    fn key_id(&self, key: usize) -> KeyId {
        self.keys.get(key).copied().unwrap_or_else(|| uuid::Uuid::from_u128(7).into())
    }

    /// Whether somebody is anybody there; strangers are refused all alike, and most should not be strangers.
    fn has_business(&self, actor: &Actor, place: usize) -> bool {
        match actor {
            Actor::Host => true,
            Actor::Person(session) => self.model.roles(place, self.model.sessions[*session].user).is_some(),
            Actor::Token(token) => place == token.place || self.model.organizations[place].root == token.place,
        }
    }

    /// An organization by number; every other time one that the actor has business in.
    fn place(&self, actor: &Actor, number: usize) -> usize {
        let own = number.is_multiple_of(2);
        let places = (0..self.organizations.len()).filter(|place| !own || self.has_business(actor, *place));
        if number == NOWHERE { NOWHERE } else { pick(places.collect(), number / 2) }
    }

    /// A key by number; mostly one of those that the operation is for, and that the actor may know of.
    fn key(&self, actor: &Actor, number: usize, wanted: fn(&Kind) -> bool) -> usize {
        let (known, any) = (!number.is_multiple_of(4), number % 10 == 9);
        let fits = |key: &Key| (any || wanted(&key.kind)) && (!known || self.has_business(actor, key.home));
        pick((0..self.keys.len()).filter(|key| fits(&self.model.keys[*key])).collect(), number / 4)
    }

    fn whom(&self, actor: &Actor, whom: Whom) -> (usize, usize) {
        match whom {
            Whom::User { place, user } => (self.place(actor, place), user),
            Whom::Member(number) => {
                let members = self.model.memberships.iter().enumerate().filter(|(_, member)| !member.ended && self.has_business(actor, member.place));
                let at = pick(members.map(|(at, _)| at).collect(), number);
                self.model.memberships.get(at).map_or((0, 0), |member| (member.place, member.user))
            }
        }
    }

    fn home(&self, actor: &Actor, at: At, key: usize) -> usize {
        match at {
            At::Place(number) => self.place(actor, number),
            At::Home => self.model.keys.get(key).map_or(0, |key| key.home),
        }
    }

    fn grants(&self, wish: &Wish, home: usize) -> (Grants, Vec<RolesIn>) {
        let (mut grants, mut listed) = (Grants::new(), Vec::new());
        for (number, roles) in wish {
            let place = match *number {
                0 => home,
                NOWHERE => NOWHERE,
                other => (other - 1) % self.organizations.len(),
            };
            listed.push(RolesIn { organization_id: self.id_of(place), roles: roles.iter().cloned().collect() });
            if !roles.is_empty() {
                grants.entry(place).or_default().extend(roles.iter().cloned());
            }
        }
        (grants, listed)
    }

    async fn actor(&mut self, by: By) -> (Actor, Context) {
        let session = match by {
            By::Host => return (Actor::Host, self.context(CoreActor::System)),
            By::Token(number) if !self.tokens.is_empty() => {
                let token = self.tokens[number % self.tokens.len()].clone();
                let key_kind = if self.model.holder(token.key).is_some() { KeyKind::PersonalAccessKey } else { KeyKind::ApiKey };
                let permissions = token.permissions.iter().cloned().collect();
                let roles = token.roles.iter().cloned().collect();
                let (key_id, organization_id) = (self.keys[token.key], self.organizations[token.place]);
                let actor = TokenActor { key_id, key_kind, key_version: None, organization_id, roles, permissions };
                return (Actor::Token(token), self.context(CoreActor::Token(actor)));
            }
            By::Session(number) if !self.sessions.is_empty() => number % self.sessions.len(),
            By::Token(user) | By::Session(user) => self.sign_in(user % USERS, 0).await,
            By::Person { user, ago } => self.sign_in(user, ago).await,
        };
        let Session { user, since, .. } = self.model.sessions[session];
        let person = PersonActor { user_id: self.users[user], session_id: self.sessions[session], confirmed_at: Time::from_millis(since) };
        (Actor::Person(session), self.context(CoreActor::Person(person)))
    }

    async fn sign_in(&mut self, user: usize, ago: Millis) -> usize {
        let since = self.model.now - ago;
        self.sessions.push(support::open_session(&self.bench.db, self.users[user], Time::from_millis(since)).await);
        self.model.sessions.push(Session { user, since, ended: false });
        self.sessions.len() - 1
    }

    pub(crate) async fn step(&mut self, operation: &Operation) -> Result<(), String> {
        self.model.touched.clear();
        let (expected, got) = match operation {
            Operation::CreateSub { by, parent, name } => self.create_sub(*by, *parent, SUB_NAMES[*name]).await,
            Operation::Suspend { by, place, switch } => self.suspend(*by, *place, *switch).await,
            Operation::Disable { by, user, switch } => self.disable(*by, *user, *switch).await,
            Operation::ChangeRoles { by, whom, change } => self.change_roles(*by, *whom, change).await,
            Operation::RemoveMember { by, whom } => self.remove_member(*by, *whom).await,
            Operation::MakePersonal { by, place, holder, life } => self.make_personal(*by, *place, *holder, *life).await,
            Operation::RenamePersonal { by, at, key, name } => self.rename_personal(*by, *at, *key, KEY_NAMES[*name]).await,
            Operation::RevokePersonal { by, at, key } => self.revoke_personal(*by, *at, *key).await,
            Operation::MakeApi { by, place, api } => self.make_api(*by, *place, api).await,
            Operation::PatchApi { by, at, key, patch } => self.patch_api(*by, *at, *key, patch).await,
            Operation::SuspendApi { by, at, key, switch: Switch::On } => self.suspend_api(*by, *at, *key).await,
            Operation::SuspendApi { by, at, key, switch: Switch::Off } => self.resume_api(*by, *at, *key).await,
            Operation::RotateApi { by, at, key, overlap, life } => self.rotate_api(*by, *at, *key, (*overlap, *life)).await,
            Operation::RevokeApi { by, at, key } => self.revoke_api(*by, *at, *key).await,
            Operation::Advance(by) => {
                self.bench.clock.advance(Duration::from_millis(u64::try_from(*by).unwrap()));
                self.model.now += by;
                (Ok(()), Ok(Made::Nothing))
            }
            Operation::Exchange { key, secret, place, name, from } => {
                let key = key % self.keys.len();
                let secret = secret % self.secrets[key].len();
                let place = place.map(|number| self.place(&Actor::Host, number));
                self.exchange((key, secret), place, *name, *from).await?;
                (Ok(()), Ok(Made::Nothing))
            }
        };
        let outcome = got.as_ref().map_or_else(|error| class(error).map_or("broken", No::as_str), |_| "done");
        *self.bench.tally.borrow_mut().entry((operation.name(), outcome)).or_default() += 1;
        self.judge(&expected, got)?;
        self.note_losses();
        // A few of all secrets, wherever they open something or not: memory is warm, and must have forgotten what has changed.
        for _ in 0..2 {
            if self.keys.is_empty() {
                break;
            }
            let key = self.dice.below(self.keys.len());
            let secret = self.dice.below(self.secrets[key].len());
            let place = self.dice.below(self.organizations.len());
            self.exchange((key, secret), Some(place), 0, 0).await?;
        }
        Ok(())
    }

    async fn create_sub(&mut self, by: By, parent: usize, name: &str) -> Step {
        let (actor, ctx) = self.actor(by).await;
        let parent = self.place(&actor, parent);
        let got = self.bench.core.create_sub_organization(&ctx, self.id_of(parent), name).await;
        (self.model.create_sub(&actor, parent, name), got.map(|made| Made::Organization(made.value.id)))
    }

    async fn suspend(&mut self, by: By, place: usize, switch: Switch) -> Step {
        let (actor, ctx) = self.actor(by).await;
        let place = self.place(&actor, place);
        let (core, id) = (&self.bench.core, self.id_of(place));
        let got = if switch.is_on() { core.suspend_organization(&ctx, id).await } else { core.resume_organization(&ctx, id).await };
        (self.model.set_suspended(&actor, place, switch), nothing(got))
    }

    async fn disable(&mut self, by: By, user: usize, switch: Switch) -> Step {
        let (actor, ctx) = self.actor(by).await;
        let (core, id) = (&self.bench.core, self.user_id(user));
        let got = if switch.is_on() { core.disable_user(&ctx, id).await } else { core.enable_user(&ctx, id).await };
        (self.model.set_disabled(&actor, user, switch), nothing(got))
    }

    async fn change_roles(&mut self, by: By, whom: Whom, change: &Change) -> Step {
        let (actor, ctx) = self.actor(by).await;
        let (place, user) = self.whom(&actor, whom);
        let got = self.bench.core.change_roles(&ctx, self.id_of(place), self.user_id(user), change.for_core()).await;
        (self.model.change_roles(&actor, place, user, change), nothing(got))
    }

    async fn remove_member(&mut self, by: By, whom: Whom) -> Step {
        let (actor, ctx) = self.actor(by).await;
        let (place, user) = self.whom(&actor, whom);
        let got = self.bench.core.remove_member(&ctx, self.id_of(place), self.user_id(user)).await;
        (self.model.remove_member(&actor, place, user), nothing(got))
    }

    async fn make_personal(&mut self, by: By, place: usize, holder: Option<usize>, life: Option<Millis>) -> Step {
        let (actor, ctx) = self.actor(by).await;
        let place = self.place(&actor, place);
        let (core, id, expires_at) = (&self.bench.core, self.id_of(place), life.map(|life| self.time(life)));
        let got = match holder {
            Some(holder) => core.create_personal_access_key(&ctx, id, self.user_id(holder), "laptop", expires_at).await,
            None => core.create_own_personal_access_key(&ctx, id, "laptop", expires_at).await,
        };
        let expected = self.model.make_personal(&actor, place, holder, expires_at.map(Time::as_millis));
        (expected, got.map(|made| Made::Key(made.id, made.secret.reveal().to_owned())))
    }

    /// A key that an operation is about, and where it is looked for.
    fn found(&self, actor: &Actor, at: At, key: usize, wanted: fn(&Kind) -> bool) -> (usize, usize) {
        let key = self.key(actor, key, wanted);
        (self.home(actor, at, key), key)
    }

    async fn rename_personal(&mut self, by: By, at: At, key: usize, name: &str) -> Step {
        let (actor, ctx) = self.actor(by).await;
        let (place, key) = self.found(&actor, at, key, is_personal);
        let got = self.bench.core.rename_personal_access_key(&ctx, self.id_of(place), self.key_id(key), name).await;
        (self.model.rename_personal(&actor, place, key, name), nothing(got))
    }

    async fn revoke_personal(&mut self, by: By, at: At, key: usize) -> Step {
        let (actor, ctx) = self.actor(by).await;
        let (place, key) = self.found(&actor, at, key, is_personal);
        let got = self.bench.core.revoke_personal_access_key(&ctx, self.id_of(place), self.key_id(key)).await;
        (self.model.revoke_personal(&actor, place, key), nothing(got))
    }

    async fn make_api(&mut self, by: By, place: usize, api: &Api) -> Step {
        let (actor, ctx) = self.actor(by).await;
        let place = self.place(&actor, place);
        let (new, wanted) = self.new_api(api, place);
        let got = self.bench.core.make_api_key(&ctx, self.id_of(place), wanted).await;
        (self.model.make_api(&actor, place, &new), got.map(|made| Made::Key(made.id, made.secret.reveal().to_owned())))
    }

    async fn patch_api(&mut self, by: By, at: At, key: usize, patch: &Changed) -> Step {
        let (actor, ctx) = self.actor(by).await;
        let (place, key) = self.found(&actor, at, key, is_api);
        let (patch, wanted) = self.patch(patch, place);
        let got = self.bench.core.update_api_key(&ctx, self.id_of(place), self.key_id(key), wanted).await;
        (self.model.patch_api(&actor, place, key, &patch), nothing(got))
    }

    async fn suspend_api(&mut self, by: By, at: At, key: usize) -> Step {
        let (actor, ctx) = self.actor(by).await;
        let (place, key) = self.found(&actor, at, key, is_api);
        let got = self.bench.core.suspend_api_key(&ctx, self.id_of(place), self.key_id(key)).await;
        (self.model.suspend_api(&actor, place, key), nothing(got))
    }

    async fn resume_api(&mut self, by: By, at: At, key: usize) -> Step {
        let (actor, ctx) = self.actor(by).await;
        let (place, key) = self.found(&actor, at, key, is_api);
        let got = self.bench.core.resume_api_key(&ctx, self.id_of(place), self.key_id(key)).await;
        (self.model.resume_api(&actor, place, key), nothing(got))
    }

    async fn rotate_api(&mut self, by: By, at: At, key: usize, (overlap, life): (Millis, Option<Millis>)) -> Step {
        let (actor, ctx) = self.actor(by).await;
        let (place, key) = self.found(&actor, at, key, is_api);
        let expires_at = life.map(|life| self.time(life));
        let how = Rotation { overlap: Duration::from_millis(u64::try_from(overlap).unwrap()), expires_at };
        let got = self.bench.core.rotate_api_key(&ctx, self.id_of(place), self.key_id(key), how).await;
        let expected = self.model.rotate(&actor, place, key, (overlap, expires_at.map(Time::as_millis)));
        (expected, got.map(|made| Made::Secret(key, made.secret.reveal().to_owned())))
    }

    async fn revoke_api(&mut self, by: By, at: At, key: usize) -> Step {
        let (actor, ctx) = self.actor(by).await;
        let (place, key) = self.found(&actor, at, key, is_api);
        let got = self.bench.core.revoke_api_key(&ctx, self.id_of(place), self.key_id(key)).await;
        (self.model.revoke_api(&actor, place, key), nothing(got))
    }

    fn new_api(&self, api: &Api, home: usize) -> (NewApi, NewApiKey) {
        let (grants, listed) = self.grants(&api.grants, home);
        let (name, at) = (KEY_NAMES[api.name].to_owned(), |delay: Option<Millis>| delay.map(|delay| self.time(delay)));
        let wanted = NewApiKey {
            name: name.clone(),
            grants: listed,
            expires_at: at(api.life),
            not_before: at(api.delay),
            allowed_addresses: networks(api.narrowness),
            protection: protection(api.protection),
            ..NewApiKey::default()
        };
        let (not_before, expires) = (at(api.delay).map(Time::as_millis), at(api.life).map(Time::as_millis));
        (NewApi { name, grants, not_before, expires, narrowness: api.narrowness, protected: api.protection.is_on() }, wanted)
    }

    fn patch(&self, changed: &Changed, home: usize) -> (Patch, ApiKeyChange) {
        let (grants, listed) = changed.grants.as_ref().map(|wish| self.grants(wish, home)).unzip();
        let (name, at) = (changed.name.map(|name| KEY_NAMES[name].to_owned()), changed.delay.map(|delay| self.time(delay)));
        let wanted = ApiKeyChange {
            name: name.clone(),
            grants: listed,
            not_before: at,
            allowed_addresses: changed.narrowness.map(networks),
            protection: changed.protection.map(protection),
            ..ApiKeyChange::default()
        };
        let (not_before, protected) = (at.map(Time::as_millis), changed.protection.map(Switch::is_on));
        (Patch { name, grants, not_before, narrowness: changed.narrowness, protected }, wanted)
    }

    /// Whether the answer is the expected one; what it made is kept.
    fn judge(&mut self, expected: &Verdict, got: Result<Made, Error>) -> Result<(), String> {
        match (expected, got) {
            (Ok(()), Ok(made)) => {
                match made {
                    Made::Nothing => {}
                    Made::Organization(id) => self.organizations.push(id),
                    Made::Key(id, secret) => {
                        self.keys.push(id);
                        self.secrets.push(vec![secret]);
                    }
                    Made::Secret(key, secret) => self.secrets[key].push(secret),
                }
                Ok(())
            }
            (Err(expected), Err(error)) if class(&error).is_some_and(|class| expected.contains(&class)) => Ok(()),
            (expected, Err(error)) => Err(format!("expected {expected:?}, got {} ({error})", error.code())),
            (expected, Ok(_)) => Err(format!("expected {expected:?}, got success")),
        }
    }

    fn note_losses(&mut self) {
        for issued in self.issued.values_mut() {
            issued.may_end |= self.model.touched.contains(&issued.key);
            issued.must_end |= self.model.now < issued.granted.expires && has_lost(&self.model, issued);
        }
    }

    /// An exchange here and there: the same outcome, and the same token.
    pub(crate) async fn exchange(&mut self, (key, secret): (usize, usize), place: Option<usize>, name: usize, from: usize) -> Result<Option<Granted>, String> {
        let it = &self.model.keys[key];
        let mut against = self.model.dead(key, secret);
        let id = self.keys[key].to_string();
        let name = [it.name.as_str(), it.names.first().unwrap().as_str(), id.as_str(), "nobody"][name];
        let is_api = matches!(it.kind, Kind::Api(_));
        if is_api && name == "nobody" {
            against.insert("key_name_mismatch");
        }
        if it.narrowness > 0 && it.narrowness + from > 2 {
            against.insert("key_address_not_allowed");
        }
        let asked = place.unwrap_or(it.home);
        let expected = if against.is_empty() { self.model.exchange(key, secret, asked) } else { Err(against) };
        let presented = self.secrets[key][secret].as_str();
        let credential = if is_api { Credential::ApiKey { name, secret: presented } } else { Credential::PersonalAccessKey(presented) };
        let ctx = Context { client_ip: Some(ADDRESSES[from].parse().unwrap()), ..self.context(CoreActor::Anonymous) };
        let got = self.bench.core.exchange(&ctx, credential, place.map(|place| self.id_of(place))).await;
        let told = |what: String| format!("secret {secret} of key {key} for {place:?} by the name {name} from {from}: {what}");
        match (expected, got) {
            (Ok(granted), Ok(token)) => {
                self.check_token(&token, (key, asked), &granted).map_err(told)?;
                if self.tokens.len() < KEPT_TOKENS || self.dice.once_in(4) {
                    let token = Token { key, place: asked, roles: granted.roles.clone(), permissions: Rc::clone(&granted.permissions) };
                    if self.tokens.len() < KEPT_TOKENS {
                        self.tokens.push(token);
                    } else {
                        let at = self.dice.below(KEPT_TOKENS);
                        self.tokens[at] = token;
                    }
                }
                Ok(Some(granted))
            }
            (Err(expected), Err(error)) if expected.contains(error.code()) => Ok(None),
            (expected, got) => Err(told(format!("expected {expected:?}, got {}", support::outcome(&got)))),
        }
    }

    fn check_token(&self, token: &IssuedToken, (key, place): (usize, usize), granted: &Granted) -> Result<(), String> {
        let claims = support::claims(token);
        let subject = self.model.holder(key).map_or_else(|| self.keys[key].to_string(), |user| self.users[user].to_string());
        let home = self.id_of(self.model.keys[key].home).to_string();
        let scope = granted.permissions.iter().cloned().collect::<Vec<_>>().join(" ");
        let expected = serde_json::json!({
            "iss": support::ISSUER, "aud": support::ISSUER, "sub": subject, "keyId": self.keys[key].to_string(),
            "currentOrganizationId": self.id_of(place).to_string(), "organizationId": home,
            "roles": granted.roles.iter().collect::<Vec<_>>(), "scope": scope, "exp": granted.expires / 1000, "iat": self.model.now / 1000,
        });
        for (claim, expected) in expected.as_object().unwrap() {
            if claims[claim] != *expected {
                return Err(format!("the token says {claim} = {}, expected {expected}", claims[claim]));
            }
        }
        Ok(())
    }
}

/// Whether a token carries more, or for longer, or from more places than its holder has now. What only time takes is in the token.
fn has_lost(model: &Model<'_>, issued: &Issued) -> bool {
    let key = &model.keys[issued.key];
    let by_time = ["key_expired", "key_secret_replaced", "key_not_yet_valid"];
    let dead = model.dead(issued.key, issued.secret).into_iter().any(|reason| !by_time.contains(&reason));
    let still = model.granted_in(issued.key, issued.place);
    dead || model.end(issued.key, issued.secret) < issued.granted.expires
        || model.now < key.not_before
        || issued.narrowness < key.narrowness
        || !still.is_some_and(|still| issued.granted.permissions.is_subset(&still))
}

fn is_personal(kind: &Kind) -> bool {
    matches!(kind, Kind::Personal(_))
}

fn is_api(kind: &Kind) -> bool {
    matches!(kind, Kind::Api(_))
}

/// One of several by number, nothing that there is if there are none.
fn pick(several: Vec<usize>, number: usize) -> usize {
    if several.is_empty() { NOWHERE } else { several[number % several.len()] }
}

fn nothing<T>(got: Result<T, Error>) -> Result<Made, Error> {
    got.map(|_| Made::Nothing)
}

fn roles(roles: &[&str]) -> Set {
    roles.iter().map(|role| (*role).to_owned()).collect()
}

fn networks(narrowness: usize) -> Vec<String> {
    NETWORKS[narrowness].iter().map(|network| (*network).to_owned()).collect()
}

fn protection(switch: Switch) -> Protection {
    if switch.is_on() { Protection::On } else { Protection::Off }
}

/// Unique among all histories of a run.
fn uuid_of(dice: &mut Dice) -> String {
    let id: uuid::Uuid = keywright_core::chance::id().unwrap();
    format!("{id}-{}", dice.below(1000))
}

fn class(error: &Error) -> Option<No> {
    match error {
        Error::Refused(_) => Some(No::Refused),
        Error::OutOfReach | Error::NothingGranted | Error::HostOnly | Error::Forbidden(_) | Error::NotFresh(_) => Some(No::Forbidden),
        Error::Invalid { .. } | Error::Scope(_) | Error::Target(_) => Some(No::Invalid),
        Error::NotFound(_) | Error::Absent(_) => Some(No::NotFound),
        Error::Conflict(_) => Some(No::Conflict),
        Error::WrongPassword
        | Error::PasswordMustChange
        | Error::Busy
        | Error::Limited(_)
        | Error::Repeated(_)
        | Error::KeyReused
        | Error::Catalog(_)
        | Error::Crowded
        | Error::Behind(_)
        | Error::Unavailable
        | Error::SecondFactorRequired
        | Error::WrongSecondFactor
        | Error::Internal(_) => None,
    }
}
