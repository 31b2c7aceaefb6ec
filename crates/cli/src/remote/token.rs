//! `keywright token`: one that lives; and what a token says.

use super::{
    Common, Connection, Failure,
    connection::Take,
    environment::Environment,
    inspect::{self},
    organization::OrganizationArg,
    output::OutputFormat,
    tokens::{Narrowing, Token},
    verify,
};
use clap::{Args, Subcommand};
use serde_json::json;

/// What it takes.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct TokenArgs {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(flatten)]
    narrowing: NarrowingArgs,
    /// Make another one, though there may be one that lives
    #[arg(long)]
    new: bool,
    #[command(subcommand)]
    command: Option<TokenCommand>,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Say what a token says, without verifying it. It is read from standard input
    Inspect,
    /// Verify a token by what its issuer publishes. It is read from standard input
    Verify(verify::VerifyArgs),
}

/// To what a token is narrowed.
#[derive(Debug, Clone, Args)]
pub(super) struct NarrowingArgs {
    /// Only these permissions, by their ids
    #[arg(long, value_name = "SCOPE", num_args = 1.., value_delimiter = ',')]
    only: Vec<String>,
    /// For this audience, as the catalog names it, instead of the default one
    #[arg(long = "for", value_name = "AUDIENCE")]
    audience: Option<String>,
    #[command(flatten)]
    organization: OrganizationArg,
}

impl NarrowingArgs {
    pub(super) async fn find(&self, connection: &mut Connection) -> Result<Narrowing, Failure> {
        let organization = self.organization.find(connection).await?;
        Ok(Narrowing { organization, audience: self.audience.clone(), scope: self.only.clone() })
    }
}

pub(super) async fn run(args: TokenArgs, environment: &Environment) -> Result<(), Failure> {
    let output = args.common.output();
    match args.command {
        Some(TokenCommand::Inspect) => return inspect::run(&output),
        Some(TokenCommand::Verify(how)) => return verify::run(how, &args.common, environment).await,
        None => {}
    }
    let mut connection = Connection::open(&args.common, environment).await?;
    let narrowing = args.narrowing.find(&mut connection).await?;
    let token: Token = connection.token(&narrowing, if args.new { Take::New } else { Take::Kept }).await?;
    match output.format() {
        OutputFormat::Table => output.line(&token.access_token),
        OutputFormat::Json => {
            let left = token.expires_at.as_seconds() - connection.clock().now().as_seconds();
            output.json(&json!({ "access_token": token.access_token.as_str(), "token_type": "Bearer", "expires_in": left }))
        }
    }
}
