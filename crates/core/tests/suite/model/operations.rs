//! What can happen in a history, drawn by chance. Operations name things by number and are resolved when they are carried out, so that
//! a history stays one when some of its operations are left out.

use super::{
    acts::Change,
    reference::{DAY, HOUR, Millis, SECOND},
    resolver::Set,
};

/// Repeatable chance (SplitMix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below a number.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    pub(crate) fn one_of<T: Clone>(&mut self, these: &[T]) -> T {
        these[self.below(these.len())].clone()
    }

    /// Once in so many times.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn maybe<T>(&mut self, times: usize, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.once_in(times).then(|| make(self))
    }
}

/// Stands for an organization that there is not.
pub(crate) const NOWHERE: usize = usize::MAX;
pub(crate) const USERS: usize = 5;
pub(crate) const ROLES: [&str; 8] = ["owner", "manage-organization", "view-organization", "steward", "keykeeper", "clerk", "packer", "postman"];
pub(crate) const KEY_NAMES: [&str; 4] = ["ci", "deploy", "backup", "laptop"];
pub(crate) const SUB_NAMES: [&str; 3] = ["North", "South", "West"];

/// What stands beside the built-in roles: another audience, and conditions on what one does and on what one may give.
pub(crate) const CATALOG: &str = r#"
    [apis.shop.permissions]
    "order.read" = "See orders"
    "order.write" = "Change orders"
    "order.ship" = "Ship orders"
    "stock.count" = "Count what is there"
    [apis.mail]
    audience = "https://mail.example.com"
    permissions = { "mail.send" = "Send mail" }
    [roles.clerk]
    name = "Clerk"
    permissions = ["order.read", "order.write", "order.ship"]
    [roles.packer]
    name = "Packer"
    permissions = ["stock.count", "order.read"]
    [roles.postman]
    name = "Postman"
    permissions = ["mail.send"]
    [roles.steward]
    name = "Steward"
    permissions = ["organization.member.view", "organization.member.manage", "organization.member.assign-role", "order.read", "stock.count"]
    [roles.keykeeper]
    name = "Keeper of Keys"
    permissions = ["organization.api-key.view", "organization.api-key.manage", "order.read", "organization.policy.manage"]
    [[conditions]]
    permission = "order.ship"
    all_of = [["packer"], ["postman", "steward"]]
    [[conditions]]
    permission = "organization.policy.manage"
    all_of = [["steward", "manage-organization"]]
"#;

/// Who does it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum By {
    Host,
    /// A user who gave his password so long ago.
    Person {
        user: usize,
        ago: Millis,
    },
    /// Whoever has one of the sessions that were used before.
    Session(usize),
    /// Whoever has one of the access tokens that were issued before.
    Token(usize),
}

/// Whose membership it is about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Whom {
    /// Somebody who is a direct member.
    Member(usize),
    /// Anybody, anywhere.
    User { place: usize, user: usize },
}

/// Where a key is looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum At {
    Home,
    Place(usize),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Switch {
    On,
    Off,
}

/// What is granted where; 0 is the key's own organization.
pub(crate) type Wish = Vec<(usize, Set)>;

#[derive(Debug, Clone)]
pub(crate) enum Operation {
    CreateSub { by: By, parent: usize, name: usize },
    Suspend { by: By, place: usize, switch: Switch },
    Disable { by: By, user: usize, switch: Switch },
    ChangeRoles { by: By, whom: Whom, change: Change },
    RemoveMember { by: By, whom: Whom },
    MakePersonal { by: By, place: usize, holder: Option<usize>, life: Option<Millis> },
    RenamePersonal { by: By, at: At, key: usize, name: usize },
    RevokePersonal { by: By, at: At, key: usize },
    MakeApi { by: By, place: usize, api: Api },
    PatchApi { by: By, at: At, key: usize, patch: Changed },
    SuspendApi { by: By, at: At, key: usize, switch: Switch },
    RotateApi { by: By, at: At, key: usize, overlap: Millis, life: Option<Millis> },
    RevokeApi { by: By, at: At, key: usize },
    Advance(Millis),
    Exchange { key: usize, secret: usize, place: Option<usize>, name: usize, from: usize },
}

