//! `keywright keys`: API Keys of an organization, and one's own Personal Access Keys.

use super::{
    Common, Connection, Failure,
    environment::Environment,
    organization::{self, OrganizationArg},
    output::{Output, OutputFormat},
    secrets,
    when::When,
};
use clap::{Args, Subcommand};
use keywright_client::{Place, Rotation};
use keywright_protocol::{
    KeyId, Time,
    keys::{ApiKeyBody, ApiKeyItem, GrantBody, PersonalAccessKeyBody, PersonalAccessKeyItem},
};
use serde_json::Map;
use std::{collections::BTreeSet, time::Duration};

const SHOWN_ONCE: &str = "this is shown once; keep it where secrets are kept";

/// What it takes.
#[derive(Debug, Args)]
pub struct KeysArgs {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    command: KeysCommand,
}

/// Whose keys, and how to confirm.
#[derive(Debug, Clone, Args)]
struct Which {
    #[command(flatten)]
    organization: OrganizationArg,
    /// Personal Access Keys instead of API Keys
    #[arg(long)]
    personal: bool,
    /// Read the password from standard input, when the session must be confirmed
    #[arg(long)]
    password_stdin: bool,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// List keys, without their secrets
    List(Which),
    /// Make a key; its secret is shown once. Takes a session
    Create(CreateArgs),
    /// Give an API Key another secret, shown once. Takes a session
    Rotate {
        #[command(flatten)]
        which: Which,
        /// The key, by its id or its name
        key: String,
        /// How long the old secret goes on, such as 1h or 0s; 24 hours without it
        #[arg(long, value_parser = overlap)]
        overlap: Option<Duration>,
        /// When the key expires from now on: a time, or how far away, such as 90d
        #[arg(long)]
        expires: Option<When>,
    },
    /// Suspend an API Key until it is resumed
    Suspend(OneKey),
    /// Take a suspension back. Takes a session
    Resume(OneKey),
    /// Revoke a key for ever
    Revoke(OneKey),
}

#[derive(Debug, Args)]
struct OneKey {
    #[command(flatten)]
    which: Which,
    /// The key, by its id or its name
    key: String,
}

#[derive(Debug, Args)]
struct CreateArgs {
    #[command(flatten)]
    which: Which,
    /// What it is for
    name: String,
    /// A role of an API Key in its organization; repeat it for several
    #[arg(long = "role", conflicts_with = "personal")]
    roles: Vec<String>,
    /// Roles in a sub-organization: its id or name, and role keys with commas between them; repeat it for several
    #[arg(long = "grant", value_name = "ORG=ROLES", conflicts_with = "personal")]
    grants: Vec<String>,
    /// When it expires: a time, or how far away, such as 90d. Without it as this installation has it
    #[arg(long)]
    expires: Option<When>,
    /// A network or an address that an API Key may come from; repeat it for several, leave it out for everywhere
    #[arg(long = "from", value_name = "NETWORK", conflicts_with = "personal")]
    networks: Vec<String>,
    /// What people should know about an API Key
    #[arg(long, default_value = "", conflicts_with = "personal")]
    description: String,
}

fn overlap(text: &str) -> Result<Duration, &'static str> {
    match text.parse() {
        Ok(When::Away(overlap)) => Ok(overlap),
        Ok(When::At(_)) | Err(_) => Err("must be a number with s, m, h or d, such as 1h"),
    }
}

impl KeysCommand {
    fn which(&self) -> &Which {
        match self {
            Self::List(which) | Self::Rotate { which, .. } => which,
            Self::Create(args) => &args.which,
            Self::Suspend(one) | Self::Resume(one) | Self::Revoke(one) => &one.which,
        }
    }
}

/// Keys of one kind in one organization.
struct Keys {
    connection: Connection,
    place: Place,
    output: Output,
}

pub(super) async fn run(args: KeysArgs, environment: &Environment) -> Result<(), Failure> {
    let which = args.command.which().clone();
    let password = if which.password_stdin { secrets::From::StandardInput } else { secrets::From::Prompt };
    let mut connection = Connection::open(&args.common, environment).await?.password_from(password);
    let place = which.organization.place(&mut connection).await?;
    let mut keys = Keys { connection, place, output: args.common.output() };
    match (args.command, which.personal) {
        (KeysCommand::List(_), false) => keys.list_api_keys().await,
        (KeysCommand::List(_), true) => keys.list_personal().await,
        (KeysCommand::Create(args), false) => keys.create_api_key(args).await,
        (KeysCommand::Create(args), true) => keys.create_personal(args).await,
        (KeysCommand::Rotate { key, overlap, expires, .. }, false) => keys.rotate(&key, overlap, expires).await,
        (KeysCommand::Suspend(one), false) => keys.suspend(&one.key).await,
        (KeysCommand::Resume(one), false) => keys.resume(&one.key).await,
        (KeysCommand::Revoke(one), false) => keys.revoke_api_key(&one.key).await,
        (KeysCommand::Revoke(one), true) => keys.revoke_personal(&one.key).await,
        (KeysCommand::Rotate { .. } | KeysCommand::Suspend(_) | KeysCommand::Resume(_), true) => {
            Err(Failure::usage("a Personal Access Key is neither rotated nor suspended: make another one, and revoke this one"))
        }
    }
}

