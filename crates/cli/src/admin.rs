//! `keywright admin`: organizations, users, members and keys, on the host itself.

use crate::{
    catalog,
    operator_key::{self, OperatorKeyCommand},
    outbox, signing_keys,
};
use anyhow::{Context as _, bail};
use clap::Subcommand;
use keywright_protocol::{
    KeyId, OrganizationId, Time, UserId,
    admin::{AdminReply, AdminRequest, RolesIn},
    installation::InstallationStatus,
};
use std::{fmt, path::Path, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};

/// An act of administration.
#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Make the operator organization and its first Owner, with a one-time password
    Bootstrap {
        /// The Owner's e-mail address
        #[arg(long)]
        owner_email: String,
    },
    /// Organizations
    #[command(subcommand)]
    Organization(OrganizationCommand),
    /// Users
    #[command(subcommand)]
    User(UserCommand),
    /// Members of organizations
    #[command(subcommand)]
    Member(MemberCommand),
    /// Personal Access Keys and API Keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Keys for the operator's own programs
    #[command(subcommand)]
    OperatorKey(OperatorKeyCommand),
    /// Mail that waits to be sent, with its secrets, and mail that was given up, with the reason
    Outbox,
}

/// About organizations.
#[derive(Debug, Subcommand)]
pub enum OrganizationCommand {
    /// List all
    List,
    /// Make one
    Create {
        /// Its name
        #[arg(long)]
        name: String,
        /// Id of the root it belongs to; without it a root is made
        #[arg(long)]
        parent: Option<OrganizationId>,
    },
    /// Suspend one: nothing of it, nor of what hangs under it, authenticates
    Suspend {
        /// Its id
        id: OrganizationId,
    },
    /// Take a suspension back
    Resume {
        /// Its id
        id: OrganizationId,
    },
}

/// About users.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// List all
    List,
    /// Add one, without a password
    Create {
        /// E-mail address
        #[arg(long)]
        email: String,
        /// Name
        #[arg(long)]
        name: String,
    },
    /// Disable one: nothing of his authenticates
    Disable {
        /// His id
        id: UserId,
    },
    /// Take that back
    Enable {
        /// His id
        id: UserId,
    },
    /// Turn off the second factor of somebody who has lost device and recovery codes; make sure that it is he who asks
    ResetSecondFactor {
        /// His e-mail address
        email: String,
    },
}

/// About members.
#[derive(Debug, Subcommand)]
pub enum MemberCommand {
    /// List the direct members of an organization
    List {
        /// The organization's id
        #[arg(long)]
        organization: OrganizationId,
    },
    /// Make a user a direct member, or set a member's roles anew
    Set {
        /// The organization's id
        #[arg(long)]
        organization: OrganizationId,
        /// The user's id
        #[arg(long)]
        user: UserId,
        /// A role key; repeat it for several, leave it out for none
        #[arg(long = "role")]
        roles: Vec<String>,
    },
    /// End a membership for ever; its keys die with it
    Remove {
        /// The organization's id
        #[arg(long)]
        organization: OrganizationId,
        /// The user's id
        #[arg(long)]
        user: UserId,
    },
}

/// About keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// List the keys of an organization, without secrets
    List {
        /// The organization's id
        #[arg(long)]
        organization: OrganizationId,
    },
    /// Make a Personal Access Key for a direct member; the secret is shown once
    CreatePersonal {
        /// The organization's id
        #[arg(long)]
        organization: OrganizationId,
        /// The user's id
        #[arg(long)]
        user: UserId,
        /// The key's name
        #[arg(long)]
        name: String,
        /// When it expires, such as 2027-03-31T00:00:00Z; without it after the default life
        #[arg(long)]
        expires_at: Option<Time>,
    },
    /// Make an API Key; the secret is shown once
    CreateApi {
        /// The organization's id
        #[arg(long)]
        organization: OrganizationId,
        /// The key's name
        #[arg(long)]
        name: String,
        /// What it may do where: ORGANIZATION=role,role; repeat it for several organizations
        #[arg(long = "grant", value_parser = parse_grant, required = true)]
        grants: Vec<RolesIn>,
        /// When it expires, such as 2027-03-31T00:00:00Z; without it after the default life
        #[arg(long)]
        expires_at: Option<Time>,
    },
    /// Give an API Key another secret, which is shown once; its id, name and roles stay
    Rotate {
        /// Its id
        id: KeyId,
        /// For how many seconds the old secret goes on; 0 ends it at once. Without it 24 hours
        #[arg(long)]
        overlap_seconds: Option<u32>,
        /// When the key expires from now on; without it as before
        #[arg(long)]
        expires_at: Option<Time>,
    },
    /// Suspend an API Key: it is not exchanged until it is resumed
    Suspend {
        /// Its id
        id: KeyId,
    },
    /// Take a suspension back
    Resume {
        /// Its id
        id: KeyId,
    },
    /// Revoke a key for ever
    Revoke {
        /// Its id
        id: KeyId,
    },
}