#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) name: usize,
    pub(crate) grants: Wish,
    pub(crate) delay: Option<Millis>,
    pub(crate) life: Option<Millis>,
    pub(crate) narrowness: usize,
    pub(crate) protection: Switch,
}

#[derive(Debug, Clone)]
pub(crate) struct Changed {
    pub(crate) name: Option<usize>,
    pub(crate) grants: Option<Wish>,
    pub(crate) delay: Option<Millis>,
    pub(crate) narrowness: Option<usize>,
    pub(crate) protection: Option<Switch>,
}

impl Switch {
    pub(crate) fn is_on(self) -> bool {
        matches!(self, Self::On)
    }

    fn draw(dice: &mut Dice) -> Self {
        if dice.once_in(2) { Self::On } else { Self::Off }
    }
}

fn draw_by(dice: &mut Dice) -> By {
    match dice.below(20) {
        0..4 => By::Host,
        4..11 => By::Person { user: dice.below(USERS), ago: 0 },
        11..13 => By::Person { user: dice.below(USERS), ago: dice.one_of(&[300 * SECOND - 1, 300 * SECOND, HOUR, 12 * HOUR - 1]) },
        13..15 => By::Session(dice.below(1000)),
        _ => By::Token(dice.below(1000)),
    }
}

fn draw_place(dice: &mut Dice) -> usize {
    if dice.once_in(40) { NOWHERE } else { dice.below(1000) }
}

fn draw_user(dice: &mut Dice) -> usize {
    if dice.once_in(40) { USERS } else { dice.below(USERS) }
}

fn draw_whom(dice: &mut Dice) -> Whom {
    if dice.once_in(2) { Whom::Member(dice.below(1000)) } else { Whom::User { place: draw_place(dice), user: draw_user(dice) } }
}

fn draw_at(dice: &mut Dice) -> At {
    if dice.once_in(6) { At::Place(draw_place(dice)) } else { At::Home }
}

fn draw_roles(dice: &mut Dice) -> Set {
    let count = dice.one_of(&[0, 1, 1, 1, 2, 2, 3]);
    let mut roles: Set = (0..count).map(|_| dice.one_of(&ROLES).to_owned()).collect();
    if dice.once_in(60) {
        roles.insert("ghost".to_owned());
    }
    roles
}

fn draw_wish(dice: &mut Dice) -> Wish {
    let count = dice.one_of(&[0, 1, 1, 1, 2, 2]);
    (0..count)
        .map(|at| {
            let place = match (at, dice.below(30)) {
                (_, 0) => NOWHERE,
                (0, 1..20) => 0,
                _ => 1 + dice.below(1000),
            };
            (place, draw_roles(dice))
        })
        .collect()
}

fn draw_life(dice: &mut Dice) -> Option<Millis> {
    dice.one_of(&[None, None, None, Some(HOUR / 2), Some(3 * HOUR), Some(DAY), Some(40 * DAY), Some(365 * DAY), Some(365 * DAY + 1), Some(0)])
}

fn draw_delay(dice: &mut Dice) -> Millis {
    dice.one_of(&[-DAY, -1, 0, 1, HOUR, 2 * DAY, 50 * DAY])
}