impl Keys {
    async fn list_api_keys(&mut self) -> Result<(), Failure> {
        let keys = self.api_keys().await?;
        self.output.list(&keys, &["id", "name", "state", "expires", "last used", "roles"], |key| {
            let roles: BTreeSet<&str> = key.grants.iter().flat_map(|grant| grant.roles.iter().map(String::as_str)).collect();
            let mut cells = row(&key.id, &key.name, (&key.state, key.expires_at, key.last_used_at));
            cells.push(roles.into_iter().collect::<Vec<_>>().join(", "));
            cells
        })
    }

    async fn list_personal(&mut self) -> Result<(), Failure> {
        let keys = self.personal().await?;
        self.output.list(&keys, &["id", "name", "state", "expires", "last used", "of"], |key| {
            let mut cells = row(&key.id, &key.name, (&key.state, key.expires_at, key.last_used_at));
            cells.push(key.email.clone().unwrap_or_default());
            cells
        })
    }

    async fn api_keys(&mut self) -> Result<Vec<ApiKeyItem>, Failure> {
        let (mut keys, mut page) = (Vec::new(), 1);
        loop {
            let listed = self.connection.ask(async |caller| caller.api_keys(self.place, page).await).await?;
            let is_end = listed.data.is_empty();
            keys.extend(listed.data);
            if is_end || i64::try_from(keys.len()).is_ok_and(|count| count >= listed.total) {
                return Ok(keys);
            }
            page += 1;
        }
    }

    async fn personal(&mut self) -> Result<Vec<PersonalAccessKeyItem>, Failure> {
        let (mut keys, mut page) = (Vec::new(), 1);
        loop {
            let listed = self.connection.ask(async |caller| caller.personal_access_keys(self.place, page).await).await?;
            let is_end = listed.data.is_empty();
            keys.extend(listed.data);
            if is_end || i64::try_from(keys.len()).is_ok_and(|count| count >= listed.total) {
                return Ok(keys);
            }
            page += 1;
        }
    }

    async fn api_key(&mut self, text: &str) -> Result<KeyId, Failure> {
        if let Ok(id) = text.parse() {
            return Ok(id);
        }
        let keys = self.api_keys().await?;
        named(text, keys.iter().filter(|key| key.name == text).map(|key| (key.id, key.revoked_at)).collect())
    }

    async fn create_api_key(&mut self, args: CreateArgs) -> Result<(), Failure> {
        let own = match self.place {
            Place::Organization(id) => id,
            Place::Current => self.connection.ask(async |caller| caller.organization(Place::Current).await).await?.item.id,
        };
        let mut grants = Vec::new();
        if !args.roles.is_empty() {
            grants.push(GrantBody { organization_id: own, roles: args.roles });
        }
        for grant in &args.grants {
            let (place, roles) = grant.split_once('=').ok_or_else(|| Failure::usage("--grant must look like ORG=ROLE,ROLE"))?;
            let organization_id = organization::find(&mut self.connection, place).await?;
            grants.push(GrantBody { organization_id, roles: roles.split(',').map(|role| role.trim().to_owned()).collect() });
        }
        if grants.is_empty() {
            return Err(Failure::usage("say what the key may do: --role, or --grant for a sub-organization"));
        }
        let new = ApiKeyBody {
            name: args.name,
            grants,
            expires_at: args.expires.map(|when| when.after(self.connection.clock().now())),
            not_before: None,
            allowed_addresses: args.networks,
            description: args.description,
            metadata: Map::new(),
            delete_protection: false,
            introspect: false,
        };
        let made = self.connection.ask_as_person(async |caller| caller.create_api_key(self.place, &new).await).await?;
        let made = made.value;
        self.tell_secret(&made, (made.item.id, &made.item.name), &made.secret, made.item.expires_at)
    }