fn parse_grant(text: &str) -> Result<RolesIn, String> {
    let (organization, roles) = text.split_once('=').ok_or("must look like ORGANIZATION=role,role")?;
    let organization_id = organization.parse().map_err(|error| format!("the organization's id {error}"))?;
    let roles: Vec<String> = roles.split(',').map(str::trim).filter(|role| !role.is_empty()).map(str::to_owned).collect();
    if roles.is_empty() { Err("names no role".to_owned()) } else { Ok(RolesIn { organization_id, roles }) }
}

impl From<AdminCommand> for AdminRequest {
    fn from(command: AdminCommand) -> Self {
        match command {
            AdminCommand::Bootstrap { owner_email } => Self::Bootstrap { owner_email },
            AdminCommand::Organization(command) => match command {
                OrganizationCommand::List => Self::ListOrganizations,
                OrganizationCommand::Create { name, parent } => Self::CreateOrganization { name, parent },
                OrganizationCommand::Suspend { id } => Self::SuspendOrganization { organization: id },
                OrganizationCommand::Resume { id } => Self::ResumeOrganization { organization: id },
            },
            AdminCommand::User(command) => match command {
                UserCommand::List => Self::ListUsers,
                UserCommand::Create { email, name } => Self::CreateUser { email, name },
                UserCommand::Disable { id } => Self::DisableUser { user: id },
                UserCommand::Enable { id } => Self::EnableUser { user: id },
                UserCommand::ResetSecondFactor { email } => Self::ResetSecondFactor { email },
            },
            AdminCommand::Member(command) => match command {
                MemberCommand::List { organization } => Self::ListMembers { organization },
                MemberCommand::Set { organization, user, roles } => Self::SetMember { organization, user, roles },
                MemberCommand::Remove { organization, user } => Self::RemoveMember { organization, user },
            },
            AdminCommand::OperatorKey(command) => command.into(),
            AdminCommand::Outbox => Self::ListOutbox,
            AdminCommand::Key(command) => match command {
                KeyCommand::List { organization } => Self::ListKeys { organization },
                KeyCommand::CreatePersonal { organization, user, name, expires_at } => Self::CreatePersonalAccessKey { organization, user, name, expires_at },
                KeyCommand::CreateApi { organization, name, grants, expires_at } => Self::CreateApiKey { organization, name, grants, expires_at },
                KeyCommand::Rotate { id, overlap_seconds, expires_at } => Self::RotateKey { key: id, overlap_seconds, expires_at },
                KeyCommand::Suspend { id } => Self::SuspendKey { key: id },
                KeyCommand::Resume { id } => Self::ResumeKey { key: id },
                KeyCommand::Revoke { id } => Self::RevokeKey { key: id },
            },
        }
    }
}

/// How long a server may take for one act.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long for saying how it is: whoever asks wants to know whether it stands still.
const TIMEOUT_OF_STATUS: Duration = Duration::from_secs(3);

/// A server is there, and does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    /// It was asked to do something.
    Act,
    /// It was asked how it is.
    Status,
}

impl NoAnswer {
    /// How a command ends that got none: as where a server cannot be reached.
    pub const EXIT_CODE: u8 = 5;
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Act => f.write_str("the server did not answer in time; whether it did it is not sure"),
            Self::Status => write!(
                f,
                "the server did not answer within {} s, so it stands still; `keywright db status` says how its database is",
                TIMEOUT_OF_STATUS.as_secs()
            ),
        }
    }
}

impl std::error::Error for NoAnswer {}

/// Sends a request to the server that listens on a socket; `None` if no server does.
///
/// # Errors
/// [`NoAnswer`]; or if the socket may not be opened, or the connection breaks off.
pub async fn send(socket: &Path, request: &AdminRequest) -> anyhow::Result<Option<AdminReply>> {
    use std::io::ErrorKind;
    let mut stream = match UnixStream::connect(socket).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("the administration socket {} cannot be opened", socket.display())),
    };
    let exchange = async {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        stream.write_all(&line).await?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await?;
        Ok::<_, anyhow::Error>(reply)
    };
    let (patience, none) = if matches!(request, AdminRequest::Status) { (TIMEOUT_OF_STATUS, NoAnswer::Status) } else { (TIMEOUT, NoAnswer::Act) };
    let reply = tokio::time::timeout(patience, exchange).await.map_err(|_| none)??;
    Ok(Some(serde_json::from_str(&reply).context("the server's answer cannot be read; is it of another version?")?))
}

/// For whom a reply is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Lines for people.
    Text,
    /// JSON for programs.
    Json,
}

