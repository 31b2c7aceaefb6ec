//! From roles to permissions, read off a catalog's data in the simplest way. It shares nothing with the resolver of `protocol`.

use keywright_protocol::catalog::Document;
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

/// Roles, or permissions.
pub(crate) type Set = BTreeSet<String>;

/// The role that has everything.
pub(crate) const OWNER: &str = "owner";

/// What a catalog says.
pub(crate) struct Resolver {
    document: Document,
    everything: Set,
    /// The permissions of tokens: those of the default audience.
    pub(crate) of_tokens: Set,
    known: RefCell<BTreeMap<Set, Rc<Set>>>,
}

impl Resolver {
    pub(crate) fn new(document: Document) -> Self {
        let of = |audience: Option<&str>| -> Set {
            let apis = document.apis.values().filter(|api| audience.is_none() || api.audience.as_deref() == audience);
            apis.flat_map(|api| api.permissions.keys().cloned()).collect()
        };
        let here = document.apis.values().filter(|api| api.audience == document.default_audience);
        let of_tokens = here.flat_map(|api| api.permissions.keys().cloned()).collect();
        Self { everything: of(None), of_tokens, document, known: RefCell::default() }
    }

    pub(crate) fn has(&self, role: &str) -> bool {
        self.document.roles.contains_key(role)
    }

    /// Each role of several gives what it lists; what is under conditions only if they are met; an Owner has everything.
    pub(crate) fn permissions(&self, roles: &Set) -> Rc<Set> {
        if let Some(known) = self.known.borrow().get(roles) {
            return Rc::clone(known);
        }
        let resolved = Rc::new(self.resolve(roles));
        self.known.borrow_mut().insert(roles.clone(), Rc::clone(&resolved));
        resolved
    }

    fn resolve(&self, roles: &Set) -> Set {
        let mut all = Set::new();
        for role in roles.iter().filter_map(|role| self.document.roles.get(role)) {
            if role.everything {
                return self.everything.clone();
            }
            all.extend(role.permissions.iter().cloned());
        }
        for condition in &self.document.conditions {
            for group in &condition.all_of {
                if !group.iter().any(|wanted| roles.contains(wanted)) {
                    all.remove(&condition.permission);
                }
            }
        }
        all
    }
}