    async fn create_personal(&mut self, args: CreateArgs) -> Result<(), Failure> {
        let new = PersonalAccessKeyBody { name: args.name, expires_at: args.expires.map(|when| when.after(self.connection.clock().now())) };
        let made = self.connection.ask_as_person(async |caller| caller.create_personal_access_key(self.place, &new).await).await?;
        let made = made.value;
        self.tell_secret(&made, (made.item.id, &made.item.name), &made.key, made.item.expires_at)
    }

    async fn rotate(&mut self, key: &str, overlap: Option<Duration>, expires: Option<When>) -> Result<(), Failure> {
        let id = self.api_key(key).await?;
        let how = Rotation { overlap, expires_at: expires.map(|when| when.after(self.connection.clock().now())) };
        let rotated = self.connection.ask_as_person(async |caller| caller.rotate_api_key(self.place, id, how).await).await?;
        let rotated = rotated.value;
        match rotated.old_secret_ends_at {
            Some(ends) => self.output.remark(&format!("the old secret goes on until {ends}")),
            None => self.output.remark("the old secret has ended"),
        }
        self.tell_secret(&rotated, (id, key), &rotated.secret, rotated.expires_at)
    }

    fn tell_secret(&self, value: &impl serde::Serialize, (id, name): (KeyId, &str), secret: &str, expires_at: Time) -> Result<(), Failure> {
        if self.output.format() == OutputFormat::Table {
            self.output.remark(SHOWN_ONCE);
        }
        let parts = [("id", id.to_string()), ("name", name.to_owned()), ("secret", secret.to_owned()), ("expires", expires_at.to_string())];
        self.output.parts(value, &parts)
    }

    async fn suspend(&mut self, key: &str) -> Result<(), Failure> {
        let id = self.api_key(key).await?;
        let done = self.connection.ask(async |caller| caller.suspend_api_key(self.place, id).await).await?;
        self.output.done(&done.value, &done.value.message)
    }

    async fn resume(&mut self, key: &str) -> Result<(), Failure> {
        let id = self.api_key(key).await?;
        let done = self.connection.ask_as_person(async |caller| caller.resume_api_key(self.place, id).await).await?;
        self.output.done(&done.value, &done.value.message)
    }

    async fn revoke_api_key(&mut self, key: &str) -> Result<(), Failure> {
        let id = self.api_key(key).await?;
        let done = self.connection.ask(async |caller| caller.revoke_api_key(self.place, id).await).await?;
        self.output.done(&done.value, &done.value.message)
    }

    async fn revoke_personal(&mut self, key: &str) -> Result<(), Failure> {
        let id = match key.parse() {
            Ok(id) => id,
            Err(_) => {
                let keys = self.personal().await?;
                named(key, keys.iter().filter(|item| item.name == key).map(|item| (item.id, item.revoked_at)).collect())?
            }
        };
        let done = self.connection.ask(async |caller| caller.revoke_personal_access_key(self.place, id).await).await?;
        self.output.done(&done.value, &done.value.message)
    }
}

fn row(id: &KeyId, name: &str, (state, expires_at, last_used_at): (&str, Time, Option<Time>)) -> Vec<String> {
    let used = last_used_at.map_or_else(|| "never".to_owned(), |time| time.to_string());
    vec![id.to_string(), name.to_owned(), state.to_owned(), expires_at.to_string(), used]
}

/// The one key of a name: of several the one that lives.
fn named(name: &str, found: Vec<(KeyId, Option<Time>)>) -> Result<KeyId, Failure> {
    let living: Vec<KeyId> = found.iter().filter(|(_, revoked_at)| revoked_at.is_none()).map(|(id, _)| *id).collect();
    match (living.as_slice(), found.as_slice()) {
        ([one], _) | ([], [(one, _)]) => Ok(*one),
        ([], []) => {
            Err(Failure::failed(format!("there is no key called \"{name}\" here; `keywright keys list` has them all, with --personal those of people")))
        }
        (_, _) => {
            let ids: Vec<String> = found.iter().map(|(id, _)| id.to_string()).collect();
            Err(Failure::failed(format!("several keys are called \"{name}\"; name one by its id: {}", ids.join(", "))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_the_one_key_that_lives() {
        let key = |n: u8| format!("6f9619ff-8b86-4011-b42d-00c04fc964{n:02x}").parse::<KeyId>().unwrap();
        let revoked = Some(Time::from_seconds(1));
        assert_eq!(named("ci", vec![(key(1), revoked), (key(2), None)]).unwrap(), key(2));
        assert_eq!(named("ci", vec![(key(1), revoked)]).unwrap(), key(1));
        for several in [vec![(key(1), None), (key(2), None)], vec![(key(1), revoked), (key(2), revoked)], Vec::new()] {
            assert!(named("ci", several.clone()).is_err(), "{several:?}");
        }
    }
}