/// A reply as it is printed.
///
/// # Errors
/// A refusal, as the sentence it came with.
pub fn render(reply: &AdminReply, format: Format) -> anyhow::Result<String> {
    if let AdminReply::Refused { message, .. } = reply {
        bail!("{message}");
    }
    if format == Format::Json {
        return Ok(serde_json::to_string_pretty(reply)?);
    }
    Ok(match reply {
        AdminReply::Refused { message, .. } => message.clone(),
        AdminReply::Done { revision } => format!("done, revision {revision}"),
        AdminReply::Bootstrapped { organization_id, user_id, one_time_password } => {
            format!("operator organization {organization_id}\nOwner {user_id}\none-time password (shown once): {one_time_password}")
        }
        AdminReply::Organization(row) => format!("organization {} \"{}\"", row.id, row.name),
        AdminReply::User(row) => format!("user {} {}", row.id, row.email),
        AdminReply::KeyCreated { id, secret, expires_at } => format!("key {id}, expires {expires_at}\nsecret (shown once): {secret}"),
        AdminReply::KeyRotated { id, secret, expires_at, old_secret_ends_at } => {
            let old = old_secret_ends_at.map_or_else(|| "the old secret is dead".to_owned(), |at| format!("the old secret is taken until {at}"));
            format!("key {id}, expires {expires_at}; {old}\nsecret (shown once): {secret}")
        }
        AdminReply::CatalogDiff { diff } => catalog::lines(diff),
        AdminReply::CatalogApplied { revision, diff } => format!("{}\ndone, revision {revision}", catalog::lines(diff)),
        AdminReply::Organizations { organizations } => lines(organizations.iter().map(|row| {
            let kind = if row.id == row.root_id { "root".to_owned() } else { format!("of {}", row.root_id) };
            let state = row.suspended_at.map(|at| format!("  suspended {at}")).unwrap_or_default();
            format!("{}  {kind}  {}{state}", row.id, row.name)
        })),
        AdminReply::Users { users } => lines(users.iter().map(|row| {
            let state = row.disabled_at.map(|at| format!("  disabled {at}")).unwrap_or_default();
            format!("{}  {}  {}{state}", row.id, row.email, row.name)
        })),
        AdminReply::Members { members } => lines(members.iter().map(|row| format!("{}  {}  {}", row.user_id, row.email, row.roles.join(",")))),
        AdminReply::OperatorKeys { keys } => lines(keys.iter().map(operator_key::line)),
        AdminReply::Revocations { section } => lines(section.iter().map(ToString::to_string)),
        AdminReply::Chain { links } => lines(links.iter().map(ToString::to_string)),
        AdminReply::Outbox { mail } => lines(mail.iter().map(outbox::lines)),
        AdminReply::Status(status) => installation(status),
        AdminReply::SigningKeys { keys } => lines(keys.iter().map(signing_keys::line)),
        AdminReply::Keys { keys } => lines(keys.iter().map(|row| {
            let state = match (row.revoked_at, row.suspended_at) {
                (Some(at), _) => format!("revoked {at}"),
                (None, Some(at)) => format!("suspended {at}"),
                (None, None) => format!("expires {}", row.expires_at),
            };
            format!("{}  {}  {}  {state}", row.id, row.kind.infix(), row.name)
        })),
    })
}

/// How the installation is, for people.
fn installation(status: &InstallationStatus) -> String {
    let replicas = status.replicas.iter().map(|row| {
        let behind = row.behind.map_or_else(|| "another history".to_owned(), |behind| format!("{behind} behind"));
        let this = if row.is_this { "  (answers this)" } else { "" };
        let owes = if row.owes { "  (has not written back what it knows)" } else { "" };
        format!("{}  {}  applied {}, {behind}  renewed {}  since {}{this}{owes}", row.instance, row.address, row.applied, row.renewed_at, row.started_at)
    });
    let replicas: Vec<String> = replicas.collect();
    let others = if replicas.is_empty() { "one process has this database alone".to_owned() } else { replicas.join("\n") };
    let lease = if status.has_lease { "may answer requests" } else { "has no lease: requests are answered 503" };
    let shut =
        status.shut_at.map(|since| format!("\nshut since {since}, because revocations may be lost; see docs/OPERATIONS.md, Failover")).unwrap_or_default();
    format!("revision {}; this process {lease}{shut}\n{others}", status.revision)
}

fn lines(rows: impl Iterator<Item = String>) -> String {
    let rows: Vec<String> = rows.collect();
    if rows.is_empty() { "none".to_owned() } else { rows.join("\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_read() {
        let id = "6f9619ff-8b86-4011-b42d-00c04fc964ff";
        let grant = parse_grant(&format!("{id}=view-build, manage-build")).unwrap();
        assert_eq!(grant.roles, ["view-build", "manage-build"]);
        for bad in ["", "x=view-build", id, &format!("{id}=")] {
            assert!(parse_grant(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_refusal_is_an_error_in_both_forms() {
        let refused = AdminReply::Refused { error: "conflict".into(), message: "taken".into() };
        assert!(render(&refused, Format::Json).is_err() && render(&refused, Format::Text).is_err());
        assert_eq!(render(&AdminReply::Users { users: Vec::new() }, Format::Text).unwrap(), "none");
    }
}
