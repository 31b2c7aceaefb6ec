//! Rows and SQL of identity, one file a table family. Every statement stands once, and names no engine.
//!
//! The functions take the transaction they run in; what belongs together is the caller's to decide. Verbs: `find_*` answers
//! an `Option`, `get` fails with `NotFound`, `list`, `insert`, `update`, `revoke`, `delete`.

pub mod access_log;
pub mod attention;
pub mod brought_in;
pub mod catalogs;
pub mod changes;
pub mod custom_roles;
pub mod generations;
pub mod hearers;
pub mod holders;
pub mod idempotency_keys;
pub mod invitations;
pub mod key_lists;
pub mod keys;
pub mod log;
pub mod managed_keys;
pub mod member_lists;
pub mod memberships;
pub mod names;
pub mod operator_keys;
pub mod organizations;
pub mod outbox;
pub mod page;
pub mod password_resets;
pub mod policies;
pub mod recovery;
pub mod reminders;
pub mod replicas;
pub mod root_organizations;
pub mod second_factors;
pub mod sessions;
pub mod settings;
pub mod signing_keys;
pub mod usage;
pub mod users;
pub mod verifiers;
pub mod webhook_deliveries;
pub mod webhooks;

use keywright_db::Migration;
pub use keywright_db::StoreError;
use keywright_db::statements;

/// The migrations of the identity database, in order.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "identity",
        sqlite: include_str!("../migrations/sqlite/0001_identity.sql"),
        postgres: include_str!("../migrations/postgres/0001_identity.sql"),
    },
    Migration {
        version: 2,
        name: "people",
        sqlite: include_str!("../migrations/sqlite/0002_people.sql"),
        postgres: include_str!("../migrations/postgres/0002_people.sql"),
    },
    Migration {
        version: 3,
        name: "sessions and keys",
        sqlite: include_str!("../migrations/sqlite/0003_sessions_and_keys.sql"),
        postgres: include_str!("../migrations/postgres/0003_sessions_and_keys.sql"),
    },
    Migration {
        version: 4,
        name: "usage",
        sqlite: include_str!("../migrations/sqlite/0004_usage.sql"),
        postgres: include_str!("../migrations/postgres/0004_usage.sql"),
    },
    Migration {
        version: 5,
        name: "logs",
        sqlite: include_str!("../migrations/sqlite/0005_logs.sql"),
        postgres: include_str!("../migrations/postgres/0005_logs.sql"),
    },
    Migration {
        version: 6,
        name: "mail",
        sqlite: include_str!("../migrations/sqlite/0006_mail.sql"),
        postgres: include_str!("../migrations/postgres/0006_mail.sql"),
    },
    Migration {
        version: 7,
        name: "webhooks",
        sqlite: include_str!("../migrations/sqlite/0007_webhooks.sql"),
        postgres: include_str!("../migrations/postgres/0007_webhooks.sql"),
    },
    Migration {
        version: 8,
        name: "status",
        sqlite: include_str!("../migrations/sqlite/0008_status.sql"),
        postgres: include_str!("../migrations/postgres/0008_status.sql"),
    },
    Migration {
        version: 9,
        name: "oauth",
        sqlite: include_str!("../migrations/sqlite/0009_oauth.sql"),
        postgres: include_str!("../migrations/postgres/0009_oauth.sql"),
    },
    Migration {
        version: 10,
        name: "custom roles",
        sqlite: include_str!("../migrations/sqlite/0010_custom_roles.sql"),
        postgres: include_str!("../migrations/postgres/0010_custom_roles.sql"),
    },
    Migration {
        version: 11,
        name: "second factor and old ways",
        sqlite: include_str!("../migrations/sqlite/0011_second_factor_and_old_ways.sql"),
        postgres: include_str!("../migrations/postgres/0011_second_factor_and_old_ways.sql"),
    },
    Migration {
        version: 12,
        name: "since when verifiers are there",
        sqlite: include_str!("../migrations/sqlite/0012_since_when_verifiers_are_there.sql"),
        postgres: include_str!("../migrations/postgres/0012_since_when_verifiers_are_there.sql"),
    },
    Migration {
        version: 13,
        name: "replicas",
        sqlite: include_str!("../migrations/sqlite/0013_replicas.sql"),
        postgres: include_str!("../migrations/postgres/0013_replicas.sql"),
    },
    Migration {
        version: 14,
        name: "write back",
        sqlite: include_str!("../migrations/sqlite/0014_write_back.sql"),
        postgres: include_str!("../migrations/postgres/0014_write_back.sql"),
    },
];

/// Every statement of this crate.
pub fn all_statements() -> impl Iterator<Item = &'static str> {
    [
        access_log::STATEMENTS,
        attention::STATEMENTS,
        brought_in::STATEMENTS,
        catalogs::STATEMENTS,
        changes::STATEMENTS,
        custom_roles::STATEMENTS,
        generations::STATEMENTS,
        hearers::STATEMENTS,
        holders::STATEMENTS,
        idempotency_keys::STATEMENTS,
        invitations::STATEMENTS,
        key_lists::STATEMENTS,
        keys::STATEMENTS,
        log::STATEMENTS,
        managed_keys::STATEMENTS,
        member_lists::STATEMENTS,
        memberships::STATEMENTS,
        names::STATEMENTS,
        operator_keys::STATEMENTS,
        organizations::STATEMENTS,
        outbox::STATEMENTS,
        password_resets::STATEMENTS,
        policies::STATEMENTS,
        recovery::STATEMENTS,
        reminders::STATEMENTS,
        replicas::STATEMENTS,
        root_organizations::STATEMENTS,
        second_factors::STATEMENTS,
        sessions::STATEMENTS,
        settings::STATEMENTS,
        signing_keys::STATEMENTS,
        usage::STATEMENTS,
        users::STATEMENTS,
        verifiers::STATEMENTS,
        webhook_deliveries::STATEMENTS,
        webhooks::STATEMENTS,
    ]
    .into_iter()
    .flatten()
    .copied()
}
