//! The second half of the reference: what an operation needs, and what it does.

use super::{
    operations::Switch,
    reference::{Actor, DAY, Grants, Key, Kind, Membership, Millis, Model, NewApi, No, Organization, Patch, Standing, Verdict, against},
    resolver::{OWNER, Set},
};

impl Model<'_> {
    pub(crate) fn create_root(&mut self, name: &str) -> usize {
        let root = self.organizations.len();
        self.organizations.push(Organization { root, name: name.to_owned(), suspended: false });
        root
    }

    pub(crate) fn create_sub(&mut self, actor: &Actor, parent: usize, name: &str) -> Verdict {
        self.standing(actor, parent)?.needs("organization.sub-organization.manage")?;
        let taken = self.organizations.iter().enumerate().any(|(at, sibling)| sibling.root == parent && at != parent && sibling.name == name);
        against(&[(self.root(parent) != parent, No::Invalid), (taken, No::Conflict)])?;
        self.organizations.push(Organization { root: parent, name: name.to_owned(), suspended: false });
        Ok(())
    }

    fn host_only(actor: &Actor) -> Verdict {
        against(&[(!matches!(actor, Actor::Host), No::Forbidden)])
    }

    pub(crate) fn set_suspended(&mut self, actor: &Actor, place: usize, switch: Switch) -> Verdict {
        let exists = place < self.organizations.len();
        if matches!(actor, Actor::Host) {
            against(&[(!exists, No::NotFound)])?;
        } else if !exists || self.root(place) == place {
            // Roots are suspended from outside.
            self.standing(actor, place)?;
            return Err(vec![No::Forbidden]);
        } else {
            self.over_sub(actor, place, switch)?;
        }
        self.organizations[place].suspended = switch.is_on();
        self.touched = (0..self.keys.len()).filter(|key| self.root(self.keys[*key].home) == self.root(place)).collect();
        Ok(())
    }

    /// Whoever manages the sub-organizations of its root; by a resumption keys live again, which takes a fresh person.
    fn over_sub(&self, actor: &Actor, place: usize, switch: Switch) -> Verdict {
        match self.standing(actor, self.root(place)) {
            Err(no) if no == [No::NotFound] => {
                self.standing(actor, place)?;
                Err(vec![No::Forbidden])
            }
            above => {
                let above = above?;
                above.needs("organization.sub-organization.manage")?;
                against(&[(!switch.is_on() && !above.fresh, No::Forbidden)])
            }
        }
    }

    /// Whoever is disabled is signed out everywhere.
    pub(crate) fn set_disabled(&mut self, actor: &Actor, user: usize, switch: Switch) -> Verdict {
        Self::host_only(actor)?;
        against(&[(user >= self.users.len(), No::NotFound)])?;
        self.users[user] = switch.is_on();
        self.sessions.iter_mut().filter(|session| session.user == user).for_each(|session| session.ended |= switch.is_on());
        self.touch_keys_of(user);
        Ok(())
    }

    fn touch_keys_of(&mut self, user: usize) {
        self.touched = (0..self.keys.len()).filter(|key| self.holder(*key) == Some(user)).collect();
    }

    pub(crate) fn change_roles(&mut self, actor: &Actor, place: usize, user: usize, change: &Change) -> Verdict {
        let by = self.standing(actor, place)?;
        by.needs("organization.member.assign-role")?;
        let exists = user < self.users.len() && (by.host || self.roles(place, user).is_some());
        against(&[(!exists, No::NotFound), (!change.named().iter().all(|role| self.resolver.has(role)), No::Invalid)])?;
        let own = self.own(place, user);
        let before = self.own_roles(place, user);
        let after = change.of(&before);
        // By a key nobody gives where keys bring nothing, nor to the key's own holder.
        against(&[(by.key && (!self.rules.keys_bring || by.user == Some(user)), No::Forbidden)])?;
        if before != after {
            self.against_change(&by, place, user, &after)?;
        }
        match own {
            Some(own) => self.memberships[own].roles = after,
            None if after.is_empty() && !by.host => return Ok(()),
            None => self.memberships.push(Membership { place, user, roles: after, ended: false }),
        }
        self.touch_keys_of(user);
        Ok(())
    }

    pub(crate) fn remove_member(&mut self, actor: &Actor, place: usize, user: usize) -> Verdict {
        let by = self.standing(actor, place)?;
        by.needs("organization.member.manage")?;
        let own = if user < self.users.len() { self.own(place, user) } else { None };
        let own = own.ok_or(vec![No::NotFound])?;
        self.against_change(&by, place, user, &Set::new())?;
        self.memberships[own].ended = true;
        self.touch_keys_of(user);
        Ok(())
    }

    /// Only a fresh Owner makes, changes, removes or demotes an Owner; oneself only freshly; nobody gives what he lacks; and an Owner
    /// who is the last one somewhere stays.
    fn against_change(&self, by: &Standing, place: usize, user: usize, after: &Set) -> Verdict {
        let had = self.roles(place, user).unwrap_or_default();
        let inherited = if self.root(place) == place { Set::new() } else { self.own_roles(self.root(place), user) };
        let has = if after.is_empty() { &inherited } else { after };
        let concerns_owner = had.contains(OWNER) || has.contains(OWNER);
        let (before_all, after_all) = (self.resolver.permissions(&had), self.resolver.permissions(has));
        let beyond = !by.covers(after_all.difference(&before_all)) && (by.key || !self.rules.managers_give_any);
        let leaves_none = !has.contains(OWNER) && self.subjects(place, user).into_iter().any(|at| self.is_owner(at, user) && !self.has_other_owner(at, user));
        against(&[
            (concerns_owner && !(by.fresh && by.owner), No::Forbidden),
            (by.user == Some(user) && !by.fresh, No::Forbidden),
            (beyond, No::Forbidden),
            (leaves_none, No::Conflict),
        ])
    }

    /// Where a user's roles in an organization hold: there, and below where he has none of his own.
    fn subjects(&self, place: usize, user: usize) -> Vec<usize> {
        (0..self.organizations.len()).filter(|at| *at == place || (self.root(*at) == place && self.own_roles(*at, user).is_empty())).collect()
    }

    fn has_other_owner(&self, place: usize, user: usize) -> bool {
        (0..self.users.len()).any(|other| other != user && !self.users[other] && self.is_owner(place, other))
    }

    pub(crate) fn make_personal(&mut self, actor: &Actor, place: usize, holder: Option<usize>, expires: Option<Millis>) -> Verdict {
        let by = self.standing(actor, place)?;
        against(&[(!by.fresh, No::Forbidden), (if by.host { holder.is_none() } else { holder.is_some() && holder != by.user }, No::Forbidden)])?;
        let holder = holder.or(by.user).unwrap_or(usize::MAX);
        let own = self.own(place, holder).ok_or(vec![if by.host { No::NotFound } else { No::Forbidden }])?;
        let count = self.keys.iter().filter(|key| !key.revoked && matches!(key.kind, Kind::Personal(membership) if membership == own)).count();
        let expiry = self.expiry(expires);
        against(&[(count >= self.rules.personal_limit, No::Conflict), (expiry.is_none(), No::Invalid)])?;
        self.add_key(Kind::Personal(own), place, "laptop", self.now, expiry.unwrap_or_default());
        Ok(())
    }

    fn add_key(&mut self, kind: Kind, home: usize, name: &str, not_before: Millis, expires: Millis) {
        let (name, names) = (name.to_owned(), [name.to_owned()].into());
        let state = (false, false, false);
        let (suspended, revoked, protected) = state;
        self.keys.push(Key { kind, home, name, names, not_before, expires, suspended, revoked, protected, narrowness: 0, secrets: vec![None] });
    }

    /// Half a year unless said otherwise, a year at most, never in the past.
    fn expiry(&self, wished: Option<Millis>) -> Option<Millis> {
        let at = wished.unwrap_or(self.now + 182 * DAY);
        (self.now < at && at <= self.now + 365 * DAY).then_some(at)
    }

    /// A Personal Access Key that somebody sees: its holder, and the Owners.
    fn find_personal(&self, by: &Standing, place: usize, key: usize) -> Verdict {
        let seen =
            key < self.keys.len() && !self.is_api(key) && self.keys[key].home == place && (by.owner || (by.user.is_some() && by.user == self.holder(key)));
        against(&[(!seen, No::NotFound)])
    }

    fn find_api(&self, place: usize, key: usize) -> Verdict {
        against(&[(key >= self.keys.len() || !self.is_api(key) || self.keys[key].home != place, No::NotFound)])
    }

    pub(crate) fn rename_personal(&mut self, actor: &Actor, place: usize, key: usize, name: &str) -> Verdict {
        let by = self.standing(actor, place)?;
        against(&[(by.key, No::Forbidden)])?;
        self.find_personal(&by, place, key)?;
        against(&[(!by.host && by.user != self.holder(key), No::Forbidden), (self.keys[key].revoked, No::Conflict)])?;
        self.rename(key, name);
        Ok(())
    }

    fn rename(&mut self, key: usize, name: &str) {
        self.keys[key].name = name.to_owned();
        self.keys[key].names.insert(name.to_owned());
    }

    pub(crate) fn revoke_personal(&mut self, actor: &Actor, place: usize, key: usize) -> Verdict {
        let by = self.standing(actor, place)?;
        self.find_personal(&by, place, key)?;
        self.keys[key].revoked = true;
        self.touched = [key].into();
        Ok(())
    }

    /// Whoever makes, widens, rotates or revives a key: somebody who may manage keys, himself, freshly.
    fn maker(&self, actor: &Actor, place: usize) -> Verdict<Standing> {
        let by = self.standing(actor, place)?;
        by.needs("organization.api-key.manage")?;
        against(&[(!by.fresh, No::Forbidden)])?;
        Ok(by)
    }

    /// A key may do no more than its maker may himself, in each organization; only an Owner has one that is Owner. Where a suspended
    /// organization lets nobody in, a person stands as he will when it is resumed.
    fn covered(&self, actor: &Actor, grants: &Grants) -> bool {
        grants.iter().all(|(place, roles)| {
            let wanted = self.resolver.permissions(roles);
            let covers = |owner: bool, permits: &dyn Fn(&String) -> bool| (owner || !roles.contains(OWNER)) && wanted.iter().all(permits);
            match (self.standing(actor, *place), actor) {
                (Ok(there), _) => covers(there.owner, &|permission| there.may(permission)),
                (Err(_), Actor::Person(session)) if *place < self.organizations.len() => self.roles(*place, self.sessions[*session].user).is_some_and(|held| {
                    let permissions = self.resolver.permissions(&held);
                    covers(held.contains(OWNER), &|permission| permissions.contains(permission))
                }),
                (Err(_), _) => false,
            }
        })
    }

    /// Its own organization, and below; roles that there are.
    fn usable(&self, home: usize, grants: &Grants, before: &Grants) -> bool {
        let fresh = grants.iter().filter(|(place, roles)| before.get(place) != Some(roles));
        fresh.into_iter().all(|(place, roles)| {
            let below = self.organizations.get(*place).is_some_and(|organization| *place == home || organization.root == home);
            below && roles.iter().all(|role| self.resolver.has(role))
        })
    }

    fn is_taken(&self, place: usize, name: &str, except: Option<usize>) -> bool {
        let others = self.keys.iter().enumerate().filter(|(at, key)| Some(*at) != except && key.home == place && !key.revoked);
        others.into_iter().any(|(at, key)| self.is_api(at) && key.name == name)
    }

    pub(crate) fn make_api(&mut self, actor: &Actor, place: usize, new: &NewApi) -> Verdict {
        self.maker(actor, place)?;
        let of_root = |at: &usize| self.is_api(*at) && !self.keys[*at].revoked && self.root(self.keys[*at].home) == self.root(place);
        let expiry = self.expiry(new.expires);
        let not_before = new.not_before.unwrap_or(self.now);
        against(&[
            (!self.usable(place, &new.grants, &Grants::new()), No::Invalid),
            (!self.covered(actor, &new.grants), No::Forbidden),
            ((0..self.keys.len()).filter(of_root).count() >= self.rules.api_limit, No::Conflict),
            (expiry.is_none_or(|expires| expires <= not_before), No::Invalid),
            (self.is_taken(place, &new.name, None), No::Conflict),
        ])?;
        self.add_key(Kind::Api(new.grants.clone()), place, &new.name, not_before, expiry.unwrap_or_default());
        if let Some(key) = self.keys.last_mut() {
            (key.narrowness, key.protected) = (new.narrowness, new.protected);
        }
        Ok(())
    }

    fn grants(&self, key: usize) -> Grants {
        match &self.keys[key].kind {
            Kind::Api(grants) => grants.clone(),
            Kind::Personal(_) => Grants::new(),
        }
    }

    pub(crate) fn patch_api(&mut self, actor: &Actor, place: usize, key: usize, patch: &Patch) -> Verdict {
        let by = self.standing(actor, place)?;
        against(&[(by.key, No::Forbidden)])?;
        by.needs("organization.api-key.manage")?;
        self.find_api(place, key)?;
        let (it, had) = (&self.keys[key], self.grants(key));
        let has = patch.grants.clone().unwrap_or_else(|| had.clone());
        let gains = has.iter().any(|(place, roles)| {
            let before = had.get(place).cloned().unwrap_or_default();
            !self.resolver.permissions(roles).is_subset(&self.resolver.permissions(&before)) || (roles.contains(OWNER) && !before.contains(OWNER))
        });
        let wider = patch.narrowness.is_some_and(|narrowness| narrowness < it.narrowness);
        let sooner = patch.not_before.is_some_and(|at| at < it.not_before);
        against(&[
            (it.revoked, No::Conflict),
            (!self.usable(place, &has, &had), No::Invalid),
            (patch.not_before.is_some_and(|at| it.expires <= at), No::Invalid),
            ((gains || wider || sooner) && !(by.fresh && self.covered(actor, &has)), No::Forbidden),
            (patch.name.as_ref().is_some_and(|name| self.is_taken(place, name, Some(key))), No::Conflict),
        ])?;
        if let Some(name) = &patch.name {
            self.rename(key, name);
        }
        let it = &mut self.keys[key];
        it.kind = Kind::Api(has);
        it.not_before = patch.not_before.unwrap_or(it.not_before);
        it.narrowness = patch.narrowness.unwrap_or(it.narrowness);
        it.protected = patch.protected.unwrap_or(it.protected);
        self.touched = [key].into();
        Ok(())
    }

    pub(crate) fn suspend_api(&mut self, actor: &Actor, place: usize, key: usize) -> Verdict {
        self.standing(actor, place)?.needs("organization.api-key.manage")?;
        self.find_api(place, key)?;
        against(&[(self.keys[key].revoked, No::Conflict)])?;
        self.keys[key].suspended = true;
        self.touched = [key].into();
        Ok(())
    }

    pub(crate) fn resume_api(&mut self, actor: &Actor, place: usize, key: usize) -> Verdict {
        self.maker(actor, place)?;
        self.find_api(place, key)?;
        against(&[(self.keys[key].revoked, No::Conflict), (!self.covered(actor, &self.grants(key)), No::Forbidden)])?;
        self.keys[key].suspended = false;
        Ok(())
    }

    pub(crate) fn revoke_api(&mut self, actor: &Actor, place: usize, key: usize) -> Verdict {
        let by = self.standing(actor, place)?;
        by.needs("organization.api-key.manage")?;
        self.find_api(place, key)?;
        against(&[(self.keys[key].protected && !self.keys[key].revoked && !by.host, No::Conflict)])?;
        self.keys[key].revoked = true;
        self.touched = [key].into();
        Ok(())
    }

    /// Another secret. The old ones go on for the overlap, unless the key has expired: what is dead stays so.
    pub(crate) fn rotate(&mut self, actor: &Actor, place: usize, key: usize, (overlap, expires): (Millis, Option<Millis>)) -> Verdict {
        self.maker(actor, place)?;
        self.find_api(place, key)?;
        let it = &self.keys[key];
        let expired = it.expires <= self.now;
        let expiry = if expires.is_none() { (!expired).then_some(it.expires) } else { self.expiry(expires) };
        against(&[
            (it.revoked, No::Conflict),
            (!self.covered(actor, &self.grants(key)), No::Forbidden),
            (overlap > 30 * DAY || expiry.is_none_or(|at| at <= it.not_before), No::Invalid),
        ])?;
        let end = if expired { self.now } else { self.now + overlap };
        let it = &mut self.keys[key];
        it.expires = expiry.unwrap_or(it.expires);
        it.secrets.iter_mut().for_each(|old| *old = Some(old.unwrap_or(end).min(end)));
        it.secrets.push(None);
        self.touched = [key].into();
        Ok(())
    }
}

/// How a member's own roles are changed.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Replace(Set),
    Add(Set),
    Remove(Set),
    Clear,
}

impl Change {
    pub(crate) fn named(&self) -> Set {
        match self {
            Self::Replace(roles) | Self::Add(roles) | Self::Remove(roles) => roles.clone(),
            Self::Clear => Set::new(),
        }
    }

    fn of(&self, before: &Set) -> Set {
        match self {
            Self::Replace(roles) => roles.clone(),
            Self::Add(roles) => before | roles,
            Self::Remove(roles) => before - roles,
            Self::Clear => Set::new(),
        }
    }
}

impl Change {
    /// The same for the real thing.
    pub(crate) fn for_core(&self) -> keywright_core::members::RoleChange {
        use keywright_core::members::RoleChange;
        let roles = self.named().into_iter().collect();
        match self {
            Self::Replace(_) => RoleChange::Replace(roles),
            Self::Add(_) => RoleChange::Add(roles),
            Self::Remove(_) => RoleChange::Remove(roles),
            Self::Clear => RoleChange::Clear,
        }
    }
}
