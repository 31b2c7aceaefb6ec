//! `keywright members`: who belongs to an organization, with which roles.

use super::{Common, Connection, Failure, environment::Environment, organization::OrganizationArg, output::Output};
use clap::{Args, Subcommand};
use keywright_client::Place;
use keywright_protocol::UserId;
use serde_json::json;

/// What it takes.
#[derive(Debug, Args)]
pub struct MembersArgs {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    command: MembersCommand,
}

#[derive(Debug, Subcommand)]
enum MembersCommand {
    /// List members
    List(OrganizationArg),
    /// Invite somebody; the mail goes out by itself
    Invite {
        #[command(flatten)]
        organization: OrganizationArg,
        /// His address
        email: String,
        /// A role that he gets; repeat it for several
        #[arg(long = "role")]
        roles: Vec<String>,
    },
    /// Show a member's roles, or change them
    Roles {
        #[command(flatten)]
        organization: OrganizationArg,
        /// The member, by his address or his id
        member: String,
        #[command(flatten)]
        change: RolesChange,
    },
    /// End somebody's membership for ever; his keys there die with it
    Remove {
        #[command(flatten)]
        organization: OrganizationArg,
        /// The member, by his address or his id
        member: String,
    },
}

/// One change of roles, or none.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct RolesChange {
    /// These roles and no others, with commas between them; "" for none
    #[arg(long, value_delimiter = ',')]
    set: Vec<String>,
    /// These roles besides
    #[arg(long, value_delimiter = ',')]
    add: Vec<String>,
    /// Without these roles
    #[arg(long, value_delimiter = ',')]
    remove: Vec<String>,
}

pub(super) async fn run(args: MembersArgs, environment: &Environment) -> Result<(), Failure> {
    let output = args.common.output();
    let mut connection = Connection::open(&args.common, environment).await?;
    match args.command {
        MembersCommand::List(organization) => list(&mut connection, &organization, &output).await,
        MembersCommand::Invite { organization, email, roles } => {
            let id = match organization.find(&mut connection).await? {
                Some(id) => id,
                None => connection.ask(async |caller| caller.me().await).await?.organization.id,
            };
            let done = connection.ask(async |caller| caller.invite(id, &email, roles.clone()).await).await?;
            output.done(&done.value, &done.value.message)
        }
        MembersCommand::Roles { organization, member, change } => {
            let place = organization.place(&mut connection).await?;
            let user = find(&mut connection, place, &member).await?;
            roles(&mut connection, (place, user), change, &output).await
        }
        MembersCommand::Remove { organization, member } => {
            let place = organization.place(&mut connection).await?;
            let user = find(&mut connection, place, &member).await?;
            let done = connection.ask(async |caller| caller.remove_member(place, user).await).await?;
            output.done(&done.value, &done.value.message)
        }
    }
}

async fn list(connection: &mut Connection, organization: &OrganizationArg, output: &Output) -> Result<(), Failure> {
    let place = organization.place(connection).await?;
    let members = connection.ask(async |caller| caller.members(place).await).await?;
    output.list(&members, &["id", "address", "name"], |member| vec![member.id.to_string(), member.email.clone(), member.full_name.clone()])
}

async fn roles(connection: &mut Connection, (place, user): (Place, UserId), change: RolesChange, output: &Output) -> Result<(), Failure> {
    let RolesChange { set, add, remove } = change;
    let now = if !set.is_empty() {
        // An empty one is none: `--set ""` takes all.
        let keys: Vec<String> = set.into_iter().filter(|key| !key.is_empty()).collect();
        connection.ask(async |caller| caller.set_member_roles(place, user, keys.clone()).await).await?.value.roles
    } else if !add.is_empty() {
        connection.ask(async |caller| caller.add_member_roles(place, user, add.clone()).await).await?.value.roles
    } else if !remove.is_empty() {
        connection.ask(async |caller| caller.remove_member_roles(place, user, remove.clone()).await).await?.value.roles
    } else {
        let roles = connection.ask(async |caller| caller.member_roles(place, user).await).await?;
        return output.parts(&roles, &[("roles", roles.roles.join(", ")), ("of the root", roles.inherited_roles.join(", "))]);
    };
    output.parts(&json!({ "roles": now }), &[("roles", now.join(", "))])
}

/// A member by his id, or by his address.
async fn find(connection: &mut Connection, place: Place, text: &str) -> Result<UserId, Failure> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let members = connection.ask(async |caller| caller.members(place).await).await?;
    let found = members.iter().find(|member| member.email.to_lowercase() == text.to_lowercase());
    found.map(|member| member.id).ok_or_else(|| Failure::failed(format!("{text} is no member here; `keywright members list` has them all")))
}