impl Operation {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::CreateSub { .. } => "create sub-organization",
            Self::Suspend { switch: Switch::On, .. } => "suspend organization",
            Self::Suspend { switch: Switch::Off, .. } => "resume organization",
            Self::Disable { switch: Switch::On, .. } => "disable user",
            Self::Disable { switch: Switch::Off, .. } => "enable user",
            Self::ChangeRoles { .. } => "change roles",
            Self::RemoveMember { .. } => "remove member",
            Self::MakePersonal { .. } => "make PAK",
            Self::RenamePersonal { .. } => "rename PAK",
            Self::RevokePersonal { .. } => "revoke PAK",
            Self::MakeApi { .. } => "make API Key",
            Self::PatchApi { .. } => "change API Key",
            Self::SuspendApi { switch: Switch::On, .. } => "suspend API Key",
            Self::SuspendApi { switch: Switch::Off, .. } => "resume API Key",
            Self::RotateApi { .. } => "rotate API Key",
            Self::RevokeApi { .. } => "revoke API Key",
            Self::Advance(_) => "advance",
            Self::Exchange { .. } => "exchange",
        }
    }

    pub(crate) fn draw(dice: &mut Dice) -> Self {
        let by = draw_by(dice);
        let (at, key, place) = (draw_at(dice), dice.below(1000), draw_place(dice));
        // What the host alone may do is mostly done by him.
        let mostly_host = if dice.once_in(8) { by } else { By::Host };
        match dice.below(100) {
            0..3 => Self::CreateSub { by, parent: place, name: dice.below(SUB_NAMES.len()) },
            3..6 => Self::Suspend { by: mostly_host, place, switch: Switch::On },
            6..12 => Self::Suspend { by: mostly_host, place, switch: Switch::Off },
            12..14 => Self::Disable { by: mostly_host, user: draw_user(dice), switch: Switch::On },
            14..19 => Self::Disable { by: mostly_host, user: draw_user(dice), switch: Switch::Off },
            19..37 => Self::ChangeRoles { by, whom: draw_whom(dice), change: Self::draw_change(dice) },
            37..42 => Self::RemoveMember { by, whom: draw_whom(dice) },
            42..49 => Self::MakePersonal { by, place, holder: dice.maybe(2, draw_user), life: draw_life(dice) },
            49..51 => Self::RenamePersonal { by, at, key, name: dice.below(KEY_NAMES.len()) },
            51..54 => Self::RevokePersonal { by, at, key },
            54..61 => Self::MakeApi { by, place, api: Self::draw_api(dice) },
            61..69 => Self::PatchApi { by, at, key, patch: Self::draw_patch(dice) },
            69..72 => Self::SuspendApi { by, at, key, switch: Switch::On },
            72..75 => Self::SuspendApi { by, at, key, switch: Switch::Off },
            75..81 => {
                let overlap = dice.one_of(&[0, 0, SECOND, HOUR - 1, HOUR, DAY, 30 * DAY, 30 * DAY + 1]);
                Self::RotateApi { by, at, key, overlap, life: draw_life(dice) }
            }
            81..84 => Self::RevokeApi { by, at, key },
            84..91 => Self::Advance(dice.one_of(&[1, SECOND, 60 * SECOND, 60 * SECOND, 299 * SECOND, 20 * 60 * SECOND, HOUR, 3 * HOUR, DAY, 45 * DAY])),
            _ => {
                let place = if dice.once_in(4) { None } else { Some(place) };
                Self::Exchange { key, secret: dice.below(10), place, name: dice.below(4), from: dice.below(3) }
            }
        }
    }

    fn draw_change(dice: &mut Dice) -> Change {
        let roles = draw_roles(dice);
        match dice.below(7) {
            0..3 => Change::Replace(roles),
            3..5 => Change::Add(roles),
            5 => Change::Remove(roles),
            _ => Change::Clear,
        }
    }

    fn draw_api(dice: &mut Dice) -> Api {
        Api {
            name: dice.below(KEY_NAMES.len()),
            grants: draw_wish(dice),
            delay: dice.maybe(6, draw_delay),
            life: draw_life(dice),
            narrowness: dice.one_of(&[0, 0, 0, 1, 2]),
            protection: if dice.once_in(5) { Switch::On } else { Switch::Off },
        }
    }

    fn draw_patch(dice: &mut Dice) -> Changed {
        Changed {
            name: dice.maybe(4, |dice| dice.below(KEY_NAMES.len())),
            grants: dice.maybe(2, draw_wish),
            delay: dice.maybe(5, draw_delay),
            narrowness: dice.maybe(4, |dice| dice.below(3)),
            protection: dice.maybe(6, Switch::draw),
        }
    }
}
